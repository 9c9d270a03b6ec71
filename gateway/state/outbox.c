#include "gateway/state/outbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "gateway/state/outbox_lease.h"
#include "gateway/state/outbox_state.h"

/* Stores that are open in this process. */
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static struct outbox_shared *shared_first;

static bool store_open(const struct config *config, struct str directory, enum outbox_use use, struct sql_store *store,
		       struct outcome *outcome)
{
	store->is_postgresql = config->outbox_store == CONFIG_OUTBOX_POSTGRESQL;
	store->calls = store->is_postgresql ? &sql_postgresql_calls : &sql_sqlite_calls;
	if (store->is_postgresql)
		return sql_postgresql_open(config->outbox_connection, &store->inner, outcome);
	return sql_sqlite_open(directory.data, use == OUTBOX_OWNER, &store->inner, outcome);
}

/* With the lock held. NULL without a store; then ok tells whether that is an error. */
static struct outbox_shared *shared_new(const struct config *config, struct str directory, enum outbox_use use,
					struct str name, bool *ok, struct outcome *outcome)
{
	struct outbox_shared *shared = calloc(1, sizeof *shared);
	pthread_condattr_t attributes;

	*ok = false;
	if (shared)
		shared->name = strndup(name.data, name.size);
	if (shared && shared->name)
		shared->directory = config->outbox_store == CONFIG_OUTBOX_POSTGRESQL
					    ? NULL
					    : shared->name + name.size - directory.size;
	if (!shared || !shared->name) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
		free(shared);
		return NULL;
	}
	*ok = store_open(config, directory, use, &shared->store, outcome);
	if (!shared->store.inner) {
		free(shared->name);
		free(shared);
		return NULL;
	}
	shared->rings = 1;
	pthread_mutex_init(&shared->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&shared->rung, &attributes);
	pthread_condattr_destroy(&attributes);
	shared->next = shared_first;
	shared_first = shared;
	return shared;
}

static bool shared_open(const struct config *config, struct str directory, enum outbox_use use,
			struct outbox_shared **found, struct outcome *outcome)
{
	bool is_postgresql = config->outbox_store == CONFIG_OUTBOX_POSTGRESQL;
	struct buf name;
	bool ok = true;

	buf_init(&name, 8192);
	buf_printf(&name, "%d %.*s", is_postgresql ? 2 : (int)use,
		   STR_ARG(is_postgresql ? config->outbox_connection : directory));
	if (name.failed) {
		buf_free(&name);
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	}
	pthread_mutex_lock(&shared_lock);
	struct outbox_shared *shared = shared_first;

	while (shared && strcmp(shared->name, name.data) != 0)
		shared = shared->next;
	if (!shared)
		shared = shared_new(config, directory, use, buf_str(&name), &ok, outcome);
	if (shared)
		shared->users++;
	pthread_mutex_unlock(&shared_lock);
	buf_free(&name);
	*found = shared;
	return ok;
}

static void shared_close(struct outbox_shared *shared)
{
	struct outbox_shared **at = &shared_first;

	pthread_mutex_lock(&shared_lock);
	if (--shared->users == 0) {
		while (*at != shared)
			at = &(*at)->next;
		*at = shared->next;
		shared->store.calls->close(shared->store.inner);
		pthread_cond_destroy(&shared->rung);
		pthread_mutex_destroy(&shared->lock);
		free(shared->name);
		free(shared);
	}
	pthread_mutex_unlock(&shared_lock);
}

bool outbox_open(const struct config *config, struct str tenant, struct str directory, enum outbox_use use,
		 struct outbox **outbox, struct outcome *outcome)
{
	char host[65] = "";

	*outbox = NULL;
	if (config->outbox_store != CONFIG_OUTBOX_POSTGRESQL && str_is_empty(directory))
		return true;
	struct outbox *opened = calloc(1, sizeof *opened);
	char *path = directory.data ? strndup(directory.data, directory.size) : strdup("");

	if (opened) {
		pthread_mutex_init(&opened->door_lock, NULL);
		pthread_cond_init(&opened->door_passed, NULL);
	}
	if (!opened || !path) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
		goto failed;
	}
	if (tenant.size > OUTBOX_WORD_MAX) {
		outcome_add(outcome, ERR_VALUE_INVALID, "tenant", "Choose a name of at most %d bytes.",
			    OUTBOX_WORD_MAX);
		goto failed;
	}
	opened->config = config;
	snprintf(opened->tenant_text, sizeof opened->tenant_text, "%.*s", STR_ARG(tenant));
	opened->tenant = str_from_c(opened->tenant_text);
	gethostname(host, sizeof host - 1);
	snprintf(opened->owner_text, sizeof opened->owner_text, "%s:%ld", host, (long)getpid());
	opened->owner = str_from_c(opened->owner_text);
	if (!shared_open(config, str_from_c(path), use, &opened->shared, outcome))
		goto failed;
	/* Who has nothing there needs no keys. */
	if (opened->shared) {
		opened->vault = vault_from_config(config, "outbox", outcome);
		if (!opened->vault)
			goto failed;
		*outbox = opened;
	} else {
		outbox_close(opened);
	}
	free(path);
	return true;
failed:
	free(path);
	outbox_close(opened);
	return false;
}

void outbox_close(struct outbox *outbox)
{
	if (!outbox)
		return;
	if (outbox->shared)
		shared_close(outbox->shared);
	vault_free(outbox->vault);
	pthread_cond_destroy(&outbox->door_passed);
	pthread_mutex_destroy(&outbox->door_lock);
	free(outbox);
}

void outbox_wake(struct outbox *outbox)
{
	pthread_mutex_lock(&outbox->shared->lock);
	outbox->shared->rings++;
	pthread_cond_broadcast(&outbox->shared->rung);
	pthread_mutex_unlock(&outbox->shared->lock);
}

void outbox_wait(struct outbox *outbox, uint64_t *seen, uint64_t wait_ms)
{
	struct outbox_shared *shared = outbox->shared;
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	if (wait_ms > OUTBOX_DELAY_MAX_MS)
		wait_ms = OUTBOX_DELAY_MAX_MS;
	until.tv_sec += (time_t)(wait_ms / 1000);
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&shared->lock);
	while (wait_ms && shared->rings == *seen && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&shared->rung, &shared->lock, &until);
	*seen = shared->rings;
	pthread_mutex_unlock(&shared->lock);
}

static bool hash(const struct outbox *outbox, const struct str *parts, size_t count, struct outbox_hashes *hashes,
		 struct outcome *outcome)
{
	hashes->count = vault_key_count(outbox->vault);
	for (size_t i = 0; i < hashes->count; i++) {
		if (!vault_name(outbox->vault, i, parts, count, hashes->hashes[i]))
			return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	}
	return true;
}

bool outbox_hash_patient(const struct outbox *outbox, struct str patient, struct outbox_hashes *hashes,
			 struct outcome *outcome)
{
	return hash(outbox, (const struct str[]) { STR("patient"), outbox->tenant, patient }, 3, hashes, outcome);
}

bool outbox_hash_caller(const struct outbox *outbox, struct str caller, struct outbox_hashes *hashes,
			struct outcome *outcome)
{
	return hash(outbox, (const struct str[]) { STR("caller"), outbox->tenant, caller }, 3, hashes, outcome);
}

bool outbox_hash_name(const struct outbox *outbox, struct str target, struct str name, struct outbox_hashes *hashes,
		      struct outcome *outcome)
{
	return hash(outbox, (const struct str[]) { STR("name"), outbox->tenant, target, name }, 4, hashes, outcome);
}

struct sql_value outbox_hash_value(const struct outbox_hashes *hashes, size_t n)
{
	return SQL_BLOB(hashes->hashes[n < hashes->count ? n : 0], VAULT_NAME_BYTES);
}

bool outbox_item_read(struct sql_rows *rows, struct arena *arena, struct outbox_item *item, struct outcome *outcome)
{
	struct str id = sql_text(rows, 0);

	*item = (struct outbox_item) {
		.kind = arena_copy(arena, sql_text(rows, 1)),
		.target = arena_copy(arena, sql_text(rows, 2)),
		.state = (enum outbox_state)sql_number(rows, 3),
		.is_held = sql_number(rows, 4) == 1,
		.is_unclear = sql_number(rows, 5) == 1,
		.attempts = (unsigned)sql_number(rows, 6),
		.accepted_ms = sql_number(rows, 7),
		.due_ms = sql_number(rows, 8),
		.changed_ms = sql_number(rows, 9),
		.bytes = (uint64_t)sql_number(rows, 10),
		.part_count = (size_t)sql_number(rows, 11),
		.reason = arena_copy(arena, sql_text(rows, 12)),
		.owner = arena_copy(arena, sql_text(rows, 13)),
		.seq = sql_number(rows, OUTBOX_COLUMN_SEQ),
	};
	memcpy(item->id, id.data, id.size < OUTBOX_ID_SIZE ? id.size : OUTBOX_ID_SIZE - 1);
	return !arena_failed(arena) || outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
}
