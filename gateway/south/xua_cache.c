#include "gateway/south/xua_cache.h"

#include <pthread.h>
#include <stdlib.h>

#define SETS           512
#define WAYS           8
#define TEXT_BYTES_MAX ((size_t)16 * 1024) /* 64 MiB in all at the very worst; usually a twentieth of it */

struct entry {
	unsigned char key[XUA_KEY_SIZE];
	int64_t until_s; /* 0: free */
	char *text;
	size_t size;
};

struct xua_cache {
	pthread_mutex_t lock;
	struct entry entries[SETS][WAYS];
};

struct xua_cache *xua_cache_new(void)
{
	struct xua_cache *cache = calloc(1, sizeof(*cache));

	if (cache)
		pthread_mutex_init(&cache->lock, NULL);
	return cache;
}

static void entry_drop(struct entry *entry)
{
	if (entry->text)
		explicit_bzero(entry->text, entry->size);
	free(entry->text);
	*entry = (struct entry) { 0 };
}

void xua_cache_free(struct xua_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < SETS; i++) {
		for (size_t k = 0; k < WAYS; k++)
			entry_drop(&cache->entries[i][k]);
	}
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

/* A key is a hash: its bytes are spread evenly. */
static struct entry *set_of(struct xua_cache *cache, const unsigned char key[XUA_KEY_SIZE])
{
	return cache->entries[((size_t)key[0] << 8 | key[1]) % SETS];
}

bool xua_cache_get(struct xua_cache *cache, const unsigned char key[XUA_KEY_SIZE], int64_t now_s, struct arena *arena,
		   struct str *text)
{
	struct entry *set = set_of(cache, key);
	bool found = false;

	pthread_mutex_lock(&cache->lock);
	for (size_t i = 0; i < WAYS && !found; i++) {
		found = set[i].until_s > now_s && memcmp(set[i].key, key, XUA_KEY_SIZE) == 0;
		if (found)
			*text = arena_copy(arena, (struct str) { set[i].text, set[i].size });
	}
	pthread_mutex_unlock(&cache->lock);
	return found;
}

void xua_cache_put(struct xua_cache *cache, const unsigned char key[XUA_KEY_SIZE], int64_t now_s, int64_t until_s,
		   struct str text)
{
	struct entry *set = set_of(cache, key);
	struct entry *place = &set[0];
	char *copy = until_s > now_s && text.size <= TEXT_BYTES_MAX ? malloc(text.size) : NULL;

	if (!copy)
		return;
	memcpy(copy, text.data, text.size);
	pthread_mutex_lock(&cache->lock);
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].until_s && memcmp(set[i].key, key, XUA_KEY_SIZE) == 0) {
			place = &set[i]; /* two have missed at once: one entry is enough */
			break;
		}
		if (set[i].until_s < place->until_s)
			place = &set[i];
	}
	entry_drop(place);
	*place = (struct entry) { .until_s = until_s, .text = copy, .size = text.size };
	memcpy(place->key, key, XUA_KEY_SIZE);
	pthread_mutex_unlock(&cache->lock);
}
