/* Believes a SAML 2.0 assertion in the wsse:Security header of a SOAP message, or says why not. Strict, because the
 * attacks on it are well known: one assertion and one signature in the whole message, in their one place, of the one
 * shape and the few algorithms named below, by a certificate that is configured for its issuer; and what is read is
 * not the message but the very bytes that were signed. Knows nothing of what is asked. signatures_start must have been
 * called. Source: SAML 2.0 core, WS-Security SAML Token Profile 1.1, XML Signature 1.1, ITI TF-2 3.40.4.1.3.
 *
 * Accepted: one Reference to the assertion's ID with the transforms enveloped-signature and exclusive canonicalization
 * without comments (an InclusiveNamespaces list is allowed); digests SHA-256, -384, -512; RSA (PKCS #1 v1.5, 2048 bits or
 * more) and ECDSA with these. KeyInfo is thrown away unread. Confirmation: bearer. Conditions: times with 60 s of skew,
 * one AudienceRestriction, OneTimeUse; any other makes it unusable. Lifetime: at most a day.
 *
 * Replay: a bearer assertion has no other protection than who uses it. It may be used again while it is valid by the
 * peer (TLS certificate, else address) that used it first, each time with a new wsa:MessageID; from another peer, or
 * with a MessageID that came before, or a second time with OneTimeUse, it is refused. What was seen is remembered in
 * memory until the assertion ends, up to seen_max messages; when that is full new ones are refused. After a restart
 * nothing is remembered. */
#ifndef PASSERELLE_SAML_VERIFY_H
#define PASSERELLE_SAML_VERIFY_H

#include "mappers/saml_assertion.h"

#define SAML_SKEW_S 60

struct saml_verifier;

/* Several of one name: each of their certificates is good, so that keys can be changed. */
struct saml_issuer {
	struct str name;              /* as it stands in saml2:Issuer, byte for byte */
	const char *certificate_file; /* PEM: one certificate; refused outside its own time of validity */
};

struct saml_verifier_options {
	const struct saml_issuer *issuers;
	size_t issuer_count;
	const struct str
		*audiences; /* who this service is: one of them must be the audience, and a Recipient if named */
	size_t audience_count;
	size_t seen_max;
	const char *key; /* of the configuration, whose items the issuers are, for issues; NULL: none */
};

/* Names are borrowed. NULL after an error: ERR_STORAGE, ERR_VALUE_INVALID, ERR_NO_MEMORY. */
struct saml_verifier *saml_verifier_open(const struct saml_verifier_options *options,
					 struct outcome *outcome) MUST_CHECK;
void saml_verifier_close(struct saml_verifier *verifier); /* NULL is allowed */

struct saml_presented {
	struct str message;    /* the whole SOAP envelope, as it came */
	struct str message_id; /* its wsa:MessageID */
	struct str peer;       /* who sent it: the certificate's SHA-256, or the address */
	int64_t now_s;
	struct arena *arena;
};

enum saml_end {
	SAML_GOOD,
	SAML_ABSENT,    /* there is no wsse:Security header in it */
	SAML_MALFORMED, /* the header is not what is accepted here: wsse:InvalidSecurity */
	SAML_UNTRUSTED, /* signature, issuer, time, audience, replay: wsse:FailedAuthentication */
	SAML_BUSY       /* out of memory, or of places to remember it */
};

/* Fills assertion (in the arena) when it is good. why is for the log, without anything from the message. Any thread. */
enum saml_end saml_verify(struct saml_verifier *verifier, const struct saml_presented *presented,
			  struct saml_assertion *assertion, const char **why) MUST_CHECK;

#endif
