#include "gateway/access/token_cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define BUCKETS 4096 /* a power of two */

struct entry {
	struct entry *chain; /* next in the bucket */
	struct entry *newer;
	struct entry *older;
	unsigned char hash[TOKEN_HASH_SIZE];
	int64_t checked_s;
	int64_t until_s;
	bool is_refused;
	size_t size; /* of all of it */
	char bound[65];
	_Alignas(max_align_t) char caller[]; /* caller_pack */
};

struct token_cache {
	pthread_mutex_t lock;
	struct entry *buckets[BUCKETS];
	struct entry *newest;
	struct entry *oldest;
	size_t bytes;
	size_t bytes_max;
};

struct token_cache *token_cache_new(size_t bytes_max)
{
	struct token_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->bytes_max = bytes_max;
	pthread_mutex_init(&cache->lock, NULL);
	return cache;
}

void token_cache_free(struct token_cache *cache)
{
	if (!cache)
		return;
	while (cache->newest) {
		struct entry *older = cache->newest->older;

		free(cache->newest);
		cache->newest = older;
	}
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static struct entry **place_of(struct token_cache *cache, const unsigned char *hash)
{
	struct entry **place = &cache->buckets[(hash[0] << 8 | hash[1]) & (BUCKETS - 1)];

	while (*place && memcmp((*place)->hash, hash, TOKEN_HASH_SIZE) != 0)
		place = &(*place)->chain;
	return place;
}

static void list_remove(struct token_cache *cache, struct entry *entry)
{
	*(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
	*(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void list_add(struct token_cache *cache, struct entry *entry)
{
	entry->newer = NULL;
	entry->older = cache->newest;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
	cache->newest = entry;
}

static void entry_drop(struct token_cache *cache, struct entry **place)
{
	struct entry *entry = *place;

	assert(entry); /* what the list holds is in its bucket */
	*place = entry->chain;
	list_remove(cache, entry);
	cache->bytes -= entry->size;
	free(entry);
}

/* False without memory. */
static bool entry_read(const struct entry *entry, struct arena *arena, struct token_known *known)
{
	*known = (struct token_known) { .checked_s = entry->checked_s, .is_refused = entry->is_refused };
	if (entry->is_refused)
		return true;

	const struct caller *caller = (const struct caller *)(const void *)entry->caller;
	void *block = arena_alloc(arena, caller_pack(caller, NULL));

	if (!block)
		return false;
	caller_pack(caller, block);
	memcpy(&known->claims.caller, block, sizeof(known->claims.caller));
	if (entry->bound[0])
		known->claims.bound_certificate = arena_copy(arena, str_from_c(entry->bound));
	return !entry->bound[0] || known->claims.bound_certificate.data;
}

bool token_cache_get(struct token_cache *cache, const unsigned char hash[TOKEN_HASH_SIZE], int64_t now_s,
		     struct arena *arena, struct token_known *known)
{
	struct entry **place;
	bool found = false;

	pthread_mutex_lock(&cache->lock);
	place = place_of(cache, hash);
	if (*place && now_s > (*place)->until_s) {
		entry_drop(cache, place);
	} else if (*place) {
		list_remove(cache, *place);
		list_add(cache, *place);
		found = entry_read(*place, arena, known);
	}
	pthread_mutex_unlock(&cache->lock);
	return found;
}

static struct entry *entry_make(const unsigned char *hash, const struct token_known *known, int64_t until_s)
{
	const struct caller *caller = &known->claims.caller;
	struct str bound = known->claims.bound_certificate;
	size_t size = sizeof(struct entry) + (known->is_refused ? 0 : caller_pack(caller, NULL));
	struct entry *entry = bound.size < sizeof(entry->bound) ? malloc(size) : NULL;

	if (!entry)
		return NULL;
	*entry = (struct entry) {
		.checked_s = known->checked_s, .until_s = until_s, .is_refused = known->is_refused, .size = size
	};
	memcpy(entry->hash, hash, TOKEN_HASH_SIZE);
	if (bound.size)
		memcpy(entry->bound, bound.data, bound.size);
	if (!known->is_refused)
		caller_pack(caller, entry->caller);
	return entry;
}

void token_cache_put(struct token_cache *cache, const unsigned char hash[TOKEN_HASH_SIZE],
		     const struct token_known *known, int64_t until_s)
{
	struct entry *entry = entry_make(hash, known, until_s);
	struct entry **place;

	pthread_mutex_lock(&cache->lock);
	place = place_of(cache, hash);
	if (*place)
		entry_drop(cache, place);
	if (entry && entry->size <= cache->bytes_max) {
		while (cache->oldest && cache->bytes + entry->size > cache->bytes_max)
			entry_drop(cache, place_of(cache, cache->oldest->hash));
		place = place_of(cache, hash);
		entry->chain = *place;
		*place = entry;
		list_add(cache, entry);
		cache->bytes += entry->size;
		entry = NULL;
	}
	pthread_mutex_unlock(&cache->lock);
	free(entry);
}
