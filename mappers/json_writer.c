#include "mappers/json_writer.h"

void json_writer_init(struct json_writer *writer, struct buf *out)
{
	*writer = (struct json_writer) { .out = out };
}

/* A comma where one is due, before a key or a value that stands in an array. */
static void separate(struct json_writer *writer)
{
	uint64_t bit = (uint64_t)1 << (writer->depth % JSON_WRITER_DEPTH_MAX);

	if (writer->after_key) {
		writer->after_key = false;
		return;
	}
	if (writer->filled & bit && writer->depth)
		buf_add_char(writer->out, ',');
	writer->filled |= bit;
}

static void begin(struct json_writer *writer, char bracket)
{
	separate(writer);
	buf_add_char(writer->out, bracket);
	if (writer->depth + 1 >= JSON_WRITER_DEPTH_MAX) {
		writer->misused = true;
		return;
	}
	writer->depth++;
	writer->filled &= ~((uint64_t)1 << writer->depth);
}

static void end(struct json_writer *writer, char bracket)
{
	if (writer->depth == 0 || writer->after_key) {
		writer->misused = true;
		return;
	}
	writer->depth--;
	buf_add_char(writer->out, bracket);
}

void json_begin_object(struct json_writer *writer)
{
	begin(writer, '{');
}

void json_end_object(struct json_writer *writer)
{
	end(writer, '}');
}

void json_begin_array(struct json_writer *writer)
{
	begin(writer, '[');
}

void json_end_array(struct json_writer *writer)
{
	end(writer, ']');
}

static void add_escape(struct buf *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
	char text[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

	if (c == '"' || c == '\\') {
		text[1] = (char)c;
		buf_add(out, (struct str) { text, 2 });
	} else if (c < sizeof letters && letters[c]) {
		text[1] = letters[c];
		buf_add(out, (struct str) { text, 2 });
	} else {
		buf_add(out, (struct str) { text, sizeof text });
	}
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* True when one of eight bytes may need an escape; never false when one does. The subtraction borrows into the highest
 * bit of a byte that is less. */
static bool may_need_escape(const char *eight)
{
	uint64_t bytes;

	memcpy(&bytes, eight, sizeof bytes);
	uint64_t quote = bytes ^ EACH_BYTE('"');
	uint64_t backslash = bytes ^ EACH_BYTE('\\');

	return (((bytes - EACH_BYTE(0x20)) & ~bytes) | ((quote - EACH_BYTE(1)) & ~quote) |
		((backslash - EACH_BYTE(1)) & ~backslash)) &
	       EACH_BYTE(0x80);
}

/* Copies runs of harmless bytes at once. */
static void add_escaped(struct buf *out, struct str text)
{
	size_t start = 0;
	size_t i = 0;

	while (i < text.size) {
		if (i + 8 <= text.size && !may_need_escape(text.data + i)) {
			i += 8;
			continue;
		}
		unsigned char c = (unsigned char)text.data[i++];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(out, (struct str) { text.data + start, i - 1 - start });
		add_escape(out, c);
		start = i;
	}
	buf_add(out, str_from(text, start));
}

/* True when some byte of the word is a control character, a quote or a backslash (or follows one that is). */
static bool word_has_special(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101;
	const uint64_t tops = 0x8080808080808080;
	uint64_t quote = word ^ ones * '"';
	uint64_t backslash = word ^ ones * '\\';

	return (((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) & tops;
}

/* True when text may stand between quotes as it is. The last word may overlap the one before. */
static bool is_plain(struct str text)
{
	uint64_t word = ~(uint64_t)0 / 255 * 'x';
	uint32_t half;

	if (text.size >= sizeof word) {
		for (size_t i = 0; i + sizeof word < text.size; i += sizeof word) {
			memcpy(&word, text.data + i, sizeof word);
			if (word_has_special(word))
				return false;
		}
		memcpy(&word, text.data + text.size - sizeof word, sizeof word);
	} else if (text.size >= sizeof half) {
		memcpy(&word, text.data, sizeof half);
		memcpy(&half, text.data + text.size - sizeof half, sizeof half);
		word = word << 32 | half;
	} else {
		for (size_t i = 0; i < text.size; i++)
			word = word << 8 | (unsigned char)text.data[i];
	}
	return !word_has_special(word);
}

/* A comma where one is due, the text in quotes, and tail, in one piece: most of what is written goes through here. */
static void add_quoted(struct json_writer *writer, struct str text, struct str tail)
{
	uint64_t bit = (uint64_t)1 << (writer->depth % JSON_WRITER_DEPTH_MAX);
	char *place = is_plain(text) ? buf_reserve(writer->out, text.size + tail.size + 3) : NULL;
	char *to = place;

	if (!place) {
		separate(writer);
		buf_add_char(writer->out, '"');
		add_escaped(writer->out, text);
		buf_add_char(writer->out, '"');
		buf_add(writer->out, tail);
		return;
	}
	if (!writer->after_key && writer->filled & bit && writer->depth)
		*to++ = ',';
	if (!writer->after_key)
		writer->filled |= bit;
	writer->after_key = false;
	*to++ = '"';
	if (text.size)
		memcpy(to, text.data, text.size);
	to += text.size;
	*to++ = '"';
	if (tail.size)
		memcpy(to, tail.data, tail.size);
	buf_advance(writer->out, (size_t)(to - place) + tail.size);
}

void json_key(struct json_writer *writer, struct str key)
{
	add_quoted(writer, key, STR(":"));
	writer->after_key = true;
}

void json_begin_text(struct json_writer *writer)
{
	separate(writer);
	buf_add_char(writer->out, '"');
}

void json_text_part(struct json_writer *writer, struct str part)
{
	add_escaped(writer->out, part);
}

void json_end_text(struct json_writer *writer)
{
	buf_add_char(writer->out, '"');
}

void json_text(struct json_writer *writer, struct str text)
{
	add_quoted(writer, text, STR(""));
}

void json_u64(struct json_writer *writer, uint64_t value)
{
	separate(writer);
	buf_add_u64(writer->out, value);
}

void json_bool(struct json_writer *writer, bool value)
{
	json_raw(writer, value ? STR("true") : STR("false"));
}

void json_raw(struct json_writer *writer, struct str json)
{
	separate(writer);
	buf_add(writer->out, json);
}

void json_member(struct json_writer *writer, struct str key, struct str text)
{
	if (text.size == 0)
		return;
	json_key(writer, key);
	json_text(writer, text);
}

void json_member_object(struct json_writer *writer, struct str key)
{
	json_key(writer, key);
	json_begin_object(writer);
}

void json_member_array(struct json_writer *writer, struct str key)
{
	json_key(writer, key);
	json_begin_array(writer);
}

bool json_writer_finish(const struct json_writer *writer, struct outcome *outcome)
{
	if (writer->misused || writer->depth || writer->after_key)
		return outcome_add(outcome, ERR_INTERNAL, "",
				   "The answer could not be written; report this as a fault.");
	if (!writer->out->failed)
		return true;
	if (writer->out->size >= writer->out->size_max / 2)
		return outcome_add(outcome, ERR_TOO_COSTLY, "", "The answer is too long; ask for less at once.");
	return outcome_add(outcome, ERR_NO_MEMORY, "", "There is no memory for the answer; try again later.");
}
