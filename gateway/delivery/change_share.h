/* A change of a document that was made where it was published is made also where it was shared. */
#ifndef PASSERELLE_CHANGE_SHARE_H
#define PASSERELLE_CHANGE_SHARE_H

#include "gateway/delivery/delivery.h"
#include "mappers/publication_parts.h"

/* Puts one item for each other back-end that publication.share names and that takes changes: durable when this returns
 * true. It finds the document there by its uniqueId; where there is none, nothing is done, and what
 * the patient does not permit there is withheld, but for a removal. The same change is put once.
 * metadata: the submission set of the change and the entry; answer: what the change is answered with. Errors: those of
 * the outbox, ERR_NO_MEMORY. */
bool change_share(const struct delivery *delivery, const struct publication_head *head, const struct metadata *metadata,
		  struct str answer, struct arena *arena, struct outcome *outcome) MUST_CHECK;

#endif
