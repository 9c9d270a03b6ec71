/* For the tests of the mapping: JSON trees, and whether one holds all that another says. */
#ifndef TESTS_META_JSON_H
#define TESTS_META_JSON_H

#include "meta_support.h"

#include <jansson.h>

#include "mappers/base/xds_time.h"
#include "mappers/document_entry.h"
#include "mappers/json_writer.h"
#include "mappers/list_resource.h"

/* Test text writes ' for " */
static inline json_t *json_of(const char *text)
{
	char *copy = strdup(text);
	json_error_t error;
	json_t *tree;

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	tree = json_loads(copy, JSON_REJECT_DUPLICATES, &error);
	if (!tree)
		fail_msg("%s at %d: %s", error.text, error.position, text);
	free(copy);
	return tree;
}

static inline json_t *json_of_buf(const struct buf *buf)
{
	json_error_t error;
	json_t *tree = json_loadb(buf->data, buf->size, JSON_REJECT_DUPLICATES, &error);

	if (!tree)
		fail_msg("%s at %d: %s", error.text, error.position, buf->data);
	return tree;
}

/* Two trees side by side; roots are where contained resources are looked up. */
struct json_pair {
	const json_t *wanted_root, *got_root;
	const char *const *ignored; /* names of members, NULL at the end */
	const json_t *(*resolve)(const char *reference);
	char path[512];
};

static inline const json_t *json_contained(const json_t *root, const char *reference)
{
	const json_t *contained = json_object_get(root, "contained");

	for (size_t i = 0; i < json_array_size(contained); i++) {
		const json_t *resource = json_array_get(contained, i);

		if (strcmp(json_string_value(json_object_get(resource, "id")), reference + 1) == 0)
			return resource;
	}
	return NULL;
}

static inline const json_t *json_follow(const struct json_pair *pair, const json_t *root, const char *reference)
{
	if (reference[0] == '#')
		return json_contained(root, reference);
	return pair->resolve ? pair->resolve(reference) : NULL;
}

static inline bool is_ignored(const struct json_pair *pair, const char *name)
{
	for (size_t i = 0; pair->ignored[i]; i++) {
		if (strcmp(pair->ignored[i], name) == 0)
			return true;
	}
	return false;
}

/* Dates are equal when they are the same moment in the same precision. */
static inline bool same_text(const char *wanted, const char *got)
{
	struct arena *arena = arena_new(4096);
	struct str a, b;
	bool same = strcmp(wanted, got) == 0 || (xds_time_from_fhir(str_from_c(wanted), 0, arena, &a) &&
						 xds_time_from_fhir(str_from_c(got), 0, arena, &b) && str_equal(a, b));

	arena_free(arena);
	return same;
}

static inline bool json_holds(struct json_pair *pair, const json_t *wanted, const json_t *got);

static inline bool json_holds_members(struct json_pair *pair, const json_t *wanted, const json_t *got)
{
	const char *name;
	json_t *value;
	size_t size = strlen(pair->path);

	json_object_foreach((json_t *)wanted, name, value)
	{
		if (is_ignored(pair, name))
			continue;
		snprintf(pair->path + size, sizeof pair->path - size, ".%s", name);
		if (strcmp(name, "reference") == 0 && json_is_string(value)) {
			const json_t *a = json_follow(pair, pair->wanted_root, json_string_value(value));
			const json_t *got_reference = json_object_get(got, name);
			const json_t *b = json_is_string(got_reference)
						  ? json_follow(pair, pair->got_root, json_string_value(got_reference))
						  : NULL;

			if (a && (!b || !json_holds(pair, a, b)))
				return false;
			if (a)
				continue;
		}
		if (!json_holds(pair, value, json_object_get(got, name)))
			return false;
	}
	pair->path[size] = '\0';
	return true;
}

/* Everything that wanted says, got says too. */
static inline bool json_holds(struct json_pair *pair, const json_t *wanted, const json_t *got)
{
	if (!got)
		return false;
	if (json_is_object(wanted))
		return json_is_object(got) && json_holds_members(pair, wanted, got);
	if (json_is_array(wanted)) {
		for (size_t i = 0; i < json_array_size(wanted); i++) {
			bool found = false;
			size_t size = strlen(pair->path);
			char deepest[512] = "";

			for (size_t k = 0; k < json_array_size(got) && !found; k++) {
				found = json_holds(pair, json_array_get(wanted, i), json_array_get(got, k));
				if (!found && strlen(pair->path) > strlen(deepest))
					snprintf(deepest, sizeof deepest, "%s", pair->path);
				pair->path[size] = '\0';
			}
			if (!found) {
				if (deepest[0])
					snprintf(pair->path, sizeof pair->path, "%s", deepest);
				return false;
			}
		}
		return true;
	}
	if (json_is_string(wanted))
		return json_is_string(got) && same_text(json_string_value(wanted), json_string_value(got));
	return json_equal(wanted, got);
}

#endif
