#include "gateway/north/door.h"

#include "gateway/access/authorize.h"
#include "gateway/access/rate_limit.h"
#include "gateway/north/negotiate.h"
#include "gateway/run/clock.h"

/* A token in a URL ends up in logs and histories: RFC 6750 2.3 allows it, RFC 9700 2.1.2 forbids it. */
static void credentials_take(const struct http_request *http, const struct route *route, bool is_bare,
			     struct credentials *credentials)
{
	const struct str authorization = STR("Authorization");
	char text[4];

	*credentials = (struct credentials) {
		.authorization = http_request_header(http, authorization),
		.is_doubled = http_request_header_count(http, authorization) > 1 ||
			      negotiate_parameter(http->query, STR("access_token"), text, sizeof(text)).data,
		.certificate = http->client_certificate.sha256,
		.certificate_issuer = http->client_certificate.issuer,
		.address = http->peer,
		.reason = http_request_header(http, STR("X-Break-Glass-Reason")),
		.is_bare = is_bare,
		.is_write = !str_equal(route->method, STR("GET")) && route->body != ROUTE_BODY_FORM,
	};
}

enum quick door_quick(struct access *access, const struct http_request *http, const struct route_found *found,
		      struct challenge *challenge)
{
	struct credentials credentials;

	if (found->route->need->is_open)
		return QUICK_KNOWN;
	credentials_take(http, found->route, found->is_bare, &credentials);
	return authenticate_quick(access, &credentials, clock_wall_ms() / 1000, challenge);
}

static bool refuse(struct fhir_request *request)
{
	return outcome_add(&request->outcome, request->challenge.code, "Authorization", "%s",
			   request->challenge.sentence);
}

bool door_authenticate(struct fhir_request *request)
{
	struct transaction *t = &request->transaction;
	struct credentials credentials;
	const struct caller *caller;

	if (request->route->need->is_open)
		return true;
	credentials_take(request->http, request->route, request->is_bare, &credentials);
	caller = authenticate(request->gateway->access, &credentials, &t->south, t->now_s, &request->challenge);
	if (!caller)
		return refuse(request);
	t->caller = caller;
	t->south.caller = caller;
	return true;
}

bool door_throttle(struct fhir_request *request)
{
	const struct transaction *t = &request->transaction;

	if (request->route->need->is_open ||
	    request_limit_admit(request->gateway->access, t->caller, t->now_s, &request->outcome))
		return true;
	request->retry_after_s = request_limit_wait_s(t->now_s);
	return false;
}

bool door_authorize(struct fhir_request *request)
{
	const struct route *route = request->route;

	return route->need->is_open ||
	       authorize(request->gateway->access, request->transaction.caller, route->need, &request->challenge) ||
	       refuse(request);
}
