/* What gateways share and may lose: decisions and cross-references under keyed hashes, encrypted, for a bounded time.
 * Redis when one is configured, otherwise this process's memory; behind this header nobody can tell. Never the record of
 * anything: every failure is a miss, emptied it makes answers slower and not different. Knows no FHIR and no XDS.
 * Any thread may call. */
#ifndef PASSERELLE_CACHE_H
#define PASSERELLE_CACHE_H

#include "gateway/run/config.h"
#include "gateway/state/redis.h"
#include "gateway/state/vault.h"
#include "mappers/base/arena.h"

struct cache;

#define CACHE_VALUE_BYTES_MAX (64 * 1024)
#define CACHE_PARTS_MAX       8

struct cache_options {
	struct seal_key keys[VAULT_KEYS_MAX]; /* the first writes, all open; shared by all gateways */
	size_t key_count;                     /* 0: a key that lives as long as the process; not with Redis */
	uint64_t local_bytes;                 /* bound of the cache in this process's memory */
	struct redis_options redis;           /* without address and sentinels: this process's memory */
};

/* What the configuration says; borrows from it. False with an issue when its keys do not fit together. */
bool cache_options_read(const struct config *config, struct cache_options *options, struct outcome *outcome) MUST_CHECK;

/* Starts the cache's threads. Redis need not be there: it is looked for as long as the cache is open. Borrowed: what
 * options point to. Close with cache_close, when no other call is running. NULL with an issue after an error. */
struct cache *cache_open(const struct cache_options *options, struct outcome *outcome) MUST_CHECK;
void cache_close(struct cache *cache);

/* Tries everything that the cache needs from Redis, once, and says what is wrong. True also without Redis. */
bool cache_probe(const struct cache_options *options, struct outcome *outcome) MUST_CHECK;

/* True when other gateways may share it: what is in it comes from them too. */
bool cache_is_shared(const struct cache *cache);

/* Whether it can be asked now; one that nobody shares always can. */
bool cache_is_there(const struct cache *cache);

/* The name of a value in clear: it never leaves the process. What is sent is HMAC-SHA-256 of tenant, kind and parts
 * (each with its length), so that no patient data stands in keys, and no two names meet. */
struct cache_name {
	struct str tenant;
	const char *kind;        /* "consent", "decision", "xref", ... */
	const struct str *parts; /* at most CACHE_PARTS_MAX */
	size_t part_count;
};

enum cache_found { CACHE_HIT, CACHE_MISS };

/* value is in the arena. CACHE_MISS also for every kind of trouble: Redis away or slow, a value that does not open. */
enum cache_found cache_get(struct cache *cache, const struct cache_name *name, struct arena *arena,
			   struct str *value) MUST_CHECK;

/* Best effort, at most ttl_ms. Values over CACHE_VALUE_BYTES_MAX are not kept. */
void cache_put(struct cache *cache, const struct cache_name *name, struct str value, uint64_t ttl_ms);
void cache_drop(struct cache *cache, const struct cache_name *name);

/* True when nobody had set this name before (then it is set now, for ttl_ms): for replay guards. *certain is false when
 * the cache could not be asked, or has forgotten something less than known_ms ago, so that what was set then may be
 * "first" again: known_ms is how long ago the name can have been set at most. */
bool cache_first(struct cache *cache, const struct cache_name *name, uint64_t ttl_ms, uint64_t known_ms,
		 bool *certain) MUST_CHECK;

/* A counter whose value is random at its birth and that every bump changes for good, on all gateways at once: part of
 * the names of what a bump shall make unreachable. False when it cannot be known now: then do not use the cache. */
bool cache_epoch(struct cache *cache, const struct cache_name *name, uint64_t *epoch) MUST_CHECK;
/* False when the other gateways could not be told. */
bool cache_epoch_bump(struct cache *cache, const struct cache_name *name) MUST_CHECK;

/* The bell: a short message to all gateways that share the cache (this one too), best effort and unordered, encrypted
 * like values. Every listener is called for every message, in the bell's own thread. cache_listen is false without
 * memory: who heard nothing would go on by what is no longer true. After cache_unlisten, which a listener must not call
 * itself, nothing is called with this context, and no call is running. */
#define CACHE_BELL_BYTES_MAX 512
void cache_ring(struct cache *cache, struct str message);
bool cache_listen(struct cache *cache, void (*on_bell)(void *context, struct str message), void *context) MUST_CHECK;
void cache_unlisten(struct cache *cache, void *context);

/* Joins the calls of threads that miss the same name at the same time: one goes and asks, the others wait for at most
 * wait_ms and then look into the cache anew. Returns true for the one that asks, which must call cache_asked. */
bool cache_ask(struct cache *cache, const struct cache_name *name, uint64_t wait_ms) MUST_CHECK;
void cache_asked(struct cache *cache, const struct cache_name *name);

#endif
