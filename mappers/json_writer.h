/* Writes JSON text into a buf: commas, quotes and escapes by construction. Source: RFC 8259.
 * Names differ from jansson's (json_string, json_object ...), since both are used side by side. Problems stick in the
 * buf and in the writer; ask once, at the end. Text must be UTF-8. */
#ifndef PASSERELLE_JSON_WRITER_H
#define PASSERELLE_JSON_WRITER_H

#include "mappers/base/buf.h"
#include "mappers/base/error.h"

#define JSON_WRITER_DEPTH_MAX 64

struct json_writer {
	struct buf *out;
	uint64_t filled; /* bit n: something stands on level n already, so a comma is due */
	unsigned depth;
	bool after_key;
	bool misused; /* closed more than was opened, or nested past the limit: a fault of the caller */
};

/* Writes to the end of out, which the caller keeps. */
void json_writer_init(struct json_writer *writer, struct buf *out);

void json_begin_object(struct json_writer *writer);
void json_end_object(struct json_writer *writer);
void json_begin_array(struct json_writer *writer);
void json_end_array(struct json_writer *writer);

/* The name of the member whose value comes next. */
void json_key(struct json_writer *writer, struct str key);

/* A string; an absent one (data NULL) is written as "". */
void json_text(struct json_writer *writer, struct str text);
void json_u64(struct json_writer *writer, uint64_t value);
void json_bool(struct json_writer *writer, bool value);
/* Text that is one whole JSON value already. */
void json_raw(struct json_writer *writer, struct str json);

/* A string that is made of pieces, one after the other, without joining them first. */
void json_begin_text(struct json_writer *writer);
void json_text_part(struct json_writer *writer, struct str part);
void json_end_text(struct json_writer *writer);

/* A member with a string; nothing at all when text is empty, since FHIR knows no empty values. */
void json_member(struct json_writer *writer, struct str key, struct str text);

/* key and the opening bracket in one. */
void json_member_object(struct json_writer *writer, struct str key);
void json_member_array(struct json_writer *writer, struct str key);

/* True when everything that was opened is closed and all fitted. Otherwise adds one issue: ERR_TOO_COSTLY or
 * ERR_NO_MEMORY, ERR_INTERNAL after misuse. */
bool json_writer_finish(const struct json_writer *writer, struct outcome *outcome) MUST_CHECK;

#endif
