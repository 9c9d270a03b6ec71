#include "gateway/south/xds_client.h"

#include "gateway/run/log.h"
#include "gateway/south/unchecked.h"

struct provide_body {
	const struct rim_list *objects;
	const struct provided_document *documents;
	size_t count;
};

static void query_write(struct xml_writer *writer, const void *body)
{
	stored_query_write(writer, body);
}

static void provide_write(struct xml_writer *writer, const void *body)
{
	const struct provide_body *provide = body;

	provide_and_register_write(writer, provide->objects, provide->documents, provide->count);
}

static void retrieve_write(struct xml_writer *writer, const void *body)
{
	retrieve_request_write(writer, body, 1);
}

static bool answer_unexpected(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_BACKEND_ANSWER, "",
			   "The back-end answered with another kind of message; check the addresses configured for "
			   "it.");
}

/* What comes from another community must be its own. Some name no home in every place where they should: what they sent
 * is theirs all the same, for it came from their address. ITI TF-2 3.38.4.1.3, 3.39.4.1.3 */
static bool home_check(const struct backend *backend, struct str *home, struct outcome *outcome)
{
	if (backend->kind != BACKEND_XCA)
		return true;
	if (str_is_empty(*home))
		*home = backend->home;
	return str_equal(*home, backend->home) ||
	       outcome_add(outcome, ERR_BACKEND_ANSWER, "",
			   "The community answered for another one than was asked; report it to its operator.");
}

/* The patient whom a query names; STR_NONE for one by ids of objects. */
static struct str query_patient(const struct stored_query *query)
{
	for (size_t i = 0; i < query->param_count; i++) {
		const struct stored_query_param *param = &query->params[i];

		if ((str_ends_with(param->name, STR("PatientId")) || str_equal(param->name, STR("$patientId"))) &&
		    param->values.count == 1)
			return param->values.items[0];
	}
	return STR_NONE;
}

bool xds_query(const struct south *south, const struct stored_query *query, struct rim_list *list, struct strs *refs,
	       struct outcome *outcome)
{
	struct xds_message message;
	struct south asking = *south;
	struct stored_query asked = *query;
	bool is_cross = south->backend->kind == BACKEND_XCA;
	struct soap_call request = { .url = south->backend->registry_url,
				     .action = is_cross ? STR(ACTION_CROSS_QUERY) : STR(ACTION_STORED_QUERY),
				     .write_body = query_write,
				     .body = &asked };

	if (is_cross)
		asked.home = south->backend->home;
	if (str_is_empty(asking.patient_id))
		asking.patient_id = query_patient(query);
	if (soap_exchange(&asking, &request, &message, outcome) != SOAP_ANSWERED)
		return false;
	/* A query that failed is answered by some with a bare RegistryResponse. */
	if (message.kind != XDS_QUERY_RESPONSE && message.kind != XDS_REGISTRY_RESPONSE)
		return answer_unexpected(outcome);
	if (!registry_response_check(&message.response, outcome))
		return false;
	if (message.kind != XDS_QUERY_RESPONSE)
		return answer_unexpected(outcome);
	for (size_t i = 0; i < message.objects.count; i++) {
		if (!home_check(south->backend, &message.objects.objects[i].home, outcome))
			return false;
	}
	*list = message.objects;
	*refs = message.object_refs;
	return true;
}

/* Sends a submission and reads how it ended. */
static enum soap_end submit(const struct south *south, const struct soap_call *request, struct outcome *outcome)
{
	struct xds_message message;
	enum soap_end end;

	end = soap_exchange(south, request, &message, outcome);
	if (end != SOAP_ANSWERED)
		return end;
	if (message.kind != XDS_REGISTRY_RESPONSE) {
		answer_unexpected(outcome);
		return SOAP_UNCLEAR;
	}
	if (!registry_response_check(&message.response, outcome))
		return SOAP_FAILED;
	if (message.response.status != REGISTRY_PARTIAL_SUCCESS)
		return SOAP_ANSWERED;
	/* TF-2 3.41.4.2: all or nothing. Some say this of a Success with warnings: the registry knows. */
	outcome_add(outcome, ERR_BACKEND_REFUSED, "",
		    "The back-end says that it stored only a part; ask its operator.");
	return SOAP_UNCLEAR;
}

static void register_write(struct xml_writer *writer, const void *body)
{
	submit_objects_write(writer, body);
}

enum soap_end xds_register(const struct south *south, const struct rim_list *objects, struct outcome *outcome)
{
	const struct soap_call request = { .url = south->backend->register_url,
					   .action = STR(ACTION_REGISTER),
					   .write_body = register_write,
					   .body = objects,
					   .once = true };

	return submit(south, &request, outcome);
}

enum soap_end xds_provide(const struct south *south, const struct rim_list *objects,
			  const struct xds_document *documents, size_t count, struct outcome *outcome)
{
	struct provide_body body = { objects, NULL, count };
	struct soap_call request = { .url = south->backend->provide_url,
				     .action = STR(ACTION_PROVIDE_AND_REGISTER),
				     .write_body = provide_write,
				     .body = &body,
				     .mtom = true,
				     .attachment_count = count,
				     .once = true };
	struct soap_attachment *attachments = arena_array(south->arena, count, sizeof(*attachments));
	struct provided_document *provided = arena_array(south->arena, count, sizeof(*provided));

	if (!attachments || !provided) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
		return SOAP_FAILED;
	}
	for (size_t i = 0; i < count; i++) {
		struct str content_id = arena_printf(south->arena, "document%zu@passerelle", i + 1);

		if (!content_id.data) {
			outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
			return SOAP_FAILED;
		}
		attachments[i] = (struct soap_attachment) { content_id, documents[i].media_type, documents[i].spool };
		provided[i].id = documents[i].entry_uuid;
		provided[i].content.content_id = content_id;
	}
	body.documents = provided;
	request.attachments = attachments;
	return submit(south, &request, outcome);
}

/* One retrieve under way: finds the DocumentResponse that answers, and lets only its bytes through. */
struct retrieve {
	const struct backend *backend;
	const struct document_request *request;
	const struct retrieve_sink *sink;
	const struct document_response *response;
	struct outcome *outcome;
	bool passing;  /* the document being read is the one */
	bool complete; /* all its bytes went to sink */
};

static bool retrieve_root(void *ctx, const struct xds_message *message)
{
	struct retrieve *retrieve = ctx;

	if (message->kind != XDS_RETRIEVE_RESPONSE && message->kind != XDS_REGISTRY_RESPONSE)
		return answer_unexpected(retrieve->outcome);
	if (!registry_response_check(&message->response, retrieve->outcome))
		return false;
	for (size_t i = 0; i < message->response_count; i++) {
		struct document_response *response = &message->responses[i];

		/* Never by position: ids say which document it is. */
		if (!str_equal(response->document_unique_id, retrieve->request->document_unique_id) ||
		    !str_equal(response->repository_unique_id, retrieve->request->repository_unique_id))
			continue;
		if (retrieve->response)
			return outcome_add(retrieve->outcome, ERR_BACKEND_ANSWER, "",
					   "The repository sent the document twice; report it to its operator.");
		if (!home_check(retrieve->backend, &response->home, retrieve->outcome))
			return false;
		retrieve->response = response;
	}
	if (!retrieve->response)
		return outcome_add(retrieve->outcome, ERR_BACKEND_ANSWER, "",
				   "The repository answered without the document; report it to its operator.");
	return true;
}

static bool retrieve_begin(void *ctx, struct str content_id, bool is_inline, size_t inline_index)
{
	struct retrieve *retrieve = ctx;
	const struct document_content *content = &retrieve->response->content;

	retrieve->passing = is_inline ? content->is_inline && content->inline_index == inline_index
				      : !content->is_inline && content->content_id.data &&
						content_id_matches(content->content_id, content_id);
	if (!retrieve->passing)
		return true;
	if (retrieve->complete)
		return outcome_add(retrieve->outcome, ERR_BACKEND_ANSWER, "",
				   "The repository sent the document twice; report it to its operator.");
	return retrieve->sink->begin(retrieve->sink->ctx, retrieve->response);
}

static bool retrieve_data(void *ctx, const void *bytes, size_t size)
{
	struct retrieve *retrieve = ctx;

	return !retrieve->passing || retrieve->sink->data(retrieve->sink->ctx, bytes, size);
}

static bool retrieve_end(void *ctx)
{
	struct retrieve *retrieve = ctx;

	retrieve->complete = retrieve->complete || retrieve->passing;
	return true;
}

bool xds_retrieve(const struct south *south, const struct document_request *request, uint64_t bytes_expected,
		  const struct retrieve_sink *sink, struct outcome *outcome)
{
	struct document_request asked = *request;
	bool is_cross = south->backend->kind == BACKEND_XCA;
	struct retrieve retrieve = { .backend = south->backend, .request = request, .sink = sink, .outcome = outcome };
	struct document_sink documents = { &retrieve, retrieve_root, retrieve_begin, retrieve_data, retrieve_end };
	struct xds_message message;
	struct soap_call call = { .url = backend_repository_url(south->backend, request->repository_unique_id),
				  .action = is_cross ? STR(ACTION_CROSS_RETRIEVE) : STR(ACTION_RETRIEVE),
				  .write_body = retrieve_write,
				  .body = &asked,
				  .mtom = true,
				  .reply_bytes_expected = bytes_expected,
				  .documents = &documents };

	if (is_cross)
		asked.home = south->backend->home;
	if (!call.url) {
		LOG(ERROR, LOG_SOUTH_ERROR, south->request_id, LOG_TEXT("backend", south->backend->name),
		    LOG_TEXT("unknown_repository", request->repository_unique_id));
		return outcome_add(outcome, ERR_NOT_FOUND, "",
				   "The document is in a repository that this gateway does not know; tell its "
				   "operator.");
	}
	if (soap_exchange(south, &call, &message, outcome) != SOAP_ANSWERED)
		return false;
	if (!retrieve.complete)
		return outcome_add(outcome, ERR_BACKEND_ANSWER, "",
				   "The repository announced the document and did not send it; try again later.");
	return true;
}
