#include "mappers/code_sets.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "mappers/attribute.h"
#include "mappers/code_system.h"
#include "mappers/metadata_validate.h"
#include "mappers/xml_sax.h"

#define LISTS_MAX   12 /* coded attributes of the three tables, mimeType, languageCode */
#define SAMPLES_MAX 3  /* codes that an issue names */
#define SAMPLE_SIZE 200

static const struct xml_limits limits = { .depth_max = 8,
					  .attributes_max = 32,
					  .attribute_bytes_max = 1024,
					  .tag_bytes_max = 8192,
					  .elements_max = CODE_SETS_CODES_MAX + 1000 };

struct code_list {
	const struct attribute *attribute;
	struct code *codes; /* sorted; one that has two schemes stands there twice */
	size_t count;
	size_t capacity;
	size_t named_count; /* as the file counts them */
};

struct code_sets {
	struct code_list lists[LISTS_MAX];
	size_t count;
};

static const struct attribute_table *const tables[] = { &document_entry_table, &submission_set_table, &folder_table };

/* What has no code system, and is the same in capital letters: RFC 2045 5.1, RFC 5646 2.1.1. */
static bool is_plain(const struct attribute *row)
{
	return str_equal(row->name, STR("mimeType")) || str_equal(row->name, STR("languageCode"));
}

static const struct attribute *row_named(struct str name)
{
	if (str_equal(name, STR("folderCodeList")))
		name = STR("codeList");
	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		const struct attribute *row = attribute_find(tables[i], name);

		if (row && (row->type == TYPE_CODE || is_plain(row)))
			return row;
	}
	return NULL;
}

static const struct code_list *list_of(const struct code_sets *sets, const struct attribute *row)
{
	for (size_t i = 0; i < sets->count; i++) {
		if (sets->lists[i].attribute == row)
			return &sets->lists[i];
	}
	return NULL;
}

/* --- order --- */

static int str_order(struct str a, struct str b)
{
	size_t size = a.size < b.size ? a.size : b.size;
	int order = size ? memcmp(a.data, b.data, size) : 0;

	return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int code_order(const void *a, const void *b)
{
	const struct code *left = a;
	const struct code *right = b;
	int order = str_order(left->code, right->code);

	return order ? order : str_order(left->scheme, right->scheme);
}

static int plain_order(const void *a, const void *b)
{
	const struct code *left = a;
	const struct code *right = b;
	size_t size = left->code.size < right->code.size ? left->code.size : right->code.size;
	int order = size ? strncasecmp(left->code.data, right->code.data, size) : 0;

	return order ? order : (left->code.size > right->code.size) - (left->code.size < right->code.size);
}

/* As codes are compared: without a media type's parameters, and with the scheme that all names of a system lead to. */
static struct code compared(const struct attribute *row, struct str text, struct str scheme)
{
	if (!is_plain(row))
		return (struct code) { .code = text, .scheme = code_system_scheme(scheme) };
	text.size = str_find(text, ';');
	return (struct code) { .code = str_trim(text), .scheme = STR_NONE };
}

/* --- reading --- */

struct reading {
	struct code_sets *sets;
	struct code_list *list; /* of the CodeType that is open; NULL: it is passed over */
	struct arena *arena;
	struct outcome *outcome;
	size_t depth;
	size_t line;
	size_t code_count;
};

struct element {
	const unsigned char **attributes;
	size_t count;
};

static bool no_memory(const struct reading *reading)
{
	return outcome_add(reading->outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

static bool complain(const struct reading *reading, const char *text)
{
	return outcome_add(reading->outcome, ERR_VALUE_INVALID, "", "Line %zu: %s", reading->line, text);
}

/* Without blanks around it; STR_NONE when it is not there. */
static struct str attribute_of(const struct element *element, const char *name)
{
	for (size_t i = 0; i < element->count; i++) {
		const unsigned char **attribute = element->attributes + i * 5;

		if (strcmp((const char *)attribute[0], name) == 0)
			return str_trim(
				(struct str) { (const char *)attribute[3], (size_t)(attribute[4] - attribute[3]) });
	}
	return STR_NONE;
}

static bool type_begin(struct reading *reading, const struct element *element)
{
	struct str name = attribute_of(element, "name");
	struct str scheme = attribute_of(element, "classScheme");
	const struct attribute *row = row_named(name);

	reading->list = NULL;
	if (str_equal(name, STR("associationDocumentation")))
		return true;
	if (!row)
		return complain(reading,
				"Give CodeType the name of a coded attribute: classCode, typeCode, formatCode, "
				"confidentialityCode, healthcareFacilityTypeCode, practiceSettingCode, eventCodeList, "
				"contentTypeCode, folderCodeList, mimeType or languageCode.");
	if (scheme.size && row->place == PLACE_CLASSIFICATION && !str_equal_nocase(scheme, row->key))
		return complain(reading, "Correct name or classScheme: they mean different attributes.");
	if (list_of(reading->sets, row))
		return complain(reading, "Write all codes of an attribute into one CodeType.");
	reading->list = &reading->sets->lists[reading->sets->count++];
	reading->list->attribute = row;
	return true;
}

static bool code_add(struct reading *reading, struct str text, struct str scheme)
{
	struct code_list *list = reading->list;
	struct code code = compared(list->attribute, text, scheme);
	const struct code *last = list->count ? &list->codes[list->count - 1] : NULL;

	if (!arena_grow(reading->arena, &list->codes, list->count, &list->capacity, sizeof(*list->codes)))
		return no_memory(reading);
	/* Most codes of a list have the system of the one before. */
	if (last && str_equal(last->scheme, code.scheme))
		code.scheme = last->scheme;
	else if (code.scheme.size)
		code.scheme = arena_copy(reading->arena, code.scheme);
	code.code = arena_copy(reading->arena, code.code);
	list->codes[list->count++] = code;
	return !arena_failed(reading->arena) || no_memory(reading);
}

static bool code_begin(struct reading *reading, const struct element *element)
{
	struct str code = attribute_of(element, "code");
	struct str schemes[] = { attribute_of(element, "codingScheme"), attribute_of(element, "system") };
	struct str *first = schemes[0].size ? &schemes[0] : &schemes[1];

	if (!reading->list)
		return true;
	if (++reading->code_count > CODE_SETS_CODES_MAX)
		return complain(reading, "Leave at most 20000 codes in the file.");
	if (!code.size || (!first->size && !is_plain(reading->list->attribute)))
		return complain(reading, is_plain(reading->list->attribute)
						 ? "Give Code a code."
						 : "Give Code a code, and a codingScheme or system.");
	reading->list->named_count++;
	if (!code_add(reading, code, *first))
		return false;
	/* Some files name two systems that our table does not know to be one. */
	return first == &schemes[1] || !schemes[1].size || is_plain(reading->list->attribute) ||
	       str_equal(code_system_scheme(schemes[0]), code_system_scheme(schemes[1])) ||
	       code_add(reading, code, schemes[1]);
}

static bool on_begin(void *ctx, const char *local, const char *uri, const unsigned char **attributes, size_t count)
{
	static const char *const names[] = { "Codes", "CodeType", "Code" };
	struct reading *reading = ctx;
	const struct element element = { attributes, count };
	size_t depth = reading->depth++;

	(void)uri;
	if (depth == 1 && strcmp(local, "AssigningAuthority") == 0)
		return true;
	if (depth >= COUNT_OF(names) || strcmp(local, names[depth]) != 0)
		return complain(reading, "Write Codes, in it CodeType, in it Code, and nothing else.");
	if (depth == 0)
		return true;
	return depth == 1 ? type_begin(reading, &element) : code_begin(reading, &element);
}

static bool on_end(void *ctx)
{
	struct reading *reading = ctx;
	const struct code_list *list = reading->list;

	/* The end of a CodeType; the line is that of its last element. */
	if (--reading->depth != 1)
		return true;
	reading->list = NULL;
	return !list || list->count || complain(reading, "Give CodeType a Code, or leave it out to allow every code.");
}

static bool on_text(void *ctx, struct str text)
{
	return str_is_empty(str_trim(text)) ||
	       complain(ctx, "Write codes as attributes of Code, without text between the elements.");
}

bool code_sets_read(struct str xml, struct arena *arena, const struct code_sets **sets, struct outcome *outcome)
{
	struct reading reading = { .sets = arena_alloc(arena, sizeof(struct code_sets)),
				   .arena = arena,
				   .outcome = outcome };
	const struct xml_handler handler = { on_begin, on_end, on_text, &reading.line };

	if (!reading.sets)
		return no_memory(&reading);
	if (!xml_sax_read(xml, &limits, &handler, &reading, outcome))
		return false;
	for (size_t i = 0; i < reading.sets->count; i++) {
		struct code_list *list = &reading.sets->lists[i];

		qsort(list->codes, list->count, sizeof(*list->codes),
		      is_plain(list->attribute) ? plain_order : code_order);
	}
	*sets = reading.sets;
	return true;
}

/* --- asking --- */

size_t code_sets_count(const struct code_sets *sets)
{
	size_t count = 0;

	for (size_t i = 0; i < sets->count; i++)
		count += sets->lists[i].named_count;
	return count;
}

size_t code_sets_attribute_count(const struct code_sets *sets)
{
	return sets->count;
}

static bool list_allows(const struct code_list *list, struct str text, struct str scheme)
{
	struct code code = compared(list->attribute, text, scheme);

	return bsearch(&code, list->codes, list->count, sizeof(code),
		       is_plain(list->attribute) ? plain_order : code_order);
}

bool code_sets_allow(const struct code_sets *sets, struct str attribute, struct str code, struct str scheme)
{
	const struct attribute *row = row_named(attribute);
	const struct code_list *list = sets && row ? list_of(sets, row) : NULL;

	return !list || list_allows(list, code, scheme);
}

/* "http://loinc.org|11369-6, http://loinc.org|11485-0" */
static void samples_write(const struct code_list *list, char out[SAMPLE_SIZE])
{
	size_t size = 0;

	out[0] = '\0';
	for (size_t i = 0; i < list->count && i < SAMPLES_MAX; i++) {
		const struct code *code = &list->codes[i];
		struct str known = code_system_known_uri(code->scheme);
		struct str scheme = known.size ? known : code->scheme;
		int count = snprintf(out + size, SAMPLE_SIZE - size, "%s%.*s%s%.*s", i ? ", " : "", STR_ARG(scheme),
				     scheme.size ? "|" : "", STR_ARG(code->code));

		/* A code that does not fit is left out whole. */
		if (count < 0 || (size_t)count >= SAMPLE_SIZE - size) {
			out[size] = '\0';
			return;
		}
		size += (size_t)count;
	}
}

static bool refuse(const struct code_list *list, const struct attribute_table *table, const char *path,
		   struct outcome *outcome)
{
	char where[METADATA_PATH_SIZE];
	char samples[SAMPLE_SIZE];

	samples_write(list, samples);
	return outcome_add(outcome, ERR_CODE_NOT_ALLOWED, metadata_path(table, list->attribute, path, where),
			   "Choose one of the %zu codes that are allowed here for %.*s, such as %s.", list->named_count,
			   STR_ARG(list->attribute->name), samples);
}

static struct codes codes_of(const struct attribute *row, const void *object, struct code *one)
{
	const void *member = object ? (const char *)object + row->offset : NULL;

	if (!object || attribute_is_empty(row, object))
		return (struct codes) { NULL, 0 };
	switch (row->shape) {
	case SHAPE_CODES:
		return *(const struct codes *)member;
	case SHAPE_CODE:
		*one = *(const struct code *)member;
		break;
	default:
		*one = (struct code) { .code = *(const struct str *)member };
	}
	return (struct codes) { one, 1 };
}

static bool was_there(const struct codes *before, const struct code *code)
{
	for (size_t i = 0; i < before->count; i++) {
		if (str_equal(before->items[i].code, code->code) &&
		    str_equal(code_system_scheme(before->items[i].scheme), code_system_scheme(code->scheme)))
			return true;
	}
	return false;
}

bool code_sets_check(const struct code_sets *sets, const struct attribute_table *table, const void *object,
		     const void *before, const char *path, struct outcome *outcome)
{
	bool ok = true;

	for (size_t i = 0; sets && i < table->count; i++) {
		const struct attribute *row = &table->rows[i];
		const struct code_list *list = list_of(sets, row);
		struct code one = { 0 };
		struct code other = { 0 };
		bool row_ok = true;

		if (!list)
			continue;
		struct codes codes = codes_of(row, object, &one);
		struct codes old = codes_of(row, before, &other);

		for (size_t k = 0; row_ok && k < codes.count; k++)
			row_ok = list_allows(list, codes.items[k].code, codes.items[k].scheme) ||
				 was_there(&old, &codes.items[k]) || refuse(list, table, path, outcome);
		ok = row_ok && ok;
	}
	return ok;
}
