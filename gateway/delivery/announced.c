/* What was announced, and neither released nor forgotten: who was about to do what it follows from was killed, or has not
 * learnt how that ended. The first back-end, where it was to happen, says whether it has. */
#include "gateway/access/registered.h"
#include "gateway/access/registered_document.h"
#include "gateway/delivery/attempt_read.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/trace.h"

#define ITEM_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define LIST_BYTES_MAX ((size_t)1024 * 1024)
#define PAGE           64 /* items of one target that are listed at once */
#define LOOK_MS        1000
#define EARLY_MS_MAX   5000

enum looked { LOOK_DONE, LOOK_EARLY, LOOK_UNDECIDED };

/* What is under way. */
struct look {
	struct delivery *delivery;
	size_t early;     /* has not happened, and may yet */
	size_t undecided; /* nobody says */
};

/* Older than so many requests may last. A time far ahead is that of a clock that was wrong. */
static bool is_older(const struct delivery *delivery, int64_t accepted_ms, unsigned requests)
{
	int64_t age_ms = clock_wall_ms() - accepted_ms;

	return age_ms > 1000 * (int64_t)(requests * delivery->options.config->limits_request_seconds) ||
	       age_ms < -(int64_t)OUTBOX_DELAY_MAX_MS;
}

/* Who announced it is no more, as far as can be told. It does no harm where they are: what has happened is given on once. */
static bool is_left_behind(const struct delivery *delivery, int64_t accepted_ms)
{
	return accepted_ms < delivery->begun_ms || is_older(delivery, accepted_ms, 1);
}

/* And what they sent before they were killed has been dealt with: what has not happened will not. */
static bool is_over(const struct delivery *delivery, int64_t accepted_ms)
{
	return is_older(delivery, accepted_ms, 2);
}

/* A removal has happened when the document is gone, any other change when its submission set is there. */
static enum submission_found change_find(struct attempt *attempt)
{
	const struct document_entry *present = NULL;
	struct str home = attempt->target->home;
	struct outcome ignored;
	bool has_happened = false;
	bool answered;

	outcome_init(&ignored);
	if (attempt->metadata.document_entry_count != 1)
		return SUBMISSION_OTHER;
	if (attempt->head.change.is_removal) {
		answered = registered_document_by_unique_id(&attempt->south, home,
							    attempt->metadata.document_entries[0].unique_id, &present,
							    &ignored);
		has_happened = !present;
	} else {
		answered = registered_set(&attempt->south, home, attempt->metadata.submission_sets[0].entry_uuid,
					  &has_happened, &ignored);
	}
	if (!answered)
		return SUBMISSION_UNKNOWN;
	return has_happened ? SUBMISSION_SAME : SUBMISSION_ABSENT;
}

static enum submission_found cause_find(struct attempt *attempt)
{
	enum submission_found found;

	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	found = attempt->kind == KIND_CHANGE
			? change_find(attempt)
			: registered_submission(&attempt->south, attempt->target->home, &attempt->metadata);
	if (found == SUBMISSION_UNKNOWN)
		outcome_add(&attempt->outcome, ERR_BACKEND_DOWN, "", "The registry does not answer.");
	else if (found != SUBMISSION_SAME)
		outcome_add(&attempt->outcome, ERR_NOT_FOUND, "", "It was not made where it was to be made first.");
	return found;
}

/* Of what is broken nobody finds out anything: it is for a person, and refused in its turn. */
static bool unreadable_decide(struct attempt *attempt, struct str id)
{
	enum error_code code = attempt->outcome.issues[0].code;
	struct outcome ignored;

	outcome_init(&ignored);
	return code == ERR_NOT_FOUND || ((code == ERR_INTERNAL || code == ERR_DOCUMENT_CORRUPT) &&
					 outbox_release(attempt->delivery->outbox, id, &ignored));
}

/* UNDECIDED when the back-end does not say, or something is in the way here: then later. */
static enum looked item_decide(struct attempt *attempt, const char *request_id, const char *traceparent)
{
	static const char *const words[] = { [SUBMISSION_SAME] = "announced, has happened",
					     [SUBMISSION_OTHER] = "announced, has not happened",
					     [SUBMISSION_ABSENT] = "announced, has not happened",
					     [SUBMISSION_UNKNOWN] = "announced, nobody says" };
	const struct outbox_item *item = &attempt->claim->item;
	struct str id = str_from_c(item->id);
	struct outbox *outbox = attempt->delivery->outbox;
	enum submission_found found;
	struct outcome ignored;
	bool ok;

	outcome_init(&ignored);
	if (!attempt_read(attempt))
		return unreadable_decide(attempt, id) ? LOOK_DONE : LOOK_UNDECIDED;
	if (!publication_kind_facts(attempt->kind)->has_metadata || !attempt_begin(attempt, request_id, traceparent))
		return LOOK_UNDECIDED;
	found = cause_find(attempt);
	LOG(INFO, LOG_DELIVERY, request_id, LOG_C("item", item->id), LOG_C("state", words[found]));
	if (!audit_commit(attempt->trail, &attempt->outcome, &ignored) || found == SUBMISSION_UNKNOWN)
		return LOOK_UNDECIDED;
	if (found != SUBMISSION_SAME && !is_over(attempt->delivery, item->accepted_ms))
		return LOOK_EARLY;
	ok = found == SUBMISSION_SAME ? outbox_release(outbox, id, &ignored) : outbox_forget(outbox, id, &ignored);
	return ok ? LOOK_DONE : LOOK_UNDECIDED;
}

/* The first back-end of the configuration: publications go there, and nobody else can say. NULL: it takes none now. */
static const struct delivery_target *origin(const struct delivery *delivery)
{
	const struct config *config = delivery->options.config;

	return delivery->gate_count > 0 && config->back_ends.count > 0 &&
			       str_equal(delivery->gates[0].target.name, config->back_ends.items[0].name)
		       ? &delivery->gates[0].target
		       : NULL;
}

static enum looked item_look(struct delivery *delivery, const struct outbox_item *item)
{
	const struct outbox_claim claim = { .item = *item };
	struct arena *arena = arena_new(ITEM_BYTES_MAX);
	struct attempt *attempt = arena ? arena_alloc(arena, sizeof(*attempt)) : NULL;
	char traceparent[TRACEPARENT_SIZE];
	enum looked looked = LOOK_UNDECIDED;
	struct trace trace;

	trace_from_header(STR_NONE, &trace);
	trace_to_header(&trace, traceparent);
	if (attempt) {
		*attempt = (struct attempt) { .delivery = delivery,
					      .target = origin(delivery),
					      .claim = &claim,
					      .arena = arena,
					      .end = DELIVERY_UNTRIED };
		outcome_init(&attempt->outcome);
		looked = item_decide(attempt, trace.span_id, traceparent);
	}
	arena_free(arena);
	return looked;
}

/* Whether there is any use in asking: not while the gateway ends, or the back-end answers nobody. */
static bool goes_on(struct delivery *delivery)
{
	const struct backend *backend = origin(delivery)->backend;

	return !delivery_is_stopping(delivery) && backend_would_ask(backend, backend->registry_url);
}

/* One that cannot be decided keeps none of the others. */
static bool page_look(struct look *look, struct outbox_filter *filter)
{
	struct delivery *delivery = look->delivery;
	struct arena *arena = arena_new(LIST_BYTES_MAX);
	struct outbox_item *items;
	struct outcome ignored;
	size_t count = 0;
	bool ok;

	outcome_init(&ignored);
	ok = arena && outbox_list(delivery->outbox, filter, arena, &items, &count, &filter->after, &ignored);
	for (size_t i = 0; ok && i < count; i++) {
		enum looked looked = LOOK_DONE;

		if (is_left_behind(delivery, items[i].accepted_ms))
			looked = item_look(delivery, &items[i]);
		look->early += looked == LOOK_EARLY;
		look->undecided += looked == LOOK_UNDECIDED;
		ok = looked == LOOK_DONE || goes_on(delivery);
	}
	arena_free(arena);
	return ok && goes_on(delivery);
}

static bool target_look(struct look *look, struct str target)
{
	struct outbox_filter filter = { .target = target, .states = OUTBOX_STATE_BIT(OUTBOX_ANNOUNCED), .limit = PAGE };
	bool ok;

	do
		ok = page_look(look, &filter);
	while (ok && filter.after);
	return ok;
}

/* By what the outbox holds, and not by who is configured: it may be for a back-end that is not any more. */
static bool all_look(struct look *look)
{
	struct delivery *delivery = look->delivery;
	struct arena *arena = arena_new(LIST_BYTES_MAX);
	struct outbox_count *counts;
	struct outcome ignored;
	size_t count = 0;
	bool ok;

	outcome_init(&ignored);
	ok = arena && origin(delivery) && outbox_counts(delivery->outbox, true, arena, &counts, &count, &ignored);
	for (size_t i = 0; ok && i < count; i++)
		ok = counts[i].state != OUTBOX_ANNOUNCED || target_look(look, counts[i].target);
	arena_free(arena);
	return ok;
}

static void run(struct worker_job *job, bool expired)
{
	struct delivery *delivery = (struct delivery *)(void *)((char *)job - offsetof(struct delivery, announced));
	struct look look = { .delivery = delivery };
	bool ok = !expired && all_look(&look) && look.undecided == 0;
	uint64_t wait_ms = LOOK_MS;

	pthread_mutex_lock(&delivery->lock);
	delivery->announced_left = ok && look.early == 0 ? 0 : delivery->announced_left + 1;
	if (delivery->announced_left > 0)
		wait_ms += delivery_backoff_ms(delivery->options.config, delivery->announced_left);
	/* What is early may happen, or be over, at any moment. */
	if (ok && wait_ms > EARLY_MS_MAX)
		wait_ms = EARLY_MS_MAX;
	delivery->announced_at_work = false;
	delivery->announced_next_ms = clock_monotonic_ms() + wait_ms;
	pthread_mutex_unlock(&delivery->lock);
}

void delivery_announced_look(struct delivery *delivery)
{
	const struct delivery_count *count = &delivery->counts.states[OUTBOX_ANNOUNCED];
	bool begins;

	pthread_mutex_lock(&delivery->lock);
	begins = !delivery->stopping && !delivery->announced_at_work && count->count > 0 &&
		 is_left_behind(delivery, count->oldest_ms) && clock_monotonic_ms() >= delivery->announced_next_ms;
	if (begins)
		delivery->announced_at_work = true;
	pthread_mutex_unlock(&delivery->lock);
	if (!begins)
		return;
	delivery->announced = (struct worker_job) { .run = run, .deadline = deadline_in(ATTEMPT_ASK_MS) };
	if (!worker_submit(delivery->pool, &delivery->announced))
		run(&delivery->announced, true);
}
