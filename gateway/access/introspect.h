/* Inside gateway/access only: asks an issuer about a token that says nothing by itself. Source: RFC 7662, IHE IUA ITI-102. */
#ifndef PASSERELLE_INTROSPECT_H
#define PASSERELLE_INTROSPECT_H

#include "gateway/access/trust.h"

enum introspected {
	INTROSPECT_ACTIVE,   /* answer holds the claims */
	INTROSPECT_INACTIVE, /* the issuer does not know the token, or not any more */
	INTROSPECT_AWAY      /* no answer, or one that is none */
};

/* answer is in south->arena. */
enum introspected introspect(const struct issuer *issuer, struct str token, const struct south *south,
			     json_t **answer) MUST_CHECK;

#endif
