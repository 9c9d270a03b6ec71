#include "gateway/state/database.h"
#include "gateway/run/thread.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define STATEMENTS_MAX  64  /* kept per connection; the oldest makes room */
#define GROUP_WORKS_MAX 256 /* works that share one commit */
#define QUEUE_WORKS_MAX 4096
#define BUSY_TIMEOUT_MS 10000
#define READERS_MAX     64
#define LOG_BYTES       "4194304" /* a log that had to be larger is cut to this when it begins anew */
#define PAGE_CACHE_KIB  "-8192"   /* PRAGMA cache_size: negative means KiB */

struct statement {
	sqlite3_stmt *handle;
	bool failed; /* a bind failed: the next step says so */
	bool in_use; /* prepared by the present work */
};

struct connection {
	sqlite3 *handle;
	struct statement statements[STATEMENTS_MAX];
	size_t statement_count;
	size_t next_victim;
	struct connection *next; /* in the pool of idle readers */
};

/* One caller that waits for its work to be durable. Lives on the caller's stack. */
struct job {
	database_work work;
	void *context;
	struct outcome *outcome;
	bool ok;
	bool done;
	pthread_cond_t wake;
	struct job *next;
};

struct database {
	struct database_options options;
	char *path;
	struct connection *writer;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t work_there;
	pthread_cond_t reader_free;
	struct job *first;
	struct job **last;
	size_t queued_count;
	bool stopping;
	bool broken; /* a commit met a failing disk: what the system wrote since is not to be trusted */
	struct connection *idle;
	size_t reader_count;
};

static bool storage_error(sqlite3 *handle, const char *what, struct outcome *outcome)
{
	int code = handle ? sqlite3_extended_errcode(handle) : SQLITE_NOMEM;

	if ((code & 0xff) == SQLITE_NOMEM)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: the database has no memory left.");
	if ((code & 0xff) == SQLITE_FULL)
		return outcome_add(outcome, ERR_STORAGE, "", "Free disk space under the data directory, then retry.");
	return outcome_add(outcome, ERR_STORAGE, "", "Check the disk of the data directory: %s failed (%s, code %d).",
			   what, sqlite3_errstr(code), code);
}

static bool execute(sqlite3 *handle, const char *sql, const char *what, struct outcome *outcome)
{
	if (sqlite3_exec(handle, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	return storage_error(handle, what, outcome);
}

static void connection_close(struct connection *connection)
{
	if (!connection)
		return;
	for (size_t i = 0; i < connection->statement_count; i++)
		sqlite3_finalize(connection->statements[i].handle);
	sqlite3_close(connection->handle);
	free(connection);
}

static struct connection *connection_open(const struct database *database, bool writes, struct outcome *outcome)
{
	struct connection *connection = calloc(1, sizeof *connection);
	int flags =
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | (writes ? SQLITE_OPEN_CREATE : 0);

	if (!connection) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: the database has no memory left.");
		return NULL;
	}
	if (sqlite3_open_v2(database->path, &connection->handle, flags, database->options.vfs) != SQLITE_OK) {
		storage_error(connection->handle, "opening the database", outcome);
		connection_close(connection);
		return NULL;
	}
	sqlite3_busy_timeout(connection->handle, BUSY_TIMEOUT_MS);
	/* FULL: in WAL mode the log is fsynced by every commit, which is what an acknowledgement promises. */
	const char *sql = writes ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
				   "PRAGMA journal_size_limit=" LOG_BYTES ";"
				   "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
				   "PRAGMA cache_size=" PAGE_CACHE_KIB ";"
				 : "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF;"
				   "PRAGMA cache_size=" PAGE_CACHE_KIB ";";

	if (!execute(connection->handle, sql, "setting up the database", outcome)) {
		connection_close(connection);
		return NULL;
	}
	return connection;
}

/* The number that a PRAGMA answers, -1 when it fails. */
static int64_t pragma_i64(sqlite3 *handle, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int64_t value = -1;

	if (sqlite3_prepare_v2(handle, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

/* In a transaction: another process may do the same. */
static bool schema_make(const struct database *database, sqlite3 *handle, struct outcome *outcome)
{
	const struct database_options *options = &database->options;
	int64_t version = pragma_i64(handle, "PRAGMA user_version");
	char set_version[64];

	if (version == 0 && !execute(handle, options->schema, "creating the schema", outcome))
		return false;
	for (int64_t i = version; i > 0 && i < options->version; i++) {
		if (!execute(handle, options->upgrades[i - 1], "upgrading the schema", outcome))
			return false;
	}
	snprintf(set_version, sizeof set_version, "PRAGMA user_version=%d", options->version);
	return execute(handle, set_version, "creating the schema", outcome);
}

static bool schema_check(const struct database *database, struct outcome *outcome)
{
	const struct database_options *options = &database->options;
	sqlite3 *handle = database->writer->handle;
	int64_t version = pragma_i64(handle, "PRAGMA user_version");

	if (version == options->version)
		return true;
	if (version < 0 || version > options->version || (version > 0 && !options->upgrades))
		return outcome_add(outcome, ERR_STORAGE, "",
				   "Open the data directory with the version of the program that wrote it: its schema "
				   "is %lld, this program knows %d.",
				   (long long)version, options->version);
	if (execute(handle, "BEGIN IMMEDIATE", "creating the schema", outcome) &&
	    schema_make(database, handle, outcome) && execute(handle, "COMMIT", "creating the schema", outcome))
		return true;
	sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
	return false;
}

/* Statements that the last work left behind are made ready for the next one. */
static void statements_release(struct connection *connection)
{
	for (size_t i = 0; i < connection->statement_count; i++) {
		struct statement *statement = &connection->statements[i];

		if (statement->in_use)
			statement_reset(statement);
		statement->in_use = false;
	}
}

/* Runs one work inside its savepoint. Returns false when the whole transaction is gone. */
static bool job_run(struct connection *writer, struct job *job)
{
	if (!execute(writer->handle, "SAVEPOINT work", "beginning a work", job->outcome)) {
		job->ok = false;
		return sqlite3_get_autocommit(writer->handle) == 0;
	}
	job->ok = job->work(job->context, writer, job->outcome);
	statements_release(writer);
	/* A full disk or an I/O error may have ended the transaction under the work's feet. */
	if (sqlite3_get_autocommit(writer->handle) != 0) {
		if (job->ok)
			job->ok = outcome_add(job->outcome, ERR_STORAGE, "", "Retry later: the disk failed.");
		return false;
	}
	const char *end = job->ok ? "RELEASE work" : "ROLLBACK TO work; RELEASE work";

	if (!execute(writer->handle, end, "ending a work", job->outcome)) {
		job->ok = false;
		return false;
	}
	return true;
}

static void jobs_fail(struct job *jobs, const struct outcome *why)
{
	for (struct job *job = jobs; job; job = job->next) {
		const char *text =
			why && why->count ? why->issues[0].text : "Retry later: another submission met a failing disk.";

		if (job->ok)
			job->ok = outcome_add(job->outcome, ERR_STORAGE, "", "%s", text);
	}
}

/* One transaction for a chain of works. Returns false when the disk can no longer be trusted. */
static bool group_run(struct database *database, struct job *jobs)
{
	sqlite3 *handle = database->writer->handle;
	struct outcome outcome;
	bool any = false;
	bool trusted = true;

	outcome_init(&outcome);
	for (struct job *job = jobs; job; job = job->next)
		job->ok = true;
	if (!execute(handle, "BEGIN IMMEDIATE", "beginning a transaction", &outcome)) {
		jobs_fail(jobs, &outcome);
		return true;
	}
	for (struct job *job = jobs; job; job = job->next) {
		if (!job_run(database->writer, job)) {
			sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
			jobs_fail(jobs, NULL);
			return true;
		}
		any = any || job->ok;
	}
	if (!any) {
		sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
		return true;
	}
	if (database->options.before_commit && !database->options.before_commit(database->options.context, &outcome)) {
		trusted = false;
		goto failed;
	}
	if (sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
		return true;
	/* After a failed fsync the system may drop the pages and report success next time: nothing may be acknowledged
	 * until the database has been opened anew. A full disk is harmless. */
	trusted = (sqlite3_errcode(handle) & 0xff) == SQLITE_FULL || (sqlite3_errcode(handle) & 0xff) == SQLITE_BUSY;
	storage_error(handle, "the commit", &outcome);
failed:
	sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
	jobs_fail(jobs, &outcome);
	return trusted;
}

/* Cuts at most GROUP_WORKS_MAX jobs off the queue. Called with the lock held. */
static struct job *group_take(struct database *database)
{
	struct job *jobs = database->first;
	struct job *tail = jobs;
	size_t count = 1;

	while (tail->next && count < GROUP_WORKS_MAX) {
		tail = tail->next;
		count++;
	}
	database->first = tail->next;
	if (!database->first)
		database->last = &database->first;
	tail->next = NULL;
	database->queued_count -= count;
	return jobs;
}

static void *writer_main(void *argument)
{
	struct database *database = argument;

	pthread_mutex_lock(&database->lock);
	for (;;) {
		while (!database->first && !database->stopping)
			pthread_cond_wait(&database->work_there, &database->lock);
		if (!database->first)
			break;
		struct job *jobs = group_take(database);

		pthread_mutex_unlock(&database->lock);
		bool trusted = group_run(database, jobs);

		pthread_mutex_lock(&database->lock);
		if (!trusted)
			database->broken = true;
		while (jobs) {
			/* The job is on its caller's stack: it is gone once the caller sees done. */
			struct job *next = jobs->next;

			jobs->done = true;
			pthread_cond_signal(&jobs->wake);
			jobs = next;
		}
	}
	pthread_mutex_unlock(&database->lock);
	return NULL;
}

bool database_open(const struct database_options *options, struct database **database, struct outcome *outcome)
{
	struct database *opened = calloc(1, sizeof *opened);

	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	opened->options = *options;
	if (opened->options.readers_max == 0 || opened->options.readers_max > READERS_MAX)
		opened->options.readers_max = READERS_MAX;
	opened->last = &opened->first;
	pthread_mutex_init(&opened->lock, NULL);
	pthread_cond_init(&opened->work_there, NULL);
	pthread_cond_init(&opened->reader_free, NULL);
	opened->path = strdup(options->path);
	if (!opened->path) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
		goto failed;
	}
	opened->writer = connection_open(opened, true, outcome);
	if (!opened->writer || !schema_check(opened, outcome))
		goto failed;
	if (!thread_start(&opened->thread, writer_main, opened)) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Raise the limit of threads: the database got none.");
		goto failed;
	}
	opened->has_thread = true;
	*database = opened;
	return true;
failed:
	database_close(opened);
	return false;
}

void database_close(struct database *database)
{
	if (!database)
		return;
	if (database->has_thread) {
		pthread_mutex_lock(&database->lock);
		database->stopping = true;
		pthread_cond_signal(&database->work_there);
		pthread_mutex_unlock(&database->lock);
		pthread_join(database->thread, NULL);
	}
	while (database->idle) {
		struct connection *next = database->idle->next;

		connection_close(database->idle);
		database->idle = next;
	}
	/* The last connection to close checkpoints the log into the database. */
	connection_close(database->writer);
	pthread_cond_destroy(&database->reader_free);
	pthread_cond_destroy(&database->work_there);
	pthread_mutex_destroy(&database->lock);
	free(database->path);
	free(database);
}

bool database_write(struct database *database, database_work work, void *context, struct outcome *outcome)
{
	struct job job = { .work = work, .context = context, .outcome = outcome };

	pthread_mutex_lock(&database->lock);
	if (database->broken || database->stopping) {
		pthread_mutex_unlock(&database->lock);
		return outcome_add(outcome, ERR_STORAGE, "",
				   "Check the disk of the data directory and restart: an earlier write failed, nothing "
				   "more is accepted.");
	}
	if (database->queued_count >= QUEUE_WORKS_MAX) {
		pthread_mutex_unlock(&database->lock);
		return outcome_add(outcome, ERR_BUSY, "", "Retry later: too many submissions wait for the disk.");
	}
	pthread_cond_init(&job.wake, NULL);
	*database->last = &job;
	database->last = &job.next;
	database->queued_count++;
	pthread_cond_signal(&database->work_there);
	while (!job.done)
		pthread_cond_wait(&job.wake, &database->lock);
	pthread_mutex_unlock(&database->lock);
	pthread_cond_destroy(&job.wake);
	return job.ok;
}

/* An idle reader, a new one, or one that another thread gives back. */
static struct connection *reader_take(struct database *database, struct outcome *outcome)
{
	struct connection *reader;

	pthread_mutex_lock(&database->lock);
	while (!database->idle && database->reader_count >= database->options.readers_max)
		pthread_cond_wait(&database->reader_free, &database->lock);
	reader = database->idle;
	if (reader)
		database->idle = reader->next;
	else
		database->reader_count++;
	pthread_mutex_unlock(&database->lock);
	if (reader)
		return reader;
	reader = connection_open(database, false, outcome);
	if (!reader) {
		pthread_mutex_lock(&database->lock);
		database->reader_count--;
		pthread_cond_signal(&database->reader_free);
		pthread_mutex_unlock(&database->lock);
	}
	return reader;
}

static void reader_give(struct database *database, struct connection *reader)
{
	pthread_mutex_lock(&database->lock);
	reader->next = database->idle;
	database->idle = reader;
	pthread_cond_signal(&database->reader_free);
	pthread_mutex_unlock(&database->lock);
}

bool database_read(struct database *database, database_work work, void *context, struct outcome *outcome)
{
	struct connection *reader = reader_take(database, outcome);
	bool ok = false;

	if (!reader)
		return false;
	if (execute(reader->handle, "BEGIN", "beginning to read", outcome)) {
		ok = work(context, reader, outcome);
		statements_release(reader);
		sqlite3_exec(reader->handle, "ROLLBACK", NULL, NULL, NULL);
	}
	reader_give(database, reader);
	return ok;
}

/* The slot for a new statement: an unused one, or the oldest that the present work does not hold. */
static struct statement *statement_slot(struct connection *connection)
{
	if (connection->statement_count < STATEMENTS_MAX)
		return &connection->statements[connection->statement_count++];
	for (size_t i = 0; i < STATEMENTS_MAX; i++) {
		struct statement *victim = &connection->statements[connection->next_victim];

		connection->next_victim = (connection->next_victim + 1) % STATEMENTS_MAX;
		if (victim->in_use)
			continue;
		sqlite3_finalize(victim->handle);
		*victim = (struct statement) { 0 };
		return victim;
	}
	return NULL;
}

bool statement_prepare(struct connection *connection, const char *sql, struct statement **statement,
		       struct outcome *outcome)
{
	for (size_t i = 0; i < connection->statement_count; i++) {
		struct statement *kept = &connection->statements[i];

		if (!kept->handle || strcmp(sqlite3_sql(kept->handle), sql) != 0)
			continue;
		statement_reset(kept);
		kept->in_use = true;
		*statement = kept;
		return true;
	}
	struct statement *slot = statement_slot(connection);

	if (!slot)
		return outcome_add(outcome, ERR_INTERNAL, "", "Report this: a work holds too many statements.");
	if (sqlite3_prepare_v3(connection->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &slot->handle, NULL) !=
	    SQLITE_OK) {
		slot->handle = NULL;
		return storage_error(connection->handle, "preparing a statement", outcome);
	}
	slot->in_use = true;
	*statement = slot;
	return true;
}

void statement_bind_text(struct statement *statement, int parameter, struct str value)
{
	int code = value.data ? sqlite3_bind_text64(statement->handle, parameter, value.data, value.size,
						    SQLITE_TRANSIENT, SQLITE_UTF8)
			      : sqlite3_bind_null(statement->handle, parameter);

	if (code != SQLITE_OK)
		statement->failed = true;
}

void statement_bind_blob(struct statement *statement, int parameter, struct str value)
{
	int code = value.data
			   ? sqlite3_bind_blob64(statement->handle, parameter, value.data, value.size, SQLITE_TRANSIENT)
			   : sqlite3_bind_null(statement->handle, parameter);

	if (code != SQLITE_OK)
		statement->failed = true;
}

void statement_bind_i64(struct statement *statement, int parameter, int64_t value)
{
	if (sqlite3_bind_int64(statement->handle, parameter, value) != SQLITE_OK)
		statement->failed = true;
}

enum step statement_step(struct statement *statement, struct outcome *outcome)
{
	if (statement->failed) {
		storage_error(sqlite3_db_handle(statement->handle), "binding a value", outcome);
		statement_reset(statement);
		return STEP_FAILED;
	}
	int code = sqlite3_step(statement->handle);

	if (code == SQLITE_ROW)
		return STEP_ROW;
	if (code != SQLITE_DONE)
		storage_error(sqlite3_db_handle(statement->handle), "a statement", outcome);
	statement_reset(statement);
	return code == SQLITE_DONE ? STEP_DONE : STEP_FAILED;
}

bool statement_run(struct statement *statement, struct outcome *outcome)
{
	return statement_step(statement, outcome) == STEP_DONE;
}

void statement_reset(struct statement *statement)
{
	sqlite3_reset(statement->handle);
	sqlite3_clear_bindings(statement->handle);
	statement->failed = false;
}

struct str statement_text(struct statement *statement, int column)
{
	const void *text = sqlite3_column_blob(statement->handle, column);
	int size = sqlite3_column_bytes(statement->handle, column);

	if (sqlite3_column_type(statement->handle, column) == SQLITE_NULL)
		return STR_NONE;
	return (struct str) { text ? text : "", (size_t)size };
}

int64_t statement_i64(struct statement *statement, int column)
{
	return sqlite3_column_int64(statement->handle, column);
}

int64_t connection_last_id(struct connection *connection)
{
	return sqlite3_last_insert_rowid(connection->handle);
}
