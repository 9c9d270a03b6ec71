/* Gathers ebRIM objects while a reader walks over their elements: the part of xds_message.c that knows the struct
 * members. Children are gathered in scratch arrays and copied once, in their final size, when their element ends. */
#ifndef PASSERELLE_EBRIM_READ_H
#define PASSERELLE_EBRIM_READ_H

#include "mappers/rim.h"
#include "mappers/xds_names.h"

/* Attributes of a start tag, as libxml2's SAX2 gives them: five pointers each. */
struct xds_attributes {
	struct xds_names *names;
	const unsigned char **raw;
	size_t count;
};

/* A scratch array: grows in the arena, is used again and again. */
struct gather {
	void *items;
	size_t count;
	size_t capacity;
};

struct ebrim_reader {
	struct arena *arena;
	struct gather objects; /* struct rim_object */
	struct gather loose;   /* struct rim_classification */
	struct gather refs;    /* struct str: ids of ObjectRefs */
	struct gather classifications;
	struct gather external_identifiers;
	struct gather values;   /* struct str, of the open Slot */
	struct gather slots[2]; /* of the open object; of the open part in it, or of the query */
	struct gather names[2]; /* struct rim_text, likewise */
	struct gather descriptions[2];
	struct rim_object object;
	struct rim_classification classification;
	struct rim_external_identifier external_identifier;
	struct rim_slot slot;
	struct str *part_version; /* of the open part */
	bool in_object;
	bool in_part; /* inside a Classification or ExternalIdentifier */
	bool in_description;
};

/* What elements of ebRIM begin and end; other elements do nothing. False without memory. */
bool ebrim_read_begin(struct ebrim_reader *reader, enum xds_element element,
		      const struct xds_attributes *attributes) MUST_CHECK;
bool ebrim_read_end(struct ebrim_reader *reader, enum xds_element element) MUST_CHECK;
/* The text of a Value. */
bool ebrim_read_value(struct ebrim_reader *reader, struct str text) MUST_CHECK;

/* The Slots gathered outside of objects (those of an AdhocQuery), and no longer in the reader. */
bool ebrim_read_take_slots(struct ebrim_reader *reader, struct rim_slots *slots) MUST_CHECK;

/* The list, its Classifications moved into the objects that they classify. */
bool ebrim_read_finish(struct ebrim_reader *reader, struct rim_list *list) MUST_CHECK;

/* Copies the value of an attribute, trimmed when asked; STR_NONE in *value when the element has none.
 * False without memory. */
bool xds_attribute_copy(const struct xds_attributes *attributes, enum xds_attribute attribute, struct arena *arena,
			struct str *value) MUST_CHECK;

/* A member for each attribute: members[attribute] is its offset in the struct plus one, 0 for none. */
bool xds_attributes_fill(const struct xds_attributes *attributes, const unsigned short members[ATTRIBUTE_COUNT],
			 void *object, struct arena *arena) MUST_CHECK;
#define XDS_MEMBER(type, member) (unsigned short)(offsetof(type, member) + 1)

/* Adds one element of size bytes, or copies all of them into a new array of the exact size and empties the gather. */
bool gather_add(struct gather *gather, const void *item, size_t size, struct arena *arena) MUST_CHECK;
bool gather_take(struct gather *gather, void *array_pointer, size_t *count, size_t size,
		 struct arena *arena) MUST_CHECK;

#endif
