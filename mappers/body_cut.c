#include "mappers/body_cut.h"

#include "mappers/base/base64.h"
#include "mappers/base/hex.h"

#define PIECE_BYTES 8192

void body_cut_free(struct cut_text *text)
{
	buf_free(&text->text);
}

/* Line and column (in bytes) from 1 of an offset in the body. */
static void body_place(struct str body, size_t offset, size_t *line, size_t *column)
{
	const char *start = body.data;
	size_t size = offset < body.size ? offset : body.size;
	const char *end = body.data + size;

	*line = 1;
	while (start < end) {
		const char *newline = memchr(start, '\n', (size_t)(end - start));

		if (!newline)
			break;
		(*line)++;
		start = newline + 1;
	}
	*column = (size_t)(end - start) + 1;
}

size_t body_cut_origin(const struct cut_text *text, size_t offset)
{
	size_t low = 0;
	size_t high = text->edit_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (text->edits[middle].text_offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return offset;
	return text->edits[low - 1].body_offset + (offset - text->edits[low - 1].text_offset);
}

bool body_refuse(struct outcome *outcome, enum error_code code, struct str body, size_t offset, const char *text)
{
	size_t line;
	size_t column;

	body_place(body, offset, &line, &column);
	return outcome_add(outcome, code, "", "%s (Line %zu, column %zu.)", text, line, column);
}

bool body_cut_edit(struct cut_text *text, struct arena *arena, size_t body_offset, struct outcome *outcome)
{
	if (!arena_grow(arena, &text->edits, text->edit_count, &text->edit_capacity, sizeof *text->edits))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	text->edits[text->edit_count++] = (struct cut_edit) { text->text.size, body_offset };
	return true;
}

bool body_json_escape(struct str text, uint32_t *point, size_t *size)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char *letter;

	if (text.size < 2)
		return false;
	letter = memchr(letters, text.data[1], sizeof letters - 1);
	if (letter) {
		*point = (uint32_t)meanings[letter - letters];
		*size = 2;
		return true;
	}
	if (text.data[1] != 'u' || text.size < 6)
		return false;
	*point = 0;
	for (size_t i = 2; i < 6; i++) {
		int digit = hex_value(text.data[i]);

		if (digit < 0)
			return false;
		*point = *point << 4 | (uint32_t)digit;
	}
	*size = 6;
	return true;
}

/* &#43; or &#x2B;: what base64 can need. The five names of XML stand for characters that base64 does not have. */
static bool xml_reference(struct str text, uint32_t *point, size_t *size)
{
	size_t end = str_find((struct str) { text.data, text.size < 12 ? text.size : 12 }, ';');
	int base = 10;
	size_t at = 2;

	if (text.size < 4 || text.data[1] != '#' || end >= text.size || text.data[end] != ';')
		return false;
	if (text.data[2] == 'x') {
		base = 16;
		at = 3;
	}
	if (at == end)
		return false;
	*point = 0;
	for (; at < end; at++) {
		int digit = hex_value(text.data[at]);

		if (digit < 0 || digit >= base)
			return false;
		*point = *point * (uint32_t)base + (uint32_t)digit;
		if (*point > 0x7F)
			return false;
	}
	*size = end + 1;
	return true;
}

struct decoding {
	struct base64_decoder decoder;
	const struct cut_sink *sink;
	size_t bytes;
	bool sink_failed;
};

static bool piece_decode(struct decoding *decoding, struct str piece)
{
	unsigned char out[PIECE_BYTES / 4 * 3 + 3];

	while (piece.size) {
		struct str now = { piece.data, piece.size < PIECE_BYTES ? piece.size : PIECE_BYTES };
		size_t written = 0;

		if (!base64_decoder_push(&decoding->decoder, now, out, &written))
			return false;
		decoding->bytes += written;
		if (written && !decoding->sink->data(decoding->sink->ctx, out, written)) {
			decoding->sink_failed = true;
			return false;
		}
		piece = str_from(piece, now.size);
	}
	return true;
}

/* The value between its escapes, then each escape's character. */
static bool value_decode(enum fhir_format format, struct str value, struct decoding *decoding)
{
	char mark = format == FHIR_JSON ? '\\' : '&';

	for (;;) {
		size_t end = str_find(value, mark);
		uint32_t point;
		size_t size;
		char c;

		if (!piece_decode(decoding, (struct str) { value.data, end }))
			return false;
		if (end == value.size)
			return true;
		value = str_from(value, end);
		if (!(format == FHIR_JSON ? body_json_escape : xml_reference)(value, &point, &size) || point > 0x7F)
			return false;
		c = (char)point;
		if (!piece_decode(decoding, (struct str) { &c, 1 }))
			return false;
		value = str_from(value, size);
	}
}

bool body_cut_decode(enum fhir_format format, struct str body, struct str value, const struct cut_sink *sink,
		     size_t index, struct outcome *outcome)
{
	struct decoding decoding = { .sink = sink };
	size_t issues = outcome->count + outcome->lost_count;
	bool good;

	base64_decoder_init(&decoding.decoder);
	decoding.sink_failed = !sink->begin(sink->ctx, index);
	good = !decoding.sink_failed && value_decode(format, value, &decoding) &&
	       base64_decoder_finish(&decoding.decoder) && decoding.bytes > 0;
	if (good && !sink->end(sink->ctx)) {
		decoding.sink_failed = true;
		good = false;
	}
	if (good)
		return true;
	if (!decoding.sink_failed)
		return body_refuse(outcome, ERR_VALUE_INVALID, body, (size_t)(value.data - body.data),
				   "Write data as base64, padded with = to a multiple of four characters, as base64 -w "
				   "0 FILE prints "
				   "it; not empty.");
	if (outcome->count + outcome->lost_count == issues)
		return outcome_add(outcome, ERR_STORAGE, "", "Retry later: the document could not be kept.");
	return false;
}
