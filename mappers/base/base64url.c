#include "mappers/base/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

bool base64url_decode(struct str text, struct arena *arena, struct str *bytes)
{
	char *out = text.size % 4 == 1 ? NULL : arena_alloc(arena, text.size / 4 * 3 + 3);
	uint32_t bits = 0;
	unsigned count = 0;
	size_t size = 0;

	if (!out)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		int value = value_of(text.data[i]);

		if (value < 0)
			return false;
		bits = (bits << 6 | (uint32_t)value) & 0xFFFF;
		count += 6;
		if (count >= 8) {
			count -= 8;
			out[size++] = (char)(bits >> count & 0xFF);
		}
	}
	if (bits & ((1U << count) - 1))
		return false;
	*bytes = (struct str) { out, size };
	return true;
}

struct str base64url_encode(struct str bytes, struct arena *arena)
{
	char *out = arena_alloc(arena, bytes.size / 3 * 4 + 5);
	uint32_t bits = 0;
	unsigned count = 0;
	size_t size = 0;

	if (!out)
		return STR_NONE;
	for (size_t i = 0; i < bytes.size; i++) {
		bits = (bits << 8 | (unsigned char)bytes.data[i]) & 0xFFFF;
		for (count += 8; count >= 6; count -= 6)
			out[size++] = alphabet[bits >> (count - 6) & 0x3F];
	}
	if (count > 0)
		out[size++] = alphabet[bits << (6 - count) & 0x3F];
	return (struct str) { out, size };
}
