/* Taking an item in: one transaction, in which the line is locked only when the bytes are there already. */
#include <stdio.h>

#include "gateway/run/random.h"
#include "gateway/state/outbox_lease.h"
#include "gateway/state/outbox_line.h"
#include "gateway/state/outbox_names.h"
#include "gateway/state/outbox_usage.h"

#define ROW_TRIES 8

struct putting {
	struct outbox *outbox;
	const struct outbox_new *new;
	struct str id;
	struct outbox_hashes patient;
	struct outbox_slots slots;
};

static bool is_word(struct str word)
{
	if (word.size == 0 || word.size > OUTBOX_WORD_MAX || !str_is_utf8(word))
		return false;
	for (size_t i = 0; i < word.size; i++) {
		if ((unsigned char)word.data[i] < ' ')
			return false;
	}
	return true;
}

static bool is_uuid(struct str id)
{
	for (size_t i = 0; i < id.size; i++) {
		char c = id.data[i];
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return id.size == OUTBOX_ID_SIZE - 1;
}

static bool check(const struct outbox_new *new, struct outcome *outcome)
{
	if (is_word(new->kind) && is_word(new->target) && new->patient.size &&
	    (new->id.size == 0 || is_uuid(new->id)) && new->make_count <= OUTBOX_NAMES_MAX &&
	    (new->make_count > 0 || new->makes_max == 0) && new->need_count <= OUTBOX_NAMES_MAX &&new->part_count > 0 &&
	    new->part_count <= OUTBOX_PARTS_MAX)
		return true;
	return outcome_add(outcome, ERR_INTERNAL, "", "Report this: an item for the outbox is not as it should be.");
}

/* Random, version 4 (RFC 9562 5.4). */
static void id_make(char id[OUTBOX_ID_SIZE])
{
	uint8_t b[16];

	random_bytes(b, sizeof b);
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(id, OUTBOX_ID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static bool row_insert(const struct putting *putting, struct sql_session *session, bool *is_new, int64_t *seq,
		       struct outcome *outcome)
{
	const struct outbox_new *new = putting->new;

	return sql_number_of(session,
			     "INSERT INTO outbox_item(tenant, id, kind, target, patient, state, held, turn, unclear, "
			     "attempts, fence, "
			     "accepted_ms, due_ms, lease_ms, changed_ms, revision, part_count, bytes) VALUES(?1, ?2, "
			     "?3, ?4, ?5, ?9, 0, "
			     "0, ?8, 0, 0, ?6, ?6, 0, ?6, 0, ?7, 0) ON CONFLICT(tenant, id) DO NOTHING RETURNING seq",
			     SQL(SQL_TEXT(putting->outbox->tenant), SQL_TEXT(putting->id), SQL_TEXT(new->kind),
				 SQL_TEXT(new->target), outbox_hash_value(&putting->patient, 0),
				 SQL_NUMBER(session->now_ms), SQL_NUMBER(new->part_count), SQL_NUMBER(new->is_unclear),
				 SQL_NUMBER(new->is_announced ? OUTBOX_ANNOUNCED : OUTBOX_WAITING)),
			     is_new, seq, outcome);
}

/* Both in one order, whichever key writes here. */
static bool patient_lock(const struct outbox_hashes *hashes, struct sql_session *session, struct outcome *outcome)
{
	size_t first = hashes->count > 1 && memcmp(hashes->hashes[0], hashes->hashes[1], sizeof(int64_t)) > 0 ? 1 : 0;

	return outbox_line_lock(session, hashes->hashes[first], outcome) &&
	       (hashes->count < 2 || outbox_line_lock(session, hashes->hashes[1 - first], outcome));
}

/* The one by which the patient has a line already. Each half has the words of its index. */
static bool patient_pick(const struct outbox_hashes *hashes, const struct outbox_line *line,
			 struct sql_session *session, struct sql_value *picked, struct outcome *outcome)
{
	struct sql_value values[] = { SQL_TEXT(line->tenant), outbox_hash_value(hashes, 0), SQL_TEXT(line->target) };

	return outbox_hash_pick(
		session,
		"SELECT seq FROM outbox_item WHERE tenant = ?1 AND patient = ?2 AND state IN (0, 1, 3) AND "
		"part_count > 0 AND bytes > 0 UNION ALL SELECT seq FROM outbox_item WHERE tenant = ?1 AND "
		"patient = ?2 AND target = ?3 AND state = 5 AND bytes > 0 LIMIT 1",
		values, COUNT_OF(values), hashes, picked, outcome);
}

bool outbox_line_enter(struct sql_session *session, const struct outbox_hashes *patient, int64_t seq,
		       struct outbox_line *line, struct outcome *outcome)
{
	struct sql_value picked;

	if (!patient_lock(patient, session, outcome) || !patient_pick(patient, line, session, &picked, outcome))
		return false;
	memcpy(line->patient, picked.bytes.data, VAULT_NAME_BYTES);
	return sql_run(session, "UPDATE outbox_item SET patient = ?2 WHERE seq = ?1", SQL(SQL_NUMBER(seq), picked),
		       outcome);
}

/* Counted while the line is locked, so that of many that come at once no more get in. seq: of its own row, which is there
 * already, with its names when it takes the place of another item. */
static bool makes_check(const struct putting *putting, struct sql_session *session, int64_t seq,
			struct outcome *outcome)
{
	const struct outbox_new *new = putting->new;
	struct outbox_hashes name;
	int64_t count = 0;
	bool found;

	if (new->makes_max == 0)
		return true;
	if (!outbox_hash_name(putting->outbox, new->target, new->makes[0], &name, outcome) ||
	    !sql_number_of(session,
			   "SELECT COUNT(*) FROM (SELECT seq FROM (SELECT item FROM outbox_name WHERE tenant = ?1 AND "
			   "hash IN (?2, ?3) AND role = 0) made CROSS JOIN outbox_item WHERE seq = made.item AND kind "
			   "= ?4 AND state IN (0, 1) AND held = 0 AND seq <> ?5 LIMIT ?6) made",
			   SQL(SQL_TEXT(putting->outbox->tenant), outbox_hash_value(&name, 0),
			       outbox_hash_value(&name, 1), SQL_TEXT(new->kind), SQL_NUMBER(seq),
			       SQL_NUMBER(new->makes_max)),
			   &found, &count, outcome))
		return false;
	return (size_t)count < new->makes_max || outcome_add(outcome, ERR_BUSY, "", "%s", new->makes_full);
}

static bool line_join(const struct putting *putting, struct sql_session *session, int64_t seq, int64_t slot,
		      uint64_t bytes, struct outcome *outcome)
{
	const struct outbox_new *new = putting->new;
	struct outbox_line line = { .tenant = putting->outbox->tenant, .target = new->target };

	return outbox_line_enter(session, &putting->patient, seq, &line, outcome) &&
	       makes_check(putting, session, seq, outcome) &&
	       sql_run(session, "UPDATE outbox_item SET bytes = ?2, slot = ?3 WHERE seq = ?1",
		       SQL(SQL_NUMBER(seq), SQL_NUMBER(bytes), SQL_NUMBER(slot)), outcome) &&
	       outbox_names_write(putting->outbox, session, &line, seq, new, outcome);
}

/* True: the item has its row, which is empty yet when it is new. One that is there already is the item; unless it was only
 * announced, and is forgotten while we wait for its line. */
static bool row_take(const struct putting *putting, struct sql_session *session, bool *is_new, int64_t *seq,
		     struct outcome *outcome)
{
	for (unsigned i = 0; i < ROW_TRIES; i++) {
		bool found = true;

		if (!row_insert(putting, session, is_new, seq, outcome))
			return false;
		if (!*is_new && !putting->new->is_announced &&
		    !outbox_row_release(putting->outbox, session, putting->id, &found, outcome))
			return false;
		if (*is_new || found)
			return true;
	}
	return outcome_add(outcome, ERR_BUSY, "", "Retry later: the same publication comes and goes.");
}

static bool put_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	const struct putting *putting = context;
	const struct outbox_new *new = putting->new;
	struct outbox_place place = { .outbox = putting->outbox,
				      .id = putting->id,
				      .kind = new->kind,
				      .target = new->target,
				      .part_count = new->part_count };
	const struct outbox_wanted wanted = {
		.parts = new->parts, .part_count = new->part_count, .slots = putting->slots, .bound = new->bound
	};
	bool is_new = false;
	int64_t seq = 0;
	int64_t slot;
	uint64_t bytes = 0;

	if (!row_take(putting, session, &is_new, &seq, outcome))
		return false;
	if (!is_new)
		return true;
	slot = outbox_slot(&putting->slots, seq);
	return outbox_room_check(putting->outbox, session, &wanted, outcome) &&
	       outbox_parts_write(session, seq, place, new->parts, &bytes, outcome) &&
	       line_join(putting, session, seq, slot, bytes + OUTBOX_ROW_BYTES, outcome) &&
	       outbox_usage_add(putting->outbox, session, slot, (int64_t)(bytes + OUTBOX_ROW_BYTES), outcome);
}

static bool door_enter(struct outbox *outbox)
{
	bool is_open;

	pthread_mutex_lock(&outbox->door_lock);
	is_open = !outbox->is_shut;
	outbox->coming_in += is_open;
	pthread_mutex_unlock(&outbox->door_lock);
	return is_open;
}

static void door_leave(struct outbox *outbox)
{
	pthread_mutex_lock(&outbox->door_lock);
	if (--outbox->coming_in == 0)
		pthread_cond_broadcast(&outbox->door_passed);
	pthread_mutex_unlock(&outbox->door_lock);
}

void outbox_admit(struct outbox *outbox, bool admits)
{
	pthread_mutex_lock(&outbox->door_lock);
	outbox->is_shut = !admits;
	while (outbox->is_shut && outbox->coming_in > 0)
		pthread_cond_wait(&outbox->door_passed, &outbox->door_lock);
	pthread_mutex_unlock(&outbox->door_lock);
}

bool outbox_put(struct outbox *outbox, const struct outbox_new *item, char id[OUTBOX_ID_SIZE], struct outcome *outcome)
{
	struct putting putting = { .outbox = outbox, .new = item };
	bool ok;

	if (!check(item, outcome) || !outbox_hash_patient(outbox, item->patient, &putting.patient, outcome) ||
	    !outbox_slots_of(outbox, item->caller, &putting.slots, outcome))
		return false;
	if (item->id.size)
		snprintf(id, OUTBOX_ID_SIZE, "%.*s", STR_ARG(item->id));
	else
		id_make(id);
	putting.id = str_from_c(id);
	if (!door_enter(outbox))
		return outcome_add(outcome, ERR_BUSY, "", "Retry later: nothing more is accepted here now.");
	ok = sql_write(&outbox->shared->store, put_work, &putting, outcome);
	door_leave(outbox);
	if (ok)
		outbox_wake(outbox);
	return ok;
}

struct reworking {
	struct putting putting;
	const struct outbox_claim *claim;
	enum outbox_done done;
};

static bool parts_replace(const struct reworking *reworking, struct sql_session *session, const struct outbox_row *row,
			  uint64_t *bytes, struct outcome *outcome)
{
	const struct outbox_new *new = reworking->putting.new;
	struct outbox_place place = { .outbox = reworking->putting.outbox,
				      .id = reworking->putting.id,
				      .kind = new->kind,
				      .target = new->target,
				      .revision = row->revision + 1,
				      .part_count = new->part_count };

	return sql_run(session, "DELETE FROM outbox_chunk WHERE item = ?1", SQL(SQL_NUMBER(row->seq)), outcome) &&
	       outbox_parts_write(session, row->seq, place, new->parts, bytes, outcome) &&
	       sql_run(session,
		       "UPDATE outbox_item SET kind = ?2, revision = ?3, part_count = ?4, state = 0, turn = 0, "
		       "held = 0, unclear = ?6, attempts = 0, owner = NULL, due_ms = ?5, changed_ms = ?5, "
		       "reason = NULL WHERE seq = ?1",
		       SQL(SQL_NUMBER(row->seq), SQL_TEXT(new->kind), SQL_NUMBER(place.revision),
			   SQL_NUMBER(new->part_count), SQL_NUMBER(session->now_ms), SQL_NUMBER(new->is_unclear)),
		       outcome);
}

static bool rework_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct reworking *reworking = context;
	const struct putting *putting = &reworking->putting;
	struct outbox_row row;
	uint64_t bytes = 0;
	bool found;

	reworking->done = OUTBOX_STALE;
	if (!outbox_row_lock(putting->outbox, session, putting->id, &row, &found, outcome))
		return false;
	if (!found || row.fence != reworking->claim->fence || !str_equal(row.line.target, putting->new->target))
		return true;
	/* Done already: by this very call, when the store's answer to it was lost. */
	if (row.state == OUTBOX_WAITING && str_equal(str_from_c(row.kind), putting->new->kind))
		reworking->done = OUTBOX_DONE;
	if (row.state != OUTBOX_SENDING)
		return true;
	reworking->done = OUTBOX_DONE;
	/* The line that it leaves goes on too. */
	return parts_replace(reworking, session, &row, &bytes, outcome) &&
	       line_join(putting, session, row.seq, row.slot, bytes + OUTBOX_ROW_BYTES, outcome) &&
	       outbox_line_renew(session, &row.line, outcome) &&
	       outbox_usage_add(putting->outbox, session, row.slot,
				(int64_t)(bytes + OUTBOX_ROW_BYTES) - (int64_t)row.bytes, outcome);
}

enum outbox_done outbox_rework(struct outbox *outbox, const struct outbox_claim *claim, const struct outbox_new *item,
			       struct outcome *outcome)
{
	struct outbox_new new = *item;
	struct reworking reworking = {
		.putting = { .outbox = outbox, .new = &new, .id = str_from_c(claim->item.id) },
		.claim = claim,
	};

	new.id = reworking.putting.id;
	if (!check(&new, outcome) || !outbox_hash_patient(outbox, new.patient, &reworking.putting.patient, outcome) ||
	    !sql_write(&outbox->shared->store, rework_work, &reworking, outcome))
		return OUTBOX_DONE_FAILED;
	if (reworking.done == OUTBOX_DONE)
		outbox_wake(outbox);
	return reworking.done;
}

struct waiting {
	struct outbox *outbox;
	struct outbox_hashes patient;
	struct str target;
	const struct str *needs;
	size_t need_count;
	bool must_wait;
};

static bool wait_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct waiting *waiting = context;
	struct sql_value tenant = SQL_TEXT(waiting->outbox->tenant);
	struct sql_value target = SQL_TEXT(waiting->target);
	struct sql_value one = outbox_hash_value(&waiting->patient, 0);
	struct sql_value other = outbox_hash_value(&waiting->patient, 1);
	int64_t number;

	/* Whatever waits and is not held, or is being sent, leaves its line with an item that has the turn; but behind
	 * one that is announced, where what waits has none. Each half has the words of its index. */
	if (!sql_number_of(session,
			   "SELECT seq FROM outbox_item WHERE tenant = ?1 AND target = ?2 AND patient IN (?3, ?4) AND "
			   "turn = 1 UNION ALL SELECT seq FROM outbox_item WHERE tenant = ?1 AND target = ?2 AND "
			   "patient IN (?3, ?4) AND state IN (0, 1, 3) AND state = 0 AND held = 0 LIMIT 1",
			   SQL(tenant, target, one, other), &waiting->must_wait, &number, outcome))
		return false;
	for (size_t i = 0; i < waiting->need_count && !waiting->must_wait; i++) {
		struct outbox_hashes need;

		if (!outbox_hash_name(waiting->outbox, waiting->target, waiting->needs[i], &need, outcome) ||
		    !sql_number_of(session,
				   "SELECT j.seq FROM outbox_name m JOIN outbox_item j ON j.seq = m.item WHERE "
				   "m.tenant = ?1 AND m.hash IN (?2, ?3) AND m.role = 0 AND j.patient IN (?4, ?5) AND "
				   "j.target = ?6 AND j.state IN (0, 1, 3) LIMIT 1",
				   SQL(tenant, outbox_hash_value(&need, 0), outbox_hash_value(&need, 1), one, other,
				       target),
				   &waiting->must_wait, &number, outcome))
			return false;
	}
	return true;
}

bool outbox_must_wait(struct outbox *outbox, struct str patient, struct str target, const struct str *needs,
		      size_t need_count, bool *must_wait, struct outcome *outcome)
{
	struct waiting waiting = { .outbox = outbox, .target = target, .needs = needs, .need_count = need_count };

	if (!outbox_hash_patient(outbox, patient, &waiting.patient, outcome) ||
	    !sql_read(&outbox->shared->store, wait_work, &waiting, outcome))
		return false;
	*must_wait = waiting.must_wait;
	return true;
}
