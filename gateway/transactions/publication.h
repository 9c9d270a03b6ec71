/* A publication [ITI-65] between its validation and its answer: what is sent, with identifiers that no longer change, and
 * what the answer is made of. */
#ifndef PASSERELLE_PUBLICATION_H
#define PASSERELLE_PUBLICATION_H

#include "gateway/transactions/transactions.h"
#include "mappers/provide_bundle.h"

struct publication {
	struct provide_bundle *bundle;
	struct provide_resolved resolved;
	struct metadata metadata;
	struct xds_document *documents; /* parallel to metadata.document_entries */
};

/* Sends it once [ITI-41] and is sure how it ended: what the repository does not say is asked of the registry. True when
 * it is registered, perhaps from an earlier attempt, whose identifiers the metadata has then. */
bool publication_send(const struct transaction *t, struct publication *publication) MUST_CHECK;

/* The transaction-response for a publication that is registered as its metadata says; warnings in t->outcome go in. */
bool publication_answer_write(const struct transaction *t, const struct publication *publication,
			      struct buf *answer) MUST_CHECK;

#endif
