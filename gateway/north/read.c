#include "gateway/north/read.h"

#include "gateway/north/negotiate.h"
#include "mappers/fhir_validate.h"

/* Documents on their way out of a body, each into its own spool. */
struct cutting {
	struct fhir_request *request;
	struct spool **documents;
	size_t count;
	struct outcome reason; /* why the sink refused */
};

static bool cut_begin(void *ctx, size_t index)
{
	struct cutting *cutting = ctx;
	struct fhir_request *request = cutting->request;
	struct spool *spool = spool_new(request->gateway->spools, request->gateway->config->limits_body_bytes, true);

	if (!spool || !arena_defer(request->http->arena, spool_release, spool))
		return outcome_add(&cutting->reason, ERR_NO_MEMORY, "", "Try again later.");
	cutting->documents[index] = spool;
	cutting->count = index + 1;
	return true;
}

static bool cut_data(void *ctx, const void *bytes, size_t size)
{
	struct cutting *cutting = ctx;

	switch (spool_write(cutting->documents[cutting->count - 1], bytes, size)) {
	case SPOOL_OK:
		return true;
	case SPOOL_TOO_LONG:
		return outcome_add(&cutting->reason, ERR_TOO_LONG, "", "Send smaller documents.");
	case SPOOL_EXHAUSTED:
	case SPOOL_FAILED:
		break;
	}
	return outcome_add(&cutting->reason, ERR_STORAGE, "",
			   "There is no room for the documents now; try again later.");
}

static bool cut_end(void *ctx)
{
	struct cutting *cutting = ctx;

	return spool_finish(cutting->documents[cutting->count - 1]) ||
	       outcome_add(&cutting->reason, ERR_STORAGE, "", "Try again later.");
}

static bool body_format(struct fhir_request *request, enum fhir_format *format)
{
	if (!request->http->body || spool_size(request->http->body) == 0)
		return outcome_add(&request->outcome, ERR_BODY_MALFORMED, "", "Send a FHIR resource as the body.");
	return negotiate_body(http_request_header(request->http, STR("Content-Type")), format) ||
	       outcome_add(&request->outcome, ERR_MEDIA_TYPE, "Content-Type",
			   "Send the body as application/fhir+json or application/fhir+xml in UTF-8, and say so in "
			   "Content-Type.");
}

static bool read_bundle(struct fhir_request *request)
{
	struct cutting cutting = { .request = request };
	struct cut_sink sink = { &cutting, cut_begin, cut_data, cut_end };
	struct outcome reading;

	if (!body_format(request, &request->provide.format))
		return false;
	cutting.documents =
		arena_array(request->http->arena, fhir_limits_default.cut_count_max, sizeof(struct spool *));
	if (!cutting.documents)
		return outcome_add(&request->outcome, ERR_NO_MEMORY, "", "Try again later.");
	outcome_init(&cutting.reason);
	outcome_init(&reading);
	if (!fhir_body_read(request->provide.format, spool_view(request->http->body), NULL, &sink, request->http->arena,
			    &request->provide.bundle, &reading)) {
		request->outcome = cutting.reason.has_error ? cutting.reason : reading;
		return false;
	}
	request->provide.documents = cutting.documents;
	request->provide.document_count = cutting.count;
	return true;
}

static bool read_resource(struct fhir_request *request)
{
	enum fhir_format format = FHIR_JSON;

	return body_format(request, &format) &&
	       fhir_body_read(format, spool_view(request->http->body), NULL, NULL, request->http->arena,
			      &request->resource, &request->outcome);
}

/* A JSON Patch is an array. In an object it is read like every body: with the same bounds, and no name twice. */
static bool read_json_patch(struct fhir_request *request)
{
	struct http_request *http = request->http;
	struct str body = http->body ? spool_view(http->body) : STR("");
	struct str text = arena_printf(http->arena, "{\"operations\":%.*s}", STR_ARG(body));
	json_t *tree;

	if (!text.data || body.size > INT32_MAX)
		return outcome_add(&request->outcome, ERR_NO_MEMORY, "", "Try again later.");
	if (!fhir_body_read(FHIR_JSON, text, NULL, NULL, http->arena, &tree, &request->outcome))
		return false;
	request->change.operations = json_object_get(tree, "operations");
	return (json_is_array(request->change.operations) && json_object_size(tree) == 1) ||
	       outcome_add(&request->outcome, ERR_BODY_MALFORMED, "", "Send an array of operations (RFC 6902).");
}

static bool read_patch(struct fhir_request *request)
{
	if (negotiate_json_patch(http_request_header(request->http, STR("Content-Type"))))
		return read_json_patch(request);
	if (!read_resource(request) || !fhir_validate(request->resource, NULL, &request->outcome))
		return false;
	request->change.parameters = request->resource;
	return true;
}

/* RFC 7240 2: the value may stand in quotes. */
static bool preference_is(struct str preference, struct str wanted)
{
	size_t equals = str_find(wanted, '=') + 1;
	struct str value = str_from(preference, equals);

	if (str_equal_nocase(preference, wanted))
		return true;
	return preference.size == wanted.size + 2 && value.data[0] == '"' &&
	       preference.data[preference.size - 1] == '"' &&
	       str_equal_nocase((struct str) { preference.data, equals }, (struct str) { wanted.data, equals }) &&
	       str_equal_nocase((struct str) { value.data + 1, value.size - 2 }, str_from(wanted, equals));
}

bool prefers(const struct http_request *http, struct str wanted)
{
	for (size_t i = 0; i < http->header_count; i++) {
		struct str rest = http->headers[i].value;
		struct str part;

		if (!str_equal_nocase(http->headers[i].name, STR("Prefer")))
			continue;
		while (str_next(&rest, ',', &part)) {
			if (preference_is(str_trim((struct str) { part.data, str_find(part, ';') }), wanted))
				return true;
		}
	}
	return false;
}

/* Who writes only where nothing is yet must not change what is there. RFC 9110 13.1.2 */
bool read_may_change(struct fhir_request *request)
{
	return !http_request_header(request->http, STR("If-None-Match")).data ||
	       outcome_add(&request->outcome, ERR_VERSION, "If-None-Match",
			   "Leave this header out: it is for reading. If-Match says which version is to be changed.");
}

bool read_request(struct fhir_request *request)
{
	switch (request->route->body) {
	case ROUTE_BODY_BUNDLE:
		return read_bundle(request);
	case ROUTE_BODY_RESOURCE:
		if (!read_resource(request))
			return false;
		break;
	case ROUTE_BODY_PATCH:
		if (!read_patch(request))
			return false;
		break;
	case ROUTE_BODY_FORM:
		if (request->http->body)
			request->search.form = spool_view(request->http->body);
		break;
	case ROUTE_BODY_NONE:
		break;
	}
	request->search.query = request->http->query;
	request->search.strict = prefers(request->http, STR("handling=strict"));
	return true;
}
