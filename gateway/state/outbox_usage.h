/* Inside gateway/state only: how much the undelivered items take, all together and those of each caller. Their bytes are
 * summed in rows (slots), several for each caller, so that puts do not wait for each other's commit. The number of a slot
 * is made of a keyed hash of the caller, and stands in the item: what was added is taken off again where it was. */
#ifndef PASSERELLE_OUTBOX_USAGE_H
#define PASSERELLE_OUTBOX_USAGE_H

#include "gateway/state/outbox_state.h"

#define OUTBOX_ROW_BYTES 1024 /* what an item takes besides its parts, about */

/* The first slot of a caller under each key of the vault; 0: nobody's. */
struct outbox_slots {
	int64_t first[VAULT_KEYS_MAX];
};

bool outbox_slots_of(const struct outbox *outbox, struct str caller, struct outbox_slots *slots,
		     struct outcome *outcome) MUST_CHECK;

/* All slots of whoever has this one. */
struct outbox_slots outbox_slots_around(int64_t slot);

/* The one that an item is summed in. */
int64_t outbox_slot(const struct outbox_slots *slots, int64_t seq);

/* Bytes more or less; last in a transaction, because others wait for the row. */
bool outbox_usage_add(struct outbox *outbox, struct sql_session *session, int64_t slot, int64_t bytes,
		      struct outcome *outcome) MUST_CHECK;

struct outbox_used {
	uint64_t all;
	uint64_t callers; /* of the one with these slots */
};
bool outbox_usage(struct outbox *outbox, struct sql_session *session, const struct outbox_slots *slots,
		  struct outbox_used *used, struct outcome *outcome) MUST_CHECK;

/* What comes in. */
struct outbox_wanted {
	const struct str *parts;
	size_t part_count;
	uint64_t instead; /* bytes that go in turn */
	struct outbox_slots slots;
	enum outbox_bound bound;
};

/* False when the outbox has no room for this, or the caller has had theirs; or its disk has none. */
bool outbox_room_check(struct outbox *outbox, struct sql_session *session, const struct outbox_wanted *wanted,
		       struct outcome *outcome) MUST_CHECK;

/* Whether the disk has room for more than what is there must get. */
bool outbox_disk_has_room(const struct outbox *outbox, struct sql_session *session);

/* Removes rows that sum up nothing. */
bool outbox_usage_purge(struct outbox *outbox, struct sql_session *session, struct outcome *outcome) MUST_CHECK;

#endif
