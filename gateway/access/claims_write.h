/* Inside gateway/access only: the claims of a token of our own (RFC 9068, IHE IUA 3.71), signed. */
#ifndef PASSERELLE_CLAIMS_WRITE_H
#define PASSERELLE_CLAIMS_WRITE_H

#include "gateway/access/keys.h"
#include "mappers/metadata.h"

/* Empty members are left out. */
struct claims_text {
	struct str issuer;
	struct str subject;
	struct str client_id;
	struct str audience;
	struct str scopes;
	int64_t issued_s;
	int64_t expires_s;
	struct str name;
	struct str organization;
	struct str organization_id; /* URI */
	struct code role;           /* scheme: a URI */
	const struct codes *roles;  /* instead of role; schemes as in struct code; NULL: none */
	struct str purpose;         /* of v3-ActReason */
	struct str person_id;
	struct str tenant;
	struct str reason;
};

/* The token ("at+jwt"), with a jti of its own, in the arena; data is NULL without memory. */
struct str claims_sign(const struct claims_text *claims, const struct signing_key *key, struct arena *arena);

#endif
