/* What the caller may ask for: the scopes that were granted against what a route needs. About whom, and what is seen of
 * the answer, is for consent.h to say. Source: IHE IUA 3.71, SMART App Launch 2.2. */
#ifndef PASSERELLE_AUTHORIZE_H
#define PASSERELLE_AUTHORIZE_H

#include "gateway/access/authenticate.h"
#include "mappers/scope.h"

/* True when the caller's scopes open the route; otherwise challenge says which scope would (403). An anonymous caller,
 * who is here only where the configuration serves such, may ask for everything. */
bool authorize(struct access *access, const struct caller *caller, const struct scope_need *need,
	       struct challenge *challenge) MUST_CHECK;

/* What patients lay down and what is recorded of them: for patients (their own alone, which the visit holds), for those
 * whom a list of the configuration names by a role (code, or system|code) or as a machine by client:ID, and for the
 * anonymous, who are here only where the configuration serves such. */
bool caller_is_entitled(const struct caller *caller, const struct config_strs *list) MUST_CHECK;

#endif
