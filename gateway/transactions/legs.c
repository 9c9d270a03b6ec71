#include "gateway/transactions/legs.h"

#include "gateway/transactions/elsewhere.h"

/* What is left of the request's time when its legs must have ended: for joining them and answering. */
#define JOIN_TIME_MS 1000

/* Of the memory of a leg, what its answers leave to what is done with them: a fifth. */
#define LEG_BYTES(request_bytes) ((request_bytes) + (request_bytes) / 4)

static bool is_one(const struct legs *legs)
{
	return legs->t->gateway->source_count == 1;
}

static void arena_release(void *arena)
{
	arena_free(arena);
}

/* A transaction of its own at this source. What it holds lives as long as the request. */
static bool leg_open(struct legs *legs, struct source *source, struct leg *leg)
{
	const struct transaction *t = legs->t;
	struct arena *arena;

	*leg = (struct leg) { .t = *t, .wanted = true, .legs = legs };
	if (is_one(legs))
		return true;
	arena = arena_new(LEG_BYTES(t->gateway->config->limits_request_memory));
	if (!arena || !arena_defer(t->south.arena, arena_release, arena))
		return no_memory(t);
	outcome_init(&leg->outcome);
	leg->t.legs = legs;
	leg->left_ms = t->gateway->config->federation_deadline_ms;
	leg->t.source = source;
	leg->t.south.backend = &source->backend;
	leg->t.south.gives_way = true;
	leg->t.south.arena = arena;
	leg->t.audit = audit_part(t->audit, arena);
	leg->t.south.recorder = audit_recorder(leg->t.audit);
	leg->t.visit = visit_part(t->visit, &leg->t.south, source->community);
	return leg->t.visit || no_memory(t);
}

bool legs_open(const struct transaction *t, struct legs *legs)
{
	*legs = (struct legs) { .t = t,
				.items = arena_array(t->south.arena, t->gateway->source_count, sizeof(*legs->items)) };
	if (!legs->items)
		return no_memory(t);
	for (size_t i = 0; i < t->gateway->source_count; i++) {
		if (!leg_open(legs, &t->gateway->sources[i], &legs->items[i]))
			return false;
		legs->count++;
	}
	return true;
}

static uint8_t number_of(const struct leg *leg)
{
	return (uint8_t)leg->t.source->config->source;
}

void legs_resume(struct legs *legs, const struct search_sources *sources)
{
	for (size_t i = 0; i < legs->count; i++) {
		struct leg *leg = &legs->items[i];
		bool wanted = false;

		for (size_t k = 0; k < sources->count; k++)
			wanted = wanted || sources->numbers[k] == number_of(leg);
		if (leg->wanted && !wanted) {
			legs->is_incomplete = true;
			outcome_warn(legs->t->outcome, ERR_INCOMPLETE, "",
				     "What %.*s has is missing here: it did not answer on an earlier page. "
				     "Search anew to ask it again.",
				     STR_ARG(leg->t.source->backend.name));
		}
		leg->wanted = leg->wanted && wanted;
	}
}

struct search_sources legs_sources(const struct legs *legs)
{
	struct search_sources sources = { 0 };

	for (size_t i = 0; i < legs->count && sources.count < SEARCH_SOURCES_MAX; i++) {
		if (legs->items[i].answered)
			sources.numbers[sources.count++] = number_of(&legs->items[i]);
	}
	return sources;
}

/* A source whose answers take all memory is missing like one that does not answer, and takes nobody along. Nor does one that
 * has used up its time: the others have theirs. */
static bool leg_read(struct leg *leg)
{
	struct legs *legs = leg->legs;
	bool ok = legs->read(leg, legs->ctx);

	leg->left_ms = deadline_left_ms(leg->t.south.deadline);
	return ok && (arena_used(leg->t.south.arena) <= legs->t->gateway->config->limits_request_memory ||
		      outcome_add(leg->t.outcome, ERR_TOO_COSTLY, "",
				  "Narrow the search: its answer takes too much memory."));
}

static void leg_run(struct worker_job *job, bool expired)
{
	struct leg *leg = (struct leg *)(void *)((char *)job - offsetof(struct leg, job));
	struct legs *legs = leg->legs;

	leg->answered = expired ? outcome_add(leg->t.outcome, ERR_BACKEND_TIMEOUT, "",
					      "There was no time left to ask it; try again later.")
				: leg_read(leg);
	pthread_mutex_lock(&legs->lock);
	legs->running--;
	pthread_cond_signal(&legs->ended);
	pthread_mutex_unlock(&legs->lock);
}

/* A leg ends before its request does, so that joining it needs no abandoning. */
static struct deadline run_deadline(const struct transaction *t)
{
	uint64_t left_ms = deadline_left_ms(t->south.deadline);

	return deadline_in(left_ms > 2 * JOIN_TIME_MS ? left_ms - JOIN_TIME_MS : left_ms / 2);
}

static void leg_start(struct legs *legs, struct leg *leg)
{
	leg->job = (struct worker_job) { .run = leg_run, .deadline = leg->t.south.deadline };
	pthread_mutex_lock(&legs->lock);
	legs->running++;
	pthread_mutex_unlock(&legs->lock);
	if (worker_submit(legs->t->gateway->legs, &leg->job))
		return;
	leg->answered = outcome_add(leg->t.outcome, ERR_BUSY, "",
				    "This gateway asks as much at once as it can; try again later.");
	pthread_mutex_lock(&legs->lock);
	legs->running--;
	pthread_mutex_unlock(&legs->lock);
}

/* The leg, and whatever it asks about its patients and their consents. */
static void leg_until(struct leg *leg, struct deadline deadline)
{
	leg->t.south.deadline = deadline;
	visit_until(leg->t.visit, deadline);
}

static void legs_walk(struct legs *legs)
{
	struct deadline deadline = run_deadline(legs->t);
	struct leg *own = NULL;

	pthread_mutex_init(&legs->lock, NULL);
	pthread_cond_init(&legs->ended, NULL);
	for (size_t i = 0; i < legs->count; i++) {
		struct leg *leg = &legs->items[i];

		if (!leg->wanted)
			continue;
		leg_until(leg, deadline_part(deadline, leg->left_ms));
		leg->t.outcome = &leg->outcome;
		leg->answers = NULL;
		leg->answer_count = 0;
		if (own)
			leg_start(legs, leg);
		else
			own = leg;
	}
	if (own)
		own->answered = leg_read(own);
	pthread_mutex_lock(&legs->lock);
	while (legs->running > 0)
		pthread_cond_wait(&legs->ended, &legs->lock);
	pthread_mutex_unlock(&legs->lock);
	for (size_t i = 0; i < legs->count; i++)
		leg_until(&legs->items[i], legs->t->south.deadline);
	pthread_cond_destroy(&legs->ended);
	pthread_mutex_destroy(&legs->lock);
}

/* Its own trouble, or that it answers too much; a leg has memory of its own. */
static bool leg_may_be_missing(const struct leg *leg)
{
	for (size_t i = 0; i < leg->outcome.count; i++) {
		const struct issue *issue = &leg->outcome.issues[i];

		if (issue->severity == SEVERITY_ERROR && !issue_is_of_source(issue) && issue->code != ERR_NO_MEMORY &&
		    issue->code != ERR_TOO_COSTLY)
			return false;
	}
	return true;
}

static void leg_is_missing(struct legs *legs, struct leg *leg)
{
	const char *why = "";

	for (size_t i = 0; !why[0] && i < leg->outcome.count; i++) {
		if (leg->outcome.issues[i].severity == SEVERITY_ERROR)
			why = leg->outcome.issues[i].text;
	}
	outcome_warn(legs->t->outcome, ERR_INCOMPLETE, "", "What %.*s has is missing here. %s",
		     STR_ARG(leg->t.source->backend.name), why);
	legs->is_incomplete = true;
	leg->wanted = false;
}

static bool has_too_much(const struct leg *leg)
{
	for (size_t i = 0; i < leg->outcome.count; i++) {
		if (leg->outcome.issues[i].code == ERR_TOO_COSTLY)
			return true;
	}
	return false;
}

/* Back to what it is between runs. */
static void leg_rest(const struct legs *legs, struct leg *leg)
{
	leg->mute = leg->mute || (!leg->answered && !has_too_much(leg));
	outcome_init(&leg->outcome);
	leg->t.outcome = legs->t->outcome;
}

static bool legs_join(struct legs *legs)
{
	size_t asked_count = 0;
	size_t answered_count = 0;
	bool ok = true;

	for (size_t i = 0; i < legs->count; i++) {
		const struct leg *leg = &legs->items[i];

		asked_count += leg->wanted;
		answered_count += leg->wanted && leg->answered;
		ok = ok && (!leg->wanted || leg->answered || leg_may_be_missing(leg));
	}
	ok = ok && (answered_count > 0 || asked_count == 0);
	for (size_t i = 0; i < legs->count; i++) {
		struct leg *leg = &legs->items[i];

		if (!leg->wanted)
			continue;
		for (size_t k = 0; leg->answered && k < leg->answer_count; k++)
			visible_everywhere(leg->t.visit, &leg->answers[k]);
		if (leg->answered || !ok)
			issues_take(legs->t->outcome, &leg->outcome, leg->t.source);
		else
			leg_is_missing(legs, leg);
		leg_rest(legs, leg);
	}
	return ok;
}

bool legs_run(struct legs *legs, bool (*read)(struct leg *leg, const void *ctx), const void *ctx)
{
	legs->read = read;
	legs->ctx = ctx;
	if (is_one(legs)) {
		struct leg *only = legs->items;

		only->answered = !only->wanted || read(only, ctx);
		return only->answered;
	}
	legs_walk(legs);
	return legs_join(legs);
}

bool legs_are_late(const struct legs *legs)
{
	return deadline_left_ms(legs->t->south.deadline) < 2 * (uint64_t)JOIN_TIME_MS;
}
