/* ITI-55: whom another community means. Who is only likely is nobody. */
#include "gateway/domain/identity_manager.h"
#include "gateway/domain/identity_match.h"

#define ASKED "/controlActProcess/queryByParameter/parameterList"

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
}

/* The identifiers by which somebody is known here. The others are the asking community's own. */
static bool identifiers_known(struct connection *connection, const struct patients *patients,
			      const struct patient_identities *asked, struct arena *arena,
			      struct patient_identities *known, struct outcome *outcome)
{
	*known = (struct patient_identities) { .items = arena_array(arena, asked->count, sizeof *known->items) };
	if (!known->items)
		return no_memory(outcome);
	for (size_t i = 0; i < asked->count; i++) {
		bool is_known = false;

		if (!identity_is_known(connection, patients, &asked->items[i], &is_known, outcome))
			return false;
		if (is_known)
			known->items[known->count++] = asked->items[i];
	}
	return true;
}

/* True when an identifier that was asked with says that this is somebody else: who gives one number to each person has
 * given this person another. */
static bool is_other(const struct patient *patient, const struct patient_identities *asked)
{
	for (size_t i = 0; i < asked->count; i++) {
		bool has_one = false;
		bool has_this = false;

		for (size_t k = 0; k < patient->identifiers.count; k++) {
			has_one = has_one ||
				  str_equal(patient->identifiers.items[k].authority, asked->items[i].authority);
			has_this = has_this || patient_identity_equal(&patient->identifiers.items[k], &asked->items[i]);
		}
		if (has_one && !has_this)
			return true;
	}
	return false;
}

/* Leaves those who may be meant and have an identifier of this community, and of these just that. */
static void found_filter(struct patient_list *found, const struct patient_identities *asked, struct str authority)
{
	size_t count = 0;

	for (size_t i = 0; i < found->count; i++) {
		struct patient patient = found->items[i];
		struct patient_identities *own = &patient.identifiers;
		size_t own_count = 0;

		if (is_other(&patient, asked))
			continue;
		for (size_t k = 0; k < own->count; k++) {
			if (str_equal(own->items[k].authority, authority))
				own->items[own_count++] = own->items[k];
		}
		own->count = own_count;
		if (own_count > 0)
			found->items[count++] = patient;
	}
	found->count = count;
}

/* What was not said and could tell them apart. */
static bool requests_make(const struct patient_query *query, struct arena *arena, struct strs *requests)
{
	const struct patient_address *address = &query->address;
	const struct {
		bool is_said;
		struct str request;
	} traits[] = {
		{ query->gender.size > 0, STR(HL7V3_GENDER_REQUESTED) },
		{ address->line.size + address->city.size + address->postal_code.size > 0,
		  STR(HL7V3_ADDRESS_REQUESTED) },
		{ query->telecom.size > 0, STR(HL7V3_TELECOM_REQUESTED) },
		{ query->mothers_maiden_name.size > 0, STR(HL7V3_MOTHER_REQUESTED) },
	};

	*requests = (struct strs) { .items = arena_array(arena, COUNT_OF(traits), sizeof *requests->items) };
	if (!requests->items)
		return false;
	for (size_t i = 0; i < COUNT_OF(traits); i++) {
		if (!traits[i].is_said)
			requests->items[requests->count++] = traits[i].request;
	}
	return true;
}

bool identity_discover(struct connection *connection, const struct patients *patients,
		       const struct patient_query *query, struct arena *arena, struct identity_discovery *discovery,
		       struct identity_refusal *refusal, struct outcome *outcome)
{
	struct patient_query asked = *query;

	*discovery = (struct identity_discovery) { 0 };
	*refusal = (struct identity_refusal) { 0 };
	/* Whoever looks like the one asked for must be seen, or one of several would pass for the only one. */
	asked.count_max = 0;
	asked.minimum_percent = -1;
	asked.domains = (struct strs) { 0 };
	asked.name_is_exact = true;
	if (!identifiers_known(connection, patients, &query->identifiers, arena, &asked.identifiers, outcome))
		return false;
	if (asked.identifiers.count == 0 && query->identifiers.count > 0 && !identity_has_traits(query))
		return true;
	if (asked.identifiers.count == 0 && (query->family.size == 0 || query->birth_from.size == 0)) {
		*refusal = (struct identity_refusal) { HL7V3_APPLICATION_ERROR, ASKED,
						       "Ask with family name and birth time, or with an identifier "
						       "that is known here." };
		return true;
	}
	if (!identity_pdq(connection, patients, &asked, arena, &discovery->patients, refusal, outcome))
		return false;
	found_filter(&discovery->patients, &query->identifiers, patients_authority(patients));
	if (discovery->patients.count <= 1)
		return true;
	discovery->patients.count = 0;
	if (!requests_make(query, arena, &discovery->requests))
		return no_memory(outcome);
	discovery->is_hopeless = discovery->requests.count == 0;
	return true;
}
