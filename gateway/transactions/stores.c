#include "gateway/transactions/stores.h"

#include <stdlib.h>

bool stores_open(struct config_set *configs, const struct config *config, struct cache *cache, struct stores **stores,
		 struct outcome *outcome)
{
	struct stores *opened = calloc(1, sizeof(*opened));

	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	opened->access = access_stores_open(config, cache, outcome);
	if (!opened->access || !audit_store_open(configs, config, &opened->audit, outcome)) {
		stores_close(opened);
		return false;
	}
	*stores = opened;
	return true;
}

bool stores_prepare(struct stores *stores, struct config_set *configs, const struct config *config,
		    struct outcome *outcome)
{
	return audit_store_open(configs, config, &stores->audit, outcome);
}

void stores_renew(struct stores *stores, struct config_set *configs, const struct config *config)
{
	access_stores_renew(stores->access, config);
	audit_store_renew(stores->audit, configs, config);
}

void stores_close(struct stores *stores)
{
	if (!stores)
		return;
	audit_store_close(stores->audit);
	access_stores_close(stores->access);
	free(stores);
}

bool stores_enter(struct stores *stores, uint64_t max)
{
	if (atomic_fetch_add(&stores->request_count, 1) < max || max == 0)
		return true;
	stores_leave(stores);
	return false;
}

void stores_leave(struct stores *stores)
{
	atomic_fetch_sub(&stores->request_count, 1);
}
