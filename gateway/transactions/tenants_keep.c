#include <stdlib.h>

#include "gateway/run/log.h"
#include "gateway/run/thread.h"
#include "gateway/transactions/tenants_state.h"

static bool out_of_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

/* One tenant's stores are those of its name and directory. */
static bool is_theirs(const struct kept_stores *kept, const struct config *config)
{
	return str_equal(kept->config->tenant, config->tenant) &&
	       str_equal(kept->config->state_directory, config->state_directory);
}

struct kept_stores *kept_stores_take(struct tenants *tenants, const struct config *config)
{
	struct kept_stores *kept;

	pthread_mutex_lock(&tenants->lock);
	kept = tenants->stores;
	while (kept && (!is_theirs(kept, config) || kept->is_closing)) {
		if (!is_theirs(kept, config)) {
			kept = kept->next;
			continue;
		}
		/* They hold their directory until they are closed. */
		pthread_cond_wait(&tenants->closed, &tenants->lock);
		kept = tenants->stores;
	}
	if (kept)
		kept->user_count++;
	pthread_mutex_unlock(&tenants->lock);
	return kept;
}

/* Only one thread opens at a time, so that nobody else makes them in between. */
static bool stores_make(struct tenants *tenants, struct config_set *configs, const struct config *config,
			struct kept_stores **stores, struct outcome *outcome)
{
	struct kept_stores *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return out_of_memory(outcome);
	kept->config = config;
	kept->configs = configs;
	kept->user_count = 1;
	if (!stores_open(configs, config, tenants->cache, &kept->stores, outcome)) {
		free(kept);
		return false;
	}
	config_set_keep(configs);
	pthread_mutex_lock(&tenants->lock);
	kept->next = tenants->stores;
	tenants->stores = kept;
	pthread_mutex_unlock(&tenants->lock);
	*stores = kept;
	return true;
}

void kept_stores_release(struct tenants *tenants, struct kept_stores *kept)
{
	struct kept_stores **link = &tenants->stores;
	bool is_last;

	if (!kept)
		return;
	pthread_mutex_lock(&tenants->lock);
	is_last = --kept->user_count == 0;
	kept->is_closing = is_last;
	pthread_mutex_unlock(&tenants->lock);
	if (!is_last)
		return;
	stores_close(kept->stores);
	pthread_mutex_lock(&tenants->lock);
	while (*link != kept)
		link = &(*link)->next;
	*link = kept->next;
	pthread_cond_broadcast(&tenants->closed);
	pthread_mutex_unlock(&tenants->lock);
	config_set_close(kept->configs);
	free(kept);
}

static void tenant_close(struct tenants *tenants, struct kept_tenant *tenant)
{
	const struct log_tenant before = log_tenant_set(tenant->public.name);

	if (tenants->part)
		tenants->part->close(tenant->public.part);
	gateway_close(tenant->public.gateway);
	kept_stores_release(tenants, tenant->kept);
	config_set_close(tenant->configs);
	free(tenant);
	log_tenant_restore(&before);
}

/* Of several tenants none takes more than half, however slow its back-ends are. */
static size_t workers_of(const struct config_set *configs, const struct config *config)
{
	return configs->is_single ? config->limits_workers : (config->limits_workers + 1) / 2;
}

/* The same goes for the bodies and documents on their way. NULL without memory. */
static struct spool_limits *spools_of(struct tenants *tenants, const struct config_set *configs, struct str name)
{
	struct tenant_spools *spools = tenants->tenant_spools;

	if (configs->is_single)
		return &tenants->spools;
	while (spools && !str_equal(name, str_from_c(spools->name)))
		spools = spools->next;
	if (spools)
		return &spools->limits;
	spools = calloc(1, sizeof(*spools) + name.size + 1);
	if (!spools)
		return NULL;
	memcpy(spools->name, name.data, name.size);
	spools->limits.directory = tenants->spools.directory;
	spools->limits.memory_bytes = tenants->spools.memory_bytes;
	spools->limits.total_bytes_max = tenants->spools.total_bytes_max / 2;
	spools->limits.whole = &tenants->spools;
	spools->next = tenants->tenant_spools;
	tenants->tenant_spools = spools;
	return &spools->limits;
}

bool kept_tenant_open(struct tenants *tenants, struct config_set *configs, struct config *config,
		      struct kept_stores *kept, struct kept_tenant **tenant, struct outcome *outcome)
{
	struct gateway_means means = { .version = tenants->version,
				       .spools = spools_of(tenants, configs, config->tenant),
				       .legs = tenants->legs };
	struct kept_tenant *opened = means.spools ? calloc(1, sizeof(*opened)) : NULL;

	if (!opened) {
		kept_stores_release(tenants, kept);
		return out_of_memory(outcome);
	}
	config_set_keep(configs);
	opened->kept = kept;
	opened->configs = configs;
	opened->config = config;
	opened->owners = 1;
	opened->public.name = config->tenant;
	opened->public.workers = workers_of(configs, config);
	bool ok = kept ? stores_prepare(kept->stores, configs, config, outcome)
		       : stores_make(tenants, configs, config, &opened->kept, outcome);

	if (ok && opened->kept) {
		opened->public.stores = opened->kept->stores;
		means.stores = opened->kept->stores;
		if (gateway_open(config, &means, &opened->public.gateway, outcome) &&
		    (!tenants->part || tenants->part->open(&opened->public, &opened->public.part, outcome))) {
			*tenant = opened;
			return true;
		}
	}
	tenant_close(tenants, opened);
	return false;
}

void kept_tenant_settle(struct kept_tenant *tenant)
{
	const struct log_tenant before = log_tenant_set(tenant->public.name);

	stores_renew(tenant->kept->stores, tenant->configs, tenant->config);
	log_tenant_restore(&before);
}

void tenant_spools_free(struct tenants *tenants)
{
	while (tenants->tenant_spools) {
		struct tenant_spools *spools = tenants->tenant_spools;

		tenants->tenant_spools = spools->next;
		free(spools);
	}
}

static void *closer_main(void *argument)
{
	struct tenants *tenants = argument;

	pthread_mutex_lock(&tenants->lock);
	while (tenants->ended || !tenants->is_stopping) {
		struct kept_tenant *tenant = tenants->ended;

		if (!tenant) {
			pthread_cond_wait(&tenants->wake, &tenants->lock);
			continue;
		}
		tenants->ended = tenant->next;
		pthread_mutex_unlock(&tenants->lock);
		tenant_close(tenants, tenant);
		pthread_mutex_lock(&tenants->lock);
	}
	pthread_mutex_unlock(&tenants->lock);
	return NULL;
}

bool closer_start(struct tenants *tenants, struct outcome *outcome)
{
	tenants->has_closer = thread_start(&tenants->closer, closer_main, tenants);
	return tenants->has_closer || outcome_add(outcome, ERR_INTERNAL, "", "Allow this process more threads.");
}

void closer_end(struct tenants *tenants)
{
	if (!tenants->has_closer)
		return;
	pthread_mutex_lock(&tenants->lock);
	tenants->is_stopping = true;
	pthread_cond_signal(&tenants->wake);
	pthread_mutex_unlock(&tenants->lock);
	pthread_join(tenants->closer, NULL);
}
