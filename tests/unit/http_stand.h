/* A server with small limits and a raw client, for the test_http_*.c programs. */
#ifndef PASSERELLE_TESTS_HTTP_STAND_H
#define PASSERELLE_TESTS_HTTP_STAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/http/server.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"

struct stand {
	struct http_server *server;
	struct spool_limits spool;
	_Atomic unsigned handled;  /* requests that reached a worker */
	_Atomic unsigned accepted; /* for which accept said yes */
	_Atomic unsigned finished;
	_Atomic unsigned stream_failures;
	pthread_mutex_t gate_lock;
	pthread_cond_t gate_change;
	bool gate_open;
	unsigned gate_inside;
	char last_path[256];
	char last_query[256];
};

static struct stand stand;

static inline bool stand_accept(void *ctx, struct http_exchange *exchange, struct http_request *request,
				struct http_admission *admission)
{
	(void)ctx;
	if (str_equal(request->path, STR("/missing"))) {
		http_response_header(exchange, "X-Early", STR("yes"));
		http_refuse(exchange, ERR_NOT_FOUND, "Nothing here.");
		return false;
	}
	if (str_equal(request->method, STR("POST")))
		admission->body_bytes_max = 100000;
	if (str_equal(request->path, STR("/hurry")))
		admission->request_ms = 50;
	request->what = "test";
	stand.accepted++;
	return true;
}

static inline uint64_t number_after(struct str path, const char *prefix)
{
	uint64_t value = 0;

	(void)!str_to_u64(str_without_prefix(path, str_from_c(prefix)), &value);
	return value;
}

/* Byte i of every stream. */
static inline char stream_byte(uint64_t i)
{
	return (char)('a' + (i * 7 + i / 1000) % 26);
}

static inline void stand_stream(struct http_exchange *exchange, uint64_t size, uint64_t stop_at, bool end)
{
	char block[8192];

	http_response_header(exchange, "Content-Type", STR("application/octet-stream"));
	if (!http_stream_begin(exchange, 200, size))
		return;
	for (uint64_t at = 0; at < stop_at;) {
		size_t part = stop_at - at < sizeof block ? (size_t)(stop_at - at) : sizeof block;

		for (size_t i = 0; i < part; i++)
			block[i] = stream_byte(at + i);
		if (!http_stream_write(exchange, block, part)) {
			stand.stream_failures++;
			return;
		}
		at += part;
	}
	if (end && !http_stream_end(exchange))
		stand.stream_failures++;
}

static inline void stand_echo(struct http_exchange *exchange, const struct http_request *request)
{
	struct buf body;

	buf_init(&body, 200000);
	if (request->body)
		buf_add(&body, spool_view(request->body));
	http_response_header(exchange, "Content-Type", STR("text/plain"));
	assert_true(http_respond_buf(exchange, 200, &body));
	assert_false(http_respond_buf(exchange, 200, &body));
}

static inline void stand_handle(void *ctx, struct http_exchange *exchange, struct http_request *request)
{
	struct str path = request->path;

	(void)ctx;
	stand.handled++;
	pthread_mutex_lock(&stand.gate_lock);
	snprintf(stand.last_path, sizeof stand.last_path, "%.*s", STR_ARG(path));
	snprintf(stand.last_query, sizeof stand.last_query, "%.*s", STR_ARG(request->query));
	pthread_mutex_unlock(&stand.gate_lock);
	assert_non_null(arena_alloc(request->arena, 100));
	if (str_starts_with(path, STR("/stream/"))) {
		uint64_t size = number_after(path, "/stream/");

		stand_stream(exchange, size, size, true);
	} else if (str_starts_with(path, STR("/break/"))) {
		uint64_t size = number_after(path, "/break/");

		stand_stream(exchange, size, size, false);
	} else if (str_starts_with(path, STR("/short/"))) {
		uint64_t size = number_after(path, "/short/");

		stand_stream(exchange, size, size / 2, true);
	} else if (str_starts_with(path, STR("/spool/"))) {
		uint64_t size = number_after(path, "/spool/");
		struct spool *spool = spool_new(&stand.spool, size, false);

		for (uint64_t i = 0; i < size; i++)
			assert_int_equal(spool_write(spool, &(char) { stream_byte(i) }, 1), SPOOL_OK);
		assert_true(spool_finish(spool));
		assert_true(http_respond_spool(exchange, 200, spool));
	} else if (str_equal(path, STR("/wait"))) {
		pthread_mutex_lock(&stand.gate_lock);
		stand.gate_inside++;
		pthread_cond_broadcast(&stand.gate_change);
		while (!stand.gate_open)
			pthread_cond_wait(&stand.gate_change, &stand.gate_lock);
		pthread_mutex_unlock(&stand.gate_lock);
		stand_echo(exchange, request);
	} else if (str_equal(path, STR("/split"))) {
		http_response_header(exchange, "X-Evil", STR("a\r\nSet-Cookie: b"));
		http_respond_buf(exchange, 200, NULL);
	} else if (str_equal(path, STR("/length"))) {
		http_response_header(exchange, "ETag", STR("\"1\""));
		http_respond_length(exchange, request->is_head ? 200 : 304, 12345);
	} else if (!str_equal(path, STR("/silent"))) {
		stand_echo(exchange, request);
	}
}

static inline void stand_finished(void *ctx, struct http_request *request)
{
	(void)ctx;
	(void)request;
	stand.finished++;
}

static inline void stand_refuse(void *ctx, struct http_exchange *exchange, const struct http_request *request,
				int status, enum error_code code, const char *text)
{
	struct buf body;

	(void)ctx;
	(void)request;
	buf_init(&body, 1000);
	buf_printf(&body, "refused: %s %s", error_info(code)->name, text);
	http_respond_buf(exchange, status, &body);
	buf_free(&body);
}

static const struct str stand_hosts[] = { { "h", 1 }, { "127.0.0.1", 9 }, { "[::1]", 5 } };

static inline struct server_options stand_options(void)
{
	return (struct server_options) {
		.name = "test",
		.address = "127.0.0.1",
		.polling_threads = 2,
		.connections_max = 200,
		.header_ms = 5000,
		.keep_alive_ms = 10000,
		.body_rate_min = 1000,
		.body_grace_ms = 5000,
		.request_ms = 20000,
		.arena_bytes = 1 << 20,
		.hosts = stand_hosts,
		.host_count = COUNT_OF(stand_hosts),
		.spool = &stand.spool,
		.workers = { .threads_max = 8, .queue_max = 64 },
	};
}

static inline void stand_open(const struct server_options *options)
{
	static const struct server_handlers handlers = {
		.accept = stand_accept, .handle = stand_handle, .finished = stand_finished, .refuse = stand_refuse
	};
	struct outcome outcome;

	outcome_init(&outcome);
	log_start(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT, 2);
	stand.spool = (struct spool_limits) { .directory = "/tmp", .memory_bytes = 65536, .total_bytes_max = 1 << 24 };
	stand.handled = stand.accepted = stand.finished = stand.stream_failures = 0;
	stand.gate_open = false;
	stand.gate_inside = 0;
	pthread_mutex_init(&stand.gate_lock, NULL);
	pthread_cond_init(&stand.gate_change, NULL);
	stand.server = server_open(options, &handlers, &outcome);
	assert_non_null(stand.server);
	assert_true(server_port(stand.server) > 0);
}

/* Ends the server and checks that nothing is left. */
static inline void stand_close(void)
{
	assert_true(server_close(stand.server, 20000));
	assert_int_equal(stand.accepted, stand.finished);
	assert_int_equal(stand.spool.total_bytes, 0);
}

static inline void gate_wait_inside(unsigned count)
{
	pthread_mutex_lock(&stand.gate_lock);
	while (stand.gate_inside < count)
		pthread_cond_wait(&stand.gate_change, &stand.gate_lock);
	pthread_mutex_unlock(&stand.gate_lock);
}

static inline void gate_let_go(void)
{
	pthread_mutex_lock(&stand.gate_lock);
	stand.gate_open = true;
	pthread_cond_broadcast(&stand.gate_change);
	pthread_mutex_unlock(&stand.gate_lock);
}

static inline int client_connect(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(server_port(stand.server)) };
	int descriptor = socket(AF_INET, SOCK_STREAM, 0);
	int yes = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof address), 0);
	setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	return descriptor;
}

/* Sends what the server takes; a server that has closed ends it. */
static inline void client_send(int descriptor, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size) {
		ssize_t sent = send(descriptor, at, size, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		at += sent;
		size -= (size_t)sent;
	}
}

struct answer {
	char text[300000]; /* everything that came, NUL at its end */
	size_t size;
	bool closed; /* by the server, in order or by reset */
	int status;
	size_t count; /* answers, by counting status lines */
	char *body;   /* after the first empty line */
	size_t body_size;
};

static inline void answer_look(struct answer *answer)
{
	answer->text[answer->size] = '\0';
	answer->status = 0;
	answer->count = 0;
	if (answer->size > 12 && memcmp(answer->text, "HTTP/1.", 7) == 0)
		answer->status = (int)strtol(answer->text + 9, NULL, 10);
	for (char *at = strstr(answer->text, "HTTP/1.1 "); at; at = strstr(at + 1, "HTTP/1.1 "))
		answer->count += at[9] >= '1' && at[9] <= '5';
	answer->body = strstr(answer->text, "\r\n\r\n");
	if (answer->body)
		answer->body += 4;
	answer->body_size = answer->body ? answer->size - (size_t)(answer->body - answer->text) : 0;
}

/* Reads until the server closes, or nothing comes for quiet_ms. */
static inline void client_read(int descriptor, struct answer *answer, int quiet_ms)
{
	answer->size = 0;
	answer->closed = false;
	while (answer->size < sizeof answer->text - 1) {
		struct pollfd ready = { .fd = descriptor, .events = POLLIN };

		if (poll(&ready, 1, quiet_ms) != 1)
			break;
		ssize_t got = recv(descriptor, answer->text + answer->size, sizeof answer->text - 1 - answer->size, 0);

		if (got <= 0) {
			answer->closed = true;
			break;
		}
		answer->size += (size_t)got;
	}
	answer_look(answer);
}

/* Reads one whole answer with a Content-Length, however slow. */
static inline void client_read_one(int descriptor, struct answer *answer)
{
	answer->size = 0;
	answer->closed = false;
	for (;;) {
		ssize_t got = recv(descriptor, answer->text + answer->size, sizeof answer->text - 1 - answer->size, 0);

		if (got <= 0) {
			answer->closed = true;
			break;
		}
		answer->size += (size_t)got;
		answer_look(answer);
		char *length = strstr(answer->text, "Content-Length: ");

		if (answer->body && length && answer->body_size >= strtoul(length + 16, NULL, 10))
			break;
	}
	answer_look(answer);
}

/* One request of any bytes on its own connection; the client then closes its side, so that the server answers what it
 * has and closes. */
static inline void ask(const void *bytes, size_t size, struct answer *answer)
{
	int descriptor = client_connect();

	client_send(descriptor, bytes, size);
	client_read_one(descriptor, answer);
	close(descriptor);
}

static inline void ask_text(const char *text, struct answer *answer)
{
	ask(text, strlen(text), answer);
}

/* Waits until a counter has reached a value. */
#define WAIT_FOR(condition)                               \
	for (unsigned turns = 0; !(condition); turns++) { \
		assert_true(turns < 20000);               \
		usleep(1000);                             \
	}

#endif
