#include "gateway/north/record.h"

#include "gateway/transactions/decisions.h"

/* The request as it came: line, and the body where it is part of the question. Byte for byte, up to what a record takes. */
static struct str query_copy(const struct http_request *http, bool with_body)
{
	struct str body = with_body && http->body ? spool_view(http->body) : STR_NONE;
	struct buf text;
	struct str query;

	buf_init(&text, AUDIT_QUERY_BYTES_MAX + 1);
	if (body.size > AUDIT_QUERY_BYTES_MAX)
		body.size = AUDIT_QUERY_BYTES_MAX;
	buf_add(&text, http->method);
	buf_add_char(&text, ' ');
	buf_add(&text, http->path);
	if (http->query.data)
		buf_add_char(&text, '?');
	buf_add(&text, http->query);
	if (body.size > 0)
		buf_add(&text, STR("\n\n"));
	if (body.size > text.size_max - text.size)
		body.size = text.size_max - text.size;
	buf_add(&text, body);
	query = arena_copy(http->arena, buf_str(&text));
	buf_free(&text);
	return query;
}

static size_t query_size(const struct http_request *http, bool with_body)
{
	return http->method.size + 1 + http->path.size + (http->query.data ? 1 : 0) + http->query.size +
	       (with_body && http->body ? 2 + (size_t)spool_size(http->body) : 0);
}

/* What the path names is what it is about. */
static void path_object(struct fhir_request *request)
{
	struct audit_object object = { .type = request->route->resource, .is_main = true };

	if (str_is_empty(request->id) || str_is_empty(object.type))
		return;
	object.reference = arena_printf(request->http->arena, "%.*s/%.*s", STR_ARG(object.type), STR_ARG(request->id));
	audit_object(request->transaction.audit, &object);
}

bool record_begin(struct fhir_request *request)
{
	const struct http_request *http = request->http;
	const struct route *route = request->route;
	struct transaction *t = &request->transaction;
	/* The form of the token endpoint holds a credential. */
	bool with_body = (route->body == ROUTE_BODY_FORM && !route->need->is_open) ||
			 route->body == ROUTE_BODY_RESOURCE || route->body == ROUTE_BODY_PATCH;
	struct audit_begin begin = { .kind = audit_kind_of(route->transaction, route->interaction),
				     .address = http->peer,
				     .request_id = str_from_c(http->trace.span_id),
				     .traceparent = str_from_c(request->traceparent),
				     .arena = http->arena,
				     .deadline = http->deadline };

	if (!request->gateway->audit)
		return true;
	begin.query = query_copy(http, with_body);
	begin.query_size = query_size(http, with_body);
	if (!begin.query.data)
		return outcome_add(&request->outcome, ERR_NO_MEMORY, "", "Try again later.");
	if (!audit_begin(request->gateway->audit, &begin, &t->audit, &request->outcome)) {
		request->is_unrecorded = true;
		return false;
	}
	t->south.recorder = audit_recorder(t->audit);
	path_object(request);
	return true;
}

bool record_caller(struct fhir_request *request)
{
	audit_caller(request->transaction.audit, request->transaction.caller);
	return true;
}

/* Where what was written is now. */
static void location_take(struct fhir_request *request)
{
	struct audit_object object = { .type = request->route->resource,
				       .reference = request->location,
				       .is_main = true };

	if (!str_is_empty(request->location))
		audit_object(request->transaction.audit, &object);
}

static bool unrecorded(struct fhir_request *request, const struct outcome *why)
{
	request->is_unrecorded = true;
	request->outcome = *why;
	return false;
}

bool record_commit(struct fhir_request *request)
{
	struct transaction *t = &request->transaction;
	struct outcome writing;

	if (request->is_unrecorded)
		return false;
	if (!t->audit)
		return true;
	/* Strangers may come in any number; they are counted where they are too many to list. */
	if (t->caller->kind == CALLER_ANONYMOUS && request->challenge.code != ERR_NONE) {
		audit_refused(request->gateway->audit, request->challenge.code, request->http->peer,
			      &request->http->trace);
		return true;
	}
	decisions_record(t);
	location_take(request);
	outcome_init(&writing);
	return audit_commit(t->audit, &request->outcome, &writing) || unrecorded(request, &writing);
}
