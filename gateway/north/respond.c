#include "gateway/north/respond.h"

#include <stdio.h>

#include "gateway/north/negotiate.h"
#include "gateway/run/log.h"
#include "mappers/fhir_xml_write.h"
#include "mappers/json_writer.h"
#include "mappers/operation_outcome.h"

#define OUTCOME_BYTES_MAX   (256u * 1024)
#define XML_ARENA_BYTES_MAX (64u * 1024 * 1024)

/* The tree that stands between the two texts has its own arena: a refusal has none yet. */
static bool xml_from_json(const struct buf *json, struct buf *xml, struct outcome *outcome)
{
	struct arena *arena = arena_new(XML_ARENA_BYTES_MAX);
	bool ok;

	if (!arena)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	ok = fhir_xml_from_json(buf_str(json), arena, xml, outcome);
	arena_free(arena);
	return ok;
}

/* Sends json, which is emptied, as JSON or turned into XML. */
static void send_fhir(struct http_exchange *exchange, const struct http_request *http, enum fhir_format format,
		      int status, struct buf *json)
{
	struct outcome outcome;
	struct buf xml;

	http_response_header(exchange, "X-Request-Id", str_from_c(http->trace.span_id));
	http_response_header(exchange, "Vary", STR("Accept"));
	if (format == FHIR_JSON) {
		http_response_header(exchange, "Content-Type", STR("application/fhir+json; charset=utf-8"));
		http_respond_buf(exchange, status, json);
		return;
	}
	outcome_init(&outcome);
	buf_init(&xml, 4 * json->size + OUTCOME_BYTES_MAX);
	if (xml_from_json(json, &xml, &outcome)) {
		http_response_header(exchange, "Content-Type", STR("application/fhir+xml; charset=utf-8"));
		http_respond_buf(exchange, status, &xml);
	} else {
		LOG(ERROR, LOG_REQUEST_ERROR, http->trace.span_id, LOG_C("answer", "is no FHIR"),
		    LOG_C("path", outcome.count ? outcome.issues[0].path : ""),
		    LOG_C("text", outcome.count ? outcome.issues[0].text : ""));
		http_respond_buf(exchange, outcome_http_status(&outcome), NULL);
	}
	buf_free(&xml);
}

bool none_match_names(const struct http_request *http, struct str etag)
{
	struct str rest = http_request_header(http, STR("If-None-Match"));
	struct str part;

	while (str_next(&rest, ',', &part)) {
		struct str tag = str_without_prefix(str_trim(part), STR("W/"));

		if (str_equal(tag, STR("*")))
			return true;
		if (tag.size == etag.size + 2 && tag.data[0] == '"' && tag.data[tag.size - 1] == '"' &&
		    memcmp(tag.data + 1, etag.data, etag.size) == 0)
			return true;
	}
	return false;
}

static void location_header(const struct fhir_request *request)
{
	struct str url = arena_printf(request->http->arena, "%.*s/%.*s", STR_ARG(request->gateway->base),
				      STR_ARG(request->location));

	if (url.data)
		http_response_header(request->exchange, "Location", url);
}

/* What is no FHIR: documents that may be kept, and tokens, which must not (RFC 6749 5.1). */
static void respond_plain(struct fhir_request *request)
{
	struct http_exchange *exchange = request->exchange;
	char keep[64];

	snprintf(keep, sizeof(keep), "public, max-age=%u", request->cacheable_s);
	http_response_header(exchange, "Content-Type", str_from_c(request->media_type));
	http_response_header(exchange, "Cache-Control", request->cacheable_s ? str_from_c(keep) : STR("no-store"));
	http_response_header(exchange, "X-Request-Id", str_from_c(request->http->trace.span_id));
	if (request->status == 503)
		http_response_header(exchange, "Retry-After", STR("5"));
	http_respond_buf(exchange, request->status ? request->status : 200, &request->answer);
}

void respond_resource(struct fhir_request *request)
{
	if (request->media_type) {
		respond_plain(request);
		return;
	}

	struct http_exchange *exchange = request->exchange;
	int status = request->status ? request->status : 200;

	if (request->location.data)
		location_header(request);
	if (request->status_url.data)
		http_response_header(exchange, "Content-Location", request->status_url);
	if (request->progress) {
		http_response_header(exchange, "X-Progress", str_from_c(request->progress));
		http_response_header(exchange, "Retry-After", STR("5"));
	}
	if (request->etag.data) {
		struct str header = arena_printf(request->http->arena, "W/\"%.*s\"", STR_ARG(request->etag));

		http_response_header(exchange, "ETag", header.data ? header : STR("W/\"\""));
		http_response_header(exchange, "Cache-Control", STR("private, no-cache"));
		if (str_equal(request->route->method, STR("GET")) && none_match_names(request->http, request->etag)) {
			http_response_header(exchange, "X-Request-Id", str_from_c(request->http->trace.span_id));
			http_respond_buf(exchange, 304, NULL);
			return;
		}
	} else {
		http_response_header(exchange, "Cache-Control", STR("no-store"));
	}
	if (request->answer.size > 0) {
		send_fhir(exchange, request->http, request->answer_format, status, &request->answer);
		return;
	}
	http_response_header(exchange, "X-Request-Id", str_from_c(request->http->trace.span_id));
	http_respond_buf(exchange, status, NULL);
}

static void send_outcome(struct http_exchange *exchange, const struct http_request *http, enum fhir_format format,
			 int status, const struct outcome *outcome)
{
	struct json_writer writer;
	struct outcome writing;
	struct buf json;

	outcome_init(&writing);
	buf_init(&json, OUTCOME_BYTES_MAX);
	json_writer_init(&writer, &json);
	operation_outcome_write(outcome, &writer);
	if (json_writer_finish(&writer, &writing))
		send_fhir(exchange, http, format, status, &json);
	else
		http_respond_buf(exchange, 503, NULL);
	buf_free(&json);
}

static void retry_header(const struct fhir_request *request, unsigned usual_s)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", request->retry_after_s ? request->retry_after_s : usual_s);
	http_response_header(request->exchange, "Retry-After", str_from_c(text));
}

void respond_error(struct fhir_request *request)
{
	const struct outcome *outcome = &request->outcome;
	int status = outcome_http_status(outcome);

	if (outcome->count > 0)
		LOG(INFO, LOG_REQUEST_ERROR, request->http->trace.span_id,
		    LOG_C("code", error_info(outcome->issues[0].code)->name), LOG_C("path", outcome->issues[0].path),
		    LOG_C("xds_code", outcome->issues[0].xds_code), LOG_NUMBER("issues", outcome->count));
	if (http_answered(request->exchange)) {
		http_stream_abort(request->exchange);
		return;
	}
	/* A refusal may be no more than a warning: PDQm 3.78.4.1.3, case 4. */
	if (status < 400 && outcome->count > 0)
		status = error_info(outcome->issues[outcome->count - 1].code)->http_status;
	if (status < 400)
		status = error_info(ERR_INTERNAL)->http_status;
	http_response_header(request->exchange, "Cache-Control", STR("no-store"));
	if (status == 503 || status == 429)
		retry_header(request, status == 503 ? 5 : 600);
	if (request->challenge.header[0])
		http_response_header(request->exchange, "WWW-Authenticate", str_from_c(request->challenge.header));
	send_outcome(request->exchange, request->http, request->answer_format, status, outcome);
}

void respond_refusal(struct http_exchange *exchange, const struct http_request *http, int status, enum error_code code,
		     const char *text)
{
	enum fhir_format format = FHIR_JSON;
	struct outcome outcome;
	char name[64];

	outcome_init(&outcome);
	outcome_add(&outcome, code, "", "%s", text);
	if (!negotiate_answer(http_request_header(http, STR("Accept")),
			      negotiate_parameter(http->query, STR("_format"), name, sizeof(name)), &format))
		format = FHIR_JSON;
	http_response_header(exchange, "Cache-Control", STR("no-store"));
	send_outcome(exchange, http, format, status, &outcome);
}
