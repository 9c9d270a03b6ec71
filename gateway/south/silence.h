/* Inside gateway/south only: whether an address has fallen silent, before any call to it has run out of time. It has, when
 * calls wait and none was answered for longer than answers ever take there. Who can do without its answer, because others
 * answer as well, gives way then: one stays, and when it is answered, or anybody else, all are welcome again. Any thread. */
#ifndef PASSERELLE_SILENCE_H
#define PASSERELLE_SILENCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Zeroed: nobody has called. */
struct silence {
	_Atomic unsigned waiting;  /* calls under way */
	_Atomic uint64_t since_ms; /* monotonic: the last answer, or when somebody began to wait */
	_Atomic uint64_t usual_ms; /* the longest that answers took of late */
	_Atomic bool has_answered; /* ever */
	_Atomic bool is_tried;     /* one of those that could give way has stayed */
	_Atomic unsigned given_up; /* probes that gave way since the last answer: the next one has so much more time */
};

/* A call to the address. */
struct silence_call {
	struct silence *silence; /* NULL: nothing is known of it, and it never gives way */
	uint64_t began_ms;
	uint64_t
		patience_ms; /* the least silence that counts; where nobody was ever answered, twice that. 0: it does not give way */
	bool is_probe; /* it finds out whether somebody is there: has its time, and then no longer */
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
