/* ITI-18 and ITI-43, and ITI-38 and ITI-39 for other communities: the transactions that read. */
#include <unistd.h>

#include "gateway/domain/domain_state.h"
#include "gateway/domain/refusal.h"

#define DOCUMENT_REQUESTS_MAX 1000
#define MISSING_HOME          "XDSMissingHomeCommunityId"
#define UNKNOWN_COMMUNITY     "XDSUnknownCommunity"
#define NS_QUERY              "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
#define NS_RIM                "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"

struct query_work {
	struct domain *domain;
	struct soap_request *request;
	struct query_answer found;
};

static bool query_run(void *context, struct connection *connection, struct outcome *outcome)
{
	struct query_work *work = context;

	return registry_query(connection, &work->request->message.query, &work->domain->query_limits,
			      work->request->arena, &work->found, outcome);
}

/* An object as it lies in the registry, but with this home: it may have been registered before the domain had one. */
static void object_with_home_write(struct xml_writer *writer, struct str rim, struct str home)
{
	static const char stops[] = " />";
	size_t begin = 0;
	size_t end;
	size_t at;

	while (begin < rim.size && !memchr(stops, rim.data[begin], strlen(stops)))
		begin++;
	end = begin;
	/* Attributes as our own writer writes them: a blank, name="value", and no quote in the value. */
	for (at = begin; at < rim.size && rim.data[at] == ' ';) {
		struct str name = str_from(rim, at + 1);
		size_t after = at + 1 + str_find(name, '"') + 1;

		name.size = str_find(name, '=');
		after += str_find(str_from(rim, after), '"') + 1;
		if (str_equal(name, STR("home"))) {
			begin = at;
			end = after;
		}
		at = after;
	}
	xml_raw(writer, (struct str) { rim.data, begin });
	xml_raw(writer, STR(" home=\""));
	xml_raw(writer, home);
	xml_raw(writer, STR("\""));
	xml_raw(writer, str_from(rim, end));
}

/* The AdhocQueryResponse; objects are written as they lie in the registry. The list is there also after a failure. */
static void query_response_write(struct xml_writer *writer, const struct registry_response *response,
				 const struct query_answer *found, struct str home, bool is_cross)
{
	xml_begin(writer, STR("query:AdhocQueryResponse"));
	xml_attribute(writer, STR("xmlns:query"), STR(NS_QUERY));
	xml_attribute(writer, STR("xmlns:rim"), STR(NS_RIM));
	registry_response_write_inside(writer, response);
	xml_begin(writer, STR("rim:RegistryObjectList"));
	for (size_t i = 0; response->status == REGISTRY_SUCCESS && i < found->rows.count; i++) {
		if (!found->object_ref && is_cross)
			object_with_home_write(writer, found->rows.items[i].rim, home);
		else if (!found->object_ref)
			xml_raw(writer, found->rows.items[i].rim);
		if (!found->object_ref)
			continue;
		xml_begin(writer, STR("rim:ObjectRef"));
		xml_attribute(writer, STR("id"), found->rows.items[i].uuid);
		xml_attribute(writer, STR("home"), home);
		xml_end(writer);
	}
	xml_end(writer);
	xml_end(writer);
}

/* An error of a gateway says which community it is of. ITI TF-2 3.38.4.1.3, 3.39.4.1.3 */
static void errors_place(struct registry_response *response, struct str home)
{
	for (size_t i = 0; i < response->error_count; i++)
		response->errors[i].location = home;
}

static bool query_answer(struct query_work *work, struct soap_answer *answer, bool is_cross, struct outcome *outcome)
{
	struct str home = work->domain->rules.home_community_id;
	struct registry_response response;

	if (!outcome->has_error && !database_read(work->domain->database, query_run, work, outcome) &&
	    !outcome->has_error)
		outcome_add(outcome, ERR_INTERNAL, "", "Report this: a query failed without a reason.");
	if (!refusal_response(outcome, work->request->arena, &response))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	if (is_cross)
		errors_place(&response, home);
	query_response_write(soap_answer_writer(answer), &response, &work->found, home, is_cross);
	return true;
}

bool registry_stored_query(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	struct query_work work = { .domain = ctx, .request = request };

	return query_answer(&work, answer, false, outcome);
}

bool cross_gateway_query(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	struct query_work work = { .domain = ctx, .request = request };
	const struct stored_query *query = &request->message.query;

	if (str_is_empty(query->home) && !registry_query_is_by_patient(query))
		refuse(outcome, MISSING_HOME, STR_NONE, "Say in AdhocQuery/@home which community has the objects.");
	else if (!str_is_empty(query->home) && !str_equal(query->home, work.domain->rules.home_community_id))
		refuse(outcome, UNKNOWN_COMMUNITY, STR_NONE, "Ask the community that AdhocQuery/@home names.");
	return query_answer(&work, answer, true, outcome);
}

/* One ITI-43 on its way: what was found, and an error for each that was not. */
struct retrieve_work {
	struct domain *domain;
	struct soap_request *request;
	struct soap_answer *answer;
	bool is_cross;                  /* ITI-39: homes are required, and said everywhere */
	struct stored_document *stored; /* content.data NULL: not there */
	struct document_response *responses;
	size_t response_count;
	struct registry_error *errors;
	size_t error_count;
};

static bool retrieve_find(void *context, struct connection *connection, struct outcome *outcome)
{
	struct retrieve_work *work = context;
	const struct xds_message *message = &work->request->message;

	for (size_t i = 0; i < message->request_count; i++) {
		bool found;

		if (!repository_find(connection, message->requests[i].document_unique_id, work->request->arena,
				     &work->stored[i], &found, outcome))
			return false;
	}
	return true;
}

static void retrieve_error(struct retrieve_work *work, const char *code, const char *context)
{
	work->errors[work->error_count++] = (struct registry_error) { .code = str_from_c(code),
								      .context = str_from_c(context),
								      .severity = SEVERITY_ERROR };
}

/* Attaches one document, or says why not. Returns false only without memory. */
static bool retrieve_one(struct retrieve_work *work, const struct document_request *wanted,
			 const struct stored_document *stored, struct outcome *outcome)
{
	struct str home = work->domain->rules.home_community_id;
	struct outcome storage;
	uint64_t size;

	if (work->is_cross && str_is_empty(wanted->home)) {
		retrieve_error(work, MISSING_HOME, "Say in HomeCommunityId which community has the document.");
		return true;
	}
	if (wanted->home.size && home.data && !str_equal(wanted->home, home)) {
		retrieve_error(work, UNKNOWN_COMMUNITY, "Ask the community that HomeCommunityId names.");
		return true;
	}
	if (!str_equal(wanted->repository_unique_id, work->domain->repository_unique_id)) {
		retrieve_error(work, "XDSUnknownRepositoryId", "Ask the repository that RepositoryUniqueId names.");
		return true;
	}
	if (!stored->content.data) {
		retrieve_error(work, "XDSDocumentUniqueIdError",
			       "Use the uniqueId of a document that this repository holds.");
		return true;
	}
	outcome_init(&storage);
	int descriptor = content_open(work->domain->contents, stored->content, &size, &storage);

	if (descriptor < 0) {
		retrieve_error(work, "XDSRepositoryError", "Restore the document: its file cannot be read.");
		return true;
	}
	struct str id = soap_answer_attach(work->answer, descriptor, size, stored->mime_type);

	if (!id.data)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	work->responses[work->response_count++] = (struct document_response) {
		.home = wanted->home,
		.repository_unique_id = wanted->repository_unique_id,
		.document_unique_id = wanted->document_unique_id,
		.mime_type = stored->mime_type,
		.content = { .content_id = id },
	};
	return true;
}

static bool retrieve_answer(struct retrieve_work *work, struct outcome *outcome)
{
	struct soap_request *request = work->request;
	size_t count = request->message.request_count;
	struct registry_response response;

	work->stored = arena_array(request->arena, count, sizeof *work->stored);
	work->responses = arena_array(request->arena, count, sizeof *work->responses);
	work->errors = arena_array(request->arena, count + 1, sizeof *work->errors);
	if (!work->stored || !work->responses || !work->errors)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	if (count == 0 || count > DOCUMENT_REQUESTS_MAX) {
		retrieve_error(work, "XDSRepositoryError", "Ask for 1 to 1000 documents at once.");
	} else {
		if (!database_read(work->domain->database, retrieve_find, work, outcome))
			return false;
		for (size_t i = 0; i < count; i++) {
			if (!retrieve_one(work, &request->message.requests[i], &work->stored[i], outcome))
				return false;
		}
	}
	response = (struct registry_response) { .errors = work->errors, .error_count = work->error_count };
	response.status = work->error_count == 0      ? REGISTRY_SUCCESS
			  : work->response_count == 0 ? REGISTRY_FAILURE
						      : REGISTRY_PARTIAL_SUCCESS;
	if (work->is_cross)
		errors_place(&response, work->domain->rules.home_community_id);
	retrieve_response_write(soap_answer_writer(work->answer), &response, work->responses, work->response_count);
	return true;
}

bool retrieve_document_set(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	struct retrieve_work work = { .domain = ctx, .request = request, .answer = answer };

	return retrieve_answer(&work, outcome);
}

bool cross_gateway_retrieve(void *ctx, struct soap_request *request, struct soap_answer *answer,
			    struct outcome *outcome)
{
	struct retrieve_work work = { .domain = ctx, .request = request, .answer = answer, .is_cross = true };

	return retrieve_answer(&work, outcome);
}
