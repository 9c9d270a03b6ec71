/* What stands beside the FHIR face for those who want a token: documents that say where tokens come from, and the token
 * endpoint. Plain JSON, no FHIR. */
#ifndef PASSERELLE_TOKEN_FACE_H
#define PASSERELLE_TOKEN_FACE_H

#include "gateway/north/corridor.h"

/* The documents of discovery.h, by the request's route. False with ERR_NOT_FOUND when the gateway has no token endpoint
 * to speak of. */
bool token_documents(struct fhir_request *request) MUST_CHECK;

/* The token endpoint: an answer of RFC 6749 5.1 or 5.2, whatever happens. Its trail is the client's when a token was
 * given; who got none is counted like any stranger. False as above. */
bool token_issue(struct fhir_request *request) MUST_CHECK;

#endif
