#include "mappers/fhir_table.h"

#define FHIR_RESOURCES(first, last)
#define FHIR_ELEMENT(...)
enum {
#define FHIR_TYPE(id, ...) TYPE_##id,
#include "profiles/fhir/r4.def"
#undef FHIR_TYPE
	TYPE_COUNT
};
#undef FHIR_RESOURCES
#undef FHIR_ELEMENT

#define FHIR_TYPE(...)
#define FHIR_RESOURCES(first, last) enum { RESOURCE_FIRST = TYPE_##first, RESOURCE_LAST = TYPE_##last };
#define FHIR_ELEMENT(...)
#include "profiles/fhir/r4.def"
#undef FHIR_RESOURCES
#undef FHIR_ELEMENT

/* The words of the columns min and max. */
enum {
	MIN_0 = 0,
	MIN_1 = FHIR_REQUIRED,
	MIN_A = FHIR_ATTRIBUTE,
	MIN_B = FHIR_ATTRIBUTE | FHIR_REQUIRED,
	MAX_1 = 0,
	MAX_M = FHIR_MANY
};

#define FHIR_RESOURCES(first, last)
#define FHIR_ELEMENT(name, type, min, max, place, sorted, choice) \
	{ #name, TYPE_##type, MIN_##min | MAX_##max, place, sorted, sizeof #name - 1, choice },
static const struct fhir_element elements[] = {
#include "profiles/fhir/r4.def"
};
#undef FHIR_TYPE
#undef FHIR_ELEMENT

#define FHIR_TYPE(id, name, kind, first, count) { name, kind, count, elements + (first) },
#define FHIR_ELEMENT(...)
static const struct fhir_type types[] = {
#include "profiles/fhir/r4.def"
};

_Static_assert((int)TYPE_base64Binary == (int)FHIR_BASE64BINARY && (int)TYPE_boolean == (int)FHIR_BOOLEAN &&
		       (int)TYPE_dateTime == (int)FHIR_DATETIME && (int)TYPE_instant == (int)FHIR_INSTANT &&
		       (int)TYPE_string == (int)FHIR_STRING && (int)TYPE_uuid == (int)FHIR_UUID &&
		       (int)TYPE_xhtml == (int)FHIR_XHTML,
	       "the primitives of the table come in the order of enum fhir_kind");

const struct fhir_type *fhir_type_at(uint16_t index)
{
	return &types[index];
}

const struct fhir_type *fhir_extension_type(void)
{
	return &types[TYPE_Extension];
}

static int compare(struct str a, struct str b)
{
	int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);

	return order ? order : (a.size > b.size) - (a.size < b.size);
}

const struct fhir_type *fhir_resource_type(struct str name)
{
	size_t low = RESOURCE_FIRST;
	size_t high = RESOURCE_LAST + 1;

	while (name.data && low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(name, str_from_c(types[middle].name));

		if (order == 0)
			return &types[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const struct fhir_element *fhir_element_find(const struct fhir_type *type, struct str name)
{
	size_t low = 0;
	size_t high = type->element_count;

	while (name.data && low < high) {
		size_t middle = low + (high - low) / 2;
		const struct fhir_element *element = &type->elements[type->elements[middle].sorted];
		int order = compare(name, fhir_element_name(element));

		if (order == 0)
			return element;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const struct fhir_element *fhir_element_next(const struct fhir_type *type, struct str name, size_t *hint)
{
	const struct fhir_element *found = NULL;

	if (*hint < type->element_count && str_equal(name, fhir_element_name(&type->elements[*hint])))
		found = &type->elements[*hint];
	else
		found = fhir_element_find(type, name);
	if (found)
		*hint = (size_t)(found - type->elements) + 1;
	return found;
}
