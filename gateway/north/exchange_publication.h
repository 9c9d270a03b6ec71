/* Publications in the corridor: answered at once, or accepted and asked for later. Source: FHIR R4 async.html. */
#ifndef PASSERELLE_EXCHANGE_PUBLICATION_H
#define PASSERELLE_EXCHANGE_PUBLICATION_H

#include "gateway/north/corridor.h"

bool exchange_provide(struct fhir_request *request) MUST_CHECK;
bool exchange_publication_status(struct fhir_request *request) MUST_CHECK;
bool exchange_publication_withdraw(struct fhir_request *request) MUST_CHECK;

#endif
