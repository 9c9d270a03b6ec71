#include "mappers/fhir_xml_write.h"

#include <stdio.h>
#include <stdlib.h>

#include "mappers/fhir_body.h"
#include "mappers/fhir_path.h"
#include "mappers/fhir_table.h"
#include "mappers/fhir_xhtml.h"
#include "mappers/xml_writer.h"

#define FHIR_NAMESPACE "http://hl7.org/fhir"
#define DEPTH_MAX      72

/* One member of an object that is being written: the value or its `_name` sibling. */
struct member {
	const struct fhir_element *element;
	const json_t *value;
	bool sibling;
};

struct writer {
	struct xml_writer xml;
	struct outcome *outcome;
	struct member *members; /* of all objects that are open, one behind the other */
	size_t member_count;
	size_t member_capacity;
};

static bool resource_write(struct writer *writer, const json_t *resource, const struct fhir_path *path, size_t depth);
static bool children_write(struct writer *writer, const json_t *object, const struct fhir_type *type,
			   const struct fhir_path *path, size_t depth);

static bool refuse(struct writer *writer, const struct fhir_path *path, const char *text)
{
	char place[FHIR_PATH_BYTES];

	fhir_path_write(path, place);
	return outcome_add(writer->outcome, ERR_BODY_MALFORMED, place, "%s", text);
}

static bool member_push(struct writer *writer, struct member member)
{
	if (writer->member_count == writer->member_capacity) {
		size_t capacity = writer->member_capacity ? writer->member_capacity * 2 : 64;
		size_t bytes;
		struct member *members = NULL;

		if (!__builtin_mul_overflow(capacity, sizeof *members, &bytes))
			members = realloc(writer->members, bytes);
		if (!members)
			return outcome_add(writer->outcome, ERR_NO_MEMORY, "", "Retry later.");
		writer->members = members;
		writer->member_capacity = capacity;
	}
	writer->members[writer->member_count++] = member;
	return true;
}

static bool comes_before(const struct member *a, const struct member *b)
{
	return a->element != b->element ? a->element < b->element : !a->sibling && b->sibling;
}

/* Members mostly come in the order of the table already. */
static void members_sort(struct member *members, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct member moving = members[i];
		size_t k = i;

		for (; k > 0 && comes_before(&moving, &members[k - 1]); k--)
			members[k] = members[k - 1];
		members[k] = moving;
	}
}

/* Puts the members of object on the stack, in the order of the table. */
static bool members_collect(struct writer *writer, const json_t *object, const struct fhir_type *type,
			    const struct fhir_path *path)
{
	size_t first = writer->member_count;
	size_t hint = 0;
	const char *key;
	size_t key_size;
	json_t *value;

	json_object_keylen_foreach((json_t *)object, key, key_size, value)
	{
		struct str name = { key, key_size };
		bool sibling = key_size > 0 && key[0] == '_';

		if (type->kind == FHIR_RESOURCE && str_equal(name, STR("resourceType")))
			continue;
		const struct fhir_element *element = fhir_element_next(type, sibling ? str_from(name, 1) : name, &hint);

		if (!element || (sibling && (!fhir_is_primitive(fhir_type_at(element->type)->kind) ||
					     (element->flags & FHIR_ATTRIBUTE)))) {
			struct fhir_path here = { path, name, FHIR_PATH_NOT_MANY };

			return refuse(writer, &here, "Remove this element: FHIR R4 does not have it here.");
		}
		if (!member_push(writer, (struct member) { element, value, sibling }))
			return false;
	}
	if (writer->member_count > first)
		members_sort(writer->members + first, writer->member_count - first);
	return true;
}

/* The text of a primitive; buffer is for integers. STR_NONE when JSON's type does not go with FHIR's. */
static struct str primitive_text(enum fhir_kind kind, const json_t *value, char buffer[24])
{
	struct str lexeme;

	if (kind == FHIR_BOOLEAN) {
		if (!json_is_boolean(value))
			return STR_NONE;
		return json_is_true(value) ? STR("true") : STR("false");
	}
	if (!fhir_is_number(kind))
		return fhir_text(value);
	if (fhir_decimal_lexeme(value, &lexeme))
		return lexeme;
	if (!json_is_integer(value))
		return STR_NONE;
	snprintf(buffer, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return str_from_c(buffer);
}

/* The extensions of a primitive, inside its element. */
static bool extensions_write(struct writer *writer, const json_t *extensions, const struct fhir_path *path,
			     size_t depth)
{
	const struct fhir_type *type = fhir_extension_type();

	if (!json_is_array(extensions))
		return refuse(writer, path, "Write extension as an array.");
	for (size_t i = 0; i < json_array_size(extensions); i++) {
		struct fhir_path here = { path, STR("extension"), i };

		xml_begin(&writer->xml, STR("extension"));
		if (!children_write(writer, json_array_get(extensions, i), type, &here, depth))
			return false;
		xml_end(&writer->xml);
	}
	return true;
}

static bool primitive_write(struct writer *writer, const struct fhir_element *element, const json_t *value,
			    const json_t *sibling, const struct fhir_path *path, size_t depth)
{
	char buffer[24];
	struct str text = STR_NONE;
	const json_t *extensions = json_object_get(sibling, "extension");
	const json_t *id = json_object_get(sibling, "id");

	if (value && !json_is_null(value)) {
		text = primitive_text(fhir_type_at(element->type)->kind, value, buffer);
		if (!text.data)
			return refuse(writer, path, "Write this value with the JSON type that FHIR wants here.");
	}
	if (sibling && !json_is_null(sibling) &&
	    (!json_is_object(sibling) || json_object_size(sibling) != (id != NULL) + (size_t)(extensions != NULL)))
		return refuse(writer, path, "Give the companion of a value nothing but id and extension.");
	if (!text.data && !extensions && !id)
		return refuse(writer, path, "Give this element a value or leave it out.");
	xml_begin(&writer->xml, fhir_element_name(element));
	xml_attribute(&writer->xml, STR("id"), fhir_text(id));
	xml_attribute(&writer->xml, STR("value"), text);
	if (extensions && !extensions_write(writer, extensions, path, depth))
		return false;
	xml_end(&writer->xml);
	return true;
}

/* One item; value may be absent when there is a sibling. */
static bool item_write(struct writer *writer, const struct fhir_element *element, const json_t *value,
		       const json_t *sibling, const struct fhir_path *path, size_t depth)
{
	const struct fhir_type *type = fhir_type_at(element->type);
	char place[FHIR_PATH_BYTES];

	if (fhir_is_primitive(type->kind))
		return primitive_write(writer, element, value, sibling, path, depth);
	if (type->kind == FHIR_XHTML) {
		fhir_path_write(path, place);
		if (!json_is_string(value))
			return refuse(writer, path, "Write narrative as a string.");
		return fhir_xhtml_write(fhir_text(value), place, &writer->xml, writer->outcome);
	}
	xml_begin(&writer->xml, fhir_element_name(element));
	if (type->kind == FHIR_ANY_RESOURCE ? !resource_write(writer, value, path, depth)
					    : !children_write(writer, value, type, path, depth))
		return false;
	xml_end(&writer->xml);
	return true;
}

/* All items of one element: value, sibling or both. */
static bool element_write(struct writer *writer, const struct fhir_element *element, const json_t *value,
			  const json_t *sibling, const struct fhir_path *parent, size_t depth)
{
	struct fhir_path path = { parent, fhir_element_name(element), FHIR_PATH_NOT_MANY };
	size_t count = json_array_size(value);

	if (element->choice_size)
		path.name.size = element->choice_size;
	if (!(element->flags & FHIR_MANY))
		return item_write(writer, element, value, sibling, &path, depth);
	if ((value && !json_is_array(value)) || (sibling && !json_is_array(sibling)))
		return refuse(writer, &path, "Write this element as an array, also when it holds one item.");
	if (json_array_size(sibling) > count)
		count = json_array_size(sibling);
	for (path.index = 0; path.index < count; path.index++) {
		if (!item_write(writer, element, json_array_get(value, path.index), json_array_get(sibling, path.index),
				&path, depth))
			return false;
	}
	return true;
}

static bool attributes_write(struct writer *writer, size_t first, size_t end, const struct fhir_path *path)
{
	for (size_t i = first; i < end; i++) {
		const struct member *member = &writer->members[i];
		struct fhir_path here = { path, fhir_element_name(member->element), FHIR_PATH_NOT_MANY };

		if (!(member->element->flags & FHIR_ATTRIBUTE))
			continue;
		if (!fhir_text(member->value).data)
			return refuse(writer, &here, "Write this value as a string.");
		xml_attribute(&writer->xml, here.name, fhir_text(member->value));
	}
	return true;
}

/* Attributes and elements of an object whose start tag is open. depth counts down. */
static bool children_write(struct writer *writer, const json_t *object, const struct fhir_type *type,
			   const struct fhir_path *path, size_t depth)
{
	size_t first = writer->member_count;

	if (!json_is_object(object) || depth == 0)
		return refuse(writer, path, depth ? "Write this element as an object." : "Nest elements less deeply.");
	if (!members_collect(writer, object, type, path))
		return false;
	size_t end = writer->member_count;

	if (!attributes_write(writer, first, end, path))
		return false;
	for (size_t i = first; i < end; i++) {
		struct member member = writer->members[i];
		const json_t *sibling = NULL;

		if (member.element->flags & FHIR_ATTRIBUTE)
			continue;
		if (!member.sibling && i + 1 < end && writer->members[i + 1].element == member.element)
			sibling = writer->members[++i].value;
		if (member.sibling) {
			sibling = member.value;
			member.value = NULL;
		}
		if (!element_write(writer, member.element, member.value, sibling, path, depth - 1))
			return false;
	}
	writer->member_count = first;
	return true;
}

static bool resource_write(struct writer *writer, const json_t *resource, const struct fhir_path *path, size_t depth)
{
	const struct fhir_type *type = fhir_resource_type(fhir_text(json_object_get(resource, "resourceType")));
	struct fhir_path here = { path, STR("resourceType"), FHIR_PATH_NOT_MANY };
	struct fhir_path root;

	if (!type)
		return refuse(writer, &here, "Name a resource type of FHIR R4.");
	xml_begin(&writer->xml, str_from_c(type->name));
	if (!path) {
		root = (struct fhir_path) { NULL, str_from_c(type->name), FHIR_PATH_NOT_MANY };
		xml_attribute(&writer->xml, STR("xmlns"), STR(FHIR_NAMESPACE));
		path = &root;
	}
	if (!children_write(writer, resource, type, path, depth))
		return false;
	xml_end(&writer->xml);
	return true;
}

bool fhir_xml_write(const json_t *resource, struct buf *out, struct outcome *outcome)
{
	struct writer writer = { .outcome = outcome };
	bool good;

	xml_writer_init(&writer.xml, out);
	xml_declaration(&writer.xml);
	good = resource_write(&writer, resource, NULL, DEPTH_MAX);
	free(writer.members);
	return good && xml_writer_finish(&writer.xml, outcome);
}

bool fhir_xml_from_json(struct str json, struct arena *arena, struct buf *out, struct outcome *outcome)
{
	/* Our own text: only its depth is bounded as for others. */
	static const struct fhir_limits limits = {
		.depth_max = 64,
		.values_max = SIZE_MAX / 64,
		.members_max = SIZE_MAX / 64,
		.string_bytes_max = SIZE_MAX / 64,
	};
	json_t *tree;

	return fhir_body_read(FHIR_JSON, json, &limits, NULL, arena, &tree, outcome) &&
	       fhir_xml_write(tree, out, outcome);
}
