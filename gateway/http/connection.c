/* Connections and the one thread that watches their time: libmicrohttpd's own timeout only sees total silence, and
 * none while a connection is suspended. */
#include "gateway/http/exchange.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <linux/tcp.h>

#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/thread.h"

#define LINGER_MS     2000
#define BYTES_UNKNOWN UINT64_MAX

static void connection_add(struct http_server *server, struct connection *connection)
{
	pthread_mutex_lock(&server->connections_lock);
	connection->next = server->connections;
	if (connection->next)
		connection->next->previous = connection;
	server->connections = connection;
	server->connection_count++;
	pthread_mutex_unlock(&server->connections_lock);
}

static void connection_remove(struct http_server *server, struct connection *connection)
{
	pthread_mutex_lock(&server->connections_lock);
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		server->connections = connection->next;
	if (connection->next)
		connection->next->previous = connection->previous;
	server->connection_count--;
	pthread_mutex_unlock(&server->connections_lock);
}

void connection_peer(struct MHD_Connection *mhd, char peer[PEER_SIZE])
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const void *address = NULL;

	peer[0] = '\0';
	if (!info || !info->client_addr)
		return;
	if (info->client_addr->sa_family == AF_INET)
		address = &((const struct sockaddr_in *)(const void *)info->client_addr)->sin_addr;
	else if (info->client_addr->sa_family == AF_INET6)
		address = &((const struct sockaddr_in6 *)(const void *)info->client_addr)->sin6_addr;
	if (address)
		inet_ntop(info->client_addr->sa_family, address, peer, PEER_SIZE);
}

static void begin_tls(struct connection *connection, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	struct http_server *server = connection->server;

	pthread_mutex_lock(&server->connections_lock);
	connection->identity = tls_identity_keep(server->identity);
	pthread_mutex_unlock(&server->connections_lock);
	connection->tls = info->tls_session;
	connection->tls_context = (struct tls_context) { .server = server->options.name,
							 .untrusted = server->handlers.untrusted,
							 .ctx = server->handlers.ctx };
	connection_peer(mhd, connection->tls_context.peer);
	tls_begin(connection->tls, server->options.tls.client, connection->identity, &connection->tls_context);
}

void connection_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
		       enum MHD_ConnectionNotificationCode code)
{
	struct http_server *server = cls;
	struct connection *connection = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (!connection)
			return;
		connection_remove(server, connection);
		pthread_mutex_destroy(&connection->lock);
		tls_identity_release(connection->identity);
		free(connection->tls_context.certificate);
		free(connection);
		*socket_context = NULL;
		return;
	}
	connection = calloc(1, sizeof *connection);
	*socket_context = connection;
	if (!connection)
		return;
	connection->server = server;
	connection->descriptor = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	connection->since_ms = clock_monotonic_ms();
	pthread_mutex_init(&connection->lock, NULL);
	if (server->is_tls)
		begin_tls(connection, mhd);
	connection_add(server, connection);
}

bool connection_enter(struct connection *connection, enum connection_phase phase)
{
	uint64_t now_ms = clock_monotonic_ms();

	pthread_mutex_lock(&connection->lock);
	bool open = connection->phase != PHASE_CLOSED;

	if (open) {
		connection->is_later |= connection->phase == PHASE_ANSWER;
		connection->has_request = phase != PHASE_HEAD;
		connection->phase = phase;
		connection->since_ms = now_ms;
		connection->bytes = phase == PHASE_ANSWER ? BYTES_UNKNOWN : 0;
	}
	pthread_mutex_unlock(&connection->lock);
	return open;
}

void connection_mark_request(struct connection *connection)
{
	pthread_mutex_lock(&connection->lock);
	connection->has_request = true;
	pthread_mutex_unlock(&connection->lock);
}

bool connection_count_bytes(struct connection *connection, size_t size)
{
	pthread_mutex_lock(&connection->lock);
	bool open = connection->phase != PHASE_CLOSED;

	connection->bytes += size;
	pthread_mutex_unlock(&connection->lock);
	return open;
}

/* True when so few bytes since the phase began are too few. */
static bool is_slow(const struct server_options *options, uint64_t bytes, uint64_t elapsed_ms)
{
	if (options->body_rate_min == 0 || elapsed_ms <= options->body_grace_ms)
		return false;
	return bytes < (elapsed_ms - options->body_grace_ms) * options->body_rate_min / 1000;
}

/* Whether the client takes the answer too slowly. What it has acknowledged only the kernel knows; while nothing waits
 * for it (a stream whose back-end is slow) it is not to blame. */
static bool takes_slowly(struct connection *connection, uint64_t now_ms, uint64_t elapsed_ms)
{
	const struct server_options *options = &connection->server->options;
	struct tcp_info info = { 0 };
	socklen_t size = sizeof info;

	if (getsockopt(connection->descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
		return false;
	if (connection->bytes == BYTES_UNKNOWN || (info.tcpi_unacked == 0 && info.tcpi_notsent_bytes == 0)) {
		connection->bytes = info.tcpi_bytes_acked;
		connection->since_ms = now_ms;
		return false;
	}
	return is_slow(options, info.tcpi_bytes_acked - connection->bytes, elapsed_ms);
}

/* What is too late about the connection; NULL when nothing is. */
static const char *lateness(struct connection *connection, uint64_t now_ms)
{
	const struct server_options *options = &connection->server->options;
	/* The phase may have begun after the watcher looked at the clock. */
	uint64_t elapsed_ms = now_ms > connection->since_ms ? now_ms - connection->since_ms : 0;

	switch (connection->phase) {
	case PHASE_HEAD:
		if (!connection->is_later)
			return elapsed_ms > options->header_ms ? "slow head" : NULL;
		return elapsed_ms > options->keep_alive_ms + options->header_ms ? "slow head" : NULL;
	case PHASE_BODY:
		return is_slow(options, connection->bytes, elapsed_ms) ? "slow body" : NULL;
	case PHASE_ANSWER:
		return takes_slowly(connection, now_ms, elapsed_ms) ? "slow reader" : NULL;
	case PHASE_LINGER:
		return elapsed_ms > LINGER_MS ? "linger" : NULL;
	case PHASE_WORK:
	case PHASE_CLOSED:
		return NULL;
	}
	return NULL;
}

static void connection_shut(struct connection *connection, const char *why)
{
	static const char answer[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

	/* Not under TLS: the session belongs to the polling thread, and what is sent past it would be a forgery. */
	if (!connection->tls &&
	    (connection->phase == PHASE_BODY || (connection->phase == PHASE_HEAD && !connection->is_later))) {
		ssize_t sent = send(connection->descriptor, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);

		(void)sent; /* a courtesy */
	}
	if (connection->phase != PHASE_LINGER)
		LOG(INFO, LOG_HTTP_REFUSED, NULL, LOG_C("server", connection->server->options.name),
		    LOG_C("reason", why));
	connection->phase = PHASE_CLOSED;
	shutdown(connection->descriptor, SHUT_RDWR);
}

static void watch_all(struct http_server *server)
{
	uint64_t now_ms = clock_monotonic_ms();

	for (struct connection *connection = server->connections; connection; connection = connection->next) {
		pthread_mutex_lock(&connection->lock);
		const char *why = lateness(connection, now_ms);

		if (why)
			connection_shut(connection, why);
		pthread_mutex_unlock(&connection->lock);
	}
}

/* A quarter of the shortest limit, so that none is missed by much. */
static uint64_t watch_interval_ms(const struct server_options *options)
{
	uint64_t shortest = options->header_ms < options->body_grace_ms ? options->header_ms : options->body_grace_ms;

	if (shortest < 40)
		return 10;
	return shortest > 2000 ? 500 : shortest / 4;
}

static void *watcher_main(void *argument)
{
	struct http_server *server = argument;
	uint64_t interval_ms = watch_interval_ms(&server->options);

	pthread_mutex_lock(&server->connections_lock);
	while (!server->watcher_stop) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += (time_t)(interval_ms / 1000);
		until.tv_nsec += (long)(interval_ms % 1000) * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		pthread_cond_timedwait(&server->watcher_wake, &server->connections_lock, &until);
		watch_all(server);
	}
	pthread_mutex_unlock(&server->connections_lock);
	return NULL;
}

bool watcher_start(struct http_server *server)
{
	if (!thread_start(&server->watcher, watcher_main, server))
		return false;
	pthread_setname_np(server->watcher, "http-watcher");
	return true;
}

void watcher_end(struct http_server *server)
{
	pthread_mutex_lock(&server->connections_lock);
	server->watcher_stop = true;
	pthread_cond_broadcast(&server->watcher_wake);
	pthread_mutex_unlock(&server->connections_lock);
	pthread_join(server->watcher, NULL);
}

unsigned connections_close_idle(struct http_server *server)
{
	pthread_mutex_lock(&server->connections_lock);
	for (struct connection *connection = server->connections; connection; connection = connection->next) {
		pthread_mutex_lock(&connection->lock);
		if (connection->phase == PHASE_HEAD && !connection->has_request) {
			connection->phase = PHASE_CLOSED;
			shutdown(connection->descriptor, SHUT_RDWR);
		}
		pthread_mutex_unlock(&connection->lock);
	}
	unsigned count = server->connection_count;

	pthread_mutex_unlock(&server->connections_lock);
	return count;
}
