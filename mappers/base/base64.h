/* Base64. Source: RFC 4648 section 4: the standard alphabet, padded, no stray bits. Blanks, tabs and line ends between
 * the characters are skipped, as xs:base64Binary and MIME allow; anything else fails. */
#ifndef PASSERELLE_BASE64_H
#define PASSERELLE_BASE64_H

#include "mappers/base/arena.h"
#include "mappers/base/buf.h"

struct base64_decoder {
	uint32_t bits;    /* what is left of an unfinished group of four */
	unsigned count;   /* its characters */
	unsigned padding; /* '=' seen */
	bool failed;
};

void base64_decoder_init(struct base64_decoder *decoder);

/* Most bytes that one push of size characters can give. */
static inline size_t base64_decoded_max(size_t size)
{
	return size / 4 * 3 + 3;
}

/* Decodes the next piece of text, cut anywhere, into out (room for base64_decoded_max(text.size)).
 * Returns false once something was not base64; *written counts what this push gave. */
bool base64_decoder_push(struct base64_decoder *decoder, struct str text, unsigned char *out,
			 size_t *written) MUST_CHECK;

/* True when the text ended at a whole group. */
bool base64_decoder_finish(const struct base64_decoder *decoder) MUST_CHECK;

/* All at once into the arena. False when it is not base64 (bytes untouched) or without memory. */
bool base64_decode(struct str text, struct arena *arena, struct str *bytes) MUST_CHECK;

/* Writes the four characters of each three bytes (no line ends, no NUL). Returns their count. */
size_t base64_encode(const void *bytes, size_t size, char *out);
/* The same at the end of a buf, which fails when it gets too long. */
void buf_add_base64(struct buf *buf, struct str bytes);

#endif
