#include "gateway/delivery/delivery_state.h"

#include "gateway/run/clock.h"
#include "gateway/run/log.h"

#define COUNTS_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define MS_PER_S         1000
#define LOCKED_MS        10000
#define ALL_REST         100 /* times as long as counting all of them took */
#define ALL_MS_MAX       60000

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

static bool is_target(const struct delivery *delivery, struct str name)
{
	for (size_t i = 0; i < delivery->gate_count; i++) {
		if (str_equal(delivery->gates[i].target.name, name))
			return true;
	}
	return false;
}

/* Told when there are more than before; a dead letter is for a person anyway. */
static void strays_tell(const struct delivery *delivery, const struct outbox_count *counts, size_t count,
			const struct delivery_counts *before, struct delivery_counts *fresh)
{
	struct str target = STR_NONE;

	fresh->strays = 0;
	for (size_t i = 0; i < count; i++) {
		bool waits = counts[i].state == OUTBOX_WAITING || counts[i].state == OUTBOX_SENDING ||
			     counts[i].state == OUTBOX_ANNOUNCED;

		if (!waits || is_target(delivery, counts[i].target))
			continue;
		fresh->strays += counts[i].count;
		target = counts[i].target;
	}
	if (fresh->strays > before->strays)
		LOG(WARN, LOG_DELIVERY, NULL, LOG_TEXT("target", target), LOG_NUMBER("items", fresh->strays),
		    LOG_C("state", "for a back-end that is not configured to take documents: nobody delivers them"));
}

/* Of a state that a later version wrote nobody can say more than that. */
static void counts_add(struct delivery_counts *fresh, const struct outbox_count *counts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct delivery_count *of_state;

		if ((unsigned)counts[i].state >= OUTBOX_STATES)
			continue;
		of_state = &fresh->states[counts[i].state];
		of_state->count += counts[i].count;
		if (!of_state->oldest_ms || counts[i].oldest_ms < of_state->oldest_ms)
			of_state->oldest_ms = counts[i].oldest_ms;
	}
}

/* Each is tried at least so often; said once, and not of each. */
static void locked_tell(const struct delivery *delivery, const struct delivery_counts *before,
			struct delivery_counts *fresh)
{
	uint64_t now_ms = clock_monotonic_ms();
	uint64_t since_ms = 2 * delivery->options.config->publication_retry_seconds_max * MS_PER_S + LOCKED_MS;
	uint8_t key;

	fresh->is_locked = outbox_lacks_key(delivery->outbox, now_ms > since_ms ? now_ms - since_ms : 0, &key);
	if (fresh->is_locked && !before->is_locked)
		LOG(WARN, LOG_DELIVERY, NULL, LOG_NUMBER("key", key),
		    LOG_C("state", "its key is missing in state_keys: what waits under it is put off"));
}

void delivery_counts_read(struct delivery *delivery)
{
	struct arena *arena = arena_new(COUNTS_BYTES_MAX);
	uint64_t now_ms = clock_monotonic_ms();
	const struct delivery_counts before = counts_now(delivery);
	struct delivery_counts fresh = before;
	bool undelivered = fresh.read && now_ms < fresh.all_ms;
	struct outbox_count *counts = NULL;
	struct outcome ignored;
	size_t count = 0;
	bool is_counted;

	outcome_init(&ignored);
	for (size_t i = 0; i < OUTBOX_STATES; i++) {
		if (!undelivered || (i != OUTBOX_DELIVERED && i != OUTBOX_WITHDRAWN))
			fresh.states[i] = (struct delivery_count) { 0 };
	}
	fresh.read = true;
	is_counted = arena && outbox_counts(delivery->outbox, undelivered, arena, &counts, &count, &ignored);
	if (!undelivered)
		fresh.all_ms = all_next_ms(now_ms, clock_monotonic_ms());
	if (is_counted) {
		counts_add(&fresh, counts, count);
		strays_tell(delivery, counts, count, &before, &fresh);
	}
	fresh.answers = is_counted;
	fresh.works = is_counted && outbox_takes(delivery->outbox);
	locked_tell(delivery, &before, &fresh);
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

	for (size_t i = 0; i < OUTBOX_STATES && counts.answers; i++) {
		int64_t age_ms = counts.states[i].oldest_ms ? now_ms - counts.states[i].oldest_ms : 0;
		struct str word = str_from_c(outbox_state_word((enum outbox_state)i));

		MEASURE(measures, METRIC_OUTBOX, counts.states[i].count, tenant, word);
		if (i != OUTBOX_DELIVERED && i != OUTBOX_WITHDRAWN)
			MEASURE(measures, METRIC_OUTBOX_OLDEST, age_ms > 0 ? (uint64_t)age_ms / MS_PER_S : 0, tenant,
				word);
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

	judge(judgement, PART_TOLD, delivery->options.config->tenant, STR("outbox"),
	      delivery_works(delivery) && !counts_now(delivery).is_locked);
}

void delivery_watch_begin(struct delivery *delivery)
{
	delivery->watch = (struct watch) { .ctx = delivery, .measure = delivery_measure, .judge = delivery_judge };
	watch_begin(&delivery->watch);
}
