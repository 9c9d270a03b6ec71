/* The door of the corridor: what a request shows of its sender, taken from its HTTP message, and the two steps that ask
 * who it is and what they may do. */
#ifndef PASSERELLE_DOOR_H
#define PASSERELLE_DOOR_H

#include "gateway/north/corridor.h"

/* While only the headers are there, on a polling thread. QUICK_REFUSED: challenge says why, and the body need not be
 * read. */
enum quick door_quick(struct access *access, const struct http_request *http, const struct route_found *found,
		      struct challenge *challenge) MUST_CHECK;

/* Steps of the corridor. request->challenge and outcome say why not. */
bool door_authenticate(struct fhir_request *request) MUST_CHECK;
bool door_throttle(struct fhir_request *request) MUST_CHECK;
bool door_authorize(struct fhir_request *request) MUST_CHECK;

#endif
