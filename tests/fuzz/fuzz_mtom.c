/* A multipart package: the first line is the Content-Type, its last byte says how the rest is cut into pieces. However it
 * is cut, the parts must be the same. */
#include <string.h>

#include "fuzz.h"
#include "mappers/mtom.h"
#include "mappers/unwrap.h"

struct seen {
	size_t parts;
	size_t ends;
	uint64_t bytes;
	uint64_t sum;
};

static bool part_begin(void *ctx, const struct mtom_part *part)
{
	struct seen *seen = ctx;

	if (part->index != seen->parts || seen->ends != seen->parts)
		abort(); /* parts come in order and do not overlap */
	seen->parts++;
	return true;
}

static bool part_data(void *ctx, const void *bytes, size_t size)
{
	struct seen *seen = ctx;
	const unsigned char *byte = bytes;

	seen->bytes += size;
	for (size_t i = 0; i < size; i++)
		seen->sum = seen->sum * 31 + byte[i];
	return true;
}

static bool part_end(void *ctx)
{
	struct seen *seen = ctx;

	seen->ends++;
	return true;
}

static bool read_in_pieces(struct str header, struct str body, size_t piece, struct seen *seen)
{
	struct mtom_handler handler = { seen, part_begin, part_data, part_end };
	struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
	struct content_type type;
	struct outcome outcome;
	bool good = false;

	memset(seen, 0, sizeof(*seen));
	if (!arena)
		return false;
	outcome_init(&outcome);
	if (content_type_parse(header, arena, &type, &outcome) && content_type_is_multipart(&type)) {
		struct mtom_parser *parser = mtom_parser_new(&type, &handler, 100, arena);

		good = parser;
		for (size_t at = 0; good && at < body.size; at += piece)
			good = mtom_push(parser, body.data + at, piece < body.size - at ? piece : body.size - at,
					 &outcome);
		good = good && mtom_finish(parser, &outcome);
	}
	arena_free(arena);
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size };
	struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
	struct unwrapped unwrapped;
	struct outcome outcome;
	struct seen whole;
	struct seen pieces;
	struct str header;

	outcome_init(&outcome);
	if (arena && !unwrap(rest, arena, &unwrapped, &outcome) && !outcome.has_error)
		abort(); /* refused without a reason */
	arena_free(arena);
	if (!str_next(&rest, '\n', &header) || !rest.size)
		return 0;
	bool good = read_in_pieces(header, rest, rest.size, &whole);
	bool good_again = read_in_pieces(header, rest, 1 + (size_t)data[size - 1] % 13, &pieces);

	if (good != good_again || (good && memcmp(&whole, &pieces, sizeof(whole)) != 0))
		abort(); /* the cut made a difference */
	return 0;
}
