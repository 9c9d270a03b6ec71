#include "gateway/north/token_face.h"

#include "gateway/access/discovery.h"
#include "gateway/access/grant.h"
#include "mappers/json_writer.h"

static bool not_here(struct fhir_request *request)
{
	return outcome_add(&request->outcome, ERR_NOT_FOUND, "",
			   "This gateway issues no tokens; .well-known/oauth-protected-resource says who does.");
}

bool token_documents(struct fhir_request *request)
{
	const struct access *access = request->gateway->access;
	struct json_writer writer;

	request->media_type = "application/json";
	request->cacheable_s = 3600;
	json_writer_init(&writer, &request->answer);
	switch (request->route->name) {
	case ROUTE_PROTECTED_RESOURCE:
		discovery_resource_write(access, request->is_bare, &writer);
		break;
	case ROUTE_TOKEN_KEYS:
		if (!discovery_has_server(access))
			return not_here(request);
		request->media_type = "application/jwk-set+json";
		request->cacheable_s = 300;
		json_raw(&writer, discovery_keys(access));
		break;
	default:
		if (!discovery_has_server(access))
			return not_here(request);
		discovery_server_write(access, &writer);
		break;
	}
	return json_writer_finish(&writer, &request->outcome);
}

static void refusal_write(const struct grant *grant, struct json_writer *writer)
{
	json_begin_object(writer);
	json_member(writer, STR("error"), str_from_c(grant->error));
	json_member(writer, STR("error_description"), str_from_c(grant->sentence));
	json_end_object(writer);
}

static void token_write(const struct grant *grant, struct json_writer *writer)
{
	json_begin_object(writer);
	json_member(writer, STR("access_token"), grant->token);
	json_member(writer, STR("token_type"), STR("Bearer"));
	json_key(writer, STR("expires_in"));
	json_u64(writer, grant->seconds);
	json_member(writer, STR("scope"), grant->scopes);
	json_end_object(writer);
}

bool token_issue(struct fhir_request *request)
{
	struct transaction *t = &request->transaction;
	struct str form = request->http->body ? spool_view(request->http->body) : STR_NONE;
	struct json_writer writer;
	struct grant grant;

	if (!discovery_has_server(request->gateway->access))
		return not_here(request);
	request->media_type = "application/json";
	json_writer_init(&writer, &request->answer);
	if (grant_make(request->gateway->access, form, &t->south, t->now_s, &grant)) {
		t->caller = grant.client;
		audit_caller(t->audit, t->caller);
		token_write(&grant, &writer);
	} else {
		request->status = grant.may_retry ? 503 : 400;
		request->challenge.code = grant.may_retry ? ERR_TRUST_UNAVAILABLE : ERR_UNAUTHENTICATED;
		refusal_write(&grant, &writer);
	}
	return json_writer_finish(&writer, &request->outcome);
}
