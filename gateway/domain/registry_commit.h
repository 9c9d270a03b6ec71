/* What the writing transactions of the registry share; only for registry_commit.c and registry_update.c. */
#ifndef PASSERELLE_REGISTRY_COMMIT_H
#define PASSERELLE_REGISTRY_COMMIT_H

#include "gateway/domain/registry.h"

#define HAS_MEMBER "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"

/* One commit on its way. ends[i] holds the registered ends of association i. */
struct commit {
	struct connection *connection;
	const struct submission *submission;
	struct arena *arena;
	struct outcome *outcome;
	struct ends {
		struct row source;
		struct row target;
	} * ends;
};

/* False with an issue when an object of this UUID is registered. */
bool commit_ids_check(struct commit *commit, const struct submitted *object) MUST_CHECK;

/* TF-2 3.42.4.1.3.3: the patient must have come through the identity feed, and must not have been merged into another
 * since. Asked here, where no merge can come between the answer and the commit. XDSUnknownPatientId. */
bool commit_patient_check(const struct commit *commit, const struct submitted *object) MUST_CHECK;

/* A set or folder needs a uniqueId of its own; an entry may repeat one with the same content. TF-3 4.2.3.2.26 */
bool commit_unique_id_check(struct commit *commit, const struct submitted *object) MUST_CHECK;

/* Adds an association that the registry makes itself; uuid is its id. */
bool commit_association_add(struct commit *commit, const char *type, struct str source, struct str target,
			    struct str *uuid) MUST_CHECK;

#endif
