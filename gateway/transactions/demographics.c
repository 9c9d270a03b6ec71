#include "gateway/transactions/demographics.h"

#include "gateway/access/identity_source.h"
#include "gateway/transactions/identify_patient.h"
#include "mappers/patient_fhir.h"

bool demographics_ask(const struct transaction *t, const struct patient_query *query, struct patient_list *list)
{
	if (str_is_empty(t->gateway->config->identity_pdq_url))
		return outcome_add(t->outcome, ERR_NOT_SUPPORTED, "",
				   "Name patients by their identifiers: there is no source of demographics here.");
	return identity_source_patients(t->gateway->access, &t->south, query, list, t->outcome);
}

static bool is_bound(const struct transaction *t)
{
	return t->caller->kind == CALLER_PATIENT || t->caller->person_id.size > 0;
}

bool demographics_visible(const struct transaction *t, const struct patient_identities *identities)
{
	struct outcome ignored;

	if (!is_bound(t))
		return true;
	outcome_init(&ignored);
	for (size_t i = 0; i < identities->count; i++) {
		struct str patient_id;

		if (identity_is_affinity(t, &identities->items[i]) &&
		    identity_cx(t, identities->items[i].value, &patient_id) &&
		    visit_about(t->visit, patient_id, &ignored))
			return true;
	}
	return false;
}

bool demographics_narrow(const struct transaction *t, unsigned traits, bool is_match)
{
	bool one_is_enough = t->caller->kind == CALLER_SYSTEM && !is_match;

	return one_is_enough || traits >= 2 ||
	       outcome_add(t->outcome, ERR_RULE, "",
			   "Say more of the patient: an identifier, or two of family name, given name, date of birth, "
			   "address, telecom and mother's maiden name, with two letters or more.");
}

void demographics_record(const struct transaction *t, const struct patient_identities *identities)
{
	for (size_t i = 0; i < identities->count; i++) {
		struct str patient_id;

		if (identity_is_affinity(t, &identities->items[i]) &&
		    identity_cx(t, identities->items[i].value, &patient_id))
			audit_patient(t->audit, patient_id, patient_reference(t, patient_id));
	}
}

void demographics_write(const struct transaction *t, const struct patient *patient, struct str id,
			struct json_writer *writer)
{
	struct str survivor = STR_NONE;

	if (patient->replaced_by.authority.size)
		survivor = identity_seal(t, &patient->replaced_by);
	if (survivor.data)
		survivor = arena_printf(t->south.arena, "Patient/%.*s", STR_ARG(survivor));
	patient_to_fhir(patient, id, survivor, writer);
}
