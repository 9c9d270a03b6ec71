/* The tree to FHIR XML, by the table. Source: FHIR R4 xml.html. */
#ifndef PASSERELLE_FHIR_XML_WRITE_H
#define PASSERELLE_FHIR_XML_WRITE_H

#include <jansson.h>

#include "mappers/base/arena.h"
#include "mappers/base/buf.h"
#include "mappers/base/error.h"

/* Writes one resource to the end of out, elements in the order of the table, with an XML declaration. Decimals keep
 * their digits. Narrative is parsed and written anew, so that no string of a sender becomes markup unseen.
 * False with issues at their FHIRPath: ERR_BODY_MALFORMED for what is no FHIR (unknown elements, wrong JSON types,
 * narrative that is no XML, a document that was cut out), ERR_TOO_LONG or ERR_NO_MEMORY; out is then to be dropped. */
bool fhir_xml_write(const json_t *resource, struct buf *out, struct outcome *outcome) MUST_CHECK;

/* JSON text of one resource, as the writers of answers make it, to FHIR XML. The tree in between is freed with the
 * arena. */
bool fhir_xml_from_json(struct str json, struct arena *arena, struct buf *out, struct outcome *outcome) MUST_CHECK;

#endif
