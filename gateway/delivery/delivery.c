#include "gateway/delivery/delivery.h"

#include <stdlib.h>

#include "gateway/delivery/delivery_state.h"
#include "gateway/delivery/share.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "gateway/run/thread.h"
#include "gateway/state/outbox_manage.h"

#define JOB_BYTES_MAX   ((size_t)256 * 1024 * 1024)
#define COUNT_BYTES_MAX ((size_t)1024 * 1024)
#define LOOK_MS_MAX     1000 /* what other gateways put rings no bell here */
#define LEASE_PARTS     3    /* a lease begins anew when this part of it is over */
#define PURGE_MS        60000
#define COUNT_MS        1000
#define BACKOFF_MS      250
#define BACKOFF_DOUBLES 12
#define LATELY_FACTOR   2 /* of the greatest wait: since then a back-end that works has been seen to */

uint64_t delivery_backoff_ms(const struct config *config, unsigned attempts)
{
	uint64_t most = config->publication_retry_seconds_max * 1000;
	uint64_t wait = (uint64_t)BACKOFF_MS << (attempts < BACKOFF_DOUBLES ? attempts : BACKOFF_DOUBLES);

	if (wait > most)
		wait = most;
	return wait / 2 + random_below((uint32_t)(wait / 2 + 1));
}

struct outbox *delivery_outbox(const struct delivery *delivery)
{
	return delivery->outbox;
}

static struct delivery_gate *gate_find(const struct delivery *delivery, struct str target)
{
	for (size_t i = 0; i < delivery->gate_count; i++) {
		if (str_equal(delivery->gates[i].target.name, target))
			return &delivery->gates[i];
	}
	return NULL;
}

bool delivery_target_is_away(const struct delivery *delivery, struct str target)
{
	struct delivery *shared = (struct delivery *)delivery;
	const struct delivery_gate *gate = gate_find(delivery, target);
	bool is_away;

	pthread_mutex_lock(&shared->lock);
	is_away = gate && gate->failures > 0;
	pthread_mutex_unlock(&shared->lock);
	return is_away;
}

/* May one more item go to this back-end now? *wait_ms: when to look again. Under the lock. */
static bool gate_is_open(const struct delivery_gate *gate, uint64_t now_ms, uint64_t *wait_ms)
{
	if (gate->in_flight >= (gate->failures ? 1 : DELIVERIES_MAX) || now_ms < gate->rests_until_ms)
		return false;
	if (gate->failures == 0 || now_ms >= gate->next_ms)
		return true;
	if (gate->next_ms - now_ms < *wait_ms)
		*wait_ms = gate->next_ms - now_ms;
	return false;
}

/* Under the lock. While it is away, items are tried half as often as each of them alone would be. */
static void gate_learn(struct delivery *delivery, struct delivery_gate *gate, enum delivery_end end)
{
	uint64_t now_ms = clock_monotonic_ms();

	switch (end) {
	case DELIVERY_TAKEN:
		gate->failures = 0;
		gate->succeeded_ms = now_ms;
		break;
	case DELIVERY_AWAY:
		gate->failures++;
		gate->next_ms = now_ms + delivery_backoff_ms(delivery->options.config, gate->failures) / 2;
		break;
	case DELIVERY_UNTRIED:
		break;
	}
}

static void job_remove(struct delivery *delivery, const struct delivery_job *job)
{
	struct delivery_job **link = &delivery->jobs;

	while (*link && *link != job)
		link = &(*link)->next;
	if (*link)
		*link = job->next;
}

static void job_run(struct worker_job *base, bool expired)
{
	struct delivery_job *job = (struct delivery_job *)(void *)((char *)base - offsetof(struct delivery_job, job));
	struct delivery *delivery = job->delivery;
	uint64_t lately = clock_monotonic_ms();
	enum delivery_end end = DELIVERY_UNTRIED;
	struct outcome ignored;
	struct arena *arena = job->arena; /* which the job is in */
	bool works;

	outcome_init(&ignored);
	pthread_mutex_lock(&delivery->lock);
	lately -= job->gate->succeeded_ms;
	works = job->gate->succeeded_ms &&
		lately < LATELY_FACTOR * 1000 * delivery->options.config->publication_retry_seconds_max;
	expired = expired || delivery->stopping;
	pthread_mutex_unlock(&delivery->lock);
	if (!expired)
		end = delivery_attempt(delivery, job, works);
	else if (outbox_give_back(delivery->outbox, &job->claim, &ignored) == OUTBOX_DONE_FAILED)
		LOG(WARN, LOG_DELIVERY, job->claim.item.id, LOG_C("state", "not given back; its lease will run out"));
	pthread_mutex_lock(&delivery->lock);
	job_remove(delivery, job);
	job->gate->in_flight--;
	gate_learn(delivery, job->gate, end);
	pthread_mutex_unlock(&delivery->lock);
	arena_free(arena);
	outbox_wake(delivery->outbox);
}

/* The outbox itself is away: nobody who rings makes that any better. */
static void gate_rest(struct delivery *delivery, struct delivery_gate *gate)
{
	pthread_mutex_lock(&delivery->lock);
	gate->rests_until_ms = clock_monotonic_ms() + LOOK_MS_MAX;
	pthread_mutex_unlock(&delivery->lock);
}

/* Nothing waits, so nobody will try whether the back-end is there again. */
static void gate_forget(struct delivery *delivery, struct delivery_gate *gate)
{
	pthread_mutex_lock(&delivery->lock);
	if (gate->in_flight == 0)
		gate->failures = 0;
	pthread_mutex_unlock(&delivery->lock);
}

/* Claims one item and hands it to a thread. False: nothing more to do for this target now. */
static bool job_begin(struct delivery *delivery, struct delivery_gate *gate, uint64_t *wait_ms)
{
	struct arena *arena = arena_new(JOB_BYTES_MAX);
	struct delivery_job *job = arena ? arena_alloc(arena, sizeof(*job)) : NULL;
	uint64_t due_ms = LOOK_MS_MAX;
	enum outbox_claimed claimed = OUTBOX_CLAIM_FAILED;
	struct outcome outcome;

	outcome_init(&outcome);
	if (job)
		claimed = outbox_claim(delivery->outbox, gate->target.name, arena, &job->claim, &due_ms, &outcome);
	if (claimed != OUTBOX_CLAIMED) {
		if (claimed == OUTBOX_CLAIM_FAILED) {
			due_ms = LOOK_MS_MAX;
			gate_rest(delivery, gate);
			LOG(WARN, LOG_DELIVERY, NULL, LOG_TEXT("target", gate->target.name),
			    LOG_C("outbox", outcome.count ? outcome.issues[0].text : "no memory"));
		}
		/* Others may have delivered it all: whether the back-end is back, the next who asks it finds out. */
		if (claimed == OUTBOX_NOTHING && due_ms == OUTBOX_DELAY_MAX_MS)
			gate_forget(delivery, gate);
		if (due_ms < *wait_ms)
			*wait_ms = due_ms;
		arena_free(arena);
		return false;
	}
	job->job.run = job_run;
	job->job.deadline = deadline_in(job->claim.lease_ms);
	job->delivery = delivery;
	job->gate = gate;
	job->arena = arena;
	job->extended_ms = clock_monotonic_ms();
	pthread_mutex_lock(&delivery->lock);
	gate->in_flight++;
	job->next = delivery->jobs;
	delivery->jobs = job;
	pthread_mutex_unlock(&delivery->lock);
	if (!worker_submit(delivery->pool, &job->job))
		job_run(&job->job, true);
	return true;
}

static bool gate_try(struct delivery *delivery, struct delivery_gate *gate, uint64_t *wait_ms)
{
	bool is_open;

	pthread_mutex_lock(&delivery->lock);
	is_open = !delivery->stopping && gate_is_open(gate, clock_monotonic_ms(), wait_ms);
	pthread_mutex_unlock(&delivery->lock);
	return is_open && job_begin(delivery, gate, wait_ms);
}

/* A copy of the claim of a job whose lease must begin anew by now_ms: the job itself may end at any time. */
static bool lease_next(struct delivery *delivery, uint64_t now_ms, struct outbox_claim *claim)
{
	struct delivery_job *job;

	pthread_mutex_lock(&delivery->lock);
	job = delivery->jobs;
	while (job && job->extended_ms + job->claim.lease_ms / LEASE_PARTS > now_ms)
		job = job->next;
	if (job) {
		job->extended_ms = clock_monotonic_ms();
		*claim = (struct outbox_claim) { .fence = job->claim.fence };
		memcpy(claim->item.id, job->claim.item.id, sizeof claim->item.id);
	}
	pthread_mutex_unlock(&delivery->lock);
	return job != NULL;
}

static bool is_under_way(struct delivery *delivery, const struct outbox_claim *claim)
{
	const struct delivery_job *job;

	pthread_mutex_lock(&delivery->lock);
	job = delivery->jobs;
	while (job && (job->claim.fence != claim->fence || strcmp(job->claim.item.id, claim->item.id) != 0))
		job = job->next;
	pthread_mutex_unlock(&delivery->lock);
	return job != NULL;
}

/* Who is sent for long keeps its lease. One whose lease is lost is told when it settles. The store may take its time:
 * nobody else waits for it. */
static void leases_extend(struct delivery *delivery)
{
	uint64_t now_ms = clock_monotonic_ms();
	struct outbox_claim claim;
	struct outcome ignored;

	outcome_init(&ignored);
	while (lease_next(delivery, now_ms, &claim)) {
		if (outbox_extend(delivery->outbox, &claim, false, &ignored) == OUTBOX_STALE &&
		    is_under_way(delivery, &claim))
			LOG(WARN, LOG_DELIVERY, claim.item.id, LOG_C("state", "its lease is lost"));
	}
}

bool delivery_is_stopping(struct delivery *delivery)
{
	bool stopping;

	pthread_mutex_lock(&delivery->lock);
	stopping = delivery->stopping;
	pthread_mutex_unlock(&delivery->lock);
	return stopping;
}

/* How often: short leases are looked at in time. */
static uint64_t looks_ms(const struct delivery *delivery)
{
	uint64_t third_ms = delivery->options.config->outbox_lease_seconds * 1000 / LEASE_PARTS;

	return third_ms < LOOK_MS_MAX ? third_ms : LOOK_MS_MAX;
}

static void *look(void *ctx)
{
	struct delivery *delivery = ctx;
	uint64_t purged_ms = clock_monotonic_ms();
	uint64_t counted_ms = 0;
	uint64_t seen = 0;

	while (!delivery_is_stopping(delivery)) {
		uint64_t wait_ms = looks_ms(delivery);

		outbox_wait(delivery->outbox, &seen, 0);
		for (size_t i = 0; i < delivery->gate_count; i++) {
			while (gate_try(delivery, &delivery->gates[i], &wait_ms))
				continue;
		}
		leases_extend(delivery);
		if (clock_monotonic_ms() - counted_ms > COUNT_MS) {
			counted_ms = clock_monotonic_ms();
			delivery_counts_read(delivery);
			delivery_announced_look(delivery);
		}
		if (clock_monotonic_ms() - purged_ms > PURGE_MS) {
			struct outcome ignored;
			bool more;

			outcome_init(&ignored);
			if (!outbox_purge(delivery->outbox, &more, &ignored) || !more)
				purged_ms = clock_monotonic_ms();
		}
		if (!delivery_is_stopping(delivery))
			outbox_wait(delivery->outbox, &seen, wait_ms);
	}
	return NULL;
}

static bool out_of_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

static bool outbox_begin(struct delivery *delivery, struct outcome *outcome)
{
	const struct config *config = delivery->options.config;

	if (!outbox_open(config, config->tenant, config->state_directory, OUTBOX_OWNER, &delivery->outbox, outcome))
		return false;
	return delivery->outbox || outcome_add(outcome, ERR_INTERNAL, "state_directory",
					       "Give it: what is accepted must be kept somewhere.");
}

static bool pool_make(struct delivery *delivery, struct outcome *outcome)
{
	/* One more looks after what was announced. */
	const struct worker_options options = { .threads_max = DELIVERIES_MAX * delivery->gate_count + 1,
						.queue_max = DELIVERIES_MAX * delivery->gate_count + 1 };

	delivery->pool = worker_pool_new(&options);
	return delivery->pool || out_of_memory(outcome);
}

bool delivery_begin(struct delivery *delivery, struct outcome *outcome)
{
	if (!delivery)
		return true;
	delivery->has_begun = thread_start(&delivery->thread, look, delivery);
	return delivery->has_begun || out_of_memory(outcome);
}

static bool undelivered(struct outbox *outbox, uint64_t *total, struct outcome *outcome)
{
	struct arena *arena = arena_new(COUNT_BYTES_MAX);
	struct outbox_count *counts;
	size_t count = 0;
	bool ok = (arena || out_of_memory(outcome)) && outbox_counts(outbox, true, arena, &counts, &count, outcome);

	*total = 0;
	for (size_t i = 0; ok && i < count; i++)
		*total += counts[i].count;
	arena_free(arena);
	return ok;
}

void delivery_admit(struct delivery *delivery, bool admits)
{
	if (delivery)
		outbox_admit(delivery->outbox, admits);
}

bool delivery_is_wanted(const struct config *config)
{
	return config->publication_degraded == CONFIG_DEGRADED_ACCEPT || config->publication_share.count > 0;
}

bool delivery_undelivered(const struct delivery *delivery, uint64_t *count, struct outcome *outcome)
{
	*count = 0;
	return !delivery || undelivered(delivery->outbox, count, outcome);
}

/* What was accepted under other settings is delivered all the same. False when that cannot be found out; a store that is
 * only away is asked again by who delivers. */
static bool waits_from_before(const struct config *config, bool *waits, struct outcome *outcome)
{
	struct outcome looking;
	struct outbox *outbox;
	uint64_t count;

	*waits = false;
	outcome_init(&looking);
	if (!outbox_open(config, config->tenant, config->state_directory, OUTBOX_VISITOR, &outbox, outcome))
		return false;
	if (outbox)
		*waits = !undelivered(outbox, &count, &looking) || count > 0;
	outbox_close(outbox);
	return true;
}

/* Where nothing is accepted any more documents are read all the same. */
static bool has_work(const struct config *config, bool *is_lost)
{
	struct outcome looking;
	bool has = true;

	*is_lost = false;
	if (delivery_is_wanted(config))
		return true;
	outcome_init(&looking);
	*is_lost = !waits_from_before(config, &has, &looking);
	if (*is_lost)
		LOG(ERROR, LOG_DELIVERY, NULL, LOG_C("outbox", looking.count ? looking.issues[0].text : "no memory"),
		    LOG_C("state", "cannot be opened: what may wait from before is not delivered"));
	return has;
}

bool delivery_open(const struct delivery_options *options, struct delivery **delivery, bool *is_lost,
		   struct outcome *outcome)
{
	struct delivery *opened;

	*delivery = NULL;
	if (!has_work(options->config, is_lost))
		return true;
	if (!share_check(options->config, outcome))
		return false;
	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return out_of_memory(outcome);
	opened->options = *options;
	opened->begun_ms = clock_wall_ms();
	opened->gates = calloc(options->target_count, sizeof(*opened->gates));
	opened->gate_count = opened->gates ? options->target_count : 0;
	pthread_mutex_init(&opened->lock, NULL);
	for (size_t i = 0; i < opened->gate_count; i++)
		opened->gates[i].target = options->targets[i];
	if ((opened->gates || out_of_memory(outcome)) && outbox_begin(opened, outcome) && pool_make(opened, outcome)) {
		delivery_watch_begin(opened);
		*delivery = opened;
		return true;
	}
	outbox_close(opened->outbox);
	free(opened->gates);
	free(opened);
	return false;
}

void delivery_close(struct delivery *delivery)
{
	if (!delivery)
		return;
	watch_end(&delivery->watch);
	pthread_mutex_lock(&delivery->lock);
	delivery->stopping = true;
	pthread_mutex_unlock(&delivery->lock);
	outbox_wake(delivery->outbox);
	if (delivery->has_begun)
		pthread_join(delivery->thread, NULL);
	worker_pool_free(delivery->pool);
	outbox_close(delivery->outbox);
	pthread_mutex_destroy(&delivery->lock);
	free(delivery->gates);
	free(delivery);
}
