/* The way from an HTTP body to the text of a SOAP message. Private to this room. */
#ifndef PASSERELLE_SOAP_PACKAGE_H
#define PASSERELLE_SOAP_PACKAGE_H

#include "gateway/soap/soap_server.h"

#define SOAP_PARTS_MAX 1024

/* Reads the Content-Type and finds the root part: fills type, is_mtom and root. A package is read to its end, so that a
 * truncated one is refused before anything is done. Errors: ERR_MEDIA_TYPE, ERR_BODY_MALFORMED, ERR_TOO_LONG. */
bool soap_package_open(struct soap_request *request, uint64_t root_bytes_max, struct outcome *outcome) MUST_CHECK;

#endif
