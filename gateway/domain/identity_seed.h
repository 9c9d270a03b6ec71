/* What the configuration says of patients, entered into the identity manager when the domain starts: cross-references
 * once, so that links which feeds take back stay taken back; traits as they are in the file now, unless a feed knows
 * better. */
#ifndef PASSERELLE_IDENTITY_SEED_H
#define PASSERELLE_IDENTITY_SEED_H

#include "gateway/domain/identity_store.h"

/* items: "oid|A-1..A-9 = B-1..B-9", the identifiers of both sides equal one by one; a side without "oid|" is the affinity
 * domain's. Errors: ERR_VALUE_INVALID for a faulty item, ERR_STORAGE, ERR_NO_MEMORY. */
bool identity_seed_references(struct database *database, const struct patients *patients, const struct strs *items,
			      struct outcome *outcome) MUST_CHECK;

/* json: {"patients": [{"identifier": "B-1" or "oid|B-1", "family", "given", "prefix", "maiden_name", "gender",
 * "birth_date", "line", "city", "state", "postal_code", "country", "phone", "email", "mothers_maiden_name"}]}, all but
 * the identifier optional; gender and birth_date as in FHIR. Errors: ERR_BODY_MALFORMED, ERR_VALUE_INVALID, ERR_STORAGE,
 * ERR_NO_MEMORY. */
bool identity_seed_demographics(struct database *database, const struct patients *patients, struct str json,
				struct outcome *outcome) MUST_CHECK;

#endif
