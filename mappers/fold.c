#include "mappers/fold.h"

struct fold_row {
	uint32_t point;
	uint8_t size;
	char text[7];
};

static const struct fold_row rows[] = {
#define FOLD(code, folded) { code, sizeof folded - 1, folded },
#include "profiles/unicode/fold.def"
#undef FOLD
};

#define GROWTH_MAX 2 /* folded bytes per byte of the letter; "ǆ" (2 bytes) becomes "dz", "ﬃ" is not in the table */

/* The code point at the front of text and its size in bytes; one byte as it is when it is no UTF-8. */
static uint32_t take_point(struct str text, size_t *size)
{
	const unsigned char *c = (const unsigned char *)text.data;

	*size = 1;
	if (c[0] >= 0xC2 && c[0] < 0xE0 && text.size > 1) {
		*size = 2;
		return (uint32_t)(c[0] & 0x1F) << 6 | (c[1] & 0x3F);
	}
	if (c[0] >= 0xE0 && c[0] < 0xF0 && text.size > 2) {
		*size = 3;
		return (uint32_t)(c[0] & 0x0F) << 12 | (uint32_t)(c[1] & 0x3F) << 6 | (c[2] & 0x3F);
	}
	return c[0] < 0x80 ? c[0] : 0;
}

static const struct fold_row *find(uint32_t point)
{
	size_t low = 0;
	size_t high = COUNT_OF(rows);

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (rows[middle].point < point)
			low = middle + 1;
		else
			high = middle;
	}
	return low < COUNT_OF(rows) && rows[low].point == point ? &rows[low] : NULL;
}

struct str fold(struct str text, struct arena *arena)
{
	char *out = arena_alloc(arena, text.size * GROWTH_MAX + 1);
	size_t size = 0;
	size_t length;

	if (!out)
		return STR_NONE;
	for (size_t i = 0; i < text.size; i += length) {
		uint32_t point = take_point(str_from(text, i), &length);
		const struct fold_row *row = point < 0xC0 ? NULL : find(point);

		if (point >= 'A' && point <= 'Z') {
			out[size++] = (char)(point + 'a' - 'A');
		} else if (row) {
			memcpy(out + size, row->text, row->size);
			size += row->size;
		} else if (point < 0x300 || point > 0x36F) { /* combining marks */
			memcpy(out + size, text.data + i, length);
			size += length;
		}
	}
	return (struct str) { out, size };
}
