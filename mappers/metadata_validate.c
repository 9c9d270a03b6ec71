#include "mappers/metadata_validate.h"

#include "mappers/base/hl7v2.h"
#include "mappers/base/oid.h"
#include "mappers/base/uuid.h"
#include "mappers/base/xds_time.h"
#include "mappers/fhir_context.h"
#include "mappers/identifier.h"

/* Characters, not bytes. TF-3 4.2.3.1.5 (slots), 4.2.3.2.24 (title), ebRIM LongName and FreeFormText. */
#define SLOT_MAX       256
#define CODE_MAX       256
#define NAME_MAX_ENTRY 128
#define TEXT_MAX       1024

static size_t characters(struct str text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.size; i++)
		count += ((unsigned char)text.data[i] & 0xC0) != 0x80;
	return count;
}

static bool is_hex(struct str text)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F'))
			return false;
	}
	return true;
}

/* The checks of a datatype: what to do, or NULL when the value is well formed. */
static const char *string_check(struct str value)
{
	return value.size ? NULL : "give it a value that is not empty";
}

static const char *time_check(struct str value)
{
	return xds_time_valid(value) ? NULL : "write the time as YYYY[MM[DD[hh[mm[ss]]]]] in UTC";
}

/* id^^^&OID&ISO; an authority that is no OID has a URI of its own, when the source has no OID. */
static const char *cx_check(struct str value)
{
	struct str authority = hl7_part(value, '^', 4);

	if (!hl7_part(value, '^', 1).size)
		return "give it an id";
	return hl7_part(authority, '&', 2).size || hl7_part(authority, '&', 1).size
		       ? NULL
		       : "give its id an assigning authority (a system)";
}

static const char *xcn_check(struct str value)
{
	return hl7_part(value, '^', 1).size || hl7_part(value, '^', 2).size ? NULL
									    : "give the person a family name or an id";
}

static const char *oid_check(struct str value)
{
	return oid_shaped(value) ? NULL : "write an OID: digits with dots";
}

static const char *hash_check(struct str value)
{
	return value.size == 40 && is_hex(value) ? NULL : "write the SHA-1 of the document";
}

static const char *size_check(struct str value)
{
	uint64_t size;

	return str_to_u64(value, &size) ? NULL : "write the size in bytes as digits";
}

static const char *pid_check(struct str value)
{
	return str_starts_with(value, STR("PID-")) && str_find(value, '|') < value.size ? NULL
											: "write lines as PID-n|value";
}

static const char *cxi_check(struct str value)
{
	return hl7_part(value, '^', 1).size && hl7_part(value, '^', 5).size ? NULL
									    : "give the reference an id and a type";
}

static const char *(*const checks[TYPE_COUNT])(struct str value) = {
	[TYPE_STRING] = string_check, [TYPE_TIME] = time_check, [TYPE_CX] = cx_check,
	[TYPE_XCN] = xcn_check,       [TYPE_OID] = oid_check,   [TYPE_UUID] = string_check,
	[TYPE_HASH] = hash_check,     [TYPE_SIZE] = size_check, [TYPE_STATUS] = string_check,
	[TYPE_PID] = pid_check,       [TYPE_CXI] = cxi_check,   [TYPE_RECIPIENT] = string_check,
};

static size_t size_max(const struct attribute_table *table, const struct attribute *row)
{
	if (row->place == PLACE_NAME)
		return table->kind == RIM_EXTRINSIC_OBJECT ? NAME_MAX_ENTRY : SLOT_MAX;
	return row->place == PLACE_DESCRIPTION ? TEXT_MAX : SLOT_MAX;
}

/* What is being checked, and where issues go. */
struct check {
	const struct attribute_table *table;
	const char *path;
	struct outcome *outcome;
	enum metadata_level level;
	bool ok;
};

/* Adds text as far as it fits; NUL-terminated. */
static void add(char out[METADATA_PATH_SIZE], struct str text)
{
	size_t size = strlen(out);
	size_t count = text.size < METADATA_PATH_SIZE - 1 - size ? text.size : METADATA_PATH_SIZE - 1 - size;

	if (count)
		memcpy(out + size, text.data, count);
	out[size + count] = '\0';
}

const char *metadata_path(const struct attribute_table *table, const struct attribute *row, const char *front,
			  char out[METADATA_PATH_SIZE])
{
	struct str path = row->fhir_path;
	size_t open = str_find(path, '[');
	size_t close = str_find(path, ']');

	out[0] = '\0';
	if (!front || !path.size) {
		add(out, table->name);
		add(out, STR("."));
		add(out, row->name);
		return out;
	}
	add(out, str_from_c(front));
	if (out[0])
		add(out, STR("."));
	add(out, (struct str) { path.data, open });
	if (open == path.size)
		return out;
	if (close > open + 1) {
		add(out, STR("('" IHE_MHD_BASE "StructureDefinition/"));
		add(out, (struct str) { path.data + open + 1, close - open - 1 });
		add(out, STR("')"));
	}
	add(out, str_from(path, close + 1));
	return out;
}

static void missing(struct check *check, const struct attribute *row)
{
	char path[METADATA_PATH_SIZE];

	check->ok =
		outcome_add(check->outcome, ERR_METADATA_MISSING, metadata_path(check->table, row, check->path, path),
			    "Add this element: XDS requires %.*s (ITI TF-3 %s).", STR_ARG(row->name), row->clause);
}

static void wrong(struct check *check, const struct attribute *row, const char *what)
{
	char path[METADATA_PATH_SIZE];

	check->ok =
		outcome_add(check->outcome, ERR_METADATA_INVALID, metadata_path(check->table, row, check->path, path),
			    "Correct %.*s (ITI TF-3 %s): %s.", STR_ARG(row->name), row->clause, what);
}

static void string_value(struct check *check, const struct attribute *row, struct str value)
{
	const char *what = checks[row->type] ? checks[row->type](value) : NULL;

	if (what)
		wrong(check, row, what);
	else if (row->type == TYPE_OID && check->level == LEVEL_XDS && !oid_valid(value))
		wrong(check, row, "write an OID of at most 64 digits and dots");
	else if (characters(value) > size_max(check->table, row))
		wrong(check, row,
		      row->place == PLACE_DESCRIPTION ? "shorten it to 1024 characters"
		      : row->place == PLACE_NAME && check->table->kind == RIM_EXTRINSIC_OBJECT
			      ? "shorten it to 128 characters"
			      : "shorten it to 256 characters");
}

static void code_value(struct check *check, const struct attribute *row, const struct code *code)
{
	if (!code->code.size)
		wrong(check, row, "give it a code");
	else if (!code->scheme.size)
		wrong(check, row, "give its code a system");
	else if (characters(code->code) > CODE_MAX || characters(code->scheme) > CODE_MAX ||
		 characters(code->display) > TEXT_MAX)
		wrong(check, row, "shorten its code and system to 256 characters, its display to 1024");
}

static void strings_value(struct check *check, const struct attribute *row, const struct strs *list)
{
	for (size_t i = 0; i < list->count; i++)
		string_value(check, row, list->items[i]);
}

static void author_value(struct check *check, const struct attribute *row, const struct author *author)
{
	const struct strs *lists[] = { &author->institutions, &author->roles, &author->specialties,
				       &author->telecommunications };

	if (!author->person.size && !author->institutions.count && !author->telecommunications.count)
		wrong(check, row, "give the author a person, an institution or a telecom");
	if (author->person.size && xcn_check(author->person))
		wrong(check, row, xcn_check(author->person));
	for (size_t i = 0; i < author->institutions.count; i++) {
		if (!hl7_part(author->institutions.items[i], '^', 1).size)
			wrong(check, row, "give the institution a name");
	}
	bool too_long = characters(author->person) > SLOT_MAX;

	for (size_t k = 0; k < COUNT_OF(lists); k++) {
		for (size_t i = 0; i < lists[k]->count; i++)
			too_long = too_long || characters(lists[k]->items[i]) > SLOT_MAX;
	}
	if (too_long)
		wrong(check, row, "shorten each part of the author to 256 characters");
}

static void row_value(struct check *check, const struct attribute *row, const void *field)
{
	const struct codes *codes = field;
	const struct authors *authors = field;

	switch (row->shape) {
	case SHAPE_STRING:
		string_value(check, row, *(const struct str *)field);
		break;
	case SHAPE_STRINGS:
		strings_value(check, row, field);
		break;
	case SHAPE_CODE:
		code_value(check, row, field);
		break;
	case SHAPE_CODES:
		for (size_t i = 0; i < codes->count; i++)
			code_value(check, row, &codes->items[i]);
		break;
	case SHAPE_AUTHORS:
		for (size_t i = 0; i < authors->count; i++)
			author_value(check, row, &authors->items[i]);
		break;
	}
}

static bool is_required(const struct attribute *row, enum metadata_level level)
{
	switch (level) {
	case LEVEL_MINIMAL:
		return row->need == NEED_MINIMAL;
	case LEVEL_COMPREHENSIVE:
		return row->need != NEED_OPTIONAL;
	case LEVEL_UNCONTAINED:
		return row->need != NEED_OPTIONAL && row->form != FORM_SOURCE_ID;
	case LEVEL_XDS:
		return row->source == OPTIONALITY_R;
	}
	return false;
}

bool metadata_object_meets(const struct attribute_table *table, const void *object, enum metadata_level level)
{
	for (size_t i = 0; i < table->count; i++) {
		if (is_required(&table->rows[i], level) && attribute_is_empty(&table->rows[i], object))
			return false;
	}
	return true;
}

bool metadata_object_validate(const struct attribute_table *table, const void *object, enum metadata_level level,
			      const char *path, struct outcome *outcome)
{
	struct check check = { .table = table, .path = path, .outcome = outcome, .level = level, .ok = true };

	for (size_t i = 0; i < table->count; i++) {
		const struct attribute *row = &table->rows[i];

		if (!attribute_is_empty(row, object))
			row_value(&check, row, (const char *)object + row->offset);
		else if (is_required(row, level))
			missing(&check, row);
	}
	return check.ok;
}
