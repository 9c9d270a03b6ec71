/* What this gateway has accepted and no registry has yet, as far as a caller may see it: consent decides about it exactly
 * as about what registries have (visible.h). */
#ifndef PASSERELLE_ACCESS_VISIBLE_WAITING_H
#define PASSERELLE_ACCESS_VISIBLE_WAITING_H

#include "gateway/access/visible.h"

/* Drops from one waiting submission what action does not permit to be seen: documents, what holds nothing else, and
 * memberships of what is hidden, or of what nobody has looked at while the patient hides anything. What a document relates to
 * must be looked at by who shows it (waiting_relations_ask in resources.h). */
void visible_waiting(struct visit *visit, enum consent_action action, struct metadata *metadata);

/* True when a SubmissionSet or Folder of the submission has this entryUUID. */
bool submission_has_list(const struct metadata *metadata, struct str uuid);

/* True when the caller may see at least one of these documents of this patient or, when none is given, everything that the
 * patient has. */
bool visible_waiting_any(struct visit *visit, enum consent_action action, struct str patient_id,
			 const struct document_entry *entries, size_t count);

#endif
