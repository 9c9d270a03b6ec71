#include "gateway/access/search_limit.h"

#include <pthread.h>
#include <stdlib.h>

#include "gateway/access/access_state.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"

#define CALLERS_MAX 4096 /* a power of two */
#define PROBES_MAX  16
#define HOUR_S      3600

/* What one caller did in one hour. Callers are told apart by a keyed hash: who shares one by chance shares a limit. */
struct counter {
	uint64_t caller;
	int64_t hour;
	uint64_t count;
};

struct search_limit {
	pthread_mutex_t lock;
	uint64_t key;
	struct counter counters[CALLERS_MAX];
};

bool search_limit_open(struct search_limit **limit, struct outcome *outcome)
{
	struct search_limit *opened = calloc(1, sizeof *opened);

	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	random_bytes(&opened->key, sizeof opened->key);
	pthread_mutex_init(&opened->lock, NULL);
	*limit = opened;
	return true;
}

void search_limit_close(struct search_limit *limit)
{
	if (!limit)
		return;
	pthread_mutex_destroy(&limit->lock);
	free(limit);
}

/* FNV-1a, begun with the key. */
static uint64_t mix(uint64_t hash, struct str text)
{
	for (size_t i = 0; i < text.size; i++)
		hash = (hash ^ (unsigned char)text.data[i]) * 0x100000001b3;
	return (hash ^ 0xFF) * 0x100000001b3;
}

static uint64_t hash_of(const struct search_limit *limit, const struct caller *caller)
{
	uint64_t hash = mix(mix(limit->key, caller->tenant), caller->issuer);

	if (!caller->subject.size && !caller->client_id.size)
		return mix(mix(hash, caller->certificate), caller->address);
	return mix(mix(hash, caller->subject), caller->client_id);
}

/* The counter of this caller; where there is no room, that of the least busy one of those that are in the way. */
static struct counter *counter_of(struct search_limit *limit, uint64_t caller, int64_t hour)
{
	struct counter *least = NULL;

	for (size_t i = 0; i < PROBES_MAX; i++) {
		struct counter *counter = &limit->counters[(caller + i) % CALLERS_MAX];

		if (counter->hour == hour && counter->caller == caller)
			return counter;
		if (!least || (least->hour == hour && (counter->hour != hour || counter->count < least->count)))
			least = counter;
	}
	*least = (struct counter) { .caller = caller, .hour = hour };
	return least;
}

bool search_limit_admit(struct access *access, const struct caller *caller, int64_t now_s, struct outcome *outcome)
{
	struct search_limit *limit = access->stores->search_limit;
	uint64_t most = access->config->identity_searches_per_hour;
	uint64_t count;

	if (most == 0)
		return true;
	pthread_mutex_lock(&limit->lock);
	count = ++counter_of(limit, hash_of(limit, caller), now_s / HOUR_S)->count;
	pthread_mutex_unlock(&limit->lock);
	if (count <= most)
		return true;
	if (count == most + 1)
		LOG(WARN, LOG_ACCESS_THROTTLED, NULL, LOG_TEXT("client", caller->client_id),
		    LOG_C("what", "searches for patients"), LOG_NUMBER("per_hour", most));
	return outcome_add(outcome, ERR_THROTTLED, "",
			   "Search again in an hour: you have made as many searches for "
			   "patients as one may.");
}
