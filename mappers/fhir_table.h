/* The elements of FHIR R4 as a table: which elements each type has, in XML order, with type, cardinality and form. One
 * table drives XML reading and writing and the base rules. The rows are profiles/fhir/r4.def. Source: FHIR R4 4.0.1. */
#ifndef PASSERELLE_FHIR_TABLE_H
#define PASSERELLE_FHIR_TABLE_H

#include "mappers/base/str.h"

/* Kinds of type. The primitives come first, by their lexical form. */
enum fhir_kind {
	FHIR_BASE64BINARY,
	FHIR_BOOLEAN,
	FHIR_CANONICAL,
	FHIR_CODE,
	FHIR_DATE,
	FHIR_DATETIME,
	FHIR_DECIMAL,
	FHIR_ID,
	FHIR_INSTANT,
	FHIR_INTEGER,
	FHIR_MARKDOWN,
	FHIR_OID,
	FHIR_POSITIVEINT,
	FHIR_STRING,
	FHIR_TIME,
	FHIR_UNSIGNEDINT,
	FHIR_URI,
	FHIR_URL,
	FHIR_UUID,
	FHIR_XHTML,
	FHIR_COMPLEX,     /* a data type or a part of a resource */
	FHIR_RESOURCE,    /* a resource of one type */
	FHIR_ANY_RESOURCE /* the place of some resource: contained, Bundle.entry.resource ... */
};

enum { FHIR_MANY = 1, FHIR_REQUIRED = 2, FHIR_ATTRIBUTE = 4 };

struct fhir_element {
	const char *name; /* "valueString": a choice has one row per type */
	uint16_t type;    /* for fhir_type_at */
	uint8_t flags;    /* FHIR_MANY: max is *; FHIR_REQUIRED: min is 1; FHIR_ATTRIBUTE: an attribute in XML */
	uint8_t place;    /* place in the type from 1; the rows of one choice share it */
	uint8_t sorted;   /* row k of a type holds here which of its rows is the k-th by name */
	uint8_t name_size;
	uint8_t choice_size; /* of a choice: the length of its name without the type ("value"); otherwise 0 */
};

struct fhir_type {
	const char *name; /* "DocumentReference", "DocumentReference.content", "Coding", "dateTime" */
	enum fhir_kind kind;
	uint16_t element_count;
	const struct fhir_element *elements; /* in XML order */
};

/* The type an element refers to. */
const struct fhir_type *fhir_type_at(uint16_t index);

/* The resource type of that name; NULL when R4 has none (case matters). */
const struct fhir_type *fhir_resource_type(struct str name);

/* The element of that name; NULL when the type has none. The second form looks first at the row after *hint, which it
 * keeps: elements mostly come in the order of the table. Begin with *hint 0. */
const struct fhir_element *fhir_element_find(const struct fhir_type *type, struct str name);
const struct fhir_element *fhir_element_next(const struct fhir_type *type, struct str name, size_t *hint);

/* Extension, which every element may carry. */
const struct fhir_type *fhir_extension_type(void);

static inline bool fhir_is_primitive(enum fhir_kind kind)
{
	return kind < FHIR_XHTML;
}

/* True for the primitives that are numbers in JSON. */
static inline bool fhir_is_number(enum fhir_kind kind)
{
	return kind == FHIR_DECIMAL || kind == FHIR_INTEGER || kind == FHIR_POSITIVEINT || kind == FHIR_UNSIGNEDINT;
}

static inline struct str fhir_element_name(const struct fhir_element *element)
{
	return (struct str) { element->name, element->name_size };
}

#endif
