/* Inside gateway/state only: the last known answers that gateways share in Redis, under the names and sealed as they are on
 * the disk. What came later counts; where a neighbour's clock could be wrong about that, two answers that differ are none. */
#ifndef PASSERELLE_LAST_KNOWN_SHARE_H
#define PASSERELLE_LAST_KNOWN_SHARE_H

#include "gateway/state/cache.h"

#define LAST_KNOWN_CLOCKS_S 60 /* by which gateways' clocks may differ */

struct last_known_share {
	struct cache *cache; /* NULL: nothing is shared */
	struct str tenant;
	const struct vault *vault;
};

/* What somebody knew at a time. */
struct last_known_answer {
	bool is_there;
	int64_t at_s;
	struct str value; /* empty: that what was known before is not true any more */
};

/* Time and value as they lie sealed. False for what was sealed for another name, or by another key. */
bool last_known_answer_open(const struct vault *vault, const unsigned char hash[VAULT_NAME_BYTES], struct str sealed,
			    struct arena *arena, struct last_known_answer *answer) MUST_CHECK;

/* The one that counts: the newer one. NULL: none, also where they differ and clocks cannot tell which is newer (what was
 * revoked in the second in which it was read must not count). */
const struct last_known_answer *last_known_answer_choose(const struct last_known_answer *own,
							 const struct last_known_answer *shared);

/* answer->is_there is false when there is none, or Redis is away. */
void last_known_shared_get(const struct last_known_share *share, const unsigned char hash[VAULT_NAME_BYTES],
			   struct arena *arena, struct last_known_answer *answer);

/* Unless there is a newer one; that something is not true any more is always said. */
void last_known_shared_put(const struct last_known_share *share, const unsigned char hash[VAULT_NAME_BYTES],
			   struct str sealed, uint64_t ttl_s);
void last_known_shared_drop(const struct last_known_share *share, const unsigned char hash[VAULT_NAME_BYTES]);

#endif
