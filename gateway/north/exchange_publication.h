/* Publications in the corridor: answered at once, or accepted and asked for later. Source: FHIR R4 async.html. */
#ifndef PASSERELLE_EXCHANGE_PUBLICATION_H
#define PASSERELLE_EXCHANGE_PUBLICATION_H

#include "gateway/north/corridor.h"

/* ITI-65, and all routes about what it accepted. */
bool exchange_publication(struct fhir_request *request) MUST_CHECK;

/* What goes on after the answer: 202, and where its end can be asked. */
void exchange_accepted(struct fhir_request *request, const struct provided *provided);

#endif
