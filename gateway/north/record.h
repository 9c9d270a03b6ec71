/* What the corridor leaves in the audit: a request's trail begins before anything is looked at, and is durable before the
 * first byte of its answer leaves, for success and refusal alike. */
#ifndef PASSERELLE_RECORD_H
#define PASSERELLE_RECORD_H

#include "gateway/north/corridor.h"

/* The first step: begins the trail. False with ERR_UNRECORDED: nothing may be done, since nothing could be recorded. */
bool record_begin(struct fhir_request *request) MUST_CHECK;

/* Who was let in. Always true: it is a step. */
bool record_caller(struct fhir_request *request);

/* Makes the trail durable with the outcome as it stands; called before each way of answering. False: answer with
 * respond_error, and nothing of what was found; request->outcome then has ERR_UNRECORDED alone. */
bool record_commit(struct fhir_request *request) MUST_CHECK;

#endif
