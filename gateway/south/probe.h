/* Questions that change nothing, for `passerelle check`. */
#ifndef PASSERELLE_PROBE_H
#define PASSERELLE_PROBE_H

#include "gateway/south/soap_client.h"

/* A stored query (ITI-18, or ITI-38 of a community) for a document that does not exist: the registry must answer, and
 * answer Success. */
bool probe_registry(const struct south *south, struct outcome *outcome) MUST_CHECK;

/* A retrieve (ITI-43, or ITI-39 of a community, whichever repository is named) of a document that does not exist: the
 * answer must be in XDS terms, if only to refuse. */
bool probe_repository(const struct south *south, const struct backend_repository *repository,
		      struct outcome *outcome) MUST_CHECK;

/* An HTTP GET: whatever the answer, something serves HTTP there. A publication cannot be tried without publishing. status
 * is that of the answer. */
bool probe_address(const struct south *south, const char *url, long *status, struct outcome *outcome) MUST_CHECK;

#endif
