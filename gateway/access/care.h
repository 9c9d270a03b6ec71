/* Inside gateway/access only: who takes care of which patient, besides what tokens say. */
#ifndef PASSERELLE_CARE_H
#define PASSERELLE_CARE_H

#include "gateway/run/config.h"
#include "mappers/caller.h"

struct care;

/* Reads consent.care_relationships; each "any", or WHO|any, or WHO|system|value. Borrows items. Errors:
 * ERR_VALUE_INVALID, ERR_NO_MEMORY. */
bool care_read(const struct config_strs *items, struct arena *arena, const struct care **care,
	       struct outcome *outcome) MUST_CHECK;

/* True when the caller takes care of the patient (CX): the token names the patient in care_of (as "system|value" of the
 * affinity domain, or as CX), or a configured relationship holds. Patients have no such relationship, whoever they are;
 * 'any' means professionals, not machines. */
bool care_holds(const struct care *care, const struct caller *caller, struct str patient_id, struct arena *arena);

#endif
