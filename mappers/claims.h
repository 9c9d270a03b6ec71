/* From the claims of a verified token (a JWT, or the answer of an introspection) to a caller. Pure: the time comes in.
 * Source: RFC 9068 2.2, RFC 7662 2.2, RFC 8705 3.1, IHE IUA 3.71 (extensions ihe_iua, ihe_bppc, ihe_pcf), SMART App
 * Launch 2.2. A known claim of another type than specified refuses the token; unknown ones are ignored. */
#ifndef PASSERELLE_CLAIMS_H
#define PASSERELLE_CLAIMS_H

#include <jansson.h>

#include "mappers/caller.h"

struct claim_rules {
	struct str issuer;       /* whose keys verified it, or who was asked: iss must equal it */
	struct str audience;     /* our name: aud must hold it, or the other one */
	struct str audience_too; /* STR_NONE: there is no other */
	struct str others_below; /* base URL below which others like us have theirs; STR_NONE: there are none */
	struct str base;         /* of this gateway's Patient resources, for SMART's "patient" */
	struct str tenant;       /* a token that names a tenant must name this one */
	int64_t now_s;           /* seconds since 1970 */
	int64_t skew_s;          /* by which clocks may differ */
	int64_t lifetime_max_s;  /* from iat to exp */
	bool is_introspected;    /* iss, iat and jti may be absent: who was asked has looked at them */
};

enum claims_end {
	CLAIMS_GOOD,
	CLAIMS_WRONG,     /* malformed, or not for us */
	CLAIMS_ELSEWHERE, /* good, but for another tenant */
	CLAIMS_EXPIRED,
	CLAIMS_LACKING, /* well-formed, but it does not say what must be known of such a caller */
	CLAIMS_NO_MEMORY
};

struct claims {
	struct caller caller;         /* address, certificate and the tenant's own parts are for others to fill */
	struct str bound_certificate; /* SHA-256 in hex of the client certificate that must come with it; or empty */
};

/* claims: the object; texts are copied into the arena. */
enum claims_end claims_read(const json_t *object, const struct claim_rules *rules, struct arena *arena,
			    struct claims *claims) MUST_CHECK;

#endif
