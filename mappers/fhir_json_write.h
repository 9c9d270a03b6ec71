/* The tree to JSON text, numbers as they came. */
#ifndef PASSERELLE_FHIR_JSON_WRITE_H
#define PASSERELLE_FHIR_JSON_WRITE_H

#include <jansson.h>

#include "mappers/base/buf.h"
#include "mappers/base/error.h"

/* Writes value, compact, members in their order, to the end of out. False with ERR_TOO_LONG or ERR_NO_MEMORY, or
 * ERR_INTERNAL when value holds a document that was cut out or nests deeper than a body may. */
bool fhir_json_write(const json_t *value, struct buf *out, struct outcome *outcome) MUST_CHECK;

#endif
