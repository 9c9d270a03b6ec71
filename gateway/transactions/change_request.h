/* A change of a document that nobody can decide about now: its registry does not answer and it is not known here, or
 * earlier requests about it are undecided themselves. The request is kept as it came, and promises nothing; when the
 * registry can be asked, it is worked out in the name of who sent it, by the rules of that moment, and what it comes to
 * waits like every change (change_accept.h). */
#ifndef PASSERELLE_CHANGE_REQUEST_H
#define PASSERELLE_CHANGE_REQUEST_H

#include "gateway/transactions/change_accept.h"
#include "gateway/transactions/change_document.h"

/* Puts it into the outbox: durable when this returns true. body: the resource or patch, an object or array; NULL for a
 * deletion. answer and provided as for what waits. Errors: ERR_VERSION (an If-Match that no version has), those of
 * change_accept. */
bool change_request_accept(const struct transaction *t, const struct publication_request *request, const json_t *body,
			   struct provided *provided, struct buf *answer) MUST_CHECK;

/* For delivery_options.work_out; work_ctx: struct gateway. Who may not see the document is refused as if there were none. */
enum delivery_worked change_request_work_out(void *work_ctx, struct delivery_work *work);

/* What a change makes of the document that is present. answer: what the client gets when it is done. */
bool document_update_make(const struct transaction *t, const struct present_document *present,
			  const struct document_change *change, struct intended_change *intended,
			  struct buf *answer) MUST_CHECK;
/* One that still waits is taken back: then there is nothing left to do, too. */
bool document_deletion_make(const struct transaction *t, const struct present_document *present,
			    struct intended_change *intended, struct buf *answer) MUST_CHECK;

/* The answer to an update that changes nothing; what it says may wait itself: then provided says where. */
bool document_update_repeated(const struct transaction *t, const struct present_document *present,
			      struct provided *provided, struct buf *answer) MUST_CHECK;

#endif
