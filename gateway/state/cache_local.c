/* The cache in this process's memory: shards with a lock each, bounded by bytes, the least recently used makes room. */
#include <pthread.h>
#include <stdlib.h>

#include "gateway/run/clock.h"
#include "gateway/state/cache_back.h"

#define SHARDS         16
#define ENTRY_BYTES    256 /* the least that an entry is counted with: bounds their number */
#define SLOTS_MIN      16
#define LOCAL_LIFE     "0000000000000000000000000000000000000000"
#define ENTRY_OVERHEAD (sizeof(struct entry))

struct entry {
	struct cache_key key;
	uint64_t expires_ms;
	struct entry *next; /* in the slot */
	struct entry *newer;
	struct entry *older;
	size_t size;
	char value[];
};

struct shard {
	pthread_mutex_t lock;
	struct entry **slots;
	struct entry *newest;
	struct entry *oldest;
	uint64_t bytes;
	uint64_t blind_ms; /* until then something that was set may have made room before its time */
};

struct local {
	uint64_t born_ms;
	uint64_t shard_bytes_max;
	size_t slot_count; /* a power of two */
	struct shard shards[SHARDS];
};

static bool local_memory(void *self, struct cache_memory *memory)
{
	(void)self;
	*memory = (struct cache_memory) { 0, LOCAL_LIFE };
	return true;
}

/* The hash is keyed and even: any of its bytes will do. */
static struct shard *shard_of(struct local *local, const struct cache_key *key)
{
	return &local->shards[key->hash[0] % SHARDS];
}

static struct entry **slot_of(const struct local *local, struct shard *shard, const struct cache_key *key)
{
	uint32_t number;

	memcpy(&number, key->hash + 1, sizeof number);
	return &shard->slots[number & (local->slot_count - 1)];
}

static uint64_t entry_bytes(const struct entry *entry)
{
	uint64_t bytes = ENTRY_OVERHEAD + entry->size;

	return bytes > ENTRY_BYTES ? bytes : ENTRY_BYTES;
}

static void unlink_age(struct shard *shard, struct entry *entry)
{
	*(entry->newer ? &entry->newer->older : &shard->newest) = entry->older;
	*(entry->older ? &entry->older->newer : &shard->oldest) = entry->newer;
}

static void link_newest(struct shard *shard, struct entry *entry)
{
	entry->newer = NULL;
	entry->older = shard->newest;
	*(shard->newest ? &shard->newest->newer : &shard->oldest) = entry;
	shard->newest = entry;
}

static void entry_remove(struct local *local, struct shard *shard, struct entry *entry)
{
	struct entry **at = slot_of(local, shard, &entry->key);

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	unlink_age(shard, entry);
	shard->bytes -= entry_bytes(entry);
	free(entry);
}

static bool key_equal(const struct cache_key *a, const struct cache_key *b)
{
	return a->class == b->class && memcmp(a->hash, b->hash, sizeof a->hash) == 0;
}

/* The living entry of this key; one whose time is over is removed. */
static struct entry *entry_find(struct local *local, struct shard *shard, const struct cache_key *key)
{
	struct entry *entry = *slot_of(local, shard, key);

	while (entry && !key_equal(&entry->key, key))
		entry = entry->next;
	if (entry && entry->expires_ms <= clock_monotonic_ms()) {
		entry_remove(local, shard, entry);
		return NULL;
	}
	return entry;
}

static void make_room(struct local *local, struct shard *shard)
{
	while (shard->oldest && shard->bytes > local->shard_bytes_max) {
		struct entry *oldest = shard->oldest;

		if (oldest->key.class == CACHE_FIRST && oldest->expires_ms > shard->blind_ms)
			shard->blind_ms = oldest->expires_ms;
		entry_remove(local, shard, oldest);
	}
}

static struct entry *entry_new(const struct cache_key *key, struct str value, uint64_t ttl_ms)
{
	struct entry *entry = malloc(sizeof *entry + value.size);
	uint64_t now = clock_monotonic_ms();

	if (!entry)
		return NULL;
	entry->key = *key;
	entry->expires_ms = ttl_ms > UINT64_MAX - now ? UINT64_MAX : now + ttl_ms;
	entry->size = value.size;
	if (value.size)
		memcpy(entry->value, value.data, value.size);
	return entry;
}

static void entry_add(struct local *local, struct shard *shard, struct entry *entry)
{
	struct entry **slot = slot_of(local, shard, &entry->key);

	entry->next = *slot;
	*slot = entry;
	link_newest(shard, entry);
	shard->bytes += entry_bytes(entry);
	make_room(local, shard);
}

static struct str entry_copy(struct shard *shard, struct entry *entry, struct arena *arena)
{
	unlink_age(shard, entry);
	link_newest(shard, entry);
	return arena_copy(arena, (struct str) { entry->value, entry->size });
}

static bool local_get(void *self, const struct cache_memory *memory, const struct cache_key *keys, size_t key_count,
		      struct arena *arena, struct str *value, size_t *which)
{
	struct local *local = self;

	(void)memory;
	for (size_t i = 0; i < key_count; i++) {
		struct shard *shard = shard_of(local, &keys[i]);

		pthread_mutex_lock(&shard->lock);
		struct entry *entry = entry_find(local, shard, &keys[i]);

		*value = entry ? entry_copy(shard, entry, arena) : STR_NONE;
		pthread_mutex_unlock(&shard->lock);
		*which = i;
		if (value->data)
			return true;
	}
	return false;
}

static void local_put(void *self, const struct cache_memory *memory, const struct cache_key *key, struct str value,
		      uint64_t ttl_ms)
{
	struct local *local = self;
	struct shard *shard = shard_of(local, key);
	struct entry *entry = entry_new(key, value, ttl_ms);

	(void)memory;
	pthread_mutex_lock(&shard->lock);
	struct entry *old = entry_find(local, shard, key);

	if (old)
		entry_remove(local, shard, old);
	if (entry)
		entry_add(local, shard, entry);
	pthread_mutex_unlock(&shard->lock);
}

static bool local_drop(void *self, const struct cache_memory *memory, const struct cache_key *keys, size_t key_count)
{
	struct local *local = self;

	(void)memory;
	for (size_t i = 0; i < key_count; i++) {
		struct shard *shard = shard_of(local, &keys[i]);

		pthread_mutex_lock(&shard->lock);
		struct entry *entry = entry_find(local, shard, &keys[i]);

		if (entry)
			entry_remove(local, shard, entry);
		pthread_mutex_unlock(&shard->lock);
	}
	return true;
}

static bool local_seed(void *self, const struct cache_memory *memory, const struct cache_key *key, struct str fresh,
		       uint64_t ttl_ms, struct arena *arena, struct str *value)
{
	struct local *local = self;
	struct shard *shard = shard_of(local, key);

	(void)memory;
	pthread_mutex_lock(&shard->lock);
	struct entry *entry = entry_find(local, shard, key);

	if (!entry) {
		entry = entry_new(key, fresh, ttl_ms);
		if (entry)
			entry_add(local, shard, entry);
	}
	/* In a shard that is too small for it the new entry is gone again. */
	entry = entry_find(local, shard, key);
	*value = entry ? entry_copy(shard, entry, arena) : STR_NONE;
	pthread_mutex_unlock(&shard->lock);
	return value->data != NULL;
}

/* All keys of one name are set through this process alone: the first one tells it all. */
static bool local_first(void *self, const struct cache_memory *memory, const struct cache_key *keys, size_t key_count,
			uint64_t ttl_ms, uint64_t known_ms, bool *certain)
{
	struct local *local = self;
	struct shard *shard = shard_of(local, &keys[0]);
	uint64_t now = clock_monotonic_ms();

	(void)memory;
	(void)key_count;
	pthread_mutex_lock(&shard->lock);
	struct entry *set = entry_find(local, shard, &keys[0]);
	struct entry *entry = set ? NULL : entry_new(&keys[0], STR(""), ttl_ms);

	*certain = set || (entry && now - local->born_ms >= known_ms && now >= shard->blind_ms);
	if (entry)
		entry_add(local, shard, entry);
	pthread_mutex_unlock(&shard->lock);
	return !set;
}

/* The bell of this process rings anyway. */
static bool local_ring(void *self, struct str message)
{
	(void)self;
	(void)message;
	return false;
}

static void local_close(void *self)
{
	struct local *local = self;

	if (!local)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &local->shards[i];

		for (struct entry *entry = shard->newest; entry;) {
			struct entry *older = entry->older;

			free(entry);
			entry = older;
		}
		free(shard->slots);
		pthread_mutex_destroy(&shard->lock);
	}
	free(local);
}

void *cache_local_open(uint64_t bytes_max)
{
	struct local *local = calloc(1, sizeof *local);
	bool ok = local != NULL;

	if (!local)
		return NULL;
	local->born_ms = clock_monotonic_ms();
	local->shard_bytes_max = bytes_max / SHARDS;
	local->slot_count = SLOTS_MIN;
	while (local->slot_count < local->shard_bytes_max / ENTRY_BYTES / 4)
		local->slot_count *= 2;
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&local->shards[i].lock, NULL);
		local->shards[i].slots = calloc(local->slot_count, sizeof(struct entry *));
		ok = ok && local->shards[i].slots;
	}
	if (ok)
		return local;
	local_close(local);
	return NULL;
}

const struct cache_back cache_local_back = { local_memory, local_get,   local_put,  local_drop,
					     local_seed,   local_first, local_ring, local_close };
