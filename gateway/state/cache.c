#include "gateway/state/cache.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/metrics.h"
#include "gateway/run/random.h"
#include "gateway/state/bell.h"
#include "gateway/state/cache_back.h"
#include "gateway/state/flight.h"

#define EPOCH_TTL_MS    (UINT64_C(24) * 3600 * 1000) /* a new epoch at its end makes answers slower, not different */
#define BELL_TTL_MS     60000                        /* more than clocks differ; ringing twice does no harm */
#define COMPLAIN_MS     10000                        /* one line per this time for values that do not open */
#define EXPIRES_BYTES   8
#define PLACE_BYTES_MAX (1 + REDIS_LIFE_SIZE + VAULT_NAME_BYTES)

struct cache {
	struct vault *vault;
	const struct cache_back *back;
	void *self;
	struct flights *flights;
	struct bell *bell;
	atomic_uint_fast64_t unopened;      /* values that did not open, ever */
	atomic_uint_fast64_t complained_ms; /* when this was last said; 0: never */
};

/* The names that each key gives: where to look, or what to drop. */
struct cache_keys {
	struct cache_key items[VAULT_KEYS_MAX];
	size_t count;
};

static bool keys_make(const struct cache *cache, const struct cache_name *name, enum cache_class class,
		      struct cache_keys *keys)
{
	struct str parts[CACHE_PARTS_MAX + 2] = { name->tenant, str_from_c(name->kind) };

	if (name->part_count > CACHE_PARTS_MAX)
		return false;
	for (size_t i = 0; i < name->part_count; i++)
		parts[i + 2] = name->parts[i];
	keys->count = vault_key_count(cache->vault);
	for (size_t i = 0; i < keys->count; i++) {
		keys->items[i].class = class;
		if (!vault_name(cache->vault, i, parts, name->part_count + 2, keys->items[i].hash))
			return false;
	}
	return true;
}

/* What a value is bound to: class, life of the memory, name. */
static struct str place_write(const struct cache_memory *memory, const struct cache_key *key, char *place)
{
	place[0] = (char)key->class;
	memcpy(place + 1, memory->life, REDIS_LIFE_SIZE);
	memcpy(place + 1 + REDIS_LIFE_SIZE, key->hash, VAULT_NAME_BYTES);
	return (struct str) { place, PLACE_BYTES_MAX };
}

/* Counted and said, because it is either a wrong key or somebody who writes into the cache. */
static void complain(struct cache *cache, enum cache_class class)
{
	uint64_t count = atomic_fetch_add(&cache->unopened, 1) + 1;
	uint64_t last = atomic_load(&cache->complained_ms);
	uint64_t now = clock_monotonic_ms() + 1;

	if ((last && now - last < COMPLAIN_MS) || !atomic_compare_exchange_strong(&cache->complained_ms, &last, now))
		return;
	char name[2] = { (char)class, '\0' };

	LOG(WARN, LOG_CACHE_FOREIGN, NULL, LOG_NUMBER("count", count), LOG_C("class", name));
}

/* expires_ms and value, sealed for the place; malloc. NULL without memory. */
static unsigned char *seal(const struct cache *cache, struct str place, struct str value, uint64_t ttl_ms, size_t *size)
{
	int64_t now = clock_wall_ms();
	uint64_t expires = ttl_ms > (uint64_t)(INT64_MAX - now) ? INT64_MAX : (uint64_t)now + ttl_ms;
	uint64_t written = __builtin_bswap64(expires);
	size_t plain_size = EXPIRES_BYTES + value.size;
	unsigned char *sealed = malloc(plain_size + VAULT_OVERHEAD);
	char *plain = malloc(plain_size);
	bool ok = sealed && plain;

	if (ok) {
		memcpy(plain, &written, EXPIRES_BYTES);
		if (value.size)
			memcpy(plain + EXPIRES_BYTES, value.data, value.size);
		ok = vault_seal(cache->vault, place, (struct str) { plain, plain_size }, sealed);
	}
	free(plain);
	*size = plain_size + VAULT_OVERHEAD;
	if (ok)
		return sealed;
	free(sealed);
	return NULL;
}

enum opened { OPENED, OPENED_NEVER, OPENED_TOO_LATE };

/* plain has sealed.size bytes; value points into it. The time stands inside, so that nobody can make it longer. */
static enum opened unseal(struct cache *cache, struct str place, struct str sealed, unsigned char *plain,
			  struct str *value)
{
	uint64_t expires;
	size_t size = 0;

	if (vault_open(cache->vault, place, sealed, plain, &size) != VAULT_OPENED || size < EXPIRES_BYTES) {
		complain(cache, (enum cache_class)place.data[0]);
		return OPENED_NEVER;
	}
	memcpy(&expires, plain, EXPIRES_BYTES);
	*value = (struct str) { (const char *)plain + EXPIRES_BYTES, size - EXPIRES_BYTES };
	return __builtin_bswap64(expires) > (uint64_t)clock_wall_ms() ? OPENED : OPENED_TOO_LATE;
}

static enum cache_found get(struct cache *cache, const struct cache_name *name, struct arena *arena, struct str *value)
{
	struct cache_memory memory;
	struct cache_keys keys;
	struct str sealed;
	char place[PLACE_BYTES_MAX];
	size_t which;

	if (!cache->back->memory(cache->self, &memory) || !keys_make(cache, name, CACHE_VALUE, &keys) ||
	    !cache->back->get(cache->self, &memory, keys.items, keys.count, arena, &sealed, &which))
		return CACHE_MISS;
	unsigned char *plain = arena_alloc(arena, sealed.size);
	struct str opened = STR_NONE;

	if (!plain || unseal(cache, place_write(&memory, &keys.items[which], place), sealed, plain, &opened) != OPENED)
		return CACHE_MISS;
	*value = opened;
	return CACHE_HIT;
}

enum cache_found cache_get(struct cache *cache, const struct cache_name *name, struct arena *arena, struct str *value)
{
	enum cache_found found = get(cache, name, arena, value);

	METRIC_ADD(METRIC_CACHE, 1, name->tenant, str_from_c(name->kind),
		   found == CACHE_HIT ? STR("hit") : STR("miss"));
	return found;
}

void cache_put(struct cache *cache, const struct cache_name *name, struct str value, uint64_t ttl_ms)
{
	struct cache_memory memory;
	struct cache_keys keys;
	char place[PLACE_BYTES_MAX];
	size_t size;

	if (ttl_ms == 0 || value.size > CACHE_VALUE_BYTES_MAX || !cache->back->memory(cache->self, &memory) ||
	    !keys_make(cache, name, CACHE_VALUE, &keys))
		return;
	unsigned char *sealed = seal(cache, place_write(&memory, &keys.items[0], place), value, ttl_ms, &size);

	if (!sealed)
		return;
	cache->back->put(cache->self, &memory, &keys.items[0], (struct str) { (const char *)sealed, size }, ttl_ms);
	free(sealed);
}

/* True when none of the names has a value any more. */
static bool drop(struct cache *cache, const struct cache_name *name, enum cache_class class)
{
	struct cache_memory memory;
	struct cache_keys keys;

	return cache->back->memory(cache->self, &memory) && keys_make(cache, name, class, &keys) &&
	       cache->back->drop(cache->self, &memory, keys.items, keys.count);
}

void cache_drop(struct cache *cache, const struct cache_name *name)
{
	drop(cache, name, CACHE_VALUE);
}

bool cache_first(struct cache *cache, const struct cache_name *name, uint64_t ttl_ms, uint64_t known_ms, bool *certain)
{
	struct cache_memory memory;
	struct cache_keys keys;

	*certain = false;
	if (!cache->back->memory(cache->self, &memory) || !keys_make(cache, name, CACHE_FIRST, &keys))
		return true;
	return cache->back->first(cache->self, &memory, keys.items, keys.count, ttl_ms, known_ms, certain);
}

/* The random number at this key, or a new one. */
static enum opened epoch_try(struct cache *cache, const struct cache_memory *memory, const struct cache_key *key,
			     struct arena *arena, uint64_t *epoch)
{
	char place[PLACE_BYTES_MAX];
	uint64_t fresh;
	struct str found;
	size_t size;
	unsigned char plain[EXPIRES_BYTES + sizeof fresh + VAULT_OVERHEAD];
	struct str value = STR_NONE;

	random_bytes(&fresh, sizeof fresh);
	place_write(memory, key, place);
	unsigned char *sealed = seal(cache, (struct str) { place, sizeof place },
				     (struct str) { (const char *)&fresh, sizeof fresh }, EPOCH_TTL_MS, &size);

	if (!sealed)
		return OPENED_NEVER;
	bool known = cache->back->seed(cache->self, memory, key, (struct str) { (const char *)sealed, size },
				       EPOCH_TTL_MS, arena, &found);

	free(sealed);
	if (!known)
		return OPENED_NEVER;
	if (found.size != sizeof plain) {
		complain(cache, CACHE_EPOCH);
		return OPENED_TOO_LATE;
	}
	enum opened opened = unseal(cache, (struct str) { place, sizeof place }, found, plain, &value);

	if (opened == OPENED)
		memcpy(epoch, value.data, sizeof *epoch);
	return opened == OPENED ? OPENED : OPENED_TOO_LATE;
}

/* An epoch is never counted up. It is dropped, and the next one who wants it makes a new random number: so it cannot
 * come back, and a Redis that is full can still be told. */
bool cache_epoch(struct cache *cache, const struct cache_name *name, uint64_t *epoch)
{
	struct arena *arena = arena_new(4096);
	struct cache_memory memory;
	struct cache_keys keys;
	enum opened opened = OPENED_NEVER;

	if (arena && cache->back->memory(cache->self, &memory) && keys_make(cache, name, CACHE_EPOCH, &keys)) {
		opened = epoch_try(cache, &memory, &keys.items[0], arena, epoch);
		/* One that does not open, or is over by our clock, makes room. */
		if (opened == OPENED_TOO_LATE && drop(cache, name, CACHE_EPOCH))
			opened = epoch_try(cache, &memory, &keys.items[0], arena, epoch);
	}
	arena_free(arena);
	return opened == OPENED;
}

bool cache_epoch_bump(struct cache *cache, const struct cache_name *name)
{
	return drop(cache, name, CACHE_EPOCH);
}

static const struct cache_memory bell_memory = { 0 }; /* a message outlives no failover */
static const struct cache_key bell_key = { .class = CACHE_BELL };

void cache_ring(struct cache *cache, struct str message)
{
	char place[PLACE_BYTES_MAX];
	size_t size;

	if (message.size > CACHE_BELL_BYTES_MAX)
		return;
	unsigned char *sealed = seal(cache, place_write(&bell_memory, &bell_key, place), message, BELL_TTL_MS, &size);

	if (!sealed || !cache->back->ring(cache->self, (struct str) { (const char *)sealed, size }))
		bell_ring(cache->bell, message);
	free(sealed);
}

/* From Redis, in the thread that listens to it. */
static void hear(void *context, struct str sealed)
{
	struct cache *cache = context;
	char place[PLACE_BYTES_MAX];
	unsigned char plain[CACHE_BELL_BYTES_MAX + EXPIRES_BYTES + VAULT_OVERHEAD];
	struct str message;

	if (sealed.size <= sizeof plain &&
	    unseal(cache, place_write(&bell_memory, &bell_key, place), sealed, plain, &message) == OPENED)
		bell_ring(cache->bell, message);
}

bool cache_listen(struct cache *cache, void (*on_bell)(void *context, struct str message), void *context)
{
	return bell_listen(cache->bell, on_bell, context);
}

void cache_unlisten(struct cache *cache, void *context)
{
	bell_unlisten(cache->bell, context);
}

bool cache_ask(struct cache *cache, const struct cache_name *name, uint64_t wait_ms)
{
	struct cache_keys keys;

	return !keys_make(cache, name, CACHE_VALUE, &keys) || flight_begin(cache->flights, keys.items[0].hash, wait_ms);
}

void cache_asked(struct cache *cache, const struct cache_name *name)
{
	struct cache_keys keys;

	if (keys_make(cache, name, CACHE_VALUE, &keys))
		flight_end(cache->flights, keys.items[0].hash);
}

bool cache_options_read(const struct config *config, struct cache_options *options, struct outcome *outcome)
{
	bool has_redis = config->redis_address.size || config->redis_sentinels.count;

	*options = (struct cache_options) {
		.local_bytes = config->cache_local_bytes,
		.redis = { .address = config->redis_address,
			   .user = config->redis_user,
			   .password = str_trim(config->redis_password),
			   .ca_file = config->redis_ca_file,
			   .certificate_file = config->redis_certificate_file,
			   .key_file = config->redis_key_file,
			   .server_name = config->redis_server_name,
			   .sentinels = config->redis_sentinels.items,
			   .sentinel_count = config->redis_sentinels.count,
			   .sentinel_master = config->redis_sentinel_master,
			   .sentinel_user = config->redis_sentinel_user,
			   .sentinel_password = str_trim(config->redis_sentinel_password),
			   .connect_timeout_ms = config->redis_connect_timeout_ms,
			   .command_timeout_ms = config->redis_command_timeout_ms,
			   .connections_max = config->redis_connections_max },
	};
	options->key_count = vault_keys_read(config, options->keys);
	if (has_redis && options->key_count == 0)
		return outcome_add(outcome, ERR_VALUE_INVALID, "state_keys",
				   "Add this key: what is kept in Redis is encrypted.");
	if (config->redis_address.size && config->redis_sentinels.count)
		return outcome_add(outcome, ERR_VALUE_INVALID, "redis.address",
				   "Remove this key: the sentinels say where Redis is.");
	if ((config->redis_sentinels.count > 0) != (config->redis_sentinel_master.size > 0))
		return outcome_add(outcome, ERR_VALUE_INVALID, "redis.sentinel_master",
				   "Give redis.sentinels and redis.sentinel_master together, or none of them.");
	if (config->redis_user.size && !options->redis.password.size)
		return outcome_add(outcome, ERR_VALUE_INVALID, "redis.password_file",
				   "Add this key: redis.user has a password.");
	if ((config->redis_certificate_file.size > 0) != (config->redis_key_file.size > 0))
		return outcome_add(outcome, ERR_VALUE_INVALID, "redis.tls.certificate_file",
				   "Give redis.tls.certificate_file and redis.tls.key_file together, or none of them.");
	return true;
}

static bool uses_redis(const struct cache_options *options)
{
	return options->redis.address.size || options->redis.sentinel_count;
}

static const struct cache_name bell_name = { .kind = "bell" };

static bool back_open(struct cache *cache, const struct cache_options *options, struct outcome *outcome)
{
	struct cache_keys bells;

	if (!keys_make(cache, &bell_name, CACHE_BELL, &bells))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	if (uses_redis(options)) {
		cache->back = &cache_redis_back;
		cache->self = cache_redis_open(&options->redis, bells.items, bells.count, hear, cache, outcome);
		return cache->self != NULL;
	}
	cache->back = &cache_local_back;
	cache->self = cache_local_open(options->local_bytes);
	return cache->self || outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

static struct vault *vault_make(const struct cache_options *options, struct outcome *outcome)
{
	unsigned char random_key[SEAL_KEY_BYTES_MIN];
	struct seal_key own = { 0, { (const char *)random_key, sizeof random_key } };

	random_bytes(random_key, sizeof random_key);
	struct vault *vault = options->key_count ? vault_new("cache", options->keys, options->key_count)
						 : vault_new("cache", &own, 1);

	OPENSSL_cleanse(random_key, sizeof random_key);
	if (!vault)
		outcome_add(outcome, ERR_VALUE_INVALID, "state_keys",
			    "Give each key an id of its own and at least 32 random bytes.");
	return vault;
}

struct cache *cache_open(const struct cache_options *options, struct outcome *outcome)
{
	struct cache *cache = calloc(1, sizeof *cache);

	if (cache) {
		cache->flights = flights_new();
		cache->bell = bell_new();
	}
	if (!cache || !cache->flights || !cache->bell) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory and threads.");
	} else {
		cache->vault = vault_make(options, outcome);
		if (cache->vault && back_open(cache, options, outcome))
			return cache;
	}
	cache_close(cache);
	return NULL;
}

bool cache_is_shared(const struct cache *cache)
{
	return cache->back == &cache_redis_back;
}

bool cache_is_there(const struct cache *cache)
{
	struct cache_memory memory;

	return cache->back->memory(cache->self, &memory);
}

void cache_close(struct cache *cache)
{
	if (!cache)
		return;
	if (cache->self)
		cache->back->close(cache->self);
	bell_free(cache->bell);
	flights_free(cache->flights);
	vault_free(cache->vault);
	free(cache);
}

bool cache_probe(const struct cache_options *options, struct outcome *outcome)
{
	struct cache cache = { .vault = uses_redis(options) ? vault_make(options, outcome) : NULL };
	struct cache_keys bells;

	if (!uses_redis(options))
		return true;
	bool ok = cache.vault && keys_make(&cache, &bell_name, CACHE_BELL, &bells) &&
		  cache_redis_probe(&options->redis, bells.items, bells.count, outcome);

	vault_free(cache.vault);
	return ok;
}
