/* rs:RegistryResponse and its error list, which AdhocQueryResponse and RetrieveDocumentSetResponse share.
 * Source: ITI TF-3 4.2.4, OASIS ebRS 3.0 rs.xsd. */
#ifndef PASSERELLE_REGISTRY_RESPONSE_H
#define PASSERELLE_REGISTRY_RESPONSE_H

#include "mappers/xml_writer.h"

/* UNKNOWN: the attribute is missing or says something else. */
enum registry_status { REGISTRY_SUCCESS, REGISTRY_PARTIAL_SUCCESS, REGISTRY_FAILURE, REGISTRY_STATUS_UNKNOWN };

struct registry_error {
	struct str code;     /* XDSUnknownPatientId */
	struct str context;  /* codeContext */
	struct str location; /* may be absent */
	enum severity severity;
};

struct registry_response {
	enum registry_status status;
	struct registry_error *errors; /* warnings among them */
	size_t error_count;
};

/* Both spellings of PartialSuccess are read; ...:Warning, which some send, is Success. */
enum registry_status registry_status_read(struct str urn);

/* Writes rs:RegistryResponse with its namespace declared. */
void registry_response_write(struct xml_writer *writer, const struct registry_response *response);

/* The attribute status and the RegistryErrorList (when there is one), for an element that extends RegistryResponse and
 * has just been begun; declares the prefix rs. */
void registry_response_write_inside(struct xml_writer *writer, const struct registry_response *response);

/* Brings the errors and warnings of an answer into outcome, each with its XDS code, the first line of its context, and
 * its location when that is the id of an object. Failure without a list becomes
 * XDSRegistryError; Success or an unknown status with an Error in the list counts as failure.
 * Returns true for Success, and for PartialSuccess, whose errors become warnings: the caller has what was returned. */
bool registry_response_check(const struct registry_response *response, struct outcome *outcome) MUST_CHECK;

#endif
