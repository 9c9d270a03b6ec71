/* The patient that the caller's token speaks of, as the affinity domain knows them. */
#ifndef PASSERELLE_OWN_PATIENT_H
#define PASSERELLE_OWN_PATIENT_H

#include "gateway/transactions/transactions.h"

/* Resolves caller->person_id ("system|value", CX, or the URL of a Patient) and begins the visit with it: from then on
 * t->visit holds what the caller may see. A token that names a patient whom nobody knows sees no patient at all. False
 * when the identity source cannot be asked, or without memory. Source: IHE IUA 3.72 (person_id must match). */
bool own_patient_resolve(struct transaction *t) MUST_CHECK;

#endif
