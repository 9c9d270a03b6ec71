/* The registered objects that a publication speaks of: documents it replaces or relates to, folders it adds to. */
#ifndef PASSERELLE_PROVIDE_TARGETS_H
#define PASSERELLE_PROVIDE_TARGETS_H

#include "gateway/transactions/transactions.h"
#include "mappers/provide_bundle.h"

/* Fills target_uuids (the entryUUID that each target has now) and folder_members of resolved: by what waits in the outbox,
 * otherwise by asking the registry. Where publications may wait for a registry that does not answer, a document that is
 * named by an id of ours, or by its entryUUID, is taken as named, and its urn:uuid: is in unverified; so is that of
 * one of which changes wait.
 * Errors: ERR_REFERENCE_UNRESOLVED with the path of each target that is not there, and those of the registry. */
bool targets_resolve(const struct transaction *t, const struct provide_bundle *bundle,
		     struct provide_resolved *resolved, struct strs *unverified) MUST_CHECK;

#endif
