/* What the tests of the reader of XDS messages share: small fictional messages. */
#ifndef PASSERELLE_TESTS_MESSAGE_STAND_H
#define PASSERELLE_TESTS_MESSAGE_STAND_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mappers/base/arena.h"

#define RIM    "xmlns:rim=\"urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0\""
#define LCM    "xmlns:lcm=\"urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0\""
#define QUERY  "xmlns:q=\"urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0\""
#define XDS    "xmlns:xds=\"urn:ihe:iti:xds-b:2007\""
#define XOP    "xmlns:xop=\"http://www.w3.org/2004/08/xop/include\""
#define SOAP12 "xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\""
#define SUBMIT(objects)                                                                                          \
	"<lcm:SubmitObjectsRequest " LCM " " RIM "><rim:RegistryObjectList>" objects "</rim:RegistryObjectList>" \
	"</lcm:SubmitObjectsRequest>"

static inline int setup(void **state)
{
	*state = arena_new(64 << 20);
	return *state ? 0 : -1;
}

static inline int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

#define PROVIDE(documents)                                                        \
	"<xds:ProvideAndRegisterDocumentSetRequest " XDS ">" SUBMIT("") documents \
		"</xds:ProvideAndRegisterDocumentSetRequest>"

#endif
