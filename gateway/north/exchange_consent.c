#include "gateway/north/exchange_consent.h"

#include "gateway/north/read.h"

/* Takes over what a transaction answered. */
static bool answer_take(struct fhir_request *request, const struct consent_answer *answer, bool good)
{
	request->etag = answer->etag;
	request->location = answer->location;
	if (good && answer->location.data && prefers(request->http, STR("return=minimal")))
		buf_clear(&request->answer);
	return good;
}

static bool exchange_consent_create(struct fhir_request *request)
{
	struct consent_answer answer = { .resource = &request->answer };

	/* Who creates only if there is none must not get a second one. FHIR R4 http 3.1.0.8.1 */
	if (http_request_header(request->http, STR("If-None-Exist")).data)
		return outcome_add(&request->outcome, ERR_PARAMETER_UNKNOWN, "If-None-Exist",
				   "Search for the Consent, and create it when there is none.");
	request->status = 201;
	return answer_take(request, &answer, consent_create(&request->transaction, request->resource, &answer));
}

static bool exchange_consent_read(struct fhir_request *request)
{
	struct consent_answer answer = { .resource = &request->answer };

	return answer_take(request, &answer,
			   consent_read(&request->transaction, request->id, request->version, &answer));
}

static bool exchange_consent_update(struct fhir_request *request)
{
	struct consent_answer answer = { .resource = &request->answer };
	struct str if_match = http_request_header(request->http, STR("If-Match"));

	return read_may_change(request) &&
	       answer_take(request, &answer,
			   consent_update(&request->transaction, request->id, if_match, request->resource, &answer));
}

static bool exchange_consent_delete(struct fhir_request *request)
{
	request->status = 204;
	return read_may_change(request) &&
	       consent_delete(&request->transaction, request->id, http_request_header(request->http, STR("If-Match")));
}

bool exchange_consent(struct fhir_request *request)
{
	switch (request->route->name) {
	case ROUTE_CREATE_CONSENT:
		return exchange_consent_create(request);
	case ROUTE_READ_CONSENT:
	case ROUTE_READ_CONSENT_VERSION:
		return exchange_consent_read(request);
	case ROUTE_UPDATE_CONSENT:
		return exchange_consent_update(request);
	case ROUTE_DELETE_CONSENT:
		return exchange_consent_delete(request);
	default:
		return find_consents(&request->transaction, &request->search, &request->answer);
	}
}
