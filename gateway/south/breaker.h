/* A circuit breaker: who has not answered several times in a row is not asked for a while, so that nobody waits for it.
 * Closed: calls pass. Open: they are refused at once, for a time that grows with each opening and differs a little from
 * one to the next. Then one call passes as a probe: its end closes the breaker, or opens it for longer. Any thread. */
#ifndef PASSERELLE_BREAKER_H
#define PASSERELLE_BREAKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct breaker_options {
	unsigned failures;    /* in a row, that open it; 0: it never opens */
	uint64_t open_ms;     /* the first time; then twice as long each time */
	uint64_t open_ms_max; /* whatever it has grown to */
};

/* For those whose configuration does not say: whom every request needs is looked for more often. */
#define BREAKER_DEFAULTS ((struct breaker_options) { .failures = 5, .open_ms = 1000, .open_ms_max = 5000 })

/* Zeroed: closed. */
struct breaker {
	_Atomic uint64_t probe_at_ms; /* monotonic; 0: closed */
	_Atomic unsigned period;      /* grows whenever it opens or closes */
	_Atomic unsigned failures;    /* in a row, while closed */
	_Atomic uint64_t failed_ms;   /* monotonic; when a call failed last */
	unsigned openings;            /* since it was closed last */
	_Atomic bool is_probed;       /* a probe is under way */
};

/* A call that was let through. */
struct breaker_call {
	unsigned period;
	bool is_probe;
};

/* How a call ended. */
enum breaker_end {
	BREAKER_ANSWERED, /* by whom was asked, be it with a refusal */
	BREAKER_FAILED,   /* nobody answered, not in time, or somebody who said that it does not work */
	BREAKER_GAVE_WAY, /* it was given up after a silence: as bad, but the last one that opens it must have failed */
	BREAKER_UNSAID    /* the call ended for a reason of ours and says nothing */
};

/* What the end of a call has changed. */
enum breaker_change { BREAKER_SAME, BREAKER_OPENED, BREAKER_CLOSED };

/* True when the call may go out; then breaker_end follows, always. */
bool breaker_pass(struct breaker *breaker, struct breaker_call *call);

/* Lets a call out in any case: for those who try seldom, of their own accord. It is the probe when there is none. */
void breaker_insist(struct breaker *breaker, struct breaker_call *call);

/* A call that began before the breaker last opened or closed says nothing of now. */
enum breaker_change breaker_end(struct breaker *breaker, const struct breaker_options *options,
				const struct breaker_call *call, enum breaker_end end);

/* From good to bad. Half-open: the next call is a probe, or a probe is under way. */
enum breaker_state { BREAKER_IS_CLOSED, BREAKER_IS_HALF_OPEN, BREAKER_IS_OPEN };
enum breaker_state breaker_state(const struct breaker *breaker);

/* The last call was answered, or there was none: it is closed, and nothing has failed since an answer. */
bool breaker_is_well(const struct breaker *breaker);

/* For those whose answers are kept, so that nobody may ask them again for hours: also when a call would go out now, and
 * none has failed for BREAKER_MISSED_MS. */
#define BREAKER_MISSED_MS 60000
bool breaker_seems_well(const struct breaker *breaker);

/* Whether breaker_pass would say yes at this moment. */
bool breaker_would_pass(const struct breaker *breaker);

#endif
