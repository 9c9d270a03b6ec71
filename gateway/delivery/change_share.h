/* A change of a document that is made where it was published is made also where it was shared. */
#ifndef PASSERELLE_CHANGE_SHARE_H
#define PASSERELLE_CHANGE_SHARE_H

#include "gateway/delivery/delivery.h"
#include "mappers/publication_parts.h"

/* Puts one item for each other back-end that publication.share names and that takes changes: durable when this returns
 * true. It finds the document there by its uniqueId; where there is none, nothing is done, and what
 * the patient does not permit there is withheld, but for a removal. The same change is put once.
 * ids: of what was put, in the arena. Errors: those of the outbox, ERR_NO_MEMORY. */
struct shared_change {
	const struct publication_head *head;
	const struct metadata *metadata; /* the submission set of the change, and the entry */
	struct str answer;               /* what the change is answered with */
	bool is_owed;                    /* it waited, and is not settled before this is kept: no bound keeps it out */
	bool is_announced;               /* it is about to be made: passed on when it turns out to be */
};
bool change_share(const struct delivery *delivery, const struct shared_change *change, struct arena *arena,
		  struct strs *ids, struct outcome *outcome) MUST_CHECK;

#endif
