#include "mappers/base/sha1.h"

#define BLOCK_SIZE 64

struct sha1 {
	uint32_t state[5];
	unsigned char block[BLOCK_SIZE];
	size_t filled;
	uint64_t size;
};

static uint32_t rotate(uint32_t value, unsigned bits)
{
	return value << bits | value >> (32 - bits);
}

static void compress(struct sha1 *sha1)
{
	uint32_t w[80];
	uint32_t a = sha1->state[0], b = sha1->state[1], c = sha1->state[2], d = sha1->state[3], e = sha1->state[4];

	for (size_t t = 0; t < 16; t++)
		w[t] = (uint32_t)sha1->block[4 * t] << 24 | (uint32_t)sha1->block[4 * t + 1] << 16 |
		       (uint32_t)sha1->block[4 * t + 2] << 8 | sha1->block[4 * t + 3];
	for (size_t t = 16; t < 80; t++)
		w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	for (size_t t = 0; t < 80; t++) {
		uint32_t f = t < 20   ? (b & c) | (~b & d)
			     : t < 40 ? b ^ c ^ d
			     : t < 60 ? (b & c) | (b & d) | (c & d)
				      : b ^ c ^ d;
		uint32_t k = t < 20 ? 0x5A827999 : t < 40 ? 0x6ED9EBA1 : t < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
		uint32_t next = rotate(a, 5) + f + e + k + w[t];

		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	sha1->state[0] += a;
	sha1->state[1] += b;
	sha1->state[2] += c;
	sha1->state[3] += d;
	sha1->state[4] += e;
	sha1->filled = 0;
}

static void add_byte(struct sha1 *sha1, unsigned char byte)
{
	sha1->block[sha1->filled++] = byte;
	if (sha1->filled == BLOCK_SIZE)
		compress(sha1);
}

static void add(struct sha1 *sha1, struct str text)
{
	for (size_t i = 0; i < text.size; i++)
		add_byte(sha1, (unsigned char)text.data[i]);
	sha1->size += text.size;
}

void sha1_of(struct str first, struct str second, unsigned char digest[SHA1_SIZE])
{
	struct sha1 sha1 = { .state = { 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0 } };
	uint64_t bits;

	add(&sha1, first);
	add(&sha1, second);
	bits = sha1.size * 8;
	add_byte(&sha1, 0x80);
	while (sha1.filled != BLOCK_SIZE - 8)
		add_byte(&sha1, 0);
	for (unsigned i = 0; i < 8; i++)
		add_byte(&sha1, (unsigned char)(bits >> (56 - 8 * i)));
	for (size_t i = 0; i < SHA1_SIZE; i++)
		digest[i] = (unsigned char)(sha1.state[i / 4] >> (24 - 8 * (i % 4)));
}
