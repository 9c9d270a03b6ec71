/* Inside gateway/state only: what the two caches have in common. Keys are hashes and values sealed already; what lies
 * behind knows neither. */
#ifndef PASSERELLE_CACHE_BACK_H
#define PASSERELLE_CACHE_BACK_H

#include "gateway/state/cache.h"

#define CACHE_SEALED_BYTES_MAX (CACHE_VALUE_BYTES_MAX + 8 + VAULT_OVERHEAD)

/* The one memory that holds values now. A failover or restart begins another one, in which nothing of the old is found:
 * the life is part of every key and of the place that a value is sealed for. */
struct cache_memory {
	uint64_t generation;
	char life[REDIS_LIFE_SIZE];
};

enum cache_class { CACHE_VALUE = 'v', CACHE_EPOCH = 'e', CACHE_FIRST = 'f', CACHE_BELL = 'b' };

struct cache_key {
	enum cache_class class;
	unsigned char hash[VAULT_NAME_BYTES];
};

/* Each function gets the memory that its caller saw; when it is no longer the one, the call fails. */
struct cache_back {
	/* False when there is none now. */
	bool (*memory)(void *self, struct cache_memory *memory);

	/* The value of the first key that has one, in the arena, and which that was. */
	bool (*get)(void *self, const struct cache_memory *memory, const struct cache_key *keys, size_t key_count,
		    struct arena *arena, struct str *value, size_t *which);
	void (*put)(void *self, const struct cache_memory *memory, const struct cache_key *key, struct str value,
		    uint64_t ttl_ms);
	/* True when no key has a value now. */
	bool (*drop)(void *self, const struct cache_memory *memory, const struct cache_key *keys, size_t key_count);

	/* *value is what is there already, or else fresh, which is there from now on. False when that is not known. */
	bool (*seed)(void *self, const struct cache_memory *memory, const struct cache_key *key, struct str fresh,
		     uint64_t ttl_ms, struct arena *arena, struct str *value);

	/* Sets the first key when none of them is set; certain: that all that was set in the last known_ms is known. */
	bool (*first)(void *self, const struct cache_memory *memory, const struct cache_key *keys, size_t key_count,
		      uint64_t ttl_ms, uint64_t known_ms, bool *certain);

	/* False when nobody was told. */
	bool (*ring)(void *self, struct str message);
	void (*close)(void *self);
};

/* Opens the cache in this process's memory; NULL without memory. */
void *cache_local_open(uint64_t bytes_max) MUST_CHECK;
extern const struct cache_back cache_local_back;

/* Opens the cache in Redis. bells: the names that each key gives to the bell; hear gets what comes over them. NULL with
 * an issue. */
void *cache_redis_open(const struct redis_options *options, const struct cache_key *bells, size_t bell_count,
		       void (*hear)(void *context, struct str message), void *context,
		       struct outcome *outcome) MUST_CHECK;
extern const struct cache_back cache_redis_back;

/* Tries each command once. False with an issue. */
bool cache_redis_probe(const struct redis_options *options, const struct cache_key *bells, size_t bell_count,
		       struct outcome *outcome) MUST_CHECK;

#endif
