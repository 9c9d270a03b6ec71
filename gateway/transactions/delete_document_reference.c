/* Deletion of a DocumentReference, as far as the configuration lets it go: the document is deprecated [ITI-57], or its
 * metadata are removed [ITI-62] and then its bytes [ITI-86]. One that still waits is taken back.
 * Source: FHIR R4 http delete, ITI TF-2 3.57, 3.62, 3.86. */
#include "gateway/transactions/change_request.h"
#include "mappers/json_writer.h"
#include "mappers/metadata_rim.h"
#include "mappers/operation_outcome.h"

/* What is answered when a deletion that waited is done. */
static bool answer_write(const struct transaction *t, struct buf *answer)
{
	struct outcome outcome;
	struct json_writer writer;

	outcome_init(&outcome);
	outcome_inform(&outcome, ERR_NONE, "", "The document is deleted.");
	json_writer_init(&writer, answer);
	operation_outcome_write(&outcome, &writer);
	return json_writer_finish(&writer, t->outcome);
}

bool document_deletion_make(const struct transaction *t, const struct present_document *present,
			    struct intended_change *intended, struct buf *answer)
{
	bool removes = t->gateway->config->publication_delete == CONFIG_DELETE_REMOVE &&
		       removal_offered(&t->source->backend, present->entry->repository_unique_id);

	*intended = (struct intended_change) { .is_nothing = true };
	if (!answer_write(t, answer))
		return false;
	if (document_waiting_withdraw(t, &present->waiting) ||
	    (!removes && status_is_deprecated(present->entry->availability_status)))
		return true;
	return removes ? document_removal_make(t, present, intended)
		       : document_change_make(t, present, NULL, STR(STATUS_DEPRECATED), intended);
}

bool delete_document_reference(const struct transaction *t, struct str id, const struct document_wish *wish,
			       struct provided *provided, struct buf *answer)
{
	struct present_document present;
	struct intended_change intended;

	*provided = (struct provided) { 0 };
	if (!document_change_begin(t, id, wish->if_match, &present))
		return false;
	if (present.is_undecided) {
		struct publication_request request = {
			.wish = WISH_DELETE, .id = id, .urn = present.urn, .if_match = present.if_match
		};

		if (present.copy.copy)
			request.hash = present.copy.copy->hash;
		return change_request_accept(t, &request, NULL, provided, answer);
	}
	if (!document_deletion_make(t, &present, &intended, answer))
		return false;
	intended.respond_async = wish->respond_async;
	if (!intended.is_nothing && !document_change_do(t, &present, &intended, provided, answer))
		return false;
	if (!provided->status_url.data)
		buf_clear(answer);
	return true;
}
