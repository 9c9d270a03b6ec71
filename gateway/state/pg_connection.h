/* Inside gateway/state only: one connection to PostgreSQL. Every call is bounded in time; one that took too long, or
 * broke, leaves a connection that is only closed. One thread at a time. */
#ifndef PASSERELLE_PG_CONNECTION_H
#define PASSERELLE_PG_CONNECTION_H

#include "gateway/state/outbox_sql.h"

#define PG_CALL_MS 10000 /* for one answer, to those who can wait */

/* libpq's PGconn and PGresult. */
struct pg_conn;
struct pg_result;

enum pg_trouble {
	PG_FINE,
	PG_LOST,   /* the connection; what it was doing may have been done or not */
	PG_AGAIN,  /* undone, because of others who did something at the same time */
	PG_REFUSED /* undone, and would be again */
};

struct pg_connection {
	struct pg_conn *handle;
	enum pg_trouble trouble; /* of the last call that failed */
	bool was_silent;         /* lost, because no answer came in time */
	uint64_t answer_ms;      /* how long one may take; whoever uses it says so */
	char *statements[96];    /* SQL of what is prepared; its index is its name */
	size_t statement_count;
	struct pg_connection *next; /* in the pool */
};

/* Connects and sets the session up; blocks for at most connect_timeout (3 s by default) for each host, and before that
 * until its name is found or not (resolv.conf). NULL with an issue. */
struct pg_connection *pg_open(struct str conninfo, struct outcome *outcome) MUST_CHECK;
void pg_close(struct pg_connection *connection);

/* Statements without parameters; the result of the last one, as text. NULL with an issue and trouble. Free with PQclear.
 */
struct pg_result *pg_execute(struct pg_connection *connection, const char *sql, struct outcome *outcome) MUST_CHECK;

/* One statement with parameters (?1, ?2, ...), prepared when it is met for the first time; binary result. */
struct pg_result *pg_query(struct pg_connection *connection, const char *sql, const struct sql_value *values,
			   size_t count, struct outcome *outcome) MUST_CHECK;

#endif
