/* The consent directory: gateways ask it by POST with JSON under /consent/, guarded by a shared secret.
 *   state   gateway, patient, known, content -> version, lease_ms, consents    what holds for a patient, with a lease
 *   return  gateway, leases [patient, version]                                 leases below these versions are given up
 *   write   id, patient, expected, active, resource -> version, version_id, updated_ms     durable, not yet in force
 *   settle  gateway, patient, version                  in force: waits until nobody relies on an older version any more
 *   read    id, version_id -> consent
 *   list    patient -> consents
 * Errors: {"error": name of profiles/errors.def, "text"}. It knows no FHIR; what Consents mean is the gateway's matter. */
#ifndef PASSERELLE_CONSENT_DIRECTORY_H
#define PASSERELLE_CONSENT_DIRECTORY_H

#include "gateway/domain/patients.h"
#include "gateway/http/server.h"

#define CONSENT_DIRECTORY_PATH "/consent/"

struct consent_directory;

struct consent_directory_options {
	const char *path; /* of its database */
	struct str secret;
	/* Whether this identifier is a patient's of the affinity domain: whose Consents are kept. False after a failure. */
	bool (*knows)(void *ctx, struct str value, struct str authority, bool *is_known, struct outcome *outcome);
	void *ctx;
};

/* What options point to is borrowed. Errors: ERR_STORAGE, ERR_VALUE_INVALID (the secret cannot stand in a header),
 * ERR_NO_MEMORY. Close after the last request. */
bool consent_directory_open(const struct consent_directory_options *options, struct consent_directory **directory,
			    struct outcome *outcome) MUST_CHECK;
void consent_directory_close(struct consent_directory *directory);

/* Two patients become one: the Consents of subsumed hold for survivor too, and nobody relies on what held for survivor
 * before when it returns true. Both normalised (patients.h). Call it before the documents become the survivor's: then no
 * document is ever without the Consents it had. Errors: ERR_STORAGE, ERR_BUSY, ERR_NO_MEMORY. */
bool consent_directory_merge(struct consent_directory *directory, struct str survivor, struct str subsumed,
			     struct deadline deadline, struct outcome *outcome) MUST_CHECK;

/* The face on a listener: requests whose path begins with CONSENT_DIRECTORY_PATH. Belongs to the directory. */
const struct server_handlers *consent_directory_handlers(const struct consent_directory *directory);

#endif
