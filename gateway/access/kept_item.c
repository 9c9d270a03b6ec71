#include "gateway/access/kept_item.h"

#include "gateway/state/outbox_manage.h"
#include "gateway/state/outbox_reader.h"
#include "mappers/publication_kind.h"

#define READING_BYTES_MAX   (2 * PUBLICATION_METADATA_BYTES_MAX)
#define WITHDRAWN_BYTES_MAX ((size_t)64 * 1024)

#define ARENA_BYTES_MORE 65536 /* of an arena for a text, beside it */

enum kept kept_failure(const struct outcome *reading)
{
	switch (reading->count ? reading->issues[0].code : ERR_NO_MEMORY) {
	case ERR_NOT_FOUND:
		return KEPT_GONE;
	case ERR_STORAGE:
	case ERR_BUSY:
		return KEPT_AWAY;
	case ERR_KEY_MISSING:
		return KEPT_LOCKED;
	case ERR_TOO_LONG:
		return KEPT_TOO_LONG;
	case ERR_NO_MEMORY:
		return KEPT_NO_MEMORY;
	default:
		return KEPT_LOST;
	}
}

static enum kept text_read(struct outbox *outbox, const struct outbox_item *item, size_t part, size_t size_max,
			   struct arena *arena, struct str *text)
{
	struct outcome reading;

	outcome_init(&reading);
	return outbox_part(outbox, str_from_c(item->id), part, size_max, arena, text, &reading)
		       ? KEPT_READ
		       : kept_failure(&reading);
}

/* What has come out of the outbox whole and is not understood is lost, unless there was no memory for it. */
static enum kept understood(bool is_understood, const struct arena *arena)
{
	if (is_understood)
		return KEPT_READ;
	return arena_failed(arena) ? KEPT_NO_MEMORY : KEPT_LOST;
}

enum kept kept_head_read(struct outbox *outbox, const struct outbox_item *item, struct arena *arena,
			 struct publication_head *head)
{
	struct str text;
	enum kept kept = text_read(outbox, item, PUBLICATION_HEAD, PUBLICATION_HEAD_BYTES_MAX, arena, &text);

	return kept == KEPT_READ ? understood(publication_head_read(text, arena, head), arena) : kept;
}

enum kept kept_metadata_read(struct outbox *outbox, const struct outbox_item *item, size_t size_max,
			     struct arena *arena, struct metadata *metadata)
{
	/* The text is gone when this returns: what it says is a copy. */
	struct arena *apart = arena_new(2 * size_max + ARENA_BYTES_MORE);
	struct outcome reading;
	struct str text;
	enum kept kept;

	if (!apart)
		return KEPT_NO_MEMORY;
	outcome_init(&reading);
	kept = text_read(outbox, item, PUBLICATION_METADATA, size_max, apart, &text);
	if (kept == KEPT_READ)
		kept = understood(publication_metadata_read(text, arena, metadata, &reading), arena);
	arena_free(apart);
	return kept;
}

/* Of what only its sender was shown, nobody else learns by its patient. */
static struct str patient_of(struct outbox *outbox, const struct outbox_item *item, struct arena *arena)
{
	const struct publication_kind_facts *facts = publication_kind_facts(publication_kind_of(item->kind));
	struct metadata metadata;

	return facts->is_shown && facts->has_metadata &&
			       kept_metadata_read(outbox, item, PUBLICATION_METADATA_BYTES_MAX, arena, &metadata) ==
				       KEPT_READ
		       ? metadata.submission_sets[0].patient_id
		       : STR_NONE;
}

bool kept_withdraw(struct outbox *outbox, const struct outbox_item *item, const struct kept_end *end, bool *unclear,
		   struct outcome *outcome)
{
	struct arena *arena = arena_new(READING_BYTES_MAX); /* thousands may be withdrawn at once */
	struct publication_result result = { .status = end->is_given_up ? PUBLICATION_GIVEN_UP : 0 };
	struct publication_head head;
	struct buf text;
	bool ok;

	buf_init(&text, WITHDRAWN_BYTES_MAX);
	if (arena && item->part_count > 0 && kept_head_read(outbox, item, arena, &head) == KEPT_READ) {
		result.caller = head.caller;
		result.patient_id = patient_of(outbox, item, arena);
		publication_result_write(&result, &text);
	}
	ok = outbox_drop(outbox, str_from_c(item->id), end->reason,
			 text.failed || text.size == 0 ? STR_NONE : buf_str(&text), unclear, outcome);
	buf_free(&text);
	arena_free(arena);
	return ok;
}
