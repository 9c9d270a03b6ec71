/* Inside gateway/state only: whose turn it is. A line (one patient's items for one target) goes out in the order of seq,
 * one at a time; the turn is written down, so that a claim looks at one row however many wait. Items behind a dead
 * letter of their chain are held, and the line passes them; it stops at one that is announced. */
#ifndef PASSERELLE_OUTBOX_LINE_H
#define PASSERELLE_OUTBOX_LINE_H

#include "gateway/state/outbox_state.h"

/* One patient's items for one target. */
struct outbox_line {
	struct str tenant;
	unsigned char patient[VAULT_NAME_BYTES];
	char target_text[OUTBOX_WORD_MAX + 1];
	struct str target;
};

/* Everything that changes who comes next in a line locks it first. */
bool outbox_line_lock(struct sql_session *session, const unsigned char patient[VAULT_NAME_BYTES],
		      struct outcome *outcome) MUST_CHECK;

/* Gives the turn to the first item that is not held, when none before it is announced; leaves it with one that is being
 * sent. */
bool outbox_line_renew(struct sql_session *session, const struct outbox_line *line, struct outcome *outcome) MUST_CHECK;

/* Whether this item, and then those that need what it makes, are held. Before its names are removed. */
bool outbox_chain_renew(struct sql_session *session, const struct outbox_line *line, int64_t seq,
			struct outcome *outcome) MUST_CHECK;

/* An item whose line is locked. */
struct outbox_row {
	int64_t seq;
	enum outbox_state state;
	bool is_unclear;
	uint64_t fence;
	uint64_t bytes;
	int64_t slot; /* in which they are summed */
	int64_t revision;
	size_t part_count;
	struct outbox_line line;
	char kind[OUTBOX_WORD_MAX + 1];
};

/* Finds the item and locks its line. *found false: there is none. */
bool outbox_row_lock(struct outbox *outbox, struct sql_session *session, struct str id, struct outbox_row *row,
		     bool *found, struct outcome *outcome) MUST_CHECK;

/* The item goes into the line of this patient: of its hashes, the one by which that has a line already is written to line.
 * From here on others that put for the patient wait until this has been committed. */
bool outbox_line_enter(struct sql_session *session, const struct outbox_hashes *patient, int64_t seq,
		       struct outbox_line *line, struct outcome *outcome) MUST_CHECK;

/* It waits, due now, its attempts not counted any more. */
bool outbox_row_revive(struct sql_session *session, const struct outbox_row *row, struct outcome *outcome) MUST_CHECK;

/* One that is announced takes its turn from now on; any other stays as it is. *found false: there is none. */
bool outbox_row_release(struct outbox *outbox, struct sql_session *session, struct str id, bool *found,
			struct outcome *outcome) MUST_CHECK;

/* Parts and names go, the bytes are given back: last in a transaction (outbox_usage_add). */
bool outbox_row_empty(struct outbox *outbox, struct sql_session *session, const struct outbox_row *row,
		      struct outcome *outcome) MUST_CHECK;

#endif
