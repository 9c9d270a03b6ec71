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
	struct silence *silence = call->silence;
	uint64_t patience_ms = call->patience_ms;
	uint64_t since_ms;

	if (!silence || patience_ms == 0)
		return false;
	since_ms = atomic_load(&silence->since_ms);
	/* Who has come back slower than before must be found out once. */
	if (call->is_probe)
		patience_ms *= 1 + (uint64_t)atomic_load(&silence->given_up);
	call->gave_way =
		has_fallen(silence, patience_ms, since_ms > call->began_ms ? since_ms : call->began_ms) && !stay(call);
	if (call->gave_way && !call->is_probe)
		atomic_store(&silence->left_ms, since_ms);
	return call->gave_way;
}

static bool is_silent(const struct silence *silence)
{
	return atomic_load(&silence->is_tried) && atomic_load(&silence->left_ms) == atomic_load(&silence->since_ms);
}

/* It is the newcomer that finds out. */
static bool ask(const struct silence_call *call)
{
	struct silence *silence = call->silence;
	uint64_t asked_ms = atomic_load(&silence->asked_ms);

	return has_fallen(silence, call->patience_ms, asked_ms) &&
	       atomic_compare_exchange_strong(&silence->asked_ms, &asked_ms, call->began_ms);
}

bool silence_begin(struct silence *silence, uint64_t patience_ms, bool is_probe, struct silence_call *call)
{
	uint64_t never = 0;

	*call = (struct silence_call) {
		.silence = silence, .began_ms = clock_monotonic_ms(), .patience_ms = patience_ms, .is_probe = is_probe
	};
	if (!silence || patience_ms == 0 || is_probe)
		return true;
	atomic_compare_exchange_strong(&silence->since_ms, &never, call->began_ms);
	return !is_silent(silence) || ask(call);
}

/* Two that end at once may leave either's: both were usual. */
static void answer_take(struct silence *silence, uint64_t took_ms)
{
	uint64_t usual_ms = atomic_load(&silence->usual_ms);

	usual_ms -= (usual_ms + USUAL_DECAY - 1) / USUAL_DECAY;
	atomic_store(&silence->usual_ms, took_ms > usual_ms ? took_ms : usual_ms);
	atomic_store(&silence->has_answered, true);
}

void silence_heard(struct silence_call *call)
{
	if (call->silence)
		atomic_store(&call->silence->since_ms, clock_monotonic_ms());
}

void silence_end(struct silence_call *call, bool is_answered)
{
	struct silence *silence = call->silence;

	if (!silence)
		return;
	if (is_answered) {
		silence_heard(call);
		atomic_store(&silence->given_up, 0);
	} else if (call->is_probe && call->gave_way) {
		atomic_fetch_add(&silence->given_up, 1);
	}
	if (is_answered && call->patience_ms > 0)
		answer_take(silence, clock_monotonic_ms() - call->began_ms);
	if (call->stays)
		atomic_store(&silence->is_tried, false);
}
