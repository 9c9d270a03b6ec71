/* ITI-62 and ITI-86: the transactions that remove. */
#include "gateway/domain/domain_state.h"
#include "gateway/domain/refusal.h"
#include "gateway/run/log.h"

#define DOCUMENT_REQUESTS_MAX 1000

static bool answer_write(struct soap_request *request, const char *what, size_t count, struct soap_answer *answer,
			 const struct outcome *outcome)
{
	struct registry_response response;

	if (!refusal_response(outcome, request->arena, &response))
		return false;
	registry_response_write(soap_answer_writer(answer), &response);
	if (response.status == REGISTRY_SUCCESS)
		LOG(INFO, LOG_DOMAIN_EVENT, request->http->trace.span_id, LOG_C("what", what),
		    LOG_NUMBER("count", count));
	else
		LOG(WARN, LOG_DOMAIN_EVENT, request->http->trace.span_id, LOG_C("what", "refused"),
		    LOG_TEXT("code", response.error_count ? response.errors[0].code : STR("")));
	return true;
}

struct remove_work {
	struct domain *domain;
	struct soap_request *request;
	struct str *contents; /* of the documents forgotten, in the order of the requests */
	size_t count;
};

static bool metadata_remove(void *context, struct connection *connection, struct outcome *outcome)
{
	struct remove_work *work = context;

	return registry_remove(connection, &work->request->message.object_refs, work->request->arena, &work->count,
			       outcome);
}

bool remove_metadata(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	struct remove_work work = { .domain = ctx, .request = request };

	if (!database_write(work.domain->database, metadata_remove, &work, outcome) && !outcome->has_error)
		outcome_add(outcome, ERR_INTERNAL, "", "Report this: a removal failed without a reason.");
	return answer_write(request, "metadata removed", work.count, answer, outcome) ||
	       outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
}

static bool request_check(const struct remove_work *work, const struct document_request *wanted,
			  struct outcome *outcome)
{
	struct str home = work->domain->rules.home_community_id;

	if (wanted->home.size && home.data && !str_equal(wanted->home, home))
		return refuse(outcome, "XDSUnknownCommunity", STR_NONE,
			      "Ask the community that HomeCommunityId names.");
	return str_equal(wanted->repository_unique_id, work->domain->repository_unique_id) ||
	       refuse(outcome, "XDSUnknownRepositoryId", STR_NONE, "Ask the repository that RepositoryUniqueId names.");
}

static bool documents_forget(void *context, struct connection *connection, struct outcome *outcome)
{
	struct remove_work *work = context;
	const struct xds_message *message = &work->request->message;
	bool ok = true;

	for (size_t i = 0; i < message->request_count; i++) {
		const struct document_request *wanted = &message->requests[i];

		ok = request_check(work, wanted, outcome) &&
		     repository_remove(connection, wanted->document_unique_id, work->request->arena, &work->contents[i],
				       outcome) &&
		     ok;
	}
	work->count = ok ? message->request_count : 0;
	return ok;
}

static bool contents_discard(void *context, struct connection *connection, struct outcome *outcome)
{
	struct remove_work *work = context;
	bool ok = true;

	for (size_t i = 0; i < work->count; i++)
		ok = repository_discard(connection, work->domain->contents, work->contents[i], outcome) && ok;
	return ok;
}

bool remove_documents(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	struct remove_work work = { .domain = ctx, .request = request };
	size_t count = request->message.request_count;
	struct outcome discarding;

	work.contents = arena_array(request->arena, count, sizeof *work.contents);
	if (!work.contents)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	if (count == 0 || count > DOCUMENT_REQUESTS_MAX)
		refuse(outcome, "XDSRepositoryError", STR_NONE, "Name 1 to %d documents.", DOCUMENT_REQUESTS_MAX);
	else if (!database_write(work.domain->database, documents_forget, &work, outcome) && !outcome->has_error)
		outcome_add(outcome, ERR_INTERNAL, "", "Report this: a removal failed without a reason.");
	/* Nobody can ask for them any more; what cannot be removed now is when the domain starts again. */
	outcome_init(&discarding);
	if (work.count > 0 && !database_write(work.domain->database, contents_discard, &work, &discarding))
		LOG(WARN, LOG_DOMAIN_EVENT, request->http->trace.span_id, LOG_C("what", "bytes are removed later"));
	return answer_write(request, "documents removed", work.count, answer, outcome) ||
	       outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
}
