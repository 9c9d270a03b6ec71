/* Reading FHIR trees: where one is (for issues), which value stands at the path of a row, what a reference names. */
#ifndef PASSERELLE_FHIR_READ_H
#define PASSERELLE_FHIR_READ_H

#include "mappers/attribute.h"
#include "mappers/fhir_context.h"
#include "mappers/identifier.h"

/* One resource being read. */
struct fhir_reader {
	const struct fhir_context *context;
	const json_t *resource;
	struct arena *arena;
	struct outcome *outcome;
};

/* A place in the tree, linked upwards; lives on the stack of whoever reads. */
struct fhir_place {
	const struct fhir_place *up; /* NULL: right under the resource */
	struct str step;             /* "content[].attachment.hash"; what is in brackets is shown as index */
	size_t index;
	bool is_item; /* a step without brackets that is item index of an array */
};

#define FHIR_PLACE_SIZE 160
/* The FHIRPath of a place, for the path of an issue: outcome_add(o, code, FHIR_PLACE_TEXT(reader, &place), ...). */
const char *fhir_place_text(const struct fhir_reader *reader, const struct fhir_place *place,
			    char text[FHIR_PLACE_SIZE]);
#define FHIR_PLACE_TEXT(reader, place) fhir_place_text(reader, place, (char[FHIR_PLACE_SIZE]) { 0 })

/* All values at a path: "type", "category[]", "content[].format" (of the first item), "extension[ihe-sourceId].value…"
 * (of the extensions with that URL, http or https). */
struct fhir_cursor {
	const json_t *value; /* set by fhir_next */
	struct fhir_place place;
	const json_t *array; /* what is walked; NULL: a single value */
	struct str url;      /* name in brackets */
	struct str rest;     /* what follows the brackets */
	size_t next;
};

void fhir_cursor_init(struct fhir_cursor *cursor, const json_t *resource, struct str path);
bool fhir_next(struct fhir_cursor *cursor);

/* A member that is a non-empty string; STR_NONE otherwise. */
struct str fhir_string(const json_t *object, const char *name);
/* The n-th item of a member that is an array; NULL when there is none. */
const json_t *fhir_item(const json_t *object, const char *name, size_t n);

/* system and value of an Identifier. */
struct identifier fhir_identifier(const json_t *identifier);
/* The first Identifier with a value that a resource or element has in its member identifier. */
struct identifier fhir_first_identifier(const json_t *object);

/* The contained resource with this id; NULL when there is none. */
const json_t *fhir_contained(const json_t *container, struct str id);

/* What a Reference names: the resource, and the one whose contained resources its own references mean. */
struct fhir_resolved {
	const json_t *resource; /* NULL: not known, or the Reference has no reference */
	const json_t *container;
};

struct fhir_resolved fhir_resolve(const struct fhir_reader *reader, const json_t *container, const json_t *reference);

/* True when the Reference has text to follow, beside an identifier or display. */
bool fhir_has_reference(const json_t *reference);

/* Reports no memory; always false. */
bool fhir_no_memory(const struct fhir_reader *reader);

#endif
