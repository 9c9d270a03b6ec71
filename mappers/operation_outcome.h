/* Our outcome as a FHIR OperationOutcome. Source: FHIR R4 operationoutcome.html. */
#ifndef PASSERELLE_OPERATION_OUTCOME_H
#define PASSERELLE_OPERATION_OUTCOME_H

#include "mappers/base/error.h"

struct json_writer;

/* Coding.system of our own codes ("ERR_METADATA_MISSING") and of the registry's ("XDSUnknownPatientId"). */
#define PASSERELLE_ERROR_SYSTEM "urn:passerelle:error"
#define XDS_ERROR_SYSTEM        "urn:passerelle:xds-error"

/* Writes one complete OperationOutcome object: per issue severity, code, details.coding (the registry's code first, when
 * there is one, then ours), diagnostics (the sentence) and expression (the path, when there is one). An outcome without
 * issues says that all is well, since FHIR wants at least one issue; issues that were lost are counted in a last one. */
void operation_outcome_write(const struct outcome *outcome, struct json_writer *writer);

#endif
