#include "gateway/access/authorize.h"

#include "gateway/access/challenge.h"

bool authorize(struct access *access, const struct caller *caller, const struct scope_need *need,
	       struct challenge *challenge)
{
	if (caller->kind == CALLER_ANONYMOUS || scope_opens(caller->scopes, caller->kind, need))
		return true;
	return challenge_scope(access, scope_wanted(need), challenge);
}
