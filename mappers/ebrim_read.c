#include "mappers/ebrim_read.h"

#include <stdlib.h>

/* Pieces of a URI value that old senders cut: at most this many. */
#define URI_PIECES_MAX 99

bool gather_add(struct gather *gather, const void *item, size_t size, struct arena *arena)
{
	if (!arena_grow(arena, &gather->items, gather->count, &gather->capacity, size))
		return false;
	memcpy((char *)gather->items + gather->count * size, item, size);
	gather->count++;
	return true;
}

bool gather_take(struct gather *gather, void *array_pointer, size_t *count, size_t size, struct arena *arena)
{
	void *items = NULL;

	if (gather->count) {
		items = arena_array(arena, gather->count, size);
		if (!items)
			return false;
		memcpy(items, gather->items, gather->count * size);
	}
	memcpy(array_pointer, &items, sizeof items);
	*count = gather->count;
	gather->count = 0;
	return true;
}

static enum xds_attribute attribute_at(const struct xds_attributes *attributes, size_t i)
{
	const unsigned char **raw = attributes->raw + i * 5;

	return xds_names_attribute(attributes->names, (const char *)raw[0], (const char *)raw[2]);
}

static bool value_at(const struct xds_attributes *attributes, size_t i, struct arena *arena, struct str *value)
{
	const unsigned char **raw = attributes->raw + i * 5;

	*value = arena_copy(arena, (struct str) { (const char *)raw[3], (size_t)(raw[4] - raw[3]) });
	return value->data;
}

bool xds_attribute_copy(const struct xds_attributes *attributes, enum xds_attribute attribute, struct arena *arena,
			struct str *value)
{
	*value = STR_NONE;
	for (size_t i = 0; i < attributes->count; i++) {
		if (attribute_at(attributes, i) != attribute)
			continue;
		if (!value_at(attributes, i, arena, value))
			return false;
		*value = str_trim(*value);
		return true;
	}
	return true;
}

bool xds_attributes_fill(const struct xds_attributes *attributes, const unsigned short members[ATTRIBUTE_COUNT],
			 void *object, struct arena *arena)
{
	for (size_t i = 0; i < attributes->count; i++) {
		struct str value;
		unsigned short member = members[attribute_at(attributes, i)];

		if (!member)
			continue;
		if (!value_at(attributes, i, arena, &value))
			return false;
		value = str_trim(value);
		memcpy((char *)object + member - 1, &value, sizeof value);
	}
	return true;
}

/* home="" says nothing; it is not to be handed on. */
static void drop_empty(struct str *value)
{
	if (value->size == 0)
		*value = STR_NONE;
}

static bool begin_object(struct ebrim_reader *reader, enum rim_kind kind, const struct xds_attributes *attributes)
{
	static const unsigned short members[ATTRIBUTE_COUNT] = {
		[ATTRIBUTE_ID] = XDS_MEMBER(struct rim_object, id),
		[ATTRIBUTE_LID] = XDS_MEMBER(struct rim_object, lid),
		[ATTRIBUTE_HOME] = XDS_MEMBER(struct rim_object, home),
		[ATTRIBUTE_OBJECT_TYPE] = XDS_MEMBER(struct rim_object, object_type),
		[ATTRIBUTE_STATUS] = XDS_MEMBER(struct rim_object, status),
		[ATTRIBUTE_MIME_TYPE] = XDS_MEMBER(struct rim_object, mime_type),
		[ATTRIBUTE_IS_OPAQUE] = XDS_MEMBER(struct rim_object, is_opaque),
		[ATTRIBUTE_ASSOCIATION_TYPE] = XDS_MEMBER(struct rim_object, association_type),
		[ATTRIBUTE_SOURCE_OBJECT] = XDS_MEMBER(struct rim_object, source_object),
		[ATTRIBUTE_TARGET_OBJECT] = XDS_MEMBER(struct rim_object, target_object),
	};

	reader->object = (struct rim_object) { .kind = kind };
	reader->in_object = true;
	if (!xds_attributes_fill(attributes, members, &reader->object, reader->arena))
		return false;
	drop_empty(&reader->object.home);
	return kind != RIM_OBJECT_REF ||
	       gather_add(&reader->refs, &reader->object.id, sizeof(struct str), reader->arena);
}

static bool begin_classification(struct ebrim_reader *reader, const struct xds_attributes *attributes)
{
	static const unsigned short members[ATTRIBUTE_COUNT] = {
		[ATTRIBUTE_ID] = XDS_MEMBER(struct rim_classification, id),
		[ATTRIBUTE_LID] = XDS_MEMBER(struct rim_classification, lid),
		[ATTRIBUTE_HOME] = XDS_MEMBER(struct rim_classification, home),
		[ATTRIBUTE_OBJECT_TYPE] = XDS_MEMBER(struct rim_classification, object_type),
		[ATTRIBUTE_STATUS] = XDS_MEMBER(struct rim_classification, status),
		[ATTRIBUTE_CLASSIFIED_OBJECT] = XDS_MEMBER(struct rim_classification, classified_object),
		[ATTRIBUTE_SCHEME] = XDS_MEMBER(struct rim_classification, scheme),
		[ATTRIBUTE_NODE] = XDS_MEMBER(struct rim_classification, node),
		[ATTRIBUTE_NODE_REPRESENTATION] = XDS_MEMBER(struct rim_classification, node_representation),
	};

	reader->classification = (struct rim_classification) { 0 };
	reader->in_part = true;
	if (!xds_attributes_fill(attributes, members, &reader->classification, reader->arena))
		return false;
	drop_empty(&reader->classification.home);
	return true;
}

static bool begin_external_identifier(struct ebrim_reader *reader, const struct xds_attributes *attributes)
{
	static const unsigned short members[ATTRIBUTE_COUNT] = {
		[ATTRIBUTE_ID] = XDS_MEMBER(struct rim_external_identifier, id),
		[ATTRIBUTE_LID] = XDS_MEMBER(struct rim_external_identifier, lid),
		[ATTRIBUTE_HOME] = XDS_MEMBER(struct rim_external_identifier, home),
		[ATTRIBUTE_OBJECT_TYPE] = XDS_MEMBER(struct rim_external_identifier, object_type),
		[ATTRIBUTE_STATUS] = XDS_MEMBER(struct rim_external_identifier, status),
		[ATTRIBUTE_REGISTRY_OBJECT] = XDS_MEMBER(struct rim_external_identifier, registry_object),
		[ATTRIBUTE_IDENTIFICATION_SCHEME] = XDS_MEMBER(struct rim_external_identifier, scheme),
		[ATTRIBUTE_VALUE] = XDS_MEMBER(struct rim_external_identifier, value),
	};

	reader->external_identifier = (struct rim_external_identifier) { 0 };
	reader->in_part = true;
	if (!xds_attributes_fill(attributes, members, &reader->external_identifier, reader->arena))
		return false;
	drop_empty(&reader->external_identifier.home);
	return true;
}

static bool begin_slot(struct ebrim_reader *reader, const struct xds_attributes *attributes)
{
	static const unsigned short members[ATTRIBUTE_COUNT] = {
		[ATTRIBUTE_NAME] = XDS_MEMBER(struct rim_slot, name),
		[ATTRIBUTE_SLOT_TYPE] = XDS_MEMBER(struct rim_slot, slot_type),
	};

	reader->slot = (struct rim_slot) { 0 };
	reader->values.count = 0;
	return xds_attributes_fill(attributes, members, &reader->slot, reader->arena);
}

/* One LocalizedString. Its value is text for people: it keeps its blanks. */
static bool begin_text(struct ebrim_reader *reader, const struct xds_attributes *attributes)
{
	static const unsigned short members[ATTRIBUTE_COUNT] = {
		[ATTRIBUTE_XML_LANG] = XDS_MEMBER(struct rim_text, lang),
		[ATTRIBUTE_CHARSET] = XDS_MEMBER(struct rim_text, charset),
	};
	struct rim_text text = { 0 };
	struct gather *texts = reader->in_description ? reader->descriptions : reader->names;

	if (!xds_attributes_fill(attributes, members, &text, reader->arena))
		return false;
	for (size_t i = 0; i < attributes->count; i++) {
		if (attribute_at(attributes, i) == ATTRIBUTE_VALUE &&
		    !value_at(attributes, i, reader->arena, &text.value))
			return false;
	}
	return gather_add(&texts[reader->in_part], &text, sizeof text, reader->arena);
}

static bool begin_version(struct ebrim_reader *reader, bool content, const struct xds_attributes *attributes)
{
	struct rim_object *object = &reader->object;

	if (content)
		return xds_attribute_copy(attributes, ATTRIBUTE_VERSION_NAME, reader->arena, &object->content_version);
	if (reader->in_part)
		return xds_attribute_copy(attributes, ATTRIBUTE_VERSION_NAME, reader->arena, reader->part_version);
	return xds_attribute_copy(attributes, ATTRIBUTE_VERSION_NAME, reader->arena, &object->version_name) &&
	       xds_attribute_copy(attributes, ATTRIBUTE_COMMENT, reader->arena, &object->version_comment);
}

bool ebrim_read_begin(struct ebrim_reader *reader, enum xds_element element, const struct xds_attributes *attributes)
{
	switch ((int)element) {
	case ELEMENT_EXTRINSIC_OBJECT:
		return begin_object(reader, RIM_EXTRINSIC_OBJECT, attributes);
	case ELEMENT_REGISTRY_PACKAGE:
		return begin_object(reader, RIM_REGISTRY_PACKAGE, attributes);
	case ELEMENT_ASSOCIATION:
		return begin_object(reader, RIM_ASSOCIATION, attributes);
	case ELEMENT_OBJECT_REF:
		return begin_object(reader, RIM_OBJECT_REF, attributes);
	case ELEMENT_CLASSIFICATION:
		reader->part_version = &reader->classification.version_name;
		return begin_classification(reader, attributes);
	case ELEMENT_EXTERNAL_IDENTIFIER:
		reader->part_version = &reader->external_identifier.version_name;
		return begin_external_identifier(reader, attributes);
	case ELEMENT_SLOT:
		return begin_slot(reader, attributes);
	case ELEMENT_NAME:
	case ELEMENT_DESCRIPTION:
		reader->in_description = element == ELEMENT_DESCRIPTION;
		return true;
	case ELEMENT_LOCALIZED_STRING:
		return begin_text(reader, attributes);
	case ELEMENT_VERSION_INFO:
	case ELEMENT_CONTENT_VERSION:
		return begin_version(reader, element == ELEMENT_CONTENT_VERSION, attributes);
	default:
		return true;
	}
}

/* What every RegistryObject ends with: its Slots, Name and Description. */
static bool take_common(struct ebrim_reader *reader, bool part, struct rim_slots *slots, struct rim_texts *name,
			struct rim_texts *description)
{
	return gather_take(&reader->slots[part], &slots->items, &slots->count, sizeof *slots->items, reader->arena) &&
	       gather_take(&reader->names[part], &name->items, &name->count, sizeof *name->items, reader->arena) &&
	       gather_take(&reader->descriptions[part], &description->items, &description->count,
			   sizeof *description->items, reader->arena);
}

static bool end_object(struct ebrim_reader *reader)
{
	struct rim_object *object = &reader->object;

	reader->in_object = false;
	return take_common(reader, false, &object->slots, &object->name, &object->description) &&
	       gather_take(&reader->classifications, &object->classifications, &object->classification_count,
			   sizeof *object->classifications, reader->arena) &&
	       gather_take(&reader->external_identifiers, &object->external_identifiers,
			   &object->external_identifier_count, sizeof *object->external_identifiers, reader->arena) &&
	       gather_add(&reader->objects, object, sizeof *object, reader->arena);
}

static bool end_classification(struct ebrim_reader *reader)
{
	struct rim_classification *c = &reader->classification;
	struct gather *home = reader->in_object ? &reader->classifications : &reader->loose;

	reader->in_part = false;
	return take_common(reader, true, &c->slots, &c->name, &c->description) &&
	       gather_add(home, c, sizeof *c, reader->arena);
}

static bool end_external_identifier(struct ebrim_reader *reader)
{
	struct rim_external_identifier *e = &reader->external_identifier;

	reader->in_part = false;
	return take_common(reader, true, &e->slots, &e->name, &e->description) &&
	       gather_add(&reader->external_identifiers, e, sizeof *e, reader->arena);
}

/* "2|rest" gives 2 and leaves the rest; 0 when value is not such a piece. */
static unsigned piece_number(struct str value, struct str *rest)
{
	size_t bar = str_find(value, '|');
	uint64_t number;

	if (bar == value.size || !str_to_u64((struct str) { value.data, bar }, &number) || number > URI_PIECES_MAX)
		return 0;
	*rest = str_from(value, bar + 1);
	return (unsigned)number;
}

/* A URI that was cut into "1|...", "2|..." becomes one value again. Anything else stays as it is. */
static bool join_uri(struct ebrim_reader *reader, struct rim_slot *slot)
{
	struct str pieces[URI_PIECES_MAX + 1] = { 0 };
	size_t size = 0;
	size_t count = slot->values.count;

	if (count == 0 || count > URI_PIECES_MAX)
		return true;
	for (size_t i = 0; i < count; i++) {
		struct str rest;
		unsigned number = piece_number(slot->values.items[i], &rest);

		if (number == 0 || number > count || pieces[number].data)
			return true;
		pieces[number] = rest;
		size += rest.size;
	}
	char *text = arena_alloc(reader->arena, size + 1);
	size_t at = 0;

	if (!text)
		return false;
	for (size_t i = 1; i <= count; i++) {
		memcpy(text + at, pieces[i].data, pieces[i].size);
		at += pieces[i].size;
	}
	slot->values.items[0] = (struct str) { text, size };
	slot->values.count = 1;
	return true;
}

static bool end_slot(struct ebrim_reader *reader)
{
	struct rim_slot *slot = &reader->slot;

	if (!gather_take(&reader->values, &slot->values.items, &slot->values.count, sizeof *slot->values.items,
			 reader->arena))
		return false;
	if (str_equal(slot->name, STR("URI")) && !join_uri(reader, slot))
		return false;
	return gather_add(&reader->slots[reader->in_part || !reader->in_object], slot, sizeof *slot, reader->arena);
}

bool ebrim_read_end(struct ebrim_reader *reader, enum xds_element element)
{
	switch ((int)element) {
	case ELEMENT_EXTRINSIC_OBJECT:
	case ELEMENT_REGISTRY_PACKAGE:
	case ELEMENT_ASSOCIATION:
	case ELEMENT_OBJECT_REF:
		return end_object(reader);
	case ELEMENT_CLASSIFICATION:
		return end_classification(reader);
	case ELEMENT_EXTERNAL_IDENTIFIER:
		return end_external_identifier(reader);
	case ELEMENT_SLOT:
		return end_slot(reader);
	default:
		return true;
	}
}

bool ebrim_read_value(struct ebrim_reader *reader, struct str text)
{
	struct str value = arena_copy(reader->arena, str_trim(text));

	return value.data && gather_add(&reader->values, &value, sizeof value, reader->arena);
}

bool ebrim_read_take_slots(struct ebrim_reader *reader, struct rim_slots *slots)
{
	return gather_take(&reader->slots[1], &slots->items, &slots->count, sizeof *slots->items, reader->arena);
}

/* The objects in the order of their ids. */
struct by_id {
	struct str id;
	size_t index;
};

static int compare_ids(const void *a, const void *b)
{
	const struct by_id *left = a;
	const struct by_id *right = b;
	size_t size = left->id.size < right->id.size ? left->id.size : right->id.size;
	int order = size ? memcmp(left->id.data, right->id.data, size) : 0;

	if (order)
		return order;
	return (left->id.size > right->id.size) - (left->id.size < right->id.size);
}

/* Appends c to the Classifications of object; *room is what its array can hold, 0 as long as nothing was appended. */
static bool append_classification(struct arena *arena, struct rim_object *object, size_t *room,
				  const struct rim_classification *c)
{
	size_t count = object->classification_count;

	if (count >= *room) {
		size_t wanted = count < 2 ? 4 : count * 2;
		struct rim_classification *grown = arena_array(arena, wanted, sizeof *grown);

		if (!grown)
			return false;
		if (count)
			memcpy(grown, object->classifications, count * sizeof *grown);
		object->classifications = grown;
		*room = wanted;
	}
	object->classifications[object->classification_count++] = *c;
	return true;
}

bool ebrim_read_finish(struct ebrim_reader *reader, struct rim_list *list)
{
	struct rim_classification *loose;
	size_t loose_count;

	*list = (struct rim_list) { 0 };
	if (!gather_take(&reader->objects, &list->objects, &list->count, sizeof *list->objects, reader->arena) ||
	    !gather_take(&reader->loose, &loose, &loose_count, sizeof *loose, reader->arena))
		return false;
	if (loose_count == 0)
		return true;
	struct by_id *sorted = arena_array(reader->arena, list->count, sizeof *sorted);
	size_t *rooms = arena_array(reader->arena, list->count, sizeof *rooms);

	if (!sorted || !rooms)
		return false;
	for (size_t i = 0; i < list->count; i++)
		sorted[i] = (struct by_id) { list->objects[i].id, i };
	qsort(sorted, list->count, sizeof *sorted, compare_ids);
	list->loose = loose;
	for (size_t i = 0; i < loose_count; i++) {
		struct by_id key = { loose[i].classified_object, 0 };
		const struct by_id *found =
			key.id.size ? bsearch(&key, sorted, list->count, sizeof *sorted, compare_ids) : NULL;

		if (!found)
			list->loose[list->loose_count++] = loose[i];
		else if (!append_classification(reader->arena, &list->objects[found->index], &rooms[found->index],
						&loose[i]))
			return false;
	}
	return true;
}
