/* What became of a publication that was answered 202, and taking it back. Source: FHIR R4 async.html: 202 while it is
 * not known, then the answer it would have had; DELETE ends it, and whoever deletes it is told no more. */
#include "gateway/transactions/publication_items.h"
#include "mappers/json_writer.h"
#include "mappers/operation_outcome.h"

static bool record(const struct transaction *t, const struct publication_item *opened)
{
	if (!str_is_empty(opened->patient_id))
		audit_patient(t->audit, opened->patient_id, STR_NONE);
	return true;
}

static bool gone(const struct transaction *t)
{
	return outcome_add(t->outcome, ERR_NOT_FOUND, "", "There is no such publication, or it was settled long ago.");
}

/* Somebody else has decided, or its sender elsewhere: whoever was promised an answer here gets one. */
static bool withdrawn_tell(const struct transaction *t, const struct outbox_item *item, struct buf *answer)
{
	struct str reason = publication_item_reason(t, item);
	struct json_writer writer;
	struct outcome told;

	outcome_init(&told);
	outcome_add(&told, ERR_WITHDRAWN, "", "This was withdrawn before it was registered: %.*s", STR_ARG(reason));
	json_writer_init(&writer, answer);
	operation_outcome_write(&told, &writer);
	return json_writer_finish(&writer, t->outcome);
}

bool publication_status(const struct transaction *t, struct str id, struct publication_state *state, struct buf *answer)
{
	struct publication_item opened;

	if (!publication_item_open(t, id, &opened) || !record(t, &opened))
		return false;
	switch (opened.item.state) {
	case OUTBOX_SENDING:
		*state = (struct publication_state) { .is_open = true, .progress = "is being delivered" };
		return true;
	case OUTBOX_DELIVERED:
	case OUTBOX_REFUSED:
		if (!opened.result.body.data)
			return gone(t);
		/* Delivered or refused, this request is answered: the status of the other stands in its body. */
		*state = (struct publication_state) { .status = 200 };
		buf_add(answer, opened.result.body);
		return !answer->failed || no_memory(t);
	case OUTBOX_WITHDRAWN:
		if (opened.result.status == PUBLICATION_GIVEN_UP)
			return gone(t);
		*state = (struct publication_state) { .status = 200 };
		return withdrawn_tell(t, &opened.item, answer);
	case OUTBOX_WAITING:
	case OUTBOX_ANNOUNCED:
		break;
	}
	/* And one of a state that a later version wrote. */
	*state = (struct publication_state) { .is_open = true,
					      .progress = opened.item.is_held
								  ? "waits until what it builds upon is settled"
								  : "waits" };
	return true;
}

bool publication_withdraw(const struct transaction *t, struct str id, bool gives_up, struct buf *answer)
{
	struct publication_item opened;
	struct json_writer writer;

	if (!publication_item_open(t, id, &opened) || !record(t, &opened) ||
	    !publication_item_decide(t, &opened, gives_up ? PUBLICATION_GIVE_UP : PUBLICATION_WITHDRAW))
		return false;
	if (!opened.item.is_unclear)
		return true;
	outcome_inform(t->outcome, ERR_NONE, "", PUBLICATION_MAY_BE_THERE);
	json_writer_init(&writer, answer);
	operation_outcome_write(t->outcome, &writer);
	return json_writer_finish(&writer, t->outcome);
}
