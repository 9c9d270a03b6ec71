/* A request about a document that nobody could decide when it came: it is worked out, and what it comes to takes its place
 * durably before anything of it is sent. So what is not idempotent is done once, whatever is killed when. */
#include "gateway/delivery/attempt.h"
#include "gateway/state/outbox_manage.h"

#define WORK_MS       (3 * ATTEMPT_ASK_MS)
#define ITEMS_AT_ONCE 16

struct looking {
	int64_t seq; /* of the item that looks */
	bool is_request;
};

/* STAND_GO_ON: look at what came before this, too. */
static enum stand look(const struct looking *looking, const struct outbox_item *item, bool *is_enough)
{
	enum publication_kind kind = publication_kind_of(item->kind);
	bool is_decided = kind == KIND_CHANGE && !item->is_held;
	bool is_before = item->seq < looking->seq;

	*is_enough = is_decided || (is_before && (looking->is_request || kind == KIND_REQUEST));
	if (looking->is_request)
		return is_decided && !is_before ? STAND_LATER : STAND_GO_ON;
	return kind == KIND_REQUEST && is_before ? STAND_LATER : STAND_GO_ON;
}

/* What waits about this document. A change that was decided has passed all requests that came before it, while nobody could
 * decide them: they wait for it, and nobody waits for them. */
static enum stand document_look(struct attempt *attempt, struct str document, const struct looking *looking)
{
	struct outbox_filter filter = {
		.target = attempt->target->name,
		.makes = publication_changes_name(document, attempt->arena),
		.states = OUTBOX_STATE_BIT(OUTBOX_WAITING) | OUTBOX_STATE_BIT(OUTBOX_SENDING),
		.newest = true,
		.limit = ITEMS_AT_ONCE,
	};
	enum stand stand = STAND_GO_ON;
	bool is_enough = false;
	struct outbox_item *items;
	size_t count;

	do {
		if (!filter.makes.data || !outbox_list(attempt->delivery->outbox, &filter, attempt->arena, &items,
						       &count, &filter.after, &attempt->outcome))
			return STAND_LATER;
		for (size_t i = 0; i < count && !is_enough; i++)
			stand = look(looking, &items[i], &is_enough);
	} while (filter.after && !is_enough);
	return stand;
}

enum stand attempt_request(struct attempt *attempt, bool works)
{
	const struct delivery_options *options = &attempt->delivery->options;
	const struct looking looking = { attempt->claim->item.seq, true };
	struct outcome working;
	struct delivery_work work = { .south = &attempt->south,
				      .target = attempt->target->name,
				      .head = &attempt->head,
				      .body = attempt->body,
				      .seq = attempt->claim->item.seq,
				      .trail = attempt->trail,
				      .outcome = &working };
	enum delivery_worked worked;

	outcome_init(&working);
	attempt->is_unclear = false; /* of a request nothing is ever sent */
	if (document_look(attempt, attempt->head.request.urn, &looking) != STAND_GO_ON) {
		outcome_add(&attempt->outcome, ERR_BUSY, "",
			    "A change of the document that was decided first is made first.");
		return STAND_LATER;
	}
	attempt->south.deadline = deadline_in(WORK_MS);
	worked = options->work_out(options->work_ctx, &work);
	if (worked == WORK_LATER && work.was_asked)
		return attempt_failed(attempt, &working, false, works);
	attempt->outcome = working;
	if (work.was_asked || work.has_answered)
		attempt->end = DELIVERY_TAKEN;
	switch (worked) {
	case WORK_MADE:
		return attempt_rework(attempt, &work.item);
	case WORK_DONE:
		attempt->answer = work.answer;
		attempt->patient_id = work.patient_id;
		return STAND_DELIVERED;
	case WORK_REFUSED:
		return STAND_REFUSED;
	case WORK_LATER:
		break;
	}
	return STAND_LATER;
}

enum stand attempt_requests_first(struct attempt *attempt, const struct strs *documents)
{
	const struct looking looking = { attempt->claim->item.seq, false };

	for (size_t i = 0; i < documents->count; i++) {
		if (document_look(attempt, documents->items[i], &looking) == STAND_GO_ON)
			continue;
		outcome_add(&attempt->outcome, ERR_BUSY, "",
			    "A request about a document that it builds upon is decided first.");
		return STAND_LATER;
	}
	return STAND_GO_ON;
}

/* Held ones are passed. */
enum stand attempt_is_next(struct attempt *attempt)
{
	struct outbox_filter filter = {
		.patient = publication_line(attempt->metadata.submission_sets[0].patient_id, attempt->arena),
		.target = attempt->target->name,
		.states = OUTBOX_STATE_BIT(OUTBOX_WAITING) | OUTBOX_STATE_BIT(OUTBOX_SENDING),
		.limit = ITEMS_AT_ONCE,
	};
	struct outbox_item *items;
	size_t count;

	do {
		if (!filter.patient.data || !outbox_list(attempt->delivery->outbox, &filter, attempt->arena, &items,
							 &count, &filter.after, &attempt->outcome))
			return STAND_LATER;
		for (size_t i = 0; i < count; i++) {
			if (items[i].is_held)
				continue;
			if (!strcmp(items[i].id, attempt->claim->item.id))
				return STAND_GO_ON;
			outcome_add(&attempt->outcome, ERR_BUSY, "", "What came before it of this patient goes first.");
			return STAND_LATER;
		}
	} while (filter.after);
	return STAND_GO_ON;
}
