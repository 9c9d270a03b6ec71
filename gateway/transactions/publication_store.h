/* Inside gateway/transactions: a publication as the outbox takes it, and what who sent it is told. */
#ifndef PASSERELLE_PUBLICATION_STORE_H
#define PASSERELLE_PUBLICATION_STORE_H

#include "gateway/state/outbox.h"
#include "gateway/transactions/publication.h"

/* The names that it is ordered by. What the registry was seen to have is there: whoever waits under the same name, or is a
 * dead letter, holds nobody up who builds upon that. */
bool publication_order(const struct transaction *t, const struct publication *publication, struct strs *makes,
		       struct strs *needs) MUST_CHECK;

/* Its parts (mappers/publication_parts.h) and its names, in item; nothing else is. Zero it first; free it also after a
 * failure. */
struct publication_kept {
	struct buf head;
	struct buf metadata;
	struct buf answer;
	struct outbox_new item;
};
bool publication_keep(const struct transaction *t, const struct publication *publication,
		      struct publication_kept *kept) MUST_CHECK;
void publication_kept_free(struct publication_kept *kept);

/* The answer for what is in the outbox under this id: an OperationOutcome with what t->outcome informs of. */
bool publication_accepted(const struct transaction *t, const char *id, struct provided *provided,
			  struct buf *answer) MUST_CHECK;

#endif
