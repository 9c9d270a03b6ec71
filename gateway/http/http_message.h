/* One HTTP request and its answer, as the rooms behind the server see them. */
#ifndef PASSERELLE_HTTP_MESSAGE_H
#define PASSERELLE_HTTP_MESSAGE_H

#include "gateway/run/deadline.h"
#include "gateway/run/spool.h"
#include "gateway/run/trace.h"
#include "gateway/run/worker.h"
#include "mappers/base/arena.h"
#include "mappers/base/buf.h"
#include "mappers/base/error.h"

struct http_exchange; /* a request and its answer on their way; opaque outside gateway/http */

struct http_header {
	struct str name;
	struct str value;
};

/* The certificate that the client showed in the TLS handshake. A connection whose certificate did not lead to the
 * configured authorities, was not valid at the time, or is not for clients never comes so far as to send a request. */
struct http_client_certificate {
	struct str sha256;  /* of its DER, 64 lower-case hexadecimal digits; empty: none was shown */
	struct str subject; /* distinguished name as RFC 4514 writes it */
	struct str issuer;  /* likewise */
};

#define HTTP_LENGTH_UNKNOWN UINT64_MAX

/* Everything in it lives until `finished` was called. Header shape, target and Host have been checked (http_head.h). */
struct http_request {
	struct trace trace; /* trace.span_id is the id of the request in logs and answers */
	struct str method;  /* as sent, upper case */
	struct str path;    /* raw: percent-encoding untouched, begins with '/' */
	struct str query;   /* raw, without the '?'; data NULL when there is none */
	struct str host;    /* value of the Host header */
	struct str peer;    /* client address without port */
	struct http_client_certificate client_certificate;
	const struct http_header *headers;
	size_t header_count;
	uint64_t content_length; /* 0 without body, HTTP_LENGTH_UNKNOWN when chunked */
	bool is_head;            /* the answer's body is dropped, its Content-Length kept */
	struct spool *body;      /* finished; NULL in accept, and when there is no body */
	struct deadline deadline;
	struct arena *arena;       /* freed when handle returns; NULL in accept and finished */
	void *tag;                 /* the owner's, set in accept */
	struct worker_share share; /* set by http_share */
	const char *what; /* the owner's name of the operation for the log line, a literal; set in accept or handle */
	bool is_routine; /* set there too: machines ask it every second, and its line is worth reading when it went wrong */
};

/* Value of the first header with that name (any case); STR_NONE when there is none. */
struct str http_request_header(const struct http_request *request, struct str name);

/* How many headers have that name. */
size_t http_request_header_count(const struct http_request *request, struct str name);

/* Whether the body comes in a content coding. Nothing is unpacked here, and what is packed must not be read as if it were
 * not: refuse it (415). RFC 9110 8.4 */
bool http_request_is_packed(const struct http_request *request);

/* In accept: whose request it is, for the workers, what is counted, and what is logged from now on. Copied. */
void http_share(struct http_exchange *exchange, const struct worker_share *share);

/* The answer. First the headers, then exactly one http_respond_* or http_stream_*. All return false, and change
 * nothing, when the request has already been answered. Content-Length, Date and Connection are the server's. */

/* Adds a header. A value with control characters, or headers of more than 16 KiB together, make the answer a 500. */
void http_response_header(struct http_exchange *exchange, const char *name, struct str value);

/* Answers with the content of body, which is taken over and left empty (NULL: no body). A failed body is a 503. */
bool http_respond_buf(struct http_exchange *exchange, int status, struct buf *body);

/* Answers with the content of a finished spool, which is taken over (also when false is returned). */
bool http_respond_spool(struct http_exchange *exchange, int status, struct spool *body);

/* For HEAD and 304: no body, but the Content-Length that GET would have. */
bool http_respond_length(struct http_exchange *exchange, int status, uint64_t content_length);

/* Answers through the `refuse` callback of the server: one error, rendered as the protocol wants it. */
void http_refuse(struct http_exchange *exchange, enum error_code code, const char *text);

/* Answers with content_length bytes that are still to come; only from handle. http_stream_write blocks while the
 * client is slower, until the stream deadline: it returns false when the client is gone or too slow, then stop.
 * http_stream_end with fewer bytes, http_stream_abort, or leaving handle without either breaks the connection, so that
 * the client cannot take the part for the whole. */
bool http_stream_begin(struct http_exchange *exchange, int status, uint64_t content_length) MUST_CHECK;
bool http_stream_write(struct http_exchange *exchange, const void *bytes, size_t size) MUST_CHECK;
bool http_stream_end(struct http_exchange *exchange);
void http_stream_abort(struct http_exchange *exchange);

/* True once an answer was given (a stream counts from its beginning). */
bool http_answered(const struct http_exchange *exchange);

#endif
