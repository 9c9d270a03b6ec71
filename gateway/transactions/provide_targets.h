/* The registered objects that a publication speaks of: documents it replaces or relates to, folders it adds to. */
#ifndef PASSERELLE_PROVIDE_TARGETS_H
#define PASSERELLE_PROVIDE_TARGETS_H

#include "gateway/transactions/transactions.h"
#include "mappers/provide_bundle.h"

/* Fills target_uuids (the entryUUID that each target has now) and folder_members of resolved: by what waits in the outbox,
 * otherwise by asking the registry. Where publications may wait for a registry that does not answer, a target is taken as
 * it is named, and its name (urn:uuid: of a document, otherwise as in publication_target.h) is in unverified: it is
 * looked up at delivery. So is a document of which changes wait, however it was named, and what waits itself and is named
 * by its uniqueId, or is a folder.
 * Errors: ERR_REFERENCE_UNRESOLVED with the path of each target that is not there, and those of the registry. */
bool targets_resolve(const struct transaction *t, const struct provide_bundle *bundle,
		     struct provide_resolved *resolved, struct strs *unverified) MUST_CHECK;

#endif
