/* Where the keys stand of which something is found out only when they are used. */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/run/config_read.h"

/* Every list member of a struct has this shape. */
struct any_list {
	const void *items;
	size_t count;
};

/* Whether path is the key, or goes on behind it or ends before it at a border. */
static bool goes_together(const char *key, const char *path)
{
	size_t key_size = strlen(key);
	size_t path_size = strlen(path);

	if (path_size >= key_size)
		return strncmp(key, path, key_size) == 0 && (!path[key_size] || strchr(".[", path[key_size]));
	return strncmp(key, path, path_size) == 0 && key[path_size] == '.';
}

/* Where the item stands that the rest of the path begins with, "[1]...", if the table keeps that. */
static struct config_origin item_origin(const struct config *config, const struct config_row *row, const char *rest)
{
	const struct config_section *section = config_section_of(row->type);
	struct config_origin origin = { NULL, 0 };

	if (!section || !section->origin_offset || *rest != '[')
		return origin;
	const struct any_list *list = (const struct any_list *)(const void *)((const char *)config + row->offset);
	size_t index = strtoul(rest + 1, NULL, 10);

	if (index < list->count)
		memcpy(&origin, (const char *)list->items + index * section->struct_size + section->origin_offset,
		       sizeof origin);
	return origin;
}

/* False for a path that is no key. Of a section's keys it is the first that names a file, or the first of all. What
 * nobody gave stands at the beginning of the file. */
static bool origin_find(const struct config *config, const char *path, struct config_origin *origin)
{
	bool is_key = false;
	bool is_given = false;

	*origin = (struct config_origin) { config->file, 1 };
	for (size_t i = 0; i < config_root.row_count; i++) {
		const struct config_row *row = &config_root.rows[i];
		const struct config_origin *given = &config->origins->rows[i];
		bool is_section = strlen(row->key) > strlen(path);

		if (!goes_together(row->key, path))
			continue;
		is_key = true;
		if (!given->file || (is_given && row->type != CONFIG_PATH))
			continue;
		is_given = true;
		*origin = *given;
		if (!is_section) {
			struct config_origin item = item_origin(config, row, path + strlen(row->key));

			*origin = item.file ? item : *given;
		}
		if (!is_section || row->type == CONFIG_PATH)
			return true;
	}
	return is_key;
}

void config_issues_place(const struct config *config, size_t first, struct outcome *outcome)
{
	for (size_t i = first; config->origins && config->file && i < outcome->count; i++) {
		struct issue *issue = &outcome->issues[i];
		struct config_origin origin;
		char path[sizeof issue->path];

		if (!issue->path[0] || !origin_find(config, issue->path, &origin))
			continue;
		snprintf(path, sizeof path, "%s:%zu: %s", origin.file, origin.line, issue->path);
		memcpy(issue->path, path, sizeof path);
	}
}
