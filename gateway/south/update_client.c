#include "gateway/south/update_client.h"

#include "gateway/run/log.h"
#include "gateway/south/unchecked.h"
#include "mappers/metadata_rim.h"
#include "mappers/search_query.h"

#define ASK_TIME_MS 5000 /* of the request's time, kept for asking what became of a step */
#define ASK_IDS_MAX 200

static const struct str actions[UPDATE_KIND_COUNT] = {
	[UPDATE_METADATA] = STR_INIT(ACTION_UPDATE),
	[REMOVE_METADATA] = STR_INIT(ACTION_REMOVE_METADATA),
	[REMOVE_DOCUMENTS] = STR_INIT(ACTION_REMOVE_DOCUMENTS),
};

static const char *url_of(const struct backend *backend, enum update_kind kind, struct str repository_unique_id)
{
	switch (kind) {
	case UPDATE_METADATA:
		return backend->update_url;
	case REMOVE_METADATA:
		return backend->delete_url;
	case REMOVE_DOCUMENTS:
		return backend_remove_url(backend, repository_unique_id);
	case UPDATE_KIND_COUNT:
		break;
	}
	return NULL;
}

bool update_offered(const struct backend *backend, enum update_kind kind, struct str repository_unique_id)
{
	return url_of(backend, kind, repository_unique_id) != NULL;
}

bool removal_offered(const struct backend *backend, struct str repository_unique_id)
{
	if (!update_offered(backend, REMOVE_METADATA, STR_NONE))
		return false;
	if (!str_is_empty(repository_unique_id))
		return update_offered(backend, REMOVE_DOCUMENTS, repository_unique_id);
	for (size_t i = 0; i < backend->repository_count; i++) {
		if (backend->repositories[i].remove_url)
			return true;
	}
	return false;
}

static void body_write(struct xml_writer *writer, const void *body)
{
	xml_raw(writer, *(const struct str *)body);
}

/* One exchange, and what its answer says. */
static enum soap_end step_send(const struct update_step *step, const struct south *south, struct outcome *outcome)
{
	struct xds_message message;
	struct soap_call request = { .url = url_of(south->backend, step->kind, step->repository_unique_id),
				     .action = actions[step->kind],
				     .write_body = body_write,
				     .body = &step->body,
				     .once = true };
	enum soap_end end;

	if (!request.url) {
		outcome_add(outcome, ERR_NOT_SUPPORTED, "", "The back-end does not take such changes.");
		return SOAP_FAILED;
	}
	end = soap_exchange(south, &request, &message, outcome);
	if (end != SOAP_ANSWERED)
		return end;
	if (message.kind != XDS_REGISTRY_RESPONSE) {
		outcome_add(outcome, ERR_BACKEND_ANSWER, "",
			    "The back-end answered with another kind of message; check the addresses configured for "
			    "it.");
		return SOAP_UNCLEAR;
	}
	if (!registry_response_check(&message.response, outcome))
		return SOAP_FAILED;
	if (message.response.status != REGISTRY_PARTIAL_SUCCESS)
		return SOAP_ANSWERED;
	/* TF-2 3.57.4.1.3, 3.62.4.1.3: all or nothing. */
	outcome_add(outcome, ERR_BACKEND_REFUSED, "", "The back-end says that it did only a part; ask its operator.");
	return SOAP_UNCLEAR;
}

/* The objects that are still registered among these ids; false when the registry does not say. */
static bool ids_ask(const struct south *south, struct str query_id, struct str slot, bool list, const struct strs *ids,
		    struct strs *found)
{
	struct stored_query query;
	struct outcome ignored;
	struct rim_list objects;

	outcome_init(&ignored);
	if (!get_query(query_id, slot, list, ids->items, ids->count < ASK_IDS_MAX ? ids->count : ASK_IDS_MAX,
		       south->backend->home, south->arena, &query) ||
	    !stored_query_add_one(&query, south->arena, STR("$MetadataLevel"), QUERY_NUMBER, STR("2")))
		return false;
	query.object_ref = true;
	return xds_query(south, &query, &objects, found, &ignored);
}

/* Whether the submission set of an ITI-57 is registered: then all of the message is. */
static bool update_is_there(const struct south *south, const struct xds_message *message)
{
	struct metadata metadata;
	struct outcome ignored;
	struct strs found = { 0 };

	outcome_init(&ignored);
	if (!metadata_from_rim(&message->objects, south->arena, &metadata, &ignored) ||
	    metadata.submission_set_count != 1)
		return false;
	const struct strs one = { &metadata.submission_sets[0].entry_uuid, 1 };

	return ids_ask(south, STR(QUERY_GET_SUBMISSION_SET_AND_CONTENTS), STR("$XDSSubmissionSetEntryUUID"), false,
		       &one, &found) &&
	       found.count > 0;
}

/* Whether nothing that an ITI-62 removes is registered any more. Its first objects are the versions of the document. */
static bool removal_is_done(const struct south *south, const struct xds_message *message)
{
	struct strs found = { 0 };

	return message->object_refs.count > 0 &&
	       ids_ask(south, STR(QUERY_GET_DOCUMENTS), STR("$XDSDocumentEntryEntryUUID"), true, &message->object_refs,
		       &found) &&
	       found.count == 0;
}

static bool step_is_done(const struct update_step *step, const struct south *south)
{
	struct xds_message *message = arena_alloc(south->arena, sizeof(*message));
	struct south asking = *south;
	struct outcome ignored;
	bool is_done;

	outcome_init(&ignored);
	asking.deadline = deadline_part(south->deadline, ASK_TIME_MS);
	if (step->kind == REMOVE_DOCUMENTS || !message ||
	    !xds_message_read(step->body, NULL, south->arena, message, &ignored))
		return false;
	is_done = step->kind == UPDATE_METADATA ? update_is_there(&asking, message) : removal_is_done(&asking, message);
	LOG(WARN, LOG_PUBLISH_UNCLEAR, south->request_id, LOG_TEXT("action", actions[step->kind]),
	    LOG_C("registry", is_done ? "has done it" : "has not done it, or is silent"));
	return is_done;
}

/* True when a refusal may mean that this very step was done before. */
static bool may_be_done(const struct update_step *step, const struct outcome *refusal)
{
	for (size_t i = 0; i < refusal->count; i++) {
		enum error_code code = refusal->issues[i].code;

		if (!refusal->issues[i].xds_code[0])
			continue;
		if (step->kind != UPDATE_METADATA && (code == ERR_REFERENCE_UNRESOLVED || code == ERR_NOT_FOUND))
			return true;
		/* A known entryUUID is an XDSRegistryMetadataError to some registries. */
		if (step->kind == UPDATE_METADATA && (code == ERR_VERSION || code == ERR_DUPLICATE ||
						      code == ERR_CONFLICT || code == ERR_METADATA_INVALID))
			return true;
	}
	return false;
}

enum soap_end update_send(const struct update_plan *plan, const struct south *south, size_t *done,
			  struct outcome *outcome)
{
	for (; *done < plan->step_count; ++*done) {
		const struct update_step *step = &plan->steps[*done];
		struct south sending = *south;
		struct outcome saying = *outcome;
		uint64_t left = deadline_left_ms(south->deadline);
		enum soap_end end;

		sending.patient_id = plan->patient_id;
		if (left > 2 * ASK_TIME_MS)
			sending.deadline = deadline_part(south->deadline, left - ASK_TIME_MS);
		end = step_send(step, &sending, &saying);
		if (end == SOAP_ANSWERED) {
			*outcome = saying;
			continue;
		}
		sending.deadline = south->deadline;
		/* What a repository does not hold any more is what ITI-86 asks for. */
		if ((end == SOAP_UNCLEAR || may_be_done(step, &saying)) &&
		    (end == SOAP_FAILED && step->kind == REMOVE_DOCUMENTS ? true : step_is_done(step, &sending)))
			continue;
		*outcome = saying;
		return end;
	}
	return SOAP_ANSWERED;
}
