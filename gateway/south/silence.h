/* Inside gateway/south only: whether an address has fallen silent, before any call to it has run out of time. A call that
 * can do without its answer, because others answer as well, has its time: longer than answers ever take there, from its own
 * beginning or, if later, from what anybody was last told. The first whose time is over stays, whatever it takes: that says
 * nothing of the address, it may have asked for much. When the time of another one is over as well, that one gives way, and
 * the address is silent: newcomers give way at once, but for one in each such time, which finds out. What anybody is told,
 * or the end of the one that stayed, makes all of them welcome again. Any thread. */
#ifndef PASSERELLE_SILENCE_H
#define PASSERELLE_SILENCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Zeroed: nobody has called. Times are monotonic. */
struct silence {
	_Atomic uint64_t since_ms; /* the last answer, or a part of one; before there was any: the first call */
	_Atomic uint64_t usual_ms; /* the longest that answers took of late */
	_Atomic bool has_answered; /* ever */
	_Atomic bool is_tried;     /* one stays */
	_Atomic uint64_t left_ms; /* since_ms, as it was when one gave way last: while it is, the silence is the same */
	_Atomic uint64_t asked_ms; /* when a newcomer went to find out */
	_Atomic unsigned given_up; /* probes that gave way since the last answer: the next one has so much more time */
};

/* A call to the address. */
struct silence_call {
	struct silence *silence; /* NULL: nothing is known of it, and it never gives way */
	uint64_t began_ms;
	/* Its time, at least; where nobody was ever answered, twice that. 0: it never gives way, and how long it takes says
	 * nothing: a document comes as fast as its reader reads. */
	uint64_t patience_ms;
	bool is_probe; /* of the breaker: it finds out whether somebody is there, has its time, and then no longer */
	bool stays;
	bool gave_way;
};

/* True when the call may go out; then silence_end follows, always. False: it gives way at once. */
bool silence_begin(struct silence *silence, uint64_t patience_ms, bool is_probe, struct silence_call *call);

/* While it waits: whether it gives way, now. */
bool silence_gives_way(struct silence_call *call);

/* A part of its answer has come: nobody is silent. */
void silence_heard(struct silence_call *call);

void silence_end(struct silence_call *call, bool is_answered);

#endif
