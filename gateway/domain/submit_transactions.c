/* ITI-41, ITI-42 and ITI-57: the transactions that store. */
#include "gateway/domain/domain_state.h"
#include "gateway/domain/refusal.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "mappers/base/xds_time.h"

#define DOCUMENTS_MAX 1000

/* One submission on its way into the database. */
struct submit {
	struct domain *domain;
	struct soap_request *request;
	struct submission_rules rules;
	struct submission submission;
	struct received_document *documents; /* ITI-41 */
	size_t document_count;
	struct received_document *present; /* the one whose bytes arrive */
	struct outcome *outcome;
};

static bool submit_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct submit *submit = context;

	if (submit->rules.is_update)
		return registry_update(connection, &submit->submission, submit->request->arena, outcome);
	return registry_commit(connection, &submit->submission, submit->request->arena, outcome) &&
	       repository_keep(connection, &submit->request->message.objects, submit->documents, submit->document_count,
			       outcome);
}

/* Checks and stores; when this returns true the submission is on the disk. */
static bool submit_store(struct submit *submit)
{
	struct soap_request *request = submit->request;
	char now[XDS_TIME_SIZE];

	xds_time_from_unix(clock_wall_ms() / 1000, now);
	struct str copy = arena_copy(request->arena, str_from_c(now));

	if (!copy.data)
		return outcome_add(submit->outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	return submission_read(&request->message.objects, &submit->rules, copy, request->arena, &submit->submission,
			       submit->outcome) &&
	       database_write(submit->domain->database, submit_work, submit, submit->outcome);
}

/* The RegistryResponse for what happened, and a line in the log. */
static bool submit_answer(const struct submit *submit, bool stored, struct soap_answer *answer)
{
	const struct http_request *http = submit->request->http;
	struct registry_response response;

	if (!stored && !submit->outcome->has_error)
		outcome_add(submit->outcome, ERR_INTERNAL, "", "Report this: a submission failed without a reason.");
	if (!refusal_response(submit->outcome, submit->request->arena, &response))
		return outcome_add(submit->outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	registry_response_write(soap_answer_writer(answer), &response);
	if (response.status == REGISTRY_SUCCESS)
		LOG(INFO, LOG_DOMAIN_EVENT, http->trace.span_id,
		    LOG_C("what", submit->rules.is_update ? "updated" : "registered"),
		    LOG_NUMBER("objects", submit->submission.count), LOG_NUMBER("documents", submit->document_count));
	else
		LOG(WARN, LOG_DOMAIN_EVENT, http->trace.span_id, LOG_C("what", "refused"),
		    LOG_TEXT("code", response.error_count ? response.errors[0].code : STR("")));
	return true;
}

bool register_document_set(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	struct domain *domain = ctx;
	struct submit submit = { .domain = domain, .request = request, .rules = domain->rules, .outcome = outcome };

	return submit_answer(&submit, submit_store(&submit), answer);
}

bool update_document_set(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	struct domain *domain = ctx;
	struct submit submit = { .domain = domain, .request = request, .rules = domain->rules, .outcome = outcome };

	submit.rules.is_update = true;
	return submit_answer(&submit, submit_store(&submit), answer);
}

static bool document_begin(void *ctx, size_t index)
{
	struct submit *submit = ctx;

	submit->present = &submit->documents[index];
	return content_begin(submit->domain->contents, submit->domain->document_bytes_max, &submit->present->writer,
			     submit->outcome);
}

static bool document_data(void *ctx, const void *bytes, size_t size)
{
	struct submit *submit = ctx;

	return content_write(submit->present->writer, bytes, size, submit->outcome);
}

static bool document_end(void *ctx)
{
	struct submit *submit = ctx;

	submit->present->has_content = true;
	return content_finish(submit->present->writer, &submit->present->content, submit->outcome);
}

static bool documents_receive(struct submit *submit)
{
	const struct xds_message *message = &submit->request->message;
	const struct soap_document_sink sink = {
		.ctx = submit, .begin = document_begin, .data = document_data, .end = document_end
	};

	if (message->document_count > DOCUMENTS_MAX)
		return refuse(submit->outcome, "XDSRepositoryOutOfResources", STR_NONE,
			      "Send at most %d documents at once.", DOCUMENTS_MAX);
	submit->documents = arena_array(submit->request->arena, message->document_count, sizeof *submit->documents);
	if (!submit->documents)
		return outcome_add(submit->outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	submit->document_count = message->document_count;
	for (size_t i = 0; i < submit->document_count; i++)
		submit->documents[i].id = message->documents[i].id;
	return soap_documents_read(submit->request, &sink, submit->outcome);
}

bool provide_and_register(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	struct domain *domain = ctx;
	struct submit submit = { .domain = domain, .request = request, .rules = domain->rules, .outcome = outcome };
	bool stored = documents_receive(&submit) &&
		      repository_check(&request->message.objects, submit.documents, submit.document_count,
				       domain->repository_unique_id, request->arena, outcome) &&
		      submit_store(&submit);

	for (size_t i = 0; i < submit.document_count; i++)
		content_discard(submit.documents[i].writer);
	return submit_answer(&submit, stored, answer);
}
