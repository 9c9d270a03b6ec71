/* Inside gateway/transactions: a publication as the outbox takes it, and what who sent it is told. */
#ifndef PASSERELLE_PUBLICATION_STORE_H
#define PASSERELLE_PUBLICATION_STORE_H

#include "gateway/transactions/publication.h"

/* Its parts (mappers/publication_parts.h). Zero it first; free it also after a failure. */
struct publication_kept {
	struct buf head;
	struct buf metadata;
	struct buf answer;
	struct str *items;
	size_t count;
};
bool publication_keep(const struct transaction *t, const struct publication *publication,
		      struct publication_kept *parts) MUST_CHECK;
void publication_kept_free(struct publication_kept *parts);

/* The answer for what is in the outbox under this id: an OperationOutcome with what t->outcome informs of. */
bool publication_accepted(const struct transaction *t, const char *id, struct provided *provided,
			  struct buf *answer) MUST_CHECK;

#endif
