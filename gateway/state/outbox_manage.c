#include "gateway/state/outbox_manage.h"

#include <stdatomic.h>
#include <stdio.h>

#include "gateway/state/outbox_usage.h"

#define LIST_MAX   1000
#define COUNTS_MAX 4096
#define NO_SLOT    (-1) /* nobody's, of a sum of nothing that is written to see whether it can be */

const char *outbox_state_word(enum outbox_state state)
{
	static const char *const words[OUTBOX_STATES] = { "waiting", "sending",   "delivered",
							  "refused", "withdrawn", "announced" };

	return (unsigned)state < OUTBOX_STATES ? words[state] : "unknown";
}

struct getting {
	struct outbox *outbox;
	struct str id;
	struct arena *arena;
	struct outbox_item *item;
	struct str *result;
};

static bool result_open(const struct getting *getting, struct str sealed, struct outcome *outcome)
{
	unsigned char *plain = arena_alloc(getting->arena, sealed.size + 1);
	char place[OUTBOX_PLACE_SIZE];
	size_t size = 0;

	if (!plain)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	if (!outbox_sealed_open(getting->outbox, outbox_result_place(getting->outbox, getting->id, place), sealed,
				plain, &size, outcome))
		return false;
	*getting->result = (struct str) { (const char *)plain, size };
	return true;
}

static bool get_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	const struct getting *getting = context;
	struct sql_rows rows;
	enum step step =
		sql_first(session, "SELECT " OUTBOX_COLUMNS ", result FROM outbox_item WHERE tenant = ?1 AND id = ?2",
			  SQL(SQL_TEXT(getting->outbox->tenant), SQL_TEXT(getting->id)), &rows, outcome);
	bool ok = step == STEP_ROW && outbox_item_read(&rows, getting->arena, getting->item, outcome);

	if (ok && getting->result) {
		struct str sealed = sql_text(&rows, OUTBOX_COLUMN_FENCE + 1);

		*getting->result = STR_NONE;
		ok = !sealed.data || result_open(getting, sealed, outcome);
	}
	sql_close(&rows);
	if (step == STEP_DONE)
		return outcome_add(outcome, ERR_NOT_FOUND, "", "There is no such publication in the outbox.");
	return ok;
}

bool outbox_get(struct outbox *outbox, struct str id, struct arena *arena, struct outbox_item *item, struct str *result,
		struct outcome *outcome)
{
	struct getting getting = { outbox, id, arena, item, result };

	return sql_read(&outbox->shared->store, get_work, &getting, outcome);
}

#define VALUES_MAX 12

struct listing {
	struct outbox *outbox;
	struct arena *arena;
	struct buf sql;
	struct sql_value values[VALUES_MAX];
	size_t value_count;
	struct outbox_hashes patient;
	struct outbox_hashes name;
	struct outbox_item *items;
	size_t count;
	size_t limit;
	int64_t last;
};

/* Adds a value; its number is how the SQL names it. */
static size_t value_add(struct listing *listing, struct sql_value value)
{
	listing->values[listing->value_count++] = value;
	return listing->value_count;
}

static void states_add(struct listing *listing, unsigned states)
{
	const char *separator = "";

	if (states == 0)
		return;
	/* In the very words of the index, which SQLite compares. */
	if ((states & ~OUTBOX_UNDELIVERED) == 0)
		buf_add(&listing->sql, STR(" AND state IN (0, 1, 3)"));
	buf_add(&listing->sql, STR(" AND state IN ("));
	for (unsigned state = 0; state < OUTBOX_STATES; state++) {
		if (states & OUTBOX_STATE_BIT(state)) {
			buf_printf(&listing->sql, "%s%u", separator, state);
			separator = ", ";
		}
	}
	buf_add(&listing->sql, STR(")"));
}

/* The few items of a name. Told of them as one condition among others, SQLite goes through all that waits for the target;
 * it takes what is joined by CROSS in this order. */
static bool makes_write(struct listing *listing, const struct outbox_filter *filter, struct outcome *outcome)
{
	if (!outbox_hash_name(listing->outbox, filter->target, filter->makes, &listing->name, outcome))
		return false;
	size_t one = value_add(listing, outbox_hash_value(&listing->name, 0));
	size_t other = value_add(listing, outbox_hash_value(&listing->name, 1));

	buf_printf(&listing->sql,
		   "(SELECT item FROM outbox_name WHERE tenant = ?1 AND hash IN (?%zu, ?%zu) AND role = 0) made "
		   "CROSS JOIN ",
		   one, other);
	return true;
}

static bool list_write(struct listing *listing, const struct outbox_filter *filter, struct outcome *outcome)
{
	struct buf *sql = &listing->sql;
	bool is_few =
		filter->patient.size || filter->makes.size || filter->states == OUTBOX_STATE_BIT(OUTBOX_ANNOUNCED);

	value_add(listing, SQL_TEXT(listing->outbox->tenant));
	value_add(listing, SQL_NUMBER(filter->newest && filter->after == 0 ? INT64_MAX : filter->after));
	buf_add(sql, STR("SELECT " OUTBOX_COLUMNS " FROM "));
	if (filter->makes.size && !makes_write(listing, filter, outcome))
		return false;
	buf_printf(sql, "outbox_item WHERE tenant = ?1 AND seq %s ?2", filter->newest ? "<" : ">");
	if (filter->makes.size)
		buf_add(sql, STR(" AND seq = made.item"));
	if (filter->patient.size) {
		if (!outbox_hash_patient(listing->outbox, filter->patient, &listing->patient, outcome))
			return false;
		size_t one = value_add(listing, outbox_hash_value(&listing->patient, 0));
		size_t other = value_add(listing, outbox_hash_value(&listing->patient, 1));

		buf_printf(sql, " AND patient IN (?%zu, ?%zu)", one, other);
	}
	if (filter->target.size)
		buf_printf(sql, " AND target = ?%zu", value_add(listing, SQL_TEXT(filter->target)));
	if (filter->kind.size)
		buf_printf(sql, " AND kind = ?%zu", value_add(listing, SQL_TEXT(filter->kind)));
	states_add(listing, filter->states);
	if (filter->unheld)
		buf_add(sql, STR(" AND held = 0"));
	/* + 0: what is of one patient or name, or announced, is few, and found by its index; not by going through all in
	 * their order. */
	buf_printf(sql, " ORDER BY seq%s%s LIMIT ?%zu", is_few ? " + 0" : "", filter->newest ? " DESC" : "",
		   value_add(listing, SQL_NUMBER(listing->limit + 1)));
	return !sql->failed || outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
}

static bool list_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct listing *listing = context;
	struct sql_rows rows;
	enum step step = sql_first(session, listing->sql.data, listing->values, listing->value_count, &rows, outcome);
	size_t capacity = 0;
	bool ok = true;

	listing->items = NULL;
	listing->count = 0;
	listing->last = 0;
	while (step == STEP_ROW && listing->count < listing->limit && ok) {
		ok = arena_grow(listing->arena, &listing->items, listing->count, &capacity, sizeof *listing->items) ||
		     outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
		ok = ok && outbox_item_read(&rows, listing->arena, &listing->items[listing->count], outcome);
		listing->last = sql_number(&rows, OUTBOX_COLUMN_SEQ);
		listing->count += ok;
		if (ok)
			step = sql_next(&rows, outcome);
	}
	if (step != STEP_ROW)
		listing->last = 0;
	sql_close(&rows);
	return ok && step != STEP_FAILED;
}

bool outbox_list(struct outbox *outbox, const struct outbox_filter *filter, struct arena *arena,
		 struct outbox_item **items, size_t *count, uint64_t *next, struct outcome *outcome)
{
	struct listing listing = {
		.outbox = outbox,
		.arena = arena,
		.limit = filter->limit && filter->limit < LIST_MAX ? filter->limit : LIST_MAX,
	};

	buf_init(&listing.sql, 4096);
	bool ok =
		list_write(&listing, filter, outcome) && sql_read(&outbox->shared->store, list_work, &listing, outcome);

	buf_free(&listing.sql);
	*items = listing.items;
	*count = ok ? listing.count : 0;
	*next = ok ? (uint64_t)listing.last : 0;
	return ok;
}

struct counting {
	struct outbox *outbox;
	bool undelivered;
	struct arena *arena;
	struct outbox_count *counts;
	size_t count;
};

/* A range of the index for each target and state: what is settled costs nothing when it is not asked for. */
#define COUNTS(states)                                                                                                 \
	"WITH RECURSIVE t(target) AS (SELECT MIN(target) FROM outbox_item WHERE tenant = ?1 UNION ALL SELECT (SELECT " \
	"MIN(target) FROM outbox_item WHERE tenant = ?1 AND target > t.target) FROM t WHERE t.target IS NOT NULL), "   \
	"s(state) AS (VALUES " states ") SELECT t.target, s.state, (SELECT COUNT(*) FROM outbox_item WHERE tenant = "  \
	"?1 AND target = t.target AND state = s.state), (SELECT MIN(accepted_ms) FROM outbox_item WHERE tenant = ?1 "  \
	"AND target = t.target AND state = s.state) FROM t CROSS JOIN s WHERE t.target IS NOT NULL ORDER BY 1, 2"

static bool count_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct counting *counting = context;
	struct sql_rows rows;
	enum step step =
		sql_first(session,
			  counting->undelivered ? COUNTS("(0), (1), (3), (5)") : COUNTS("(0), (1), (2), (3), (4), (5)"),
			  SQL(SQL_TEXT(counting->outbox->tenant)), &rows, outcome);
	size_t capacity = 0;
	bool ok = true;

	counting->counts = NULL;
	counting->count = 0;
	while (step == STEP_ROW && counting->count < COUNTS_MAX && ok) {
		ok = arena_grow(counting->arena, &counting->counts, counting->count, &capacity,
				sizeof *counting->counts) ||
		     outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
		if (!ok)
			break;
		if (sql_number(&rows, 2) > 0)
			counting->counts[counting->count++] = (struct outbox_count) {
				.target = arena_copy(counting->arena, sql_text(&rows, 0)),
				.state = (enum outbox_state)sql_number(&rows, 1),
				.count = (uint64_t)sql_number(&rows, 2),
				.oldest_ms = sql_number(&rows, 3),
			};
		step = sql_next(&rows, outcome);
	}
	sql_close(&rows);
	return ok && step != STEP_FAILED;
}

bool outbox_counts(struct outbox *outbox, bool undelivered, struct arena *arena, struct outbox_count **counts,
		   size_t *count, struct outcome *outcome)
{
	struct counting counting = { .outbox = outbox, .undelivered = undelivered, .arena = arena };
	bool ok = sql_read(&outbox->shared->store, count_work, &counting, outcome);

	*counts = counting.counts;
	*count = ok ? counting.count : 0;
	return ok;
}

struct weighing {
	struct outbox *outbox;
	struct outbox_slots slots;
	struct outbox_used used;
};

static bool bytes_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct weighing *weighing = context;

	return outbox_usage(weighing->outbox, session, &weighing->slots, &weighing->used, outcome);
}

bool outbox_bytes(struct outbox *outbox, struct str caller, uint64_t *bytes, uint64_t *callers_bytes,
		  struct outcome *outcome)
{
	struct weighing weighing = { .outbox = outbox };
	bool ok = outbox_slots_of(outbox, caller, &weighing.slots, outcome) &&
		  sql_read(&outbox->shared->store, bytes_work, &weighing, outcome);

	*bytes = weighing.used.all;
	*callers_bytes = weighing.used.callers;
	return ok;
}

struct trying {
	struct outbox *outbox;
	bool has_room;
};

static bool room_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct trying *trying = context;

	(void)outcome;
	trying->has_room = outbox_disk_has_room(trying->outbox, session);
	return true;
}

static bool try_work(void *context, struct sql_session *session, struct outcome *outcome)
{
	struct trying *trying = context;

	return outbox_usage_add(trying->outbox, session, NO_SLOT, 0, outcome);
}

bool outbox_takes(struct outbox *outbox)
{
	struct sql_store *store = &outbox->shared->store;
	struct trying trying = { .outbox = outbox };
	struct outcome ignored;

	outcome_init(&ignored);
	if (!sql_read(store, room_work, &trying, &ignored) || !trying.has_room)
		return false;
	if (atomic_load(&store->is_doubted)) {
		if (!sql_write(store, try_work, &trying, &ignored))
			return false;
		atomic_store(&store->is_doubted, false);
	}
	return true;
}
