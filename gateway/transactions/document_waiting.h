/* What waits of one document: its publication, and changes of it. */
#ifndef PASSERELLE_DOCUMENT_WAITING_H
#define PASSERELLE_DOCUMENT_WAITING_H

#include "gateway/state/outbox.h"
#include "gateway/transactions/publications.h"
#include "mappers/metadata.h"

struct document_waiting {
	const struct document_entry *entry; /* as it will be; NULL: nothing waits */
	bool is_removed;                    /* the last that waits is its removal */
	bool is_publication;                /* it is not registered at all */
	bool is_own;                        /* with is_publication: sent by who asks now, or they are an operator */
	struct metadata metadata;           /* of its publication: its relations are in there */
	struct outbox_item *items;          /* in their order */
	size_t count;
	struct arena *last; /* inside document_waiting.c: the last change's */
	bool has_requests;  /* that nobody has decided yet: what they will make of it is open */
};

/* What waits of the document with this id ("urn:uuid:", logicalID) at t's source, if the caller may see it. Errors: those
 * of the outbox. */
bool document_waiting_find(const struct transaction *t, struct str urn, struct document_waiting *waiting) MUST_CHECK;

/* Takes everything back that waits of a document that is not registered. False, without an issue, when it must be removed
 * in its turn: it is another's, who was told that it is accepted; it is being sent, may be registered already, or was
 * published together with others. */
bool document_waiting_withdraw(const struct transaction *t, const struct document_waiting *waiting) MUST_CHECK;

/* Whether requests wait, before this place in the outbox (outbox_item.seq), that name a document by this id
 * (document_waiting_name) and that nobody has decided. Errors: those of the outbox. */
bool document_requests_find(const struct transaction *t, struct str urn, int64_t before, bool *found) MUST_CHECK;

/* The name under which the changes of the document with this logicalID are found in the outbox; NULL data without
 * memory. */
struct str document_waiting_name(const struct transaction *t, struct str urn);

#endif
