/* The outbox's SQL on PostgreSQL: a small pool of connections, and works that are run again, on another connection, when
 * theirs was lost: also in the middle of a commit, for they find what they did. The second run waits for the end of the
 * first, if that still lives on the server, because it wants the same row or lock. */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/run/clock.h"
#include "gateway/run/deadline.h"
#include "gateway/run/log.h"
#include "gateway/state/outbox_schema.h"
#include "gateway/state/pg_connection.h"

#define CONNECTIONS_MAX 16
#define WRITE_MS        12000 /* no run begins later than this */
#define READ_MS         3000
#define RUNS_MAX        6
#define FAILURES_MAX    3                     /* one may be a server that has just ended others' connections */
#define SLOW_MS         900                   /* one failure that took so long is as good as many */
#define AWAY_MS         500                   /* after as many failures to connect nobody tries for this long */
#define LOOKING_MS      2500                  /* and nobody who only looks for this long */
#define SCHEMA_LOCK     "7236837463512871168" /* any number, the same for all */
#define CLOCK           "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"

struct postgresql {
	struct str conninfo;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t freed;
	struct pg_connection *idle;
	size_t count;
	unsigned failures;  /* to connect, since it last went well */
	uint64_t failed_ms; /* the last of them; monotonic */
	bool is_tried;      /* somebody connects although there were many */
	bool has_schema;
};

static bool execute(struct pg_connection *connection, const char *sql, struct outcome *outcome)
{
	PGresult *result = pg_execute(connection, sql, outcome);

	PQclear(result);
	return result != NULL;
}

/* The one value that a statement gives, as text; empty for none. */
static bool execute_for(struct pg_connection *connection, const char *sql, char value[32], struct outcome *outcome)
{
	PGresult *result = pg_execute(connection, sql, outcome);

	value[0] = '\0';
	if (result && PQntuples(result) > 0)
		snprintf(value, 32, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	return result != NULL;
}

static bool version_put(struct pg_connection *connection, struct outcome *outcome)
{
	char insert[64];

	snprintf(insert, sizeof insert, "INSERT INTO outbox_schema VALUES(%d)", OUTBOX_SCHEMA_VERSION);
	return execute(connection, insert, outcome);
}

/* Makes the tables when they are not there, or an earlier version's this one's. In a transaction, under a lock. version:
 * what they are then. */
static bool tables_make(struct pg_connection *connection, char version[32], struct outcome *outcome)
{
	static const char make[] = "CREATE TABLE outbox_schema (version BIGINT NOT NULL);" OUTBOX_SCHEMA(
		"BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BYTEA", "BIGINT", "")
		/* Sealed bytes do not get shorter; dead rows at the front of an index would make claims slow. */
		"ALTER TABLE outbox_chunk ALTER COLUMN bytes SET STORAGE EXTERNAL;"
		"ALTER TABLE outbox_item SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = "
		"0.05)";
	static const char *const upgrades[OUTBOX_SCHEMA_VERSION - 1] = OUTBOX_UPGRADES("BIGINT");
	static const char get[] = "SELECT MAX(version) FROM outbox_schema";
	long present;

	if (!execute_for(connection, "SELECT 1 WHERE to_regclass('outbox_schema') IS NOT NULL", version, outcome))
		return false;
	if (!version[0] && (!execute(connection, make, outcome) || !version_put(connection, outcome)))
		return false;
	if (!execute_for(connection, get, version, outcome))
		return false;
	present = strtol(version, NULL, 10);
	if (present < 1 || present >= OUTBOX_SCHEMA_VERSION)
		return true;
	for (; present < OUTBOX_SCHEMA_VERSION; present++) {
		if (!execute(connection, upgrades[present - 1], outcome))
			return false;
	}
	return version_put(connection, outcome) && execute_for(connection, get, version, outcome);
}

/* One gateway at a time. */
static bool schema_make(struct pg_connection *connection, struct outcome *outcome)
{
	char value[32];

	if (!execute(connection, "BEGIN; SELECT pg_advisory_xact_lock(" SCHEMA_LOCK ")", outcome) ||
	    !tables_make(connection, value, outcome) || !execute(connection, "COMMIT", outcome))
		return false;
	if (strtol(value, NULL, 10) != OUTBOX_SCHEMA_VERSION) {
		connection->trouble = PG_REFUSED;
		return outcome_add(outcome, ERR_STORAGE, "outbox.store",
				   "Run the version of the program that made the outbox: its schema is %s, this "
				   "program knows %d.",
				   value, OUTBOX_SCHEMA_VERSION);
	}
	if (!execute_for(connection, "SELECT 1 WHERE current_setting('fsync') = 'off'", value, outcome))
		return false;
	if (value[0])
		LOG(WARN, LOG_STORAGE_ERROR, NULL, LOG_C("what", "PostgreSQL"),
		    LOG_C("text", "fsync is off: what it acknowledges may be lost"));
	return true;
}

/* With the place for it taken already. */
static struct pg_connection *connection_new(struct postgresql *postgresql, struct outcome *outcome)
{
	uint64_t began_ms = clock_monotonic_ms();
	struct pg_connection *connection = pg_open(postgresql->conninfo, outcome);

	pthread_mutex_lock(&postgresql->lock);
	postgresql->failed_ms = clock_monotonic_ms();
	if (connection)
		postgresql->failures = 0;
	else
		postgresql->failures += postgresql->failed_ms - began_ms < SLOW_MS ? 1 : FAILURES_MAX;
	postgresql->is_tried = false;
	bool has_schema = postgresql->has_schema;

	pthread_mutex_unlock(&postgresql->lock);
	if (!connection || has_schema)
		return connection;
	connection->answer_ms = PG_CALL_MS;
	if (!schema_make(connection, outcome)) {
		pg_close(connection);
		return NULL;
	}
	pthread_mutex_lock(&postgresql->lock);
	postgresql->has_schema = true;
	pthread_mutex_unlock(&postgresql->lock);
	return connection;
}

static void place_free(struct postgresql *postgresql)
{
	pthread_mutex_lock(&postgresql->lock);
	postgresql->count--;
	pthread_cond_signal(&postgresql->freed);
	pthread_mutex_unlock(&postgresql->lock);
}

/* Whether to do without: a host that is gone does not even refuse, so that a try may take long. One tries at a time, and
 * who only looks leaves it to those who have something to write, as delivery always has. */
static bool is_away(const struct postgresql *postgresql, bool writes)
{
	return postgresql->failures >= FAILURES_MAX &&
	       (postgresql->is_tried || clock_monotonic_ms() < postgresql->failed_ms + (writes ? AWAY_MS : LOOKING_MS));
}

/* An idle connection, or a place for a new one (*idle NULL); waits for others. */
static bool place_take(struct postgresql *postgresql, bool writes, struct pg_connection **idle, struct outcome *outcome)
{
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (writes ? PG_CALL_MS : READ_MS) / 1000;
	pthread_mutex_lock(&postgresql->lock);
	while (!postgresql->idle && postgresql->count >= CONNECTIONS_MAX && error == 0)
		error = pthread_cond_timedwait(&postgresql->freed, &postgresql->lock, &until);
	*idle = postgresql->idle;
	bool full = !*idle && postgresql->count >= CONNECTIONS_MAX;
	bool away = !*idle && !full && is_away(postgresql, writes);

	if (*idle) {
		postgresql->idle = (*idle)->next;
	} else if (!full && !away) {
		postgresql->count++;
		postgresql->is_tried = postgresql->failures >= FAILURES_MAX;
	}
	pthread_mutex_unlock(&postgresql->lock);
	if (full)
		return outcome_add(outcome, ERR_BUSY, "", "Retry later: too many ask the outbox.");
	return !away || outcome_add(outcome, ERR_STORAGE, "", "Retry later: the PostgreSQL of the outbox is away.");
}

/* *again: none could be had, but another attempt may go better. */
static struct pg_connection *connection_take(struct postgresql *postgresql, bool writes, bool *again,
					     struct outcome *outcome)
{
	struct pg_connection *connection;

	*again = false;
	if (!place_take(postgresql, writes, &connection, outcome))
		return NULL;
	*again = true;
	if (connection)
		return connection;
	connection = connection_new(postgresql, outcome);
	if (!connection)
		place_free(postgresql);
	return connection;
}

/* With it go the idle ones: whatever broke it broke them too. One that was silent is as good as many failures. */
static void connection_drop(struct postgresql *postgresql, struct pg_connection *connection)
{
	pthread_mutex_lock(&postgresql->lock);
	if (connection->was_silent) {
		postgresql->failures = FAILURES_MAX;
		postgresql->failed_ms = clock_monotonic_ms();
	}
	connection->next = postgresql->idle;
	postgresql->idle = NULL;
	pthread_mutex_unlock(&postgresql->lock);
	while (connection) {
		struct pg_connection *next = connection->next;

		pg_close(connection);
		place_free(postgresql);
		connection = next;
	}
}

static void connection_give(struct postgresql *postgresql, struct pg_connection *connection)
{
	if (PQtransactionStatus(connection->handle) != PQTRANS_IDLE) {
		connection_drop(postgresql, connection);
		return;
	}
	pthread_mutex_lock(&postgresql->lock);
	connection->next = postgresql->idle;
	postgresql->idle = connection;
	pthread_cond_signal(&postgresql->freed);
	pthread_mutex_unlock(&postgresql->lock);
}

/* Ends the transaction as it shall end; false also when the server undid what it should commit. */
static bool transaction_end(struct pg_connection *connection, bool commits, struct outcome *outcome)
{
	PGresult *result = pg_execute(connection, commits ? "COMMIT" : "ROLLBACK", outcome);
	bool ok = result && (!commits || strcmp(PQcmdStatus(result), "COMMIT") == 0);

	if (result && !ok) {
		connection->trouble = PG_AGAIN;
		outcome_add(outcome, ERR_STORAGE, "", "Retry later: PostgreSQL undid a change to the outbox.");
	}
	PQclear(result);
	return ok;
}

/* One run of a work. *again: it may go better now. */
static bool run_once(const struct sql_store *store, bool writes, sql_work work, void *context, bool *again,
		     struct outcome *outcome)
{
	struct postgresql *postgresql = store->inner;
	struct pg_connection *connection = connection_take(postgresql, writes, again, outcome);
	struct sql_session session = { .store = store, .inner = connection };
	char now[32];
	bool ok;

	if (!connection)
		return false;
	connection->trouble = PG_FINE;
	connection->answer_ms = writes ? PG_CALL_MS : READ_MS;
	ok = execute_for(connection, writes ? "BEGIN; " CLOCK : "BEGIN READ ONLY; " CLOCK, now, outcome);
	session.now_ms = session.lease_now_ms = strtoll(now, NULL, 10);
	ok = ok && work(context, &session, outcome);
	*again = connection->trouble == PG_LOST || connection->trouble == PG_AGAIN;
	if (connection->trouble != PG_LOST) {
		struct outcome ignored;

		outcome_init(&ignored);
		bool ended = transaction_end(connection, ok && writes, ok ? outcome : &ignored);

		ok = ok && ended;
		*again = *again || connection->trouble == PG_LOST || connection->trouble == PG_AGAIN;
	}
	if (connection->trouble == PG_LOST)
		connection_drop(postgresql, connection);
	else
		connection_give(postgresql, connection);
	return ok;
}

static bool run(const struct sql_store *store, bool writes, sql_work work, void *context, struct outcome *outcome)
{
	/* A change is worth finding out about; who only looks has a request to answer. */
	struct deadline deadline = deadline_in(writes ? WRITE_MS : READ_MS);
	struct outcome tried;
	bool again = true;
	bool ok = false;

	for (unsigned i = 0; i < RUNS_MAX && again && !ok && (i == 0 || !deadline_passed(deadline)); i++) {
		outcome_init(&tried);
		ok = run_once(store, writes, work, context, &again, &tried);
	}
	for (size_t i = 0; i < tried.count && !ok; i++)
		outcome_add(outcome, tried.issues[i].code, tried.issues[i].path, "%s", tried.issues[i].text);
	return ok;
}

static bool write_work(const struct sql_store *store, sql_work work, void *context, struct outcome *outcome)
{
	return run(store, true, work, context, outcome);
}

static bool read_work(const struct sql_store *store, sql_work work, void *context, struct outcome *outcome)
{
	return run(store, false, work, context, outcome);
}

static bool rows_open(struct sql_session *session, const char *sql, const struct sql_value *values, size_t count,
		      struct sql_rows *rows, struct outcome *outcome)
{
	rows->inner = pg_query(session->inner, sql, values, count, outcome);
	return rows->inner != NULL;
}

static enum step rows_next(struct sql_rows *rows, struct outcome *outcome)
{
	(void)outcome;
	return ++rows->row < PQntuples(rows->inner) ? STEP_ROW : STEP_DONE;
}

static struct str rows_text(struct sql_rows *rows, int column)
{
	if (PQgetisnull(rows->inner, rows->row, column))
		return STR_NONE;
	return (struct str) { PQgetvalue(rows->inner, rows->row, column),
			      (size_t)PQgetlength(rows->inner, rows->row, column) };
}

static int64_t rows_number(struct sql_rows *rows, int column)
{
	struct str value = rows_text(rows, column);
	uint64_t wide;
	uint32_t narrow;

	if (value.size == sizeof wide) {
		memcpy(&wide, value.data, sizeof wide);
		return (int64_t)__builtin_bswap64(wide);
	}
	if (value.size == sizeof narrow) {
		memcpy(&narrow, value.data, sizeof narrow);
		return (int32_t)__builtin_bswap32(narrow);
	}
	return 0;
}

static void rows_close(struct sql_rows *rows)
{
	PQclear(rows->inner);
}

static bool lock(struct sql_session *session, int64_t key, struct outcome *outcome)
{
	return sql_run(session, "SELECT pg_advisory_xact_lock(?1)", SQL(SQL_NUMBER(key)), outcome);
}

static void postgresql_close(void *inner)
{
	struct postgresql *postgresql = inner;

	while (postgresql->idle) {
		struct pg_connection *next = postgresql->idle->next;

		pg_close(postgresql->idle);
		postgresql->idle = next;
	}
	pthread_cond_destroy(&postgresql->freed);
	pthread_mutex_destroy(&postgresql->lock);
	if (postgresql->conninfo.data) {
		explicit_bzero((char *)postgresql->conninfo.data, postgresql->conninfo.size);
		free((char *)postgresql->conninfo.data);
	}
	free(postgresql);
}

const struct sql_calls sql_postgresql_calls = {
	.write = write_work,
	.read = read_work,
	.open = rows_open,
	.next = rows_next,
	.text = rows_text,
	.number = rows_number,
	.close_rows = rows_close,
	.lock = lock,
	.close = postgresql_close,
};

bool sql_postgresql_open(struct str conninfo, void **inner, struct outcome *outcome)
{
	struct postgresql *postgresql = calloc(1, sizeof *postgresql);
	char *text = conninfo.data ? strndup(conninfo.data, conninfo.size) : strdup("");
	pthread_condattr_t attributes;
	PQconninfoOption *parsed = NULL;
	char *fault = NULL;

	*inner = NULL;
	if (!postgresql || !text) {
		free(postgresql);
		free(text);
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	}
	postgresql->conninfo = str_from_c(text);
	pthread_mutex_init(&postgresql->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&postgresql->freed, &attributes);
	pthread_condattr_destroy(&attributes);
	parsed = text[strspn(text, " \t\r\n")] ? PQconninfoParse(text, &fault) : NULL;
	if (parsed) {
		*inner = postgresql;
	} else {
		/* libpq's own words would show a part of the secret. */
		outcome_add(outcome, ERR_VALUE_INVALID, "outbox.postgresql.connection_file",
			    "Write it as libpq wants it: host=... dbname=... user=... password=...");
		postgresql_close(postgresql);
	}
	PQconninfoFree(parsed);
	PQfreemem(fault);
	return *inner != NULL;
}
