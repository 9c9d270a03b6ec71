/* The mapping told in lines, for people: one per attribute that has a value, by walking the tables. */
#ifndef PASSERELLE_EXPLAIN_H
#define PASSERELLE_EXPLAIN_H

#include "mappers/base/buf.h"
#include "mappers/metadata.h"

enum explain_direction { EXPLAIN_FROM_FHIR, EXPLAIN_TO_FHIR };

/* Adds lines like
 *   XDSDocumentEntry.classCode <- DocumentReference.category[] Classification urn:uuid:41a5...: 11369-6^^2.16... "History"
 * to out; -> instead of <- for EXPLAIN_TO_FHIR. said: the same objects in the same order as the FHIR side alone gives
 * them, so that what was filled in is told as such; NULL when nothing was. Values are patient data: for a terminal,
 * never for a log. */
void metadata_explain(const struct metadata *metadata, const struct metadata *said, enum explain_direction direction,
		      struct buf *out);

#endif
