/* The interactions of Access Consent [ITI-108] as HTTP has them: headers in, status and headers out. */
#ifndef PASSERELLE_EXCHANGE_CONSENT_H
#define PASSERELLE_EXCHANGE_CONSENT_H

#include "gateway/north/corridor.h"

/* Source: FHIR R4 http 3.1.0 (create, read and vread, update, delete). */
/* All routes about Consents. */
bool exchange_consent(struct fhir_request *request) MUST_CHECK;

#endif
