/* Looks over the bytes of an XML text before libxml2 sees them, in one linear pass: what would make the parser slow or
 * open a door never reaches it. Refused: other encodings than UTF-8, DOCTYPE and with it every entity of one's own,
 * and what goes past the limits (100,000 attributes on one element cost libxml2 2.9 21 s). This is no parser:
 * well-formedness stays libxml2's business. */
#ifndef PASSERELLE_XML_GUARD_H
#define PASSERELLE_XML_GUARD_H

#include "mappers/base/error.h"

struct xml_limits {
	size_t depth_max;           /* kept by xml_sax.c, not by the guard */
	size_t attributes_max;      /* of one element, namespace declarations among them */
	size_t attribute_bytes_max; /* one value */
	size_t tag_bytes_max;       /* one start tag with everything in it */
	size_t elements_max;        /* likewise */
};

/* What XDS messages need: depth 64, 256 attributes, 64 KiB a value, 256 KiB a tag, 4 million elements. */
extern const struct xml_limits xml_limits_default;

/* False with one issue ERR_BODY_MALFORMED (or ERR_TOO_LONG for a limit). Needs no memory. */
bool xml_guard(struct str xml, const struct xml_limits *limits, struct outcome *outcome) MUST_CHECK;

#endif
