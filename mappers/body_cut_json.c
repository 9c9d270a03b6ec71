#include "mappers/body_cut.h"

#include <stdio.h>

#define FRAMES_MAX       128
#define EXPONENT_MAX     308
#define NUMBER_BYTES_MAX 128

/* One object or array that is open. */
struct frame {
	struct str name; /* the last member's, escapes and all; empty in an array */
	bool object;
	size_t comma_count;
};

struct scan {
	struct str body;
	size_t at;
	size_t copied; /* the body before this is in the shorter text */
	size_t values;
	size_t depth;
	const struct fhir_limits *limits;
	const struct cut_sink *sink;
	struct arena *arena;
	struct cut_text *text;
	struct outcome *outcome;
	struct frame frames[FRAMES_MAX + 1];
};

/* What a byte inside a string means. */
enum { PLAIN, QUOTE, ESCAPE, CONTROL, NONCHARACTER };
static const unsigned char classes[256] = {
	[0] = CONTROL,  [1] = CONTROL,  [2] = CONTROL,  [3] = CONTROL,   [4] = CONTROL,         [5] = CONTROL,
	[6] = CONTROL,  [7] = CONTROL,  [8] = CONTROL,  [9] = CONTROL,   [10] = CONTROL,        [11] = CONTROL,
	[12] = CONTROL, [13] = CONTROL, [14] = CONTROL, [15] = CONTROL,  [16] = CONTROL,        [17] = CONTROL,
	[18] = CONTROL, [19] = CONTROL, [20] = CONTROL, [21] = CONTROL,  [22] = CONTROL,        [23] = CONTROL,
	[24] = CONTROL, [25] = CONTROL, [26] = CONTROL, [27] = CONTROL,  [28] = CONTROL,        [29] = CONTROL,
	[30] = CONTROL, [31] = CONTROL, ['"'] = QUOTE,  ['\\'] = ESCAPE, [0xEF] = NONCHARACTER,
};

static bool refuse(struct scan *scan, enum error_code code, size_t offset, const char *text)
{
	return body_refuse(scan->outcome, code, scan->body, offset, text);
}

static bool refuse_character(struct scan *scan, size_t offset)
{
	return refuse(scan, ERR_BODY_MALFORMED, offset,
		      "Remove this character from the string, or write a line end as \\n and a tab as \\t: control "
		      "characters (below U+0020), U+FFFE and U+FFFF do not belong there.");
}

/* Puts the body up to offset and then instead into the shorter text; the body goes on at resume. */
static bool replace(struct scan *scan, size_t offset, const char *instead, struct str lexeme, size_t resume)
{
	struct buf *text = &scan->text->text;

	buf_add(text, (struct str) { scan->body.data + scan->copied, offset - scan->copied });
	buf_add(text, str_from_c(instead));
	buf_add(text, lexeme);
	buf_add_char(text, '"');
	scan->copied = resume;
	return body_cut_edit(scan->text, scan->arena, resume, scan->outcome);
}

static bool escape_check(struct scan *scan, size_t *at)
{
	uint32_t point;
	size_t size;

	if (!body_json_escape(str_from(scan->body, *at), &point, &size))
		return refuse(scan, ERR_BODY_MALFORMED, *at,
			      "Write the escape as JSON knows it: \\\" \\\\ \\/ \\n \\r \\t or \\u and four digits.");
	/* A surrogate that stands alone is refused by jansson. */
	if ((point < 0x20 && point != '\t' && point != '\n' && point != '\r') || point == 0xFFFE || point == 0xFFFF)
		return refuse_character(scan, *at);
	*at += size;
	return true;
}

/* From behind the opening quote to the closing one. */
static bool string_end(struct scan *scan, size_t start, size_t *end)
{
	const unsigned char *bytes = (const unsigned char *)scan->body.data;
	size_t most = scan->limits->string_bytes_max;
	size_t stop = scan->body.size - start > most ? start + most + 1 : scan->body.size;
	size_t at = start;

	while (at < stop) {
		while (at < stop && classes[bytes[at]] == PLAIN)
			at++;
		if (at == stop)
			break;
		switch (classes[bytes[at]]) {
		case QUOTE:
			*end = at;
			return true;
		case ESCAPE:
			if (!escape_check(scan, &at))
				return false;
			break;
		case CONTROL:
			return refuse_character(scan, at);
		case NONCHARACTER:
			if (at + 2 < scan->body.size && bytes[at + 1] == 0xBF && bytes[at + 2] >= 0xBE)
				return refuse_character(scan, at);
			at++;
			break;
		}
	}
	if (at - start > most)
		return refuse(scan, ERR_TOO_LONG, start - 1,
			      "Shorten this string, or send what it holds as a document (Binary.data).");
	return refuse(scan, ERR_BODY_MALFORMED, start - 1, "Close the string that begins here.");
}

/* Binary.data, Attachment.data and Signature.data are base64; the only other string of that name, SampledData.data, is
 * always a member of something whose name ends so. */
static bool is_base64_place(const struct scan *scan)
{
	const struct frame *frame = &scan->frames[scan->depth];

	return frame->object && str_equal(frame->name, STR("data")) &&
	       !(scan->depth > 1 && str_ends_with(frame[-1].name, STR("SampledData")));
}

/* A long base64 string. *cut stays false when it is short. */
static bool cut_try(struct scan *scan, size_t start, bool *cut)
{
	struct str rest = str_from(scan->body, start);
	struct str value = { rest.data, str_find(rest, '"') };
	char index[24];

	if (value.size <= scan->limits->cut_bytes_min || value.size == rest.size)
		return true;
	if (scan->text->cut_count == scan->limits->cut_count_max)
		return refuse(scan, ERR_TOO_COSTLY, start, "Send fewer documents in one request.");
	/* Base64 may hold blanks and line ends, JSON wants the latter as escapes. */
	if (memchr(value.data, '\n', value.size) || memchr(value.data, '\r', value.size) ||
	    memchr(value.data, '\t', value.size))
		return refuse(scan, ERR_BODY_MALFORMED, start,
			      "Write line ends and tabs in this string as \\n, \\r, \\t.");
	if (!body_cut_decode(FHIR_JSON, scan->body, value, scan->sink, scan->text->cut_count, scan->outcome))
		return false;
	snprintf(index, sizeof index, "%zu", scan->text->cut_count++);
	*cut = true;
	scan->at = start + value.size + 1;
	return replace(scan, start, "\\u0001B", str_from_c(index), scan->at);
}

static size_t skip_blanks(struct str body, size_t at)
{
	while (at < body.size &&
	       (body.data[at] == ' ' || body.data[at] == '\n' || body.data[at] == '\r' || body.data[at] == '\t'))
		at++;
	return at;
}

static bool string_scan(struct scan *scan)
{
	size_t start = scan->at + 1;
	size_t end = 0;
	bool cut = false;

	if (scan->sink && is_base64_place(scan) && !cut_try(scan, start, &cut))
		return false;
	if (cut)
		return true;
	if (!string_end(scan, start, &end))
		return false;
	scan->at = end + 1;
	size_t next = skip_blanks(scan->body, scan->at);

	if (scan->depth && scan->frames[scan->depth].object && next < scan->body.size && scan->body.data[next] == ':') {
		scan->frames[scan->depth].name = (struct str) { scan->body.data + start, end - start };
		scan->at = next + 1;
	}
	return true;
}

/* True when the number is 0 or lies between 1e-308 and 1e308. */
static bool number_in_range(struct str number)
{
	struct str mantissa = { number.data, 0 };
	long exponent = 0;
	long before = 0; /* digits before the point, or minus the zeros after it */
	bool point = false;
	bool nonzero = false;

	while (mantissa.size < number.size && number.data[mantissa.size] != 'e' && number.data[mantissa.size] != 'E')
		mantissa.size++;
	for (size_t i = 0; i < mantissa.size; i++) {
		char c = mantissa.data[i];

		if (c == '.') {
			point = true;
		} else if (c != '-') {
			nonzero = nonzero || c != '0';
			before += (nonzero && !point) - (!nonzero && point);
		}
	}
	for (size_t i = mantissa.size + 1; i < number.size && exponent < 100000; i++) {
		if (number.data[i] >= '0' && number.data[i] <= '9')
			exponent = exponent * 10 + (number.data[i] - '0');
	}
	if (mantissa.size + 1 < number.size && number.data[mantissa.size + 1] == '-')
		exponent = -exponent;
	return !nonzero || (exponent + before <= EXPONENT_MAX + 1 && exponent + before > -EXPONENT_MAX);
}

static bool number_scan(struct scan *scan)
{
	struct str rest = str_from(scan->body, scan->at);
	bool integer;
	struct str number = { rest.data, fhir_number_size(rest, &integer) };
	size_t next = skip_blanks(rest, number.size);
	size_t start = scan->at;

	/* The number may become a string: where a string may stand and a number not, that must not be overlooked. */
	if (number.size == 0 || (next < rest.size && !memchr(",]}", rest.data[next], 3)))
		return refuse(scan, ERR_BODY_MALFORMED, start,
			      "Write the number as JSON knows it, and a comma after it.");
	scan->at += number.size;
	if (integer)
		return true;
	if (number.size > NUMBER_BYTES_MAX || !number_in_range(number))
		return refuse(scan, ERR_VALUE_INVALID, start,
			      "Send a number of at most 128 characters whose size lies between 1e-308 and 1e308.");
	return replace(scan, start, "\"\\u0001D", number, scan->at);
}

static bool open_scan(struct scan *scan, bool object)
{
	if (scan->depth == scan->limits->depth_max || scan->depth == FRAMES_MAX)
		return refuse(scan, ERR_BODY_MALFORMED, scan->at, "Nest objects and arrays less deeply.");
	scan->frames[++scan->depth] = (struct frame) { .object = object };
	scan->at++;
	return true;
}

static bool token_scan(struct scan *scan)
{
	char c = scan->body.data[scan->at];

	if (c == '{' || c == '[' || c == ',') {
		struct frame *frame = &scan->frames[scan->depth];

		if (c == ',')
			frame->name = STR_NONE;
		if (++scan->values > scan->limits->values_max ||
		    (c == ',' && frame->object && ++frame->comma_count >= scan->limits->members_max))
			return refuse(scan, ERR_TOO_COSTLY, scan->at, "Send fewer values in one request.");
	}
	if (c == '-' || (c >= '0' && c <= '9'))
		return number_scan(scan);
	switch (c) {
	case '"':
		return string_scan(scan);
	case '{':
	case '[':
		return open_scan(scan, c == '{');
	case '}':
	case ']':
		scan->depth -= scan->depth > 0;
		break;
	default: /* colons, commas, words: jansson judges them */
		break;
	}
	scan->at++;
	return true;
}

bool body_cut_json(struct str body, const struct fhir_limits *limits, const struct cut_sink *sink, struct arena *arena,
		   struct cut_text *text, struct outcome *outcome)
{
	struct scan scan = {
		.body = body, .limits = limits, .sink = sink, .arena = arena, .text = text, .outcome = outcome
	};

	*text = (struct cut_text) { .cut_count = 0 };
	/* A number grows by nine characters when it becomes a mark. */
	buf_init(&text->text, body.size + limits->values_max * 16);
	for (;;) {
		scan.at = skip_blanks(body, scan.at);
		if (scan.at == body.size)
			break;
		if (!token_scan(&scan))
			return false;
	}
	buf_add(&text->text, str_from(body, scan.copied));
	if (text->text.failed)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	return true;
}
