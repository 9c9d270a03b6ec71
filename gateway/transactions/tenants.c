#include "gateway/transactions/tenants.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/delivery/delivery.h"
#include "gateway/run/config_change.h"
#include "gateway/run/log.h"
#include "gateway/state/cache.h"
#include "gateway/transactions/tenants_state.h"

/* Each source admits its own number of requests (connections_max); these only bound what they are together. */
#define LEG_THREADS_MAX 1024
#define LEG_QUEUE_MAX   4096
#define NAMES_BYTES_MAX 4096

static bool out_of_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

struct worker_share tenant_share(const struct tenant *tenant, bool asks)
{
	/* A quarter is kept for who asks no back-end: patients, consents, tokens. */
	return (struct worker_share) { .name = tenant->name,
				       .max = tenant->workers,
				       .asking_max = tenant->workers - tenant->workers / 4,
				       .asks = asks };
}

const struct config *tenants_process(const struct tenants *tenants)
{
	return &tenants->configs->process;
}

struct spool_limits *tenants_spools(struct tenants *tenants)
{
	return &tenants->spools;
}

void tenant_give_back(struct tenants *tenants, struct tenant *tenant)
{
	struct kept_tenant *kept = (struct kept_tenant *)tenant;

	if (atomic_fetch_sub(&kept->owners, 1) != 1)
		return;
	pthread_mutex_lock(&tenants->lock);
	kept->next = tenants->ended;
	tenants->ended = kept;
	pthread_cond_signal(&tenants->wake);
	pthread_mutex_unlock(&tenants->lock);
}

struct tenant *tenant_take(struct tenants *tenants, const struct tenant_set *set, size_t index)
{
	struct kept_tenant *kept = (struct kept_tenant *)set->tenants[index];

	(void)tenants;
	atomic_fetch_add(&kept->owners, 1);
	return &kept->public;
}

const struct tenant_set *tenant_set_take(struct tenants *tenants)
{
	struct kept_set *set;

	pthread_mutex_lock(&tenants->lock);
	set = tenants->now;
	atomic_fetch_add(&set->owners, 1);
	pthread_mutex_unlock(&tenants->lock);
	return &set->public;
}

static void set_release(struct tenants *tenants, struct kept_set *set)
{
	if (!set || atomic_fetch_sub(&set->owners, 1) != 1)
		return;
	for (size_t i = 0; i < set->public.count; i++)
		tenant_give_back(tenants, set->items[i]);
	free(set->items);
	free(set->names);
	free(set);
}

void tenant_set_give_back(struct tenants *tenants, const struct tenant_set *set)
{
	/* It is ours: only its takers see it as unchangeable. */
	union {
		const struct tenant_set *in;
		struct kept_set *out;
	} kept = { .in = set };

	set_release(tenants, kept.out);
}

struct tenant *tenant_set_first(const struct tenant_set *set)
{
	return set->tenants[set->bare_index < set->count ? set->bare_index : 0];
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

/* What stands in the main file is said once, and then of no single tenant. */
static bool said_before(struct outcome *outcome, size_t count, const struct issue *issue)
{
	for (size_t i = 0; i < count; i++) {
		struct issue *other = &outcome->issues[i];
		struct str path = str_from_c(other->path);
		char bare[sizeof(other->path)];

		if (str_starts_with(path, STR("tenant ")))
			path = str_from(path, str_find(path, ':') + 2);
		if (!issue->path[0] || !str_equal(path, str_from_c(issue->path)) ||
		    strcmp(other->text, issue->text) != 0)
			continue;
		snprintf(bare, sizeof(bare), "%.*s", STR_ARG(path));
		memcpy(other->path, bare, sizeof(bare));
		return true;
	}
	return false;
}

void tenant_issues_name(const struct config_set *configs, size_t index, size_t first, struct outcome *outcome)
{
	config_issues_place(&configs->tenants[index], first, outcome);
	size_t kept = first;

	for (size_t i = first; !configs->is_single && i < outcome->count; i++) {
		const struct issue issue_read = outcome->issues[i];
		struct issue *issue = &outcome->issues[kept];
		char path[sizeof(issue->path)];

		if (said_before(outcome, first, &issue_read))
			continue;
		kept++;
		*issue = issue_read;
		snprintf(path, sizeof(path), "tenant %.*s: %s", STR_ARG(configs->tenants[index].tenant), issue->path);
		memcpy(issue->path, path, sizeof(path));
	}
	if (!configs->is_single)
		outcome->count = kept;
}

static struct kept_set *set_new(const struct config_set *configs)
{
	struct kept_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->owners = 1;
	set->items = calloc(configs->count, sizeof(struct tenant *));
	set->names = calloc(configs->count, sizeof(*set->names));
	if (set->items && set->names)
		return set;
	free(set->items);
	free(set->names);
	free(set);
	return NULL;
}

/* A tenant comes into the set, which owns it from now on. */
static void set_add(struct kept_set *set, struct kept_tenant *tenant)
{
	set->names[set->public.count] = tenant->public.name;
	set->items[set->public.count++] = &tenant->public;
}

/* The tenant of the same name and place that is there now; NULL: there is none. */
static struct kept_tenant *predecessor_of(const struct tenants *tenants, const struct config *config)
{
	const struct kept_set *now = tenants->now;

	for (size_t i = 0; now && i < now->public.count; i++) {
		struct kept_tenant *tenant = (struct kept_tenant *)now->items[i];

		if (str_equal(tenant->config->tenant, config->tenant) &&
		    str_equal(tenant->config->public_base, config->public_base))
			return tenant;
	}
	return NULL;
}

static void name_add(struct buf *names, struct str name, struct str keys)
{
	buf_printf(names, "%s%.*s", names->size ? ", " : "", STR_ARG(name));
	if (keys.size)
		buf_printf(names, " (%.*s)", STR_ARG(keys));
}

/* What becomes of one tenant. */
struct renewal {
	struct config *config;
	struct kept_stores *kept;   /* given on when it is opened; NULL: none are open */
	struct kept_tenant *before; /* NULL: there is none */
	bool is_same;               /* nothing has changed: before stays */
};

/* Looks what becomes of it, and whether it may: nothing is opened yet. */
static bool renewal_make(struct tenants *tenants, struct config *config, struct renewal *renewal,
			 struct tenants_change *change, struct outcome *outcome)
{
	struct buf keys;
	bool ok;

	*renewal = (struct renewal) { .config = config,
				      .kept = kept_stores_take(tenants, config),
				      .before = predecessor_of(tenants, config) };
	if (renewal->kept)
		config_state_keep(config, renewal->kept->config, &change->kept);
	buf_init(&keys, NAMES_BYTES_MAX);
	renewal->is_same = renewal->before && !config_differs(renewal->before->config, config, &keys);
	if (renewal->is_same)
		change->unchanged_count++;
	else
		name_add(renewal->before ? &change->changed : &change->added, config->tenant, buf_str(&keys));
	buf_free(&keys);
	if (renewal->is_same || !tenants->now)
		return true;
	ok = gateway_check(config, outcome);
	return (!tenants->part || tenants->part->check(config, outcome)) && ok;
}

/* The tenant itself. */
static bool renewal_open(struct tenants *tenants, struct config_set *configs, struct renewal *renewal,
			 struct kept_set *set, struct outcome *outcome)
{
	struct kept_stores *kept = renewal->kept;
	struct kept_tenant *tenant = renewal->before;

	renewal->kept = NULL;
	if (renewal->is_same) {
		atomic_fetch_add(&tenant->owners, 1);
		kept_stores_release(tenants, kept);
	} else if (!kept_tenant_open(tenants, configs, renewal->config, kept, &tenant, outcome)) {
		return false;
	}
	set_add(set, tenant);
	return true;
}

/* What becomes of this tenant's stores; NULL: it goes for good. */
static const struct renewal *renewal_of(const struct kept_tenant *tenant, const struct renewal *renewals, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (renewals[i].kept == tenant->kept)
			return &renewals[i];
	}
	return NULL;
}

/* Where nobody will deliver, or nobody unless something waits already, nothing more comes in: requests hold the tenant that
 * they began with, and may still want to have something kept when its successor has looked. */
static void doors_shut(const struct tenants *tenants, const struct renewal *renewals, size_t count)
{
	const struct kept_set *now = tenants->now;

	for (size_t i = 0; now && i < now->public.count; i++) {
		const struct kept_tenant *tenant = (const struct kept_tenant *)now->items[i];
		const struct renewal *renewal = renewal_of(tenant, renewals, count);

		if (!renewal || (!renewal->is_same && !delivery_is_wanted(renewal->config)))
			delivery_admit(tenant->public.gateway->delivery, false);
	}
}

/* All stay. */
static void doors_open(const struct tenants *tenants)
{
	const struct kept_set *now = tenants->now;

	for (size_t i = 0; now && i < now->public.count; i++)
		delivery_admit(now->items[i]->gateway->delivery, true);
}

/* Who goes for good would take along what waits: it is on the disk, and nobody would deliver it. */
static bool removal_check(const struct kept_tenant *tenant, const struct renewal *renewals, size_t count,
			  struct outcome *outcome)
{
	struct outcome counting;
	uint64_t waiting = 0;

	if (renewal_of(tenant, renewals, count))
		return true;
	outcome_init(&counting);
	if (tenant->public.gateway->outbox_is_lost ||
	    !delivery_undelivered(tenant->public.gateway->delivery, &waiting, &counting))
		return outcome_add(outcome, ERR_STORAGE, "tenants",
				   "Keep %.*s until the outbox can be read: it may have publications that wait.",
				   STR_ARG(tenant->public.name));
	return waiting == 0 ||
	       outcome_add(outcome, ERR_CONFLICT, "tenants",
			   "Keep %.*s until what waits of it is delivered or withdrawn (passerelle queue): %llu "
			   "publications and changes.",
			   STR_ARG(tenant->public.name), (unsigned long long)waiting);
}

static bool removals_check(const struct tenants *tenants, const struct renewal *renewals, size_t count,
			   struct outcome *outcome)
{
	const struct kept_set *now = tenants->now;
	bool ok = true;

	for (size_t i = 0; now && i < now->public.count; i++)
		ok = removal_check((const struct kept_tenant *)now->items[i], renewals, count, outcome) && ok;
	return ok;
}

/* All are looked at before the first one is opened, and begins to deliver to its back-ends. */
static bool set_fill(struct tenants *tenants, struct config_set *configs, struct renewal *renewals,
		     struct kept_set *set, struct tenants_change *change, struct outcome *outcome)
{
	bool ok = true;

	for (size_t i = 0; i < configs->count; i++) {
		const struct log_tenant log_before = log_tenant_set(configs->tenants[i].tenant);
		size_t issue_count = outcome->count;

		ok = renewal_make(tenants, &configs->tenants[i], &renewals[i], change, outcome) && ok;
		tenant_issues_name(configs, i, issue_count, outcome);
		log_tenant_restore(&log_before);
	}
	doors_shut(tenants, renewals, configs->count);
	ok = removals_check(tenants, renewals, configs->count, outcome) && ok;
	for (size_t i = 0; ok && i < configs->count; i++) {
		const struct log_tenant log_before = log_tenant_set(configs->tenants[i].tenant);
		size_t issue_count = outcome->count;

		ok = renewal_open(tenants, configs, &renewals[i], set, outcome);
		tenant_issues_name(configs, i, issue_count, outcome);
		log_tenant_restore(&log_before);
	}
	for (size_t i = 0; i < configs->count; i++)
		kept_stores_release(tenants, renewals[i].kept);
	return ok;
}

/* Makes a set of all; the old one stays in its place. NULL with issues. */
static struct kept_set *set_make(struct tenants *tenants, struct config_set *configs, struct tenants_change *change,
				 struct outcome *outcome)
{
	struct kept_set *set = set_new(configs);
	struct renewal *renewals = calloc(configs->count, sizeof(*renewals));
	bool ok = false;

	if (set && renewals)
		ok = set_fill(tenants, configs, renewals, set, change, outcome);
	else
		out_of_memory(outcome);
	free(renewals);
	if (!ok) {
		doors_open(tenants);
		set_release(tenants, set);
		return NULL;
	}
	set->public.tenants = set->items;
	set->public.names = configs->is_single ? NULL : set->names;
	set->public.bare_index = configs->bare_index;
	return set;
}

static void change_init(struct tenants_change *change)
{
	*change = (struct tenants_change) { .unchanged_count = 0 };
	buf_init(&change->added, NAMES_BYTES_MAX);
	buf_init(&change->changed, NAMES_BYTES_MAX);
	buf_init(&change->removed, NAMES_BYTES_MAX);
	buf_init(&change->kept, NAMES_BYTES_MAX);
}

void tenants_change_free(struct tenants_change *change)
{
	buf_free(&change->added);
	buf_free(&change->changed);
	buf_free(&change->removed);
	buf_free(&change->kept);
}

static void removed_tell(const struct kept_set *before, const struct kept_set *now, struct tenants_change *change)
{
	for (size_t i = 0; before && i < before->public.count; i++) {
		bool is_there = false;

		for (size_t k = 0; k < now->public.count; k++)
			is_there = is_there || str_equal(before->names[i], now->names[k]);
		if (!is_there)
			name_add(&change->removed, before->names[i], STR_NONE);
	}
}

static bool tenants_replace(struct tenants *tenants, struct config_set *configs, struct tenants_change *change,
			    struct outcome *outcome)
{
	struct kept_set *before = tenants->now;
	struct kept_set *set;

	log_tenants_name(!configs->is_single);
	set = set_make(tenants, configs, change, outcome);
	if (!set) {
		log_tenants_name(before && before->public.names);
		return false;
	}
	removed_tell(before, set, change);
	pthread_mutex_lock(&tenants->lock);
	tenants->now = set;
	pthread_mutex_unlock(&tenants->lock);
	for (size_t i = 0; before && i < set->public.count; i++)
		kept_tenant_settle((struct kept_tenant *)set->items[i]);
	set_release(tenants, before);
	return true;
}

bool tenants_reload(struct tenants *tenants, const char *path, struct tenants_change *change, struct outcome *outcome)
{
	struct config_set *configs;
	bool ok;

	change_init(change);
	ok = config_set_open(path, &configs, outcome);
	if (ok && !config_process_keep(configs, tenants_process(tenants), &change->kept))
		ok = out_of_memory(outcome);
	ok = ok && tenants_replace(tenants, configs, change, outcome);
	config_set_close(configs);
	return ok;
}

static bool means_open(struct tenants *tenants, struct outcome *outcome)
{
	const struct worker_options legs = { .threads_max = LEG_THREADS_MAX, .queue_max = LEG_QUEUE_MAX };
	const struct config *process = tenants_process(tenants);
	struct cache_options options;

	tenants->spools = (struct spool_limits) { .directory = process->spool_directory.data,
						  .memory_bytes = process->limits_spool_memory,
						  .total_bytes_max = process->limits_spool_bytes };
	tenants->legs = worker_pool_new(&legs);
	if (!tenants->legs)
		return out_of_memory(outcome);
	if (!cache_options_read(process, &options, outcome))
		return false;
	tenants->cache = cache_open(&options, outcome);
	return tenants->cache && closer_start(tenants, outcome);
}

static void tenants_measure(void *ctx, struct measures *measures)
{
	const struct tenants *tenants = ctx;

	MEASURE(measures, METRIC_SPOOL, atomic_load(&tenants->spools.total_bytes), STR_NONE);
	MEASURE(measures, METRIC_SPOOL_BOUND, tenants->spools.total_bytes_max, STR_NONE);
	MEASURE(measures, METRIC_BUILD, 1, str_from_c(tenants->version));
}

/* Without Redis everything is served, if slower. */
static void tenants_judge(void *ctx, struct judgement *judgement)
{
	const struct tenants *tenants = ctx;

	if (cache_is_shared(tenants->cache))
		judge(judgement, PART_TOLD, STR_NONE, STR("redis"), cache_is_there(tenants->cache));
}

bool tenants_open(struct config_set *configs, const char *version, const struct tenant_part *part,
		  struct tenants **tenants, struct outcome *outcome)
{
	struct tenants *opened = calloc(1, sizeof(*opened));
	struct tenants_change ignored;
	bool ok;

	if (!opened)
		return out_of_memory(outcome);
	config_set_keep(configs);
	opened->configs = configs;
	opened->version = version;
	opened->part = part;
	pthread_mutex_init(&opened->lock, NULL);
	pthread_cond_init(&opened->wake, NULL);
	pthread_cond_init(&opened->closed, NULL);
	change_init(&ignored);
	ok = means_open(opened, outcome) && tenants_replace(opened, configs, &ignored, outcome);
	tenants_change_free(&ignored);
	if (!ok) {
		tenants_close(opened);
		return false;
	}
	opened->watch = (struct watch) { .ctx = opened, .measure = tenants_measure, .judge = tenants_judge };
	watch_begin(&opened->watch);
	*tenants = opened;
	return true;
}

void tenants_close(struct tenants *tenants)
{
	if (!tenants)
		return;
	watch_end(&tenants->watch);
	set_release(tenants, tenants->now);
	closer_end(tenants);
	if (tenants->legs)
		worker_pool_free(tenants->legs);
	cache_close(tenants->cache);
	tenant_spools_free(tenants);
	pthread_cond_destroy(&tenants->closed);
	pthread_cond_destroy(&tenants->wake);
	pthread_mutex_destroy(&tenants->lock);
	config_set_close(tenants->configs);
	free(tenants);
}
