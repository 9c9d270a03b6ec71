#include "gateway/transactions/tenants.h"

#include <stdlib.h>

/* Each source admits its own number of requests (connections_max); these only bound what they are together. */
#define LEG_THREADS_MAX 1024
#define LEG_QUEUE_MAX   4096

struct tenants {
	struct config_set *configs;
	const struct tenant_part *part;
	struct spool_limits spools;
	struct worker_pool *legs; /* threads for asking several sources at once */
	struct tenant_set set;
	struct tenant **items;
	struct str *names;
	size_t open_count;
};

static bool out_of_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

static bool tenant_open(struct tenants *tenants, const struct config *config, const char *version,
			struct outcome *outcome)
{
	struct tenant *tenant = calloc(1, sizeof(*tenant));

	if (!tenant)
		return out_of_memory(outcome);
	tenant->name = config->tenant;
	if (!gateway_open(config, version, &tenants->spools, tenants->legs, &tenant->gateway, outcome)) {
		free(tenant);
		return false;
	}
	tenants->names[tenants->open_count] = config->tenant;
	tenants->items[tenants->open_count++] = tenant;
	return !tenants->part || tenants->part->open(tenant, &tenant->part, outcome);
}

static bool all_open(struct tenants *tenants, const char *version, struct outcome *outcome)
{
	const struct config_set *configs = tenants->configs;

	tenants->items = calloc(configs->count, sizeof(struct tenant *));
	tenants->names = calloc(configs->count, sizeof(*tenants->names));
	if (!tenants->items || !tenants->names)
		return out_of_memory(outcome);
	for (size_t i = 0; i < configs->count; i++) {
		if (!tenant_open(tenants, &configs->tenants[i], version, outcome))
			return false;
	}
	tenants->set = (struct tenant_set) { .tenants = tenants->items,
					     .names = configs->is_single ? NULL : tenants->names,
					     .count = configs->count,
					     .bare_index = configs->bare_index };
	return true;
}

bool tenants_open(struct config_set *configs, const char *version, const struct tenant_part *part,
		  struct tenants **tenants, struct outcome *outcome)
{
	const struct worker_options legs = { .threads_max = LEG_THREADS_MAX, .queue_max = LEG_QUEUE_MAX };
	const struct config *process = &configs->process;
	struct tenants *opened = calloc(1, sizeof(*opened));

	if (!opened)
		return out_of_memory(outcome);
	config_set_keep(configs);
	opened->configs = configs;
	opened->part = part;
	opened->spools = (struct spool_limits) { .directory = process->spool_directory.data,
						 .memory_bytes = process->limits_spool_memory,
						 .total_bytes_max = process->limits_spool_bytes };
	opened->legs = worker_pool_new(&legs);
	if (!opened->legs)
		out_of_memory(outcome);
	if (!opened->legs || !all_open(opened, version, outcome)) {
		tenants_close(opened);
		return false;
	}
	*tenants = opened;
	return true;
}

void tenants_close(struct tenants *tenants)
{
	if (!tenants)
		return;
	if (tenants->legs)
		worker_pool_free(tenants->legs);
	for (size_t i = 0; i < tenants->open_count; i++) {
		if (tenants->part)
			tenants->part->close(tenants->items[i]->part);
		gateway_close(tenants->items[i]->gateway);
		free(tenants->items[i]);
	}
	free(tenants->items);
	free(tenants->names);
	config_set_close(tenants->configs);
	free(tenants);
}

const struct config *tenants_process(const struct tenants *tenants)
{
	return &tenants->configs->process;
}

struct spool_limits *tenants_spools(struct tenants *tenants)
{
	return &tenants->spools;
}

const struct tenant_set *tenant_set_take(struct tenants *tenants)
{
	return &tenants->set;
}

void tenant_set_give_back(struct tenants *tenants, const struct tenant_set *set)
{
	(void)tenants;
	(void)set;
}

struct tenant *tenant_set_first(const struct tenant_set *set)
{
	return set->tenants[set->bare_index < set->count ? set->bare_index : 0];
}

struct tenant *tenant_take(struct tenants *tenants, const struct tenant_set *set, size_t index)
{
	(void)tenants;
	return set->tenants[index];
}

void tenant_give_back(struct tenants *tenants, struct tenant *tenant)
{
	(void)tenants;
	(void)tenant;
}

struct tenant *tenant_find(struct tenants *tenants, struct str name)
{
	const struct tenant_set *set = tenant_set_take(tenants);
	struct tenant *found = NULL;
	size_t index = str_is_empty(name) ? set->bare_index : 0;

	while (!str_is_empty(name) && index < set->count && !str_equal(set->tenants[index]->name, name))
		index++;
	if (index < set->count)
		found = tenant_take(tenants, set, index);
	tenant_set_give_back(tenants, set);
	return found;
}
