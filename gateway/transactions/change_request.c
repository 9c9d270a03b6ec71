#include "gateway/transactions/change_request.h"

#include <stdlib.h>

#include "gateway/run/clock.h"
#include "gateway/transactions/decisions.h"
#include "gateway/transactions/own_patient.h"
#include "gateway/transactions/publication_store.h"
#include "mappers/publication_target.h"
#include "mappers/submission_match.h"

#define UNDECIDED_MAX 16 /* of one document and one caller, who may be anybody */

/* --- accepting --- */

/* As an object always: a JSON Patch is its only member, so that it is read by the same bounds as when it came. */
static bool body_write(const struct transaction *t, const struct publication_request *request, const json_t *body,
		       struct str *text)
{
	bool is_patch = request->wish == WISH_JSON_PATCH;
	char *dumped;
	bool is_long;

	*text = STR("");
	if (!body)
		return true;
	dumped = json_dumps(body, JSON_COMPACT);
	is_long = dumped && strlen(dumped) > PUBLICATION_METADATA_BYTES_MAX / 2;
	*text = STR_NONE;
	if (dumped && !is_long)
		*text = arena_printf(t->south.arena, "%s%s%s", is_patch ? "{\"operations\":" : "", dumped,
				     is_patch ? "}" : "");
	free(dumped);
	if (is_long)
		return outcome_add(t->outcome, ERR_TOO_LONG, "",
				   "Send less of it, or send it when the registry answers again.");
	return text->data || no_memory(t);
}

static bool item_put(const struct transaction *t, const struct publication_request *request, struct str body,
		     char id[OUTBOX_ID_SIZE])
{
	const struct publication_head head = { .caller = *t->caller, .request = *request };
	const struct str names[] = { publication_wishes_name(t->caller, request->urn, t->south.arena),
				     document_waiting_name(t, request->urn) };
	struct buf text;
	bool ok;

	buf_init(&text, PUBLICATION_HEAD_BYTES_MAX);
	publication_head_write(&head, &text);
	const struct str parts[PUBLICATION_DOCUMENTS] = {
		[PUBLICATION_HEAD] = buf_str(&text), [PUBLICATION_METADATA] = body, [PUBLICATION_ANSWER] = STR("")
	};
	/* Nobody knows the patient: the document has a line of its own. */
	const struct outbox_new item = { .kind = STR(PUBLICATION_REQUEST),
					 .target = t->source->backend.name,
					 .patient = names[1],
					 .caller = caller_client(t->caller, t->south.arena),
					 .makes = names,
					 .make_count = COUNT_OF(names),
					 .makes_max = UNDECIDED_MAX,
					 .makes_full = "Retry when the registry answers again, or withdraw what you "
						       "sent before: as many requests of yours about this document as "
						       "may be kept are undecided.",
					 .parts = parts,
					 .part_count = PUBLICATION_DOCUMENTS };

	ok = ((names[0].data && names[1].data && !text.failed) || no_memory(t)) &&
	     outbox_put(delivery_outbox(t->gateway->delivery), &item, id, t->outcome);
	buf_free(&text);
	return ok;
}

bool change_request_accept(const struct transaction *t, const struct publication_request *request, const json_t *body,
			   struct provided *provided, struct buf *answer)
{
	char id[OUTBOX_ID_SIZE];
	struct str text;

	if (!str_is_utf8(request->if_match))
		return outcome_add(t->outcome, ERR_VERSION, "If-Match",
				   "No version of a document has this tag: send the ETag of what you read.");
	if (!body_write(t, request, body, &text) || !change_fits(t, text.size) || !item_put(t, request, text, id))
		return false;
	outcome_inform(t->outcome, ERR_NONE, "",
		       "What the document is cannot be found out now: whether it is there, and may be changed like "
		       "this, is decided when its registry can be asked.");
	return publication_accepted(t, id, provided, answer);
}

/* --- working out --- */

static struct source *source_find(const struct gateway *gateway, struct str name)
{
	for (size_t i = 0; i < gateway->source_count; i++) {
		if (str_equal(gateway->sources[i].backend.name, name))
			return &gateway->sources[i];
	}
	return NULL;
}

static bool body_read(const struct transaction *t, const struct delivery_work *work, struct document_change *change)
{
	json_t *tree;

	*change = (struct document_change) { 0 };
	if (!fhir_body_read(FHIR_JSON, work->body, NULL, NULL, t->south.arena, &tree, t->outcome))
		return false;
	switch (work->head->request.wish) {
	case WISH_PUT:
		change->resource = tree;
		return true;
	case WISH_JSON_PATCH:
		change->operations = json_object_get(tree, "operations");
		return true;
	case WISH_FHIRPATH_PATCH:
		change->parameters = tree;
		return true;
	case WISH_NONE:
	case WISH_DELETE:
		break;
	}
	return outcome_add(t->outcome, ERR_INTERNAL, "", "What was kept of the request cannot be read.");
}

static bool deletion_make(const struct transaction *t, const struct present_document *present,
			  struct intended_change *intended, struct buf *answer)
{
	if (t->gateway->config->publication_delete == CONFIG_DELETE_REFUSE)
		return outcome_add(t->outcome, ERR_METHOD, "", "Documents are not deleted here any more.");
	return document_deletion_make(t, present, intended, answer);
}

/* What could not be said may be said later, but for what is wrong with the request. */
static enum delivery_worked failed(const struct transaction *t, struct delivery_work *work)
{
	enum error_code code = t->outcome->count ? t->outcome->issues[0].code : ERR_NO_MEMORY;

	/* Of these the registry is innocent. */
	if (code == ERR_TRUST_UNAVAILABLE || code == ERR_STORAGE || code == ERR_KEY_MISSING || code == ERR_NO_MEMORY)
		work->was_asked = false;
	return submission_may_pass(t->outcome) ? WORK_LATER : WORK_REFUSED;
}

static enum delivery_worked nothing_left(const struct transaction *t, const struct present_document *present,
					 struct delivery_work *work, struct buf *answer)
{
	struct provided provided = { 0 };

	if (work->head->request.wish != WISH_DELETE && !document_update_repeated(t, present, &provided, answer))
		return failed(t, work);
	if (provided.status_url.data) {
		outcome_init(t->outcome);
		outcome_add(t->outcome, ERR_BUSY, "", "Another change that waits does the same.");
		return WORK_LATER;
	}
	work->patient_id = present->entry->patient_id;
	work->answer = arena_copy(t->south.arena, buf_str(answer));
	return work->answer.data || no_memory(t) ? WORK_DONE : failed(t, work);
}

/* Requests have lines by what they name their document by: those of its other name came first, or they did not. */
static bool others_first(const struct transaction *t, struct delivery_work *work,
			 const struct present_document *present)
{
	const struct publication_target target = { .id = present->entry->unique_id };
	bool is_named = !str_equal(work->head->request.urn, present->urn);
	struct str other = is_named ? present->urn : publication_target_name(&target, t->south.arena);
	bool found = false;

	if (other.data ? document_requests_find(t, other, work->seq, &found) && !found : no_memory(t))
		return true;
	work->was_asked = false;
	if (found)
		outcome_add(t->outcome, ERR_BUSY, "", "An earlier request about this document is decided first.");
	return false;
}

static enum delivery_worked change_work_out(const struct transaction *t, struct delivery_work *work, struct buf *answer)
{
	const struct publication_request *request = &work->head->request;
	struct present_document present;
	struct intended_change intended = { .is_nothing = false };
	struct document_change change;
	struct str done;
	bool ok;

	if (request->wish != WISH_DELETE && !body_read(t, work, &change))
		return failed(t, work);
	work->was_asked = true;
	if (!document_change_look(t, request, &present))
		return failed(t, work);
	if (!others_first(t, work, &present))
		return WORK_LATER;
	work->was_asked = !present.waiting.entry;
	work->has_answered = work->was_asked;
	ok = request->wish == WISH_DELETE ? deletion_make(t, &present, &intended, answer)
					  : document_update_make(t, &present, &change, &intended, answer);
	work->was_asked = work->was_asked && !intended.is_unidentified;
	if (!ok)
		return failed(t, work);
	if (intended.is_nothing)
		return nothing_left(t, &present, work, answer);
	done = arena_copy(t->south.arena, buf_str(answer));
	if (!done.data)
		no_memory(t);
	if (!done.data || !change_item_make(t, &intended, done, &work->item))
		return failed(t, work);
	/* Nobody would be shown the document until it is made. */
	if (!change_fits(t, work->item.parts[PUBLICATION_METADATA].size))
		return WORK_REFUSED;
	return WORK_MADE;
}

enum delivery_worked change_request_work_out(void *work_ctx, struct delivery_work *work)
{
	const struct gateway *gateway = work_ctx;
	struct transaction t = { .gateway = gateway,
				 .source = source_find(gateway, work->target),
				 .south = *work->south,
				 .caller = &work->head->caller,
				 .audit = work->trail,
				 .now_s = clock_wall_ms() / 1000,
				 .outcome = work->outcome };
	enum delivery_worked worked;
	struct buf answer;

	if (!t.source || work->head->request.wish == WISH_NONE) {
		outcome_add(t.outcome, ERR_INTERNAL, "", "What was kept of the request cannot be read.");
		return WORK_REFUSED;
	}
	if (!own_patient_resolve(&t))
		return failed(&t, work);
	buf_init(&answer, gateway->config->limits_request_memory);
	worked = change_work_out(&t, work, &answer);
	buf_free(&answer);
	decisions_record(&t);
	return worked;
}
