#include "mappers/unwrap.h"

#include "mappers/base/hex.h"

#define HEAD_BYTES_MAX   (64 << 10)
#define PARTS_MAX        1000
#define PART_BYTES_MAX   (256u << 20)
#define CHUNK_DIGITS_MAX 8

struct head {
	struct str content_type;
	bool chunked;
	struct str body;
};

/* Parts are gathered whole: an offline tool has the whole text in memory anyway. */
struct collector {
	struct arena *arena;
	struct outcome *outcome;
	struct unwrapped *unwrapped;
	size_t capacity;
	struct mtom_part part;
	struct buf bytes;
};

/* Reads header lines up to the empty line (which may hold blanks). Lines without a colon - the start line, words of a
 * capturing tool - are passed over. */
static bool read_head(struct str text, struct head *head)
{
	struct str rest = text;
	struct str line;
	bool any = false;

	*head = (struct head) { 0 };
	while (str_next(&rest, '\n', &line) && (size_t)(line.data - text.data) < HEAD_BYTES_MAX) {
		struct str trimmed = str_trim(line);
		size_t colon = str_find(trimmed, ':');
		struct str name = str_trim((struct str) { trimmed.data, colon });
		struct str value = str_trim(str_from(trimmed, colon + 1));

		if (trimmed.size == 0 && any) {
			head->body = rest.data ? rest : STR("");
			return head->content_type.data;
		}
		if (str_starts_with(trimmed, STR("--")) || str_starts_with(trimmed, STR("<")))
			return false;
		any = any || colon < trimmed.size;
		if (str_equal_nocase(name, STR("content-type")))
			head->content_type = value;
		else if (str_equal_nocase(name, STR("transfer-encoding")))
			head->chunked = str_equal_nocase(value, STR("chunked"));
	}
	return false;
}

/* The size at the front of a chunk; extensions behind a semicolon are passed over. RFC 9112 7.1 */
static bool chunk_size(struct str line, size_t *size)
{
	size_t value = 0;
	struct str digits = str_trim((struct str) { line.data, str_find(line, ';') });

	if (digits.size == 0 || digits.size > CHUNK_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < digits.size; i++) {
		int digit = hex_value(digits.data[i]);

		if (digit < 0)
			return false;
		value = value * 16 + (size_t)digit;
	}
	*size = value;
	return true;
}

static bool dechunk(struct str body, struct arena *arena, struct str *out, struct outcome *outcome)
{
	char *bytes = arena_alloc(arena, body.size + 1);
	size_t total = 0;
	struct str line;
	size_t size;

	if (!bytes)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give a smaller file.");
	while (str_next(&body, '\n', &line) && chunk_size(line, &size)) {
		if (size == 0) {
			*out = (struct str) { bytes, total };
			return true;
		}
		if (!body.data || size > body.size)
			break;
		memcpy(bytes + total, body.data, size);
		total += size;
		body = str_from(body, size);
		body = str_from(body, str_starts_with(body, STR("\r\n")) ? 2 : 1);
	}
	return outcome_add(outcome, ERR_BODY_MALFORMED, "", "Give the whole HTTP message: its chunks are cut.");
}

static bool begin_part(void *ctx, const struct mtom_part *part)
{
	struct collector *collector = ctx;

	collector->part = *part;
	buf_clear(&collector->bytes);
	return true;
}

static bool add_data(void *ctx, const void *bytes, size_t size)
{
	struct collector *collector = ctx;

	buf_add(&collector->bytes, (struct str) { bytes, size });
	if (collector->bytes.failed)
		return outcome_add(collector->outcome, ERR_TOO_LONG, "", "Give a file with smaller parts.");
	return true;
}

static bool end_part(void *ctx)
{
	struct collector *collector = ctx;
	struct unwrapped *unwrapped = collector->unwrapped;
	struct str bytes = arena_copy(collector->arena, buf_str(&collector->bytes));

	if (!bytes.data)
		return outcome_add(collector->outcome, ERR_NO_MEMORY, "", "Give a smaller file.");
	if (collector->part.is_root) {
		unwrapped->root = bytes;
		return true;
	}
	if (!arena_grow(collector->arena, &unwrapped->parts, unwrapped->part_count, &collector->capacity,
			sizeof *unwrapped->parts))
		return outcome_add(collector->outcome, ERR_NO_MEMORY, "", "Give a smaller file.");
	unwrapped->parts[unwrapped->part_count++] = (struct unwrapped_part) {
		.content_id = collector->part.content_id, .content_type = collector->part.content_type, .bytes = bytes
	};
	return true;
}

static bool read_package(struct str body, const struct content_type *type, struct arena *arena,
			 struct unwrapped *unwrapped, struct outcome *outcome)
{
	struct collector collector = { .arena = arena, .outcome = outcome, .unwrapped = unwrapped };
	struct mtom_handler handler = { &collector, begin_part, add_data, end_part };
	struct mtom_parser *parser = mtom_parser_new(type, &handler, PARTS_MAX, arena);
	bool good;

	if (!parser)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give a smaller file.");
	buf_init(&collector.bytes, PART_BYTES_MAX);
	good = mtom_push(parser, body.data, body.size, outcome) && mtom_finish(parser, outcome);
	buf_free(&collector.bytes);
	return good;
}

/* A package without its HTTP head: the first line that begins with two hyphens names the boundary. */
static bool guess_boundary(struct str text, struct content_type *type)
{
	struct str rest = text;
	struct str line;

	while (str_next(&rest, '\n', &line) && (size_t)(line.data - text.data) < HEAD_BYTES_MAX) {
		struct str trimmed = str_trim(line);

		if (!str_starts_with(line, STR("--")) || trimmed.size < 3 || trimmed.size > 72)
			continue;
		*type = (struct content_type) { .media_type = STR("multipart/related"),
						.boundary = str_from(trimmed, 2) };
		return true;
	}
	return false;
}

bool unwrap(struct str text, struct arena *arena, struct unwrapped *unwrapped, struct outcome *outcome)
{
	struct str trimmed = str_trim(str_without_prefix(text, STR("\xEF\xBB\xBF")));
	struct content_type type;
	struct head head;

	*unwrapped = (struct unwrapped) { 0 };
	if (str_starts_with(trimmed, STR("<"))) {
		unwrapped->root = trimmed;
		return true;
	}
	if (read_head(text, &head)) {
		if (head.chunked && !dechunk(head.body, arena, &head.body, outcome))
			return false;
		if (!content_type_parse(head.content_type, arena, &type, outcome))
			return false;
		if (content_type_is_multipart(&type))
			return read_package(head.body, &type, arena, unwrapped, outcome);
		unwrapped->root = str_trim(head.body);
		return true;
	}
	if (guess_boundary(text, &type))
		return read_package(text, &type, arena, unwrapped, outcome);
	return outcome_add(outcome, ERR_BODY_MALFORMED, "",
			   "Give FHIR as JSON or XML, or an XDS message as XML, in its MIME package or HTTP message.");
}
