/* One SOAP exchange over HTTP, plain or as MTOM package. The only room that sees libcurl. Redirects are not followed,
 * proxies of the environment are not used, only http and https are spoken. Source: ITI TF-2 Appendix V.3. */
#ifndef PASSERELLE_SOAP_CLIENT_H
#define PASSERELLE_SOAP_CLIENT_H

#include "gateway/run/deadline.h"
#include "gateway/south/backend.h"
#include "gateway/south/recorder.h"
#include "gateway/south/xua.h"
#include "mappers/xds_message.h"

struct spool;
struct spool_limits;

/* Called once by main, before threads exist. False when libcurl cannot start. Each thread then keeps its own handle, and
 * with it warm connections, for its life. */
bool south_start(void) MUST_CHECK;

/* What every exchange of one request needs. */
struct south {
	struct backend *backend;
	struct arena *arena;
	struct deadline deadline;
	struct spool_limits *spools;
	const char *request_id;                /* for the log */
	bool insists;                          /* a back-end that did not answer lately is asked all the same */
	bool gives_way;                        /* others answer as well: one that has fallen silent is not waited for */
	bool is_probe;                         /* an operator looks: told what a fault says, in the back-end's words */
	const char *traceparent;               /* W3C Trace Context, sent on; NULL: none */
	const struct south_recorder *recorder; /* told of each call when it is over; NULL: nobody */
	/* Who asks, and about whom (CX; STR_NONE: nobody in particular), for back-ends that want to know. NULL: unsigned. */
	const struct xua *xua;
	const struct caller *caller;
	struct str patient_id;
};

/* How an exchange ended. */
enum soap_end {
	SOAP_ANSWERED, /* the message is there; whether it says yes is for the caller to read */
	SOAP_FAILED,   /* it has not been processed: nothing went out, or the peer said so; outcome has the issue */
	SOAP_UNCLEAR /* bytes went out and no XDS answer came back: it may have been processed; outcome has the issue */
};

/* A document to send beside the envelope; its bytes stay in the spool. */
struct soap_attachment {
	struct str content_id; /* without <>, [A-Za-z0-9.-] and one @ */
	struct str media_type;
	const struct spool *spool;
};

/* Where the documents of an MTOM reply go, one after the other. A callback that returns false ends the exchange and has
 * added its own issue. Inline (base64) documents arrive the same way, after root. */
struct document_sink {
	void *ctx;
	/* The SOAP part, read. Comes before begin: a peer that sends documents first is refused. */
	bool (*root)(void *ctx, const struct xds_message *message);
	/* The next document; content says which DocumentResponse of the root names it. */
	bool (*begin)(void *ctx, struct str content_id, bool is_inline, size_t inline_index);
	bool (*data)(void *ctx, const void *bytes, size_t size);
	bool (*end)(void *ctx);
};

struct soap_call {
	const char *url;
	struct str action;
	/* Writes what stands inside soap:Body. */
	void (*write_body)(struct xml_writer *writer, const void *body);
	const void *body;
	bool mtom; /* packaged as multipart/related, also without attachments */
	const struct soap_attachment *attachments;
	size_t attachment_count;
	bool once;                             /* never sent a second time by itself; the end may be SOAP_UNCLEAR */
	uint64_t reply_bytes_expected;         /* of the documents in the reply: they get more time */
	const struct document_sink *documents; /* NULL: documents in the reply are dropped */
	/* Reads a reply whose body xds_message.h does not know: the whole SOAP message, valid during the call. Returns
	 * whether the reply says yes, for the record of the call. NULL: the reply is an XDS message. */
	bool (*read)(void *ctx, struct str text);
	void *read_ctx;
};

/* Sends the request and reads the answer, whatever the HTTP status: a fault becomes SOAP_FAILED with an issue (when
 * `once`, a fault of the receiver is SOAP_UNCLEAR); HTML, nothing, a cut or oversized body is ERR_BACKEND_ANSWER; no
 * connection ERR_BACKEND_DOWN; no answer in time ERR_BACKEND_TIMEOUT. message is in south->arena.
 * Time: the back-end's timeout and a second for each 256 KiB of documents, and never past the request's deadline. */
enum soap_end soap_exchange(const struct south *south, const struct soap_call *request, struct xds_message *message,
			    struct outcome *outcome) MUST_CHECK;

#endif
