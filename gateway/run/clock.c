#include "gateway/run/clock.h"

#include <stddef.h>
#include <time.h>

static uint64_t system_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int64_t system_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const struct clock_source system_source = { system_monotonic_us, system_wall_ms };
static const struct clock_source *source_now = &system_source;

uint64_t clock_monotonic_us(void)
{
	return source_now->monotonic_us();
}

uint64_t clock_monotonic_ms(void)
{
	return source_now->monotonic_us() / 1000;
}

int64_t clock_wall_ms(void)
{
	return source_now->wall_ms();
}

void clock_replace(const struct clock_source *source)
{
	source_now = source ? source : &system_source;
}
