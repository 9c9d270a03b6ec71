/* What updates and deletions of a document share. */
#ifndef PASSERELLE_DOCUMENT_CHANGE_H
#define PASSERELLE_DOCUMENT_CHANGE_H

#include "gateway/south/update_client.h"
#include "gateway/transactions/resources.h"

/* A document that somebody wants to change, as it is registered and as it is read. */
struct present_document {
	const struct document_entry *entry;
	struct neighbourhood around; /* its associations */
	struct str etag;
};

/* Reads it, and sees to it that the caller may change it and means this version of it (If-Match; STR_NONE: whichever it is).
 * Errors: ERR_NOT_FOUND (also for who may not see it), ERR_FORBIDDEN, ERR_VERSION, those of the back-end. */
bool document_change_begin(const struct transaction *t, struct str id, struct str if_match,
			   struct present_document *present) MUST_CHECK;

/* A fresh urn:uuid:, in the arena; data is NULL without memory. */
struct str fresh_uuid(const struct transaction *t);

/* Sends a new version (changed; NULL: none) or a new status (STR_NONE: none) or both, as one ITI-57. On success *entry is
 * the entry as it is then, and etag its tag. */
bool document_change_send(const struct transaction *t, const struct present_document *present,
			  const struct document_entry *changed, struct str new_status, struct document_entry *entry,
			  struct str *etag) MUST_CHECK;

/* Sends a plan from its first step on; *done as in update_send. False with the issues of what was not done. */
bool document_change_apply(const struct transaction *t, const struct update_plan *plan, size_t *done) MUST_CHECK;

#endif
