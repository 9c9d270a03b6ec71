/* Inside gateway/soap only: the header of a SOAP message as a tree, and the places where an assertion and its signature
 * must be. The Body is looked at for what must not be there, and not kept. */
#ifndef PASSERELLE_SAML_DOCUMENT_H
#define PASSERELLE_SAML_DOCUMENT_H

#include <libxml/tree.h>

#include "mappers/base/error.h"

#define SAML_ID_SIZE 129

struct saml_document {
	xmlDocPtr tree; /* Envelope and Header, without comments */
	xmlNodePtr assertion;
	xmlAttrPtr id_attribute;
	char id[SAML_ID_SIZE];
	xmlNodePtr signature; /* of the accepted shape; its KeyInfo has been taken out */
	bool has_security;
	bool no_memory;
	const char *why; /* set when something is wrong */
};

/* Reads a message. False, with why or no_memory, when it is not of the accepted shape; with has_security false when there is
 * no wsse:Security in it at all. Call saml_document_free in either case. */
bool saml_document_read(struct str message, struct saml_document *document) MUST_CHECK;
void saml_document_free(struct saml_document *document);

/* All text of an element in libxml2's memory (xmlFree), comments left out. */
xmlChar *saml_document_issuer(const struct saml_document *document);

#endif
