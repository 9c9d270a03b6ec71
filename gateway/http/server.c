#include "gateway/http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "gateway/http/exchange.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"

#define POOL_BYTES            ((size_t)32 * 1024)
#define LISTEN_BACKLOG        1024
#define RETRY_AFTER_S_DEFAULT 5

/* Refuses before the body: the noted answer goes out and the connection ends. */
static enum MHD_Result refuse_early(struct http_exchange *exchange)
{
	exchange->close_after = true;
	/* A client that waits for 100 Continue, or sends nothing, reads the ordinary way. */
	if (exchange->request.content_length == 0 || exchange->expects_continue)
		return exchange_deliver(exchange);
	return exchange_deliver_raw(exchange) ? MHD_YES : MHD_NO;
}

static bool begin_body(struct http_exchange *exchange)
{
	struct http_request *request = &exchange->request;
	const struct http_admission *admission = &exchange->admission;

	if (request->content_length == 0)
		return true;
	if (admission->body_bytes_max == 0) {
		http_refuse(exchange, ERR_TOO_LONG, "Send this request without a body.");
		return false;
	}
	if (request->content_length != HTTP_LENGTH_UNKNOWN && request->content_length > admission->body_bytes_max) {
		http_refuse(exchange, ERR_TOO_LONG, "Send a smaller body: this one is over the configured limit.");
		return false;
	}
	request->body = spool_new(admission->spool, admission->body_bytes_max, false);
	if (!request->body)
		http_refuse(exchange, ERR_NO_MEMORY, "Retry later: there is no memory for the body.");
	return request->body != NULL;
}

static enum MHD_Result first_call(struct http_exchange *exchange, const char *method, const char *version)
{
	struct http_server *server = exchange->server;
	const struct server_handlers *handlers = &server->handlers;

	if (!connection_enter(exchange->connection, PHASE_BODY))
		return MHD_NO;
	exchange->stage = STAGE_BODY;
	if (!exchange_read_head(exchange, method, version))
		return refuse_early(exchange);
	exchange->admission.request_ms = server->options.request_ms;
	exchange->admission.spool = server->options.spool;
	exchange->request.deadline = deadline_in(server->options.request_ms);
	exchange->accepted = handlers->accept(handlers->ctx, exchange, &exchange->request, &exchange->admission);
	if (!exchange->accepted) {
		if (!http_answered(exchange))
			http_refuse(exchange, ERR_NOT_FOUND, "Check the URL: nothing is served there.");
		return refuse_early(exchange);
	}
	return begin_body(exchange) ? MHD_YES : refuse_early(exchange);
}

static enum MHD_Result body_bytes(struct http_exchange *exchange, const char *bytes, size_t *size)
{
	struct spool *body = exchange->request.body;

	if (!connection_count_bytes(exchange->connection, *size))
		return MHD_NO;
	enum spool_result result = body ? spool_write(body, bytes, *size) : SPOOL_TOO_LONG;

	*size = 0;
	switch (result) {
	case SPOOL_OK:
		return MHD_YES;
	case SPOOL_TOO_LONG:
		http_refuse(exchange, ERR_TOO_LONG, "Send a smaller body: this one is over the configured limit.");
		break;
	case SPOOL_EXHAUSTED:
		http_refuse(exchange, ERR_BUSY, "Retry later: too many large requests are under way.");
		break;
	case SPOOL_FAILED:
		LOG(ERROR, LOG_STORAGE_ERROR, exchange->request.trace.span_id, LOG_C("problem", "spool"));
		http_refuse(exchange, ERR_STORAGE, "Retry later: the body cannot be stored.");
		break;
	}
	exchange->close_after = true;
	return exchange_deliver_raw(exchange) ? MHD_YES : MHD_NO;
}

static void handle_request(struct http_exchange *exchange)
{
	struct http_server *server = exchange->server;
	struct http_request *request = &exchange->request;
	struct arena *arena = arena_new(server->options.arena_bytes);

	if (!arena) {
		http_refuse(exchange, ERR_NO_MEMORY, "Retry later: there is no memory for the request.");
		return;
	}
	request->arena = arena;
	server->handlers.handle(server->handlers.ctx, exchange, request);
	http_stream_abort(exchange);
	if (!http_answered(exchange))
		http_refuse(exchange, ERR_INTERNAL, "Report this: the request was left without an answer.");
}

/* Runs on a worker, or for an expired request on the pool's manager. */
static void work(struct worker_job *job, bool expired)
{
	struct http_exchange *exchange = (struct http_exchange *)job;
	struct http_server *server = exchange->server;

	if (expired)
		http_refuse(exchange, ERR_BUSY, "Retry later: the server is too busy to answer in time.");
	else
		handle_request(exchange);
	/* A stream was resumed at its beginning. */
	struct arena *arena = exchange->request.arena;

	exchange->request.arena = NULL;
	if (!exchange->was_resumed)
		MHD_resume_connection(exchange->mhd);
	atomic_fetch_sub(&server->work_count, 1);
	arena_free(arena);
	exchange_release(exchange);
}

static enum MHD_Result body_complete(struct http_exchange *exchange)
{
	struct http_server *server = exchange->server;
	struct http_request *request = &exchange->request;

	if (!connection_enter(exchange->connection, PHASE_WORK))
		return MHD_NO;
	exchange->stage = STAGE_WORK;
	if (request->body && !spool_finish(request->body)) {
		LOG(ERROR, LOG_STORAGE_ERROR, request->trace.span_id, LOG_C("problem", "spool"));
		http_refuse(exchange, ERR_STORAGE, "Retry later: the body cannot be stored.");
		return exchange_deliver(exchange);
	}
	request->deadline = deadline_in(exchange->admission.request_ms);
	exchange->job.run = work;
	exchange->job.deadline = request->deadline;
	exchange->job.share = request->share;
	atomic_fetch_add(&server->work_count, 1);
	if (server->closing) {
		atomic_fetch_sub(&server->work_count, 1);
		return MHD_NO;
	}
	exchange_keep(exchange);
	MHD_suspend_connection(exchange->mhd);
	if (worker_submit(server->workers, &exchange->job))
		return MHD_YES;
	http_refuse(exchange, ERR_BUSY, "Retry later: the server has as many requests as it can take.");
	MHD_resume_connection(exchange->mhd);
	atomic_fetch_sub(&server->work_count, 1);
	exchange_release(exchange);
	return MHD_YES;
}

static enum MHD_Result request_step(struct http_exchange *exchange, const char *method, const char *version,
				    const char *upload, size_t *upload_size)
{
	switch (exchange->stage) {
	case STAGE_HEAD:
		return first_call(exchange, method, version);
	case STAGE_BODY:
		return *upload_size ? body_bytes(exchange, upload, upload_size) : body_complete(exchange);
	case STAGE_WORK:
		return exchange_deliver(exchange);
	case STAGE_DROP:
		if (*upload_size == 0)
			return MHD_NO;
		*upload_size = 0;
		return MHD_YES;
	case STAGE_ANSWERED:
		break;
	}
	return MHD_NO;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_size, void **request_cls)
{
	struct http_exchange *exchange = *request_cls;
	struct log_tenant before;
	enum MHD_Result result;

	(void)cls;
	(void)mhd;
	(void)url;
	if (!exchange)
		return MHD_NO;
	before = log_tenant_set(exchange->request.share.name);
	result = request_step(exchange, method, version, upload, upload_size);
	log_tenant_restore(&before);
	return result;
}

static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
	struct http_exchange *exchange = exchange_new(cls, mhd, target);

	if (!exchange)
		return NULL;
	connection_mark_request(exchange->connection);
	/* libmicrohttpd would now take the query apart into its small memory, and hang when a thousand parameters do
	 * not fit. We have our copy; its own, which it is about to change in place anyway, ends here. */
	union {
		const char *in;
		char *out;
	} query = { .in = target ? strchr(target, '?') : NULL };

	if (query.in && query.in[1])
		query.out[1] = '\0';
	return exchange;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **request_cls,
			 enum MHD_RequestTerminationCode code)
{
	struct http_exchange *exchange = *request_cls;

	(void)cls;
	(void)mhd;
	if (!exchange)
		return;
	*request_cls = NULL;
	exchange->was_cut = code != MHD_REQUEST_TERMINATED_COMPLETED_OK;
	if (!connection_enter(exchange->connection, PHASE_HEAD))
		exchange->was_cut = true;
	exchange_release(exchange);
}

/* The raw target is judged and kept as it is; decoding it here would only hide what was sent. */
static size_t leave_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls;
	(void)mhd;
	return strlen(text);
}

static void on_library_message(void *cls, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
static void on_library_message(void *cls, const char *format, va_list args)
{
	const struct http_server *server = cls;
	char text[256];

	vsnprintf(text, sizeof text, format, args);
	LOG(DEBUG, LOG_HTTP_ERROR, NULL, LOG_C("server", server->options.name),
	    LOG_TEXT("message", str_trim(str_from_c(text))));
}

static int listen_on(const struct addrinfo *address)
{
	int yes = 1;
	int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (descriptor < 0)
		return -1;
	setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(descriptor, address->ai_addr, address->ai_addrlen) == 0 && listen(descriptor, LISTEN_BACKLOG) == 0)
		return descriptor;
	int error = errno;

	close(descriptor);
	errno = error;
	return -1;
}

static bool report_listen(const struct server_options *options, int error, struct outcome *outcome)
{
	char reason[128];

	if (error == EADDRINUSE)
		return outcome_add(outcome, ERR_STORAGE, "",
				   "Port %u of %s is in use: stop what listens there, or choose another port.",
				   options->port, options->address);
	if (error == EACCES)
		return outcome_add(outcome, ERR_STORAGE, "",
				   "Port %u of %s is not permitted: choose a port above 1023.", options->port,
				   options->address);
	return outcome_add(outcome, ERR_STORAGE, "", "Cannot listen on port %u of %s: %s. Choose another address.",
			   options->port, options->address, strerror_r(error, reason, sizeof reason));
}

/* A listening socket, or -1 with an issue. */
static int open_listener(const struct server_options *options, struct outcome *outcome)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char port[8];

	snprintf(port, sizeof port, "%u", options->port);
	if (getaddrinfo(options->address, port, &hints, &found) != 0 || !found) {
		outcome_add(outcome, ERR_STORAGE, "", "The address %s is unknown: use one of this machine.",
			    options->address);
		return -1;
	}
	int descriptor = listen_on(found);

	if (descriptor < 0)
		report_listen(options, errno, outcome);
	freeaddrinfo(found);
	return descriptor;
}

static uint16_t port_of(int descriptor)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = { 0 };
	socklen_t size = sizeof address;

	if (getsockname(descriptor, &address.any, &size) != 0)
		return 0;
	return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

/* libmicrohttpd wants to know beforehand where certificates come from. Ours come with each connection (tls_begin), so that
 * they can be renewed; who should ever get here without is shown none. */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
			  const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **certificates,
			  unsigned *certificate_count, gnutls_privkey_t *key)
{
	(void)session;
	(void)authorities;
	(void)authority_count;
	(void)algorithms;
	(void)algorithm_count;
	(void)certificates;
	(void)certificate_count;
	(void)key;
	return -1;
}

static struct MHD_Daemon *start_daemon(struct http_server *server, int listener)
{
	const struct server_options *options = &server->options;
	unsigned idle_s = (unsigned)((options->keep_alive_ms + 999) / 1000);
	unsigned threads = options->polling_threads;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem pool[] = {
		{ threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	return MHD_start_daemon(server->is_tls ? flags | MHD_USE_TLS : flags, 0, NULL, NULL, on_request, server,
				MHD_OPTION_EXTERNAL_LOGGER, on_library_message, server, MHD_OPTION_ARRAY, pool,
				MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
				options->connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
				options->connections_per_address_max, MHD_OPTION_CONNECTION_TIMEOUT, idle_s,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, POOL_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1,
				MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, NULL, MHD_OPTION_NOTIFY_CONNECTION,
				connection_notify, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
				MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
				server->is_tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, no_certificate,
				MHD_OPTION_HTTPS_PRIORITIES, TLS_PRIORITIES, MHD_OPTION_END);
}

static bool start_listening(struct http_server *server, int listener, struct outcome *outcome)
{
	if (server->is_tls) {
		server->identity = tls_identity_read(&server->options.tls, outcome);
		if (!server->identity)
			return false;
	}
	server->daemon = start_daemon(server, listener);
	return server->daemon != NULL;
}

bool server_tls_renew(struct http_server *server, bool *is_new, struct outcome *outcome)
{
	struct tls_identity *read;
	struct tls_identity *old;

	*is_new = false;
	if (!server->is_tls)
		return true;
	read = tls_identity_read(&server->options.tls, outcome);
	if (!read)
		return false;
	/* Only this function changes it, and nobody calls it twice at once. */
	*is_new = !tls_identity_same(read, server->identity);
	pthread_mutex_lock(&server->connections_lock);
	old = server->identity;
	server->identity = read;
	pthread_mutex_unlock(&server->connections_lock);
	tls_identity_release(old);
	return true;
}

static void server_free(struct http_server *server)
{
	pthread_cond_destroy(&server->watcher_wake);
	pthread_mutex_destroy(&server->connections_lock);
	tls_identity_release(server->identity);
	free(server);
}

static struct http_server *server_new(const struct server_options *options, const struct server_handlers *handlers)
{
	struct http_server *server = calloc(1, sizeof *server);
	pthread_condattr_t attributes;

	if (!server)
		return NULL;
	server->options = *options;
	server->handlers = *handlers;
	server->is_tls = options->tls.certificate_file && options->tls.certificate_file[0];
	if (!server->options.stream_ms)
		server->options.stream_ms = server->options.keep_alive_ms;
	if (!server->options.retry_after_s)
		server->options.retry_after_s = RETRY_AFTER_S_DEFAULT;
	pthread_mutex_init(&server->connections_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&server->watcher_wake, &attributes);
	pthread_condattr_destroy(&attributes);
	return server;
}

static void server_measure(void *ctx, struct measures *measures)
{
	struct http_server *server = ctx;
	struct server_counts counts = server_counts(server);
	struct str name = str_from_c(server->options.name);

	MEASURE(measures, METRIC_CONNECTIONS, counts.connections, name);
	MEASURE(measures, METRIC_UNANSWERED, counts.exchanges, name);
	MEASURE(measures, METRIC_WAITING, counts.workers.waiting, name);
	MEASURE(measures, METRIC_WORKERS, counts.workers.threads - counts.workers.idle, name, STR("busy"));
	MEASURE(measures, METRIC_WORKERS, counts.workers.idle, name, STR("idle"));
}

struct http_server *server_open(const struct server_options *options, const struct server_handlers *handlers,
				struct outcome *outcome)
{
	int listener = open_listener(options, outcome);

	if (listener < 0)
		return NULL;
	struct http_server *server = server_new(options, handlers);

	if (!server)
		goto failed;
	server->port = port_of(listener);
	server->workers = worker_pool_new(&options->workers);
	if (!server->workers || !watcher_start(server))
		goto failed;
	if (!start_listening(server, listener, outcome)) {
		watcher_end(server);
		goto failed;
	}
	server->watch = (struct watch) { .ctx = server, .measure = server_measure };
	watch_begin(&server->watch);
	LOG(INFO, LOG_HTTP_LISTEN, NULL, LOG_C("server", options->name), LOG_C("address", options->address),
	    LOG_NUMBER("port", server->port), LOG_C("protocol", server->is_tls ? "https" : "http"));
	return server;
failed:
	if (!outcome->has_error)
		outcome_add(outcome, ERR_NO_MEMORY, "",
			    "The server cannot start: give it more memory, threads and files.");
	close(listener);
	if (server) {
		worker_pool_free(server->workers);
		server_free(server);
	}
	return NULL;
}

uint16_t server_port(const struct http_server *server)
{
	return server->port;
}

struct server_counts server_counts(struct http_server *server)
{
	struct server_counts counts = { .exchanges = server->exchange_count,
					.workers = worker_pool_counts(server->workers) };

	pthread_mutex_lock(&server->connections_lock);
	counts.connections = server->connection_count;
	pthread_mutex_unlock(&server->connections_lock);
	return counts;
}

static void pause_ms(unsigned ms)
{
	struct timespec pause = { .tv_nsec = (long)ms * 1000000 };

	nanosleep(&pause, NULL);
}

/* No more connections. MHD_quiesce_daemon races with the polling threads for the listening socket's place in their
 * epoll sets, and whoever comes second aborts the process; so another socket takes its number, and the kernel takes it
 * out of the sets. libmicrohttpd 0.9.75 */
static void listening_end(const struct http_server *server)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_LISTEN_FD);
	int mute = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (info && mute >= 0)
		dup3(mute, info->listen_fd, O_CLOEXEC);
	if (mute >= 0)
		close(mute);
}

bool server_close(struct http_server *server, uint64_t grace_ms)
{
	struct deadline deadline = deadline_in(grace_ms);

	watch_end(&server->watch);
	server->stopping = true;
	listening_end(server);
	while (connections_close_idle(server) + server->exchange_count > 0 && !deadline_passed(deadline))
		pause_ms(5);
	/* From here on no connection is suspended any more; libmicrohttpd cannot stop while one is. */
	server->closing = true;
	if (server->work_count > 0)
		return false;
	watcher_end(server);
	MHD_stop_daemon(server->daemon);
	worker_pool_free(server->workers);
	server_free(server);
	return true;
}
