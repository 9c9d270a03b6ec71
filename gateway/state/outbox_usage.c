#include "gateway/state/outbox_usage.h"

#include <sys/statvfs.h>

#define RESERVE_BYTES (16u << 20)
#define LOG_PART      4  /* of the reserve is for the log */
#define SLOTS         16 /* of one caller; a power of two */

bool outbox_slots_of(const struct outbox *outbox, struct str caller, struct outbox_slots *slots,
		     struct outcome *outcome)
{
	struct outbox_hashes hashes;

	*slots = (struct outbox_slots) { 0 };
	if (str_is_empty(caller))
		return true;
	if (!outbox_hash_caller(outbox, caller, &hashes, outcome))
		return false;
	for (size_t i = 0; i < VAULT_KEYS_MAX; i++) {
		int64_t *first = &slots->first[i];

		memcpy(first, outbox_hash_value(&hashes, i).bytes.data, sizeof(*first));
		*first = *first & INT64_MAX & ~(int64_t)(SLOTS - 1);
		if (*first == 0)
			*first = SLOTS;
	}
	return true;
}

struct outbox_slots outbox_slots_around(int64_t slot)
{
	int64_t first = slot & ~(int64_t)(SLOTS - 1);

	return (struct outbox_slots) { { first, first } };
}

int64_t outbox_slot(const struct outbox_slots *slots, int64_t seq)
{
	return slots->first[0] | (seq & (SLOTS - 1));
}

bool outbox_usage_add(struct outbox *outbox, struct sql_session *session, int64_t slot, int64_t bytes,
		      struct outcome *outcome)
{
	return sql_run(session,
		       "INSERT INTO outbox_usage(tenant, slot, bytes) VALUES(?1, ?2, ?3) ON CONFLICT(tenant, slot) "
		       "DO UPDATE SET bytes = outbox_usage.bytes + ?3",
		       SQL(SQL_TEXT(outbox->tenant), SQL_NUMBER(slot), SQL_NUMBER(bytes)), outcome);
}

bool outbox_usage(struct outbox *outbox, struct sql_session *session, const struct outbox_slots *slots,
		  struct outbox_used *used, struct outcome *outcome)
{
	struct sql_rows rows;
	enum step step = sql_first(session,
				   "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT), CAST(COALESCE(SUM(CASE WHEN slot "
				   "BETWEEN ?2 AND ?3 OR slot BETWEEN ?4 AND ?5 THEN bytes ELSE 0 END), 0) AS BIGINT) "
				   "FROM outbox_usage WHERE tenant = ?1",
				   SQL(SQL_TEXT(outbox->tenant), SQL_NUMBER(slots->first[0]),
				       SQL_NUMBER(slots->first[0] + SLOTS - 1), SQL_NUMBER(slots->first[1]),
				       SQL_NUMBER(slots->first[1] + SLOTS - 1)),
				   &rows, outcome);

	*used = (struct outbox_used) { 0 };
	if (step == STEP_ROW) {
		int64_t all = sql_number(&rows, 0);
		int64_t callers = sql_number(&rows, 1);

		used->all = all > 0 ? (uint64_t)all : 0;
		used->callers = callers > 0 && slots->first[0] ? (uint64_t)callers : 0;
	}
	sql_close(&rows);
	return step == STEP_ROW;
}

/* What is free in SQLite's file, which does not shrink. */
static uint64_t free_bytes(struct sql_session *session)
{
	struct outcome ignored;
	int64_t bytes = 0;
	bool found;

	outcome_init(&ignored);
	(void)!sql_number_of(session,
			     "SELECT f.freelist_count * s.page_size FROM pragma_freelist_count f, pragma_page_size s",
			     NULL, 0, &found, &bytes, &ignored);
	return bytes > 0 ? (uint64_t)bytes : 0;
}

/* What waits must not take the room that its delivery needs (reserve), or a disk that it filled would never be free
 * again. While it is written it is there twice: in the file, and in the log, for which nothing of the file can be used. */
static bool disk_has_room(const struct outbox *outbox, struct sql_session *session, uint64_t bytes, uint64_t reserve)
{
	struct statvfs disk;
	uint64_t left;

	if (!outbox->shared->directory || statvfs(outbox->shared->directory, &disk) != 0)
		return true;
	left = (uint64_t)disk.f_bavail * disk.f_frsize;
	if (left >= reserve + 2 * bytes)
		return true;
	return left >= reserve / LOG_PART + bytes && left + free_bytes(session) >= reserve + 2 * bytes;
}

bool outbox_disk_has_room(const struct outbox *outbox, struct sql_session *session)
{
	return disk_has_room(outbox, session, 0, RESERVE_BYTES);
}

static bool fits(uint64_t used, uint64_t more, uint64_t most)
{
	return more == 0 || (used <= most && more <= most - used);
}

bool outbox_room_check(struct outbox *outbox, struct sql_session *session, const struct outbox_wanted *wanted,
		       struct outcome *outcome)
{
	uint64_t most = outbox->config->outbox_bytes_max;
	struct outbox_used used;
	uint64_t bytes = OUTBOX_ROW_BYTES;

	for (size_t i = 0; i < wanted->part_count; i++)
		bytes += wanted->parts[i].size + VAULT_OVERHEAD;
	if (!outbox_usage(outbox, session, &wanted->slots, &used, outcome))
		return false;
	if (!disk_has_room(outbox, session, bytes, wanted->bound == OUTBOX_BOUND_NONE ? 0 : RESERVE_BYTES))
		return outcome_add(outcome, ERR_STORAGE, "", "Free disk space under state_directory, then retry.");
	if (wanted->bound == OUTBOX_BOUND_NONE)
		return true;
	bytes = bytes > wanted->instead ? bytes - wanted->instead : 0;
	if (!fits(used.all, bytes, most))
		return outcome_add(outcome, ERR_STORAGE, "",
				   "Retry later: the outbox has no room for this (see outbox.bytes_max) until its "
				   "back-ends answer again.");
	if (wanted->slots.first[0] && wanted->bound == OUTBOX_BOUND_HALF && !fits(used.callers, bytes, most / 2))
		return outcome_add(outcome, ERR_STORAGE, "",
				   "Retry when some of what this client has waiting is delivered, or withdraw some of "
				   "it: one "
				   "client may fill half of the outbox (see outbox.bytes_max), and this one has.");
	return true;
}

bool outbox_usage_purge(struct outbox *outbox, struct sql_session *session, struct outcome *outcome)
{
	return sql_run(session, "DELETE FROM outbox_usage WHERE tenant = ?1 AND bytes = 0",
		       SQL(SQL_TEXT(outbox->tenant)), outcome);
}
