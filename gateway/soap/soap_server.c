#include "gateway/soap/soap_server.h"

#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/run/clock.h"
#include "gateway/run/file.h"
#include "gateway/run/log.h"
#include "gateway/soap/soap_answer.h"
#include "gateway/soap/soap_package.h"

struct soap_server {
	struct soap_server_options options;
	struct http_server *http;
	atomic_uint_fast64_t recorded_count;
};

static bool is_path(const struct soap_server *server, struct str path)
{
	for (size_t i = 0; i < server->options.path_count; i++) {
		if (str_equal(path, str_from_c(server->options.paths[i])))
			return true;
	}
	return false;
}

static bool is_greeting(const struct http_request *request)
{
	return str_equal(request->path, STR("/")) &&
	       (str_equal(request->method, STR("GET")) || str_equal(request->method, STR("HEAD")));
}

static bool is_side(const struct soap_server *server, const struct http_request *request)
{
	return server->options.side_path && str_starts_with(request->path, str_from_c(server->options.side_path));
}

static bool accept_request(void *ctx, struct http_exchange *exchange, struct http_request *request,
			   struct http_admission *admission)
{
	struct soap_server *server = ctx;

	if (http_request_is_packed(request)) {
		http_refuse(exchange, ERR_MEDIA_TYPE, "Send the body as it is, without Content-Encoding.");
		return false;
	}
	if (is_side(server, request))
		return server->options.side->accept(server->options.side->ctx, exchange, request, admission);
	if (is_greeting(request)) {
		request->what = "greeting";
		request->is_routine = true;
		return true;
	}
	if (!server->options.guard && !is_path(server, request->path)) {
		http_refuse(exchange, ERR_NOT_FOUND, "Send SOAP messages to the path of the registry or repository.");
		return false;
	}
	if (!str_equal(request->method, STR("POST"))) {
		http_response_header(exchange, "Allow", STR("POST"));
		http_refuse(exchange, ERR_METHOD, "Use POST.");
		return false;
	}
	admission->body_bytes_max = server->options.body_bytes_max;
	return !server->options.guard ||
	       server->options.guard->accept(server->options.ctx, exchange, request, admission);
}

static void finished_request(void *ctx, struct http_request *request)
{
	struct soap_server *server = ctx;

	if (!is_greeting(request))
		server->options.guard->finished(server->options.ctx, request);
}

static void untrusted_client(void *ctx, struct str peer, const char *why)
{
	struct soap_server *server = ctx;

	server->options.guard->untrusted(server->options.ctx, peer, why);
}

static void refusal_tell(const struct soap_server *server, const struct http_request *request,
			 const struct soap_action *action, enum error_code code)
{
	if (server->options.guard)
		server->options.guard->refused(server->options.ctx, request, action, code);
}

/* Errors below SOAP: they are told as faults too, with the status they have. */
static void refuse_request(void *ctx, struct http_exchange *exchange, const struct http_request *request, int status,
			   enum error_code code, const char *text)
{
	struct soap_server *server = ctx;
	const struct soap_fault fault = { .code = status >= 500 ? FAULT_RECEIVER : FAULT_SENDER,
					  .reason = str_from_c(text) };

	if (is_side(server, request)) {
		server->options.side->refuse(server->options.side->ctx, exchange, request, status, code, text);
		return;
	}
	refusal_tell(server, request, NULL, code);
	soap_fault_send(exchange, &fault, NULL, status);
}

/* Keeps the root part for tests, numbered in the order of arrival. */
static void record(struct soap_server *server, struct str root)
{
	char path[4096];
	int size = snprintf(path, sizeof path, "%s/%ld-%06llu.xml", server->options.record_directory, (long)getpid(),
			    (unsigned long long)atomic_fetch_add(&server->recorded_count, 1));
	int descriptor = size > 0 && (size_t)size < sizeof path
				 ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
				 : -1;
	bool written = descriptor >= 0 && file_write_all(descriptor, root.data, root.size);

	if (!written)
		LOG(WARN, LOG_STORAGE_ERROR, NULL, LOG_C("what", "a message could not be recorded"));
	if (descriptor >= 0)
		close(descriptor);
}

/* True, with the fault filled, when the head or the packaging is not what a transaction may have; the action is found on
 * the way. */
static bool head_is_wrong(const struct soap_server *server, const struct soap_request *request,
			  const struct soap_action **action, struct soap_fault *fault)
{
	const struct xds_message *message = &request->message;
	const struct soap_head *head = &message->head;

	*fault = (struct soap_fault) { .code = FAULT_SENDER };
	if (!message->has_envelope) {
		fault->reason = STR("Send the message in a SOAP 1.2 envelope.");
		return true;
	}
	if (head->not_understood.data) {
		fault->code = FAULT_MUST_UNDERSTAND;
		fault->reason = STR("Leave out header blocks with mustUnderstand that this service does not know.");
		return true;
	}
	if (str_is_empty(head->action) || str_is_empty(head->message_id)) {
		fault->subcode = STR("MessageAddressingHeaderRequired");
		fault->reason = STR("Add the header blocks wsa:Action and wsa:MessageID.");
		return true;
	}
	/* Answers to another address are not offered: it would be the sender's word where we connect to. */
	if (head->reply_to.data && !str_equal(head->reply_to, STR(SOAP_ANONYMOUS))) {
		fault->subcode = STR("OnlyAnonymousAddressSupported");
		fault->reason = STR("Set wsa:ReplyTo to the anonymous address.");
		return true;
	}
	for (size_t i = 0; i < server->options.action_count && !*action; i++) {
		if (str_equal(head->action, str_from_c(server->options.actions[i].action)))
			*action = &server->options.actions[i];
	}
	if (!*action) {
		fault->subcode = STR("ActionNotSupported");
		fault->reason = STR("Use a wsa:Action that this service offers.");
		return true;
	}
	if (message->kind != (*action)->kind ||
	    (request->type.action.size > 0 && !str_equal(request->type.action, head->action))) {
		fault->subcode = STR("ActionMismatch");
		fault->reason = STR("Let wsa:Action, the action of the Content-Type and the body agree.");
		return true;
	}
	if ((*action)->mtom && !request->is_mtom && !server->options.accepts_simple) {
		fault->reason = STR("MTOM required: send this transaction as multipart/related with type "
				    "application/xop+xml.");
		return true;
	}
	return false;
}

/* A fault for the first error of an outcome. */
static void outcome_send(struct http_exchange *exchange, const struct outcome *outcome, const struct soap_head *head)
{
	enum error_code code = ERR_INTERNAL;
	const char *text = "Retry later.";
	struct soap_fault fault = { .code = FAULT_RECEIVER };
	int status;

	for (size_t i = 0; i < outcome->count; i++) {
		if (outcome->issues[i].severity == SEVERITY_ERROR) {
			code = outcome->issues[i].code;
			text = outcome->issues[i].text;
			break;
		}
	}
	status = error_info(code)->http_status;
	if (status < 500)
		fault.code = FAULT_SENDER;
	fault.reason = str_from_c(text);
	soap_fault_send(exchange, &fault, head, code == ERR_MEDIA_TYPE || code == ERR_TOO_LONG ? status : 0);
}

static void answer_request(struct soap_server *server, struct http_exchange *exchange, struct soap_request *request,
			   const struct soap_action *action, struct outcome *outcome)
{
	struct soap_answer answer;
	struct str name = action->answer ? str_from_c(action->answer)
					 : arena_printf(request->arena, "%s" ACTION_RESPONSE_SUFFIX, action->action);
	bool sent = false;

	if (soap_answer_begin(&answer, &request->message.head, name, action->mtom || request->is_mtom,
			      request->arena)) {
		sent = action->handle(server->options.ctx, request, &answer, outcome) &&
		       soap_answer_send(&answer, exchange, outcome);
	} else {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	}
	soap_answer_free(&answer);
	if (!sent && !http_answered(exchange))
		outcome_send(exchange, outcome, &request->message.head);
}

bool soap_assertion_read(struct saml_verifier *verifier, bool is_required, const char *name,
			 struct soap_request *request, struct soap_fault *fault)
{
	const struct http_request *http = request->http;
	const struct saml_presented presented = {
		.message = request->root,
		.message_id = request->message.head.message_id,
		.peer = http->client_certificate.sha256.size ? http->client_certificate.sha256 : http->peer,
		.now_s = clock_wall_ms() / 1000,
		.arena = request->arena,
	};
	struct saml_assertion *assertion = arena_alloc(request->arena, sizeof *assertion);
	const char *why = "no memory";
	enum saml_end end = assertion ? saml_verify(verifier, &presented, assertion, &why) : SAML_BUSY;

	*fault = (struct soap_fault) { .code = FAULT_SENDER, .subcode_of_security = true };
	switch (end) {
	case SAML_GOOD:
		assertion->caller.certificate = http->client_certificate.sha256;
		assertion->caller.address = http->peer;
		request->assertion = assertion;
		request->caller = &assertion->caller;
		request->patient_id = assertion->patient_id;
		return true;
	case SAML_ABSENT:
		if (!is_required)
			return true;
		why = "none";
		fault->subcode = STR("InvalidSecurity");
		fault->reason = STR("Say who asks: send a SAML 2.0 assertion in wsse:Security.");
		break;
	case SAML_MALFORMED:
		fault->subcode = STR("InvalidSecurity");
		fault->reason = STR("Send one signed SAML 2.0 assertion in wsse:Security, and nothing else there.");
		break;
	case SAML_UNTRUSTED:
		fault->subcode = STR("FailedAuthentication");
		fault->reason =
			STR("The assertion is not accepted; ask the operator of this service, who can read why.");
		break;
	case SAML_BUSY:
		*fault = (struct soap_fault) { .code = FAULT_RECEIVER, .reason = STR("Retry later.") };
		break;
	}
	/* Which of its many reasons it was, the log alone says: who knocks to find out learns nothing. */
	LOG(WARN, LOG_HTTP_REFUSED, http->trace.span_id, LOG_C("server", name), LOG_C("assertion", why),
	    LOG_TEXT("peer", http->peer));
	return false;
}

static bool caller_read(const struct soap_server *server, struct soap_request *request,
			const struct soap_action *action, struct soap_fault *fault)
{
	const struct soap_server_options *options = &server->options;

	if (options->guard)
		return options->guard->authenticate(options->ctx, request, action, fault);
	return !options->verifier ||
	       soap_assertion_read(options->verifier, options->assertion_required, options->http.name, request, fault);
}

static void handle_soap(struct soap_server *server, struct http_exchange *exchange, struct http_request *http)
{
	struct soap_request *request = arena_alloc(http->arena, sizeof *request);
	const struct soap_action *action = NULL;
	struct outcome outcome;
	struct soap_fault fault;
	bool is_wrong;

	outcome_init(&outcome);
	if (!request) {
		outcome_add(&outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
		outcome_send(exchange, &outcome, NULL);
		return;
	}
	request->http = http;
	request->exchange = exchange;
	request->arena = http->arena;
	if (!soap_package_open(request, server->options.root_bytes_max, &outcome)) {
		refusal_tell(server, http, NULL, outcome.issues[0].code);
		outcome_send(exchange, &outcome, NULL);
		return;
	}
	if (server->options.record_directory)
		record(server, request->root);
	if (!xds_message_read(request->root, NULL, request->arena, &request->message, &outcome)) {
		refusal_tell(server, http, NULL, outcome.issues[0].code);
		if (request->message.head.version_mismatch) {
			fault = (struct soap_fault) { .code = FAULT_VERSION_MISMATCH,
						      .reason = STR("Send SOAP 1.2, not another version.") };
			soap_fault_send(exchange, &fault, NULL, 0);
			return;
		}
		outcome_send(exchange, &outcome, NULL);
		return;
	}
	is_wrong = head_is_wrong(server, request, &action, &fault);
	if (action)
		http->what = action->what;
	if (is_wrong) {
		refusal_tell(server, http, action, ERR_BODY_MALFORMED);
		soap_fault_send(exchange, &fault, &request->message.head, 0);
		return;
	}
	assert(action); /* a head that names none is wrong */
	if (!caller_read(server, request, action, &fault)) {
		soap_fault_send(exchange, &fault, &request->message.head, 0);
		return;
	}
	answer_request(server, exchange, request, action, &outcome);
}

static void handle_request(void *ctx, struct http_exchange *exchange, struct http_request *request)
{
	struct soap_server *server = ctx;
	struct buf line;

	if (is_side(server, request)) {
		server->options.side->handle(server->options.side->ctx, exchange, request);
		return;
	}
	if (!is_greeting(request)) {
		handle_soap(server, exchange, request);
		return;
	}
	buf_init(&line, 4096);
	buf_printf(&line, "%s\n", server->options.greeting);
	http_response_header(exchange, "Content-Type", STR("text/plain; charset=UTF-8"));
	http_respond_buf(exchange, 200, &line);
	buf_free(&line);
}

struct soap_server *soap_server_open(const struct soap_server_options *options, struct outcome *outcome)
{
	struct soap_server *server = calloc(1, sizeof *server);

	if (!server) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
		return NULL;
	}
	server->options = *options;
	const struct server_handlers handlers = { .ctx = server,
						  .accept = accept_request,
						  .handle = handle_request,
						  .finished = options->guard ? finished_request : NULL,
						  .refuse = refuse_request,
						  .untrusted = options->guard ? untrusted_client : NULL };

	server->http = server_open(&server->options.http, &handlers, outcome);
	if (!server->http) {
		free(server);
		return NULL;
	}
	return server;
}

uint16_t soap_server_port(const struct soap_server *server)
{
	return server_port(server->http);
}

bool soap_server_tls_renew(struct soap_server *server, bool *is_new, struct outcome *outcome)
{
	return server_tls_renew(server->http, is_new, outcome);
}

bool soap_server_close(struct soap_server *server, uint64_t grace_ms)
{
	if (!server)
		return true;
	if (!server_close(server->http, grace_ms))
		return false;
	free(server);
	return true;
}
