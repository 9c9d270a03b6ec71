/* Writes a FHIR resource whose elements come one by one with their paths: objects and arrays are opened and closed as
 * the paths demand, so that rows need not know each other. Paths that share an element must come one after another. */
#ifndef PASSERELLE_FHIR_EMIT_H
#define PASSERELLE_FHIR_EMIT_H

#include "mappers/attribute.h"
#include "mappers/fhir_context.h"
#include "mappers/json_writer.h"

#define FHIR_EMIT_DEPTH_MAX 4

enum emit_kind {
	EMIT_OBJECT,   /* "context" */
	EMIT_VALUES,   /* "category[]" at the end of a path */
	EMIT_ITEM,     /* "content[]" before the end: the array and its one item */
	EMIT_EXTENSION /* "extension[u]": the array and the item that is open */
};

struct emit_step {
	enum emit_kind kind;
	struct str name;
	struct str url;
};

struct fhir_emitter {
	struct json_writer *writer;
	struct arena *arena;
	const struct fhir_links *links;
	const struct attribute_table *table;
	const void *object; /* what is written */
	struct emit_step open[FHIR_EMIT_DEPTH_MAX];
	size_t depth;
	struct str container; /* what is open, as the front of a path; STR_NONE: not known */
};

/* Goes to a path; the value that is written next stands there. "x" a member, "x[]" the next item, "x[].y" a member of
 * the one item, "extension[u].valueX" the value of the next extension with URL u (of MHD, when u has no colon). */
void emit_at(struct fhir_emitter *emitter, struct str path);

/* id and meta (lastUpdated, profile), as far as there are any. */
void fhir_head_write(struct json_writer *writer, const struct fhir_links *links, struct str profile);

/* Closes what is open. */
void emit_close(struct fhir_emitter *emitter);

/* A member with text at a path; nothing when text is empty. */
void emit_text(struct fhir_emitter *emitter, struct str path, struct str text);

/* True when text may be a code: something, no blanks at its ends, none doubled. FHIR R4 datatypes "code" */
bool is_code(struct str text);

/* Want of memory: sticks in the buffer that is written to. */
void emit_fail(struct fhir_emitter *emitter);

#endif
