#include "gateway/access/authorize.h"

#include "gateway/access/challenge.h"
#include "mappers/consent_rule.h"

bool authorize(struct access *access, const struct caller *caller, const struct scope_need *need,
	       struct challenge *challenge)
{
	if (caller->kind == CALLER_ANONYMOUS || scope_opens(caller->scopes, caller->kind, need))
		return true;
	return challenge_scope(access, scope_wanted(need), challenge);
}

/* A person may use the client of a machine that is listed, and is not that machine. */
static bool is_named_by(const struct caller *caller, struct str listed)
{
	const struct str prefix = STR("client:");

	if (!str_starts_with(listed, prefix))
		return consent_has_role(caller, listed);
	return caller->kind == CALLER_SYSTEM && str_equal(str_from(listed, prefix.size), caller->client_id);
}

bool caller_is_entitled(const struct caller *caller, const struct config_strs *list)
{
	if (caller->kind == CALLER_PATIENT || caller->kind == CALLER_ANONYMOUS)
		return true;
	for (size_t i = 0; i < list->count; i++) {
		if (is_named_by(caller, list->items[i]))
			return true;
	}
	return false;
}
