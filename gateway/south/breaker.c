#include "gateway/south/breaker.h"

#include <pthread.h>

#include "gateway/run/clock.h"
#include "gateway/run/random.h"

#define DOUBLINGS_MAX 16

/* One for all: only failures, probes and what follows an opening take it. */
static pthread_mutex_t turning = PTHREAD_MUTEX_INITIALIZER;

bool breaker_pass(struct breaker *breaker, struct breaker_call *call)
{
	/* In this order: who passes a breaker that is just opening belongs to the time before. */
	*call = (struct breaker_call) { .period = atomic_load(&breaker->period) };
	if (atomic_load(&breaker->probe_at_ms) == 0)
		return true;
	if (!breaker_would_pass(breaker))
		return false;
	pthread_mutex_lock(&turning);
	call->is_probe = breaker_would_pass(breaker) && atomic_load(&breaker->probe_at_ms) != 0;
	call->period = atomic_load(&breaker->period);
	if (call->is_probe)
		atomic_store(&breaker->is_probed, true);

	bool passes = call->is_probe || atomic_load(&breaker->probe_at_ms) == 0;

	pthread_mutex_unlock(&turning);
	return passes;
}

void breaker_insist(struct breaker *breaker, struct breaker_call *call)
{
	pthread_mutex_lock(&turning);
	*call = (struct breaker_call) { .period = atomic_load(&breaker->period),
					.is_probe = atomic_load(&breaker->probe_at_ms) != 0 &&
						    !atomic_load(&breaker->is_probed) };
	if (call->is_probe)
		atomic_store(&breaker->is_probed, true);
	pthread_mutex_unlock(&turning);
}

/* Between three and five quarters of the time that it is the turn of: gateways that saw the same end do not all come
 * back at the same moment. */
static uint64_t open_ms(const struct breaker *breaker, const struct breaker_options *options)
{
	unsigned doublings = breaker->openings < DOUBLINGS_MAX ? breaker->openings : DOUBLINGS_MAX;
	uint64_t time = options->open_ms << doublings;

	if (time > options->open_ms_max)
		time = options->open_ms_max;
	time = time * 3 / 4 + random_below((uint32_t)(time / 2) + 1);
	return time < options->open_ms_max ? time : options->open_ms_max;
}

static enum breaker_change breaker_open(struct breaker *breaker, const struct breaker_options *options)
{
	atomic_fetch_add(&breaker->period, 1);
	atomic_store(&breaker->failures, 0);
	atomic_store(&breaker->probe_at_ms, clock_monotonic_ms() + open_ms(breaker, options));
	breaker->openings++;
	return BREAKER_OPENED;
}

static enum breaker_change breaker_close(struct breaker *breaker)
{
	atomic_fetch_add(&breaker->period, 1);
	breaker->openings = 0;
	atomic_store(&breaker->probe_at_ms, 0);
	return BREAKER_CLOSED;
}

static enum breaker_change probe_end(struct breaker *breaker, const struct breaker_options *options,
				     enum breaker_end end)
{
	atomic_store(&breaker->is_probed, false);
	switch (end) {
	case BREAKER_ANSWERED:
		return breaker_close(breaker);
	case BREAKER_FAILED:
	case BREAKER_GAVE_WAY:
		breaker_open(breaker, options);
		return BREAKER_SAME; /* it has been open all the time */
	case BREAKER_UNSAID:
		break;
	}
	return BREAKER_SAME;
}

enum breaker_change breaker_end(struct breaker *breaker, const struct breaker_options *options,
				const struct breaker_call *call, enum breaker_end end)
{
	enum breaker_change change = BREAKER_SAME;

	if (!call->is_probe && (end == BREAKER_UNSAID || options->failures == 0))
		return BREAKER_SAME;
	if (!call->is_probe && end == BREAKER_ANSWERED && atomic_load(&breaker->failures) == 0)
		return BREAKER_SAME;
	pthread_mutex_lock(&turning);
	if (end == BREAKER_FAILED || end == BREAKER_GAVE_WAY)
		atomic_store(&breaker->failed_ms, clock_monotonic_ms());
	if (call->is_probe)
		change = probe_end(breaker, options, end);
	else if (call->period == atomic_load(&breaker->period) && atomic_load(&breaker->probe_at_ms) == 0) {
		if (end == BREAKER_ANSWERED)
			atomic_store(&breaker->failures, 0);
		else if (end == BREAKER_GAVE_WAY && atomic_load(&breaker->failures) + 1 >= options->failures)
			change = BREAKER_SAME;
		else if (atomic_fetch_add(&breaker->failures, 1) + 1 >= options->failures)
			change = breaker_open(breaker, options);
	}
	pthread_mutex_unlock(&turning);
	return change;
}

enum breaker_state breaker_state(const struct breaker *breaker)
{
	uint64_t probe_at_ms = atomic_load(&breaker->probe_at_ms);

	if (probe_at_ms == 0)
		return BREAKER_IS_CLOSED;
	if (atomic_load(&breaker->is_probed) || clock_monotonic_ms() >= probe_at_ms)
		return BREAKER_IS_HALF_OPEN;
	return BREAKER_IS_OPEN;
}

bool breaker_is_well(const struct breaker *breaker)
{
	return atomic_load(&breaker->probe_at_ms) == 0 && atomic_load(&breaker->failures) == 0;
}

bool breaker_seems_well(const struct breaker *breaker)
{
	return breaker_is_well(breaker) ||
	       (breaker_would_pass(breaker) &&
		clock_monotonic_ms() >= atomic_load(&breaker->failed_ms) + BREAKER_MISSED_MS);
}

bool breaker_would_pass(const struct breaker *breaker)
{
	uint64_t probe_at_ms = atomic_load(&breaker->probe_at_ms);

	return probe_at_ms == 0 || (clock_monotonic_ms() >= probe_at_ms && !atomic_load(&breaker->is_probed));
}
