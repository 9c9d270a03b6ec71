#include "gateway/north/exchange_publication.h"

#include "gateway/north/read.h"

void exchange_accepted(struct fhir_request *request, const struct provided *provided)
{
	if (!provided->status_url.data)
		return;
	request->status = 202;
	request->status_url = provided->status_url;
}

static bool provide(struct fhir_request *request)
{
	struct provided provided;

	request->provide.respond_async = prefers(request->http, STR("respond-async"));
	if (request->route->name == ROUTE_RESUBMIT_TASK)
		request->provide.task = request->id;
	if (!provide_bundle(&request->transaction, &request->provide, &provided, &request->answer))
		return false;
	exchange_accepted(request, &provided);
	return true;
}

static bool status(struct fhir_request *request)
{
	struct publication_state state;

	if (!publication_status(&request->transaction, request->id, &state, &request->answer))
		return false;
	request->status = state.is_open ? 202 : state.status;
	request->progress = state.progress;
	return true;
}

static bool withdraw(struct fhir_request *request)
{
	if (!publication_withdraw(&request->transaction, request->id,
				  request->route->name == ROUTE_PUBLICATION_WITHDRAW, &request->answer))
		return false;
	request->status = 202;
	return true;
}

bool exchange_publication(struct fhir_request *request)
{
	const struct transaction *t = &request->transaction;

	switch (request->route->name) {
	case ROUTE_PUBLICATION_STATUS:
		return status(request);
	case ROUTE_PUBLICATION_WITHDRAW:
	case ROUTE_DELETE_TASK:
		return withdraw(request);
	case ROUTE_FIND_TASKS:
		return find_tasks(t, &request->search, &request->answer);
	case ROUTE_READ_TASK:
		return read_task(t, request->id, &request->answer);
	case ROUTE_UPDATE_TASK:
		return update_task(t, request->id, request->resource, &request->answer);
	case ROUTE_RETRY_TASK:
		return retry_task(t, request->id, &request->answer);
	default:
		return provide(request);
	}
}
