#include "gateway/state/outbox_lease.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/state/outbox_line.h"

#define SKIPPED_WAIT_MS 50 /* when what was due has just been taken by others */

struct claiming {
	struct outbox *outbox;
	struct str target;
	struct arena *arena;
	struct outbox_claim *claim;
	bool is_due; /* by a first look, which writes nothing */
	bool found;
	uint64_t wait_ms;
};

/* Times that lie farther ahead than any that this code writes were written by a clock that was wrong. */
static bool has_come(int64_t at_ms, int64_t now_ms)
{
	return at_ms <= now_ms || at_ms > now_ms + (int64_t)OUTBOX_DELAY_MAX_MS;
}

/* What the first and last due times say: -1 for none. */
static void due_judge(struct claiming *claiming, int64_t first_ms, int64_t last_ms, int64_t now_ms)
{
	if (first_ms < 0)
		return;
	if (has_come(first_ms, now_ms) || has_come(last_ms, now_ms))
		claiming->is_due = true;
	else if ((uint64_t)(first_ms - now_ms) < claiming->wait_ms)
		claiming->wait_ms = (uint64_t)(first_ms - now_ms);
}

static bool look_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct claiming *claiming = context;
	struct sql_rows rows;
	enum step step = sql_first(
		session,
		"SELECT COALESCE((SELECT due_ms FROM outbox_item WHERE tenant = ?1 AND target = ?2 AND turn = 1 AND "
		"state = 0 ORDER BY due_ms LIMIT 1), -1), COALESCE((SELECT due_ms FROM outbox_item WHERE tenant = ?1 "
		"AND "
		"target = ?2 AND turn = 1 AND state = 0 ORDER BY due_ms DESC LIMIT 1), -1), COALESCE((SELECT "
		"MIN(lease_ms) FROM outbox_item WHERE tenant = ?1 AND target = ?2 AND turn = 1 AND state = 1), -1), "
		"COALESCE((SELECT MAX(lease_ms) FROM outbox_item WHERE tenant = ?1 AND target = ?2 AND turn = 1 AND "
		"state = 1), -1)",
		SQL(SQL_TEXT(claiming->outbox->tenant), SQL_TEXT(claiming->target)), &rows, outcome);

	claiming->is_due = false;
	claiming->wait_ms = OUTBOX_DELAY_MAX_MS;
	if (step == STEP_ROW) {
		due_judge(claiming, sql_number(&rows, 0), sql_number(&rows, 1), session->now_ms);
		due_judge(claiming, sql_number(&rows, 2), sql_number(&rows, 3), session->lease_now_ms);
	}
	sql_close(&rows);
	return step == STEP_ROW;
}

#define RAN_OUT "(lease_ms <= ?3 OR lease_ms > ?3 + 900000)"

/* One item whose lease ran out waits again; whoever held it may have sent it. */
static bool lease_expire(const struct claiming *claiming, struct sql_session *session, struct outcome *outcome)
{
	char id[OUTBOX_ID_SIZE];
	struct outbox_row row;
	struct sql_rows rows;
	bool found;
	int64_t seq;
	enum step step = sql_first(session,
				   "SELECT id, fence FROM outbox_item WHERE tenant = ?1 AND target = ?2 AND turn = 1 "
				   "AND state = 1 AND " RAN_OUT " LIMIT 1",
				   SQL(SQL_TEXT(claiming->outbox->tenant), SQL_TEXT(claiming->target),
				       SQL_NUMBER(session->lease_now_ms)),
				   &rows, outcome);
	uint64_t fence = step == STEP_ROW ? (uint64_t)sql_number(&rows, 1) : 0;

	snprintf(id, sizeof id, "%.*s", STR_ARG(step == STEP_ROW ? sql_text(&rows, 0) : STR_NONE));
	sql_close(&rows);
	if (step != STEP_ROW)
		return step == STEP_DONE;
	if (!outbox_row_lock(claiming->outbox, session, str_from_c(id), &row, &found, outcome))
		return false;
	if (!found || row.state != OUTBOX_SENDING || row.fence != fence)
		return true;
	/* Once more: it may have been extended while we waited for the line, for which that does not wait. */
	return sql_number_of(session,
			     "UPDATE outbox_item SET state = 0, unclear = 1, owner = NULL, due_ms = ?2, changed_ms = "
			     "?2 "
			     "WHERE seq = ?1 AND " RAN_OUT " RETURNING seq",
			     SQL(SQL_NUMBER(row.seq), SQL_NUMBER(session->now_ms), SQL_NUMBER(session->lease_now_ms)),
			     &found, &seq, outcome) &&
	       (!found || outbox_line_renew(session, &row.line, outcome));
}

#define CLAIM(condition, locking)                                                                                  \
	"UPDATE outbox_item SET state = 1, fence = fence + 1, attempts = attempts + 1, owner = ?4, lease_ms = ?5," \
	" changed_ms = ?3 WHERE seq = (SELECT seq FROM outbox_item WHERE tenant = ?1 AND target = ?2 AND turn = 1" \
	" AND state = 0 AND due_ms " condition " ORDER BY due_ms, seq LIMIT 1 " locking ") RETURNING " OUTBOX_COLUMNS
#define IS_DUE       "<= ?3"
#define IS_FAR_AHEAD "> ?3 + 900000"
#define SKIPPING     "FOR UPDATE SKIP LOCKED"

_Static_assert(OUTBOX_DELAY_MAX_MS == 900000, "the number stands in IS_FAR_AHEAD and RAN_OUT as well");

static bool claim_take(struct claiming *claiming, struct sql_session *session, const char *sql, struct outcome *outcome)
{
	uint64_t lease_ms = claiming->outbox->config->outbox_lease_seconds * 1000;
	struct sql_rows rows;
	enum step step = sql_first(session, sql,
				   SQL(SQL_TEXT(claiming->outbox->tenant), SQL_TEXT(claiming->target),
				       SQL_NUMBER(session->now_ms), SQL_TEXT(claiming->outbox->owner),
				       SQL_NUMBER(session->lease_now_ms + (int64_t)lease_ms)),
				   &rows, outcome);
	bool ok = step != STEP_FAILED;

	claiming->found = step == STEP_ROW;
	if (claiming->found) {
		claiming->claim->fence = (uint64_t)sql_number(&rows, OUTBOX_COLUMN_FENCE);
		claiming->claim->lease_ms = lease_ms;
		ok = outbox_item_read(&rows, claiming->arena, &claiming->claim->item, outcome);
	}
	sql_close(&rows);
	return ok;
}

static bool claim_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct claiming *claiming = context;

	if (!lease_expire(claiming, session, outcome) ||
	    !claim_take(claiming, session, sql_words(session, CLAIM(IS_DUE, ""), CLAIM(IS_DUE, SKIPPING)), outcome))
		return false;
	return claiming->found ||
	       claim_take(claiming, session, sql_words(session, CLAIM(IS_FAR_AHEAD, ""), CLAIM(IS_FAR_AHEAD, SKIPPING)),
			  outcome);
}

enum outbox_claimed outbox_claim(struct outbox *outbox, struct str target, struct arena *arena,
				 struct outbox_claim *claim, uint64_t *wait_ms, struct outcome *outcome)
{
	struct claiming claiming = { .outbox = outbox, .target = target, .arena = arena, .claim = claim };

	*wait_ms = 0;
	if (!sql_read(&outbox->shared->store, look_work, &claiming, outcome))
		return OUTBOX_CLAIM_FAILED;
	if (claiming.is_due) {
		if (!sql_write(&outbox->shared->store, claim_work, &claiming, outcome))
			return OUTBOX_CLAIM_FAILED;
		if (claiming.found)
			return OUTBOX_CLAIMED;
		claiming.wait_ms = SKIPPED_WAIT_MS;
	}
	*wait_ms = claiming.wait_ms;
	return OUTBOX_NOTHING;
}

/* What becomes of a claim. */
struct ending {
	struct outbox *outbox;
	const struct outbox_claim *claim;
	enum outbox_state state; /* WAITING, or where it ends */
	uint64_t after_ms;
	unsigned attempts_less;
	bool sets_unclear;
	bool is_unclear;
	struct str reason;
	struct sql_value result;
	enum outbox_done done;
};

static bool extend_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct ending *ending = context;
	uint64_t lease_ms = ending->outbox->config->outbox_lease_seconds * 1000;
	bool found;
	int64_t seq;

	if (!sql_number_of(session,
			   "UPDATE outbox_item SET lease_ms = ?4, unclear = CASE WHEN ?5 = 1 THEN 1 ELSE unclear END "
			   "WHERE tenant = ?1 AND id = ?2 AND fence = ?3 AND state = 1 RETURNING seq",
			   SQL(SQL_TEXT(ending->outbox->tenant), SQL_TEXT(str_from_c(ending->claim->item.id)),
			       SQL_NUMBER(ending->claim->fence), SQL_NUMBER(session->lease_now_ms + (int64_t)lease_ms),
			       SQL_NUMBER(ending->is_unclear)),
			   &found, &seq, outcome))
		return false;
	ending->done = found ? OUTBOX_DONE : OUTBOX_STALE;
	return true;
}

enum outbox_done outbox_extend(struct outbox *outbox, const struct outbox_claim *claim, bool unclear,
			       struct outcome *outcome)
{
	struct ending ending = { .outbox = outbox, .claim = claim, .is_unclear = unclear };

	if (!sql_write(&outbox->shared->store, extend_work, &ending, outcome))
		return OUTBOX_DONE_FAILED;
	return ending.done;
}

static bool row_put_back(const struct ending *ending, struct sql_session *session, const struct outbox_row *row,
			 struct outcome *outcome)
{
	return sql_run(session,
		       "UPDATE outbox_item SET state = 0, owner = NULL, due_ms = ?2, changed_ms = ?3, "
		       "attempts = attempts - ?4, unclear = CASE WHEN ?5 = 1 THEN ?6 ELSE unclear END, "
		       "reason = CASE WHEN ?5 = 1 THEN ?7 ELSE reason END WHERE seq = ?1",
		       SQL(SQL_NUMBER(row->seq), SQL_NUMBER(session->now_ms + (int64_t)ending->after_ms),
			   SQL_NUMBER(session->now_ms), SQL_NUMBER(ending->attempts_less),
			   SQL_NUMBER(ending->sets_unclear), SQL_NUMBER(ending->is_unclear), SQL_BYTES(ending->reason)),
		       outcome);
}

static bool row_settle(const struct ending *ending, struct sql_session *session, const struct outbox_row *row,
		       struct outcome *outcome)
{
	bool is_over = ending->state != OUTBOX_REFUSED;

	if (!sql_run(session,
		     "UPDATE outbox_item SET state = ?2, turn = 0, held = 0, unclear = ?7, owner = NULL, changed_ms = "
		     "?3, "
		     "reason = ?4, result = ?5, part_count = CASE WHEN ?6 = 1 THEN 0 ELSE part_count END, "
		     "bytes = CASE WHEN ?6 = 1 THEN 0 ELSE bytes END WHERE seq = ?1",
		     SQL(SQL_NUMBER(row->seq), SQL_NUMBER(ending->state), SQL_NUMBER(session->now_ms),
			 SQL_BYTES(ending->reason), ending->result, SQL_NUMBER(is_over),
			 SQL_NUMBER(ending->is_unclear && !is_over)),
		     outcome))
		return false;
	return is_over || outbox_chain_renew(session, &row->line, row->seq, outcome);
}

static bool end_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct ending *ending = context;
	struct outbox_row row;
	bool found;

	ending->done = OUTBOX_STALE;
	if (!outbox_row_lock(ending->outbox, session, str_from_c(ending->claim->item.id), &row, &found, outcome))
		return false;
	if (!found || row.fence != ending->claim->fence)
		return true;
	/* Done already: by this very call, when the store's answer to it was lost. */
	if (row.state == ending->state)
		ending->done = OUTBOX_DONE;
	if (row.state != OUTBOX_SENDING)
		return true;
	ending->done = OUTBOX_DONE;
	if (ending->state == OUTBOX_WAITING)
		return row_put_back(ending, session, &row, outcome) && outbox_line_renew(session, &row.line, outcome);
	return row_settle(ending, session, &row, outcome) && outbox_line_renew(session, &row.line, outcome) &&
	       (ending->state == OUTBOX_REFUSED || outbox_row_empty(ending->outbox, session, &row, outcome));
}

static enum outbox_done end(struct ending *ending, struct outcome *outcome)
{
	if (ending->reason.size > OUTBOX_REASON_MAX)
		ending->reason.size = OUTBOX_REASON_MAX;
	if (!sql_write(&ending->outbox->shared->store, end_work, ending, outcome))
		return OUTBOX_DONE_FAILED;
	if (ending->done == OUTBOX_DONE)
		outbox_wake(ending->outbox);
	return ending->done;
}

enum outbox_done outbox_settle(struct outbox *outbox, const struct outbox_claim *claim, enum outbox_state state,
			       bool unclear, struct str reason, struct str result, struct outcome *outcome)
{
	struct ending ending = {
		.outbox = outbox,
		.claim = claim,
		.state = state,
		.is_unclear = unclear,
		.reason = reason,
	};
	unsigned char *sealed;

	if (!outbox_result_seal(outbox, str_from_c(claim->item.id), result, &sealed, &ending.result, outcome))
		return OUTBOX_DONE_FAILED;
	enum outbox_done done = end(&ending, outcome);

	free(sealed);
	return done;
}

enum outbox_done outbox_put_off(struct outbox *outbox, const struct outbox_claim *claim, uint64_t after_ms,
				struct str reason, bool unclear, bool counts, struct outcome *outcome)
{
	struct ending ending = {
		.outbox = outbox,
		.claim = claim,
		.state = OUTBOX_WAITING,
		.after_ms = after_ms < OUTBOX_DELAY_MAX_MS ? after_ms : OUTBOX_DELAY_MAX_MS,
		.attempts_less = counts ? 0 : 1,
		.sets_unclear = true,
		.is_unclear = unclear,
		.reason = reason,
	};

	return end(&ending, outcome);
}

enum outbox_done outbox_give_back(struct outbox *outbox, const struct outbox_claim *claim, struct outcome *outcome)
{
	struct ending ending = {
		.outbox = outbox, .claim = claim, .state = OUTBOX_WAITING, .attempts_less = 1, .reason = STR_NONE
	};

	return end(&ending, outcome);
}

struct disowning {
	struct outbox *outbox;
	const struct outbox_claim *claim;
	const struct str *names;
	size_t count;
};

static bool disown_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	const struct disowning *disowning = context;
	const struct outbox_item *item = &disowning->claim->item;
	struct outbox_row row;
	bool found;
	bool ok = outbox_row_lock(disowning->outbox, session, str_from_c(item->id), &row, &found, outcome);

	if (!ok || !found || row.fence != disowning->claim->fence || row.state != OUTBOX_SENDING)
		return ok;
	for (size_t i = 0; ok && i < disowning->count; i++) {
		struct outbox_hashes hashes;

		ok = outbox_hash_name(disowning->outbox, item->target, disowning->names[i], &hashes, outcome);
		for (size_t k = 0; ok && k < hashes.count; k++)
			ok = sql_run(session, "DELETE FROM outbox_name WHERE item = ?1 AND role = 0 AND hash = ?2",
				     SQL(SQL_NUMBER(row.seq), outbox_hash_value(&hashes, k)), outcome);
	}
	return ok;
}

bool outbox_disown(struct outbox *outbox, const struct outbox_claim *claim, const struct str *names, size_t count,
		   struct outcome *outcome)
{
	struct disowning disowning = { .outbox = outbox, .claim = claim, .names = names, .count = count };

	return sql_write(&outbox->shared->store, disown_work, &disowning, outcome);
}
