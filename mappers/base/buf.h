/* Growing text with a limit from birth and a sticky failure that is tested once, at the end. */
#ifndef PASSERELLE_BUF_H
#define PASSERELLE_BUF_H

#include "mappers/base/str.h"

struct buf {
	char *data; /* NUL-terminated when not NULL */
	size_t size;
	size_t capacity;
	size_t size_max;
	bool failed; /* out of memory or past size_max; what came after is lost */
};

/* An empty buf that grows to at most size_max bytes. Nothing is allocated yet. Free with buf_free. */
void buf_init(struct buf *buf, size_t size_max);
void buf_free(struct buf *buf);

/* Empties it and forgets a failure; keeps the memory. */
void buf_clear(struct buf *buf);

/* The slow way of buf_reserve: grows, or fails. */
char *buf_grow(struct buf *buf, size_t size);

/* Room for size more bytes: the place to write to, or NULL (and failed is set). Follow with buf_advance. */
static inline char *buf_reserve(struct buf *buf, size_t size)
{
	if (!buf->failed && size < buf->capacity - buf->size && size <= buf->size_max - buf->size)
		return buf->data + buf->size;
	return buf_grow(buf, size);
}

static inline void buf_advance(struct buf *buf, size_t size)
{
	buf->size += size;
	buf->data[buf->size] = '\0';
}

static inline void buf_add(struct buf *buf, struct str s)
{
	char *place = buf_reserve(buf, s.size);

	if (!place)
		return;
	if (s.size)
		memcpy(place, s.data, s.size);
	buf_advance(buf, s.size);
}

static inline void buf_add_char(struct buf *buf, char c)
{
	char *place = buf_reserve(buf, 1);

	if (!place)
		return;
	*place = c;
	buf_advance(buf, 1);
}

void buf_add_u64(struct buf *buf, uint64_t value);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What was written so far; valid until the next write. */
static inline struct str buf_str(const struct buf *buf)
{
	return (struct str) { buf->data ? buf->data : "", buf->size };
}

#endif
