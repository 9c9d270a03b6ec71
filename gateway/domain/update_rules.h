/* What an Update Document Set may hold, as far as that can be told without the registry. This registry knows two of its
 * operations: a new version of a document entry, and another status of one. Source: ITI TF-2 3.57.4.1.3. */
#ifndef PASSERELLE_UPDATE_RULES_H
#define PASSERELLE_UPDATE_RULES_H

#include "gateway/domain/submission.h"

/* One object by itself. XDS errors: XDSMetadataUpdateOperationError, XDSMetadataUpdateError (a first version). */
bool update_kind_check(const struct submitted *object, struct outcome *outcome) MUST_CHECK;

/* One association, whose ends in the message are known. Sets the version of an entry that is its target, and the statuses
 * of the association. XDS errors: XDSMetadataUpdateError, XDSMetadataUpdateOperationError. */
bool update_association_check(const struct submission *submission, struct submitted *association,
			      struct outcome *outcome) MUST_CHECK;

/* True when the associations of the present version are not to be repeated for this new one (its HasMember says so). */
bool update_drops_associations(const struct submission *submission, const struct submitted *entry);

#endif
