/* What updates and deletions of a document share. */
#ifndef PASSERELLE_DOCUMENT_CHANGE_H
#define PASSERELLE_DOCUMENT_CHANGE_H

#include "gateway/south/update_client.h"
#include "gateway/transactions/copies.h"
#include "gateway/transactions/document_waiting.h"
#include "gateway/transactions/publications.h"
#include "gateway/transactions/resources.h"
#include "mappers/publication_parts.h"

/* A document that somebody wants to change, as it is registered, or as it will be when all that waits is. */
struct present_document {
	const struct document_entry *entry;
	struct neighbourhood around; /* its associations */
	struct str etag;
	struct document_waiting waiting; /* what of it waits */
	bool is_remembered;              /* its registry did not answer: entry is what it had when it was last read */
	bool is_undecided;               /* nobody can tell now what it is, or will be then: see change_request.h */
	struct str urn;         /* its logicalID; or, undecided and named by a copy, its name (publication_target.h) */
	struct str if_match;    /* the header, as it stands for the first source; data NULL: whichever it is */
	struct copy_meant copy; /* by which it was named; copy.copy NULL: by its own id */
};

/* Reads it, and sees to it that the caller may change it and means this version of it (If-Match; STR_NONE: whichever it is).
 * Where changes may wait it may stay undecided, and of entry and etag there is nothing then.
 * Errors: ERR_NOT_FOUND (also for who may not see it), ERR_FORBIDDEN, ERR_VERSION, those of the back-end. */
bool document_change_begin(const struct transaction *t, struct str id, struct str if_match,
			   struct present_document *present) MUST_CHECK;

/* The same for the document of a request that waited, of t's source: nothing stays undecided. */
bool document_change_look(const struct transaction *t, const struct publication_request *request,
			  struct present_document *present) MUST_CHECK;

/* A change that is worked out. */
struct intended_change {
	struct publication_change change;
	struct document_entry entry; /* as it shall be; of a removal: as it is */
	struct str etag;             /* of it */
	struct submission_set set;   /* of the change; what the registry must be asked for is not in there yet */
	bool respond_async;
	bool is_nothing; /* it is so already */
	bool is_unidentified; /* with false: who asks for it names the patient by what only others can tell, and they do not */
	bool is_unclear; /* it was sent, and nobody said how that ended */
	struct str rest; /* of a removal: the item that the outbox has announced of its bytes; data NULL: none */
};

/* A new version (changed; NULL: none) or a new status (STR_NONE: none) or both. */
bool document_change_make(const struct transaction *t, const struct present_document *present,
			  const struct document_entry *changed, struct str new_status,
			  struct intended_change *intended) MUST_CHECK;
bool document_removal_make(const struct transaction *t, const struct present_document *present,
			   struct intended_change *intended) MUST_CHECK;

/* Does it: at once where nothing stands before it and the back-end takes it, otherwise, where that is allowed, later.
 * answer: in, what the client gets when it is done, also then; out, for what waits: what it gets now. */
bool document_change_do(const struct transaction *t, const struct present_document *present,
			struct intended_change *intended, struct provided *provided, struct buf *answer) MUST_CHECK;

#endif
