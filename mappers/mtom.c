#include "mappers/mtom.h"

#include "mappers/base/base64.h"
#include "mappers/base/hex.h"

#define PART_HEADERS_BYTES_MAX (16 << 10)
#define PADDING_BYTES_MAX      64  /* blanks after a delimiter */
#define LINE_BLANKS_MAX        998 /* of quoted-printable, RFC 2822 2.1.1 */
/* CRLF, --, boundary, --, blanks, CRLF. */
#define CARRY_BYTES_MAX (2 + 2 + 70 + 2 + PADDING_BYTES_MAX + 2)
#define DECODE_BYTES    3072

enum state { PREAMBLE, HEADERS, BODY, EPILOGUE };
enum transfer { IDENTITY, BASE64, QUOTED_PRINTABLE };
enum verdict { NO_DELIMITER, NEED_MORE, DELIMITER, LAST_DELIMITER };

struct quoted_printable {
	char escape[2]; /* what followed '=' so far */
	size_t escape_size;
	bool in_escape;
	char blanks[LINE_BLANKS_MAX]; /* at the end of a line they are padding and go */
	size_t blank_count;
};

struct mtom_parser {
	const struct mtom_handler *handler;
	struct arena *arena;
	struct outcome *outcome;
	char delimiter[2 + 70]; /* "--" and the boundary */
	size_t delimiter_size;
	struct str start;
	size_t parts_max;
	enum state state;
	bool at_start; /* a delimiter may stand here without a line end before it */
	bool failed;
	bool root_seen;
	char carry[CARRY_BYTES_MAX]; /* bytes that may begin a delimiter */
	size_t carry_size;
	char headers[PART_HEADERS_BYTES_MAX];
	size_t headers_size;
	struct str *ids; /* Content-IDs so far */
	uint64_t *hashes;
	size_t part_count;
	enum transfer transfer;
	struct base64_decoder base64;
	struct quoted_printable quoted;
};

struct mtom_parser *mtom_parser_new(const struct content_type *type, const struct mtom_handler *handler,
				    size_t parts_max, struct arena *arena)
{
	struct mtom_parser *parser = arena_alloc(arena, sizeof *parser);

	if (!parser)
		return NULL;
	parser->ids = arena_array(arena, parts_max, sizeof *parser->ids);
	parser->hashes = arena_array(arena, parts_max, sizeof *parser->hashes);
	if (!parser->ids || !parser->hashes || type->boundary.size == 0 || type->boundary.size > 70)
		return NULL;
	parser->handler = handler;
	parser->arena = arena;
	parser->start = type->start;
	parser->parts_max = parts_max;
	parser->at_start = true;
	memcpy(parser->delimiter, "--", 2);
	memcpy(parser->delimiter + 2, type->boundary.data, type->boundary.size);
	parser->delimiter_size = type->boundary.size + 2;
	return parser;
}

static bool refuse(struct mtom_parser *parser, enum error_code code, const char *text)
{
	parser->failed = true;
	return outcome_add(parser->outcome, code, "", "%s", text);
}

static bool handler_says(struct mtom_parser *parser, bool good)
{
	if (!good)
		parser->failed = true;
	return good;
}

/* --- transfer encodings --- */

static bool give(struct mtom_parser *parser, const char *bytes, size_t size)
{
	return size == 0 || handler_says(parser, parser->handler->part_data(parser->handler->ctx, bytes, size));
}

static bool give_base64(struct mtom_parser *parser, struct str text)
{
	unsigned char bytes[DECODE_BYTES + 3];

	while (text.size) {
		struct str piece = { text.data, text.size < DECODE_BYTES ? text.size : DECODE_BYTES };
		size_t size;

		if (!base64_decoder_push(&parser->base64, piece, bytes, &size))
			return refuse(parser, ERR_BODY_MALFORMED, "Send base64 in a part that says base64.");
		if (!give(parser, (const char *)bytes, size))
			return false;
		text = str_from(text, piece.size);
	}
	return true;
}

/* What stands after '='. Returns true when the escape is complete: *out is the byte, or -1 for a soft line break. */
static bool escape_step(struct quoted_printable *quoted, char c, int *out, bool *bad)
{
	*out = -1;
	if (quoted->escape_size == 0 && (c == '\r' || c == ' ' || c == '\t'))
		return false; /* padding before the line end */
	if (quoted->escape_size == 0 && c == '\n')
		return true;
	if (hex_value(c) < 0) {
		*bad = true;
		return true;
	}
	quoted->escape[quoted->escape_size++] = c;
	if (quoted->escape_size < 2)
		return false;
	*out = hex_value(quoted->escape[0]) * 16 + hex_value(quoted->escape[1]);
	return true;
}

/* One byte of quoted-printable into out, which has room for all held blanks and this byte. Source: RFC 2045 6.7. */
static size_t quoted_step(struct quoted_printable *quoted, char c, char *out, bool *bad)
{
	size_t size = 0;

	if (quoted->in_escape) {
		int byte;

		if (escape_step(quoted, c, &byte, bad)) {
			quoted->in_escape = false;
			if (byte >= 0)
				out[size++] = (char)byte;
		}
		return size;
	}
	if (c == ' ' || c == '\t') {
		if (quoted->blank_count == LINE_BLANKS_MAX)
			*bad = true;
		else
			quoted->blanks[quoted->blank_count++] = c;
		return 0;
	}
	if (c != '\r' && c != '\n') {
		memcpy(out, quoted->blanks, quoted->blank_count);
		size = quoted->blank_count;
	}
	quoted->blank_count = 0;
	if (c == '=') {
		quoted->in_escape = true;
		quoted->escape_size = 0;
	} else {
		out[size++] = c;
	}
	return size;
}

static bool give_quoted(struct mtom_parser *parser, struct str text)
{
	char out[DECODE_BYTES + LINE_BLANKS_MAX + 1];
	size_t size = 0;
	bool bad = false;

	for (size_t i = 0; i < text.size; i++) {
		size += quoted_step(&parser->quoted, text.data[i], out + size, &bad);
		if (bad)
			return refuse(parser, ERR_BODY_MALFORMED,
				      "Send quoted-printable in a part that says quoted-printable.");
		if (size >= DECODE_BYTES || i + 1 == text.size) {
			if (!give(parser, out, size))
				return false;
			size = 0;
		}
	}
	return true;
}

/* Bytes of a body; those of the preamble go nowhere. */
static bool emit(struct mtom_parser *parser, const char *bytes, size_t size)
{
	if (size == 0 || parser->state != BODY)
		return true;
	switch (parser->transfer) {
	case BASE64:
		return give_base64(parser, (struct str) { bytes, size });
	case QUOTED_PRINTABLE:
		return give_quoted(parser, (struct str) { bytes, size });
	case IDENTITY:
		break;
	}
	return give(parser, bytes, size);
}

static bool end_part(struct mtom_parser *parser)
{
	if (parser->state != BODY)
		return true;
	if (parser->transfer == BASE64 && !base64_decoder_finish(&parser->base64))
		return refuse(parser, ERR_BODY_MALFORMED, "Send whole base64 in a part that says base64.");
	if (parser->transfer == QUOTED_PRINTABLE && parser->quoted.in_escape && parser->quoted.escape_size)
		return refuse(parser, ERR_BODY_MALFORMED, "Send whole escapes in a quoted-printable part.");
	return handler_says(parser, parser->handler->part_end(parser->handler->ctx));
}

/* --- part headers --- */

static uint64_t hash_of(struct str id)
{
	uint64_t hash = 14695981039346656037U; /* FNV-1a */

	for (size_t i = 0; i < id.size; i++)
		hash = (hash ^ (unsigned char)id.data[i]) * 1099511628211U;
	return hash;
}

/* Remembers the Content-ID; a second part of the same name could stand in for the first. */
static bool id_is_new(struct mtom_parser *parser, struct str id)
{
	uint64_t hash = hash_of(id);

	for (size_t i = 0; id.size && i < parser->part_count; i++) {
		if (parser->hashes[i] == hash && str_equal(parser->ids[i], id))
			return false;
	}
	parser->ids[parser->part_count] = id;
	parser->hashes[parser->part_count] = hash;
	return true;
}

static bool transfer_read(struct str value, enum transfer *transfer)
{
	static const struct {
		struct str name;
		enum transfer transfer;
	} names[] = { { STR_INIT("binary"), IDENTITY },
		      { STR_INIT("8bit"), IDENTITY },
		      { STR_INIT("7bit"), IDENTITY },
		      { STR_INIT("base64"), BASE64 },
		      { STR_INIT("quoted-printable"), QUOTED_PRINTABLE } };

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (str_equal_nocase(value, names[i].name)) {
			*transfer = names[i].transfer;
			return true;
		}
	}
	return false;
}

struct part_headers {
	struct str content_id;
	struct str content_type;
	struct str transfer;
};

/* One unfolded header line. */
static bool keep_header(struct mtom_parser *parser, struct str line, struct part_headers *headers)
{
	const struct {
		struct str name;
		struct str *value;
	} known[] = { { STR("content-id"), &headers->content_id },
		      { STR("content-type"), &headers->content_type },
		      { STR("content-transfer-encoding"), &headers->transfer } };
	size_t colon = str_find(line, ':');
	struct str name = str_trim((struct str) { line.data, colon });

	if (colon == line.size || name.size == 0)
		return refuse(parser, ERR_BODY_MALFORMED, "Write the headers of each MIME part as name: value.");
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		if (!str_equal_nocase(name, known[i].name))
			continue;
		if (known[i].value->data)
			return refuse(parser, ERR_BODY_MALFORMED, "Give each header of a MIME part once.");
		*known[i].value = str_trim(str_from(line, colon + 1));
	}
	return true;
}

/* Line ends inside a folded header become blanks, so that a header is one line. */
static void unfold(char *text, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++) {
		if (text[i] != '\n' || (text[i + 1] != ' ' && text[i + 1] != '\t'))
			continue;
		text[i] = ' ';
		if (i && text[i - 1] == '\r')
			text[i - 1] = ' ';
	}
}

static struct str without_brackets(struct str id)
{
	if (id.size >= 2 && id.data[0] == '<' && id.data[id.size - 1] == '>')
		return (struct str) { id.data + 1, id.size - 2 };
	return id;
}

static bool begin_part(struct mtom_parser *parser)
{
	struct part_headers headers = { 0 };
	struct str rest = { parser->headers, parser->headers_size };
	struct str line;

	unfold(parser->headers, parser->headers_size);
	while (str_next(&rest, '\n', &line)) {
		if (str_trim(line).size && !keep_header(parser, line, &headers))
			return false;
	}
	parser->transfer = IDENTITY;
	if (headers.transfer.size && !transfer_read(headers.transfer, &parser->transfer))
		return refuse(parser, ERR_BODY_MALFORMED, "Send MIME parts as binary, base64 or quoted-printable.");
	base64_decoder_init(&parser->base64);
	parser->quoted = (struct quoted_printable) { 0 };

	struct mtom_part part = { .index = parser->part_count };

	part.content_id = arena_copy(parser->arena, without_brackets(headers.content_id));
	part.content_type = arena_copy(parser->arena, headers.content_type);
	if (!part.content_id.data || !part.content_type.data)
		return refuse(parser, ERR_NO_MEMORY, "Retry later.");
	if (!id_is_new(parser, part.content_id))
		return refuse(parser, ERR_BODY_MALFORMED, "Give every MIME part a Content-ID of its own.");
	part.is_root = parser->start.size ? content_id_matches(parser->start, part.content_id) : part.index == 0;
	parser->root_seen = parser->root_seen || part.is_root;
	parser->part_count++;
	parser->state = BODY;
	parser->at_start = true;
	return handler_says(parser, parser->handler->part_begin(parser->handler->ctx, &part));
}

/* Takes header bytes up to the empty line that ends them. */
static bool take_headers(struct mtom_parser *parser, struct str *input)
{
	while (input->size) {
		char c = input->data[0];
		size_t size = parser->headers_size;

		*input = str_from(*input, 1);
		if (size == PART_HEADERS_BYTES_MAX)
			return refuse(parser, ERR_TOO_LONG, "Send shorter headers of MIME parts.");
		parser->headers[parser->headers_size++] = c;
		if (c != '\n')
			continue;
		const char *end = parser->headers + size;

		/* An empty line: "\n" or "\r\n", at the beginning or behind another line. */
		if (size == 0 || end[-1] == '\n' || (end[-1] == '\r' && (size == 1 || end[-2] == '\n')))
			return begin_part(parser);
	}
	return true;
}

/* --- delimiters --- */

/* Looks whether a delimiter stands at the beginning of text: its line end (unless at_start), the mark, blanks and a
 * line end again. *size is its length with the line ends. final: nothing comes after text. */
static enum verdict judge(const struct mtom_parser *parser, struct str text, bool final, size_t *size)
{
	const enum verdict open = final ? NO_DELIMITER : NEED_MORE;
	size_t at = 0;

	if (at < text.size && text.data[at] == '\r' && !parser->at_start)
		at++;
	if (!parser->at_start) {
		if (at == text.size)
			return open;
		if (text.data[at++] != '\n')
			return NO_DELIMITER;
	}
	size_t here = text.size - at < parser->delimiter_size ? text.size - at : parser->delimiter_size;

	if (memcmp(text.data + at, parser->delimiter, here) != 0)
		return NO_DELIMITER;
	at += here;
	if (here < parser->delimiter_size)
		return open;
	enum verdict verdict = DELIMITER;

	if (at < text.size && text.data[at] == '-') {
		if (at + 1 == text.size)
			return open;
		if (text.data[at + 1] != '-')
			return NO_DELIMITER;
		verdict = LAST_DELIMITER;
		at += 2;
	}
	size_t padding_end = at + PADDING_BYTES_MAX;

	while (at < text.size && at < padding_end && (text.data[at] == ' ' || text.data[at] == '\t'))
		at++;
	if (at < text.size && text.data[at] == '\r')
		at++;
	if (at < text.size && text.data[at] == '\n') {
		*size = at + 1;
		return verdict;
	}
	if (at < text.size)
		return NO_DELIMITER;
	if (!final)
		return NEED_MORE;
	*size = at;
	return verdict == LAST_DELIMITER ? verdict : NO_DELIMITER;
}

static bool pass_delimiter(struct mtom_parser *parser, enum verdict verdict)
{
	if (!end_part(parser))
		return false;
	parser->state = EPILOGUE;
	if (verdict == LAST_DELIMITER)
		return true;
	if (parser->part_count == parser->parts_max)
		return refuse(parser, ERR_TOO_LONG, "Send fewer MIME parts.");
	parser->state = HEADERS;
	parser->headers_size = 0;
	return true;
}

/* Where the next line end that may begin a delimiter stands in text, counted from from; text.size when nowhere. A CR at
 * the very end counts: its LF may follow. */
static size_t find_line_end(struct str text, size_t from)
{
	const char *found = from < text.size ? memchr(text.data + from, '\n', text.size - from) : NULL;
	size_t at = found ? (size_t)(found - text.data) : text.size;

	if (at > from && text.data[at - 1] == '\r')
		return at - 1;
	return at;
}

/* The carry holds the beginning of what may be a delimiter: fed byte by byte until that is decided. */
static bool feed_carry(struct mtom_parser *parser, struct str *input)
{
	while (parser->carry_size && input->size && parser->state != HEADERS && parser->state != EPILOGUE) {
		size_t size;

		parser->carry[parser->carry_size++] = input->data[0];
		*input = str_from(*input, 1);
		struct str carry = { parser->carry, parser->carry_size };
		enum verdict verdict = judge(parser, carry, false, &size);

		if (verdict == NEED_MORE)
			continue;
		parser->at_start = false;
		if (verdict != NO_DELIMITER) {
			parser->carry_size = 0;
			return pass_delimiter(parser, verdict);
		}
		/* The first byte is data; another line end may stand behind it. */
		size_t next = find_line_end(carry, 1);

		if (!emit(parser, carry.data, next))
			return false;
		memmove(parser->carry, parser->carry + next, carry.size - next);
		parser->carry_size = carry.size - next;
	}
	return true;
}

/* Scans input for a delimiter; what may be the beginning of one at its end goes into the carry. */
static bool scan(struct mtom_parser *parser, struct str *input)
{
	size_t at = parser->at_start ? 0 : find_line_end(*input, 0);

	while (at < input->size) {
		struct str rest = str_from(*input, at);
		size_t size;
		enum verdict verdict = judge(parser, rest, false, &size);

		if (verdict == NO_DELIMITER) {
			/* At the start the first byte may itself be a line end that begins a delimiter. */
			at = find_line_end(*input, parser->at_start ? at : at + 1);
			parser->at_start = false;
			continue;
		}
		if (!emit(parser, input->data, at))
			return false;
		if (verdict == NEED_MORE) {
			memcpy(parser->carry, rest.data, rest.size);
			parser->carry_size = rest.size;
			*input = str_from(*input, input->size);
			return true;
		}
		parser->at_start = false;
		*input = str_from(rest, size);
		return pass_delimiter(parser, verdict);
	}
	struct str all = *input;

	*input = str_from(*input, input->size);
	return emit(parser, all.data, all.size);
}

bool mtom_push(struct mtom_parser *parser, const void *bytes, size_t size, struct outcome *outcome)
{
	struct str input = { bytes, size };

	parser->outcome = outcome;
	while (input.size && !parser->failed && parser->state != EPILOGUE) {
		bool good;

		if (parser->state == HEADERS)
			good = take_headers(parser, &input);
		else if (parser->carry_size)
			good = feed_carry(parser, &input);
		else
			good = scan(parser, &input);
		if (!good)
			return false;
	}
	return !parser->failed;
}

bool mtom_finish(struct mtom_parser *parser, struct outcome *outcome)
{
	size_t size;
	struct str carry = { parser->carry, parser->carry_size };

	parser->outcome = outcome;
	if (parser->failed)
		return false;
	if (parser->state == BODY && carry.size && judge(parser, carry, true, &size) == LAST_DELIMITER &&
	    !pass_delimiter(parser, LAST_DELIMITER))
		return false;
	if (parser->state == PREAMBLE)
		return refuse(parser, ERR_BODY_MALFORMED, "Use in the body the boundary that Content-Type names.");
	if (parser->state != EPILOGUE)
		return refuse(parser, ERR_BODY_MALFORMED, "Send the whole package: its last delimiter is missing.");
	if (!parser->root_seen)
		return refuse(parser, ERR_BODY_MALFORMED, "Send the part that the start parameter names.");
	return true;
}
