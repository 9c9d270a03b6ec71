/* Who asks from another community: from what a verified assertion says of them to a caller whom this gateway serves. The
 * assertion's issuer is believed about the person; whether that person may come is decided here, and what they see by
 * consent. Source: ITI TF-2 3.40. */
#ifndef PASSERELLE_ASSERTED_H
#define PASSERELLE_ASSERTED_H

#include "gateway/access/access.h"
#include "mappers/saml_assertion.h"

enum asserted_use {
	ASSERTED_FRESH,
	ASSERTED_REPLAYED, /* this message came before, through whichever gateway */
	ASSERTED_UNSURE    /* nobody can say, of an assertion from before what gateways share was lost, or this start */
};

/* Begins to remember which messages came: from now on, not only from the first message on, ASSERTED_FRESH can be said of
 * assertions that are made. Without a cache that answers now, the first message begins it. */
void asserted_begin(const struct access *access);

/* Whether a message with this assertion came before to any gateway that shares the cache; from now on it has. now_ms:
 * milliseconds since 1970. What one gateway has seen itself is saml_verify.h's to say. */
enum asserted_use asserted_use(const struct access *access, const struct saml_assertion *assertion,
			       struct str message_id, int64_t now_ms) MUST_CHECK;

/* Makes caller, as it was read, one of this gateway: its tenant, whom it is bound to (patient_id, the resource-id, as CX;
 * or empty), and a patient when a role says so (community.patient_roles), about the one record that must then be named.
 * False, with ERR_FORBIDDEN, for who has no role that is served (community.roles). */
bool asserted_admit(const struct access *access, struct str patient_id, struct caller *caller,
		    struct outcome *outcome) MUST_CHECK;

#endif
