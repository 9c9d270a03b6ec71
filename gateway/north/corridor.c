#include "gateway/north/corridor.h"

#include "gateway/north/door.h"
#include "gateway/north/exchange_consent.h"
#include "gateway/north/exchange_document.h"
#include "gateway/north/exchange_publication.h"
#include "gateway/north/negotiate.h"
#include "gateway/north/read.h"
#include "gateway/north/record.h"
#include "gateway/north/respond.h"
#include "gateway/north/respond_document.h"
#include "gateway/north/token_face.h"
#include "gateway/run/clock.h"
#include "gateway/transactions/own_patient.h"

struct step {
	const char *name;
	bool (*walk)(struct fhir_request *request); /* false ends the walk; request->outcome says why */
};

/* Which format the answer shall have. A document is negotiated by its own type, and errors about it are JSON unless
 * XML is asked for. FHIR R4 http 3.1.0.1.9 */
static bool negotiate(struct fhir_request *request)
{
	struct str accept = http_request_header(request->http, STR("Accept"));
	char text[64];
	struct str format = negotiate_parameter(request->http->query, STR("_format"), text, sizeof(text));

	if (str_is_empty(request->route->interaction))
		return true; /* no FHIR: plain JSON is all there is */
	if (!format.data && request->route->body == ROUTE_BODY_FORM && request->http->body)
		format = negotiate_parameter(spool_view(request->http->body), STR("_format"), text, sizeof(text));
	if (negotiate_answer(accept, format, &request->answer_format))
		return true;
	request->answer_format = FHIR_JSON;
	return request->route->name == ROUTE_RETRIEVE_DOCUMENT ||
	       outcome_add(&request->outcome, ERR_NOT_ACCEPTABLE, "Accept",
			   "Ask for application/fhir+json or application/fhir+xml, FHIR version 4.0.");
}

static bool feed(struct fhir_request *request)
{
	struct written written = { 0 };

	if (!feed_patient(&request->transaction, &request->search, request->resource, &written, &request->answer))
		return false;
	request->status = written.is_new ? 201 : 200;
	request->location = written.location;
	return true;
}

static bool exchange(struct fhir_request *request)
{
	struct transaction *t = &request->transaction;

	if (!own_patient_resolve(t))
		return false;
	switch (request->route->name) {
	case ROUTE_CAPABILITIES:
		return capability(t, &request->answer);
	case ROUTE_PROVIDE_BUNDLE:
	case ROUTE_PUBLICATION_STATUS:
	case ROUTE_PUBLICATION_WITHDRAW:
	case ROUTE_FIND_TASKS:
	case ROUTE_READ_TASK:
	case ROUTE_UPDATE_TASK:
	case ROUTE_DELETE_TASK:
	case ROUTE_RETRY_TASK:
	case ROUTE_RESUBMIT_TASK:
		return exchange_publication(request);
	case ROUTE_FIND_LISTS:
	case ROUTE_FIND_LISTS_POST:
		return find_document_lists(t, &request->search, &request->answer);
	case ROUTE_READ_LIST:
		return read_list(t, request->id, &request->answer, &request->etag);
	case ROUTE_FIND_REFERENCES:
	case ROUTE_FIND_REFERENCES_POST:
		return find_document_references(t, &request->search, &request->answer);
	case ROUTE_READ_REFERENCE:
		return read_document_reference(t, request->id, &request->answer, &request->etag);
	case ROUTE_UPDATE_REFERENCE:
	case ROUTE_PATCH_REFERENCE:
		return exchange_document_change(request);
	case ROUTE_DELETE_REFERENCE:
		return exchange_document_delete(request);
	case ROUTE_RETRIEVE_DOCUMENT:
		return respond_document(request);
	case ROUTE_READ_PATIENT:
		return read_patient(t, request->id, &request->answer);
	case ROUTE_FIND_CONSENTS:
	case ROUTE_FIND_CONSENTS_POST:
	case ROUTE_CREATE_CONSENT:
	case ROUTE_READ_CONSENT:
	case ROUTE_READ_CONSENT_VERSION:
	case ROUTE_UPDATE_CONSENT:
	case ROUTE_DELETE_CONSENT:
		return exchange_consent(request);
	case ROUTE_FIND_PATIENTS:
	case ROUTE_FIND_PATIENTS_POST:
		return find_patients(t, &request->search, &request->answer);
	case ROUTE_FEED_PATIENT:
		return feed(request);
	case ROUTE_CORRESPONDING:
	case ROUTE_CORRESPONDING_POST:
		return corresponding_identifiers(t, &request->search, request->resource, &request->answer);
	case ROUTE_MATCH_PATIENT:
		return match_patient(t, request->resource, &request->answer);
	case ROUTE_SMART_CONFIGURATION:
	case ROUTE_AUTHORIZATION_SERVER:
	case ROUTE_PROTECTED_RESOURCE:
	case ROUTE_TOKEN_KEYS:
		return token_documents(request);
	case ROUTE_ISSUE_TOKEN:
		return token_issue(request);
	case ROUTE_FIND_EVENTS:
	case ROUTE_FIND_EVENTS_POST:
		return find_audit_events(t, &request->search, &request->answer);
	case ROUTE_READ_EVENT:
		return read_audit_event(t, request->id, &request->answer);
	case ROUTE_COUNT:
		break;
	}
	return outcome_add(&request->outcome, ERR_INTERNAL, "", "Report this to the operator.");
}

/* Routing, admission and the quick part of `authenticate` have been done when the headers came (fhir_server.c), so that a
 * stranger's body is not even read. Whether the patient consents is asked inside `exchange`, which alone knows the
 * patient and the documents (gateway/access/visible.h is its door). */
/* clang-format off */
static const struct step corridor[] = {
	{ "record", record_begin },
	{ "negotiate", negotiate },
	{ "authenticate", door_authenticate },
	{ "name", record_caller },
	{ "throttle", door_throttle },
	{ "authorize", door_authorize },
	{ "read", read_request },
	{ "exchange", exchange },
};
/* clang-format on */

static void transaction_begin(struct fhir_request *request)
{
	static const struct caller anonymous = { .kind = CALLER_ANONYMOUS };
	struct http_request *http = request->http;

	trace_to_header(&http->trace, request->traceparent);
	request->transaction = (struct transaction) { .gateway = request->gateway,
						      .source = request->gateway->sources,
						      .south = { .backend = &request->gateway->sources->backend,
								 .arena = http->arena,
								 .deadline = http->deadline,
								 .spools = request->gateway->spools,
								 .request_id = http->trace.span_id,
								 .traceparent = request->traceparent,
								 .xua = request->gateway->xua },
						      .caller = &anonymous,
						      .now_s = clock_wall_ms() / 1000,
						      .outcome = &request->outcome };
}

void corridor_walk(struct fhir_request *request)
{
	bool ok = true;

	outcome_init(&request->outcome);
	buf_init(&request->answer, request->gateway->config->limits_request_memory);
	transaction_begin(request);
	for (size_t i = 0; ok && i < COUNT_OF(corridor); i++)
		ok = corridor[i].walk(request);
	/* A document was recorded before it began to leave; when it broke off, that is recorded too. */
	if ((!ok || !request->answered) && !record_commit(request))
		ok = false;
	if (!ok)
		respond_error(request);
	else if (!request->answered)
		respond_resource(request);
	buf_free(&request->answer);
}
