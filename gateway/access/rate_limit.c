#include "gateway/access/rate_limit.h"

#include <pthread.h>
#include <stdlib.h>

#include "gateway/access/access_state.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"

#define CALLERS_MAX 4096 /* a power of two */
#define PROBES_MAX  16
#define HOUR_S      3600
#define MINUTE_S    60

/* What one caller did in one window of time. Callers are told apart by a keyed hash: who shares one by chance shares a limit. */
struct counter {
	uint64_t caller;
	int64_t window;
	uint64_t count;
};

struct table {
	struct counter counters[CALLERS_MAX];
};

struct rate_limit {
	pthread_mutex_t lock;
	uint64_t key;
	struct table searches;
	struct table requests;
};

bool rate_limit_open(struct rate_limit **limit, struct outcome *outcome)
{
	struct rate_limit *opened = calloc(1, sizeof *opened);

	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	random_bytes(&opened->key, sizeof opened->key);
	pthread_mutex_init(&opened->lock, NULL);
	*limit = opened;
	return true;
}

void rate_limit_close(struct rate_limit *limit)
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

static uint64_t hash_of(const struct rate_limit *limit, const struct caller *caller)
{
	uint64_t hash = mix(mix(limit->key, caller->tenant), caller->issuer);

	if (!caller->subject.size && !caller->client_id.size)
		return mix(mix(hash, caller->certificate), caller->address);
	return mix(mix(hash, caller->subject), caller->client_id);
}

/* The counter of this caller; where there is no room, that of the least busy one of those that are in the way. */
static struct counter *counter_of(struct table *table, uint64_t caller, int64_t window)
{
	struct counter *least = NULL;

	for (size_t i = 0; i < PROBES_MAX; i++) {
		struct counter *counter = &table->counters[(caller + i) % CALLERS_MAX];

		if (counter->window == window && counter->caller == caller)
			return counter;
		if (!least || (least->window == window && (counter->window != window || counter->count < least->count)))
			least = counter;
	}
	*least = (struct counter) { .caller = caller, .window = window };
	return least;
}

static uint64_t count_one(struct rate_limit *limit, struct table *table, const struct caller *caller, int64_t window)
{
	uint64_t count;

	pthread_mutex_lock(&limit->lock);
	count = ++counter_of(table, hash_of(limit, caller), window)->count;
	pthread_mutex_unlock(&limit->lock);
	return count;
}

/* count: of the window, with this one; most: 0 for no bound. */
static bool is_within(const struct access *access, const struct caller *caller, uint64_t count, uint64_t most,
		      const char *what, const char *per)
{
	if (count == most + 1)
		LOG(WARN, LOG_ACCESS_THROTTLED, NULL, LOG_TEXT("tenant", access->config->tenant),
		    LOG_TEXT("client", caller->client_id), LOG_C("what", what), LOG_NUMBER(per, most));
	return count <= most;
}

bool search_limit_admit(struct access *access, const struct caller *caller, int64_t now_s, struct outcome *outcome)
{
	struct rate_limit *limit = access->stores->limit;
	uint64_t most = access->config->identity_searches_per_hour;
	uint64_t count = most ? count_one(limit, &limit->searches, caller, now_s / HOUR_S) : 0;

	return is_within(access, caller, count, most, "searches for patients", "per_hour") ||
	       outcome_add(outcome, ERR_THROTTLED, "",
			   "Search again in an hour: you have made as many searches for patients as one may.");
}

bool request_limit_admit(struct access *access, const struct caller *caller, int64_t now_s, struct outcome *outcome)
{
	struct rate_limit *limit = access->stores->limit;
	uint64_t most = access->config->limits_requests_per_minute;
	uint64_t count = most ? count_one(limit, &limit->requests, caller, now_s / MINUTE_S) : 0;

	return is_within(access, caller, count, most, "requests", "per_minute") ||
	       outcome_add(outcome, ERR_THROTTLED, "",
			   "Ask again in a minute: you have made as many requests as one may.");
}

unsigned request_limit_wait_s(int64_t now_s)
{
	return (unsigned)(MINUTE_S - now_s % MINUTE_S);
}
