/* A dead letter that is corrected: the Bundle takes its place in the order, so that what builds upon it goes on. */
#include "gateway/state/outbox_manage.h"
#include "gateway/transactions/entries.h"
#include "gateway/transactions/publication_items.h"
#include "gateway/transactions/publication_store.h"

/* The dead letter, if it is the caller's to correct. */
static bool dead_letter_open(const struct transaction *t, struct str task, struct publication_item *opened)
{
	if (!publication_item_open(t, task, opened))
		return false;
	if (!opened->is_own)
		return outcome_add(t->outcome, ERR_FORBIDDEN, "",
				   "Only who sent a publication, or an operator, may correct it.");
	return (opened->item.state == OUTBOX_REFUSED && opened->metadata.submission_set_count == 1 &&
		(str_equal(opened->item.kind, STR(PUBLICATION_PROVIDE)) ||
		 str_equal(opened->item.kind, STR(PUBLICATION_UNDECIDED)))) ||
	       outcome_add(t->outcome, ERR_CONFLICT, "", "Only a publication that was refused can be corrected.");
}

static void keep(struct provide_resolved *resolved, size_t count, struct str fresh, struct str old)
{
	struct str *uuids = (struct str *)resolved->uuids;

	for (size_t i = 0; i < count; i++) {
		if (str_equal(uuids[i], fresh))
			uuids[i] = old;
	}
}

bool publication_ids_keep(const struct transaction *t, struct publication *publication)
{
	const struct metadata *metadata = &publication->metadata;
	size_t count = publication->bundle->uuid_count;
	struct publication_item opened;

	if (!dead_letter_open(t, publication->task, &opened))
		return false;
	if (!patient_same(t, opened.patient_id, metadata->submission_sets[0].patient_id))
		return outcome_add(t->outcome, ERR_RULE, "",
				   "A correction is about the same patient: withdraw the publication and send "
				   "another.");
	keep(&publication->resolved, count, metadata->submission_sets[0].entry_uuid,
	     opened.metadata.submission_sets[0].entry_uuid);
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		for (size_t k = 0; k < opened.metadata.document_entry_count; k++) {
			if (str_equal(metadata->document_entries[i].unique_id,
				      opened.metadata.document_entries[k].unique_id))
				keep(&publication->resolved, count, metadata->document_entries[i].entry_uuid,
				     opened.metadata.document_entries[k].entry_uuid);
		}
	}
	return true;
}

bool publication_correct(const struct transaction *t, struct publication *publication, struct provided *provided,
			 struct buf *answer)
{
	struct publication_kept kept = { 0 };
	struct publication_item opened;
	bool ok = dead_letter_open(t, publication->task, &opened) &&
		  publication_identifiers_admit(t, publication, opened.item.id) &&
		  publication_keep(t, publication, &kept) &&
		  outbox_correct(delivery_outbox(t->gateway->delivery), str_from_c(opened.item.id), &kept.item,
				 t->outcome);

	publication_kept_free(&kept);
	return ok && publication_accepted(t, opened.item.id, provided, answer);
}
