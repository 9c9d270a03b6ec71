#include "gateway/north/exchange_consent.h"

#include "gateway/north/read.h"

static bool create(struct fhir_request *request, struct consent_answer *answer)
{
	/* Who creates only if there is none must not get a second one. FHIR R4 http 3.1.0.8.1 */
	if (http_request_header(request->http, STR("If-None-Exist")).data)
		return outcome_add(&request->outcome, ERR_PARAMETER_UNKNOWN, "If-None-Exist",
				   "Search for the Consent, and create it when there is none.");
	request->status = 201;
	return consent_create(&request->transaction, request->resource, answer);
}

static bool update(struct fhir_request *request, struct consent_answer *answer)
{
	return consent_update(&request->transaction, request->id, http_request_header(request->http, STR("If-Match")),
			      request->resource, answer);
}

static bool delete (struct fhir_request *request)
{
	request->status = 204;
	return consent_delete(&request->transaction, request->id, http_request_header(request->http, STR("If-Match")));
}

static bool transact(struct fhir_request *request, struct consent_answer *answer)
{
	const struct transaction *t = &request->transaction;

	switch (request->route->name) {
	case ROUTE_CREATE_CONSENT:
		return create(request, answer);
	case ROUTE_UPDATE_CONSENT:
		return update(request, answer);
	case ROUTE_READ_CONSENT:
	case ROUTE_READ_CONSENT_VERSION:
		return consent_read(t, request->id, request->version, answer);
	case ROUTE_DELETE_CONSENT:
		return delete (request);
	default:
		return find_consents(t, &request->search, &request->answer);
	}
}

bool exchange_consent(struct fhir_request *request)
{
	struct consent_answer answer = { .resource = &request->answer };
	bool good = transact(request, &answer);

	request->etag = answer.etag;
	request->location = answer.location;
	if (good && answer.location.data && prefers(request->http, STR("return=minimal")))
		buf_clear(&request->answer);
	return good;
}
