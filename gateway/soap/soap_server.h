/* SOAP 1.2 with WS-Addressing and MTOM, in: takes HTTP requests apart, checks what every XDS transaction shares, finds
 * the action, and sends answers and faults. Knows no registry. Source: W3C SOAP 1.2 part 1 and 2, WS-Addressing 1.0 SOAP
 * Binding, ITI TF-2 Appendix V.3. */
#ifndef PASSERELLE_SOAP_SERVER_H
#define PASSERELLE_SOAP_SERVER_H

#include "gateway/http/server.h"
#include "gateway/soap/saml_verify.h"
#include "gateway/soap/soap_reply.h"
#include "mappers/xds_message.h"

struct soap_server;

/* A request that has passed all checks; lives in its arena. */
struct soap_request {
	struct http_request *http;
	struct http_exchange *exchange;
	struct xds_message message;
	bool is_mtom;    /* came as a package */
	struct str root; /* text of the SOAP message */
	struct content_type type;
	struct arena *arena;
	const struct saml_assertion *assertion; /* verified; NULL: there is none */
	const struct caller *caller;            /* who asks, by it; NULL: nobody said */
	struct str patient_id;                  /* about whom (CX), by it; or STR_NONE */
};

/* One transaction: which action and body it has, and who answers it. */
struct soap_action {
	const char *action;
	enum xds_message_kind kind;
	bool mtom;        /* request and answer are packages, also when nothing is attached */
	const char *what; /* in log lines: "ITI-41" */
	/* Writes the body's element with soap_answer_writer. Returns false for a SOAP fault, which the first error in
	 * outcome describes: the sender's when its HTTP status is below 500. */
	bool (*handle)(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome);
	const char *answer; /* action of the answer; NULL: that of the request with ACTION_RESPONSE_SUFFIX */
};

/* A service that decides by itself who is let in, and keeps a record of who is not. ctx is that of the options. */
struct soap_guard {
	/* The headers of a POST are there, on a polling thread: no I/O, no wait. False: it has refused (http_refuse). */
	bool (*accept)(void *ctx, struct http_exchange *exchange, struct http_request *request,
		       struct http_admission *admission);
	/* Once for each request that accept let in, when it is over. */
	void (*finished)(void *ctx, struct http_request *request);
	/* Who asks: fills request->assertion, caller and patient_id, or the fault. */
	bool (*authenticate)(void *ctx, struct soap_request *request, const struct soap_action *action,
			     struct soap_fault *fault);
	/* A request was refused before authenticate was asked; action NULL: nobody knows for what. */
	void (*refused)(void *ctx, const struct http_request *request, const struct soap_action *action,
			enum error_code code);
	void (*untrusted)(void *ctx, struct str peer, const char *why); /* as in server_handlers */
};

struct soap_server_options {
	struct server_options http;
	const struct soap_action *actions;
	size_t action_count;
	void *ctx;                /* of the handlers */
	const char *const *paths; /* that take POST; not looked at with a guard */
	size_t path_count;
	const struct soap_guard *guard; /* in the place of paths and verifier; NULL: none. Borrowed */
	const char *greeting;           /* the line of text that GET / gives */
	const char *side_path;          /* what begins so is not SOAP: it goes to side; NULL: there is no such thing */
	const struct server_handlers *side; /* accept, handle and refuse; borrowed */
	uint64_t body_bytes_max;
	uint64_t root_bytes_max;        /* of the SOAP message itself, inline documents among it */
	bool accepts_simple;            /* actions with mtom may come as plain SOAP; otherwise they are refused */
	struct saml_verifier *verifier; /* of assertions (XUA); NULL: none is looked at. Borrowed */
	bool assertion_required;        /* who sends none is refused */
	const char *record_directory;   /* test aid: each root part that arrives is kept there; NULL switches it off */
};

/* Serves from now on. options and what they point to are borrowed, options itself is copied. NULL after an error. */
struct soap_server *soap_server_open(const struct soap_server_options *options, struct outcome *outcome) MUST_CHECK;
uint16_t soap_server_port(const struct soap_server *server);
/* server_tls_renew of its HTTP server. */
bool soap_server_tls_renew(struct soap_server *server, bool *is_new, struct outcome *outcome) MUST_CHECK;
/* Like server_close: false when requests are still under way, then nothing was freed. NULL is allowed. */
bool soap_server_close(struct soap_server *server, uint64_t grace_ms);

/* Who asks, by the assertion in the message: fills request->assertion, caller and patient_id. False, with the fault filled,
 * when it is not believed, or is_required and absent. name: of the server, for the log, which alone says why. */
bool soap_assertion_read(struct saml_verifier *verifier, bool is_required, const char *name,
			 struct soap_request *request, struct soap_fault *fault) MUST_CHECK;

/* Takes the documents of message.documents, wherever their bytes are: index is that of the array. One after the other,
 * each at most once; those without bytes are not seen. A callback that returns false ends the reading; it has added its
 * own issue. */
struct soap_document_sink {
	void *ctx;
	bool (*begin)(void *ctx, size_t index);
	bool (*data)(void *ctx, const void *bytes, size_t size);
	bool (*end)(void *ctx);
};
bool soap_documents_read(struct soap_request *request, const struct soap_document_sink *sink,
			 struct outcome *outcome) MUST_CHECK;

#endif
