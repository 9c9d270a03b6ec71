#include "mappers/base/uuid.h"

#include "mappers/base/hex.h"

#define UUID_TEXT_SIZE 36

static const char prefix[] = "urn:uuid:";

static bool is_dash_place(size_t at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

void uuid_write(const unsigned char bytes[16], char out[UUID_URN_SIZE])
{
	char *place = out + sizeof prefix - 1;

	memcpy(out, prefix, sizeof prefix - 1);
	for (size_t i = 0; i < 16; i++) {
		if (is_dash_place((size_t)(place - out) - (sizeof prefix - 1)))
			*place++ = '-';
		hex_write(&bytes[i], 1, place);
		place += 2;
	}
	*place = '\0';
}

void uuid_format(const unsigned char random[16], char out[UUID_URN_SIZE])
{
	unsigned char bytes[16];

	memcpy(bytes, random, sizeof bytes);
	bytes[6] = (unsigned char)((bytes[6] & 0x0F) | 0x40);
	bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
	uuid_write(bytes, out);
}

bool uuid_read(struct str text, unsigned char bytes[16])
{
	unsigned char read[16];
	size_t nibbles = 0;

	if (str_starts_with_nocase(text, str_from_c(prefix)))
		text = str_from(text, sizeof prefix - 1);
	if (text.size != UUID_TEXT_SIZE)
		return false;
	for (size_t i = 0; i < UUID_TEXT_SIZE; i++) {
		if (is_dash_place(i)) {
			if (text.data[i] != '-')
				return false;
			continue;
		}
		int value = hex_value(text.data[i]);

		if (value < 0)
			return false;
		if (nibbles % 2 == 0)
			read[nibbles / 2] = (unsigned char)(value << 4);
		else
			read[nibbles / 2] = (unsigned char)(read[nibbles / 2] | value);
		nibbles++;
	}
	memcpy(bytes, read, sizeof read);
	return true;
}

bool uuid_valid(struct str urn)
{
	unsigned char bytes[16];

	return str_starts_with_nocase(urn, str_from_c(prefix)) && uuid_read(urn, bytes);
}

bool uuid_to_oid(struct str text, char out[UUID_OID_SIZE])
{
	unsigned char bytes[16];
	char digits[39];
	size_t at = sizeof digits;
	bool left = true;

	if (!uuid_read(text, bytes))
		return false;
	/* Long division of the 128-bit number by ten; 2^128 has 39 decimal digits. */
	while (left && at > 0) {
		unsigned remainder = 0;

		left = false;
		for (size_t i = 0; i < 16; i++) {
			unsigned value = remainder * 256 + bytes[i];

			bytes[i] = (unsigned char)(value / 10);
			remainder = value % 10;
			left = left || bytes[i];
		}
		digits[--at] = (char)('0' + remainder);
	}
	memcpy(out, "2.25.", 5);
	memcpy(out + 5, digits + at, sizeof digits - at);
	out[5 + sizeof digits - at] = '\0';
	return true;
}
