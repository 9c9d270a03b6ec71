/* Changing and removing what is registered, as a client of XDS: sends the messages of a plan and finds out what became of
 * them. Source: ITI TF-2 3.57, 3.62, 3.86. */
#ifndef PASSERELLE_UPDATE_CLIENT_H
#define PASSERELLE_UPDATE_CLIENT_H

#include "gateway/south/soap_client.h"
#include "mappers/update_plan.h"

/* What a back-end offers: ITI-57, ITI-62, and ITI-86 of this repository. */
bool update_offered(const struct backend *backend, enum update_kind kind, struct str repository_unique_id);

/* Whether documents of this repository are removed whole there: their metadata and then their bytes. Of one that waits nobody
 * has said in which repository it will be (empty): whether any offers it. */
bool removal_offered(const struct backend *backend, struct str repository_unique_id);

/* Sends the steps of a plan from *done on, each once and only after the one before it. A plan may be sent again, also
 * whole: a step whose end is not clear, or that is refused in words that fit what was done before, is looked up in the
 * registry, and counts as done when it is there (or when what it removes is gone).
 * done     in: 0, or what a former call said; out: how many steps are done now
 * Returns SOAP_ANSWERED when all are. SOAP_FAILED: step *done was refused (its errors are in outcome: ERR_VERSION when
 * there is a newer version) or never reached anybody; nothing of it was done. SOAP_UNCLEAR: nobody can tell now.
 * Errors besides: ERR_NOT_SUPPORTED, what the back-end does not offer. */
enum soap_end update_send(const struct update_plan *plan, const struct south *south, size_t *done,
			  struct outcome *outcome) MUST_CHECK;

#endif
