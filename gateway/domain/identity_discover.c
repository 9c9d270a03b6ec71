/* ITI-55: whom another community means. Who is only likely is nobody. */
#include "gateway/domain/identity_manager.h"
#include "gateway/domain/identity_match.h"
#include "mappers/patient_discovery.h"

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

/* Leaves those who may be meant and have an identifier of this community, and of these just that. */
static void found_filter(struct patient_list *found, const struct patient_identities *asked, struct str authority)
{
	size_t count = 0;

	for (size_t i = 0; i < found->count; i++) {
		struct patient patient = found->items[i];
		struct patient_identities *own = &patient.identifiers;
		size_t own_count = 0;

		if (patient_is_other(&patient, asked))
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
	if (!patient_requests(query, arena, &discovery->requests))
		return no_memory(outcome);
	discovery->is_hopeless = discovery->requests.count == 0;
	return true;
}
