#include "gateway/run/config_change.h"

#include <sys/stat.h>

#include "gateway/run/config_read.h"

#define FNV_BEGIN UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

/* Every list member of a struct has this shape. */
struct any_list {
	const void *items;
	size_t count;
};

static size_t size_of(enum config_type type)
{
	switch (type) {
	case CONFIG_TEXT:
	case CONFIG_URL:
	case CONFIG_BASE:
	case CONFIG_OID:
	case CONFIG_CODE:
	case CONFIG_PATH:
	case CONFIG_SECRET:
		return sizeof(struct str);
	case CONFIG_INTEGER:
	case CONFIG_BYTES:
		return sizeof(uint64_t);
	case CONFIG_SWITCH:
		return sizeof(bool);
	case CONFIG_CHOICE:
	case CONFIG_FLAGS:
		return sizeof(unsigned);
	case CONFIG_OFFSET:
		return sizeof(int);
	default:
		return sizeof(struct any_list);
	}
}

static bool object_same(const struct config_section *section, const void *a, const void *b);

static bool list_same(enum config_type type, const struct any_list *a, const struct any_list *b)
{
	const struct config_section *section = config_section_of(type);
	size_t size = section ? section->struct_size : sizeof(struct str);

	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const char *left = (const char *)a->items + i * size;
		const char *right = (const char *)b->items + i * size;

		/* The depth of recursion is that of the table. */
		if (section ? !object_same(section, left, right)
			    : !str_equal(*(const struct str *)(const void *)left,
					 *(const struct str *)(const void *)right))
			return false;
	}
	return true;
}

static bool row_same(const struct config_row *row, const void *a, const void *b)
{
	const void *left = (const char *)a + row->offset;
	const void *right = (const char *)b + row->offset;
	size_t size = size_of(row->type);

	if (row->type > CONFIG_FLAGS)
		return list_same(row->type, left, right);
	if (size == sizeof(struct str) && row->type <= CONFIG_SECRET)
		return str_equal(*(const struct str *)left, *(const struct str *)right);
	return memcmp(left, right, size) == 0;
}

static bool object_same(const struct config_section *section, const void *a, const void *b)
{
	for (size_t i = 0; i < section->row_count; i++) {
		if (!row_same(&section->rows[i], a, b))
			return false;
	}
	return true;
}

bool config_audit_repository_same(const struct config_audit_repository *a, const struct config_audit_repository *b)
{
	return object_same(config_section_of(CONFIG_AUDIT_REPOSITORIES), a, b);
}

static void name_add(struct buf *names, const char *name)
{
	struct str rest = buf_str(names);
	struct str one;

	while (str_next(&rest, ',', &one)) {
		if (str_equal(str_trim(one), str_from_c(name)))
			return;
	}
	buf_printf(names, "%s%s", names->size ? ", " : "", name);
}

static void row_copy(const struct config_row *row, struct config *to, const struct config *from)
{
	memcpy((char *)to + row->offset, (const char *)from + row->offset, size_of(row->type));
}

/* The embedded domain is another process; and nobody changed a base that was made of something else. */
static bool is_unasked(const struct config_set *set, const struct config_row *row)
{
	return strncmp(row->key, "domain.", 7) == 0 || (set->is_base_derived && strcmp(row->key, "public_base") == 0);
}

bool config_process_keep(struct config_set *set, const struct config *process, struct buf *kept)
{
	for (size_t i = 0; i < config_root.row_count; i++) {
		const struct config_row *row = &config_root.rows[i];

		if (config_scope_of(row->key) != CONFIG_OF_PROCESS)
			continue;
		if (!row_same(row, &set->process, process) && !is_unasked(set, row))
			name_add(kept, row->key);
		row_copy(row, &set->process, process);
		for (size_t k = 0; !set->is_single && k < set->count; k++)
			row_copy(row, &set->tenants[k], process);
	}
	return config_set_derive(set);
}

void config_state_keep(struct config *tenant, const struct config *state, struct buf *kept)
{
	for (size_t i = 0; i < config_root.row_count; i++) {
		const struct config_row *row = &config_root.rows[i];

		if (config_scope_of(row->key) != CONFIG_OF_STATE)
			continue;
		if (!row_same(row, tenant, state))
			name_add(kept, row->key);
		row_copy(row, tenant, state);
	}
}

/* Whether each other tenant of one, as far as it has organizations, has the same in the other. */
static bool others_in(const struct config *a, const struct config *b)
{
	for (size_t i = 0; a->set && i < a->set->count; i++) {
		const struct config *one = &a->set->tenants[i];
		const struct config *same = b->set ? config_set_find(b->set, one->tenant) : NULL;

		if (one != a && one->organizations.count &&
		    (!same || !list_same(CONFIG_TEXTS, (const struct any_list *)(const void *)&one->organizations,
					 (const struct any_list *)(const void *)&same->organizations)))
			return false;
	}
	return true;
}

static bool others_same(const struct config *a, const struct config *b)
{
	return others_in(a, b) && others_in(b, a);
}

bool config_differs(const struct config *a, const struct config *b, struct buf *keys)
{
	bool differs = false;

	for (size_t i = 0; i < config_root.row_count; i++) {
		const struct config_row *row = &config_root.rows[i];

		if (config_scope_of(row->key) == CONFIG_OF_MAIN || row_same(row, a, b))
			continue;
		differs = true;
		name_add(keys, row->key);
	}
	if (!str_equal(a->bare_base, b->bare_base)) {
		differs = true;
		name_add(keys, "default_tenant");
	}
	if (!others_same(a, b)) {
		differs = true;
		name_add(keys, "organizations of others");
	}
	if (a->files_mark != b->files_mark) {
		differs = true;
		name_add(keys, "content of files");
	}
	return differs;
}

static uint64_t mix(uint64_t mark, uint64_t value)
{
	return (mark ^ value) * FNV_PRIME;
}

/* What a file is known by without reading it; of what is no file, nothing. */
static uint64_t file_mix(uint64_t mark, struct str path)
{
	struct stat status;

	if (str_is_empty(path) || stat(path.data, &status) != 0 || !S_ISREG(status.st_mode))
		return mark;
	mark = mix(mark, (uint64_t)status.st_ino);
	mark = mix(mark, (uint64_t)status.st_size);
	mark = mix(mark, (uint64_t)status.st_mtim.tv_sec);
	return mix(mark, (uint64_t)status.st_mtim.tv_nsec);
}

static uint64_t rows_mix(uint64_t mark, const struct config_section *section, const void *object)
{
	for (size_t i = 0; i < section->row_count; i++) {
		const struct config_row *row = &section->rows[i];
		const struct config_section *inner = config_section_of(row->type);
		const void *member = (const char *)object + row->offset;

		if (section == &config_root && config_scope_of(row->key) != CONFIG_OF_SETTINGS)
			continue;
		if (row->type == CONFIG_PATH)
			mark = file_mix(mark, *(const struct str *)member);
		for (size_t k = 0; inner && k < ((const struct any_list *)member)->count; k++)
			mark = rows_mix(mark, inner,
					(const char *)((const struct any_list *)member)->items +
						k * inner->struct_size);
	}
	return mark;
}

uint64_t config_files_mark(const struct config *config)
{
	return rows_mix(FNV_BEGIN, &config_root, config);
}
