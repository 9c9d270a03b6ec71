/* Whom another community means (XCPD): rules that do not depend on who is asked. Source: ITI TF-2 3.55.4.1.2, 3.55.4.2.2. */
#ifndef PASSERELLE_PATIENT_DISCOVERY_H
#define PASSERELLE_PATIENT_DISCOVERY_H

#include "mappers/base/arena.h"
#include "mappers/patient_query.h"

/* True when an identifier that was asked with says that this is somebody else: who gives one number to each person has
 * given this person another. */
bool patient_is_other(const struct patient *patient, const struct patient_identities *asked);

/* True when name, date of birth and gender are, as far as they were said and are known, the patient's: in whatever way the
 * source compares, whose name only begins alike is somebody else. *fits is set; false without memory. */
bool patient_fits(const struct patient *patient, const struct patient_query *query, struct arena *arena,
		  bool *fits) MUST_CHECK;

/* The traits (HL7V3_..._REQUESTED) that were not said and could tell apart those who fit. False without memory. */
bool patient_requests(const struct patient_query *query, struct arena *arena, struct strs *requests) MUST_CHECK;

#endif
