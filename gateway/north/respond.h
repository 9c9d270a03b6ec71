/* The end of the corridor: what was made is written in the format that the client asked for. */
#ifndef PASSERELLE_RESPOND_H
#define PASSERELLE_RESPOND_H

#include "gateway/north/corridor.h"

/* Answers with the resource in request->answer (or nothing) and request->status, or 304 when the client has it. */
void respond_resource(struct fhir_request *request);

/* Answers with the OperationOutcome of request->outcome and the status that goes with it; a stream that has begun is
 * broken. */
void respond_error(struct fhir_request *request);

/* Answers with an OperationOutcome of one issue, also before the corridor. */
void respond_refusal(struct http_exchange *exchange, const struct http_request *http, int status, enum error_code code,
		     const char *text);

/* True when the If-None-Match header names this tag (weak comparison, RFC 9110 13.1.2). */
bool none_match_names(const struct http_request *http, struct str etag);

#endif
