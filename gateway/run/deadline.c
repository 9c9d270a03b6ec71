#include "gateway/run/deadline.h"

#include "gateway/run/clock.h"

struct deadline deadline_in(uint64_t after_ms)
{
	return (struct deadline) { clock_monotonic_ms() + after_ms };
}

uint64_t deadline_left_ms(struct deadline deadline)
{
	uint64_t now_ms = clock_monotonic_ms();

	return deadline.at_ms > now_ms ? deadline.at_ms - now_ms : 0;
}

bool deadline_passed(struct deadline deadline)
{
	return deadline_left_ms(deadline) == 0;
}

struct deadline deadline_part(struct deadline whole, uint64_t after_ms)
{
	struct deadline part = deadline_in(after_ms);

	return part.at_ms < whole.at_ms ? part : whole;
}
