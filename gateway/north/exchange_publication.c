#include "gateway/north/exchange_publication.h"

#include "gateway/north/read.h"

bool exchange_provide(struct fhir_request *request)
{
	struct provided provided;

	request->provide.respond_async = prefers(request->http, STR("respond-async"));
	if (request->route->name == ROUTE_RESUBMIT_TASK)
		request->provide.task = request->id;
	if (!provide_bundle(&request->transaction, &request->provide, &provided, &request->answer))
		return false;
	if (!provided.status_url.data)
		return true;
	request->status = 202;
	request->status_url = provided.status_url;
	return true;
}

bool exchange_publication_status(struct fhir_request *request)
{
	struct publication_state state;

	if (!publication_status(&request->transaction, request->id, &state, &request->answer))
		return false;
	request->status = state.is_open ? 202 : state.status;
	request->progress = state.progress;
	return true;
}

bool exchange_publication_withdraw(struct fhir_request *request)
{
	if (!publication_withdraw(&request->transaction, request->id))
		return false;
	request->status = 202;
	return true;
}
