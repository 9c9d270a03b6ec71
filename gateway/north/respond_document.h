/* ITI-68's answer: the document itself, not a FHIR resource. Source: MHD 4.2.4 3.68.4.1.3, 3.68.4.2. */
#ifndef PASSERELLE_RESPOND_DOCUMENT_H
#define PASSERELLE_RESPOND_DOCUMENT_H

#include "gateway/north/corridor.h"

/* Runs the retrieve and answers as the document comes; request->answered is then set. False: request->outcome has the
 * error, and a stream that has begun is to be broken. */
bool respond_document(struct fhir_request *request) MUST_CHECK;

#endif
