#include "mappers/fhir_validate.h"

#include <stdio.h>

#include "mappers/fhir_mark.h"
#include "mappers/fhir_path.h"
#include "mappers/fhir_primitive.h"
#include "mappers/fhir_table.h"
#include "mappers/fhir_xhtml.h"

#define DEPTH_MAX     72
#define ISSUES_MAX    32 /* an outcome holds fewer: more would only cost time */
#define DIV_BYTES_MAX (4 << 20)
#define PLACES_MAX    256

struct checker {
	struct outcome *outcome;
	size_t issue_count;
};

static void resource_check(struct checker *checker, const json_t *resource, const struct fhir_path *path,
			   bool contained, size_t depth);
static void object_check(struct checker *checker, const json_t *object, const struct fhir_type *type,
			 const struct fhir_path *path, size_t depth);

static void refuse(struct checker *checker, const struct fhir_path *path, enum error_code code, const char *text)
{
	char place[FHIR_PATH_BYTES];

	if (checker->issue_count++ >= ISSUES_MAX)
		return;
	fhir_path_write(path, place);
	outcome_add(checker->outcome, code, place, "%s", text);
}

static void refuse_form(struct checker *checker, const struct fhir_path *path, const char *text)
{
	refuse(checker, path, ERR_BODY_MALFORMED, text);
}

static struct fhir_path child_path(const struct fhir_path *parent, const struct fhir_element *element)
{
	struct fhir_path path = { parent, fhir_element_name(element), FHIR_PATH_NOT_MANY };

	if (element->choice_size)
		path.name.size = element->choice_size;
	return path;
}

static void number_check(struct checker *checker, const json_t *value, enum fhir_kind kind,
			 const struct fhir_path *path)
{
	char digits[24];
	struct str text;

	if (json_is_integer(value)) {
		snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		text = str_from_c(digits);
	} else if (!fhir_decimal_lexeme(value, &text)) {
		refuse_form(checker, path, fhir_primitive_advice(kind));
		return;
	}
	if (!fhir_primitive_valid(kind, text))
		refuse(checker, path, ERR_VALUE_INVALID, fhir_primitive_advice(kind));
}

static void primitive_check(struct checker *checker, const json_t *value, enum fhir_kind kind,
			    const struct fhir_path *path)
{
	struct str text = fhir_text(value);
	size_t index;

	if (fhir_is_number(kind)) {
		number_check(checker, value, kind, path);
		return;
	}
	if (kind == FHIR_BASE64BINARY && fhir_cut_index(value, &index))
		return; /* was decoded already */
	if (kind == FHIR_BOOLEAN ? !json_is_boolean(value) : !text.data)
		refuse_form(checker, path,
			    kind == FHIR_BOOLEAN ? fhir_primitive_advice(kind) : "Write this value as a JSON string.");
	else if (kind != FHIR_BOOLEAN && !fhir_primitive_valid(kind, text))
		refuse(checker, path, ERR_VALUE_INVALID, fhir_primitive_advice(kind));
}

static void div_check(struct checker *checker, const json_t *value, const struct fhir_path *path)
{
	struct xml_writer writer;
	struct buf scratch;
	char place[FHIR_PATH_BYTES];

	if (!fhir_text(value).data) {
		refuse_form(checker, path, fhir_primitive_advice(FHIR_XHTML));
		return;
	}
	if (checker->issue_count >= ISSUES_MAX)
		return;
	buf_init(&scratch, DIV_BYTES_MAX);
	xml_writer_init(&writer, &scratch);
	fhir_path_write(path, place);
	if (!fhir_xhtml_write(fhir_text(value), place, &writer, checker->outcome) ||
	    !xml_writer_finish(&writer, checker->outcome))
		checker->issue_count++;
	buf_free(&scratch);
}

/* The items of an array of objects. */
static void extensions_check(struct checker *checker, const json_t *array, const struct fhir_path *parent, size_t depth)
{
	struct fhir_path path = { parent, STR("extension"), FHIR_PATH_NOT_MANY };

	if (!json_is_array(array) || json_array_size(array) == 0) {
		refuse_form(checker, &path, "Write extension as an array with at least one item.");
		return;
	}
	for (path.index = 0; path.index < json_array_size(array); path.index++)
		object_check(checker, json_array_get(array, path.index), fhir_extension_type(), &path, depth);
}

/* The companion of a primitive: id and extension. */
static void sibling_check(struct checker *checker, const json_t *sibling, const struct fhir_path *path, size_t depth)
{
	const char *name;
	json_t *value;

	if (!json_is_object(sibling) || json_object_size(sibling) == 0) {
		refuse_form(checker, path, "Write the companion of a value as an object with id or extension.");
		return;
	}
	json_object_foreach((json_t *)sibling, name, value)
	{
		if (strcmp(name, "extension") == 0)
			extensions_check(checker, value, path, depth);
		else if (strcmp(name, "id") != 0 || str_is_empty(fhir_text(value)))
			refuse_form(checker, path, "Give the companion of a value nothing but id and extension.");
	}
}

/* One item of an element. */
static void item_check(struct checker *checker, const json_t *value, const struct fhir_element *element,
		       const struct fhir_path *path, size_t depth)
{
	const struct fhir_type *type = fhir_type_at(element->type);

	if (fhir_is_primitive(type->kind))
		primitive_check(checker, value, type->kind, path);
	else if (type->kind == FHIR_XHTML)
		div_check(checker, value, path);
	else if (type->kind == FHIR_ANY_RESOURCE)
		resource_check(checker, value, path, str_equal(fhir_element_name(element), STR("contained")), depth);
	else
		object_check(checker, value, type, path, depth);
}

/* A member that is an array: values or siblings; other is the array beside it, or NULL. */
static void array_check(struct checker *checker, const json_t *array, const json_t *other,
			const struct fhir_element *element, bool sibling, struct fhir_path *path, size_t depth)
{
	if (!json_is_array(array) || json_array_size(array) == 0) {
		refuse_form(checker, path, "Write this element as an array with at least one item.");
		return;
	}
	for (path->index = 0; path->index < json_array_size(array); path->index++) {
		const json_t *item = json_array_get(array, path->index);

		if (json_is_null(item)) {
			const json_t *beside = json_array_get(other, path->index);

			if (!beside || json_is_null(beside))
				refuse_form(checker, path, "Use null only where the companion array has an item.");
		} else if (sibling) {
			sibling_check(checker, item, path, depth);
		} else {
			item_check(checker, item, element, path, depth);
		}
	}
}

struct object {
	const json_t *json;
	const struct fhir_type *type;
	const struct fhir_path *path;
	uint8_t row_at[PLACES_MAX]; /* per place, the row of the type that came, from 1; 0 when none did */
};

/* The member beside this one: values for siblings and the other way round. */
static const json_t *member_beside(const struct object *object, const struct fhir_element *element, bool sibling)
{
	char name[PLACES_MAX + 8];

	snprintf(name, sizeof name, "%s%s", sibling ? "" : "_", element->name);
	return json_object_get(object->json, name);
}

static void member_check(struct checker *checker, struct object *object, struct str key, const json_t *value,
			 size_t *hint, size_t depth)
{
	bool sibling = key.size > 0 && key.data[0] == '_';
	const struct fhir_element *element = fhir_element_next(object->type, sibling ? str_from(key, 1) : key, hint);
	struct fhir_path unknown = { object->path, key, FHIR_PATH_NOT_MANY };

	if (!element ||
	    (sibling && (!fhir_is_primitive(fhir_type_at(element->type)->kind) || (element->flags & FHIR_ATTRIBUTE)))) {
		refuse_form(checker, &unknown, "Remove this element: FHIR R4 does not have it here.");
		return;
	}
	struct fhir_path path = child_path(object->path, element);
	uint8_t row = (uint8_t)(element - object->type->elements + 1);

	if (object->row_at[element->place] && object->row_at[element->place] != row)
		refuse_form(checker, &path, "Send this element with one type, not with two.");
	object->row_at[element->place] = row;
	if (element->flags & FHIR_MANY)
		array_check(checker, value,
			    fhir_is_primitive(fhir_type_at(element->type)->kind)
				    ? member_beside(object, element, sibling)
				    : NULL,
			    element, sibling, &path, depth);
	else if (sibling)
		sibling_check(checker, value, &path, depth);
	else
		item_check(checker, value, element, &path, depth);
}

static void required_check(struct checker *checker, const struct object *object)
{
	const struct fhir_element *elements = object->type->elements;

	for (size_t i = 0; i < object->type->element_count; i++) {
		if (!(elements[i].flags & FHIR_REQUIRED) || object->row_at[elements[i].place])
			continue;
		if (i > 0 && elements[i - 1].place == elements[i].place)
			continue; /* another type of a choice that was reported */
		struct fhir_path path = child_path(object->path, &elements[i]);

		refuse(checker, &path, ERR_METADATA_MISSING, "Add this element: FHIR R4 requires it.");
	}
}

/* ext-1: an extension has extensions or a value. */
static void extension_check(struct checker *checker, const struct object *object)
{
	const struct fhir_element *inner = fhir_element_find(object->type, STR("extension"));
	const struct fhir_element *value = fhir_element_find(object->type, STR("valueString"));

	if (!object->row_at[inner->place] == !object->row_at[value->place])
		refuse_form(checker, object->path, "Give this extension a value or extensions, one of the two.");
}

static void object_check(struct checker *checker, const json_t *json, const struct fhir_type *type,
			 const struct fhir_path *path, size_t depth)
{
	struct object object = { .json = json, .type = type, .path = path };
	size_t hint = 0;
	const char *key;
	size_t key_size;
	json_t *value;

	if (checker->issue_count >= ISSUES_MAX)
		return;
	if (depth == 0) {
		refuse_form(checker, path, "Nest elements less deeply.");
		return;
	}
	if (!json_is_object(json) || json_object_size(json) == 0) {
		refuse_form(checker, path, "Write this element as an object that is not empty.");
		return;
	}
	json_object_keylen_foreach((json_t *)json, key, key_size, value)
	{
		struct str name = { key, key_size };

		if (type->kind != FHIR_RESOURCE || !str_equal(name, STR("resourceType")))
			member_check(checker, &object, name, value, &hint, depth - 1);
	}
	required_check(checker, &object);
	if (type == fhir_extension_type())
		extension_check(checker, &object);
}

/* dom-2, dom-4, dom-5 of DomainResource. */
static void contained_check(struct checker *checker, const json_t *resource, const struct fhir_path *path)
{
	const json_t *meta = json_object_get(resource, "meta");
	struct fhir_path place = { path, STR("id"), FHIR_PATH_NOT_MANY };

	if (!json_object_get(resource, "id"))
		refuse(checker, &place, ERR_METADATA_MISSING, "Give the contained resource an id.");
	place.name = STR("contained");
	if (json_object_get(resource, "contained"))
		refuse_form(checker, &place,
			    "Contain this resource in the outer one: contained resources contain none.");
	place.name = STR("meta");
	if (json_object_get(meta, "versionId") || json_object_get(meta, "lastUpdated") ||
	    json_object_get(meta, "security"))
		refuse_form(checker, &place,
			    "Remove versionId, lastUpdated and security: a contained resource has none.");
}

static void resource_check(struct checker *checker, const json_t *resource, const struct fhir_path *path,
			   bool contained, size_t depth)
{
	const struct fhir_type *type = fhir_resource_type(fhir_text(json_object_get(resource, "resourceType")));
	struct fhir_path root = { NULL, type ? str_from_c(type->name) : STR("Resource"), FHIR_PATH_NOT_MANY };
	struct fhir_path place = { path ? path : &root, STR("resourceType"), FHIR_PATH_NOT_MANY };

	if (!type) {
		refuse_form(checker, &place, "Name a resource type of FHIR R4.");
		return;
	}
	if (contained)
		contained_check(checker, resource, place.parent);
	object_check(checker, resource, type, place.parent, depth);
}

bool fhir_validate(const json_t *resource, const char *path, struct outcome *outcome)
{
	struct checker checker = { .outcome = outcome };
	struct fhir_path root = { NULL, str_from_c(path), FHIR_PATH_NOT_MANY };

	resource_check(&checker, resource, path ? &root : NULL, false, DEPTH_MAX);
	return checker.issue_count == 0;
}
