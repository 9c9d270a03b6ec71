/* Reads a FHIR body, JSON or XML, into one kind of tree: the JSON form of FHIR, in jansson. Before jansson or libxml2
 * sees the text, one linear pass checks its limits and cuts the documents out, which are decoded into a sink and never
 * become strings. Source: FHIR R4 json.html, xml.html; RFC 8259. */
#ifndef PASSERELLE_FHIR_BODY_H
#define PASSERELLE_FHIR_BODY_H

#include "mappers/base/arena.h"
#include "mappers/base/error.h"
#include "mappers/fhir_mark.h"

enum fhir_format { FHIR_JSON, FHIR_XML };

struct fhir_limits {
	size_t depth_max;        /* of objects and arrays, in XML of those that it stands for */
	size_t values_max;       /* members and items, or elements and comments, in the whole body */
	size_t members_max;      /* of one object in JSON */
	size_t string_bytes_max; /* of one string that is not cut out, as it stands in the body */
	size_t cut_bytes_min;    /* base64 longer than this is cut out */
	size_t cut_count_max;    /* documents */
};

/* Depth 64, 200,000 values, 500 members of one object (R4 has no type with more), strings of 1 MiB (FHIR's own limit),
 * documents from 513 characters on, 1,000 of them. */
extern const struct fhir_limits fhir_limits_default;

/* Takes the decoded bytes of each base64 value of Binary.data, Attachment.data and Signature.data that is longer than
 * cut_bytes_min, one after the other in the order of the body. index counts from 0. A callback that returns false ends
 * the reading; it should add the reason to an outcome of its own choice. */
struct cut_sink {
	void *ctx;
	bool (*begin)(void *ctx, size_t index);
	bool (*data)(void *ctx, const void *bytes, size_t size);
	bool (*end)(void *ctx);
};

/* Reads a whole body. Refused: what is no UTF-8 (a byte order mark is skipped), a name twice in an object, also behind
 * escapes, U+0000 and other control characters, DOCTYPE, base64 that is not strict, numbers beyond 1e308.
 * format   what the Content-Type says
 * body     borrowed; not needed afterwards
 * limits   NULL for fhir_limits_default
 * sink     NULL keeps all base64 in the tree
 * tree     filled on success: an object; freed with the arena. In it a cut value is a mark, see fhir_mark.h
 * Returns false with one issue: ERR_BODY_MALFORMED with line and column, ERR_VALUE_INVALID, ERR_TOO_LONG, ERR_TOO_COSTLY
 * or ERR_NO_MEMORY; never with a piece of the content in its text. From XML, elements that R4 does not know are
 * ERR_BODY_MALFORMED with their FHIRPath; of JSON only the syntax is checked: fhir_validate does the rest for both. */
bool fhir_body_read(enum fhir_format format, struct str body, const struct fhir_limits *limits,
		    const struct cut_sink *sink, struct arena *arena, json_t **tree,
		    struct outcome *outcome) MUST_CHECK;

#endif
