#include "mappers/base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { NO, BLANK, PAD, CHARACTER = 0x40 };

/* What each byte is; a character of the alphabet has its value in the low six bits. */
#define V(value) (CHARACTER | (value))
static const unsigned char values[256] = {
	['\t'] = BLANK, ['\n'] = BLANK, ['\r'] = BLANK, [' '] = BLANK, ['='] = PAD,   ['A'] = V(0),  ['B'] = V(1),
	['C'] = V(2),   ['D'] = V(3),   ['E'] = V(4),   ['F'] = V(5),  ['G'] = V(6),  ['H'] = V(7),  ['I'] = V(8),
	['J'] = V(9),   ['K'] = V(10),  ['L'] = V(11),  ['M'] = V(12), ['N'] = V(13), ['O'] = V(14), ['P'] = V(15),
	['Q'] = V(16),  ['R'] = V(17),  ['S'] = V(18),  ['T'] = V(19), ['U'] = V(20), ['V'] = V(21), ['W'] = V(22),
	['X'] = V(23),  ['Y'] = V(24),  ['Z'] = V(25),  ['a'] = V(26), ['b'] = V(27), ['c'] = V(28), ['d'] = V(29),
	['e'] = V(30),  ['f'] = V(31),  ['g'] = V(32),  ['h'] = V(33), ['i'] = V(34), ['j'] = V(35), ['k'] = V(36),
	['l'] = V(37),  ['m'] = V(38),  ['n'] = V(39),  ['o'] = V(40), ['p'] = V(41), ['q'] = V(42), ['r'] = V(43),
	['s'] = V(44),  ['t'] = V(45),  ['u'] = V(46),  ['v'] = V(47), ['w'] = V(48), ['x'] = V(49), ['y'] = V(50),
	['z'] = V(51),  ['0'] = V(52),  ['1'] = V(53),  ['2'] = V(54), ['3'] = V(55), ['4'] = V(56), ['5'] = V(57),
	['6'] = V(58),  ['7'] = V(59),  ['8'] = V(60),  ['9'] = V(61), ['+'] = V(62), ['/'] = V(63),
};
#undef V

void base64_decoder_init(struct base64_decoder *decoder)
{
	*decoder = (struct base64_decoder) { 0 };
}

/* The third or fourth character is '='; the bits that it leaves over must be zero (RFC 4648 3.5). */
static bool take_padding(struct base64_decoder *decoder, unsigned char *out, size_t *count)
{
	decoder->padding++;
	if (decoder->padding == 1) {
		if (decoder->count == 3 && (decoder->bits & 0x3) == 0) {
			out[(*count)++] = (unsigned char)(decoder->bits >> 10);
			out[(*count)++] = (unsigned char)(decoder->bits >> 2);
			decoder->padding = 2;
			return true;
		}
		return decoder->count == 2 && (decoder->bits & 0xF) == 0;
	}
	if (decoder->padding == 2 && decoder->count == 2) {
		out[(*count)++] = (unsigned char)(decoder->bits >> 4);
		return true;
	}
	return false;
}

static bool take_character(struct base64_decoder *decoder, unsigned char value, unsigned char *out, size_t *count)
{
	if (value == BLANK)
		return true;
	if (value == PAD)
		return take_padding(decoder, out, count);
	if (value == NO || decoder->padding)
		return false;
	decoder->bits = (decoder->bits << 6) | (value & 63U);
	if (++decoder->count < 4)
		return true;
	out[(*count)++] = (unsigned char)(decoder->bits >> 16);
	out[(*count)++] = (unsigned char)(decoder->bits >> 8);
	out[(*count)++] = (unsigned char)decoder->bits;
	decoder->bits = 0;
	decoder->count = 0;
	return true;
}

bool base64_decoder_push(struct base64_decoder *decoder, struct str text, unsigned char *out, size_t *written)
{
	const unsigned char *from = (const unsigned char *)text.data;
	const unsigned char *end = from + text.size;
	size_t count = 0;

	while (!decoder->failed && from < end) {
		/* Whole groups at once; whatever is special falls through to the slow way. */
		while (decoder->count == 0 && !decoder->padding && end - from >= 4) {
			uint32_t a = values[from[0]];
			uint32_t b = values[from[1]];
			uint32_t c = values[from[2]];
			uint32_t d = values[from[3]];

			if (!(a & b & c & d & CHARACTER))
				break;
			uint32_t group = (a & 63) << 18 | (b & 63) << 12 | (c & 63) << 6 | (d & 63);

			out[count] = (unsigned char)(group >> 16);
			out[count + 1] = (unsigned char)(group >> 8);
			out[count + 2] = (unsigned char)group;
			count += 3;
			from += 4;
		}
		if (from < end && !take_character(decoder, values[*from++], out, &count))
			decoder->failed = true;
	}
	*written = count;
	return !decoder->failed;
}

bool base64_decoder_finish(const struct base64_decoder *decoder)
{
	return !decoder->failed && (decoder->padding == 2 || (decoder->padding == 0 && decoder->count == 0));
}

bool base64_decode(struct str text, struct arena *arena, struct str *bytes)
{
	struct base64_decoder decoder;
	unsigned char *out = arena_alloc(arena, base64_decoded_max(text.size));
	size_t size;

	if (!out)
		return false;
	base64_decoder_init(&decoder);
	if (!base64_decoder_push(&decoder, text, out, &size) || !base64_decoder_finish(&decoder))
		return false;
	*bytes = (struct str) { (const char *)out, size };
	return true;
}

static size_t encoded_size(size_t size)
{
	return size / 3 * 4 + (size % 3 ? 4 : 0);
}

size_t base64_encode(const void *bytes, size_t size, char *out)
{
	const unsigned char *from = bytes;
	char *to = out;

	for (; size >= 3; size -= 3, from += 3, to += 4) {
		uint32_t group = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];

		to[0] = alphabet[group >> 18];
		to[1] = alphabet[group >> 12 & 63];
		to[2] = alphabet[group >> 6 & 63];
		to[3] = alphabet[group & 63];
	}
	if (size) {
		uint32_t group = (uint32_t)from[0] << 16 | (size == 2 ? (uint32_t)from[1] << 8 : 0);

		to[0] = alphabet[group >> 18];
		to[1] = alphabet[group >> 12 & 63];
		to[2] = size == 2 ? alphabet[group >> 6 & 63] : '=';
		to[3] = '=';
		to += 4;
	}
	return (size_t)(to - out);
}

void buf_add_base64(struct buf *buf, struct str bytes)
{
	char *place = bytes.size < SIZE_MAX / 2 ? buf_reserve(buf, encoded_size(bytes.size)) : NULL;

	if (!place) {
		buf->failed = true;
		return;
	}
	buf_advance(buf, base64_encode(bytes.data, bytes.size, place));
}
