/* Update, patch and delete of a DocumentReference as HTTP has them: headers in, status and headers out. */
#ifndef PASSERELLE_EXCHANGE_DOCUMENT_H
#define PASSERELLE_EXCHANGE_DOCUMENT_H

#include "gateway/north/corridor.h"

/* Source: FHIR R4 http 3.1.0 (update, patch, delete; If-Match, Prefer). */
bool exchange_document_change(struct fhir_request *request) MUST_CHECK;
bool exchange_document_delete(struct fhir_request *request) MUST_CHECK;

#endif
