/* A dead letter that is corrected: the Bundle takes its place in the order, so that what builds upon it goes on. */
#include "gateway/state/outbox_manage.h"
#include "gateway/transactions/entries.h"
#include "gateway/transactions/publication_items.h"
#include "gateway/transactions/publication_store.h"
#include "mappers/fhir_read.h"
#include "mappers/json_tree.h"

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

/* Whether it was refused for its patient, as its result says. */
static bool patient_was_refused(const struct transaction *t, const struct publication_item *opened)
{
	json_t *outcome = json_loadb(opened->result.body.data, opened->result.body.size, 0, NULL);
	const json_t *issue;
	const json_t *coding;
	size_t i;
	size_t k;

	if (!json_tree_keep(t->south.arena, outcome))
		return false;
	json_array_foreach(json_object_get(outcome, "issue"), i, issue)
	{
		json_array_foreach(json_object_get(json_object_get(issue, "details"), "coding"), k, coding)
		{
			struct str code = fhir_string(coding, "code");

			if (str_equal(code, str_from_c(error_info(ERR_PATIENT_UNKNOWN)->name)) ||
			    str_equal(code, str_from_c(error_info(ERR_PATIENT_AMBIGUOUS)->name)))
				return true;
		}
	}
	return false;
}

/* Another patient is one that it may be published for, as any; here whether it may be taken from the one it was sent for.
 * Where nobody knows that one, and nothing of it is registered, it was shown to nobody in their name. */
static bool patient_admit(const struct transaction *t, const struct publication_item *opened,
			  const struct publication *publication)
{
	if (patient_same(t, opened->patient_id, publication->metadata.submission_sets[0].patient_id))
		return true;
	audit_patient(t->audit, opened->patient_id, STR_NONE);
	return (!opened->item.is_unclear && patient_was_refused(t, opened)) ||
	       outcome_add(t->outcome, ERR_RULE, "",
			   "A correction is about the same patient, unless that is what was refused and nothing of it "
			   "can be registered: withdraw the publication and send another.");
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
	if (!patient_admit(t, &opened, publication))
		return false;
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
	struct str patient = publication->metadata.submission_sets[0].patient_id;
	struct publication_kept kept = { 0 };
	struct publication_item opened;
	bool ok = dead_letter_open(t, publication->task, &opened) && patient_admit(t, &opened, publication) &&
		  publication_identifiers_admit(t, publication, opened.item.id) &&
		  publication_keep(t, publication, &kept);

	if (ok && !patient_same(t, opened.patient_id, patient))
		kept.item.patient = patient;
	ok = ok &&
	     outbox_correct(delivery_outbox(t->gateway->delivery), str_from_c(opened.item.id), &kept.item, t->outcome);

	publication_kept_free(&kept);
	return ok && publication_accepted(t, opened.item.id, provided, answer);
}
