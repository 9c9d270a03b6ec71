/* Cross Gateway Retrieve [ITI-39]: each document is looked up in the registry behind, decided by consent, fetched and
 * verified, and confirmed right before it leaves. A large one is streamed, when it is alone or the last; others wait on
 * disk, so that an answer says of each document how it went. Source: ITI TF-2 3.39, 3.43. */
#include "gateway/community/community.h"
#include "gateway/transactions/document_deliver.h"
#include "gateway/transactions/elsewhere.h"
#include "mappers/content_type.h"

#define DOCUMENT_REQUESTS_MAX 256
#define UNIQUE_ID_SHOWN       128
#define NOT_THERE             "There is no such document; ask for it anew."

struct wanted {
	const struct document_request *request;
	struct source *source;
	const struct document_entry *entry; /* NULL: refused already, or asked for twice */
};

struct retrieval {
	struct inward *inward;
	struct wanted *wanted;
	size_t count;
	struct document_response *responses;
	size_t response_count;
	struct registry_error *errors;
	size_t error_count;
	const struct wanted *now; /* being fetched */
};

/* Says of one document why it is not returned. What is hidden and what is not there are told in the same words. */
static bool error_add(struct retrieval *retrieval, const struct document_request *request, struct str code,
		      const char *text)
{
	struct arena *arena = retrieval->inward->request->arena;
	struct str id = request->document_unique_id;

	if (id.size > UNIQUE_ID_SHOWN)
		id = STR("(too long)");
	retrieval->errors[retrieval->error_count] = (struct registry_error) {
		.code = arena_copy(arena, code),
		.context = arena_printf(arena, "%.*s: %s", STR_ARG(id), text),
		.location = retrieval->inward->community->home,
		.severity = SEVERITY_ERROR,
	};
	return retrieval->errors[retrieval->error_count++].context.data || no_memory(&retrieval->inward->t);
}

static const struct issue *first_error(const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->count; i++) {
		if (outcome->issues[i].severity == SEVERITY_ERROR)
			return &outcome->issues[i];
	}
	return NULL;
}

/* What went wrong with one document, for the answer; the outcome of the whole is made at the end. in_repository: not when
 * it was looked up in the registry, but when it was fetched. */
static bool failure_add(struct retrieval *retrieval, const struct document_request *request,
			const struct outcome *outcome, bool in_repository)
{
	const struct issue *issue = first_error(outcome);

	if (!issue)
		return error_add(retrieval, request, STR("XDSRepositoryError"), "Ask again later.");
	if (issue->code == ERR_NOT_FOUND)
		return error_add(retrieval, request, STR("XDSDocumentUniqueIdError"), NOT_THERE);
	if (in_repository && !issue->xds_code[0])
		return error_add(retrieval, request, STR("XDSRepositoryError"), issue->text);
	return error_add(retrieval, request, inward_code(issue), issue->text);
}

static bool is_asked_twice(const struct retrieval *retrieval, size_t index)
{
	const struct document_request *requests = retrieval->inward->request->message.requests;

	for (size_t i = 0; i < index; i++) {
		if (str_equal(requests[i].document_unique_id, requests[index].document_unique_id) &&
		    str_equal(requests[i].repository_unique_id, requests[index].repository_unique_id))
			return true;
	}
	return false;
}

static struct source *source_of(const struct inward *inward, struct str repository_unique_id)
{
	struct source *source;
	size_t index = 0;

	while ((source = inward_source(inward, &index)) != NULL) {
		if (backend_repository_url(&source->backend, repository_unique_id))
			return source;
	}
	return NULL;
}

/* Finds the entry of one document, or says why not. False without memory. */
static bool document_find(struct retrieval *retrieval, size_t index)
{
	struct inward *inward = retrieval->inward;
	const struct document_request *request = &inward->request->message.requests[index];
	struct wanted *wanted = &retrieval->wanted[index];
	struct transaction t;
	struct outcome outcome;

	wanted->request = request;
	if (is_asked_twice(retrieval, index))
		return true;
	if (str_is_empty(request->home))
		return error_add(retrieval, request, STR("XDSMissingHomeCommunityId"),
				 "Name the community that is asked, by its homeCommunityId.");
	if (!str_equal(request->home, inward->community->home))
		return error_add(retrieval, request, STR("XDSUnknownCommunity"),
				 "Ask the community that homeCommunityId names.");
	wanted->source = source_of(inward, request->repository_unique_id);
	if (!wanted->source)
		return error_add(retrieval, request, STR("XDSUnknownRepositoryId"),
				 "Ask for documents of a repository of this community.");
	outcome_init(&outcome);
	t = inward_ask(inward, wanted->source, &outcome);
	if (!visible_document(t.visit, &t.south, wanted->source->home, request, &wanted->entry, &outcome) ||
	    (wanted->entry && !hidden_elsewhere_entry(&t, &wanted->entry)))
		return failure_add(retrieval, request, &outcome, false);
	return wanted->entry || error_add(retrieval, request, STR("XDSDocumentUniqueIdError"), NOT_THERE);
}

static struct str part_type(const struct document_entry *entry)
{
	return media_type_valid(entry->mime_type) ? entry->mime_type : STR("application/octet-stream");
}

static bool response_add(struct retrieval *retrieval, struct str content_id)
{
	const struct wanted *now = retrieval->now;

	if (!content_id.data)
		return no_memory(&retrieval->inward->t);
	retrieval->responses[retrieval->response_count++] =
		(struct document_response) { .home = retrieval->inward->community->home,
					     .repository_unique_id = now->request->repository_unique_id,
					     .document_unique_id = now->request->document_unique_id,
					     .mime_type = now->entry->mime_type,
					     .content = { .content_id = content_id } };
	return true;
}

/* The outcome of the whole: what is recorded, and the element of the answer. */
static void result_write(struct retrieval *retrieval)
{
	struct inward *inward = retrieval->inward;
	bool has_content = retrieval->response_count > 0;
	const struct registry_response response = { .status = retrieval->error_count == 0 ? REGISTRY_SUCCESS
							      : has_content               ? REGISTRY_PARTIAL_SUCCESS
											  : REGISTRY_FAILURE,
						    .errors = retrieval->errors,
						    .error_count = retrieval->error_count };

	for (size_t i = 0; i < retrieval->error_count; i++)
		outcome_add_xds(&inward->outcome, has_content ? SEVERITY_WARNING : SEVERITY_ERROR,
				retrieval->errors[i].code, retrieval->errors[i].context, STR_NONE);
	retrieve_response_write(soap_answer_writer(inward->answer), &response, retrieval->responses,
				retrieval->response_count);
}

static bool document_whole(void *ctx, const struct document_head *head, struct spool *document)
{
	struct retrieval *retrieval = ctx;

	(void)head;
	return response_add(retrieval, soap_answer_attach_spool(retrieval->inward->answer, document,
								part_type(retrieval->now->entry)));
}

/* The answer begins with a document whose bytes are still to come. */
static bool stream_begin(void *ctx, const struct document_head *head)
{
	struct retrieval *retrieval = ctx;
	struct inward *inward = retrieval->inward;

	if (!response_add(retrieval,
			  soap_answer_announce(inward->answer, head->size, part_type(retrieval->now->entry))))
		return false;
	result_write(retrieval);
	return inward_commit(inward) && soap_answer_open(inward->answer, inward->request->exchange, &inward->outcome);
}

static bool stream_write(void *ctx, const void *bytes, size_t size)
{
	struct retrieval *retrieval = ctx;

	return soap_answer_write(retrieval->inward->answer, bytes, size);
}

static bool stream_end(void *ctx)
{
	struct retrieval *retrieval = ctx;

	return soap_answer_end(retrieval->inward->answer);
}

/* Fetches one document; is_last: it may be streamed. False ends everything: no memory, or a stream that broke. */
static bool document_fetch(struct retrieval *retrieval, const struct wanted *wanted, bool is_last)
{
	struct inward *inward = retrieval->inward;
	const struct document_receiver receiver = { .ctx = retrieval,
						    .whole = document_whole,
						    .begin = stream_begin,
						    .write = stream_write,
						    .end = stream_end,
						    .whole_only = !is_last };
	struct outcome outcome;
	struct transaction t = inward_ask(inward, wanted->source, &outcome);

	outcome_init(&outcome);
	t.south.patient_id = wanted->entry->patient_id;
	retrieval->now = wanted;
	if (document_deliver(&t, wanted->entry, &receiver))
		return true;
	if (inward->outcome.has_error || http_answered(inward->request->exchange)) {
		if (!inward->outcome.has_error)
			inward->outcome = outcome;
		return false;
	}
	return failure_add(retrieval, wanted->request, &outcome, true);
}

/* What was asked for, whatever becomes of it. */
static void requests_record(const struct inward *inward)
{
	const struct xds_message *message = &inward->request->message;

	for (size_t i = 0; i < message->request_count; i++) {
		struct audit_object object = { .type = i == 0 ? STR("Binary") : STR("DocumentReference"),
					       .unique_id = message->requests[i].document_unique_id,
					       .repository_unique_id = message->requests[i].repository_unique_id,
					       .home_community_id = message->requests[i].home,
					       .is_main = i == 0 };

		audit_object(inward->t.audit, &object);
	}
}

static bool retrieval_make(struct retrieval *retrieval)
{
	struct arena *arena = retrieval->inward->request->arena;
	size_t count = retrieval->count;

	retrieval->wanted = arena_array(arena, count, sizeof(*retrieval->wanted));
	retrieval->responses = arena_array(arena, count, sizeof(*retrieval->responses));
	retrieval->errors = arena_array(arena, count, sizeof(*retrieval->errors));
	return (retrieval->wanted && retrieval->responses && retrieval->errors) || no_memory(&retrieval->inward->t);
}

static bool exchange(struct inward *inward)
{
	struct retrieval retrieval = { .inward = inward, .count = inward->request->message.request_count };
	size_t last = retrieval.count; /* the one that may be streamed */

	if (retrieval.count == 0 || retrieval.count > DOCUMENT_REQUESTS_MAX)
		return outcome_add(&inward->outcome, ERR_VALUE_INVALID, "", "Ask for 1 to %d documents at once.",
				   DOCUMENT_REQUESTS_MAX);
	requests_record(inward);
	if (!retrieval_make(&retrieval))
		return false;
	for (size_t i = 0; i < retrieval.count; i++) {
		if (!document_find(&retrieval, i))
			return false;
		if (retrieval.wanted[i].entry)
			last = i;
	}
	for (size_t i = 0; i < retrieval.count; i++) {
		if (retrieval.wanted[i].entry && !document_fetch(&retrieval, &retrieval.wanted[i], i == last))
			return false;
	}
	if (!http_answered(inward->request->exchange))
		result_write(&retrieval);
	return true;
}

static bool question(struct inward *inward, struct str *text, size_t *size)
{
	(void)inward;
	*text = STR_NONE;
	*size = 0;
	return true;
}

bool cross_retrieve(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	static const struct inward_service service = { AUDIT_CROSS_RETRIEVED, question, exchange };

	(void)ctx;
	return inward_walk(&service, request, answer, outcome);
}
