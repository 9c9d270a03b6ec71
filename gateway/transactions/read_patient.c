/* Retrieve Patient Resource [ITI-78, PDQm 3.78.4.3]: all that the demographics source knows of a Patient; without such a
 * source no more than the identifier that the id stands for (MHD 4.2.4 3.65.4.2, location of a Patient entry). */
#include "gateway/transactions/demographics.h"
#include "mappers/json_writer.h"

static bool not_there(const struct transaction *t)
{
	return outcome_add(t->outcome, ERR_NOT_FOUND, "", "There is no such Patient; use an id given out here.");
}

/* The one patient who has this identifier now; NULL when nobody has, for instance after a merge (3.78.4.3.3, case 3). */
static bool patient_find(const struct transaction *t, struct patient_identity *identity, const struct patient **found)
{
	struct patient_query query = PATIENT_QUERY_NONE;
	struct patient_list list;

	*found = NULL;
	query.identifiers = (struct patient_identities) { identity, 1 };
	if (!demographics_ask(t, &query, &list))
		return false;
	for (size_t i = 0; i < list.count; i++) {
		if (!patient_has(&list.items[i], identity))
			continue;
		if (*found)
			return outcome_add(t->outcome, ERR_PATIENT_AMBIGUOUS, "",
					   "Have the records merged: this id stands for several patients.");
		*found = &list.items[i];
	}
	return true;
}

bool read_patient(const struct transaction *t, struct str id, struct buf *answer)
{
	struct patient_identity identity;
	struct patient known = { .identifiers = { &identity, 1 } };
	const struct patient *patient = &known;
	struct json_writer writer;

	if (!identity_open(t, id, &identity))
		return not_there(t);
	demographics_record(t, &known.identifiers);
	if (t->gateway->config->identity_pdq_url.size && !patient_find(t, &identity, &patient))
		return false;
	if (!patient || !demographics_visible(t, &patient->identifiers))
		return not_there(t);
	demographics_record(t, &patient->identifiers);
	json_writer_init(&writer, answer);
	demographics_write(t, patient, id, &writer);
	return json_writer_finish(&writer, t->outcome);
}
