/* Publications that were accepted, as their senders, readers and operators meet them. */
#ifndef PASSERELLE_PUBLICATION_ITEMS_H
#define PASSERELLE_PUBLICATION_ITEMS_H

#include "gateway/state/outbox_manage.h"
#include "gateway/transactions/publications.h"
#include "mappers/publication_parts.h"

/* Of one that was withdrawn, when it was sent before and nobody knows how that ended. */
#define PUBLICATION_MAY_BE_THERE "An attempt may have reached its registry: it may be registered all the same."

struct publication_item {
	struct outbox_item item;
	struct caller caller; /* who sent it; empty when nobody knows any more */
	struct str patient_id;
	struct metadata metadata;           /* while it is not settled, or a dead letter */
	struct publication_change change;   /* with metadata, of a change */
	struct publication_request request; /* of a request */
	struct publication_result result;   /* of a settled one or a dead letter; body.data NULL: none */
	struct strs chosen;                 /* with the caller, as in publication_head */
	bool is_own;                        /* of who asks now, or they are an operator */
	bool is_locked;                     /* its key is missing here: nobody can say more of it */
	bool has_moved;                     /* its parts went while they were read: it is not what item says any more */
};

/* The items that this filter means, which need not say its target: that is the first source, where publications go. In the
 * arena, no more than the filter's limit. Errors: those of outbox_list. */
bool publication_items_list(const struct transaction *t, const struct outbox_filter *filter, struct outbox_item **items,
			    size_t *count) MUST_CHECK;

/* Reads it by its sealed id, if the caller may know of it. Errors: ERR_NOT_FOUND for everything else, those of the
 * outbox. */
bool publication_item_open(const struct transaction *t, struct str sealed, struct publication_item *opened) MUST_CHECK;

/* The same for an item of a list: *visible says whether the caller may know of it. That is a decision about the patient,
 * which is recorded as one; where visible is NULL none is made, and of what is not the caller's own nothing is read but
 * whose it is. */
bool publication_item_read(const struct transaction *t, const struct outbox_item *item, struct str result,
			   struct publication_item *opened, bool *visible) MUST_CHECK;

/* Tries one that was opened again, or withdraws it, for who sent it or an operator; its item is then as it stands afterwards,
 * is_unclear of one that was withdrawn as outbox_drop says. Errors: ERR_FORBIDDEN, those of outbox_retry and outbox_drop. */
enum publication_decision {
	PUBLICATION_RETRY,
	PUBLICATION_WITHDRAW,
	PUBLICATION_GIVE_UP /* the same; when its sender does it, they ask no more by its status URL */
};
bool publication_item_decide(const struct transaction *t, struct publication_item *opened,
			     enum publication_decision decision) MUST_CHECK;

/* Why it is as it is; empty: nobody said so. The data is NULL without memory. */
struct str publication_item_reason(const struct transaction *t, const struct outbox_item *item);

/* True when the caller is one of publication.operators. */
bool publication_operator(const struct transaction *t);

/* The id by which an item is asked for; the data is NULL without memory. */
struct str publication_item_id(const struct transaction *t, const char *id);

#endif
