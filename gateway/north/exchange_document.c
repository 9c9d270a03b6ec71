#include "gateway/north/exchange_document.h"

#include "gateway/http/server.h"
#include "gateway/north/exchange_publication.h"
#include "gateway/north/read.h"

static struct document_wish wish_of(const struct fhir_request *request)
{
	return (struct document_wish) { .if_match = http_request_header(request->http, STR("If-Match")),
					.respond_async = prefers(request->http, STR("respond-async")) };
}

bool exchange_document_change(struct fhir_request *request)
{
	const struct document_wish wish = wish_of(request);
	struct provided provided;

	if (!read_may_change(request))
		return false;
	if (request->route->name == ROUTE_UPDATE_REFERENCE)
		request->change.resource = request->resource;
	if (!update_document_reference(&request->transaction, request->id, &wish, &request->change, &provided,
				       &request->answer, &request->etag))
		return false;
	exchange_accepted(request, &provided);
	if (!provided.status_url.data && prefers(request->http, STR("return=minimal")))
		buf_clear(&request->answer);
	return true;
}

bool exchange_document_delete(struct fhir_request *request)
{
	const struct document_wish wish = wish_of(request);
	struct provided provided;

	if (request->gateway->config->publication_delete == CONFIG_DELETE_REFUSE) {
		http_response_header(request->exchange, "Allow", STR("GET, HEAD, PUT, PATCH"));
		return outcome_add(&request->outcome, ERR_METHOD, "",
				   "Documents are not deleted here; one that is wrong can be made superseded or "
				   "entered-in-error by PATCH.");
	}
	request->status = 204;
	if (!read_may_change(request) ||
	    !delete_document_reference(&request->transaction, request->id, &wish, &provided, &request->answer))
		return false;
	exchange_accepted(request, &provided);
	return true;
}
