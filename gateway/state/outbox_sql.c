#include "gateway/state/outbox_sql.h"

#include <stdatomic.h>

bool sql_write(struct sql_store *store, sql_work work, void *context, struct outcome *outcome)
{
	bool ok = store->calls->write(store, work, context, outcome);

	if (!ok && outcome->count && outcome->issues[outcome->count - 1].code == ERR_STORAGE)
		atomic_store(&store->is_doubted, true);
	return ok;
}

bool sql_read(const struct sql_store *store, sql_work work, void *context, struct outcome *outcome)
{
	return store->calls->read(store, work, context, outcome);
}

enum step sql_first(struct sql_session *session, const char *sql, const struct sql_value *values, size_t count,
		    struct sql_rows *rows, struct outcome *outcome)
{
	*rows = (struct sql_rows) { .session = session, .row = -1 };
	if (!session->store->calls->open(session, sql, values, count, rows, outcome))
		return STEP_FAILED;
	return sql_next(rows, outcome);
}

enum step sql_next(struct sql_rows *rows, struct outcome *outcome)
{
	return rows->session->store->calls->next(rows, outcome);
}

void sql_close(struct sql_rows *rows)
{
	if (rows->inner)
		rows->session->store->calls->close_rows(rows);
	rows->inner = NULL;
}

bool sql_run(struct sql_session *session, const char *sql, const struct sql_value *values, size_t count,
	     struct outcome *outcome)
{
	struct sql_rows rows;
	enum step step = sql_first(session, sql, values, count, &rows, outcome);

	sql_close(&rows);
	return step != STEP_FAILED;
}

bool sql_number_of(struct sql_session *session, const char *sql, const struct sql_value *values, size_t count,
		   bool *found, int64_t *number, struct outcome *outcome)
{
	struct sql_rows rows;
	enum step step = sql_first(session, sql, values, count, &rows, outcome);

	*found = step == STEP_ROW;
	if (step == STEP_ROW)
		*number = sql_number(&rows, 0);
	sql_close(&rows);
	return step != STEP_FAILED;
}

struct str sql_text(struct sql_rows *rows, int column)
{
	return rows->session->store->calls->text(rows, column);
}

int64_t sql_number(struct sql_rows *rows, int column)
{
	return rows->session->store->calls->number(rows, column);
}

const char *sql_words(const struct sql_session *session, const char *sqlite, const char *postgresql)
{
	return session->store->is_postgresql ? postgresql : sqlite;
}

bool sql_lock(struct sql_session *session, int64_t key, struct outcome *outcome)
{
	return session->store->calls->lock(session, key, outcome);
}
