/* Patients as the demographics source knows them, and who of them a caller may see. */
#ifndef PASSERELLE_DEMOGRAPHICS_H
#define PASSERELLE_DEMOGRAPHICS_H

#include "gateway/transactions/identities.h"
#include "mappers/patient_query.h"

struct json_writer;

/* Asks the demographics source. Errors: ERR_NOT_SUPPORTED (none is configured), and those of asking. */
bool demographics_ask(const struct transaction *t, const struct patient_query *query,
		      struct patient_list *list) MUST_CHECK;

/* False for a patient of whom the caller's token does not speak: to a caller who is bound to one patient all others are
 * as if they were not there. */
bool demographics_visible(const struct transaction *t, const struct patient_identities *identities) MUST_CHECK;

/* ERR_RULE for a search or match that says too little of a person: it would list people instead of finding one. A
 * machine of its own right may search by one trait, everybody else needs two, and so does a match. */
bool demographics_narrow(const struct transaction *t, unsigned traits, bool is_match) MUST_CHECK;

/* Records whom an answer is about, as far as the affinity domain knows them. */
void demographics_record(const struct transaction *t, const struct patient_identities *identities);

/* Writes a Patient under this id, with a link to who replaced it. */
void demographics_write(const struct transaction *t, const struct patient *patient, struct str id,
			struct json_writer *writer);

#endif
