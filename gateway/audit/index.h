/* The gateway's own events, findable (ITI-81): a database that follows the journal. Names by which events are found are
 * keyed hashes, events are encrypted: nothing in the file tells of anybody. Losing it loses nothing that the journal still
 * has. */
#ifndef PASSERELLE_AUDIT_INDEX_H
#define PASSERELLE_AUDIT_INDEX_H

#include "gateway/audit/audit.h"
#include "gateway/audit/journal.h"

struct audit_index;

/* Opens directory/index.db and starts to follow. Everything is borrowed. Close it before the journal. */
bool audit_index_open(struct journal *journal, const char *directory, const struct config *config,
		      struct audit_index **index, struct outcome *outcome) MUST_CHECK;
void audit_index_close(struct audit_index *index);

/* Time for which events are found, from now on. */
void audit_index_retain(struct audit_index *index, uint64_t retention_ms);

/* audit_search of audit.h. */
bool audit_index_search(struct audit_index *index, const struct audit_query *query, struct arena *arena,
			struct audit_page *page, struct outcome *outcome) MUST_CHECK;

#endif
