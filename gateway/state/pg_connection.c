#include "gateway/state/pg_connection.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/run/deadline.h"
#include "gateway/run/log.h"

#define PARAMETERS_MAX 24
#define SESSION_MS     3000 /* for one answer of a server that has just let us in */

/* Types of pg_type.dat, which never change. */
#define OID_BYTEA 17
#define OID_INT8  20
#define OID_TEXT  25

/* Nothing that waits for a client that is gone keeps others waiting for long, and a plan never depends on how few rows
 * there were when it was made. What an acknowledgement promises is not for the server's configuration to weaken. */
#define SESSION                                                                                          \
	"SET statement_timeout = '9s'; SET idle_in_transaction_session_timeout = '5s';"                  \
	"SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3;"   \
	"SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off;" \
	"SET enable_seqscan = off; SET jit = off; SET DateStyle = 'ISO';"                                \
	"SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"

static void notices_ignore(void *context, const char *message)
{
	(void)context;
	(void)message;
}

/* What PostgreSQL said, for the operator; those who ask get a code. */
static void trouble_set(struct pg_connection *connection, const PGresult *result, const char *what,
			struct outcome *outcome)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	char line[256];

	if (!text)
		text = PQerrorMessage(connection->handle);
	snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\n"), text);
	if (!state || PQstatus(connection->handle) != CONNECTION_OK || strncmp(state, "57P", 3) == 0 ||
	    strncmp(state, "08", 2) == 0)
		connection->trouble = PG_LOST;
	else if (strncmp(state, "40", 2) == 0 || strcmp(state, "25P03") == 0)
		connection->trouble = PG_AGAIN;
	else
		connection->trouble = PG_REFUSED;
	log_write(state ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, LOG_STORAGE_ERROR, NULL,
		  (const struct log_field[]) { LOG_C("what", what), LOG_C("state", state ? state : ""),
					       LOG_C("text", line) },
		  3);
	outcome_add(outcome, ERR_STORAGE, "",
		    "Retry later: the PostgreSQL of the outbox did not do what it was asked%s%s.",
		    state ? ": SQLSTATE " : "", state ? state : "");
}

static bool wait_for(struct pg_connection *connection, short events, struct deadline deadline)
{
	struct pollfd pollfd = { .fd = PQsocket(connection->handle), .events = events };

	for (;;) {
		uint64_t left = deadline_left_ms(deadline);
		int count = left ? poll(&pollfd, 1, (int)left) : 0;

		if (count > 0)
			return true;
		if (count == 0 || errno != EINTR)
			return false;
	}
}

/* Sends what waits to be sent, and waits until the whole of the next result is there. */
static bool answer_wait(struct pg_connection *connection, struct deadline deadline)
{
	int unsent;

	while ((unsent = PQflush(connection->handle)) == 1) {
		/* It may have to read before it can go on writing. */
		if (!wait_for(connection, POLLIN | POLLOUT, deadline) || !PQconsumeInput(connection->handle))
			return false;
	}
	while (unsent == 0 && PQisBusy(connection->handle)) {
		if (!wait_for(connection, POLLIN, deadline) || !PQconsumeInput(connection->handle))
			return false;
	}
	return unsent == 0;
}

static bool is_good(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/* The last result of what was sent, or the first that is an error. */
static PGresult *answer_take(struct pg_connection *connection, const char *what, struct outcome *outcome)
{
	struct deadline deadline = deadline_in(connection->answer_ms);
	PGresult *kept = NULL;

	for (;;) {
		if (!answer_wait(connection, deadline)) {
			PQclear(kept);
			trouble_set(connection, NULL, what, outcome);
			connection->trouble = PG_LOST;
			connection->was_silent = deadline_passed(deadline);
			return NULL;
		}
		PGresult *next = PQgetResult(connection->handle);

		if (!next)
			break;
		if (kept && !is_good(kept)) {
			PQclear(next);
			continue;
		}
		PQclear(kept);
		kept = next;
	}
	if (kept && is_good(kept))
		return kept;
	trouble_set(connection, kept, what, outcome);
	PQclear(kept);
	return NULL;
}

PGresult *pg_execute(struct pg_connection *connection, const char *sql, struct outcome *outcome)
{
	if (PQsendQuery(connection->handle, sql))
		return answer_take(connection, "PostgreSQL", outcome);
	trouble_set(connection, NULL, "PostgreSQL", outcome);
	connection->trouble = PG_LOST;
	return NULL;
}

struct pg_connection *pg_open(struct str conninfo, struct outcome *outcome)
{
	struct pg_connection *connection = calloc(1, sizeof *connection);
	char *text = strndup(conninfo.data, conninfo.size);
	/* Later ones win: what the file says goes before these, but for the encoding. */
	const char *keywords[] = { "connect_timeout",      "keepalives_idle",
				   "keepalives_interval",  "keepalives_count",
				   "tcp_user_timeout",     "application_name",
				   "target_session_attrs", "dbname",
				   "client_encoding",      NULL };
	const char *values[] = { "3", "10", "3", "3", "10000", "passerelle", "read-write", text, "UTF8", NULL };

	if (connection && text)
		connection->handle = PQconnectdbParams(keywords, values, 1);
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	if (!connection || !connection->handle) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
		free(connection);
		return NULL;
	}
	PQsetNoticeProcessor(connection->handle, notices_ignore, NULL);
	if (PQstatus(connection->handle) != CONNECTION_OK || PQsetnonblocking(connection->handle, 1) != 0) {
		trouble_set(connection, NULL, "connecting to PostgreSQL", outcome);
	} else {
		connection->answer_ms = SESSION_MS;
		PGresult *result = pg_execute(connection, SESSION, outcome);

		PQclear(result);
		if (result)
			return connection;
	}
	pg_close(connection);
	return NULL;
}

void pg_close(struct pg_connection *connection)
{
	if (!connection)
		return;
	for (size_t i = 0; i < connection->statement_count; i++)
		free(connection->statements[i]);
	PQfinish(connection->handle);
	free(connection);
}

/* Parameters as the protocol wants them. */
struct parameters {
	Oid types[PARAMETERS_MAX];
	const char *values[PARAMETERS_MAX];
	int lengths[PARAMETERS_MAX];
	int formats[PARAMETERS_MAX];
	uint64_t numbers[PARAMETERS_MAX];
	int count;
};

static bool parameters_make(struct parameters *parameters, const struct sql_value *values, size_t count)
{
	if (count > PARAMETERS_MAX)
		return false;
	parameters->count = (int)count;
	for (size_t i = 0; i < count; i++) {
		static const Oid types[] = {
			[SQL_IS_TEXT] = OID_TEXT, [SQL_IS_BLOB] = OID_BYTEA, [SQL_IS_NUMBER] = OID_INT8
		};

		if (values[i].bytes.size > INT32_MAX)
			return false;
		parameters->types[i] = types[values[i].kind];
		parameters->formats[i] = 1;
		parameters->values[i] = values[i].bytes.data;
		parameters->lengths[i] = (int)values[i].bytes.size;
		if (values[i].kind == SQL_IS_NUMBER) {
			parameters->numbers[i] = __builtin_bswap64((uint64_t)values[i].number);
			parameters->values[i] = (const char *)&parameters->numbers[i];
			parameters->lengths[i] = sizeof parameters->numbers[i];
		}
	}
	return true;
}

/* ?1 is $1 here. */
static char *translate(const char *sql)
{
	char *text = strdup(sql);

	for (char *at = text; at && *at; at++) {
		if (*at == '?')
			*at = '$';
	}
	return text;
}

/* What is prepared is for the next time: when there is no room for more, it is begun anew. */
static bool statements_forget(struct pg_connection *connection, struct outcome *outcome)
{
	PGresult *result = pg_execute(connection, "DEALLOCATE ALL", outcome);

	PQclear(result);
	while (result && connection->statement_count > 0)
		free(connection->statements[--connection->statement_count]);
	return result != NULL;
}

/* The number of the prepared statement; -1, with an issue and trouble, when it could not be. */
static int statement_find(struct pg_connection *connection, const char *sql, const struct parameters *parameters,
			  struct outcome *outcome)
{
	char name[16];

	for (size_t i = 0; i < connection->statement_count; i++) {
		if (strcmp(connection->statements[i], sql) == 0)
			return (int)i;
	}
	if (connection->statement_count == COUNT_OF(connection->statements) && !statements_forget(connection, outcome))
		return -1;
	char *kept = strdup(sql);
	char *text = translate(sql);

	snprintf(name, sizeof name, "s%zu", connection->statement_count);
	PGresult *result = NULL;

	if (kept && text && PQsendPrepare(connection->handle, name, text, parameters->count, parameters->types))
		result = answer_take(connection, "PostgreSQL", outcome);
	else
		trouble_set(connection, NULL, "PostgreSQL", outcome);
	free(text);
	PQclear(result);
	if (!result) {
		free(kept);
		return -1;
	}
	connection->statements[connection->statement_count] = kept;
	return (int)connection->statement_count++;
}

PGresult *pg_query(struct pg_connection *connection, const char *sql, const struct sql_value *values, size_t count,
		   struct outcome *outcome)
{
	struct parameters parameters;
	char name[16];

	if (!parameters_make(&parameters, values, count)) {
		connection->trouble = PG_REFUSED;
		outcome_add(outcome, ERR_INTERNAL, "", "Report this: a statement of the outbox has too much in it.");
		return NULL;
	}
	int number = statement_find(connection, sql, &parameters, outcome);

	if (number < 0)
		return NULL;
	snprintf(name, sizeof name, "s%d", number);
	if (PQsendQueryPrepared(connection->handle, name, parameters.count, parameters.values, parameters.lengths,
				parameters.formats, 1))
		return answer_take(connection, "PostgreSQL", outcome);
	trouble_set(connection, NULL, "PostgreSQL", outcome);
	connection->trouble = PG_LOST;
	return NULL;
}
