/* Who publishes gives objects ids and uniqueIds, also some that are another's: what is registered under an id is what
 * everybody reads and changes by it, and nothing that waits. While the registry does not answer, what is known of it by
 * earlier reads counts (known_document.h). */
#ifndef PASSERELLE_WAITING_REGISTERED_H
#define PASSERELLE_WAITING_REGISTERED_H

#include "gateway/transactions/waiting.h"

/* Drops from what waits the objects that are registered: those that are asked for by these ids, and dead letters. Asks nobody
 * when there are none. False without memory. */
bool waiting_registered_drop(const struct transaction *t, const struct strs *uuids, struct waiting *waiting) MUST_CHECK;

/* Whether a document of t's source has this id ("urn:uuid:", entryUUID or logicalID). False without memory. */
bool document_is_registered(const struct transaction *t, struct str urn, bool *is_registered) MUST_CHECK;

#endif
