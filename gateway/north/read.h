/* The step that turns the body of a request into what its transaction takes. */
#ifndef PASSERELLE_READ_H
#define PASSERELLE_READ_H

#include "gateway/north/corridor.h"

/* Form and query for a search; for a publication the tree, with the documents beside it in spools of their own.
 * Errors: ERR_BODY_MALFORMED, ERR_MEDIA_TYPE, and those of fhir_body_read and of the spools. */
bool read_request(struct fhir_request *request) MUST_CHECK;

/* True when a Prefer header asks for this: "handling=strict", "return=minimal". RFC 7240 */
bool prefers(const struct http_request *http, struct str wanted);

/* False, with ERR_VERSION, for a write with If-None-Match: who writes only where nothing is yet must not change what is
 * there. RFC 9110 13.1.2 */
bool read_may_change(struct fhir_request *request) MUST_CHECK;

#endif
