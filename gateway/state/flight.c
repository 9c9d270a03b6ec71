#include "gateway/state/flight.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define SHARDS 16

/* One question under way. Freed by the last of those who know it. */
struct flight {
	unsigned char name[VAULT_NAME_BYTES];
	bool ended;
	size_t waiting;
	pthread_cond_t wake;
	struct flight *next;
};

struct shard {
	pthread_mutex_t lock;
	struct flight *first; /* under way; as many as threads ask */
};

struct flights {
	struct shard shards[SHARDS];
};

struct flights *flights_new(void)
{
	struct flights *flights = calloc(1, sizeof *flights);

	for (size_t i = 0; flights && i < SHARDS; i++)
		pthread_mutex_init(&flights->shards[i].lock, NULL);
	return flights;
}

static void flight_free(struct flight *flight)
{
	pthread_cond_destroy(&flight->wake);
	free(flight);
}

void flights_free(struct flights *flights)
{
	if (!flights)
		return;
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_destroy(&flights->shards[i].lock);
	free(flights);
}

static struct flight **flight_find(struct shard *shard, const unsigned char *name)
{
	struct flight **at = &shard->first;

	while (*at && memcmp((*at)->name, name, VAULT_NAME_BYTES) != 0)
		at = &(*at)->next;
	return at;
}

static struct flight *flight_new(const unsigned char *name)
{
	struct flight *flight = calloc(1, sizeof *flight);
	pthread_condattr_t attributes;

	if (!flight)
		return NULL;
	memcpy(flight->name, name, VAULT_NAME_BYTES);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&flight->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	return flight;
}

static void flight_wait(struct shard *shard, struct flight *flight, uint64_t wait_ms)
{
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(wait_ms / 1000);
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	flight->waiting++;
	while (!flight->ended && error == 0)
		error = pthread_cond_timedwait(&flight->wake, &shard->lock, &until);
	flight->waiting--;
	if (flight->ended && flight->waiting == 0)
		flight_free(flight);
}

bool flight_begin(struct flights *flights, const unsigned char name[VAULT_NAME_BYTES], uint64_t wait_ms)
{
	struct shard *shard = &flights->shards[name[0] % SHARDS];

	pthread_mutex_lock(&shard->lock);
	struct flight **at = flight_find(shard, name);
	bool asks = !*at;

	if (asks)
		*at = flight_new(name); /* without memory nobody waits for this one */
	else
		flight_wait(shard, *at, wait_ms);
	pthread_mutex_unlock(&shard->lock);
	return asks;
}

void flight_end(struct flights *flights, const unsigned char name[VAULT_NAME_BYTES])
{
	struct shard *shard = &flights->shards[name[0] % SHARDS];

	pthread_mutex_lock(&shard->lock);
	struct flight **at = flight_find(shard, name);
	struct flight *flight = *at;

	if (flight) {
		*at = flight->next;
		flight->ended = true;
		if (flight->waiting)
			pthread_cond_broadcast(&flight->wake);
		else
			flight_free(flight);
	}
	pthread_mutex_unlock(&shard->lock);
}
