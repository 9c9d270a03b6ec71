/* Writes the Bundle that answers ITI-65. Source: MHD 4.2.4 3.65.4.2, FHIR R4 3.1.0.11.2. */
#ifndef PASSERELLE_TRANSACTION_RESPONSE_H
#define PASSERELLE_TRANSACTION_RESPONSE_H

#include "mappers/provide_bundle.h"

struct json_writer;

struct transaction_answer {
	struct str location; /* "DocumentReference/{id}", "List/{id}", "Patient/{id}" or the ITI-68 URL of a Binary */
	struct str etag;     /* STR_NONE: left out */
};

/* One response entry per request entry, in order: 201 for POST, 200 for PATCH, PUT and GET.
 * answers        parallel to bundle->entries
 * last_modified  FHIR instant of the publication
 * warnings       go to the entry that their path names ("Bundle.entry[2]..."), the others to the SubmissionSet's */
void transaction_response_write(const struct provide_bundle *bundle, const struct transaction_answer *answers,
				struct str base, struct str last_modified, const struct outcome *warnings,
				struct json_writer *writer);

#endif
