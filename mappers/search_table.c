#include "mappers/search_table.h"

#include "mappers/metadata.h"

#define OBJECT_TYPE_DOCUMENT_ENTRY struct document_entry
#define OBJECT_TYPE_SUBMISSION_SET struct submission_set
#define OBJECT_TYPE_FOLDER         struct folder
#define IS_MANY_ONE                false
#define IS_MANY_MANY               true

static const enum search_object row_objects[] = {
#define SEARCH(object, ...) SEARCH_##object,
#include "profiles/mhd/search.def"
#undef SEARCH
};

/* One after the other as in the file, where the rows of an object stand together. */
static const struct search_row rows[] = {
#define SEARCH(object, text, kind, how, cardinality, member, slot_name, and_slots, url, sentence) \
	{ .name = { "" text, sizeof text - 1 },                                                   \
	  .type = SEARCH_##kind,                                                                  \
	  .match = MATCH_##how,                                                                   \
	  .many = IS_MANY_##cardinality,                                                          \
	  .offset = offsetof(OBJECT_TYPE_##object, member),                                       \
	  .slot = { "" slot_name, sizeof slot_name - 1 },                                         \
	  .repeatable = and_slots,                                                                \
	  .definition = { "" url, sizeof url - 1 },                                               \
	  .documentation = { "" sentence, sizeof sentence - 1 } },
#include "profiles/mhd/search.def"
#undef SEARCH
};

const struct search_row *search_rows(enum search_object object, size_t *count)
{
	size_t first = 0;
	size_t end;

	while (first < COUNT_OF(rows) && row_objects[first] != object)
		first++;
	end = first;
	while (end < COUNT_OF(rows) && row_objects[end] == object)
		end++;
	*count = end - first;
	return rows + first;
}

const struct search_row *search_row_find(enum search_object object, struct str name)
{
	size_t count;
	const struct search_row *row = search_rows(object, &count);

	if (str_equal(name, STR("_lastupdated")))
		name = STR("_lastUpdated");
	for (size_t i = 0; i < count; i++) {
		if (str_equal(row[i].name, name))
			return &row[i];
	}
	return NULL;
}

struct str search_type_name(enum search_type type)
{
	switch (type) {
	case SEARCH_TOKEN:
		return STR("token");
	case SEARCH_DATE:
		return STR("date");
	case SEARCH_STRING:
		return STR("string");
	case SEARCH_REFERENCE:
		return STR("reference");
	case SEARCH_URI:
		return STR("uri");
	}
	return STR("special");
}
