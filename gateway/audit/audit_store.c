#include "gateway/audit/audit_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/audit/audit_state.h"
#include "gateway/run/config_change.h"
#include "gateway/run/log.h"
#include "gateway/state/vault.h"

#define DAY_MS        ((uint64_t)24 * 60 * 60 * 1000)
#define CLOSE_TIME_MS 2000

static uint64_t retention_of(const struct config *config)
{
	return config->audit_retention_days * DAY_MS;
}

static void settings_hold(struct audit_store *store, struct config_set *configs, const struct config *config)
{
	config_set_keep(configs);
	config_set_close(store->configs);
	store->configs = configs;
	store->own = (struct audit) { .config = config, .store = store };
}

static void feed_hold(struct audit_feed *feed, struct config_set *configs, const struct config_audit_repository *row)
{
	config_set_keep(configs);
	config_set_close(feed->configs);
	feed->configs = configs;
	feed->row = row;
}

static bool feed_add(struct audit_store *store, struct config_set *configs, const struct config_audit_repository *row,
		     struct outcome *outcome)
{
	struct audit_feed *feed = &store->feeds[store->feed_count];

	*feed = (struct audit_feed) { .sender = NULL };
	if (!sender_open(store->journal, store->directory, row, &feed->sender, outcome))
		return false;
	feed_hold(feed, configs, row);
	store->feed_count++;
	return true;
}

static void feed_end(struct audit_feed *feed, uint64_t grace_ms)
{
	sender_close(feed->sender, grace_ms);
	config_set_close(feed->configs);
}

static bool parts_open(struct audit_store *store, struct outcome *outcome)
{
	const struct config *config = store->own.config;
	struct journal_options options = { .directory = store->directory,
					   .bytes_max = config->audit_journal_bytes_max,
					   .retention_ms = retention_of(config) };

	if (snprintf(store->directory, sizeof(store->directory), "%s/audit", config->state_directory.data) >=
	    (int)sizeof(store->directory))
		return outcome_add(outcome, ERR_INTERNAL, "state_directory", "Choose a shorter path.");
	options.key_count = vault_keys_read(config, options.keys);
	if (!journal_open(&options, &store->journal, outcome) ||
	    !audit_index_open(store->journal, store->directory, config, &store->index, outcome))
		return false;
	for (size_t i = 0; i < config->audit_repositories.count; i++) {
		if (!feed_add(store, store->configs, &config->audit_repositories.items[i], outcome))
			return false;
	}
	return true;
}

static void parts_close(struct audit_store *store)
{
	for (size_t i = 0; i < store->feed_count; i++)
		feed_end(&store->feeds[i], CLOSE_TIME_MS);
	audit_index_close(store->index);
	journal_close(store->journal);
	config_set_close(store->configs);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

bool audit_store_open(struct config_set *configs, const struct config *config, struct audit_store **store,
		      struct outcome *outcome)
{
	struct audit_store *opened;
	bool wanted;

	if (!audit_config_check(config, &wanted, outcome))
		return false;
	if (!wanted || *store)
		return true;
	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	settings_hold(opened, configs, config);
	pthread_mutex_init(&opened->lock, NULL);
	if (!parts_open(opened, outcome)) {
		parts_close(opened);
		return false;
	}
	opened->is_recording = true;
	audit_own_event(&opened->own, AUDIT_STARTED, AUDIT_SUCCESS, &audit_nobody, NULL, STR_NONE);
	*store = opened;
	return true;
}

/* The row of the same name, which is where its place is noted; NULL: it is gone. */
static const struct config_audit_repository *successor_of(const struct audit_feed *feed, const struct config *config)
{
	for (size_t i = 0; i < config->audit_repositories.count; i++) {
		if (str_equal(config->audit_repositories.items[i].name, feed->row->name))
			return &config->audit_repositories.items[i];
	}
	return NULL;
}

static bool has_feed(const struct audit_store *store, const struct config_audit_repository *row)
{
	for (size_t i = 0; i < store->feed_count; i++) {
		if (str_equal(store->feeds[i].row->name, row->name))
			return true;
	}
	return false;
}

static void trouble_log(const struct config_audit_repository *row)
{
	LOG(ERROR, LOG_AUDIT_SENDER, NULL, LOG_TEXT("repository", row->name),
	    LOG_C("state", "gets no events until the next reload"), LOG_C("why", "allow the process more threads"));
}

static void feeds_renew(struct audit_store *store, struct config_set *configs, const struct config *config)
{
	size_t kept = 0;

	for (size_t i = 0; i < store->feed_count; i++) {
		struct audit_feed *feed = &store->feeds[i];
		const struct config_audit_repository *row = successor_of(feed, config);

		if (!row) {
			feed_end(feed, 0);
			continue;
		}
		if (!config_audit_repository_same(feed->row, row) || !sender_works(feed->sender)) {
			if (!sender_renew(feed->sender, row))
				trouble_log(row);
			feed_hold(feed, configs, row);
		}
		store->feeds[kept++] = *feed;
	}
	store->feed_count = kept;
	for (size_t i = 0; i < config->audit_repositories.count; i++) {
		const struct config_audit_repository *row = &config->audit_repositories.items[i];
		struct outcome outcome;

		outcome_init(&outcome);
		if (!has_feed(store, row) && !feed_add(store, configs, row, &outcome))
			trouble_log(row);
	}
}

void audit_store_renew(struct audit_store *store, struct config_set *configs, const struct config *config)
{
	bool wanted = audit_is_wanted(config);

	if (!store)
		return;
	settings_hold(store, configs, config);
	if (wanted != store->is_recording)
		audit_own_event(&store->own, wanted ? AUDIT_STARTED : AUDIT_STOPPED, AUDIT_SUCCESS, &audit_nobody, NULL,
				STR_NONE);
	store->is_recording = wanted;
	journal_bounds_set(store->journal, config->audit_journal_bytes_max, retention_of(config));
	audit_index_retain(store->index, retention_of(config));
	feeds_renew(store, configs, config);
}

void audit_store_close(struct audit_store *store)
{
	if (!store)
		return;
	audit_gap_event(&store->own);
	if (store->is_recording)
		audit_own_event(&store->own, AUDIT_STOPPED, AUDIT_SUCCESS, &audit_nobody, NULL, STR_NONE);
	journal_settle(store->journal, CLOSE_TIME_MS);
	parts_close(store);
}
