/* An HTTP server for one face (FHIR or SOAP). Knows neither. Its polling threads only move bytes; when a request is
 * complete, its connection is suspended and one worker runs `handle`, straight-line, with ordinary blocking calls. */
#ifndef PASSERELLE_HTTP_SERVER_H
#define PASSERELLE_HTTP_SERVER_H

#include "gateway/http/http_message.h"
#include "gateway/run/worker.h"

struct http_server;

/* TLS of a listener: 1.2 and 1.3 with the suites of RFC 9325 (BCP 195), no resumption, no early data, no renegotiation,
 * no compression. The files are PEM, read when the server opens and by server_tls_renew. */
enum tls_client { TLS_CLIENT_NONE, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRED };
struct server_tls {
	const char *certificate_file; /* the server's, then those that lead to its root; NULL or "": plain HTTP */
	const char *key_file;
	const char *client_ca_file; /* whose client certificates are accepted; with TLS_CLIENT_NONE not looked at */
	enum tls_client client;
	const char *section; /* of the configuration, for issues; NULL: "tls" */
};

struct server_options {
	const char *name;    /* "gateway", "domain": in log lines */
	const char *address; /* numeric IPv4 or IPv6 address, or a name */
	uint16_t port;       /* 0 takes any free one */
	struct server_tls tls;
	unsigned polling_threads;
	unsigned connections_max;
	unsigned connections_per_address_max; /* 0: no limit */
	uint64_t header_ms;                   /* first byte of a connection to complete headers */
	uint64_t keep_alive_ms;               /* an idle connection; also one that makes no progress */
	uint64_t body_rate_min;               /* bytes per second a client must send or take; 0: off */
	uint64_t body_grace_ms;               /* before the rate is looked at */
	uint64_t request_ms;                  /* complete request to answer: the request's deadline */
	uint64_t stream_ms;                   /* one http_stream_write; 0 means keep_alive_ms */
	uint32_t retry_after_s;               /* Retry-After of a 503 is spread from 1 to this; 0 means 5 */
	size_t arena_bytes;
	const struct str *hosts; /* Host values that are served, without port, lower case; NULL: any well-formed one */
	size_t host_count;
	struct spool_limits *spool;    /* borrowed */
	struct worker_options workers; /* the server's own pool */
};

/* What `accept` decides besides yes and no. */
struct http_admission {
	uint64_t body_bytes_max;    /* 413 beyond, also when chunked; begins as 0: no body is taken */
	uint64_t request_ms;        /* begins as the server's */
	struct spool_limits *spool; /* where the body goes; begins as the server's */
};

struct server_handlers {
	void *ctx;
	/* Called when the headers are there, on a polling thread: no I/O, no wait. True: the body is read and `handle` called.
	 * Otherwise it answers (http_refuse, http_respond_buf) and returns false: the body is not read and the connection
	 * closed. Admission (per back-end) belongs here. */
	bool (*accept)(void *ctx, struct http_exchange *exchange, struct http_request *request,
		       struct http_admission *admission);

	/* Called on a worker, at most once. Must answer; a request that is left unanswered gets a 500. */
	void (*handle)(void *ctx, struct http_exchange *exchange, struct http_request *request);

	/* Called exactly once for each request for which accept returned true, when its answer has left, the client is
	 * gone, or it was refused meanwhile: gives back what accept took. May be called on any thread. NULL allowed. */
	void (*finished)(void *ctx, struct http_request *request);

	/* Renders an error of the server's own (or of http_refuse): adds headers and a body by http_response_header and
	 * http_respond_buf with this status. Called on any thread. Retry-After, Allow and Connection are already set.
	 * request may be incomplete (method and path may be empty). NULL: a line of plain text. */
	void (*refuse)(void *ctx, struct http_exchange *exchange, const struct http_request *request, int status,
		       enum error_code code, const char *text);

	/* A client certificate was refused in the handshake: on a polling thread, no wait. NULL allowed. */
	void (*untrusted)(void *ctx, struct str peer, const char *why);
};

/* Whether the files of tls can be read and used together; true when it has none. */
bool server_tls_check(const struct server_tls *tls, struct outcome *outcome) MUST_CHECK;

/* Binds, listens and serves. options and handlers are copied, what they point to is borrowed. On failure NULL, and
 * outcome says what to do ("port 8080 is in use ..."). */
struct http_server *server_open(const struct server_options *options, const struct server_handlers *handlers,
				struct outcome *outcome) MUST_CHECK;

/* Reads the files of its TLS again, for connections from now on. *is_new: they held something else before. False with
 * issues: what was in use stays in use. Not to be called on two threads at once. */
bool server_tls_renew(struct http_server *server, bool *is_new, struct outcome *outcome) MUST_CHECK;
uint16_t server_port(const struct http_server *server); /* that it listens on */

struct server_counts {
	unsigned connections;
	unsigned exchanges; /* requests whose answer has not left yet */
	struct worker_counts workers;
};
struct server_counts server_counts(struct http_server *server);

/* Stops listening, lets requests in flight finish for at most grace_ms, closes idle connections, frees everything and
 * returns true. False when requests were still under way: then nothing was freed and the process should end. */
bool server_close(struct http_server *server, uint64_t grace_ms);

#endif
