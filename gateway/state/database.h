/* SQLite behind one door: a single writer thread that commits many callers' work with one fsync (group commit), and a
 * pool of reading connections. Knows no FHIR and no XDS: it stores what it is told.
 * WAL with synchronous=FULL: what database_write acknowledged survives a kill or a power cut at any moment.
 * Errors everywhere: ERR_STORAGE (disk, also a full one), ERR_BUSY (queue full), ERR_NO_MEMORY. */
#ifndef PASSERELLE_DATABASE_H
#define PASSERELLE_DATABASE_H

#include "mappers/base/error.h"

struct database;
struct connection;
struct statement;

struct database_options {
	const char *path;
	const char *vfs;    /* name of a registered sqlite3_vfs, for tests that break disks; NULL for the default */
	const char *schema; /* SQL that makes an empty database; run once, in one transaction */
	int version;        /* of the schema, in PRAGMA user_version; a file with a later one is refused */
	const char *const
		*upgrades;  /* SQL that makes each version the next one, from 1 on; NULL: earlier ones are refused */
	size_t readers_max; /* reading connections at most */
	/* Called in the writer thread before each commit, for instance to fsync directories; may be NULL. When it
	 * returns false the whole group is rolled back. */
	bool (*before_commit)(void *context, struct outcome *outcome);
	void *context;
};

/* Opens or creates the database and starts the writer thread. Close with database_close. */
bool database_open(const struct database_options *options, struct database **database,
		   struct outcome *outcome) MUST_CHECK;

/* Finishes the work that waits, checkpoints, closes. NULL is allowed. No other call may be running. */
void database_close(struct database *database);

/* Work on a connection inside a transaction. Returning false undoes all that this work did, and only that. */
typedef bool (*database_work)(void *context, struct connection *connection, struct outcome *outcome);

/* Runs work in the writer thread, alone, after all writes that were accepted before it, and returns when it is durable
 * (true) or undone (false, the outcome says why). The caller blocks meanwhile; work may use the caller's arena. After
 * ERR_STORAGE the end is unclear only when the machine dies in the same moment. */
bool database_write(struct database *database, database_work work, void *context, struct outcome *outcome) MUST_CHECK;

/* Runs work in this thread on a reading connection: one consistent snapshot. Waits for a free connection. */
bool database_read(struct database *database, database_work work, void *context, struct outcome *outcome) MUST_CHECK;

/* A statement for this SQL, ready to be bound; kept by the connection and used again for the same text. It is valid
 * until the work returns. The same text must not be prepared twice at the same time. */
bool statement_prepare(struct connection *connection, const char *sql, struct statement **statement,
		       struct outcome *outcome) MUST_CHECK;

/* Parameters count from 1. Text and blobs are copied; STR_NONE binds NULL. A failure shows in statement_step. */
void statement_bind_text(struct statement *statement, int parameter, struct str value);
void statement_bind_blob(struct statement *statement, int parameter, struct str value);
void statement_bind_i64(struct statement *statement, int parameter, int64_t value);

enum step { STEP_ROW, STEP_DONE, STEP_FAILED };

/* The next row. After STEP_DONE or STEP_FAILED the statement is reset and may be bound and stepped again. */
enum step statement_step(struct statement *statement, struct outcome *outcome) MUST_CHECK;

/* Steps a statement that gives no rows; true when it went through. */
bool statement_run(struct statement *statement, struct outcome *outcome) MUST_CHECK;

/* Gives up the rows that are left, so that the statement may be bound again. */
void statement_reset(struct statement *statement);

/* Columns of the present row count from 0; text is valid until the next step, STR_NONE for NULL. */
struct str statement_text(struct statement *statement, int column);
int64_t statement_i64(struct statement *statement, int column);

/* Rowid of the last insert. */
int64_t connection_last_id(struct connection *connection);

#endif
