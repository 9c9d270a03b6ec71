/* From who a request says its patient is to who that is in the affinity domain. */
#ifndef PASSERELLE_IDENTIFY_PATIENT_H
#define PASSERELLE_IDENTIFY_PATIENT_H

#include "gateway/transactions/identities.h"
#include "mappers/patient_claim.h"

enum identified {
	PATIENT_IDENTIFIED,
	PATIENT_NOBODY, /* the claim names nobody of the affinity domain; outcome has at most warnings */
	PATIENT_FAILED /* outcome has the issue: several patients are meant (ERR_PATIENT_AMBIGUOUS), an identifier has not
			 * its form, or who knows could not be asked */
};

/* Resolves a claim, in this order:
 * 1. an identifier of the affinity domain: nobody is asked;
 * 2. identifiers of other known domains: the PIX manager is asked about each, and all must lead to the same patient;
 * 3. a logical identifier, "Patient/{id}" in the system that is this gateway's base or the identity server's;
 * 4. an id that this gateway gave out, otherwise a Patient of the configured identity server (by URL or id), whose
 *    identifiers are resolved likewise. One that was replaced stands for its survivor, one out of use for nobody.
 * any_system  an identifier without system is taken to be of the affinity domain (searches)
 * patient_id  CX, "id^^^&oid&ISO", in the request's arena.
 * Source: MHD 4.2.4 3.65.4.1.2, 3.67.4.1.2, PIXm 3.83.4.1.2.1, ITI TF-3 4.2.3.2.16. */
enum identified identify_patient(const struct transaction *t, const struct patient_claim *claim, bool any_system,
				 struct str *patient_id) MUST_CHECK;

/* The same for what can wait. named gets, as CX, all identifiers of the claim that the PIX manager was asked about. When it
 * cannot be asked about one until deadline, and nothing is last known of it, *unresolved is true, and patient_id is the
 * first of them: asked again, all must lead to one patient. */
enum identified identify_patient_later(const struct transaction *t, const struct patient_claim *claim,
				       struct deadline deadline, struct strs *named, bool *unresolved,
				       struct str *patient_id) MUST_CHECK;

/* "Patient/{id}" for a CX of the affinity domain; STR_NONE for another authority, or without memory. */
struct str patient_reference(const struct transaction *t, struct str patient_id);

#endif
