/* Inside gateway/http only: the state of a connection and of the request it carries. */
#ifndef PASSERELLE_HTTP_EXCHANGE_H
#define PASSERELLE_HTTP_EXCHANGE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "gateway/http/http_head.h"
#include "gateway/http/http_pipe.h"
#include "gateway/http/server.h"
#include "gateway/http/tls.h"
#include "gateway/run/watch.h"

/* Where a connection is, for the one who watches its time. */
enum connection_phase {
	PHASE_HEAD,   /* idle, or the head of a request is on its way */
	PHASE_BODY,   /* the body is on its way */
	PHASE_WORK,   /* suspended; the request's own deadline counts */
	PHASE_ANSWER, /* the answer is on its way */
	PHASE_LINGER, /* answered early, write side closed; what the client still sends is dropped */
	PHASE_CLOSED  /* shut down by the watcher; the polling thread will find out */
};

struct connection {
	struct http_server *server;
	struct connection *next; /* under server->connections_lock */
	struct connection *previous;
	int descriptor;
	gnutls_session_t tls;           /* NULL: plain HTTP */
	struct tls_identity *identity;  /* that it was shown: owned; NULL: plain HTTP */
	struct tls_context tls_context; /* of a TLS connection; its certificate is ours to free */
	pthread_mutex_t lock;           /* guards what follows: polling thread and watcher */
	enum connection_phase phase;
	uint64_t since_ms;
	uint64_t bytes;   /* of the body so far; or acknowledged by the client when the phase began */
	bool is_later;    /* not the first request of this connection */
	bool has_request; /* a request line has arrived */
};

enum exchange_stage { STAGE_HEAD, STAGE_BODY, STAGE_WORK, STAGE_ANSWERED, STAGE_DROP };
enum response_kind { RESPONSE_NONE, RESPONSE_BUF, RESPONSE_SPOOL, RESPONSE_LENGTH, RESPONSE_STREAM };

/* The answer: first only noted; made into one of libmicrohttpd's on the polling thread. */
struct response {
	enum response_kind kind;
	int status;
	struct buf headers; /* name NUL value NUL ... */
	bool has_bad_header;
	struct buf body;
	struct spool *spool;
	uint64_t length;
	struct http_pipe *pipe; /* NULL for a stream that answers HEAD */
	uint64_t streamed;
	char last_byte; /* of a stream: kept back until http_stream_end says that all before it was right */
	bool stream_open;
};

struct http_exchange {
	struct worker_job job; /* first: a job is its exchange */
	struct http_request request;
	struct http_server *server;
	struct connection *connection; /* for the polling thread only */
	struct MHD_Connection *mhd;
	_Atomic unsigned owners; /* libmicrohttpd's request, its response, the worker */
	enum exchange_stage stage;
	struct http_admission admission;
	bool accepted;
	bool expects_continue;
	bool is_http_1_1;
	bool close_after;
	bool was_resumed; /* a stream has begun: the connection is libmicrohttpd's again */
	bool refusing;    /* the refuse callback is at work */
	bool is_raw;      /* the answer went straight to the socket */
	bool was_cut;     /* the answer did not reach the client whole */
	char peer[PEER_SIZE];
	char share_name[PEER_SIZE];
	char *target;                        /* copy of the raw target */
	const char *target_at;               /* where libmicrohttpd had it */
	char *head;                          /* copies of method and headers */
	struct tls_certificate *certificate; /* the client's; a copy, because a worker may outlive the connection */
	struct response response;
	uint64_t began_us;
};

struct http_server {
	struct server_options options;
	struct server_handlers handlers;
	struct MHD_Daemon *daemon;
	struct worker_pool *workers;
	struct watch watch;
	uint16_t port;
	bool is_tls;
	struct tls_identity *identity; /* for new connections; NULL: plain HTTP. Under connections_lock */
	_Atomic unsigned exchange_count;
	_Atomic unsigned work_count; /* connections that are suspended or about to be */
	_Atomic bool stopping;       /* answers close their connections */
	_Atomic bool closing;        /* no connection may be suspended any more */
	pthread_mutex_t connections_lock;
	pthread_cond_t watcher_wake;
	struct connection *connections;
	unsigned connection_count;
	pthread_t watcher;
	bool watcher_stop; /* under connections_lock */
};

/* exchange.c */
struct http_exchange *exchange_new(struct http_server *server, struct MHD_Connection *mhd, const char *target);
void exchange_keep(struct http_exchange *exchange);
void exchange_release(struct http_exchange *exchange);
/* Judges the head libmicrohttpd has read and fills exchange->request; answers and returns false when it is bad. */
bool exchange_read_head(struct http_exchange *exchange, const char *method, const char *version);
/* Answers by the refuse callback with a status of its own. */
void exchange_refuse(struct http_exchange *exchange, int status, enum error_code code, const char *text);
/* Hands the noted answer to libmicrohttpd, on the polling thread. */
enum MHD_Result exchange_deliver(struct http_exchange *exchange);
/* Straight to the socket, whose write side closes: libmicrohttpd refuses an answer in the middle of an upload. */
bool exchange_deliver_raw(struct http_exchange *exchange);

/* connection.c */
void connection_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
		       enum MHD_ConnectionNotificationCode code);
/* The client's address in words; empty when it cannot be told. */
void connection_peer(struct MHD_Connection *mhd, char peer[PEER_SIZE]);
/* The connection enters a phase. False when the watcher has closed it: give up then. */
bool connection_enter(struct connection *connection, enum connection_phase phase);
void connection_mark_request(struct connection *connection); /* a request line has arrived: it is no longer idle */
bool connection_count_bytes(struct connection *connection, size_t size);
bool watcher_start(struct http_server *server);
void watcher_end(struct http_server *server);
/* Shuts connections down that carry no request; returns how many are open. */
unsigned connections_close_idle(struct http_server *server);

/* http_layout.c */
/* True when method, target, version and every header stood there as RFC 9112 wants. Pointers are libmicrohttpd's. */
bool layout_is_plain(struct MHD_Connection *mhd, const char *method, const char *target_at, size_t target_size,
		     const char *version);

#endif
