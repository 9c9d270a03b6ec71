/* The one place that asks what time it is. Tests may replace both clocks. */
#ifndef PASSERELLE_CLOCK_H
#define PASSERELLE_CLOCK_H

#include <stdint.h>

struct clock_source {
	uint64_t (*monotonic_us)(void); /* never goes back; its zero means nothing */
	int64_t (*wall_ms)(void);       /* milliseconds since 1970-01-01T00:00:00Z */
};

/* Microseconds and milliseconds of the monotonic clock: for deadlines and durations. */
uint64_t clock_monotonic_us(void);
uint64_t clock_monotonic_ms(void);

/* Milliseconds since 1970-01-01T00:00:00Z: for times that people and documents see. */
int64_t clock_wall_ms(void);

/* For tests: use these functions from now on; NULL restores the system's clocks. The struct must outlive its use.
 * Not to be called while other threads run. */
void clock_replace(const struct clock_source *source);

#endif
