#include "gateway/delivery/delivery_state.h"

#include "gateway/run/clock.h"

#define COUNTS_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define MS_PER_S         1000
#define ALL_REST         100 /* times as long as counting all of them took */
#define ALL_MS_MAX       60000

static const struct str state_names[OUTBOX_STATES] = { STR_INIT("waiting"),   STR_INIT("sending"),
						       STR_INIT("delivered"), STR_INIT("refused"),
						       STR_INIT("withdrawn"), STR_INIT("announced") };

static struct delivery_counts counts_now(struct delivery *delivery)
{
	struct delivery_counts counts;

	pthread_mutex_lock(&delivery->lock);
	counts = delivery->counts;
	pthread_mutex_unlock(&delivery->lock);
	return counts;
}

/* How many were settled is known a minute late at most. */
static uint64_t all_next_ms(uint64_t began_ms, uint64_t ended_ms)
{
	uint64_t rest_ms = (ended_ms - began_ms) * ALL_REST;

	return ended_ms + (rest_ms < ALL_MS_MAX ? rest_ms : ALL_MS_MAX);
}

void delivery_counts_read(struct delivery *delivery)
{
	struct arena *arena = arena_new(COUNTS_BYTES_MAX);
	uint64_t now_ms = clock_monotonic_ms();
	struct delivery_counts fresh = counts_now(delivery);
	bool undelivered = fresh.read && now_ms < fresh.all_ms;
	struct outbox_count *counts = NULL;
	struct outcome ignored;
	size_t count = 0;

	outcome_init(&ignored);
	for (size_t i = 0; i < OUTBOX_STATES; i++) {
		if (!undelivered || (i != OUTBOX_DELIVERED && i != OUTBOX_WITHDRAWN))
			fresh.states[i] = (struct delivery_count) { 0 };
	}
	fresh.read = true;
	fresh.works = arena && outbox_counts(delivery->outbox, undelivered, arena, &counts, &count, &ignored);
	if (!undelivered)
		fresh.all_ms = all_next_ms(now_ms, clock_monotonic_ms());
	for (size_t i = 0; fresh.works && i < count; i++) {
		struct delivery_count *of_state = &fresh.states[counts[i].state];

		of_state->count += counts[i].count;
		if (!of_state->oldest_ms || counts[i].oldest_ms < of_state->oldest_ms)
			of_state->oldest_ms = counts[i].oldest_ms;
	}
	arena_free(arena);
	pthread_mutex_lock(&delivery->lock);
	delivery->counts = fresh;
	pthread_mutex_unlock(&delivery->lock);
}

static void delivery_measure(void *ctx, struct measures *measures)
{
	struct delivery *delivery = ctx;
	struct delivery_counts counts = counts_now(delivery);
	struct str tenant = delivery->options.config->tenant;
	int64_t now_ms = clock_wall_ms();

	for (size_t i = 0; i < OUTBOX_STATES && counts.works; i++) {
		int64_t age_ms = counts.states[i].oldest_ms ? now_ms - counts.states[i].oldest_ms : 0;

		MEASURE(measures, METRIC_OUTBOX, counts.states[i].count, tenant, state_names[i]);
		if (i == OUTBOX_WAITING || i == OUTBOX_SENDING || i == OUTBOX_REFUSED)
			MEASURE(measures, METRIC_OUTBOX_OLDEST, age_ms > 0 ? (uint64_t)age_ms / MS_PER_S : 0, tenant,
				state_names[i]);
	}
}

bool delivery_works(struct delivery *delivery)
{
	struct delivery_counts counts = counts_now(delivery);

	return counts.works || !counts.read;
}

/* Without it documents are read all the same. */
static void delivery_judge(void *ctx, struct judgement *judgement)
{
	struct delivery *delivery = ctx;

	judge(judgement, PART_TOLD, delivery->options.config->tenant, STR("outbox"), delivery_works(delivery));
}

void delivery_watch_begin(struct delivery *delivery)
{
	delivery->watch = (struct watch) { .ctx = delivery, .measure = delivery_measure, .judge = delivery_judge };
	watch_begin(&delivery->watch);
}
