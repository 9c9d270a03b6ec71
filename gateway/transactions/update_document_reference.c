/* Update and patch of a DocumentReference: Update Document Set [ITI-57] behind FHIR. Source: FHIR R4 http update and patch,
 * ITI TF-2 3.57. */
#include "gateway/transactions/change_accept.h"
#include "gateway/transactions/change_request.h"
#include "gateway/transactions/elsewhere.h"
#include "gateway/transactions/identify_patient.h"
#include "gateway/transactions/publication_store.h"
#include "mappers/document_update.h"
#include "mappers/fhir_patch.h"
#include "mappers/fhir_validate.h"
#include "mappers/json_patch.h"
#include "mappers/json_tree.h"
#include "mappers/json_writer.h"

/* The copy that the client has read. */
static bool copy_write(const struct transaction *t, const struct present_document *present, struct json_writer *writer)
{
	const struct document_entry *copy = present->copy.copy;
	struct neighbourhood around = { .asked_id = present->around.asked_id };
	const struct visible_change *change;
	struct copies copies;
	struct errand errand;

	if (!errand_begin(t, present->copy.source, &errand) || !copies_look(&errand.t, copy, &copies))
		return false;
	change = copies.visit ? visible_change_of_copy(copies.visit, copy) : NULL;
	return errand_end(&errand, associations_ask(&errand.t, &copy->entry_uuid, 1, &around) &&
					   around_drop(&errand.t, &around) &&
					   document_reference_write(&errand.t, copy, change, &around, writer));
}

/* The resource as the client reads it now, as a tree like that of a body. */
static bool shown_read(const struct transaction *t, const struct present_document *present,
		       const struct document_change *change, json_t **shown)
{
	struct json_writer writer;
	struct buf text;
	bool good;

	buf_init(&text, t->gateway->config->limits_request_memory);
	json_writer_init(&writer, &text);
	good = (change->resource && present->copy.copy
			? copy_write(t, present, &writer)
			: document_reference_write(t, present->entry, NULL, &present->around, &writer)) &&
	       json_writer_finish(&writer, t->outcome) &&
	       fhir_body_read(FHIR_JSON, buf_str(&text), NULL, NULL, t->south.arena, shown, t->outcome);
	buf_free(&text);
	return good;
}

/* What the client wants the resource to be. */
static bool sent_make(const struct transaction *t, const struct document_change *change, const json_t *shown,
		      json_t **sent)
{
	*sent = change->resource;
	if (*sent)
		return true;
	*sent = json_deep_copy(shown);
	if (!json_tree_keep(t->south.arena, *sent))
		return no_memory(t);
	return change->operations ? json_patch_apply(*sent, change->operations, t->outcome)
				  : fhir_patch_apply(*sent, change->parameters, t->outcome);
}

static bool sent_check(const struct transaction *t, const json_t *sent, struct str id)
{
	if (!str_equal(fhir_text(json_object_get(sent, "resourceType")), STR("DocumentReference")))
		return outcome_add(t->outcome, ERR_BODY_MALFORMED, "", "Send a DocumentReference.");
	if (!str_equal(fhir_text(json_object_get(sent, "id")), id))
		return outcome_add(t->outcome, ERR_VALUE_INVALID, "DocumentReference.id",
				   "Send the id of the URL also in the body.");
	return fhir_validate(sent, NULL, t->outcome);
}

/* The subject must mean the patient of the document, in whatever words. */
static bool subject_check(const struct transaction *t, const struct document_entry *entry, const json_t *sent,
			  const json_t *shown, bool *is_unidentified)
{
	const json_t *subject = json_object_get(sent, "subject");
	struct patient_claim claim;
	struct str patient_id = STR_NONE;

	if (json_equal(subject, json_object_get(shown, "subject")))
		return true;
	if (!document_update_subject(sent, t->gateway->base, t->south.arena, &claim))
		return no_memory(t);
	switch (claim.path ? identify_patient(t, &claim, false, &patient_id) : PATIENT_NOBODY) {
	case PATIENT_IDENTIFIED:
		if (patient_same(t, patient_id, entry->patient_id))
			return true;
		break;
	case PATIENT_NOBODY:
		break;
	case PATIENT_FAILED:
		*is_unidentified = true;
		return false;
	}
	return outcome_add(t->outcome, ERR_RULE, "DocumentReference.subject",
			   "Leave the subject as it was read: a document stays that of its patient.");
}

static bool answer_write(const struct transaction *t, const struct present_document *present,
			 const struct document_entry *entry, struct buf *answer)
{
	struct neighbourhood around = present->around;
	struct association *associations = arena_array(t->south.arena, around.association_count, sizeof(*associations));
	struct json_writer writer;

	if (!associations)
		return no_memory(t);
	/* Relations follow to the new version. 3.57.4.1.3.3.1.5 */
	for (size_t i = 0; i < around.association_count; i++) {
		associations[i] = around.associations[i];
		if (str_equal(associations[i].source, present->entry->entry_uuid))
			associations[i].source = entry->entry_uuid;
	}
	around.associations = associations;
	json_writer_init(&writer, answer);
	return document_reference_write(t, entry, NULL, &around, &writer) && json_writer_finish(&writer, t->outcome);
}

bool document_update_repeated(const struct transaction *t, const struct present_document *present,
			      struct provided *provided, struct buf *answer)
{
	const struct document_waiting *waiting = &present->waiting;

	if (waiting->entry)
		return publication_accepted(t, waiting->items[waiting->count - 1].id, provided, answer);
	if (present->is_remembered)
		return outcome_add(t->outcome, ERR_BACKEND_DOWN, "",
				   "The registry does not answer; it had this already when it was last read.");
	return answer_write(t, present, present->entry, answer);
}

bool document_update_make(const struct transaction *t, const struct present_document *present,
			  const struct document_change *change, struct intended_change *intended, struct buf *answer)
{
	struct document_update *update = arena_alloc(t->south.arena, sizeof(*update));
	json_t *shown;
	json_t *sent;

	if (!update)
		return no_memory(t);
	if (!shown_read(t, present, change, &shown) || !sent_make(t, change, shown, &sent) ||
	    !sent_check(t, sent, fhir_text(json_object_get(shown, "id"))) ||
	    !subject_check(t, present->entry, sent, shown, &intended->is_unidentified) ||
	    !document_update_read(present->entry, shown, sent, t->gateway->config->default_timezone,
				  t->gateway->code_sets, t->south.arena, update, t->outcome))
		return false;
	if (!update->is_new_version && str_is_empty(update->new_status)) {
		*intended = (struct intended_change) { .is_nothing = true };
		return true;
	}
	/* Who may make this of it now? */
	if (update->is_new_version &&
	    !visible_may_author(t->visit, &update->changed, present->entry, "DocumentReference", t->outcome))
		return false;
	if (update->is_new_version &&
	    !visible_may_change(t->visit, present->entry, &update->changed, update->moves_consent, t->outcome))
		return false;
	return document_change_make(t, present, update->is_new_version ? &update->changed : NULL, update->new_status,
				    intended) &&
	       answer_write(t, present, &intended->entry, answer);
}

/* As it came, as far as it can be judged without the document. */
static bool request_keep(const struct transaction *t, struct str id, const struct document_change *change,
			 const struct present_document *present, struct provided *provided, struct buf *answer)
{
	struct publication_request request = {
		.wish = WISH_PUT, .id = id, .urn = present->urn, .if_match = present->if_match
	};
	const json_t *body = change->resource;

	if (present->copy.copy)
		request.hash = present->copy.copy->hash;
	if (change->operations) {
		request.wish = WISH_JSON_PATCH;
		body = change->operations;
		if (!json_patch_check(change->operations, t->outcome))
			return false;
	} else if (change->parameters) {
		request.wish = WISH_FHIRPATH_PATCH;
		body = change->parameters;
		if (!fhir_patch_check(change->parameters, t->outcome))
			return false;
	} else if (!sent_check(t, change->resource, id)) {
		return false;
	}
	return change_request_accept(t, &request, body, provided, answer);
}

bool update_document_reference(const struct transaction *t, struct str id, const struct document_wish *wish,
			       const struct document_change *change, struct provided *provided, struct buf *answer,
			       struct str *etag)
{
	struct present_document present;
	struct intended_change intended = { .is_nothing = false };

	*provided = (struct provided) { 0 };
	if (!document_change_begin(t, id, wish->if_match, &present))
		return false;
	if (present.is_undecided)
		return request_keep(t, id, change, &present, provided, answer);
	if (!document_update_make(t, &present, change, &intended, answer))
		return false;
	if (intended.is_nothing) {
		if (!document_update_repeated(t, &present, provided, answer))
			return false;
		*etag = provided->status_url.data ? STR_NONE : present.etag;
		return true;
	}
	intended.respond_async = wish->respond_async;
	if (!document_change_do(t, &present, &intended, provided, answer))
		return false;
	*etag = provided->status_url.data ? STR_NONE : intended.etag;
	return true;
}
