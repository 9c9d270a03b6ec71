/* FHIRPath Patch over the tree of a resource: a Parameters resource whose operations name one element each by a path of
 * element names with [index], "DocumentReference.content[0].attachment.title". Functions of FHIRPath (where(), first())
 * and values of types that Parameters cannot hold (elements of the resource's own) are refused.
 * Source: FHIR R4 fhirpatch.html. */
#ifndef PASSERELLE_FHIR_PATCH_H
#define PASSERELLE_FHIR_PATCH_H

#include <jansson.h>

#include "mappers/base/error.h"

/* Applies the operations to a resource of a known type, in their order; after a failure the tree is of no use. Whether the
 * result is a good resource is for fhir_validate to say. parameters: R4-valid. Bounds are those of json_patch.h.
 * Errors: ERR_BODY_MALFORMED (no patch), ERR_RULE (there is no such place, or not one), ERR_NOT_SUPPORTED,
 * ERR_TOO_COSTLY, ERR_NO_MEMORY. */
bool fhir_patch_apply(json_t *resource, const json_t *parameters, struct outcome *outcome) MUST_CHECK;

/* False for what no resource could be patched by: for who does not have the resource yet. parameters: R4-valid. Errors:
 * ERR_BODY_MALFORMED, ERR_TOO_COSTLY. */
bool fhir_patch_check(const json_t *parameters, struct outcome *outcome) MUST_CHECK;

#endif
