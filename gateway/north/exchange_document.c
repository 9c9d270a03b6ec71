#include "gateway/north/exchange_document.h"

#include "gateway/http/server.h"
#include "gateway/north/read.h"

bool exchange_document_change(struct fhir_request *request)
{
	struct str if_match = http_request_header(request->http, STR("If-Match"));

	if (!read_may_change(request))
		return false;
	if (request->route->name == ROUTE_UPDATE_REFERENCE)
		request->change.resource = request->resource;
	if (!update_document_reference(&request->transaction, request->id, if_match, &request->change, &request->answer,
				       &request->etag))
		return false;
	if (prefers(request->http, STR("return=minimal")))
		buf_clear(&request->answer);
	return true;
}

bool exchange_document_delete(struct fhir_request *request)
{
	if (request->gateway->config->publication_delete == CONFIG_DELETE_REFUSE) {
		http_response_header(request->exchange, "Allow", STR("GET, HEAD, PUT, PATCH"));
		return outcome_add(&request->outcome, ERR_METHOD, "",
				   "Documents are not deleted here; one that is wrong can be made superseded or "
				   "entered-in-error by PATCH.");
	}
	request->status = 204;
	return read_may_change(request) &&
	       delete_document_reference(&request->transaction, request->id,
					 http_request_header(request->http, STR("If-Match")));
}
