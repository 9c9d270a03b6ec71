#include "gateway/audit/index.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/audit/index_names.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/thread.h"
#include "gateway/state/database.h"
#include "gateway/state/vault.h"

#define BATCH_MAX        200
#define BATCH_BYTES_MAX  ((size_t)64 * 1024 * 1024)
#define READERS          4
#define CATCH_UP_MS      2000
#define IDLE_MS          1000
#define TROUBLE_MS       1000
#define EXPIRE_EVERY_MS  ((uint64_t)10 * 60 * 1000)
#define EXPIRED_TOGETHER 2000
#define DAY_MS           ((uint64_t)24 * 60 * 60 * 1000)
#define PLACE_SIZE       32
#define SQL_SIZE         2048

#define SCHEMA                                                                                                     \
	"CREATE TABLE event (sequence INTEGER PRIMARY KEY, recorded INTEGER NOT NULL, body BLOB NOT NULL) STRICT;" \
	"CREATE INDEX event_recorded ON event(recorded);"                                                          \
	"CREATE TABLE name (hash BLOB NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (hash, sequence)) STRICT, " \
	"WITHOUT ROWID;"                                                                                           \
	"CREATE INDEX name_sequence ON name(sequence);"                                                            \
	"CREATE TABLE place (id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL) STRICT;"                           \
	"INSERT INTO place VALUES (1, 0);"

struct audit_index {
	struct journal *journal;
	struct journal_consumer *consumer;
	struct database *database;
	struct vault *vault;
	_Atomic int64_t retention_ms;
	pthread_t thread;
	bool has_thread;
	_Atomic bool stopping;
	pthread_mutex_t lock; /* guards indexed */
	pthread_cond_t news;
	uint64_t indexed; /* everything up to here can be found */
};

/* One entry on its way into the database. */
struct filing {
	uint64_t sequence;
	struct str event;
};

struct batch {
	struct audit_index *index;
	struct filing items[BATCH_MAX];
	size_t count;
	struct arena *arena;
};

static struct str place_of(uint64_t sequence, char text[PLACE_SIZE])
{
	int size = snprintf(text, PLACE_SIZE, "event %llu", (unsigned long long)sequence);

	return (struct str) { text, (size_t)size };
}

static bool name_add(void *context, enum audit_token_kind kind, struct str value)
{
	struct index_naming *naming = context;
	struct audit_index *index = naming->owner;
	struct statement *statement;
	unsigned char name[VAULT_NAME_BYTES];
	struct str parts[] = { audit_token_word(kind), value };

	if (!vault_name(index->vault, 0, parts, COUNT_OF(parts), name))
		return outcome_add(naming->outcome, ERR_NO_MEMORY, "", "Try again later.");
	if (!statement_prepare(naming->connection, "INSERT OR IGNORE INTO name VALUES (?1, ?2)", &statement,
			       naming->outcome))
		return false;
	statement_bind_blob(statement, 1, (struct str) { (const char *)name, sizeof(name) });
	statement_bind_i64(statement, 2, (int64_t)naming->sequence);
	if (!statement_run(statement, naming->outcome))
		return false;
	statement_reset(statement);
	return true;
}

static bool event_file(struct batch *batch, const struct filing *item, struct connection *connection,
		       struct outcome *outcome)
{
	struct audit_index *index = batch->index;
	json_t *tree = json_loadb(item->event.data, item->event.size, 0, NULL);
	struct index_naming naming = { index, connection, item->sequence, outcome };
	unsigned char *sealed = arena_alloc(batch->arena, item->event.size + VAULT_OVERHEAD);
	char place[PLACE_SIZE];
	struct statement *statement;
	bool ok = tree && sealed && vault_seal(index->vault, place_of(item->sequence, place), item->event, sealed);

	if (!ok)
		outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	ok = ok &&
	     statement_prepare(connection, "INSERT OR REPLACE INTO event VALUES (?1, ?2, ?3)", &statement, outcome);
	if (ok) {
		statement_bind_i64(statement, 1, (int64_t)item->sequence);
		statement_bind_i64(statement, 2, audit_event_recorded_ms(tree));
		statement_bind_blob(statement, 3,
				    (struct str) { (const char *)sealed, item->event.size + VAULT_OVERHEAD });
		ok = statement_run(statement, outcome);
		statement_reset(statement);
	}
	ok = ok && audit_event_names(tree, batch->arena, name_add, &naming);
	json_decref(tree);
	return ok;
}

static bool batch_file(void *context, struct connection *connection, struct outcome *outcome)
{
	struct batch *batch = context;
	struct statement *statement;

	for (size_t i = 0; i < batch->count; i++) {
		if (!event_file(batch, &batch->items[i], connection, outcome))
			return false;
	}
	if (!statement_prepare(connection, "UPDATE place SET sequence = ?1", &statement, outcome))
		return false;
	statement_bind_i64(statement, 1, (int64_t)batch->items[batch->count - 1].sequence);
	return statement_run(statement, outcome);
}

static bool place_read(void *context, struct connection *connection, struct outcome *outcome)
{
	struct audit_index *index = context;
	struct statement *statement;

	if (!statement_prepare(connection, "SELECT sequence FROM place", &statement, outcome))
		return false;
	if (statement_step(statement, outcome) == STEP_ROW)
		index->indexed = (uint64_t)statement_i64(statement, 0);
	statement_reset(statement);
	return !outcome->has_error;
}

/* Removes some of what is older than the retention; more the next time. */
static bool expire(void *context, struct connection *connection, struct outcome *outcome)
{
	static const char *const texts[] = {
		"DELETE FROM name WHERE sequence IN (SELECT sequence FROM event WHERE recorded < ?1 ORDER BY recorded "
		"LIMIT ?2)",
		"DELETE FROM event WHERE sequence IN (SELECT sequence FROM event WHERE recorded < ?1 ORDER BY recorded "
		"LIMIT ?2)"
	};
	struct audit_index *index = context;

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct statement *statement;

		if (!statement_prepare(connection, texts[i], &statement, outcome))
			return false;
		statement_bind_i64(statement, 1, clock_wall_ms() - atomic_load(&index->retention_ms));
		statement_bind_i64(statement, 2, EXPIRED_TOGETHER);
		if (!statement_run(statement, outcome))
			return false;
		statement_reset(statement);
	}
	return true;
}

static void trouble(struct audit_index *index, const struct outcome *outcome)
{
	LOG(ERROR, LOG_STORAGE_ERROR, NULL, LOG_C("audit", "the index of events cannot be written"),
	    LOG_C("text", outcome->count ? outcome->issues[0].text : ""));
	journal_rewind(index->consumer);
	if (!atomic_load(&index->stopping))
		journal_wait(index->consumer, UINT64_MAX - 1, TROUBLE_MS);
}

/* Files what the journal has. JOURNAL_END: nothing was there. */
static enum journal_read follow(struct batch *batch)
{
	struct audit_index *index = batch->index;
	struct outcome outcome;
	size_t bytes = 0;
	enum journal_read found = JOURNAL_ENTRY;

	outcome_init(&outcome);
	for (batch->count = 0; batch->count < BATCH_MAX && bytes < BATCH_BYTES_MAX / 8;) {
		struct filing *item = &batch->items[batch->count];
		struct str entry;

		found = journal_next(index->consumer, &item->sequence, &entry);
		if (found != JOURNAL_ENTRY)
			break;
		item->event = arena_copy(batch->arena, entry);
		if (!item->event.data)
			return JOURNAL_FAILED;
		bytes += entry.size;
		batch->count++;
	}
	if (batch->count == 0)
		return found;
	if (!database_write(index->database, batch_file, batch, &outcome)) {
		trouble(index, &outcome);
		return JOURNAL_ENTRY;
	}
	journal_acknowledge(index->consumer, batch->items[batch->count - 1].sequence);
	pthread_mutex_lock(&index->lock);
	index->indexed = batch->items[batch->count - 1].sequence;
	pthread_cond_broadcast(&index->news);
	pthread_mutex_unlock(&index->lock);
	return JOURNAL_ENTRY;
}

static void expire_when_due(struct audit_index *index, uint64_t *at_ms)
{
	struct outcome outcome;

	if (clock_monotonic_ms() < *at_ms)
		return;
	*at_ms = clock_monotonic_ms() + EXPIRE_EVERY_MS;
	outcome_init(&outcome);
	if (!database_write(index->database, expire, index, &outcome))
		trouble(index, &outcome);
}

static void *follower(void *context)
{
	struct audit_index *index = context;
	struct batch *batch = calloc(1, sizeof(*batch));
	uint64_t expire_ms = 0;

	while (batch) {
		enum journal_read found = JOURNAL_FAILED;

		batch->index = index;
		batch->arena = arena_new(BATCH_BYTES_MAX);
		if (batch->arena)
			found = follow(batch);
		arena_free(batch->arena);
		if (found == JOURNAL_FAILED) {
			journal_rewind(index->consumer);
			journal_wait(index->consumer, UINT64_MAX - 1, TROUBLE_MS);
		}
		if (atomic_load(&index->stopping) && found != JOURNAL_ENTRY)
			break;
		if (found != JOURNAL_END)
			continue;
		expire_when_due(index, &expire_ms);
		journal_wait(index->consumer, index->indexed, IDLE_MS);
	}
	free(batch);
	return NULL;
}

void audit_index_retain(struct audit_index *index, uint64_t retention_ms)
{
	atomic_store(&index->retention_ms, (int64_t)retention_ms);
}

bool audit_index_open(struct journal *journal, const char *directory, const struct config *config,
		      struct audit_index **index, struct outcome *outcome)
{
	struct audit_index *opened = calloc(1, sizeof(*opened));
	struct database_options options = { .schema = SCHEMA, .version = 1, .readers_max = READERS };
	pthread_condattr_t attributes;
	char path[4300];

	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	opened->journal = journal;
	audit_index_retain(opened, config->audit_retention_days * DAY_MS);
	pthread_mutex_init(&opened->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&opened->news, &attributes);
	pthread_condattr_destroy(&attributes);
	snprintf(path, sizeof(path), "%s/index.db", directory);
	options.path = path;
	*index = opened;
	opened->vault = vault_from_config(config, "audit index", outcome);
	if (!opened->vault || !database_open(&options, &opened->database, outcome) ||
	    !database_read(opened->database, place_read, opened, outcome) ||
	    !journal_consumer_open(journal, opened->indexed, &opened->consumer, outcome))
		return false;
	opened->has_thread = thread_start(&opened->thread, follower, opened);
	return opened->has_thread || outcome_add(outcome, ERR_NO_MEMORY, "", "Allow the process more threads.");
}

void audit_index_close(struct audit_index *index)
{
	if (!index)
		return;
	atomic_store(&index->stopping, true);
	if (index->has_thread) {
		journal_wake(index->journal);
		pthread_join(index->thread, NULL);
	}
	journal_consumer_close(index->consumer);
	database_close(index->database);
	vault_free(index->vault);
	pthread_cond_destroy(&index->news);
	pthread_mutex_destroy(&index->lock);
	free(index);
}

/* What had been recorded before the question was asked is to be found. */
static void catch_up(struct audit_index *index)
{
	uint64_t last = journal_state(index->journal).last;
	struct timespec until;
	int waited = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CATCH_UP_MS / 1000;
	pthread_mutex_lock(&index->lock);
	while (index->indexed < last && waited == 0)
		waited = pthread_cond_timedwait(&index->news, &index->lock, &until);
	pthread_mutex_unlock(&index->lock);
}

struct looking {
	struct audit_index *index;
	const struct audit_query *query;
	struct arena *arena;
	struct audit_page *page;
};

/* The tokens that are searched for; the patient's comes first: it narrows most. */
static size_t token_count(const struct audit_query *query)
{
	return query->token_count + (query->patient.size ? 1 : 0);
}

static struct audit_token token_at(const struct audit_query *query, size_t i)
{
	if (query->patient.size == 0)
		return query->tokens[i];
	return i == 0 ? (struct audit_token) { AUDIT_TOKEN_PATIENT, query->patient } : query->tokens[i - 1];
}

/* Parameters 1 to 4 are the same for all; each token has two, for its names by the two keys there may be. */
static void sql_write(const struct audit_query *query, const char *columns, const char *end, char sql[SQL_SIZE])
{
	size_t count = token_count(query);
	struct buf text;

	buf_init(&text, SQL_SIZE - 1);
	buf_printf(&text, "SELECT %s FROM ", columns);
	if (count > 0)
		buf_printf(&text, "name n CROSS JOIN event e ON e.sequence = n.sequence WHERE n.hash IN (?5, ?6) AND ");
	else
		buf_printf(&text, "event e WHERE ");
	buf_printf(&text, "e.sequence < ?1 AND e.recorded >= ?2 AND e.recorded < ?3");
	for (size_t i = 1; i < count; i++)
		buf_printf(&text,
			   " AND EXISTS (SELECT 1 FROM name x WHERE x.hash IN (?%zu, ?%zu) AND x.sequence = "
			   "e.sequence)",
			   5 + 2 * i, 6 + 2 * i);
	buf_printf(&text, "%s", end);
	memcpy(sql, buf_str(&text).data, text.size + 1);
	buf_free(&text);
}

static bool query_bind(const struct looking *looking, struct statement *statement, int64_t before,
		       struct outcome *outcome)
{
	const struct audit_query *query = looking->query;

	statement_bind_i64(statement, 1, before);
	statement_bind_i64(statement, 2, query->from_ms);
	statement_bind_i64(statement, 3, query->until_ms);
	for (size_t i = 0; i < token_count(query); i++) {
		struct audit_token token = token_at(query, i);
		struct str parts[] = { audit_token_word(token.kind), token.value };

		for (size_t key = 0; key < 2; key++) {
			size_t known = key < vault_key_count(looking->index->vault) ? key : 0;
			unsigned char name[VAULT_NAME_BYTES];

			if (!vault_name(looking->index->vault, known, parts, COUNT_OF(parts), name))
				return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
			statement_bind_blob(statement, (int)(5 + 2 * i + key),
					    (struct str) { (const char *)name, sizeof(name) });
		}
	}
	return true;
}

static bool row_take(const struct looking *looking, struct statement *statement, struct outcome *outcome)
{
	struct audit_page *page = looking->page;
	struct audit_found *found = &page->items[page->count];
	struct str body = statement_text(statement, 1);
	unsigned char *plain = arena_alloc(looking->arena, body.size + 1);
	char place[PLACE_SIZE];
	size_t size;

	found->sequence = statement_i64(statement, 0);
	if (!plain)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	/* One whose key is gone is left out: it cannot be shown. */
	if (vault_open(looking->index->vault, place_of((uint64_t)found->sequence, place), body, plain, &size) !=
	    VAULT_OPENED)
		return true;
	found->event = (struct str) { (const char *)plain, size };
	page->count++;
	return true;
}

static bool look(void *context, struct connection *connection, struct outcome *outcome)
{
	struct looking *looking = context;
	const struct audit_query *query = looking->query;
	struct statement *statement;
	char sql[SQL_SIZE];
	enum step step = STEP_DONE;

	sql_write(query, "COUNT(*)", "", sql);
	if (!statement_prepare(connection, sql, &statement, outcome) ||
	    !query_bind(looking, statement, INT64_MAX, outcome) || statement_step(statement, outcome) != STEP_ROW)
		return false;
	looking->page->total = (uint64_t)statement_i64(statement, 0);
	statement_reset(statement);
	if (query->count_max == 0)
		return true;
	sql_write(query, "e.sequence, e.body", " ORDER BY e.sequence DESC LIMIT ?4", sql);
	if (!statement_prepare(connection, sql, &statement, outcome) ||
	    !query_bind(looking, statement, query->after_sequence, outcome))
		return false;
	statement_bind_i64(statement, 4, (int64_t)query->count_max + 1);
	while ((step = statement_step(statement, outcome)) == STEP_ROW) {
		if (looking->page->count == query->count_max) {
			looking->page->more = true;
			break;
		}
		if (!row_take(looking, statement, outcome))
			return false;
	}
	statement_reset(statement);
	return step != STEP_FAILED;
}

bool audit_index_search(struct audit_index *index, const struct audit_query *query, struct arena *arena,
			struct audit_page *page, struct outcome *outcome)
{
	struct looking looking = { index, query, arena, page };

	*page = (struct audit_page) { .items = arena_array(arena, query->count_max + 1, sizeof(*page->items)) };
	if (!page->items)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	catch_up(index);
	return database_read(index->database, look, &looking, outcome);
}
