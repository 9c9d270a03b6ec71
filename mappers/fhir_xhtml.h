/* Narrative.div: XML inside a string. Parsed and written anew in one form, or refused; its meaning is left alone and
 * nothing here shows it to anybody. Source: FHIR R4 narrative.html#xhtml. */
#ifndef PASSERELLE_FHIR_XHTML_H
#define PASSERELLE_FHIR_XHTML_H

#include "mappers/base/buf.h"
#include "mappers/base/error.h"

/* Writes the div to the end of out: xhtml as the default namespace, no declaration, no comments, no CDATA.
 * path   FHIRPath for issues
 * False with ERR_BODY_MALFORMED when it is not one well-formed <div> of xhtml alone, ERR_TOO_LONG, ERR_NO_MEMORY. */
bool fhir_xhtml_write(struct str div, const char *path, struct buf *out, struct outcome *outcome) MUST_CHECK;

#endif
