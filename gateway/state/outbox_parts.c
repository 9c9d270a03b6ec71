/* The bytes of an item, sealed in chunks that open at their own place only. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/run/clock.h"
#include "gateway/state/outbox_reader.h"
#include "gateway/state/outbox_state.h"

/* Each word with its length before it, so that no two places are written alike. */
struct str outbox_place_write(const struct outbox_place *place, char text[OUTBOX_PLACE_SIZE])
{
	struct str tenant = place->outbox->tenant;
	int size = snprintf(text, OUTBOX_PLACE_SIZE, "part %zu:%.*s %.*s %zu:%.*s %zu:%.*s %" PRId64 " %zu %zu %zu %d",
			    tenant.size, STR_ARG(tenant), STR_ARG(place->id), place->kind.size, STR_ARG(place->kind),
			    place->target.size, STR_ARG(place->target), place->revision, place->part_count, place->part,
			    place->chunk, place->is_last);

	return (struct str) { text, (size_t)size };
}

struct str outbox_result_place(const struct outbox *outbox, struct str id, char text[OUTBOX_PLACE_SIZE])
{
	int size = snprintf(text, OUTBOX_PLACE_SIZE, "result %zu:%.*s %.*s", outbox->tenant.size,
			    STR_ARG(outbox->tenant), STR_ARG(id));

	return (struct str) { text, (size_t)size };
}

bool outbox_result_seal(const struct outbox *outbox, struct str id, struct str result, unsigned char **sealed,
			struct sql_value *value, struct outcome *outcome)
{
	char place[OUTBOX_PLACE_SIZE];

	*sealed = NULL;
	*value = SQL_BYTES(STR_NONE);
	if (!result.data || result.size > OUTBOX_RESULT_MAX)
		return true;
	*sealed = malloc(result.size + VAULT_OVERHEAD);
	if (!*sealed || !vault_seal(outbox->vault, outbox_result_place(outbox, id, place), result, *sealed)) {
		free(*sealed);
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	}
	*value = SQL_BLOB(*sealed, result.size + VAULT_OVERHEAD);
	return true;
}

static bool corrupt(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_DOCUMENT_CORRUPT, "",
			   "Check state_keys and the store of the outbox: what lies there is not what was put.");
}

bool outbox_sealed_open(struct outbox *outbox, struct str place, struct str sealed, unsigned char *plain, size_t *size,
			struct outcome *outcome)
{
	switch (vault_open(outbox->vault, place, sealed, plain, size)) {
	case VAULT_OPENED:
		return true;
	case VAULT_NO_MEMORY:
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	case VAULT_NO_KEY:
		atomic_store(&outbox->locked_key, (uint8_t)sealed.data[VAULT_KEY_PLACE]);
		atomic_store(&outbox->locked_ms, clock_monotonic_ms());
		return outcome_add(outcome, ERR_KEY_MISSING, "",
				   "Put the key with the id %u back into state_keys: it encrypted what waits here.",
				   (uint8_t)sealed.data[VAULT_KEY_PLACE]);
	case VAULT_NOT_OURS:
		break;
	}
	return corrupt(outcome);
}

bool outbox_lacks_key(const struct outbox *outbox, uint64_t since_ms, uint8_t *key)
{
	uint64_t locked_ms = atomic_load(&outbox->locked_ms);

	*key = atomic_load(&outbox->locked_key);
	return locked_ms > 0 && locked_ms >= since_ms;
}

static bool chunk_write(struct sql_session *session, int64_t seq, const struct outbox_place *place, struct str plain,
			unsigned char *sealed, struct outcome *outcome)
{
	char text[OUTBOX_PLACE_SIZE];

	if (!vault_seal(place->outbox->vault, outbox_place_write(place, text), plain, sealed))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	return sql_run(session, "INSERT INTO outbox_chunk(item, part, n, last, bytes) VALUES(?1, ?2, ?3, ?4, ?5)",
		       SQL(SQL_NUMBER(seq), SQL_NUMBER(place->part), SQL_NUMBER(place->chunk),
			   SQL_NUMBER(place->is_last), SQL_BLOB(sealed, plain.size + VAULT_OVERHEAD)),
		       outcome);
}

bool outbox_parts_write(struct sql_session *session, int64_t seq, struct outbox_place place, const struct str *parts,
			uint64_t *bytes, struct outcome *outcome)
{
	unsigned char *sealed = malloc(OUTBOX_CHUNK + VAULT_OVERHEAD);
	bool ok = sealed != NULL;

	if (!sealed)
		outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	*bytes = 0;
	for (place.part = 0; place.part < place.part_count && ok; place.part++) {
		struct str rest = parts[place.part];

		place.chunk = 0;
		do {
			struct str plain = { rest.data ? rest.data : "",
					     rest.size < OUTBOX_CHUNK ? rest.size : OUTBOX_CHUNK };

			rest = str_from(rest, plain.size);
			place.is_last = rest.size == 0;
			ok = chunk_write(session, seq, &place, plain, sealed, outcome);
			*bytes += plain.size + VAULT_OVERHEAD;
			place.chunk++;
		} while (rest.size && ok);
	}
	free(sealed);
	return ok;
}

struct outbox_reader {
	struct outbox *outbox;
	char id[OUTBOX_ID_SIZE];
	size_t part;
	size_t chunk;
	int64_t revision; /* of the first chunk: a person may put other parts in the place of these meanwhile */
	bool is_last;
	size_t size;
	unsigned char plain[OUTBOX_CHUNK + VAULT_OVERHEAD];
};

struct outbox_reader *outbox_reader_new(struct outbox *outbox, struct str id, size_t part, struct outcome *outcome)
{
	struct outbox_reader *reader = malloc(sizeof *reader);

	if (!reader) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
		return NULL;
	}
	reader->outbox = outbox;
	snprintf(reader->id, sizeof reader->id, "%.*s", STR_ARG(id));
	reader->part = part;
	reader->chunk = 0;
	reader->revision = -1;
	reader->is_last = false;
	return reader;
}

void outbox_reader_free(struct outbox_reader *reader)
{
	free(reader);
}

static bool chunk_open(struct outbox_reader *reader, struct sql_rows *rows, struct outcome *outcome)
{
	struct outbox_place place = {
		.outbox = reader->outbox,
		.id = str_from_c(reader->id),
		.kind = sql_text(rows, 0),
		.target = sql_text(rows, 1),
		.revision = sql_number(rows, 2),
		.part_count = (size_t)sql_number(rows, 3),
		.part = reader->part,
		.chunk = reader->chunk,
		.is_last = sql_number(rows, 4) == 1,
	};
	struct str sealed = sql_text(rows, 5);
	char text[OUTBOX_PLACE_SIZE];

	if (place.part >= place.part_count || (reader->revision >= 0 && reader->revision != place.revision))
		return outcome_add(outcome, ERR_NOT_FOUND, "", "This part of the publication is not there any more.");
	if (!sealed.data || sealed.size > sizeof reader->plain || place.kind.size > OUTBOX_WORD_MAX ||
	    place.target.size > OUTBOX_WORD_MAX)
		return corrupt(outcome);
	if (!outbox_sealed_open(reader->outbox, outbox_place_write(&place, text), sealed, reader->plain, &reader->size,
				outcome))
		return false;
	reader->revision = place.revision;
	reader->is_last = place.is_last;
	return true;
}

/* Does not go on to the next chunk: a work may be run again, and finds what it did. */
static bool chunk_read(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct outbox_reader *reader = context;
	struct sql_rows rows;
	enum step step = sql_first(
		session,
		"SELECT i.kind, i.target, i.revision, i.part_count, c.last, c.bytes FROM outbox_item i LEFT JOIN "
		"outbox_chunk c ON c.item = i.seq AND c.part = ?3 AND c.n = ?4 WHERE i.tenant = ?1 AND i.id = ?2",
		SQL(SQL_TEXT(reader->outbox->tenant), SQL_TEXT(str_from_c(reader->id)), SQL_NUMBER(reader->part),
		    SQL_NUMBER(reader->chunk)),
		&rows, outcome);
	bool ok = step == STEP_ROW && chunk_open(reader, &rows, outcome);

	sql_close(&rows);
	if (step == STEP_DONE)
		outcome_add(outcome, ERR_NOT_FOUND, "", "There is no such publication in the outbox.");
	return ok;
}

bool outbox_reader_next(struct outbox_reader *reader, struct str *piece, struct outcome *outcome)
{
	*piece = (struct str) { (const char *)reader->plain, 0 };
	if (reader->is_last)
		return true;
	if (!sql_read(&reader->outbox->shared->store, chunk_read, reader, outcome))
		return false;
	reader->chunk++;
	piece->size = reader->size;
	return true;
}

bool outbox_part(struct outbox *outbox, struct str id, size_t part, size_t size_max, struct arena *arena,
		 struct str *bytes, struct outcome *outcome)
{
	struct outbox_reader *reader = outbox_reader_new(outbox, id, part, outcome);
	struct str piece = STR_NONE;
	struct buf buf;
	bool ok = reader != NULL;

	buf_init(&buf, size_max);
	while (ok) {
		ok = outbox_reader_next(reader, &piece, outcome);
		if (!ok || piece.size == 0)
			break;
		if (piece.size > size_max - buf.size)
			ok = outcome_add(outcome, ERR_TOO_LONG, "", "This part of the publication is too long.");
		else
			buf_add(&buf, piece);
	}
	*bytes = ok && !buf.failed ? arena_copy(arena, buf_str(&buf)) : STR_NONE;
	buf_free(&buf);
	outbox_reader_free(reader);
	return ok && (bytes->data || outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later."));
}
