/* Inside gateway/transactions only: who owns what of the tenants, and how long. */
#ifndef PASSERELLE_TENANTS_STATE_H
#define PASSERELLE_TENANTS_STATE_H

#include <pthread.h>

#include "gateway/transactions/tenants.h"

/* Stores, and the settings that use them at this moment. */
struct kept_stores {
	struct kept_stores *next;
	struct stores *stores;       /* not to be looked into once is_closing */
	const struct config *config; /* that they were opened with */
	struct config_set *configs;  /* that this is of */
	unsigned user_count;         /* under the lock */
	bool is_closing;
};

struct kept_tenant {
	struct tenant public; /* first */
	struct kept_stores *kept;
	struct config_set *configs;
	const struct config *config;
	atomic_uint owners;
	struct kept_tenant *next; /* of those that nobody owns any more */
};

/* What one tenant's bodies and documents may take of the spools. Kept for good: one on its way may outlive the tenant. */
struct tenant_spools {
	struct tenant_spools *next;
	struct spool_limits limits;
	char name[];
};

struct kept_set {
	struct tenant_set public; /* first */
	struct tenant **items;    /* public.tenants and public.names, while they are filled */
	struct str *names;
	atomic_uint owners;
};

struct tenants {
	struct config_set *configs; /* of the start: the process's keys are these for good */
	const char *version;
	const struct tenant_part *part;
	struct spool_limits spools;
	struct tenant_spools *tenant_spools; /* touched by who opens tenants alone, one thread at a time */
	struct worker_pool *legs;            /* threads for asking several sources at once */
	struct cache *cache;
	pthread_t closer;
	bool has_closer;
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t wake;  /* the closer */
	pthread_cond_t closed;
	struct kept_set *now;
	struct kept_stores *stores;
	struct kept_tenant *ended;
	bool is_stopping;
	struct watch watch;
};

/* tenants_keep.c: the stores of this configuration's tenant, when they are open, with one more user; NULL otherwise. Waits
 * for those that are being closed. */
struct kept_stores *kept_stores_take(struct tenants *tenants, const struct config *config) MUST_CHECK;
/* One user less; the last one closes them. NULL is allowed. */
void kept_stores_release(struct tenants *tenants, struct kept_stores *kept);

/* Makes one of these settings, with these stores, whose use is taken over also when it fails; NULL: they are opened. It
 * has one owner. False with an issue. */
bool kept_tenant_open(struct tenants *tenants, struct config_set *configs, struct config *config,
		      struct kept_stores *kept, struct kept_tenant **tenant, struct outcome *outcome) MUST_CHECK;

/* Its settings hold from now on: those of its stores that a reload changes as well. */
void kept_tenant_settle(struct kept_tenant *tenant);

void tenant_spools_free(struct tenants *tenants);

/* Closes, in a thread of its own, what nobody owns any more: that takes its time. End it when nothing is owned. */
bool closer_start(struct tenants *tenants, struct outcome *outcome) MUST_CHECK;
void closer_end(struct tenants *tenants);

#endif
