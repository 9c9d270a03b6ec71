/* The pass over the bytes of a body before a library parses it: checks limits, cuts long base64 out, decodes it into
 * the sink, and writes a shorter text with the same line ends. Knows strings, tags and comments, no grammar. */
#ifndef PASSERELLE_BODY_CUT_H
#define PASSERELLE_BODY_CUT_H

#include "mappers/base/buf.h"
#include "mappers/fhir_body.h"

/* Where the shorter text was changed: from this offset on it lies this much behind the body. */
struct cut_edit {
	size_t text_offset;
	size_t body_offset;
};

struct cut_text {
	struct buf text; /* freed by body_cut_free */
	struct cut_edit *edits;
	size_t edit_count;
	size_t edit_capacity;
	size_t cut_count; /* documents cut out */
};

/* Elements may nest deeper than the tree: each value and each resource is one more, and so is all of a narrative. */
#define BODY_XML_DEPTH_MAX(limits) ((limits)->depth_max + 40)

/* JSON: a cut string becomes "\u0001B<index>" and a number that jansson would change "\u0001D<number>".
 * XML: a cut value becomes value="", which the pass refuses from a sender; the reader counts them.
 * text is to be freed also after a failure. Issues as in fhir_body_read. */
bool body_cut_json(struct str body, const struct fhir_limits *limits, const struct cut_sink *sink, struct arena *arena,
		   struct cut_text *text, struct outcome *outcome) MUST_CHECK;
bool body_cut_xml(struct str body, const struct fhir_limits *limits, const struct cut_sink *sink, struct cut_text *text,
		  struct outcome *outcome) MUST_CHECK;
void body_cut_free(struct cut_text *text);

/* The offset in the body that an offset in the shorter text came from. */
size_t body_cut_origin(const struct cut_text *text, size_t offset);

/* Adds one issue with the sentence text and "(Line 3, column 14.)" after it. Returns false. */
bool body_refuse(struct outcome *outcome, enum error_code code, struct str body, size_t offset, const char *text);

/* One escape at the front of text: a backslash and what belongs to it. False when it is none of RFC 8259's. */
bool body_json_escape(struct str text, uint32_t *point, size_t *size) MUST_CHECK;

/* Notes that what is written next to the shorter text comes from this offset of the body. */
bool body_cut_edit(struct cut_text *text, struct arena *arena, size_t body_offset, struct outcome *outcome) MUST_CHECK;

/* Decodes one base64 value into the sink. XML takes character references, JSON escapes; both tolerate blanks.
 * False with an issue at its offset in the body. */
bool body_cut_decode(enum fhir_format format, struct str body, struct str value, const struct cut_sink *sink,
		     size_t index, struct outcome *outcome) MUST_CHECK;

#endif
