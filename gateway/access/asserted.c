#include "gateway/access/asserted.h"

#include "gateway/access/access_state.h"

static bool has_role_of(const struct caller *caller, const struct config_strs *roles)
{
	for (size_t i = 0; i < roles->count; i++) {
		if (consent_has_role(caller, roles->items[i]))
			return true;
	}
	return false;
}

bool asserted_admit(const struct access *access, struct str patient_id, struct caller *caller, struct outcome *outcome)
{
	const struct config *config = access->config;
	bool is_patient = has_role_of(caller, &config->community_patient_roles);

	caller->tenant = config->tenant;
	caller->person_id = patient_id;
	if (is_patient) {
		caller->kind = CALLER_PATIENT;
		return !str_is_empty(patient_id) ||
		       outcome_add(outcome, ERR_FORBIDDEN, "",
				   "An assertion of a patient names their record (resource-id).");
	}
	return has_role_of(caller, &config->community_roles) ||
	       outcome_add(outcome, ERR_FORBIDDEN, "",
			   "Who asks is not in a role that is served here; ask the operator of this service.");
}
