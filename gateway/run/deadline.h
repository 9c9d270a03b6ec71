/* The moment by which a request must have its answer. Every wait takes one. */
#ifndef PASSERELLE_DEADLINE_H
#define PASSERELLE_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

struct deadline {
	uint64_t at_ms; /* clock_monotonic_ms() */
};

/* The moment after_ms from now. */
struct deadline deadline_in(uint64_t after_ms);

/* Milliseconds left; 0 when it has passed. */
uint64_t deadline_left_ms(struct deadline deadline);

bool deadline_passed(struct deadline deadline);

/* The earlier of the deadline and after_ms from now: a part's own share of the whole. */
struct deadline deadline_part(struct deadline whole, uint64_t after_ms);

#endif
