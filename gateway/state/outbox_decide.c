/* What a person decides about an item, and the broom. */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/run/random.h"
#include "gateway/state/outbox_manage.h"
#include "gateway/state/outbox_lease.h"
#include "gateway/state/outbox_names.h"
#include "gateway/state/outbox_usage.h"

#define PURGED_MAX  500
#define TOKEN_SHIFT 32
#define HOUR_MS     INT64_C(3600000)

struct deciding {
	struct outbox *outbox;
	struct str id;
	struct str reason;
	bool *unclear;
	struct sql_value result;             /* of outbox_drop */
	const struct outbox_new *new;        /* of outbox_correct */
	const struct outbox_hashes *patient; /* of outbox_correct: the right one's; NULL: it stays */
	int64_t token;                       /* of outbox_correct: see revision_next */
};

static bool state_allows(const struct outbox_row *row, unsigned states, struct outcome *outcome)
{
	return (states & OUTBOX_STATE_BIT(row->state)) ||
	       outcome_add(outcome, ERR_CONFLICT, "", "This cannot be done to a publication in the state %s.",
			   outbox_state_word(row->state));
}

/* True with row when the item is there and in one of these states. */
static bool row_find(const struct deciding *deciding, struct sql_session *session, unsigned states,
		     struct outbox_row *row, struct outcome *outcome)
{
	bool found;

	if (!outbox_row_lock(deciding->outbox, session, deciding->id, row, &found, outcome))
		return false;
	if (!found || (unsigned)row->state >= OUTBOX_STATES)
		return outcome_add(outcome, ERR_NOT_FOUND, "", "There is no such publication in the outbox.");
	return state_allows(row, states, outcome);
}

static bool retry_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct outbox_row row;

	return row_find(context, session, OUTBOX_STATE_BIT(OUTBOX_WAITING) | OUTBOX_STATE_BIT(OUTBOX_REFUSED), &row,
			outcome) &&
	       outbox_row_revive(session, &row, outcome);
}

static bool decide(struct deciding *deciding, sql_work work, struct outcome *outcome)
{
	if (!sql_write(&deciding->outbox->shared->store, work, deciding, outcome))
		return false;
	outbox_wake(deciding->outbox);
	return true;
}

bool outbox_retry(struct outbox *outbox, struct str id, struct outcome *outcome)
{
	struct deciding deciding = { .outbox = outbox, .id = id };

	return decide(&deciding, retry_work, outcome);
}

static bool drop_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	const struct deciding *deciding = context;
	struct outbox_row row;

	/* Withdrawn is what it shall be; it may be so by this very call, when the store's answer was lost. */
	if (!row_find(deciding, session,
		      OUTBOX_STATE_BIT(OUTBOX_WAITING) | OUTBOX_STATE_BIT(OUTBOX_REFUSED) |
			      OUTBOX_STATE_BIT(OUTBOX_ANNOUNCED) | OUTBOX_STATE_BIT(OUTBOX_WITHDRAWN),
		      &row, outcome))
		return false;
	if (deciding->unclear)
		*deciding->unclear = row.is_unclear;
	if (row.state == OUTBOX_WITHDRAWN)
		return true;
	if (row.is_unclear && !deciding->unclear)
		return outcome_add(outcome, ERR_CONFLICT, "", "This publication may have been delivered already.");
	return sql_run(session,
		       "UPDATE outbox_item SET state = 4, turn = 0, held = 0, changed_ms = ?2, "
		       "reason = ?3, result = coalesce(?4, result), part_count = 0, bytes = 0 WHERE seq = ?1",
		       SQL(SQL_NUMBER(row.seq), SQL_NUMBER(session->now_ms), SQL_BYTES(deciding->reason),
			   deciding->result),
		       outcome) &&
	       outbox_chain_renew(session, &row.line, row.seq, outcome) &&
	       outbox_line_renew(session, &row.line, outcome) &&
	       outbox_row_empty(deciding->outbox, session, &row, outcome);
}

bool outbox_drop(struct outbox *outbox, struct str id, struct str reason, struct str result, bool *unclear,
		 struct outcome *outcome)
{
	struct deciding deciding = { .outbox = outbox, .id = id, .reason = reason, .unclear = unclear };
	unsigned char *sealed;
	bool ok;

	if (deciding.reason.size > OUTBOX_REASON_MAX)
		deciding.reason.size = OUTBOX_REASON_MAX;
	if (!outbox_result_seal(outbox, id, result, &sealed, &deciding.result, outcome))
		return false;
	ok = decide(&deciding, drop_work, outcome);
	free(sealed);
	return ok;
}

/* Never one that the item had; in front, by whom it was corrected last, whatever else has changed it since. */
static int64_t revision_next(const struct deciding *deciding, int64_t present)
{
	return deciding->token << TOKEN_SHIFT | ((present + 1) & ((INT64_C(1) << TOKEN_SHIFT) - 1));
}

static bool is_line_of(const struct outbox_line *line, const struct outbox_hashes *patient)
{
	for (size_t i = 0; i < patient->count; i++) {
		if (memcmp(line->patient, patient->hashes[i], VAULT_NAME_BYTES) == 0)
			return true;
	}
	return false;
}

/* Into the line of its right patient. A dead letter stands in nobody's way in the one that it leaves. */
static bool line_change(const struct deciding *deciding, struct sql_session *session, struct outbox_row *row,
			struct outcome *outcome)
{
	bool found;
	int64_t one;

	if (!deciding->patient || is_line_of(&row->line, deciding->patient))
		return true;
	if (!sql_number_of(session,
			   "SELECT d.seq FROM outbox_name m JOIN outbox_name n ON n.tenant = m.tenant AND n.hash = "
			   "m.hash AND n.role = 1 JOIN outbox_item d ON d.seq = n.item WHERE m.item = ?1 AND m.role = "
			   "0 AND d.seq <> ?1 AND d.patient = ?2 AND d.target = ?3 AND d.state NOT IN (2, 4) LIMIT 1",
			   SQL(SQL_NUMBER(row->seq), SQL_BLOB(row->line.patient, VAULT_NAME_BYTES),
			       SQL_TEXT(row->line.target)),
			   &found, &one, outcome))
		return false;
	if (found)
		return outcome_add(outcome, ERR_CONFLICT, "",
				   "Withdraw first what waits and builds upon it: that is about the patient whom this "
				   "was about.");
	return outbox_line_enter(session, deciding->patient, row->seq, &row->line, outcome);
}

static bool correct_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct deciding *deciding = context;
	struct outbox_row row;
	uint64_t bytes = 0;

	if (!row_find(deciding, session, ~0u, &row, outcome))
		return false;
	/* Corrected is what it shall be; by this very call, when the store's answer was lost. */
	if (row.revision >> TOKEN_SHIFT == deciding->token)
		return true;
	if (!state_allows(&row, OUTBOX_STATE_BIT(OUTBOX_REFUSED), outcome))
		return false;
	int64_t revision = revision_next(deciding, row.revision);
	struct outbox_place place = { .outbox = deciding->outbox,
				      .id = deciding->id,
				      .kind = str_from_c(row.kind),
				      .target = row.line.target,
				      .revision = revision,
				      .part_count = deciding->new->part_count };

	const struct outbox_wanted wanted = { .parts = deciding->new->parts,
					      .part_count = deciding->new->part_count,
					      .instead = row.bytes,
					      .slots = outbox_slots_around(row.slot) };

	if (!line_change(deciding, session, &row, outcome) ||
	    !outbox_room_check(deciding->outbox, session, &wanted, outcome) ||
	    !sql_run(session, "DELETE FROM outbox_chunk WHERE item = ?1", SQL(SQL_NUMBER(row.seq)), outcome) ||
	    !outbox_parts_write(session, row.seq, place, deciding->new->parts, &bytes, outcome))
		return false;
	bytes += OUTBOX_ROW_BYTES;
	return sql_run(session,
		       "UPDATE outbox_item SET revision = ?2, part_count = ?3, bytes = ?4, unclear = 0 WHERE seq = ?1",
		       SQL(SQL_NUMBER(row.seq), SQL_NUMBER(revision), SQL_NUMBER(deciding->new->part_count),
			   SQL_NUMBER(bytes)),
		       outcome) &&
	       outbox_row_revive(session, &row, outcome) &&
	       outbox_names_write(deciding->outbox, session, &row.line, row.seq, deciding->new, outcome) &&
	       outbox_usage_add(deciding->outbox, session, row.slot, (int64_t)bytes - (int64_t)row.bytes, outcome);
}

bool outbox_correct(struct outbox *outbox, struct str id, const struct outbox_new *item, struct outcome *outcome)
{
	struct deciding deciding = { .outbox = outbox, .id = id, .new = item };
	struct outbox_hashes hashes;

	if (item->patient.size) {
		if (!outbox_hash_patient(outbox, item->patient, &hashes, outcome))
			return false;
		deciding.patient = &hashes;
	}
	if (item->part_count == 0 || item->part_count > OUTBOX_PARTS_MAX || item->make_count > OUTBOX_NAMES_MAX ||
	    item->need_count > OUTBOX_NAMES_MAX)
		return outcome_add(outcome, ERR_INTERNAL, "",
				   "Report this: an item for the outbox is not as it should be.");
	deciding.token = 1 + random_below(INT32_MAX);
	return decide(&deciding, correct_work, outcome);
}

static bool release_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	const struct deciding *deciding = context;
	bool found;

	return outbox_row_release(deciding->outbox, session, deciding->id, &found, outcome);
}

bool outbox_release(struct outbox *outbox, struct str id, struct outcome *outcome)
{
	struct deciding deciding = { .outbox = outbox, .id = id };

	return decide(&deciding, release_work, outcome);
}

static bool forget_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	const struct deciding *deciding = context;
	struct outbox_row row;
	bool found;

	if (!outbox_row_lock(deciding->outbox, session, deciding->id, &row, &found, outcome))
		return false;
	if (!found || row.state != OUTBOX_ANNOUNCED)
		return true;
	return sql_run(session, "DELETE FROM outbox_item WHERE seq = ?1", SQL(SQL_NUMBER(row.seq)), outcome) &&
	       outbox_line_renew(session, &row.line, outcome) &&
	       outbox_row_empty(deciding->outbox, session, &row, outcome);
}

bool outbox_forget(struct outbox *outbox, struct str id, struct outcome *outcome)
{
	struct deciding deciding = { .outbox = outbox, .id = id };

	return decide(&deciding, forget_work, outcome);
}

struct purging {
	struct outbox *outbox;
	bool more;
};

static bool purge_where(struct purging *purging, struct sql_session *session, const char *sql, int64_t limit_ms,
			struct outcome *outcome)
{
	size_t count = 0;
	struct sql_rows rows;
	enum step step = sql_first(session, sql,
				   SQL(SQL_TEXT(purging->outbox->tenant), SQL_NUMBER(limit_ms), SQL_NUMBER(PURGED_MAX)),
				   &rows, outcome);

	for (; step == STEP_ROW; step = sql_next(&rows, outcome))
		count++;
	sql_close(&rows);
	if (count >= PURGED_MAX)
		purging->more = true;
	return step == STEP_DONE;
}

#define PURGE(condition, locking)                                                                                     \
	"DELETE FROM outbox_item WHERE seq IN (SELECT seq FROM outbox_item WHERE tenant = ?1 AND state IN (2, 4) AND" \
	" changed_ms " condition " ?2 ORDER BY changed_ms LIMIT ?3 " locking ") RETURNING seq"
#define SKIPPING "FOR UPDATE SKIP LOCKED"

static bool purge_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct purging *purging = context;
	int64_t keep_ms = (int64_t)purging->outbox->config->outbox_keep_hours * HOUR_MS;

	purging->more = false;
	/* The second: settled when the clock was wrong, and else kept until that time has come. */
	return purge_where(purging, session, sql_words(session, PURGE("<", ""), PURGE("<", SKIPPING)),
			   session->now_ms - keep_ms, outcome) &&
	       purge_where(purging, session, sql_words(session, PURGE(">", ""), PURGE(">", SKIPPING)),
			   session->now_ms + keep_ms, outcome) &&
	       outbox_usage_purge(purging->outbox, session, outcome);
}

bool outbox_purge(struct outbox *outbox, bool *more, struct outcome *outcome)
{
	struct purging purging = { .outbox = outbox };
	bool ok = sql_write(&outbox->shared->store, purge_work, &purging, outcome);

	*more = purging.more;
	return ok;
}
