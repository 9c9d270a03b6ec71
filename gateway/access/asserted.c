#include "gateway/access/asserted.h"

#include "gateway/access/access_state.h"
#include "gateway/state/cache.h"

#define SKEW_S   60 /* by which saml_verify lets clocks differ */
#define MS_PER_S 1000

void asserted_begin(const struct access *access)
{
	const struct str parts[] = { STR("begin") };
	const struct cache_name name = {
		.tenant = access->config->tenant, .kind = "xua", .parts = parts, .part_count = COUNT_OF(parts)
	};
	bool ignored;

	(void)!cache_first(access->cache, &name, 1, 0, &ignored);
}

enum asserted_use asserted_use(const struct access *access, const struct saml_assertion *assertion,
			       struct str message_id, int64_t now_ms)
{
	const struct str parts[] = { assertion->issuer, assertion->id, message_id };
	const struct cache_name name = {
		.tenant = access->config->tenant, .kind = "xua", .parts = parts, .part_count = COUNT_OF(parts)
	};
	int64_t left_ms = (assertion->not_on_or_after_s + SKEW_S + 1) * MS_PER_S - now_ms;
	/* It cannot have been taken before the second in which it was issued. */
	int64_t issued_ms = assertion->issued_s * MS_PER_S;
	int64_t known_ms = now_ms > issued_ms ? now_ms - issued_ms : 0;
	bool certain = false;

	if (left_ms <= 0)
		return ASSERTED_UNSURE;
	if (!cache_first(access->cache, &name, (uint64_t)left_ms, (uint64_t)known_ms, &certain))
		return ASSERTED_REPLAYED;
	return certain ? ASSERTED_FRESH : ASSERTED_UNSURE;
}

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
