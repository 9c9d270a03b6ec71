#include "mappers/attribute.h"

#define SHAPE_ONE_STRING     SHAPE_STRING
#define SHAPE_ONE_TIME       SHAPE_STRING
#define SHAPE_ONE_CX         SHAPE_STRING
#define SHAPE_ONE_XCN        SHAPE_STRING
#define SHAPE_ONE_OID        SHAPE_STRING
#define SHAPE_ONE_UUID       SHAPE_STRING
#define SHAPE_ONE_HASH       SHAPE_STRING
#define SHAPE_ONE_SIZE       SHAPE_STRING
#define SHAPE_ONE_STATUS     SHAPE_STRING
#define SHAPE_ONE_CODE       SHAPE_CODE
#define SHAPE_MANY_CODE      SHAPE_CODES
#define SHAPE_MANY_AUTHOR    SHAPE_AUTHORS
#define SHAPE_MANY_STRING    SHAPE_STRINGS
#define SHAPE_MANY_PID       SHAPE_STRINGS
#define SHAPE_MANY_CXI       SHAPE_STRINGS
#define SHAPE_MANY_RECIPIENT SHAPE_STRINGS

#define ATTR(field_, type_, many_, name_, place_, key_, path_, form_, need_, source_, clause_) \
	{                                                                                      \
		.type = TYPE_##type_,                                                          \
		.shape = SHAPE_##many_##_##type_,                                              \
		.name = STR_INIT(name_),                                                       \
		.place = PLACE_##place_,                                                       \
		.key = STR_INIT(key_),                                                         \
		.fhir_path = STR_INIT(path_),                                                  \
		.form = FORM_##form_,                                                          \
		.need = NEED_##need_,                                                          \
		.source = OPTIONALITY_##source_,                                               \
		.clause = clause_,                                                             \
		.offset = offsetof(struct OBJECT, field_),                                     \
	},

#define OBJECT document_entry
static const struct attribute document_entry_rows[] = {
#include "profiles/xds/document_entry.def"
};
#undef OBJECT

#define OBJECT submission_set
static const struct attribute submission_set_rows[] = {
#include "profiles/xds/submission_set.def"
};
#undef OBJECT

#define OBJECT folder
static const struct attribute folder_rows[] = {
#include "profiles/xds/folder.def"
};
#undef OBJECT
#undef ATTR

#define OFFSETS(object)                                                                                              \
	.limited_offset = offsetof(struct object, limited_metadata), .extra_offset = offsetof(struct object, extra), \
	.origin_offset = offsetof(struct object, origin)

/* classificationNodes: ITI TF-3 tables 4.2.3.2-1, 4.2.3.3-1, 4.2.3.4-1 and 4.2.1.1. */
const struct attribute_table document_entry_table = {
	.rows = document_entry_rows,
	.count = COUNT_OF(document_entry_rows),
	.name = STR_INIT("XDSDocumentEntry"),
	.kind = RIM_EXTRINSIC_OBJECT,
	.node = STR_INIT(""),
	.limited_node = STR_INIT("urn:uuid:ab9b591b-83ab-4d03-8f5d-f93b1fb92e85"),
	OFFSETS(document_entry),
};

const struct attribute_table submission_set_table = {
	.rows = submission_set_rows,
	.count = COUNT_OF(submission_set_rows),
	.name = STR_INIT("XDSSubmissionSet"),
	.kind = RIM_REGISTRY_PACKAGE,
	.node = STR_INIT("urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"),
	.limited_node = STR_INIT("urn:uuid:5003a9db-8d8d-49e6-bf0c-990e34ac7707"),
	OFFSETS(submission_set),
};

const struct attribute_table folder_table = {
	.rows = folder_rows,
	.count = COUNT_OF(folder_rows),
	.name = STR_INIT("XDSFolder"),
	.kind = RIM_REGISTRY_PACKAGE,
	.node = STR_INIT("urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2"),
	.limited_node = STR_INIT("urn:uuid:2c144a76-29a9-4b7c-af54-b25409fe7d03"),
	OFFSETS(folder),
};

/* The mapping to ebRIM keeps one bit per row. */
_Static_assert(COUNT_OF(document_entry_rows) <= 64, "too many rows for a mask of 64 bits");

bool attribute_is_empty(const struct attribute *attribute, const void *object)
{
	const char *field = (const char *)object + attribute->offset;

	switch (attribute->shape) {
	case SHAPE_STRING:
		return ((const struct str *)field)->size == 0;
	case SHAPE_STRINGS:
		return ((const struct strs *)field)->count == 0;
	case SHAPE_CODE:
		return ((const struct code *)field)->code.size == 0;
	case SHAPE_CODES:
		return ((const struct codes *)field)->count == 0;
	case SHAPE_AUTHORS:
		return ((const struct authors *)field)->count == 0;
	}
	return true;
}

bool strs_equal(const struct strs *a, const struct strs *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (!str_equal(a->items[i], b->items[i]))
			return false;
	}
	return true;
}

bool code_equal(const struct code *a, const struct code *b)
{
	return str_equal(a->code, b->code) && str_equal(a->scheme, b->scheme) && str_equal(a->display, b->display);
}

bool author_equal(const struct author *a, const struct author *b)
{
	return str_equal(a->person, b->person) && strs_equal(&a->institutions, &b->institutions) &&
	       strs_equal(&a->roles, &b->roles) && strs_equal(&a->specialties, &b->specialties) &&
	       strs_equal(&a->telecommunications, &b->telecommunications);
}

bool attribute_equal(const struct attribute *attribute, const void *a, const void *b)
{
	const void *left = (const char *)a + attribute->offset;
	const void *right = (const char *)b + attribute->offset;
	const struct codes *codes[] = { left, right };
	const struct authors *authors[] = { left, right };
	bool equal = true;

	switch (attribute->shape) {
	case SHAPE_STRING:
		return str_equal(*(const struct str *)left, *(const struct str *)right);
	case SHAPE_STRINGS:
		return strs_equal(left, right);
	case SHAPE_CODE:
		return code_equal(left, right);
	case SHAPE_CODES:
		equal = codes[0]->count == codes[1]->count;
		for (size_t i = 0; equal && i < codes[0]->count; i++)
			equal = code_equal(&codes[0]->items[i], &codes[1]->items[i]);
		return equal;
	case SHAPE_AUTHORS:
		equal = authors[0]->count == authors[1]->count;
		for (size_t i = 0; equal && i < authors[0]->count; i++)
			equal = author_equal(&authors[0]->items[i], &authors[1]->items[i]);
		return equal;
	}
	return false;
}

const struct attribute *attribute_find(const struct attribute_table *table, struct str name)
{
	for (size_t i = 0; i < table->count; i++) {
		if (str_equal(table->rows[i].name, name))
			return &table->rows[i];
	}
	return NULL;
}
