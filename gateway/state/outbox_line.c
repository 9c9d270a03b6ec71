#include "gateway/state/outbox_line.h"

#include <stdio.h>

#include "gateway/state/outbox_usage.h"

bool outbox_line_lock(struct sql_session *session, const unsigned char patient[VAULT_NAME_BYTES],
		      struct outcome *outcome)
{
	int64_t key;

	/* Two patients that share these 64 bits wait for each other, no more. */
	memcpy(&key, patient, sizeof key);
	return sql_lock(session, key, outcome);
}

/* The item that has the turn; *seq is 0 when there is none. */
static bool turn_find(struct sql_session *session, const struct outbox_line *line, int64_t *seq, bool *is_sending,
		      struct outcome *outcome)
{
	/* Waits for a claim of the item that is under way, and sees what it did. */
	const char *sql = sql_words(
		session,
		"SELECT seq, state FROM outbox_item WHERE tenant = ?1 AND patient = ?2 AND target = ?3 AND turn = 1",
		"SELECT seq, state FROM outbox_item WHERE tenant = ?1 AND patient = ?2 AND target = ?3 AND turn = 1 "
		"FOR UPDATE");
	struct sql_rows rows;
	enum step step = sql_first(session, sql,
				   SQL(SQL_TEXT(line->tenant), SQL_BLOB(line->patient, VAULT_NAME_BYTES),
				       SQL_TEXT(line->target)),
				   &rows, outcome);

	*seq = 0;
	*is_sending = false;
	if (step == STEP_ROW) {
		*seq = sql_number(&rows, 0);
		*is_sending = sql_number(&rows, 1) == OUTBOX_SENDING;
	}
	sql_close(&rows);
	return step != STEP_FAILED;
}

/* The first that is announced; *seq is 0 when there is none. MIN: few are, and they are found by their state. */
static bool announced_find(struct sql_session *session, const struct outbox_line *line, int64_t *seq,
			   struct outcome *outcome)
{
	bool found;

	return sql_number_of(session,
			     "SELECT COALESCE(MIN(seq), 0) FROM outbox_item WHERE tenant = ?1 AND patient = ?2 AND "
			     "target = ?3 AND state = 5",
			     SQL(SQL_TEXT(line->tenant), SQL_BLOB(line->patient, VAULT_NAME_BYTES),
				 SQL_TEXT(line->target)),
			     &found, seq, outcome);
}

bool outbox_line_renew(struct sql_session *session, const struct outbox_line *line, struct outcome *outcome)
{
	int64_t present = 0;
	int64_t first = 0;
	int64_t announced = 0;
	bool is_sending = false;
	bool found = false;

	if (!turn_find(session, line, &present, &is_sending, outcome))
		return false;
	if (is_sending)
		return true;
	if (!sql_number_of(session,
			   "SELECT seq FROM outbox_item WHERE tenant = ?1 AND patient = ?2 AND target = ?3 AND "
			   "state IN (0, 1, 3) AND state = 0 AND held = 0 ORDER BY seq LIMIT 1",
			   SQL(SQL_TEXT(line->tenant), SQL_BLOB(line->patient, VAULT_NAME_BYTES),
			       SQL_TEXT(line->target)),
			   &found, &first, outcome) ||
	    !announced_find(session, line, &announced, outcome))
		return false;
	if (announced && announced < first) {
		found = false;
		first = 0;
	}
	if (present == first)
		return true;
	if (present &&
	    !sql_run(session, "UPDATE outbox_item SET turn = 0 WHERE seq = ?1", SQL(SQL_NUMBER(present)), outcome))
		return false;
	/* Due from now on and not since it was put: else a patient with many items would come before all others. */
	return !found || sql_run(session,
				 "UPDATE outbox_item SET turn = 1, due_ms = CASE WHEN due_ms < ?2 THEN ?2 ELSE due_ms "
				 "END WHERE seq = ?1",
				 SQL(SQL_NUMBER(first), SQL_NUMBER(session->now_ms)), outcome);
}

static bool held_renew(struct sql_session *session, const struct outbox_line *line, int64_t seq,
		       struct outcome *outcome)
{
	return sql_run(session,
		       "UPDATE outbox_item SET held = CASE WHEN EXISTS (SELECT 1 FROM outbox_name n JOIN outbox_name m "
		       "ON m.tenant = n.tenant AND m.hash = n.hash AND m.role = 0 JOIN outbox_item j ON j.seq = m.item "
		       "WHERE n.item = ?1 AND n.role = 1 AND j.seq < ?1 AND j.patient = ?2 AND j.target = ?3 AND "
		       "(j.state = 3 OR (j.state = 0 AND j.held = 1))) THEN 1 ELSE 0 END WHERE seq = ?1 AND state = 0",
		       SQL(SQL_NUMBER(seq), SQL_BLOB(line->patient, VAULT_NAME_BYTES), SQL_TEXT(line->target)),
		       outcome);
}

bool outbox_chain_renew(struct sql_session *session, const struct outbox_line *line, int64_t seq,
			struct outcome *outcome)
{
	struct sql_rows rows;
	bool ok = held_renew(session, line, seq, outcome);

	if (!ok)
		return false;
	/* In the order of seq: when an item is looked at, all that it may depend on have been. */
	enum step step =
		sql_first(session,
			  "WITH RECURSIVE chain(seq) AS (SELECT seq FROM outbox_item WHERE seq = ?1 UNION SELECT d.seq "
			  "FROM chain c "
			  "JOIN outbox_name m ON m.item = c.seq AND m.role = 0 JOIN outbox_name n ON n.tenant = "
			  "m.tenant AND "
			  "n.hash = m.hash AND n.role = 1 JOIN outbox_item d ON d.seq = n.item WHERE d.state = 0 AND "
			  "d.seq > c.seq AND d.patient = ?2 AND d.target = ?3) "
			  "SELECT seq FROM chain WHERE seq <> ?1 ORDER BY seq",
			  SQL(SQL_NUMBER(seq), SQL_BLOB(line->patient, VAULT_NAME_BYTES), SQL_TEXT(line->target)),
			  &rows, outcome);

	while (step == STEP_ROW && ok) {
		ok = held_renew(session, line, sql_number(&rows, 0), outcome);
		if (ok)
			step = sql_next(&rows, outcome);
	}
	sql_close(&rows);
	return ok && step == STEP_DONE;
}

/* Locks the line that the item is in. It may leave it for another one while we wait (outbox_rework, outbox_correct). */
static bool row_line_lock(struct outbox *outbox, struct sql_session *session, struct str id, struct outbox_row *row,
			  bool *found, struct outcome *outcome)
{
	unsigned char locked[VAULT_NAME_BYTES];
	bool is_locked = false;

	for (;;) {
		struct sql_rows rows;
		enum step step = sql_first(session, "SELECT patient FROM outbox_item WHERE tenant = ?1 AND id = ?2",
					   SQL(SQL_TEXT(outbox->tenant), SQL_TEXT(id)), &rows, outcome);

		*found = step == STEP_ROW && sql_text(&rows, 0).size == VAULT_NAME_BYTES;
		if (*found)
			memcpy(row->line.patient, sql_text(&rows, 0).data, VAULT_NAME_BYTES);
		sql_close(&rows);
		if (!*found)
			return step != STEP_FAILED;
		if (is_locked && memcmp(locked, row->line.patient, sizeof locked) == 0)
			return true;
		memcpy(locked, row->line.patient, sizeof locked);
		is_locked = true;
		if (!outbox_line_lock(session, locked, outcome))
			return false;
	}
}

bool outbox_row_lock(struct outbox *outbox, struct sql_session *session, struct str id, struct outbox_row *row,
		     bool *found, struct outcome *outcome)
{
	const char *locking =
		sql_words(session,
			  "SELECT seq, state, fence, bytes, revision, part_count, target, kind, unclear, slot "
			  "FROM outbox_item WHERE tenant = ?1 AND id = ?2",
			  "SELECT seq, state, fence, bytes, revision, part_count, target, kind, unclear, slot "
			  "FROM outbox_item WHERE tenant = ?1 AND id = ?2 FOR UPDATE");
	struct sql_rows rows;
	enum step step;

	if (!row_line_lock(outbox, session, id, row, found, outcome))
		return false;
	if (!*found)
		return true;
	step = sql_first(session, locking, SQL(SQL_TEXT(outbox->tenant), SQL_TEXT(id)), &rows, outcome);
	*found = step == STEP_ROW;
	if (*found) {
		row->seq = sql_number(&rows, 0);
		row->state = (enum outbox_state)sql_number(&rows, 1);
		row->fence = (uint64_t)sql_number(&rows, 2);
		row->bytes = (uint64_t)sql_number(&rows, 3);
		row->revision = sql_number(&rows, 4);
		row->part_count = (size_t)sql_number(&rows, 5);
		snprintf(row->line.target_text, sizeof row->line.target_text, "%.*s", STR_ARG(sql_text(&rows, 6)));
		snprintf(row->kind, sizeof row->kind, "%.*s", STR_ARG(sql_text(&rows, 7)));
		row->is_unclear = sql_number(&rows, 8) == 1;
		row->slot = sql_number(&rows, 9);
		row->line.target = str_from_c(row->line.target_text);
		row->line.tenant = outbox->tenant;
	}
	sql_close(&rows);
	return step != STEP_FAILED;
}

bool outbox_row_revive(struct sql_session *session, const struct outbox_row *row, struct outcome *outcome)
{
	return sql_run(session,
		       "UPDATE outbox_item SET state = 0, held = 0, attempts = 0, due_ms = ?2, changed_ms = ?2, "
		       "result = NULL WHERE seq = ?1",
		       SQL(SQL_NUMBER(row->seq), SQL_NUMBER(session->now_ms)), outcome) &&
	       outbox_chain_renew(session, &row->line, row->seq, outcome) &&
	       outbox_line_renew(session, &row->line, outcome);
}

bool outbox_row_release(struct outbox *outbox, struct sql_session *session, struct str id, bool *found,
			struct outcome *outcome)
{
	struct outbox_row row;

	if (!outbox_row_lock(outbox, session, id, &row, found, outcome))
		return false;
	return !*found || row.state != OUTBOX_ANNOUNCED || outbox_row_revive(session, &row, outcome);
}

bool outbox_row_empty(struct outbox *outbox, struct sql_session *session, const struct outbox_row *row,
		      struct outcome *outcome)
{
	return sql_run(session, "DELETE FROM outbox_chunk WHERE item = ?1", SQL(SQL_NUMBER(row->seq)), outcome) &&
	       sql_run(session, "DELETE FROM outbox_name WHERE item = ?1", SQL(SQL_NUMBER(row->seq)), outcome) &&
	       outbox_usage_add(outbox, session, row->slot, -(int64_t)row->bytes, outcome);
}
