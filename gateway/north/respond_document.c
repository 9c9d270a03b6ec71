#include "gateway/north/respond_document.h"

#include "gateway/north/negotiate.h"
#include "gateway/north/record.h"
#include "gateway/north/respond.h"
#include "mappers/content_type.h"

static bool document_accepts(void *ctx, struct str media_type)
{
	struct fhir_request *request = ctx;

	return negotiate_accepts(http_request_header(request->http, STR("Accept")), media_type);
}

static void tag_header(struct fhir_request *request, struct str etag)
{
	struct str header = arena_printf(request->http->arena, "\"%.*s\"", STR_ARG(etag));

	if (header.data && etag.size > 0)
		http_response_header(request->exchange, "ETag", header);
	http_response_header(request->exchange, "Cache-Control", STR("private, no-cache"));
	http_response_header(request->exchange, "Vary", STR("Accept"));
	http_response_header(request->exchange, "X-Request-Id", str_from_c(request->http->trace.span_id));
}

static bool document_has(void *ctx, struct str etag)
{
	struct fhir_request *request = ctx;

	if (!none_match_names(request->http, etag) || !record_commit(request))
		return false;
	tag_header(request, etag);
	http_respond_buf(request->exchange, 304, NULL);
	request->answered = true;
	return true;
}

/* What was stored is never run by a browser that follows a link: it is downloaded, as the type it was stored with; when
 * that is none, as bytes of no known type. */
static void document_headers(struct fhir_request *request, const struct document_head *head)
{
	struct str media_type = media_type_valid(head->media_type) ? head->media_type : STR("application/octet-stream");

	tag_header(request, head->etag);
	http_response_header(request->exchange, "Content-Type", media_type);
	http_response_header(request->exchange, "Content-Disposition", STR("attachment"));
	http_response_header(request->exchange, "X-Content-Type-Options", STR("nosniff"));
	request->answered = true;
}

static bool document_whole(void *ctx, const struct document_head *head, struct spool *document)
{
	struct fhir_request *request = ctx;

	if (!record_commit(request)) {
		spool_free(document);
		return false;
	}
	document_headers(request, head);
	return http_respond_spool(request->exchange, 200, document);
}

static bool document_begin(void *ctx, const struct document_head *head)
{
	struct fhir_request *request = ctx;

	if (!record_commit(request))
		return false;
	document_headers(request, head);
	return http_stream_begin(request->exchange, 200, head->size);
}

static bool document_write(void *ctx, const void *bytes, size_t size)
{
	struct fhir_request *request = ctx;

	return http_stream_write(request->exchange, bytes, size);
}

static bool document_end(void *ctx)
{
	struct fhir_request *request = ctx;

	return http_stream_end(request->exchange);
}

static bool document_described(void *ctx, const struct document_head *head)
{
	struct fhir_request *request = ctx;

	if (!record_commit(request))
		return false;
	document_headers(request, head);
	return http_respond_length(request->exchange, 200, head->size);
}

bool respond_document(struct fhir_request *request)
{
	struct document_receiver receiver = { .ctx = request,
					      .accepts = document_accepts,
					      .has = document_has,
					      .whole = document_whole,
					      .begin = document_begin,
					      .write = document_write,
					      .end = document_end,
					      .head_only = request->http->is_head,
					      .described = document_described };

	return retrieve_document(&request->transaction, request->id, &receiver);
}
