/* The lexical forms of FHIR's primitive types. Source: FHIR R4 datatypes.html#primitive (the regular expressions). */
#ifndef PASSERELLE_FHIR_PRIMITIVE_H
#define PASSERELLE_FHIR_PRIMITIVE_H

#include "mappers/base/str.h"
#include "mappers/fhir_table.h"

/* True when text is one value of the primitive. Beyond the expressions: days must be in the calendar, integers fit into
 * 32 bits, base64 is strict. */
bool fhir_primitive_valid(enum fhir_kind kind, struct str text) MUST_CHECK;

/* What to write instead, as a sentence. */
const char *fhir_primitive_advice(enum fhir_kind kind);

#endif
