/* A change of a document that cannot be made now, and waits like a publication. */
#ifndef PASSERELLE_CHANGE_ACCEPT_H
#define PASSERELLE_CHANGE_ACCEPT_H

#include "gateway/transactions/document_change.h"

/* Whether it must go into the outbox, and why an attempt that failed (with t->outcome) need not be its end. */
bool change_must_wait(const struct transaction *t, const struct present_document *present,
		      const struct intended_change *intended, bool *must_wait) MUST_CHECK;
bool change_may_wait(const struct transaction *t, const struct intended_change *intended);

/* Whether a change of so many bytes of metadata may wait. Errors: ERR_BUSY. */
bool change_fits(const struct transaction *t, size_t size) MUST_CHECK;

/* The item by which the outbox keeps it, in t's arena. When it is put: ERR_BUSY where as many changes of its document wait as
 * may. answer: what the client gets when it is done. */
bool change_item_make(const struct transaction *t, const struct intended_change *intended, struct str answer,
		      struct outbox_new *item) MUST_CHECK;

/* Puts it into the outbox: durable when this returns true. answer as for document_change_do. Errors: ERR_BUSY
 * where too much waits of this document, those of the outbox. */
bool change_accept(const struct transaction *t, const struct intended_change *intended, struct provided *provided,
		   struct buf *answer) MUST_CHECK;

/* Before a change is made at once: keeps what is passed on to where the document was shared (change_share.h), so that it
 * is, whoever is killed in between. Where it cannot be kept the change is refused: made all the same, nothing would tell
 * any more what is to be passed on. (A publication goes out; published again, it is shared.) announced: for
 * change_unmade. */
bool change_announce(const struct transaction *t, const struct intended_change *intended, struct str answer,
		     struct strs *announced) MUST_CHECK;

/* For a change that was made at once: passes it on, and remembers what the document is now. */
void change_made(const struct transaction *t, const struct intended_change *intended, struct str answer);

/* For one that was not, or that waits: who delivers it passes it on. */
void change_unmade(const struct transaction *t, const struct strs *announced);

/* A removal in two steps: keeps what is left after the first one (the bytes), before that is sent; nobody finds the document
 * any more then, whoever is killed in between. Without an outbox nothing is kept. intended->rest. Errors: the outbox's. */
bool change_rest_announce(const struct transaction *t, struct intended_change *intended) MUST_CHECK;

/* Nothing is left of it, or it was not made, or waits whole. */
void change_rest_forget(const struct transaction *t, const struct intended_change *intended);

/* The metadata are gone and the bytes are not: what is left is done later where that was kept, and else is for the operator
 * to know. t->outcome becomes before. */
void change_rest(const struct transaction *t, const struct intended_change *intended, const struct outcome *before);

#endif
