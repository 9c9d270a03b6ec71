/* MTOM/XOP packages: multipart/related with a SOAP root part and documents beside it. Reading is pushed, piece by
 * piece, holds back at most a delimiter's length, and costs time linear in the input. Source: RFC 2046 5.1, RFC 2387,
 * RFC 2392, W3C XOP 1.0, ITI TF-2 Appendix V.3. */
#ifndef PASSERELLE_MTOM_H
#define PASSERELLE_MTOM_H

#include "mappers/base/buf.h"
#include "mappers/content_type.h"

/* Where the bytes of a document are: in a MIME part (content_id set), inline (is_inline), or nowhere. */
struct document_content {
	struct str content_id; /* href without "cid:", as it stands; compare with content_id_matches */
	bool is_inline;
	size_t inline_index;  /* the index that the inline sink was given */
	uint64_t inline_size; /* decoded bytes */
};

struct mtom_part {
	size_t index; /* 0 is the first part of the package, not always the root */
	bool is_root;
	struct str content_id;   /* without <>; empty when it has none; lives in the parser's arena */
	struct str content_type; /* as it stands */
};

/* Receives the parts in order, transfer encodings already undone. A callback that returns false ends the reading; it
 * has added its own issue. */
struct mtom_handler {
	void *ctx;
	bool (*part_begin)(void *ctx, const struct mtom_part *part);
	bool (*part_data)(void *ctx, const void *bytes, size_t size);
	bool (*part_end)(void *ctx);
};

struct mtom_parser;

/* A reader for a body of this type (content_type_is_multipart). handler and arena must outlive it; parts_max bounds
 * the parts, each part's headers are bounded by 16 KiB. NULL without memory. */
struct mtom_parser *mtom_parser_new(const struct content_type *type, const struct mtom_handler *handler,
				    size_t parts_max, struct arena *arena) MUST_CHECK;

/* The next bytes, cut anywhere. False once the package is wrong (ERR_BODY_MALFORMED, ERR_TOO_LONG) or a callback
 * refused; nothing may be pushed after that. */
bool mtom_push(struct mtom_parser *parser, const void *bytes, size_t size, struct outcome *outcome) MUST_CHECK;

/* False when the last delimiter is missing, no delimiter was ever seen, or no part was the root. */
bool mtom_finish(struct mtom_parser *parser, struct outcome *outcome) MUST_CHECK;

/* Writing. boundary and ids are ours: [A-Za-z0-9.-] and for ids one @, so that nothing needs escaping.
 * The value of the HTTP header Content-Type: */
void mtom_write_content_type(struct buf *out, struct str boundary, struct str root_id, struct str action);
/* What stands before the root part and before a document part, delimiter and headers and the empty line. A content_type
 * that is no header text becomes application/octet-stream. */
void mtom_write_root_head(struct buf *out, struct str boundary, struct str root_id);
void mtom_write_part_head(struct buf *out, struct str boundary, struct str content_id, struct str content_type);
/* The last delimiter: */
void mtom_write_end(struct buf *out, struct str boundary);

#endif
