#include "gateway/run/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "mappers/base/uuid.h"

static pthread_mutex_t seed_lock = PTHREAD_MUTEX_INITIALIZER;
static bool seeded;
static uint64_t seed_state;

/* SplitMix64 (Steele, Lea, Flood 2014): enough for tests to repeat themselves, of no use against an adversary. */
static uint64_t seeded_next(void)
{
	seed_state += 0x9E3779B97F4A7C15;
	uint64_t z = seed_state;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
	return z ^ (z >> 31);
}

static void seeded_bytes(unsigned char *bytes, size_t size)
{
	pthread_mutex_lock(&seed_lock);
	while (size) {
		uint64_t word = seeded_next();
		size_t part = size < sizeof word ? size : sizeof word;

		memcpy(bytes, &word, part);
		bytes += part;
		size -= part;
	}
	pthread_mutex_unlock(&seed_lock);
}

void random_bytes(void *bytes, size_t size)
{
	unsigned char *at = bytes;

	if (seeded) {
		seeded_bytes(at, size);
		return;
	}
	while (size) {
		ssize_t got = getrandom(at, size, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			abort();
		at += got;
		size -= (size_t)got;
	}
}

uint32_t random_below(uint32_t limit)
{
	uint64_t word;

	if (limit == 0)
		return 0;
	random_bytes(&word, sizeof word);
	return (uint32_t)(word % limit);
}

void random_seed(uint64_t seed)
{
	seed_state = seed;
	seeded = true;
}

struct str random_uuid(struct arena *arena)
{
	unsigned char random[16];
	char uuid[UUID_URN_SIZE];

	random_bytes(random, sizeof(random));
	uuid_format(random, uuid);
	return arena_copy(arena, str_from_c(uuid));
}
