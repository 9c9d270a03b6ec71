/* A SAML 2.0 assertion as XUA has it: who asks, for what purpose, about which patient. Written from a caller and read
 * back into one; signing and verifying are none of its business. Source: ITI TF-2 3.40.4.1.2, SAML 2.0 core 2, XSPA
 * profile of SAML 1.0. */
#ifndef PASSERELLE_SAML_ASSERTION_H
#define PASSERELLE_SAML_ASSERTION_H

#include "mappers/caller.h"
#include "mappers/xml_writer.h"

#define NS_SAML     "urn:oasis:names:tc:SAML:2.0:assertion"
#define NS_DSIG     "http://www.w3.org/2000/09/xmldsig#"
#define NS_WSSE     "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
#define SAML_BEARER "urn:oasis:names:tc:SAML:2.0:cm:bearer"

/* Times are seconds since 1970. What it says of the person is in caller: subject, name, organization, organization_id,
 * roles, purpose, provider_id, home_community_id, authentication, authenticated_s, reason (originalText of the purpose,
 * where HL7 V3 has what a person wrote); after reading also issuer (that of the assertion), token_id (its ID), expires_s,
 * is_asserted, and kind: a user where a name or a role is given, a system otherwise. */
struct saml_assertion {
	struct str id; /* an NCName */
	struct str issuer;
	int64_t issued_s;
	int64_t not_before_s;
	int64_t not_on_or_after_s;
	struct strs audiences;     /* one of them must be the reader */
	bool one_time_use;         /* reading only */
	struct str recipient;      /* of the bearer confirmation; reading only, empty: not said */
	int64_t confirmed_from_s;  /* likewise; 0: not said */
	int64_t confirmed_until_s; /* likewise */
	struct str patient_id;     /* CX of the resource-id; may be empty */
	struct caller caller;
};

/* Whether all codes can be said in SAML, where a code system is an OID. Errors: ERR_CODE_INVALID. */
bool saml_assertion_check(const struct saml_assertion *assertion, struct outcome *outcome) MUST_CHECK;

/* Writes saml2:Assertion with all its namespaces on itself, so that it can stand anywhere. signature: the ds:Signature
 * element, which goes behind Issuer. NameID is the caller's subject, or client_id when there is none. */
void saml_assertion_write(struct xml_writer *writer, const struct saml_assertion *assertion, struct str signature);

/* Reads an assertion whose signature has been verified and taken out: what was signed, byte for byte. Strict: a condition,
 * statement or confirmation that is not understood makes it unusable (core 2.5.1.1), as do a second NameID,
 * confirmation, audience restriction, purpose or attribute of the same name. Attributes of other names are passed over.
 * Text is all text of an element, whatever comments stood in between. False with one issue: ERR_CREDENTIALS, or
 * ERR_NO_MEMORY. */
bool saml_assertion_read(struct str xml, struct arena *arena, struct saml_assertion *assertion,
			 struct outcome *outcome) MUST_CHECK;

#endif
