#include "mappers/base/str.h"

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool str_equal_nocase(struct str a, struct str b)
{
	return a.size == b.size && str_starts_with_nocase(a, b);
}

bool str_starts_with_nocase(struct str s, struct str prefix)
{
	if (s.size < prefix.size)
		return false;
	for (size_t i = 0; i < prefix.size; i++) {
		if (lower(s.data[i]) != lower(prefix.data[i]))
			return false;
	}
	return true;
}

size_t str_find(struct str s, char c)
{
	const char *found = s.size ? memchr(s.data, c, s.size) : NULL;

	return found ? (size_t)(found - s.data) : s.size;
}

bool str_next(struct str *rest, char separator, struct str *part)
{
	if (!rest->data)
		return false;
	size_t end = str_find(*rest, separator);

	*part = (struct str) { rest->data, end };
	*rest = end == rest->size ? STR_NONE : str_from(*rest, end + 1);
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct str str_trim(struct str s)
{
	while (s.size && is_blank(s.data[0]))
		s = str_from(s, 1);
	while (s.size && is_blank(s.data[s.size - 1]))
		s.size--;
	return s;
}

bool str_to_u64(struct str s, uint64_t *value)
{
	uint64_t sum = 0;

	if (s.size == 0)
		return false;
	for (size_t i = 0; i < s.size; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		if (__builtin_mul_overflow(sum, (uint64_t)10, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(s.data[i] - '0'), &sum))
			return false;
	}
	*value = sum;
	return true;
}

/* Length of the sequence that begins with this byte, and the least code point it may encode. */
static size_t utf8_shape(unsigned char first, uint32_t *bits, uint32_t *least)
{
	if (first >= 0xC2 && first <= 0xDF) {
		*bits = first & 0x1FU;
		*least = 0x80;
		return 2;
	}
	if (first >= 0xE0 && first <= 0xEF) {
		*bits = first & 0x0FU;
		*least = 0x800;
		return 3;
	}
	if (first >= 0xF0 && first <= 0xF4) {
		*bits = first & 0x07U;
		*least = 0x10000;
		return 4;
	}
	return 0;
}

bool str_is_utf8(struct str s)
{
	size_t i = 0;

	while (i < s.size) {
		uint64_t eight;
		uint64_t block[4];

		/* Plain ASCII is what most texts are made of. */
		while (i + sizeof block <= s.size) {
			memcpy(block, s.data + i, sizeof block);
			if ((block[0] | block[1] | block[2] | block[3]) & 0x8080808080808080U)
				break;
			i += sizeof block;
		}
		if (i == s.size)
			break;
		if (i + 8 <= s.size) {
			memcpy(&eight, s.data + i, 8);
			if ((eight & 0x8080808080808080U) == 0) {
				i += 8;
				continue;
			}
		}
		unsigned char first = (unsigned char)s.data[i];
		uint32_t point;
		uint32_t least;

		if (first < 0x80) {
			i++;
			continue;
		}
		size_t length = utf8_shape(first, &point, &least);

		if (length == 0 || i + length > s.size)
			return false;
		for (size_t k = 1; k < length; k++) {
			unsigned char next = (unsigned char)s.data[i + k];

			if ((next & 0xC0) != 0x80)
				return false;
			point = (point << 6) | (next & 0x3FU);
		}
		if (point < least || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
			return false;
		i += length;
	}
	return true;
}
