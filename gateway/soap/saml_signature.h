/* Inside gateway/soap only: the one shape of signature that is accepted, checked before xmlsec sees it. */
#ifndef PASSERELLE_SAML_SIGNATURE_H
#define PASSERELLE_SAML_SIGNATURE_H

#include <libxml/tree.h>
#include <xmlsec/xmlsec.h>

#include <xmlsec/keys.h>

#include "mappers/base/arena.h"

/* The ds:Signature of an assertion: its second child, behind Issuer, with exactly the elements, attributes and
 * algorithms that are accepted (saml_verify.h) and a Reference to this id. Takes its KeyInfo out. NULL, with why. */
xmlNodePtr saml_signature_find(xmlNodePtr assertion, const char *id, const char **why);

enum saml_signature_end { SIGNATURE_GOOD, SIGNATURE_BAD, SIGNATURE_NO_MEMORY };

/* Verifies it with this key, and gives the bytes that were digested, in the arena. The tree's only registered ID must
 * be the assertion's. */
enum saml_signature_end saml_signature_verify(xmlNodePtr signature, xmlSecKeyPtr key, struct arena *arena,
					      struct str *signed_bytes) MUST_CHECK;

#endif
