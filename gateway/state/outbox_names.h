/* Inside gateway/state only: the names by which items are ordered and found. */
#ifndef PASSERELLE_OUTBOX_NAMES_H
#define PASSERELLE_OUTBOX_NAMES_H

#include "gateway/state/outbox_line.h"

/* The hash that stands for a thing: while keys are being changed, one that is in use already goes on being used. in_use:
 * SQL that gives a number where it is, for values, the second of which is the hash. */
bool outbox_hash_pick(struct sql_session *session, const char *in_use, struct sql_value *values, size_t count,
		      const struct outbox_hashes *hashes, struct sql_value *picked, struct outcome *outcome) MUST_CHECK;

/* What the item makes and needs from now on, with what comes of that: who is held, and whose turn it is. Those that are held
 * for a name that it makes no more must have been looked at before (outbox_chain_renew). Its line is locked. */
bool outbox_names_write(const struct outbox *outbox, struct sql_session *session, const struct outbox_line *line,
			int64_t seq, const struct outbox_new *new, struct outcome *outcome) MUST_CHECK;

#endif
