#include "gateway/transactions/publication.h"

#include "gateway/transactions/submission_lookup.h"
#include "mappers/metadata_rim.h"

struct deadline publication_question_deadline(const struct transaction *t)
{
	uint64_t left = deadline_left_ms(t->south.deadline);

	return publications_may_wait(t) ? deadline_part(t->south.deadline, left / 2) : t->south.deadline;
}

struct deadline publication_send_deadline(const struct transaction *t)
{
	uint64_t left = deadline_left_ms(t->south.deadline);

	return publications_may_wait(t) ? deadline_part(t->south.deadline, left - left / 4) : t->south.deadline;
}

/* Sends the submission once. The answer of the repository, or in its stead that of the registry, decides. */
bool publication_send(const struct transaction *t, struct publication *publication)
{
	struct metadata *metadata = &publication->metadata;
	bool may_wait = publications_may_wait(t);
	struct south south = t->south;
	struct outcome sending = *t->outcome;
	struct rim_list objects;
	uint64_t left = deadline_left_ms(south.deadline);

	if (!metadata_to_rim(metadata, south.arena, &objects, t->outcome))
		return false;
	if (metadata->submission_set_count > 0)
		south.patient_id = metadata->submission_sets[0].patient_id;
	if (may_wait)
		south.deadline = publication_send_deadline(t);
	else if (left > 2 * SUBMISSION_ASK_TIME_MS)
		south.deadline = deadline_part(south.deadline, left - SUBMISSION_ASK_TIME_MS);
	switch (xds_provide(&south, &objects, publication->documents, metadata->document_entry_count, &sending)) {
	case SOAP_ANSWERED:
		*t->outcome = sending;
		return true;
	case SOAP_FAILED:
		if (submission_may_be_there(&sending) && submission_adopt(t, metadata) == SUBMISSION_SAME)
			return outcome_warn(t->outcome, ERR_DUPLICATE, "",
					    "This very submission was stored before; nothing was stored again.");
		*t->outcome = sending;
		return false;
	case SOAP_UNCLEAR:
		publication->is_unclear = true;
		break;
	}
	if (may_wait) {
		*t->outcome = sending;
		return false; /* whoever delivers it asks */
	}
	if (submission_adopt(t, metadata) == SUBMISSION_SAME)
		return outcome_warn(t->outcome, ERR_BACKEND_ANSWER, "",
				    "The back-end stored the submission but its answer was lost: any warnings of its "
				    "are not known.");
	*t->outcome = sending;
	outcome_inform(t->outcome, ERR_BACKEND_ANSWER, "",
		       "It is not certain whether the submission was stored. The same submission may be sent again: it "
		       "is never stored twice under the identifier of its SubmissionSet.");
	return false;
}
