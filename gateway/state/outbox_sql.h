/* Inside gateway/state only: the one SQL of the outbox, run by SQLite (over database.h) or by PostgreSQL. Parameters are
 * written ?1, ?2, ...; numbers are 64 bits wide. Where the two differ, sql_words says which words to use. */
#ifndef PASSERELLE_OUTBOX_SQL_H
#define PASSERELLE_OUTBOX_SQL_H

#include "gateway/run/config.h"
#include "gateway/state/database.h"

enum sql_kind { SQL_IS_TEXT, SQL_IS_BLOB, SQL_IS_NUMBER };

struct sql_value {
	enum sql_kind kind;
	struct str bytes; /* STR_NONE: NULL */
	int64_t number;
};

#define SQL_TEXT(s)          ((struct sql_value) { .kind = SQL_IS_TEXT, .bytes = (s) })
#define SQL_BLOB(data, size) ((struct sql_value) { SQL_IS_BLOB, { (const char *)(data), (size) }, 0 })
#define SQL_BYTES(s)         ((struct sql_value) { .kind = SQL_IS_BLOB, .bytes = (s) })
#define SQL_NUMBER(n)        ((struct sql_value) { .kind = SQL_IS_NUMBER, .number = (int64_t)(n) })

/* One transaction. */
struct sql_session {
	const struct sql_store *store;
	void *inner;
	int64_t now_ms;       /* wall clock of the store when the transaction began */
	int64_t lease_now_ms; /* the same of the clock that leases are measured by */
};

struct sql_rows {
	struct sql_session *session;
	void *inner;
	int row;
};

/* May be run a second time when the first ended unclear: then it must find what it did. */
typedef bool (*sql_work)(void *context, struct sql_session *session, struct outcome *outcome);

struct sql_calls {
	bool (*write)(const struct sql_store *store, sql_work work, void *context, struct outcome *outcome);
	bool (*read)(const struct sql_store *store, sql_work work, void *context, struct outcome *outcome);
	bool (*open)(struct sql_session *session, const char *sql, const struct sql_value *values, size_t count,
		     struct sql_rows *rows, struct outcome *outcome);
	enum step (*next)(struct sql_rows *rows, struct outcome *outcome);
	struct str (*text)(struct sql_rows *rows, int column);
	int64_t (*number)(struct sql_rows *rows, int column);
	void (*close_rows)(struct sql_rows *rows);
	bool (*lock)(struct sql_session *session, int64_t key, struct outcome *outcome);
	void (*close)(void *inner);
};

/* Shared by all who opened the same one in this process. */
struct sql_store {
	const struct sql_calls *calls;
	void *inner;
	bool is_postgresql;
	_Atomic bool is_doubted; /* a write failed: whether the next one goes through is to be found out */
};

/* *inner is NULL, and true is returned, when the file is not there and shall not be made. */
bool sql_sqlite_open(const char *directory, bool is_owner, void **inner, struct outcome *outcome) MUST_CHECK;
extern const struct sql_calls sql_sqlite_calls;

/* Connects when it is first used, and whenever it must. */
bool sql_postgresql_open(struct str conninfo, void **inner, struct outcome *outcome) MUST_CHECK;
extern const struct sql_calls sql_postgresql_calls;

/* Work in a transaction; what was written is durable when sql_write returns true. */
bool sql_write(struct sql_store *store, sql_work work, void *context, struct outcome *outcome) MUST_CHECK;
bool sql_read(const struct sql_store *store, sql_work work, void *context, struct outcome *outcome) MUST_CHECK;

/* SQL(SQL_TEXT(tenant), SQL_NUMBER(1)) gives two arguments: the values and their count. */
#define SQL(...)                                    \
	(const struct sql_value[]) { __VA_ARGS__ }, \
		sizeof((const struct sql_value[]) { __VA_ARGS__ }) / sizeof(struct sql_value)

bool sql_run(struct sql_session *session, const char *sql, const struct sql_value *values, size_t count,
	     struct outcome *outcome) MUST_CHECK;

/* The first row, STEP_DONE when there is none. Close the rows whatever it says. */
enum step sql_first(struct sql_session *session, const char *sql, const struct sql_value *values, size_t count,
		    struct sql_rows *rows, struct outcome *outcome) MUST_CHECK;
enum step sql_next(struct sql_rows *rows, struct outcome *outcome) MUST_CHECK;
void sql_close(struct sql_rows *rows);

/* The only number of the only row; nothing when there is no row (then *found is false). */
bool sql_number_of(struct sql_session *session, const char *sql, const struct sql_value *values, size_t count,
		   bool *found, int64_t *number, struct outcome *outcome) MUST_CHECK;

/* Columns count from 0; text is valid until the next row, STR_NONE for NULL. */
struct str sql_text(struct sql_rows *rows, int column);
int64_t sql_number(struct sql_rows *rows, int column);

/* Of a row that is taken to be changed: waits for others that hold it, or skips it. SQLite has one writer alone. */
const char *sql_words(const struct sql_session *session, const char *sqlite, const char *postgresql);

/* Waits for whoever holds the key, and holds it until the transaction ends. */
bool sql_lock(struct sql_session *session, int64_t key, struct outcome *outcome) MUST_CHECK;

#endif
