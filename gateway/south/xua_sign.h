/* Inside gateway/south only: the key, and what xmlsec does with it. */
#ifndef PASSERELLE_XUA_SIGN_H
#define PASSERELLE_XUA_SIGN_H

#include "mappers/saml_assertion.h"

struct xua_signer;

/* From the texts of PEM files. NULL after an error: ERR_VALUE_INVALID, ERR_NO_MEMORY. */
struct xua_signer *xua_signer_new(struct str key, struct str certificate, struct outcome *outcome) MUST_CHECK;
void xua_signer_free(struct xua_signer *signer); /* NULL is allowed */

/* Writes the assertion and its signature to the end of text. Any thread. */
bool xua_sign(const struct xua_signer *signer, const struct saml_assertion *assertion, struct buf *text,
	      struct outcome *outcome) MUST_CHECK;

#endif
