#include "gateway/access/asserted.h"
#include "gateway/access/rate_limit.h"
#include "gateway/community/community.h"
#include "gateway/run/clock.h"
#include "gateway/transactions/decisions.h"
#include "gateway/transactions/own_patient.h"

static bool fault_memory(struct outcome *fault)
{
	return outcome_add(fault, ERR_NO_MEMORY, "", "Retry later: no memory left.");
}

static void transaction_begin(struct inward *inward)
{
	struct http_request *http = inward->request->http;
	struct gateway *gateway = inward->community->gateway;

	trace_to_header(&http->trace, inward->traceparent);
	inward->t = (struct transaction) { .gateway = gateway,
					   .source = gateway->sources,
					   .south = { .backend = &gateway->sources->backend,
						      .arena = http->arena,
						      .deadline = http->deadline,
						      .spools = gateway->spools,
						      .request_id = http->trace.span_id,
						      .traceparent = inward->traceparent,
						      .xua = gateway->xua,
						      .caller = &inward->caller },
					   .caller = &inward->caller,
					   .is_inward = true,
					   .now_s = clock_wall_ms() / 1000,
					   .outcome = &inward->outcome };
}

static bool record_begin(struct inward *inward, const struct inward_service *service)
{
	const struct http_request *http = inward->request->http;
	struct audit *audit = inward->community->gateway->audit;
	struct audit_begin begin = { .kind = service->kind,
				     .address = http->peer,
				     .request_id = str_from_c(http->trace.span_id),
				     .traceparent = str_from_c(inward->traceparent),
				     .arena = http->arena,
				     .deadline = http->deadline };

	if (!audit)
		return true;
	if (!service->question(inward, &begin.query, &begin.query_size))
		return no_memory(&inward->t);
	if (!audit_begin(audit, &begin, &inward->t.audit, &inward->outcome)) {
		inward->is_unrecorded = true;
		return false;
	}
	inward->t.south.recorder = audit_recorder(inward->t.audit);
	return true;
}

bool inward_commit(struct inward *inward)
{
	struct outcome writing;

	if (inward->is_unrecorded)
		return false;
	if (!inward->t.audit)
		return true;
	decisions_record(&inward->t);
	outcome_init(&writing);
	if (audit_commit(inward->t.audit, &inward->outcome, &writing))
		return true;
	inward->is_unrecorded = true;
	inward->outcome = writing;
	return false;
}

/* Who asks must be one who is served, and about whom they may ask is found out once. */
static bool caller_admit(struct inward *inward)
{
	struct gateway *gateway = inward->community->gateway;

	return asserted_admit(gateway->access, inward->request->patient_id, &inward->caller, &inward->outcome) &&
	       request_limit_admit(gateway->access, &inward->caller, inward->t.now_s, &inward->outcome) &&
	       own_patient_resolve(&inward->t);
}

/* What is hidden in one source is hidden in all: each remembers what it hides. */
static bool visits_part(struct inward *inward)
{
	struct gateway *gateway = inward->community->gateway;

	inward->visits = arena_array(inward->request->arena, gateway->source_count, sizeof(struct visit *));
	if (!inward->visits)
		return no_memory(&inward->t);
	for (size_t i = 0; i < gateway->source_count; i++) {
		struct source *source = &gateway->sources[i];
		struct transaction t = inward_ask(inward, source, &inward->outcome);

		inward->visits[i] = visit_part(inward->t.visit, &t.south, source->community);
		if (!inward->visits[i])
			return no_memory(&inward->t);
	}
	return true;
}

bool inward_walk(const struct inward_service *service, struct soap_request *request, struct soap_answer *answer,
		 struct outcome *fault)
{
	struct inward *inward = arena_alloc(request->arena, sizeof(*inward));
	bool ok;

	if (!inward)
		return fault_memory(fault);
	*inward = (struct inward) {
		.community = request->http->tag, .request = request, .answer = answer, .caller = *request->caller
	};
	outcome_init(&inward->outcome);
	transaction_begin(inward);
	ok = record_begin(inward, service);
	if (ok) {
		ok = caller_admit(inward);
		/* As whom they come is known only now. */
		audit_caller(inward->t.audit, &inward->caller);
	}
	ok = ok && visits_part(inward) && service->exchange(inward);
	ok = inward_commit(inward) && ok;
	if (!ok)
		*fault = inward->outcome;
	return ok || http_answered(request->exchange);
}

bool inward_refuse(struct inward *inward, const char *xds_code, const char *text)
{
	outcome_add_xds(&inward->outcome, SEVERITY_ERROR, str_from_c(xds_code), str_from_c(text), STR_NONE);
	return false;
}

bool inward_home_check(struct inward *inward, struct str home, bool is_needed)
{
	if (str_is_empty(home))
		return !is_needed || inward_refuse(inward, "XDSMissingHomeCommunityId",
						   "Name the community that is asked, by its homeCommunityId.");
	return str_equal(home, inward->community->home) ||
	       inward_refuse(inward, "XDSUnknownCommunity", "Ask the community that homeCommunityId names.");
}

struct source *inward_source(const struct inward *inward, size_t *index)
{
	const struct gateway *gateway = inward->community->gateway;

	while (*index < gateway->source_count) {
		struct source *source = &gateway->sources[(*index)++];

		if (source->config->kind == CONFIG_KIND_XDS && !source->community)
			return source;
	}
	return NULL;
}

struct transaction inward_ask(const struct inward *inward, struct source *source, struct outcome *outcome)
{
	struct transaction t = inward->t;

	t.source = source;
	t.visit = inward->visits[source - inward->t.gateway->sources];
	t.south.backend = &source->backend;
	t.outcome = outcome;
	return t;
}

struct str inward_code(const struct issue *issue)
{
	const struct error_info *info = error_info(issue->code);

	if (issue->xds_code[0])
		return str_from_c(issue->xds_code);
	/* Nothing is wrong with the question: the sender may ask again. */
	if (info->may_retry && !info->xds_codes[0])
		return STR("XDSRegistryNotAvailable");
	return str_from_c(error_to_xds(issue->code));
}

bool inward_response(const struct inward *inward, bool has_content, struct registry_response *response)
{
	const struct outcome *outcome = &inward->outcome;
	struct registry_error *errors = arena_array(inward->request->arena, outcome->count, sizeof(*errors));
	bool has_error = outcome->has_error;
	size_t count = 0;

	if (!errors)
		return false;
	for (size_t i = 0; i < outcome->count; i++) {
		const struct issue *issue = &outcome->issues[i];

		if (issue->severity == SEVERITY_INFORMATION)
			continue;
		has_error = has_error || issue->is_partial;
		errors[count++] =
			(struct registry_error) { .code = inward_code(issue),
						  .context = str_from_c(issue->text),
						  .location = inward->community->home,
						  .severity = issue->is_partial ? SEVERITY_ERROR : issue->severity };
	}
	*response = (struct registry_response) { .status = !has_error    ? REGISTRY_SUCCESS
							   : has_content ? REGISTRY_PARTIAL_SUCCESS
									 : REGISTRY_FAILURE,
						 .errors = errors,
						 .error_count = count };
	return true;
}
