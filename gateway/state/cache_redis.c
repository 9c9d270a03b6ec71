/* The cache in Redis. Keys are "passerelle:", life, class and keyed hash: nothing of a request can reach the protocol,
 * nothing in them tells anything, and after a restart or failover nothing old is found. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/state/cache_back.h"
#include "gateway/state/redis_connection.h"
#include "mappers/base/hex.h"

#define KEY_SIZE     (sizeof "passerelle:" - 1 + REDIS_LIFE_SIZE + 2 + (size_t)2 * VAULT_NAME_BYTES)
#define YEAR_MS      (UINT64_C(366) * 24 * 3600 * 1000)
#define YEAR_TEXT    "31622400000"
#define COMPLAIN_MS  10000
#define NUMBER_SIZE  24
#define CHANNEL_SIZE (sizeof "passerelle:bell:" + (size_t)2 * VAULT_NAME_BYTES)

struct cache_redis {
	struct redis *redis;
	char channels[VAULT_KEYS_MAX][CHANNEL_SIZE];
	size_t channel_count;
	pthread_mutex_t lock;    /* guards all below */
	uint64_t complained_ms;  /* 0: never */
	uint64_t refused;        /* commands that Redis refused, ever */
	uint64_t generation;     /* that the next two are about */
	uint64_t evicted;        /* keys that Redis has evicted when it was last asked */
	uint64_t whole_since_ms; /* since when none was; 0: none ever */
};

static struct str key_write(const struct cache_memory *memory, const struct cache_key *key, char text[KEY_SIZE])
{
	int head = snprintf(text, KEY_SIZE, "passerelle:%s:%c:", memory->life, (char)key->class);

	hex_write(key->hash, sizeof key->hash, text + head);
	return (struct str) { text, (size_t)head + 2 * sizeof key->hash };
}

static struct str number_write(uint64_t number, char text[NUMBER_SIZE])
{
	int size = snprintf(text, NUMBER_SIZE, "%llu", (unsigned long long)number);

	return (struct str) { text, (size_t)size };
}

/* Redis is there but will not do it: full, not enough replicas, not allowed. Counted, and said now and then. */
static void complain(struct cache_redis *cache, struct str why)
{
	uint64_t now = clock_monotonic_ms() + 1;

	pthread_mutex_lock(&cache->lock);
	uint64_t count = ++cache->refused;
	bool say = cache->complained_ms == 0 || now - cache->complained_ms >= COMPLAIN_MS;

	if (say)
		cache->complained_ms = now;
	pthread_mutex_unlock(&cache->lock);
	if (say)
		LOG(WARN, LOG_CACHE_STATE, NULL, LOG_C("state", "refuses"), LOG_TEXT("reason", why),
		    LOG_NUMBER("count", count));
}

/* Sends the commands; NULL when not all were done, with or without an answer. */
static struct redis_lease *ask(struct cache_redis *cache, const struct cache_memory *memory,
			       const struct redis_command *commands, size_t count, const struct redis_reply **replies)
{
	struct redis_lease *lease = redis_ask(cache->redis, memory->generation, commands, count, replies);
	const struct redis_reply *refused = NULL;

	for (size_t i = 0; i < count && lease; i++) {
		if (replies[i]->type == REDIS_ERROR)
			refused = replies[i];
	}
	if (!refused)
		return lease;
	complain(cache, refused->text);
	redis_give_back(cache->redis, lease);
	return NULL;
}

/* The same for what must not be asked of the wrong one: a primary that was replaced a moment ago, but has not noticed,
 * or one whose replication id is new, under which other gateways look already. commands has room for one more. */
static struct redis_lease *ask_surely(struct cache_redis *cache, const struct cache_memory *memory,
				      struct redis_command *commands, size_t count, const struct redis_reply **replies)
{
	commands[count] = REDIS_COMMAND(STR("INFO"), STR("replication"));
	struct redis_lease *lease = ask(cache, memory, commands, count + 1, replies);

	if (!lease || redis_lives_on(memory->life, replies[count]->text))
		return lease;
	redis_give_back(cache->redis, lease);
	redis_distrust(cache->redis, memory->generation, "it is not the primary that it was");
	return NULL;
}

static bool back_memory(void *self, struct cache_memory *memory)
{
	struct cache_redis *cache = self;

	return redis_now(cache->redis, &memory->generation, memory->life);
}

static bool back_get(void *self, const struct cache_memory *memory, const struct cache_key *keys, size_t key_count,
		     struct arena *arena, struct str *value, size_t *which)
{
	struct cache_redis *cache = self;
	char texts[VAULT_KEYS_MAX][KEY_SIZE];
	struct redis_command commands[VAULT_KEYS_MAX] = { 0 };
	const struct redis_reply *replies[VAULT_KEYS_MAX];

	for (size_t i = 0; i < key_count; i++)
		commands[i] = REDIS_COMMAND(STR("GET"), key_write(memory, &keys[i], texts[i]));
	struct redis_lease *lease = ask(cache, memory, commands, key_count, replies);

	*value = STR_NONE;
	for (size_t i = 0; i < key_count && lease && !value->data; i++) {
		if (replies[i]->type == REDIS_TEXT)
			*value = arena_copy(arena, replies[i]->text);
		*which = i;
	}
	redis_give_back(cache->redis, lease);
	return value->data != NULL;
}

static void back_put(void *self, const struct cache_memory *memory, const struct cache_key *key, struct str value,
		     uint64_t ttl_ms)
{
	struct cache_redis *cache = self;
	char text[KEY_SIZE];
	char ttl[NUMBER_SIZE];
	const struct redis_command command = REDIS_COMMAND(STR("SET"), key_write(memory, key, text), value, STR("PX"),
							   number_write(ttl_ms < YEAR_MS ? ttl_ms : YEAR_MS, ttl));
	const struct redis_reply *reply;

	redis_give_back(cache->redis, ask(cache, memory, &command, 1, &reply));
}

static bool back_drop(void *self, const struct cache_memory *memory, const struct cache_key *keys, size_t key_count)
{
	struct cache_redis *cache = self;
	char texts[VAULT_KEYS_MAX][KEY_SIZE];
	struct redis_command commands[VAULT_KEYS_MAX + 1];
	const struct redis_reply *replies[VAULT_KEYS_MAX + 1];

	/* DEL is done also by a Redis that is full. */
	for (size_t i = 0; i < key_count; i++)
		commands[i] = REDIS_COMMAND(STR("DEL"), key_write(memory, &keys[i], texts[i]));
	struct redis_lease *lease = ask_surely(cache, memory, commands, key_count, replies);

	redis_give_back(cache->redis, lease);
	return lease != NULL;
}

static bool back_seed(void *self, const struct cache_memory *memory, const struct cache_key *key, struct str fresh,
		      uint64_t ttl_ms, struct arena *arena, struct str *value)
{
	struct cache_redis *cache = self;
	char text[KEY_SIZE];
	char ttl[NUMBER_SIZE];
	struct str name = key_write(memory, key, text);
	struct redis_command get[2] = { REDIS_COMMAND(STR("GET"), name) };
	struct redis_command set[3] = {
		REDIS_COMMAND(STR("SET"), name, fresh, STR("NX"), STR("PX"), number_write(ttl_ms, ttl)),
		REDIS_COMMAND(STR("GET"), name),
	};
	const struct redis_reply *replies[3];
	/* Mostly it is there: reading alone is not replicated, and works when Redis is full. */
	struct redis_lease *lease = ask_surely(cache, memory, get, 1, replies);
	const struct redis_reply *found = lease ? replies[0] : NULL;

	if (found && found->type == REDIS_NIL) {
		redis_give_back(cache->redis, lease);
		lease = ask_surely(cache, memory, set, 2, replies);
		found = lease ? replies[1] : NULL;
	}
	*value = found && found->type == REDIS_TEXT ? arena_copy(arena, found->text) : STR_NONE;
	redis_give_back(cache->redis, lease);
	return value->data != NULL;
}

/* evicted_keys of INFO stats; false when it is not there. */
static bool evicted_read(struct str info, uint64_t *evicted)
{
	struct str line;

	while (str_next(&info, '\n', &line)) {
		if (str_starts_with(line, STR("evicted_keys:")))
			return str_to_u64(str_trim(str_without_prefix(line, STR("evicted_keys:"))), evicted);
	}
	return false;
}

/* True when Redis has thrown nothing out in the last ttl_ms, as far as this process has seen. */
static bool was_whole(struct cache_redis *cache, uint64_t generation, struct str info, uint64_t ttl_ms)
{
	uint64_t now = clock_monotonic_ms();
	uint64_t evicted;

	if (!evicted_read(info, &evicted))
		return false;
	pthread_mutex_lock(&cache->lock);
	if (cache->generation != generation || cache->evicted != evicted)
		cache->whole_since_ms = evicted ? now : 0;
	cache->generation = generation;
	cache->evicted = evicted;
	bool whole = cache->whole_since_ms == 0 || now - cache->whole_since_ms >= ttl_ms;

	pthread_mutex_unlock(&cache->lock);
	return whole;
}

/* One key counts the time since this Redis was empty, by its own clock. It is asked again after the guard was set: a
 * FLUSHALL between the two is seen. */
static bool back_first(void *self, const struct cache_memory *memory, const struct cache_key *keys, size_t key_count,
		       uint64_t ttl_ms, uint64_t known_ms, bool *certain)
{
	static const struct cache_key born = { .class = CACHE_FIRST }; /* no name has this hash */
	struct cache_redis *cache = self;
	char texts[3][KEY_SIZE];
	char ttl[NUMBER_SIZE];
	struct str born_name = key_write(memory, &born, texts[2]);
	const struct redis_reply *replies[6];
	struct redis_command commands[6] = {
		REDIS_COMMAND(STR("SET"), born_name, STR("1"), STR("NX"), STR("PX"), STR(YEAR_TEXT)),
		REDIS_COMMAND(STR("SET"), key_write(memory, &keys[0], texts[0]), STR("1"), STR("NX"), STR("PX"),
			      number_write(ttl_ms, ttl)),
		REDIS_COMMAND(STR("EXISTS"), key_write(memory, &keys[key_count - 1], texts[1])),
		REDIS_COMMAND(STR("PTTL"), born_name),
		REDIS_COMMAND(STR("INFO"), STR("stats")),
	};
	struct redis_lease *lease = ask_surely(cache, memory, commands, 5, replies);
	bool first = true;

	*certain = false;
	if (lease) {
		bool other = key_count > 1 && replies[2]->type == REDIS_NUMBER && replies[2]->number != 0;

		first = replies[1]->type == REDIS_TEXT && !other;
		uint64_t left = replies[3]->type == REDIS_NUMBER && replies[3]->number > 0
					? (uint64_t)replies[3]->number
					: YEAR_MS;

		*certain = !first || (left <= YEAR_MS && YEAR_MS - left >= known_ms && replies[4]->type == REDIS_TEXT &&
				      was_whole(cache, memory->generation, replies[4]->text, known_ms));
	}
	redis_give_back(cache->redis, lease);
	return first;
}

static bool back_ring(void *self, struct str message)
{
	struct cache_redis *cache = self;
	struct cache_memory memory;
	const struct redis_command command = REDIS_COMMAND(STR("PUBLISH"), str_from_c(cache->channels[0]), message);
	const struct redis_reply *reply;

	if (!back_memory(cache, &memory))
		return false;
	struct redis_lease *lease = ask(cache, &memory, &command, 1, &reply);
	bool heard = lease && reply->type == REDIS_NUMBER && reply->number > 0;

	redis_give_back(cache->redis, lease);
	return heard;
}

static void back_close(void *self)
{
	struct cache_redis *cache = self;

	if (!cache)
		return;
	redis_close(cache->redis);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static void channels_write(struct cache_redis *cache, const struct cache_key *bells, size_t bell_count,
			   struct redis_channels *channels)
{
	for (size_t i = 0; i < bell_count && i < VAULT_KEYS_MAX; i++) {
		int head = snprintf(cache->channels[i], CHANNEL_SIZE, "passerelle:bell:");

		hex_write(bells[i].hash, sizeof bells[i].hash, cache->channels[i] + head);
		cache->channels[i][CHANNEL_SIZE - 1] = '\0';
		channels->names[channels->count++] = str_from_c(cache->channels[i]);
	}
}

static struct cache_redis *cache_redis_new(struct outcome *outcome)
{
	struct cache_redis *cache = calloc(1, sizeof *cache);

	if (cache)
		pthread_mutex_init(&cache->lock, NULL);
	else
		outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	return cache;
}

void *cache_redis_open(const struct redis_options *options, const struct cache_key *bells, size_t bell_count,
		       void (*hear)(void *context, struct str message), void *context, struct outcome *outcome)
{
	struct redis_channels channels = { .on_message = hear, .context = context };
	struct cache_redis *cache = cache_redis_new(outcome);

	if (!cache)
		return NULL;
	channels_write(cache, bells, bell_count, &channels);
	cache->redis = redis_open(options, &channels, outcome);
	if (cache->redis)
		return cache;
	back_close(cache);
	return NULL;
}

static void hear_nothing(void *context, struct str message)
{
	(void)context;
	(void)message;
}

/* The commands as requests send them, under a name that no request has. */
static bool commands_try(struct cache_redis *cache, struct outcome *outcome)
{
	static const struct cache_key key = { .class = CACHE_BELL };
	struct cache_memory memory;
	char text[KEY_SIZE];

	if (!back_memory(cache, &memory))
		return outcome_add(outcome, ERR_BACKEND_DOWN, "", "It went away while it was tried.");
	struct str name = key_write(&memory, &key, text);
	const struct redis_command commands[] = {
		REDIS_COMMAND(STR("SET"), name, STR("1"), STR("NX"), STR("PX"), STR("1000")),
		REDIS_COMMAND(STR("GET"), name),
		REDIS_COMMAND(STR("EXISTS"), name),
		REDIS_COMMAND(STR("PTTL"), name),
		REDIS_COMMAND(STR("DEL"), name),
		REDIS_COMMAND(STR("INFO"), STR("stats")),
		REDIS_COMMAND(STR("PUBLISH"), str_from_c(cache->channels[0]), STR("")),
	};
	const struct redis_reply *replies[COUNT_OF(commands)];
	struct redis_lease *lease = redis_ask(cache->redis, memory.generation, commands, COUNT_OF(commands), replies);
	bool ok = lease || outcome_add(outcome, ERR_BACKEND_DOWN, "", "It does not answer in time.");

	for (size_t i = 0; i < COUNT_OF(commands) && ok; i++) {
		if (replies[i]->type == REDIS_ERROR)
			ok = outcome_add(outcome, ERR_BACKEND_DOWN, "", "%.*s is refused: %.*s",
					 STR_ARG(commands[i].words[0]), STR_ARG(replies[i]->text));
	}
	redis_give_back(cache->redis, lease);
	return ok;
}

bool cache_redis_probe(const struct redis_options *options, const struct cache_key *bells, size_t bell_count,
		       struct outcome *outcome)
{
	struct redis_channels channels = { .on_message = hear_nothing };
	struct cache_redis *cache = cache_redis_new(outcome);

	if (!cache)
		return false;
	channels_write(cache, bells, bell_count, &channels);
	bool ok = redis_probe(options, &channels, outcome);

	if (ok)
		cache->redis = redis_open(options, &channels, outcome);
	ok = cache->redis && commands_try(cache, outcome);
	back_close(cache);
	return ok;
}

const struct cache_back cache_redis_back = { back_memory, back_get,   back_put,  back_drop,
					     back_seed,   back_first, back_ring, back_close };
