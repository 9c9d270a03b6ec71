#include "gateway/http/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/metrics.h"

#define RESPONSE_HEADERS_MAX ((size_t)16 * 1024)
#define STREAM_BLOCK_BYTES   ((size_t)64 * 1024)

/* Inside the 32 KiB that libmicrohttpd gets per connection: an OAuth token may have 16 KiB. */
static const struct http_head_limits head_limits = {
	.target_bytes_max = 12288,
	.header_count_max = 100,
	.headers_bytes_max = 20480,
};

struct http_exchange *exchange_new(struct http_server *server, struct MHD_Connection *mhd, const char *target)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_exchange *exchange = calloc(1, sizeof *exchange);

	if (!exchange || !info || !info->socket_context) {
		free(exchange);
		return NULL;
	}
	exchange->server = server;
	exchange->mhd = mhd;
	exchange->connection = info->socket_context;
	exchange->began_us = clock_monotonic_us();
	exchange->target = strdup(target ? target : "");
	exchange->target_at = target;
	exchange->owners = 1;
	buf_init(&exchange->response.headers, RESPONSE_HEADERS_MAX);
	buf_init(&exchange->response.body, 0);
	if (!exchange->target) {
		free(exchange);
		return NULL;
	}
	atomic_fetch_add(&server->exchange_count, 1);
	return exchange;
}

void exchange_keep(struct http_exchange *exchange)
{
	atomic_fetch_add(&exchange->owners, 1);
}

/* The line of the request. Never its query, which may name a patient. */
static void log_request(const struct http_exchange *exchange)
{
	const struct http_request *request = &exchange->request;
	const struct response *response = &exchange->response;
	const char *end = "answered";

	if (response->kind == RESPONSE_NONE)
		end = "unanswered";
	else if (exchange->was_cut && !exchange->is_raw)
		end = "cut";
	const struct log_field fields[] = {
		LOG_C("trace", request->trace.trace_id),
		LOG_C("server", exchange->server->options.name),
		LOG_TEXT("tenant", request->share.name.data ? request->share.name : STR("")),
		LOG_TEXT("method", request->method.data ? request->method : STR("?")),
		LOG_C("what", request->what ? request->what : "unknown"),
		LOG_NUMBER("status", response->status),
		LOG_C("end", end),
		LOG_NUMBER("us", clock_monotonic_us() - exchange->began_us),
		LOG_NUMBER("bytes_in", request->body ? spool_size(request->body) : 0),
		LOG_NUMBER("bytes_out", response->length),
		LOG_C("peer", exchange->peer),
	};

	log_write(request->is_routine && response->status == 200 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, LOG_HTTP_REQUEST,
		  request->trace.span_id[0] ? request->trace.span_id : NULL, fields, COUNT_OF(fields));
}

static void count_request(const struct http_exchange *exchange)
{
	static const char *const classes[] = { "none", "1xx", "2xx", "3xx", "4xx", "5xx" };
	const struct http_request *request = &exchange->request;
	int class = exchange->response.kind == RESPONSE_NONE ? 0 : exchange->response.status / 100;
	struct str server = str_from_c(exchange->server->options.name);
	struct str what = str_from_c(request->what ? request->what : "unknown");

	METRIC_ADD(METRIC_REQUESTS, 1, server, request->share.name, what,
		   str_from_c(classes[class < (int)COUNT_OF(classes) ? class : 0]));
	METRIC_TOOK(METRIC_REQUEST_SECONDS, clock_monotonic_us() - exchange->began_us, server, request->share.name,
		    what);
}

void exchange_release(struct http_exchange *exchange)
{
	struct http_server *server = exchange->server;
	struct log_tenant before;

	if (atomic_fetch_sub(&exchange->owners, 1) != 1)
		return;
	before = log_tenant_set(exchange->request.share.name);
	count_request(exchange);
	if (exchange->accepted && server->handlers.finished)
		server->handlers.finished(server->handlers.ctx, &exchange->request);
	if (log_enabled(LOG_LEVEL_INFO))
		log_request(exchange);
	spool_free(exchange->request.body);
	spool_free(exchange->response.spool);
	http_pipe_free(exchange->response.pipe);
	buf_free(&exchange->response.headers);
	buf_free(&exchange->response.body);
	free(exchange->certificate);
	free(exchange->head);
	free(exchange->target);
	free(exchange);
	log_tenant_restore(&before);
	atomic_fetch_sub(&server->exchange_count, 1);
}

/* Two walks over libmicrohttpd's headers: how much there is, then the copies. They must outlive its buffers, because a
 * worker may still stream when the client, and with it the buffers, have gone. */
struct head_walk {
	size_t count;
	size_t bytes;
	struct http_header *headers; /* NULL on the first walk */
	char *at;
};

static struct str copy_part(struct head_walk *walk, const char *text, size_t size)
{
	struct str copy = { walk->at, size };

	memcpy(walk->at, text, size);
	walk->at += size;
	return copy;
}

static enum MHD_Result walk_head(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_size,
				 const char *value, size_t value_size)
{
	struct head_walk *walk = cls;

	(void)kind;
	if (walk->headers) {
		struct http_header *header = &walk->headers[walk->count];

		header->name = copy_part(walk, name, name_size);
		header->value = str_trim(copy_part(walk, value ? value : "", value_size));
	}
	walk->count++;
	walk->bytes += name_size + value_size;
	return MHD_YES;
}

static bool copy_head(struct http_exchange *exchange, const char *method)
{
	struct head_walk walk = { 0 };
	size_t method_size = strlen(method);

	MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, walk_head, &walk);
	size_t table = walk.count * sizeof *walk.headers;

	exchange->head = malloc(table + walk.bytes + method_size + 1);
	if (!exchange->head)
		return false;
	walk.headers = (struct http_header *)(void *)exchange->head;
	walk.at = exchange->head + table;
	walk.count = 0;
	MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, walk_head, &walk);
	exchange->request.headers = walk.headers;
	exchange->request.header_count = walk.count;
	exchange->request.method = copy_part(&walk, method, method_size);
	return true;
}

/* Who is at the other end: the address, and the certificate that it showed. */
static bool read_peer(struct http_exchange *exchange)
{
	struct http_request *request = &exchange->request;
	struct connection *connection = exchange->connection;

	connection_peer(exchange->mhd, exchange->peer);
	request->peer = str_from_c(exchange->peer);
	if (!connection->tls_context.certificate)
		return true;
	exchange->certificate = tls_certificate_copy(connection->tls_context.certificate);
	if (!exchange->certificate)
		return false;
	const char *subject = exchange->certificate->names;

	request->client_certificate =
		(struct http_client_certificate) { .sha256 = str_from_c(exchange->certificate->sha256),
						   .subject = str_from_c(subject),
						   .issuer = str_from_c(subject + strlen(subject) + 1) };
	return true;
}

static struct http_head_verdict judge_head(struct http_exchange *exchange, const char *method, const char *version)
{
	const struct server_options *options = &exchange->server->options;
	struct http_request *request = &exchange->request;
	struct str target = str_from_c(exchange->target);
	struct http_head_verdict verdict;

	if (!layout_is_plain(exchange->mhd, method, exchange->target_at, target.size, version))
		return (struct http_head_verdict) {
			ERR_BODY_MALFORMED, 400,
			"Send the request line and headers as RFC 9112 has them: CR LF at line "
			"ends, no folded lines, no blank before a colon, no NUL."
		};
	verdict = http_head_check_line(request->method, target, str_from_c(version), &head_limits, request);
	if (verdict.code != ERR_NONE)
		return verdict;
	exchange->is_http_1_1 = str_equal(str_from_c(version), STR("HTTP/1.1"));
	return http_head_check_headers(&head_limits, exchange->is_http_1_1, options->hosts, options->host_count,
				       request);
}

bool exchange_read_head(struct http_exchange *exchange, const char *method, const char *version)
{
	struct http_request *request = &exchange->request;
	struct str traceparent = STR_NONE;

	bool copied = read_peer(exchange) && copy_head(exchange, method);

	if (http_request_header_count(request, STR("traceparent")) == 1)
		traceparent = http_request_header(request, STR("traceparent"));
	trace_from_header(traceparent, &request->trace);
	if (!copied) {
		http_refuse(exchange, ERR_NO_MEMORY, "Retry later: there is no memory for the request.");
		return false;
	}
	struct http_head_verdict verdict = judge_head(exchange, method, version);

	if (verdict.code != ERR_NONE) {
		/* Whatever follows on this connection cannot be trusted to be what it seems. */
		request->content_length = 0;
		if (verdict.code == ERR_METHOD)
			http_response_header(exchange, "Allow", STR("GET, HEAD, POST"));
		exchange_refuse(exchange, verdict.status, verdict.code, verdict.text);
		return false;
	}
	exchange->expects_continue = http_request_header(request, STR("Expect")).data != NULL;
	return true;
}

static void release_from_response(void *cls)
{
	exchange_release(cls);
}

static void stream_left(void *cls)
{
	struct http_exchange *exchange = cls;

	http_pipe_leave(exchange->response.pipe);
	exchange_release(exchange);
}

static ssize_t stream_read(void *cls, uint64_t position, char *bytes, size_t size)
{
	struct http_exchange *exchange = cls;
	size_t taken = 0;

	(void)position;
	switch (http_pipe_read(exchange->response.pipe, bytes, size, &taken)) {
	case PIPE_BYTES:
		return (ssize_t)taken;
	case PIPE_EMPTY:
		return 0;
	case PIPE_ENDED:
		return MHD_CONTENT_READER_END_OF_STREAM;
	case PIPE_BROKEN:
		break;
	}
	/* MHD_CONTENT_READER_END_WITH_ERROR from a connection that has just been resumed leaves it to libmicrohttpd's
	 * idle timeout. So the socket is shut, after which no byte can leave, and the write that fails ends it. */
	shutdown(exchange->connection->descriptor, SHUT_RDWR);
	bytes[0] = 0;
	return 1;
}

/* For a Content-Length without a body. libmicrohttpd never reads it for HEAD. */
static ssize_t nothing_read(void *cls, uint64_t position, char *bytes, size_t size)
{
	(void)cls;
	(void)position;
	(void)bytes;
	(void)size;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

static struct MHD_Response *response_of_bytes(struct http_exchange *exchange, struct str bytes)
{
	/* libmicrohttpd takes a pointer to non-const and does not write to it. */
	union {
		const char *in;
		void *out;
	} data = { .in = bytes.data };

	return MHD_create_response_from_buffer_with_free_callback_cls(bytes.size, data.out, release_from_response,
								      exchange);
}

/* The answer as libmicrohttpd wants it. It owns a share of the exchange until it is destroyed. */
static struct MHD_Response *response_make(struct http_exchange *exchange)
{
	struct response *response = &exchange->response;

	switch (response->kind) {
	case RESPONSE_NONE:
		return NULL;
	case RESPONSE_BUF:
		return response_of_bytes(exchange, buf_str(&response->body));
	case RESPONSE_SPOOL:
		return response_of_bytes(exchange, spool_view(response->spool));
	case RESPONSE_LENGTH:
		if (!exchange->request.is_head)
			return response_of_bytes(exchange, STR(""));
		return MHD_create_response_from_callback(response->length, STREAM_BLOCK_BYTES, nothing_read, exchange,
							 release_from_response);
	case RESPONSE_STREAM:
		return MHD_create_response_from_callback(response->length, STREAM_BLOCK_BYTES, stream_read, exchange,
							 stream_left);
	}
	return NULL;
}

static void add_headers(struct http_exchange *exchange, struct MHD_Response *made)
{
	struct str headers = buf_str(&exchange->response.headers);

	for (size_t at = 0; at < headers.size;) {
		const char *name = headers.data + at;
		const char *value = name + strlen(name) + 1;

		/* libmicrohttpd refuses an empty value; a header without one says nothing anyway. */
		if (*value)
			MHD_add_response_header(made, name, value);
		at += strlen(name) + strlen(value) + 2;
	}
	if (exchange->close_after || exchange->server->stopping)
		MHD_add_response_header(made, MHD_HTTP_HEADER_CONNECTION, "close");
}

enum MHD_Result exchange_deliver(struct http_exchange *exchange)
{
	if (!connection_enter(exchange->connection, PHASE_ANSWER))
		return MHD_NO;
	struct MHD_Response *made = response_make(exchange);

	if (!made)
		return MHD_NO;
	exchange_keep(exchange);
	add_headers(exchange, made);
	exchange->stage = STAGE_ANSWERED;
	enum MHD_Result queued = MHD_queue_response(exchange->mhd, (unsigned)exchange->response.status, made);

	MHD_destroy_response(made);
	return queued;
}

bool exchange_deliver_raw(struct http_exchange *exchange)
{
	struct response *response = &exchange->response;
	struct str headers = buf_str(&response->headers);
	struct buf text;
	bool sent = false;

	if (response->kind != RESPONSE_BUF || !connection_enter(exchange->connection, PHASE_LINGER))
		return false;
	buf_init(&text, headers.size + response->body.size + 1024);
	buf_printf(&text, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %zu\r\n", response->status,
		   MHD_get_reason_phrase_for((unsigned)response->status), response->body.size);
	for (size_t at = 0; at < headers.size;) {
		const char *name = headers.data + at;
		const char *value = name + strlen(name) + 1;

		buf_printf(&text, "%s: %s\r\n", name, value);
		at += strlen(name) + strlen(value) + 2;
	}
	buf_add(&text, STR("\r\n"));
	buf_add(&text, buf_str(&response->body));
	if (!text.failed) {
		int descriptor = exchange->connection->descriptor;

		/* libmicrohttpd has nothing half sent here, so that writing past it is in order, also to its session. */
		if (exchange->connection->tls)
			sent = tls_send_last(exchange->connection->tls, buf_str(&text));
		else
			sent = send(descriptor, text.data, text.size, MSG_DONTWAIT | MSG_NOSIGNAL) ==
			       (ssize_t)text.size;
		/* The client reads the answer and its end, and stops sending; closing at once would reset the
		 * connection and take the answer away from it. */
		shutdown(descriptor, SHUT_WR);
	}
	buf_free(&text);
	exchange->stage = STAGE_DROP;
	exchange->is_raw = sent;
	return sent;
}
