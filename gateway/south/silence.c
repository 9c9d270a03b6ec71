#include "gateway/south/silence.h"

#include "gateway/run/clock.h"

#define USUAL_FACTOR 2  /* of what answers took of late, at least */
#define USUAL_DECAY  16 /* a slow answer is forgotten in about so many quick ones */

static bool has_fallen(const struct silence *silence, uint64_t patience_ms, uint64_t since_ms)
{
	uint64_t now_ms = clock_monotonic_ms();
	uint64_t usual_ms = USUAL_FACTOR * atomic_load(&silence->usual_ms);

	if (!atomic_load(&silence->has_answered))
		patience_ms *= 2;
	if (patience_ms < usual_ms)
		patience_ms = usual_ms;
	return now_ms > since_ms && now_ms - since_ms > patience_ms;
}

/* Or is the one that does already. */
static bool stay(struct silence_call *call)
{
	call->stays = call->stays || (!call->is_probe && !atomic_exchange(&call->silence->is_tried, true));
	return call->stays;
}

bool silence_gives_way(struct silence_call *call)
{
	const struct silence *silence = call->silence;
	uint64_t patience_ms = call->patience_ms;
	uint64_t since_ms;

	if (!silence || call->patience_ms == 0 || atomic_load(&silence->waiting) == 0)
		return false;
	since_ms = atomic_load(&silence->since_ms);
	if (call->is_probe && since_ms < call->began_ms)
		since_ms = call->began_ms;
	/* Who has come back slower than before must be found out once. */
	if (call->is_probe)
		patience_ms *= 1 + (uint64_t)atomic_load(&silence->given_up);
	call->gave_way = has_fallen(silence, patience_ms, since_ms) && !stay(call);
	return call->gave_way;
}

bool silence_begin(struct silence *silence, uint64_t patience_ms, bool is_probe, struct silence_call *call)
{
	*call = (struct silence_call) {
		.silence = silence, .began_ms = clock_monotonic_ms(), .patience_ms = patience_ms, .is_probe = is_probe
	};
	if (!silence)
		return true;
	if (silence_gives_way(call))
		return false;
	/* Before others see that somebody waits: they would take the time in which nobody asked for a silence. */
	if (atomic_load(&silence->waiting) == 0)
		atomic_store(&silence->since_ms, call->began_ms);
	if (atomic_fetch_add(&silence->waiting, 1) == 0)
		atomic_store(&silence->since_ms, call->began_ms);
	return true;
}

/* Two that end at once may leave either's: both were usual. */
static void answer_take(struct silence *silence, uint64_t took_ms)
{
	uint64_t usual_ms = atomic_load(&silence->usual_ms);

	usual_ms -= (usual_ms + USUAL_DECAY - 1) / USUAL_DECAY;
	atomic_store(&silence->usual_ms, took_ms > usual_ms ? took_ms : usual_ms);
	atomic_store(&silence->since_ms, clock_monotonic_ms());
	atomic_store(&silence->has_answered, true);
	atomic_store(&silence->given_up, 0);
}

void silence_heard(struct silence_call *call)
{
	if (call->silence)
		atomic_store(&call->silence->since_ms, clock_monotonic_ms());
}

void silence_end(struct silence_call *call, bool is_answered)
{
	if (!call->silence)
		return;
	if (is_answered)
		answer_take(call->silence, clock_monotonic_ms() - call->began_ms);
	else if (call->is_probe && call->gave_way)
		atomic_fetch_add(&call->silence->given_up, 1);
	if (call->stays)
		atomic_store(&call->silence->is_tried, false);
	atomic_fetch_sub(&call->silence->waiting, 1);
}
