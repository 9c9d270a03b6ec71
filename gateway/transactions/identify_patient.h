/* From who a request says its patient is to who that is in the affinity domain. */
#ifndef PASSERELLE_IDENTIFY_PATIENT_H
#define PASSERELLE_IDENTIFY_PATIENT_H

#include "gateway/transactions/transactions.h"
#include "mappers/patient_claim.h"

enum identified {
	PATIENT_IDENTIFIED,
	PATIENT_NOBODY, /* the claim names nobody of the affinity domain; nothing was added to the outcome */
	PATIENT_FAILED  /* the identity source could not be asked; the outcome has the issue */
};

/* Resolves a claim, in this order: an identifier of the affinity domain, an id that this gateway gave out, a Patient of
 * the configured identity source (by URL, or by an id that is not ours), whose identifiers are read.
 * any_system  an identifier without system is taken to be of the affinity domain (searches)
 * patient_id  CX, "id^^^&oid&ISO", in the request's arena. Source: MHD 4.2.4 3.65.4.1.2, ITI TF-3 4.2.3.2.16. */
enum identified identify_patient(const struct transaction *t, const struct patient_claim *claim, bool any_system,
				 struct str *patient_id) MUST_CHECK;

/* "Patient/{id}" for a CX of the affinity domain; STR_NONE for another authority, or without memory. */
struct str patient_reference(const struct transaction *t, struct str patient_id);

/* The value in the affinity domain that an id of ours holds; false for every other id. */
bool patient_resource_id_open(const struct transaction *t, struct str id, struct str *value) MUST_CHECK;

#endif
