#include "mappers/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *buf, size_t size_max)
{
	*buf = (struct buf) { .size_max = size_max };
}

void buf_free(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf) { .size_max = buf->size_max };
}

void buf_clear(struct buf *buf)
{
	buf->size = 0;
	buf->failed = false;
}

char *buf_grow(struct buf *buf, size_t size)
{
	size_t wanted;

	if (buf->failed)
		return NULL;
	if (__builtin_add_overflow(buf->size, size, &wanted) || wanted > buf->size_max || wanted == SIZE_MAX) {
		buf->failed = true;
		return NULL;
	}
	if (wanted + 1 > buf->capacity) {
		size_t capacity = buf->capacity ? buf->capacity : 256;

		while (capacity < wanted + 1)
			capacity = capacity > SIZE_MAX / 2 ? wanted + 1 : capacity * 2;
		char *data = realloc(buf->data, capacity);

		if (!data) {
			buf->failed = true;
			return NULL;
		}
		buf->data = data;
		buf->capacity = capacity;
	}
	return buf->data + buf->size;
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	buf_add(buf, (struct str) { digits + at, sizeof digits - at });
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int size = vsnprintf(NULL, 0, format, args);

	va_end(args);
	char *place = size >= 0 ? buf_reserve(buf, (size_t)size) : NULL;

	if (!place)
		return;
	va_start(args, format);
	vsnprintf(place, (size_t)size + 1, format, args);
	va_end(args);
	buf_advance(buf, (size_t)size);
}
