/* Assertions about who asks, for back-ends that want to know: SAML 2.0 as XUA has it, signed by the gateway's own key,
 * one for each caller, patient, purpose and audience, and reused while it is valid. They never leave memory.
 * Source: ITI TF-2 3.40, XML Signature 1.1, exclusive canonicalization 1.0. */
#ifndef PASSERELLE_XUA_H
#define PASSERELLE_XUA_H

#include "mappers/base/arena.h"
#include "mappers/base/error.h"
#include "mappers/caller.h"

#define XUA_LIFETIME_S 300 /* of an assertion, unless the caller's token ends before */
#define XUA_MARGIN_S   30  /* before its end no call begins with it any more */

struct xua;

struct xua_options {
	const char *key_file; /* PEM: RSA of 2048 bits or more, or an elliptic curve of 256 or more; not encrypted */
	const char *certificate_file; /* PEM: the key's */
	struct str issuer;            /* copied */
};

/* NULL after an error: ERR_STORAGE, ERR_VALUE_INVALID, ERR_NO_MEMORY. signatures_start must have been called. */
struct xua *xua_open(const struct xua_options *options, struct outcome *outcome) MUST_CHECK;
void xua_close(struct xua *xua); /* wipes what is kept; NULL is allowed */

/* The assertion for this caller: text of saml2:Assertion, in the arena, to be sent byte for byte. Nobody is spoken for:
 * a caller of kind CALLER_ANONYMOUS gives an empty one. Any thread.
 * patient_id  CX of the patient that is asked about, or STR_NONE
 * audience    URI of the back-end or of its affinity domain
 * Errors: ERR_CODE_INVALID (a role or purpose of a code system without OID), ERR_TOKEN_EXPIRED, ERR_METADATA_INVALID (a
 * claim that XML cannot carry), ERR_INTERNAL, ERR_NO_MEMORY. */
bool xua_assertion(const struct xua *xua, const struct caller *caller, struct str patient_id, struct str audience,
		   struct arena *arena, struct str *assertion, struct outcome *outcome) MUST_CHECK;

/* The ID of an assertion that xua_assertion made, by which records here and there can be told to belong together; points
 * into it. STR_NONE for an empty one. */
struct str xua_assertion_id(struct str assertion);

#endif
