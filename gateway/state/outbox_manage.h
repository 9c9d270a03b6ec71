/* Who looks on (metrics, searches for what waits, the command line) and who decides about an item. */
#ifndef PASSERELLE_OUTBOX_MANAGE_H
#define PASSERELLE_OUTBOX_MANAGE_H

#include "gateway/state/outbox.h"

#define OUTBOX_STATE_BIT(state) (1u << (state))
/* What stands for its delivery, or for a person to decide about. What is announced may never come to that. */
#define OUTBOX_UNDELIVERED \
	(OUTBOX_STATE_BIT(OUTBOX_WAITING) | OUTBOX_STATE_BIT(OUTBOX_SENDING) | OUTBOX_STATE_BIT(OUTBOX_REFUSED))

/* The state in a word, for people and metrics; "unknown" for one that a later version wrote. */
const char *outbox_state_word(enum outbox_state state);

/* Which items: all that is not empty must hold. */
struct outbox_filter {
	struct str patient;
	struct str target;
	struct str kind;
	struct str makes; /* items, not settled yet, that make this name of target, which must be given */
	unsigned states;  /* OUTBOX_STATE_BITs; 0: all */
	bool unheld;      /* without those that wait behind a dead letter of their chain */
	bool newest;      /* those that came last come first */
	uint64_t after;   /* *next of the page before */
	size_t limit;     /* at most 1000; 0: that */
};

/* ERR_NOT_FOUND for no such item. result: what it was settled with, STR_NONE for none; NULL when not wanted. */
bool outbox_get(struct outbox *outbox, struct str id, struct arena *arena, struct outbox_item *item, struct str *result,
		struct outcome *outcome) MUST_CHECK;

/* In the order they came, or the other way round (newest), in the arena. *next: for filter.after; 0 when these were the last. */
bool outbox_list(struct outbox *outbox, const struct outbox_filter *filter, struct arena *arena,
		 struct outbox_item **items, size_t *count, uint64_t *next, struct outcome *outcome) MUST_CHECK;

/* Per target and state that has any. undelivered: all that still have their bytes, ANNOUNCED ones among them; without the
 * settled items, which may be many. */
struct outbox_count {
	struct str target;
	enum outbox_state state;
	uint64_t count;
	int64_t oldest_ms; /* accepted; wall clock */
};

bool outbox_counts(struct outbox *outbox, bool undelivered, struct arena *arena, struct outbox_count **counts,
		   size_t *count, struct outcome *outcome) MUST_CHECK;

/* Bytes that items take which are not settled, of config.outbox_bytes_max; callers_bytes: those of this caller (outbox_new), of
 * half of that. */
bool outbox_bytes(struct outbox *outbox, struct str caller, uint64_t *bytes, uint64_t *callers_bytes,
		  struct outcome *outcome) MUST_CHECK;

/* Whether the store takes what would wait: its disk has room, and if a write failed, a small one goes through now. What
 * outbox.bytes_max says does not matter. */
bool outbox_takes(struct outbox *outbox);

/* True when since then (monotonic) something was met here that no key of config.state_keys opens; *key: the id of the one
 * that would. What waits is not lost by that. No I/O. */
bool outbox_lacks_key(const struct outbox *outbox, uint64_t since_ms, uint8_t *key);

/* Whether this handle's outbox_put is allowed, as it is at first, or refused (ERR_BUSY): then none is under way any more when
 * this returns, and what is counted afterwards is all. What is there is delivered as before. */
void outbox_admit(struct outbox *outbox, bool admits);

/* What became of what an ANNOUNCED item follows from. It has happened: the item becomes WAITING, due now. Or it has not:
 * the item is gone without a trace. Nothing is done where there is none, or it is in another state. */
bool outbox_release(struct outbox *outbox, struct str id, struct outcome *outcome) MUST_CHECK;
bool outbox_forget(struct outbox *outbox, struct str id, struct outcome *outcome) MUST_CHECK;

/* For a person. ERR_NOT_FOUND for no such item, ERR_CONFLICT where its state does not allow it. */

/* A dead letter, or an item that waits, is due now, and is counted anew. */
bool outbox_retry(struct outbox *outbox, struct str id, struct outcome *outcome) MUST_CHECK;

/* A dead letter, or an item that waits or is announced, becomes WITHDRAWN; what was held because of it, or stood behind
 * it, goes on. result: as for outbox_settle, in the place of the one it has, unless STR_NONE. *unclear: an attempt may have
 * reached the target, which has it all the same then. Where unclear is NULL, such an item is left as it is: ERR_CONFLICT. */
bool outbox_drop(struct outbox *outbox, struct str id, struct str reason, struct str result, bool *unclear,
		 struct outcome *outcome) MUST_CHECK;

/* A dead letter with other parts and names, due now: in its old place in the line, or in the place of its age in the line
 * of item's patient (empty: the one it has). Of item nothing else counts. ERR_CONFLICT, too, when it would leave behind in
 * its line what builds upon it. */
bool outbox_correct(struct outbox *outbox, struct str id, const struct outbox_new *item,
		    struct outcome *outcome) MUST_CHECK;

/* Removes settled items that were kept for outbox.keep_hours, a bounded number at a time; *more when there are others.
 * Call it every few minutes. */
bool outbox_purge(struct outbox *outbox, bool *more, struct outcome *outcome) MUST_CHECK;

#endif
