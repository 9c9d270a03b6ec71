/* Scopes as granted in a token, against what a route needs. Pure text work.
 * Source: IHE IUA 3.71.4 (one scope per transaction), SMART App Launch 2.2 (scopes and launch context). */
#ifndef PASSERELLE_SCOPE_H
#define PASSERELLE_SCOPE_H

#include "mappers/caller.h"

/* What opens a route: a row of profiles/iua/scopes.def. */
struct scope_need {
	struct str ihe;   /* any of these, separated by blanks */
	struct str smart; /* alternatives separated by "|"; of one, every "Resource.letter" */
	bool is_open;     /* nothing is needed */
};

/* The kind of caller that these scopes are for: the narrowest class among them, patient before user before system; only
 * its scopes and IHE's count afterwards. CALLER_ANONYMOUS when no scope names a class. */
enum caller_kind scope_kind(struct str scopes);

/* True when scopes (separated by blanks), read as a caller of this kind, open what needs this. A scope with a query part
 * ("?category=...") opens nothing: the filter is not enforced here, and must not be ignored. */
bool scope_opens(struct str scopes, enum caller_kind kind, const struct scope_need *need);

/* The scope to ask for, for WWW-Authenticate: the first IHE scope, or the first permission. */
struct str scope_wanted(const struct scope_need *need);

/* Those of the wanted scopes that the granted ones cover: IHE's byte for byte, SMART's by class, resource and letters. In
 * the arena; data is NULL without memory. */
struct str scope_grant(struct str wanted, struct str granted, struct arena *arena);

/* True for scope-token characters and lengths as RFC 6749 3.3 and the gateway have them: at most 4 KiB, 200 scopes. */
bool scope_valid(struct str scopes);

#endif
