/* The last known answers of others (consents, cross-references), kept on this gateway's own disk for the time when
 * they cannot be asked: names are keyed hashes, values are encrypted. Bounded: the oldest make room. Writing waits for
 * nothing and is on the disk within a second; what a crash loses is less than that. Any thread may call.
 * Gateways that share a Redis share them there too, so that one knows what its neighbours know: the newest counts. What was
 * dropped here is remembered as such, and nothing older that lies in Redis counts here any more; an emptied Redis leaves
 * what is on the disk (but see last_known_get_permit). */
#ifndef PASSERELLE_LAST_KNOWN_H
#define PASSERELLE_LAST_KNOWN_H

#include "gateway/state/cache.h"

struct last_known;

#define LAST_KNOWN_VALUE_BYTES_MAX (256 * 1024)

/* Opens config.state_directory, created when it is missing, for this process alone: a second gateway is refused.
 * shared: the cache in which gateways share them, which outlives it; NULL: they do not.
 * *last_known is NULL, and true is returned, when no state_directory is configured. Close with last_known_close. */
bool last_known_open(const struct config *config, struct cache *shared, struct last_known **last_known,
		     struct outcome *outcome) MUST_CHECK;

/* Writes what waits. NULL is allowed. */
void last_known_close(struct last_known *last_known);

/* In all calls last_known may be NULL (nothing is kept, nothing is found); now_s is the caller's wall clock in seconds
 * since 1970, max_age_s how old an answer may be that is asked for. The name's tenant, kind and parts are hashed like a
 * cache's. */

/* Size of the file (config.last_known_bytes), from now on. */
void last_known_bound(struct last_known *last_known, uint64_t bytes_max);

/* This is what was answered to a question of now_s. A longer value, or an empty one, drops what was known. */
void last_known_put(struct last_known *last_known, const struct cache_name *name, struct str value, int64_t now_s,
		    uint64_t max_age_s);

/* What was put at most max_age_s before now_s, in the arena, and how many seconds before. False when there is none, or
 * none that young: also when its time lies more than a minute in the future. */
bool last_known_get(struct last_known *last_known, const struct cache_name *name, int64_t now_s, uint64_t max_age_s,
		    struct arena *arena, struct str *value, uint64_t *age_s) MUST_CHECK;

/* The same for what permits something. Where answers are shared, those that this process has not been given itself count
 * only while Redis has one of this name too: what it was told while this gateway did not listen may have been lost there. */
bool last_known_get_permit(struct last_known *last_known, const struct cache_name *name, int64_t now_s,
			   uint64_t max_age_s, struct arena *arena, struct str *value, uint64_t *age_s) MUST_CHECK;

/* What was known until now is not true any more. */
void last_known_drop(struct last_known *last_known, const struct cache_name *name, uint64_t max_age_s);

/* Waits until everything that was put and dropped before is on the disk; false when it is not. */
bool last_known_flush(struct last_known *last_known, struct outcome *outcome) MUST_CHECK;

#endif
