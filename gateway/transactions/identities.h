/* The domains of patient identifiers that this gateway knows, and the ids of its Patients: one for each identifier in a
 * known domain, so that a Patient can be read by anyone who was given its id and found by nobody else. */
#ifndef PASSERELLE_IDENTITIES_H
#define PASSERELLE_IDENTITIES_H

#include "gateway/transactions/transactions.h"
#include "mappers/identifier_system.h"
#include "mappers/patient.h"

/* FHIR systems of the configuration that are no urn:oid:. data in items is NULL without memory. */
struct system_names identity_names(const struct transaction *t);

/* True for the affinity domain and the authorities of the configuration. */
bool identity_authority_known(const struct transaction *t, struct str authority);

/* The row of an authority; NULL when it has none (the affinity domain may have one). */
const struct config_authority *identity_authority_row(const struct transaction *t, struct str authority);

bool identity_is_affinity(const struct transaction *t, const struct patient_identity *identity);

enum identity_read {
	IDENTITY_TAKEN,
	IDENTITY_STRANGE, /* of a system that is not known here; nothing was added */
	IDENTITY_WRONG    /* the value has not the form of its system; outcome has the issue */
};

/* What system|value means here. Wrong check digits are a warning, or an error when the configuration is strict.
 * path: for issues. Errors: ERR_VALUE_INVALID, ERR_NO_MEMORY. */
enum identity_read identity_read(const struct transaction *t, struct str system, struct str value, const char *path,
				 struct patient_identity *identity) MUST_CHECK;

/* The last part of it, for an identity of a known domain. */
bool identity_check(const struct transaction *t, const struct patient_identity *identity, const char *path) MUST_CHECK;

/* The id of the Patient with this identifier; STR_NONE when its domain is not known or its value too long to be sealed. */
struct str identity_seal(const struct transaction *t, const struct patient_identity *identity);

/* The identifier that an id of ours stands for; false for every other id. */
bool identity_open(const struct transaction *t, struct str id, struct patient_identity *identity) MUST_CHECK;

/* The identifier by which a person is best known here: that of the affinity domain, otherwise of the first configured
 * domain that gives an id; NULL when none does. */
const struct patient_identity *identity_of_patient(const struct transaction *t,
						   const struct patient_identities *identities);

/* The CX of the affinity domain for a value there. False without memory (ERR_NO_MEMORY). */
bool identity_cx(const struct transaction *t, struct str value, struct str *patient_id) MUST_CHECK;

#endif
