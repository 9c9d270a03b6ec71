#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/run/clock.h"
#include "gateway/run/file.h"
#include "gateway/state/outbox_schema.h"
#include "gateway/state/outbox_sql.h"

#define PATH_SIZE   4096
#define READERS_MAX 8

struct sqlite {
	struct database *database;
	int lock_file; /* -1: a visitor */
};

struct sqlite_work {
	const struct sql_store *store;
	sql_work work;
	void *context;
};

static bool run_work(void *context, struct connection *connection, struct outcome *outcome)
{
	const struct sqlite_work *work = context;
	/* Leases end with the process, and so may be measured by a clock that nobody sets. */
	struct sql_session session = { work->store, connection, clock_wall_ms(), (int64_t)clock_monotonic_ms() };

	return work->work(work->context, &session, outcome);
}

static bool write_work(const struct sql_store *store, sql_work work, void *context, struct outcome *outcome)
{
	struct sqlite *sqlite = store->inner;
	struct sqlite_work wrapped = { store, work, context };

	return database_write(sqlite->database, run_work, &wrapped, outcome);
}

static bool read_work(const struct sql_store *store, sql_work work, void *context, struct outcome *outcome)
{
	struct sqlite *sqlite = store->inner;
	struct sqlite_work wrapped = { store, work, context };

	return database_read(sqlite->database, run_work, &wrapped, outcome);
}

static bool rows_open(struct sql_session *session, const char *sql, const struct sql_value *values, size_t count,
		      struct sql_rows *rows, struct outcome *outcome)
{
	struct statement *statement;

	if (!statement_prepare(session->inner, sql, &statement, outcome))
		return false;
	for (size_t i = 0; i < count; i++) {
		int parameter = (int)i + 1;

		if (values[i].kind == SQL_IS_NUMBER)
			statement_bind_i64(statement, parameter, values[i].number);
		else if (values[i].kind == SQL_IS_TEXT)
			statement_bind_text(statement, parameter, values[i].bytes);
		else
			statement_bind_blob(statement, parameter, values[i].bytes);
	}
	rows->inner = statement;
	return true;
}

static enum step rows_next(struct sql_rows *rows, struct outcome *outcome)
{
	return statement_step(rows->inner, outcome);
}

static struct str rows_text(struct sql_rows *rows, int column)
{
	return statement_text(rows->inner, column);
}

static int64_t rows_number(struct sql_rows *rows, int column)
{
	return statement_i64(rows->inner, column);
}

static void rows_close(struct sql_rows *rows)
{
	statement_reset(rows->inner);
}

/* There is one writer. */
static bool lock_nothing(struct sql_session *session, int64_t key, struct outcome *outcome)
{
	(void)session;
	(void)key;
	(void)outcome;
	return true;
}

static void sqlite_close(void *inner)
{
	struct sqlite *sqlite = inner;

	database_close(sqlite->database);
	if (sqlite->lock_file >= 0)
		close(sqlite->lock_file);
	free(sqlite);
}

const struct sql_calls sql_sqlite_calls = {
	.write = write_work,
	.read = read_work,
	.open = rows_open,
	.next = rows_next,
	.text = rows_text,
	.number = rows_number,
	.close_rows = rows_close,
	.lock = lock_nothing,
	.close = sqlite_close,
};

/* For this gateway alone: another one would take the leases away from this one. */
static bool directory_take(struct sqlite *sqlite, const char *directory, struct outcome *outcome)
{
	char path[PATH_SIZE];

	if (!file_make_directory(directory, outcome))
		return false;
	snprintf(path, sizeof path, "%s/outbox.lock", directory);
	return file_lock(path, &sqlite->lock_file, outcome);
}

/* Whoever held a lease is no more; what it sent may have arrived. */
static bool leases_end(void *context, struct connection *connection, struct outcome *outcome)
{
	struct statement *statement;

	(void)context;
	return statement_prepare(connection,
				 "UPDATE outbox_item SET state = 0, unclear = 1, owner = NULL WHERE turn = 1 AND "
				 "state = 1",
				 &statement, outcome) &&
	       statement_run(statement, outcome);
}

bool sql_sqlite_open(const char *directory, bool is_owner, void **inner, struct outcome *outcome)
{
	static const char *const upgrades[OUTBOX_SCHEMA_VERSION - 1] = OUTBOX_UPGRADES("INTEGER");
	char path[PATH_SIZE];
	struct database_options options = {
		.path = path,
		.upgrades = upgrades,
		.schema = OUTBOX_SCHEMA("INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB", "INTEGER", "STRICT"),
		.version = OUTBOX_SCHEMA_VERSION,
		.readers_max = READERS_MAX,
	};
	struct sqlite *sqlite = NULL;

	*inner = NULL;
	if ((size_t)snprintf(path, sizeof path, "%s/outbox.db", directory) >= sizeof path)
		return outcome_add(outcome, ERR_STORAGE, "state_directory", "Choose a shorter path.");
	if (!is_owner && access(path, F_OK) != 0 && errno == ENOENT)
		return true;
	sqlite = calloc(1, sizeof *sqlite);
	if (!sqlite)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	sqlite->lock_file = -1;
	if ((!is_owner || directory_take(sqlite, directory, outcome)) &&
	    database_open(&options, &sqlite->database, outcome) &&
	    (!is_owner || database_write(sqlite->database, leases_end, NULL, outcome))) {
		*inner = sqlite;
		return true;
	}
	sqlite_close(sqlite);
	return false;
}
