#include "mappers/fhir_xml_read.h"

#include <stdio.h>

#include "mappers/body_cut.h"
#include "mappers/fhir_path.h"
#include "mappers/fhir_table.h"
#include "mappers/fhir_xhtml.h"
#include "mappers/json_tree.h"
#include "mappers/xml_sax.h"

#define FHIR_NAMESPACE "http://hl7.org/fhir"
#define XSI_NAMESPACE  "http://www.w3.org/2001/XMLSchema-instance"
#define FRAMES_MAX     130
#define NAME_BYTES     260

/* One open element. */
struct frame {
	const struct fhir_type *type;       /* FHIR_ANY_RESOURCE: the next element is the resource */
	const struct fhir_element *element; /* by which it was entered; NULL for a resource inside its holder */
	json_t *object;                     /* what its children go into; NULL for a primitive without sibling */
	size_t hint;
	size_t json_depth;
	bool has_value;        /* of a primitive, or the resource inside its holder */
	struct fhir_path path; /* index also says where in the arrays a repeated primitive stands */
};

struct reader {
	struct arena *arena;
	struct outcome *outcome;
	const struct fhir_limits *limits;
	json_t *root;
	size_t cut_next;
	size_t cut_count;
	size_t depth;                    /* frames in use */
	struct frame frames[FRAMES_MAX]; /* frames[0] is above the root */
	struct fhir_xhtml xhtml;
	struct xml_writer xhtml_writer;
	struct buf xhtml_text;
};

static bool refuse_at(struct reader *reader, const struct fhir_path *path, enum error_code code, const char *text)
{
	char place[FHIR_PATH_BYTES];

	fhir_path_write(path, place);
	return outcome_add(reader->outcome, code, place, "%s", text);
}

/* A place below the open element that is not open itself. */
static bool refuse_child(struct reader *reader, struct str name, enum error_code code, const char *text)
{
	struct fhir_path path = { &reader->frames[reader->depth].path, name, FHIR_PATH_NOT_MANY };

	return refuse_at(reader, &path, code, text);
}

static bool refuse_here(struct reader *reader, enum error_code code, const char *text)
{
	return refuse_at(reader, &reader->frames[reader->depth].path, code, text);
}

static bool no_memory(struct reader *reader)
{
	return outcome_add(reader->outcome, ERR_NO_MEMORY, "", "Retry later.");
}

static bool member_set(struct reader *reader, json_t *object, struct str name, json_t *value)
{
	/* A NULL value is refused by jansson, and a value that is not taken is released by it. */
	if (json_object_setn_new_nocheck(object, name.data, name.size, value) != 0)
		return no_memory(reader);
	return true;
}

static json_t *member(const json_t *object, struct str name)
{
	return json_object_getn(object, name.data, name.size);
}

static struct str sibling_name(const struct fhir_element *element, char out[NAME_BYTES])
{
	int size = snprintf(out, NAME_BYTES, "_%s", element->name);

	return (struct str) { out, (size_t)size };
}

/* The array of that name, filled up with null to count items; NULL without memory. */
static json_t *array_padded(struct reader *reader, json_t *object, struct str name, size_t count)
{
	json_t *array = member(object, name);

	if (!array) {
		array = json_array();
		if (!member_set(reader, object, name, array))
			return NULL;
	}
	while (json_array_size(array) < count) {
		if (json_array_append_new(array, json_null()) != 0) {
			no_memory(reader);
			return NULL;
		}
	}
	return array;
}

/* Puts a new value at its place in the open object; value is taken over, and NULL means that memory was short. */
static bool child_add(struct reader *reader, struct frame *child, json_t *value)
{
	struct frame *parent = child - 1;
	struct str name = fhir_element_name(child->element);

	if (!value)
		return no_memory(reader);
	if (!(child->element->flags & FHIR_MANY)) {
		if (member(parent->object, name)) {
			json_decref(value);
			return refuse_at(reader, &child->path, ERR_BODY_MALFORMED, "Send this element once.");
		}
		return member_set(reader, parent->object, name, value);
	}
	json_t *array = array_padded(reader, parent->object, name, 0);

	if (!array) {
		json_decref(value);
		return false;
	}
	child->path.index = json_array_size(array);
	return json_array_append_new(array, value) == 0 || no_memory(reader);
}

/* The value of a primitive as JSON has it. */
static json_t *primitive_new(struct reader *reader, const struct frame *frame, struct str text)
{
	enum fhir_kind kind = frame->type->kind;
	json_t *value = NULL;
	bool integer;

	if (kind == FHIR_BOOLEAN) {
		if (str_equal(text, STR("true")))
			return json_true();
		if (str_equal(text, STR("false")))
			return json_false();
		refuse_at(reader, &frame->path, ERR_VALUE_INVALID, "Write true or false.");
		return NULL;
	}
	if (fhir_is_number(kind)) {
		if (text.size > 128 || fhir_number_size(text, &integer) != text.size) {
			refuse_at(reader, &frame->path, ERR_VALUE_INVALID, "Write a number of at most 128 characters.");
			return NULL;
		}
		value = fhir_number_new(text);
	} else {
		value = json_stringn_nocheck(text.data, text.size);
	}
	if (!value)
		no_memory(reader);
	return value;
}

/* The next of the documents that were cut out. */
static json_t *cut_new(struct reader *reader, const struct frame *frame)
{
	char mark[32];
	json_t *value;

	if (frame->type->kind != FHIR_BASE64BINARY || reader->cut_next == reader->cut_count) {
		refuse_at(reader, &frame->path, ERR_BODY_MALFORMED, "Leave out an empty value.");
		return NULL;
	}
	snprintf(mark, sizeof mark, FHIR_MARK_CUT "%zu", reader->cut_next++);
	value = json_string_nocheck(mark);
	if (!value)
		no_memory(reader);
	return value;
}

/* The object for id and extension of the open primitive, made when the first of them comes. */
static json_t *sibling_object(struct reader *reader, struct frame *frame)
{
	char buffer[NAME_BYTES];
	struct str name = sibling_name(frame->element, buffer);
	json_t *parent = (frame - 1)->object;

	if (frame->object)
		return frame->object;
	json_t *object = json_object();

	if (!object) {
		no_memory(reader);
		return NULL;
	}
	if (!(frame->element->flags & FHIR_MANY)) {
		if (!member_set(reader, parent, name, object))
			return NULL;
	} else {
		json_t *array = array_padded(reader, parent, name, frame->path.index + 1);

		if (!array) {
			json_decref(object);
			return NULL;
		}
		json_array_set_new(array, frame->path.index, object); /* in bounds: cannot fail */
	}
	frame->object = object;
	return object;
}

/* Gives a repeated primitive its place: both arrays, as far as they are there, grow by one. */
static bool primitive_place(struct reader *reader, struct frame *frame, json_t *value)
{
	char buffer[NAME_BYTES];
	json_t *parent = (frame - 1)->object;
	struct str name = fhir_element_name(frame->element);
	struct str other = sibling_name(frame->element, buffer);
	json_t *values = member(parent, name);
	json_t *siblings = member(parent, other);
	size_t index = json_array_size(values) > json_array_size(siblings) ? json_array_size(values)
									   : json_array_size(siblings);

	frame->path.index = index;
	if (siblings && !array_padded(reader, parent, other, index + 1)) {
		json_decref(value);
		return false;
	}
	if (!value)
		return !values || array_padded(reader, parent, name, index + 1);
	values = array_padded(reader, parent, name, index);
	if (!values) {
		json_decref(value);
		return false;
	}
	return json_array_append_new(values, value) == 0 || no_memory(reader);
}

struct attributes {
	const unsigned char **items;
	size_t count;
};

static struct str attribute_name(const struct attributes *attributes, size_t i)
{
	return str_from_c((const char *)attributes->items[5 * i]);
}

static struct str attribute_value(const struct attributes *attributes, size_t i)
{
	const unsigned char **item = attributes->items + 5 * i;

	return (struct str) { (const char *)item[3], (size_t)(item[4] - item[3]) };
}

/* FHIR's own attributes have no namespace; xsi:schemaLocation says nothing to us. */
static bool attribute_is_ours(struct reader *reader, const struct attributes *attributes, size_t i, bool *ours)
{
	const char *uri = (const char *)attributes->items[5 * i + 2];

	*ours = !uri;
	if (!uri ||
	    (strcmp(uri, XSI_NAMESPACE) == 0 && str_equal(attribute_name(attributes, i), STR("schemaLocation"))))
		return true;
	return refuse_here(reader, ERR_BODY_MALFORMED, "Remove attributes of other namespaces.");
}

struct primitive {
	json_t *value; /* NULL when there is none */
	struct str id;
};

static bool primitive_attributes(struct reader *reader, struct frame *frame, const struct attributes *attributes,
				 struct primitive *primitive)
{
	bool ours;

	for (size_t i = 0; i < attributes->count; i++) {
		struct str name = attribute_name(attributes, i);
		struct str text = attribute_value(attributes, i);

		if (!attribute_is_ours(reader, attributes, i, &ours))
			return false;
		if (!ours)
			continue;
		if (str_equal(name, STR("id"))) {
			primitive->id = text;
		} else if (str_equal(name, STR("value"))) {
			primitive->value = text.size ? primitive_new(reader, frame, text) : cut_new(reader, frame);
			if (!primitive->value)
				return false;
			frame->has_value = true;
		} else {
			return refuse_here(reader, ERR_BODY_MALFORMED,
					   "Give this element no attributes but id and value.");
		}
	}
	return true;
}

/* Puts the value of a primitive that is not repeated at its place. */
static bool primitive_once(struct reader *reader, struct frame *frame, json_t *value)
{
	char buffer[NAME_BYTES];
	json_t *parent = (frame - 1)->object;
	struct str name = fhir_element_name(frame->element);

	if (member(parent, name) || member(parent, sibling_name(frame->element, buffer))) {
		json_decref(value);
		return refuse_here(reader, ERR_BODY_MALFORMED, "Send this element once.");
	}
	return !value || member_set(reader, parent, name, value);
}

static bool primitive_begin(struct reader *reader, struct frame *frame, const struct attributes *attributes)
{
	struct primitive primitive = { .value = NULL };

	if (!primitive_attributes(reader, frame, attributes, &primitive)) {
		json_decref(primitive.value);
		return false;
	}
	if (!(frame->element->flags & FHIR_MANY ? primitive_place : primitive_once)(reader, frame, primitive.value))
		return false;
	if (!primitive.id.data)
		return true;
	return sibling_object(reader, frame) &&
	       member_set(reader, frame->object, STR("id"), json_stringn_nocheck(primitive.id.data, primitive.id.size));
}

static bool complex_begin(struct reader *reader, struct frame *frame, const struct attributes *attributes)
{
	bool ours;

	frame->object = json_object();
	if (!child_add(reader, frame, frame->object))
		return false;
	for (size_t i = 0; i < attributes->count; i++) {
		struct str name = attribute_name(attributes, i);
		struct str text = attribute_value(attributes, i);

		if (!attribute_is_ours(reader, attributes, i, &ours))
			return false;
		if (!ours)
			continue;
		const struct fhir_element *element = fhir_element_find(frame->type, name);

		if (!element || !(element->flags & FHIR_ATTRIBUTE))
			return refuse_child(reader, name, ERR_BODY_MALFORMED,
					    "Remove this attribute: the element has none of that name.");
		if (str_is_empty(text))
			return refuse_child(reader, name, ERR_BODY_MALFORMED, "Leave out an empty value.");
		if (!member_set(reader, frame->object, name, json_stringn_nocheck(text.data, text.size)))
			return false;
	}
	return true;
}

static bool no_attributes(struct reader *reader, const struct attributes *attributes)
{
	bool ours;

	for (size_t i = 0; i < attributes->count; i++) {
		if (!attribute_is_ours(reader, attributes, i, &ours))
			return false;
		if (ours)
			return refuse_here(reader, ERR_BODY_MALFORMED, "Give this element no attributes.");
	}
	return true;
}

static struct frame *frame_push(struct reader *reader, size_t json_levels)
{
	struct frame *parent = &reader->frames[reader->depth];
	size_t json_depth = parent->json_depth + json_levels;

	if (reader->depth + 1 == FRAMES_MAX || json_depth > reader->limits->depth_max) {
		refuse_here(reader, ERR_BODY_MALFORMED, "Nest elements less deeply.");
		return NULL;
	}
	struct frame *frame = &reader->frames[++reader->depth];

	*frame = (struct frame) { .json_depth = json_depth };
	return frame;
}

/* The element that is the resource itself: at the root, or inside contained, resource or outcome. */
static bool resource_begin(struct reader *reader, struct str name, const struct attributes *attributes)
{
	struct frame *holder = &reader->frames[reader->depth];
	const struct fhir_type *type = fhir_resource_type(name);
	bool root = reader->depth == 0;

	if (!type)
		return refuse_here(reader, ERR_BODY_MALFORMED,
				   "Put a resource of FHIR R4 here: R4 has none of this name.");
	if (holder->has_value)
		return refuse_here(reader, ERR_BODY_MALFORMED, "Put one resource here, not two.");
	struct frame *frame = frame_push(reader, 1);

	if (!frame)
		return false;
	frame->type = type;
	frame->path = root ? (struct fhir_path) { NULL, str_from_c(type->name), FHIR_PATH_NOT_MANY } : holder->path;
	holder->has_value = true;
	frame->object = json_object();
	if (!frame->object)
		return no_memory(reader);
	if (!root) {
		if (!child_add(reader, holder, frame->object))
			return false;
		frame->path = holder->path;
	} else {
		reader->root = frame->object;
		if (!json_tree_keep(reader->arena, reader->root))
			return no_memory(reader);
	}
	return no_attributes(reader, attributes) &&
	       member_set(reader, frame->object, STR("resourceType"), json_stringn_nocheck(name.data, name.size));
}

static bool div_begin(struct reader *reader, struct frame *frame, const char *name, const char *uri,
		      const struct attributes *attributes)
{
	if (member((frame - 1)->object, fhir_element_name(frame->element)))
		return refuse_here(reader, ERR_BODY_MALFORMED, "Send this element once.");
	buf_clear(&reader->xhtml_text);
	xml_writer_init(&reader->xhtml_writer, &reader->xhtml_text);
	reader->xhtml = (struct fhir_xhtml) { .writer = &reader->xhtml_writer };
	fhir_xhtml_start(&reader->xhtml, name, uri, attributes->items, attributes->count);
	return !reader->xhtml.refused || refuse_here(reader, ERR_BODY_MALFORMED, "Send narrative as one div of XHTML.");
}

static bool div_end(struct reader *reader, const struct frame *frame)
{
	struct str text = buf_str(&reader->xhtml_text);

	if (!xml_writer_finish(&reader->xhtml_writer, reader->outcome))
		return false;
	return member_set(reader, (frame - 1)->object, fhir_element_name(frame->element),
			  json_stringn_nocheck(text.data, text.size));
}

/* An element below another one, which is no holder of a resource. */
static bool child_begin(struct reader *reader, const char *local, const char *uri, const struct attributes *attributes)
{
	struct frame *parent = &reader->frames[reader->depth];
	struct str name = str_from_c(local);
	const struct fhir_element *element = NULL;

	if (!fhir_is_primitive(parent->type->kind))
		element = fhir_element_next(parent->type, name, &parent->hint);
	else if (str_equal(name, STR("extension")))
		element = fhir_element_find(fhir_extension_type(), name);
	if (!element || (element->flags & FHIR_ATTRIBUTE))
		return refuse_child(reader, name, ERR_BODY_MALFORMED,
				    "Remove this element: FHIR R4 does not have it here.");
	const struct fhir_type *type = fhir_type_at(element->type);
	size_t levels = (element->flags & FHIR_MANY ? 1U : 0U) + (type->kind == FHIR_COMPLEX ? 1U : 0U);

	if (type->kind != FHIR_XHTML && (!uri || strcmp(uri, FHIR_NAMESPACE) != 0))
		return refuse_child(reader, name, ERR_BODY_MALFORMED,
				    "Put this element into xmlns=\"" FHIR_NAMESPACE "\".");
	if (fhir_is_primitive(parent->type->kind) && !sibling_object(reader, parent))
		return false;
	struct frame *frame = frame_push(reader, levels);

	if (!frame)
		return false;
	frame->type = type;
	frame->element = element;
	frame->path = (struct fhir_path) { &parent->path, name, FHIR_PATH_NOT_MANY };
	if (element->choice_size)
		frame->path.name.size = element->choice_size;
	if (type->kind == FHIR_COMPLEX)
		return complex_begin(reader, frame, attributes);
	if (type->kind == FHIR_XHTML)
		return div_begin(reader, frame, local, uri, attributes);
	if (type->kind == FHIR_ANY_RESOURCE)
		return no_attributes(reader, attributes);
	return primitive_begin(reader, frame, attributes);
}

static bool on_begin(void *ctx, const char *local, const char *uri, const unsigned char **items, size_t count)
{
	struct reader *reader = ctx;
	struct attributes attributes = { items, count };
	struct frame *parent = &reader->frames[reader->depth];

	if (reader->xhtml.depth) {
		fhir_xhtml_start(&reader->xhtml, local, uri, items, count);
		return !reader->xhtml.refused ||
		       refuse_here(reader, ERR_BODY_MALFORMED, "Send narrative as one div of XHTML.");
	}
	if (parent->type->kind != FHIR_ANY_RESOURCE)
		return child_begin(reader, local, uri, &attributes);
	if (!uri || strcmp(uri, FHIR_NAMESPACE) != 0)
		return refuse_here(reader, ERR_BODY_MALFORMED, "Put the resource into xmlns=\"" FHIR_NAMESPACE "\".");
	return resource_begin(reader, str_from_c(local), &attributes);
}

static bool on_end(void *ctx)
{
	struct reader *reader = ctx;
	struct frame *frame = &reader->frames[reader->depth];
	bool good = true;

	if (reader->xhtml.depth) {
		fhir_xhtml_end(&reader->xhtml);
		if (reader->xhtml.depth)
			return true;
		good = div_end(reader, frame);
	} else if (frame->type->kind == FHIR_ANY_RESOURCE) {
		good = frame->has_value || refuse_here(reader, ERR_BODY_MALFORMED, "Put one resource here.");
	} else if (fhir_is_primitive(frame->type->kind)) {
		good = frame->has_value || frame->object ||
		       refuse_here(reader, ERR_BODY_MALFORMED, "Give this element a value or leave it out.");
	} else if (json_object_size(frame->object) == 0) {
		good = refuse_here(reader, ERR_BODY_MALFORMED, "Leave out an empty element.");
	}
	reader->depth--;
	return good;
}

static bool on_text(void *ctx, struct str text)
{
	struct reader *reader = ctx;

	if (reader->xhtml.depth) {
		fhir_xhtml_text(&reader->xhtml, text);
		return true;
	}
	return str_is_empty(str_trim(text)) ||
	       refuse_here(reader, ERR_BODY_MALFORMED, "Write values as value=\"...\": FHIR has no text here.");
}

static bool read_all(struct reader *reader, struct str text)
{
	static const struct xml_handler handler = { on_begin, on_end, on_text, NULL };
	const struct fhir_limits *limits = reader->limits;
	struct xml_limits xml_limits = {
		.depth_max = BODY_XML_DEPTH_MAX(limits),
		.attributes_max = 64,
		.attribute_bytes_max = limits->string_bytes_max,
		.tag_bytes_max = limits->string_bytes_max + 65536,
		.elements_max = limits->values_max,
	};

	if (!xml_sax_read(text, &xml_limits, &handler, reader, reader->outcome))
		return false;
	if (reader->cut_next != reader->cut_count)
		return outcome_add(reader->outcome, ERR_BODY_MALFORMED, "",
				   "Put documents into Binary.data or Attachment.data only.");
	return true;
}

bool fhir_xml_read(struct str text, const struct fhir_limits *limits, size_t cut_count, struct arena *arena,
		   json_t **tree, struct outcome *outcome)
{
	static const struct fhir_type above = { .name = "Resource", .kind = FHIR_ANY_RESOURCE };
	struct reader *reader = arena_alloc(arena, sizeof *reader);
	bool good;

	if (!reader)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	*reader = (struct reader) { .arena = arena, .outcome = outcome, .limits = limits, .cut_count = cut_count };
	reader->frames[0].type = &above;
	reader->frames[0].path = (struct fhir_path) { NULL, str_from_c(above.name), FHIR_PATH_NOT_MANY };
	buf_init(&reader->xhtml_text, limits->string_bytes_max);
	good = read_all(reader, text);
	buf_free(&reader->xhtml_text);
	if (good)
		*tree = reader->root;
	return good;
}
