/* The base rules of FHIR R4 over a tree: what every resource must obey before any profile. */
#ifndef PASSERELLE_FHIR_VALIDATE_H
#define PASSERELLE_FHIR_VALIDATE_H

#include <jansson.h>

#include "mappers/base/error.h"

/* Checks a resource with all that it contains: known elements, required elements, array or single, JSON type, lexical
 * form of primitives, one member of each choice, no empty object, array or string, null only as padding, an extension
 * has a value or extensions, contained resources hold an id and contain nothing (dom-2, dom-4, dom-5), narrative is
 * well-formed. Not checked: bindings, references, FHIRPath invariants. modifierExtension is allowed.
 * path   FHIRPath of the resource, "Bundle" or "Bundle.entry[2].resource"; NULL for its own type
 * Adds one issue per problem and goes on: ERR_BODY_MALFORMED (structure), ERR_VALUE_INVALID (lexical form),
 * ERR_METADATA_MISSING (required element). Returns false when it added one. */
bool fhir_validate(const json_t *resource, const char *path, struct outcome *outcome) MUST_CHECK;

#endif
