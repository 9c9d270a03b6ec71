/* What a tenant keeps whatever becomes of its settings, and what only one at a time may have open: the audit journal, the
 * last known answers, counters. Opened when a tenant of this name first appears, and closed when it has gone or the
 * process ends; in between, gateways come and go with the settings (gateway.h), several at once while requests that
 * began with the old ones end. */
#ifndef PASSERELLE_STORES_H
#define PASSERELLE_STORES_H

#include <stdatomic.h>

#include "gateway/access/access.h"
#include "gateway/audit/audit_store.h"

struct stores {
	struct access_stores *access;
	struct audit_store *audit; /* NULL: it was off all the time */
	atomic_uint request_count;
};

/* config, which is of configs, and cache are borrowed. Errors: those of the parts, ERR_NO_MEMORY. */
bool stores_open(struct config_set *configs, const struct config *config, struct cache *cache, struct stores **stores,
		 struct outcome *outcome) MUST_CHECK;

/* Other settings of the same tenant: first what they need and is not open yet, and then, when they hold, their bounds.
 * Both by one thread at a time. */
bool stores_prepare(struct stores *stores, struct config_set *configs, const struct config *config,
		    struct outcome *outcome) MUST_CHECK;
void stores_renew(struct stores *stores, struct config_set *configs, const struct config *config);

void stores_close(struct stores *stores); /* NULL is allowed */

/* A request is under way: false when there are max already (0: as many as there come). It leaves when it is over. */
bool stores_enter(struct stores *stores, uint64_t max) MUST_CHECK;
void stores_leave(struct stores *stores);

#endif
