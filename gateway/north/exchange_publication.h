/* Publications in the corridor: answered at once, or accepted and asked for later. Source: FHIR R4 async.html. */
#ifndef PASSERELLE_EXCHANGE_PUBLICATION_H
#define PASSERELLE_EXCHANGE_PUBLICATION_H

#include "gateway/north/corridor.h"

/* ITI-65, and all routes about what it accepted. */
bool exchange_publication(struct fhir_request *request) MUST_CHECK;

#endif
