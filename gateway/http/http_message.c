#include "gateway/http/exchange.h"
#include "gateway/run/log.h"
#include "gateway/run/metrics.h"
#include "gateway/run/random.h"

#define STREAM_RING_BYTES    ((size_t)256 * 1024)
#define PLAIN_TEXT_BYTES_MAX 1024

struct str http_request_header(const struct http_request *request, struct str name)
{
	for (size_t i = 0; i < request->header_count; i++) {
		if (str_equal_nocase(request->headers[i].name, name))
			return request->headers[i].value;
	}
	return STR_NONE;
}

size_t http_request_header_count(const struct http_request *request, struct str name)
{
	size_t count = 0;

	for (size_t i = 0; i < request->header_count; i++)
		count += str_equal_nocase(request->headers[i].name, name);
	return count;
}

bool http_request_is_packed(const struct http_request *request)
{
	size_t count = http_request_header_count(request, STR("Content-Encoding"));

	return count > 1 || (count == 1 &&
			     !str_equal_nocase(http_request_header(request, STR("Content-Encoding")), STR("identity")));
}

/* Content-Length, Connection and the like are the server's, and a control character could split the answer. */
static bool header_is_fine(struct str name, struct str value)
{
	if (str_equal_nocase(name, STR("Content-Length")) || str_equal_nocase(name, STR("Connection")) ||
	    str_equal_nocase(name, STR("Transfer-Encoding")))
		return false;
	for (size_t i = 0; i < value.size; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if (c < 0x20 || c == 0x7F)
			return false;
	}
	return true;
}

void http_response_header(struct http_exchange *exchange, const char *name, struct str value)
{
	struct response *response = &exchange->response;

	if (response->kind != RESPONSE_NONE)
		return;
	if (!header_is_fine(str_from_c(name), value)) {
		response->has_bad_header = true;
		return;
	}
	buf_add(&response->headers, str_from_c(name));
	buf_add_char(&response->headers, '\0');
	buf_add(&response->headers, value);
	buf_add_char(&response->headers, '\0');
}

/* True when this call may answer. Headers that cannot be sent turn the answer into a 500. */
static bool may_answer(struct http_exchange *exchange)
{
	struct response *response = &exchange->response;

	if (response->kind != RESPONSE_NONE)
		return false;
	if (!response->has_bad_header && !response->headers.failed)
		return true;
	buf_clear(&response->headers);
	response->has_bad_header = false;
	http_refuse(exchange, ERR_INTERNAL, "Report this: the answer had a header that cannot be sent.");
	return false;
}

bool http_respond_buf(struct http_exchange *exchange, int status, struct buf *body)
{
	struct response *response = &exchange->response;

	if (!may_answer(exchange))
		return false;
	if (body && body->failed) {
		buf_clear(&response->headers);
		if (!exchange->refusing)
			http_refuse(exchange, ERR_NO_MEMORY, "Retry later: the answer needs more memory than allowed.");
		return false;
	}
	response->kind = RESPONSE_BUF;
	response->status = status;
	if (body) {
		response->body = *body;
		buf_init(body, body->size_max);
	}
	response->length = response->body.size;
	return true;
}

bool http_respond_spool(struct http_exchange *exchange, int status, struct spool *body)
{
	struct response *response = &exchange->response;

	if (!may_answer(exchange)) {
		spool_free(body);
		return false;
	}
	response->kind = RESPONSE_SPOOL;
	response->status = status;
	response->spool = body;
	response->length = spool_size(body);
	return true;
}

bool http_respond_length(struct http_exchange *exchange, int status, uint64_t content_length)
{
	struct response *response = &exchange->response;

	if (!may_answer(exchange))
		return false;
	response->kind = RESPONSE_LENGTH;
	response->status = status;
	response->length = content_length;
	return true;
}

bool http_answered(const struct http_exchange *exchange)
{
	return exchange->response.kind != RESPONSE_NONE;
}

static void refuse_plainly(struct http_exchange *exchange, int status, const char *text)
{
	struct buf body;

	buf_init(&body, PLAIN_TEXT_BYTES_MAX);
	buf_printf(&body, "%s\n", text);
	http_response_header(exchange, "Content-Type", STR("text/plain; charset=utf-8"));
	if (!http_respond_buf(exchange, status, &body)) {
		buf_free(&body);
		http_respond_buf(exchange, status, NULL);
	}
}

void http_share(struct http_exchange *exchange, const struct worker_share *share)
{
	struct str name = share->name;

	if (name.size > sizeof(exchange->share_name))
		name.size = sizeof(exchange->share_name);
	if (name.size > 0)
		memcpy(exchange->share_name, name.data, name.size);
	exchange->request.share = *share;
	exchange->request.share.name = (struct str) { exchange->share_name, name.size };
	/* server.c has set it for the call that this is in, and puts it back. */
	(void)log_tenant_set(name);
}

/* Clients that were turned away together must not come back together. */
static void add_retry_after(struct http_exchange *exchange)
{
	struct buf text;

	buf_init(&text, 32);
	buf_add_u64(&text, 1 + random_below(exchange->server->options.retry_after_s));
	http_response_header(exchange, "Retry-After", buf_str(&text));
	buf_free(&text);
}

void exchange_refuse(struct http_exchange *exchange, int status, enum error_code code, const char *text)
{
	const struct server_handlers *handlers = &exchange->server->handlers;

	if (exchange->response.kind != RESPONSE_NONE || exchange->refusing)
		return;
	exchange->refusing = true;
	METRIC_ADD(METRIC_REFUSED, 1, str_from_c(exchange->server->options.name), str_from_c(error_info(code)->name));
	if (status == 503)
		add_retry_after(exchange);
	if (handlers->refuse)
		handlers->refuse(handlers->ctx, exchange, &exchange->request, status, code, text);
	if (exchange->response.kind == RESPONSE_NONE) {
		buf_clear(&exchange->response.headers);
		exchange->response.has_bad_header = false;
		refuse_plainly(exchange, status, text);
	}
	exchange->refusing = false;
}

void http_refuse(struct http_exchange *exchange, enum error_code code, const char *text)
{
	exchange_refuse(exchange, error_info(code)->http_status, code, text);
}

static void stream_sleep(void *cls)
{
	struct http_exchange *exchange = cls;

	MHD_suspend_connection(exchange->mhd);
}

static void stream_wake(void *cls)
{
	struct http_exchange *exchange = cls;

	MHD_resume_connection(exchange->mhd);
}

bool http_stream_begin(struct http_exchange *exchange, int status, uint64_t content_length)
{
	struct response *response = &exchange->response;

	if (!may_answer(exchange))
		return false;
	if (!exchange->request.is_head) {
		response->pipe = http_pipe_new(STREAM_RING_BYTES, stream_sleep, stream_wake, exchange);
		if (!response->pipe) {
			http_refuse(exchange, ERR_NO_MEMORY, "Retry later: there is no memory for the document.");
			return false;
		}
	}
	response->kind = exchange->request.is_head ? RESPONSE_LENGTH : RESPONSE_STREAM;
	response->status = status;
	response->length = content_length;
	response->stream_open = true;
	exchange->was_resumed = true;
	MHD_resume_connection(exchange->mhd);
	return true;
}

bool http_stream_write(struct http_exchange *exchange, const void *bytes, size_t size)
{
	struct response *response = &exchange->response;
	uint64_t wait_ms = exchange->server->options.stream_ms;

	if (!response->stream_open || size > response->length - response->streamed)
		return false;
	if (size == 0)
		return true;
	response->streamed += size;
	if (!response->pipe)
		return true;
	if (response->streamed < response->length)
		return http_pipe_write(response->pipe, bytes, size, wait_ms);
	response->last_byte = ((const char *)bytes)[size - 1];
	return http_pipe_write(response->pipe, bytes, size - 1, wait_ms);
}

bool http_stream_end(struct http_exchange *exchange)
{
	struct response *response = &exchange->response;
	bool whole = response->streamed == response->length;

	if (!response->stream_open)
		return false;
	response->stream_open = false;
	if (!response->pipe)
		return true;
	if (whole && response->length)
		whole = http_pipe_write(response->pipe, &response->last_byte, 1, exchange->server->options.stream_ms);
	http_pipe_end(response->pipe, whole);
	return whole;
}

void http_stream_abort(struct http_exchange *exchange)
{
	struct response *response = &exchange->response;

	if (!response->stream_open)
		return;
	response->stream_open = false;
	if (response->pipe)
		http_pipe_end(response->pipe, false);
}
