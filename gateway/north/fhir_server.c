#include "gateway/north/fhir_server.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/http/server.h"
#include "gateway/north/corridor.h"
#include "gateway/north/door.h"
#include "gateway/north/negotiate.h"
#include "gateway/north/respond.h"

#define FORM_BYTES_MAX     65536
#define RESOURCE_BYTES_MAX (1024u * 1024)
#define GATEWAY_BYTES_MAX  (4u * 1024 * 1024)
/* Each source admits its own number of requests (connections_max); these only bound what they are together. */
#define LEG_THREADS_MAX 1024
#define LEG_QUEUE_MAX   4096

struct fhir_server {
	struct gateway *gateway;
	struct spool_limits spools;
	struct route_base route_base;
	atomic_uint stranger_count;
	unsigned strangers_max;
	struct worker_pool *legs; /* threads for asking several sources at once */
	struct arena *arena;      /* of the server's life */
	struct http_server *http;
	uint64_t stop_ms;
};

/* Refuses while nothing of the body has been read. */
static bool refuse(struct http_exchange *exchange, enum error_code code, const char *text)
{
	http_refuse(exchange, code, text);
	return false;
}

/* RFC 5789 2.2 */
static bool patch_refuse(struct http_exchange *exchange)
{
	http_response_header(exchange, "Accept-Patch",
			     STR("application/json-patch+json, application/fhir+json, application/fhir+xml"));
	return refuse(exchange, ERR_MEDIA_TYPE,
		      "Send a JSON Patch as application/json-patch+json, or a FHIRPath Patch as application/fhir+json "
		      "or "
		      "application/fhir+xml.");
}

static bool body_admit(const struct fhir_server *server, const struct route *route, struct http_exchange *exchange,
		       const struct http_request *http, struct http_admission *admission)
{
	struct str content_type = http_request_header(http, STR("Content-Type"));
	struct str coding = http_request_header(http, STR("Content-Encoding"));
	enum fhir_format format;

	/* Nothing is unpacked here, and what is packed must not be read as if it were not. RFC 9110 8.4 */
	if (coding.data && !str_equal_nocase(coding, STR("identity")))
		return refuse(exchange, ERR_MEDIA_TYPE, "Send the body as it is, without Content-Encoding.");
	switch (route->body) {
	case ROUTE_BODY_NONE:
		return true;
	case ROUTE_BODY_FORM:
		admission->body_bytes_max = FORM_BYTES_MAX;
		if (http->content_length == 0 || negotiate_form(content_type))
			return true;
		return refuse(exchange, ERR_MEDIA_TYPE, "Send the parameters as application/x-www-form-urlencoded.");
	case ROUTE_BODY_BUNDLE:
	case ROUTE_BODY_RESOURCE:
	case ROUTE_BODY_PATCH:
		admission->body_bytes_max = server->gateway->config->limits_body_bytes;
		if (route->body != ROUTE_BODY_BUNDLE && admission->body_bytes_max > RESOURCE_BYTES_MAX)
			admission->body_bytes_max = RESOURCE_BYTES_MAX;
		if (negotiate_body(content_type, &format) ||
		    (route->body == ROUTE_BODY_PATCH && negotiate_json_patch(content_type)))
			return true;
		if (route->body == ROUTE_BODY_PATCH)
			return patch_refuse(exchange);
		return refuse(exchange, ERR_MEDIA_TYPE,
			      "Send the body as application/fhir+json or application/fhir+xml in UTF-8, and say so in "
			      "Content-Type.");
	}
	return false;
}

/* True when the transaction asks the back-end: those are admitted one by one, so that a slow back-end costs only its own
 * requests. Nobody who revokes a Consent waits for one, and what is about patients alone asks identity sources, which
 * count by themselves. Of several back-ends, a reader enters each when it comes to it (transactions/legs.h). */
static bool needs_backend(const struct gateway *gateway, const struct route *route)
{
	if (gateway->source_count > 1 && route->name != ROUTE_PROVIDE_BUNDLE)
		return false;
	return !route->need->is_open && !str_equal(route->resource, STR("Patient")) &&
	       !str_equal(route->resource, STR("Consent")) && !str_equal(route->resource, STR("AuditEvent"));
}

/* What a request holds from its headers to its end; bits of its tag. */
enum { HOLDS_BACKEND = 1, HOLDS_DOORSTEP = 2 };

static void let_go(struct fhir_server *server, unsigned holds)
{
	if (holds & HOLDS_BACKEND)
		backend_leave(&server->gateway->sources->backend);
	if (holds & HOLDS_DOORSTEP)
		atomic_fetch_sub(&server->stranger_count, 1);
}

/* Whom only another system can name may be anybody: such requests never take more than half of the places at the
 * back-end, however long their bodies and that system keep them waiting. */
static bool places_take(struct fhir_server *server, const struct route *route, bool is_stranger,
			struct http_exchange *exchange, struct http_request *http)
{
	unsigned holds = is_stranger ? HOLDS_DOORSTEP : 0;

	if (is_stranger && atomic_fetch_add(&server->stranger_count, 1) >= server->strangers_max) {
		let_go(server, holds);
		return refuse(exchange, ERR_BUSY, "Too many tokens are being looked up at once; try again later.");
	}
	if (needs_backend(server->gateway, route) && !backend_enter(&server->gateway->sources->backend)) {
		let_go(server, holds);
		return refuse(exchange, ERR_BUSY, "The back-end has as many requests as it can take; try again later.");
	}
	holds |= needs_backend(server->gateway, route) ? HOLDS_BACKEND : 0;
	http->tag = (void *)(uintptr_t)holds;
	return true;
}

static bool accept_request(void *ctx, struct http_exchange *exchange, struct http_request *http,
			   struct http_admission *admission)
{
	struct fhir_server *server = ctx;
	enum error_code code = ERR_NOT_FOUND;
	const char *allow = NULL;
	struct challenge challenge;
	enum quick quick;
	struct str id;
	struct str version;
	const struct route *route =
		route_find(&server->route_base, http->method, http->path, &id, &version, &allow, &code);

	if (!route && code == ERR_METHOD) {
		http_response_header(exchange, "Allow", str_from_c(allow));
		return refuse(exchange, code, "Use one of the methods that the Allow header names.");
	}
	if (!route)
		return refuse(exchange, code,
			      "There is nothing here; the CapabilityStatement (metadata, right behind the FHIR base "
			      "URL) says what is.");
	http->what = route->label;
	quick = door_quick(server->gateway->access, http, route, &challenge);
	if (quick == QUICK_REFUSED) {
		if (challenge.header[0])
			http_response_header(exchange, "WWW-Authenticate", str_from_c(challenge.header));
		return refuse(exchange, challenge.code, challenge.sentence);
	}
	if (!body_admit(server, route, exchange, http, admission))
		return false;
	return places_take(server, route, quick == QUICK_LATER, exchange, http);
}

static void handle_request(void *ctx, struct http_exchange *exchange, struct http_request *http)
{
	struct fhir_server *server = ctx;
	struct fhir_request request = { .gateway = server->gateway, .exchange = exchange, .http = http };
	enum error_code code;
	const char *allow;

	request.route =
		route_find(&server->route_base, http->method, http->path, &request.id, &request.version, &allow, &code);
	if (request.route)
		corridor_walk(&request);
}

static void finished_request(void *ctx, struct http_request *http)
{
	let_go(ctx, (unsigned)(uintptr_t)http->tag);
}

/* A transaction that ends before the corridor: who is not let in, and what its headers, its size or the load forbid. */
static void refusal_record(const struct fhir_server *server, const struct http_request *http, enum error_code code)
{
	struct audit *audit = server->gateway->audit;
	enum error_code ignored;
	const char *allow;
	struct str id;
	struct str version;
	const struct route *route =
		route_find(&server->route_base, http->method, http->path, &id, &version, &allow, &ignored);

	if (!route)
		return;
	if (code == ERR_UNAUTHENTICATED || code == ERR_TOKEN_EXPIRED || code == ERR_FORBIDDEN ||
	    code == ERR_CREDENTIALS)
		audit_refused(audit, code, http->peer, &http->trace);
	else
		audit_transaction_refused(audit, audit_kind_of(route->transaction, route->interaction), code,
					  http->peer, &http->trace);
}

static void refuse_request(void *ctx, struct http_exchange *exchange, const struct http_request *http, int status,
			   enum error_code code, const char *text)
{
	refusal_record(ctx, http, code);
	respond_refusal(exchange, http, status, code, text);
}

static void untrusted_client(void *ctx, struct str peer, const char *why)
{
	struct fhir_server *server = ctx;

	audit_node_refused(server->gateway->audit, why, peer);
}

static bool out_of_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

/* What follows scheme and host in the public base. */
static struct str path_of(struct str url)
{
	size_t scheme = str_find(url, ':');
	struct str rest = str_from(url, scheme + 3);

	return str_from(rest, str_find(rest, '/'));
}

static bool gateway_make(struct fhir_server *server, const struct config *config, const char *version,
			 struct outcome *outcome)
{
	const struct worker_options legs = { .threads_max = LEG_THREADS_MAX, .queue_max = LEG_QUEUE_MAX };

	server->legs = worker_pool_new(&legs);
	if (!server->legs)
		return out_of_memory(outcome);
	server->spools = (struct spool_limits) { .directory = config->spool_directory.data,
						 .memory_bytes = config->limits_spool_memory,
						 .total_bytes_max = config->limits_spool_bytes };
	server->route_base.public_path = path_of(config->public_base);
	server->stop_ms = config->limits_stop_seconds * 1000;
	if (!gateway_open(config, version, &server->spools, server->legs, &server->gateway, outcome))
		return false;
	server->strangers_max = (server->gateway->sources->backend.requests_max + 1) / 2;
	return true;
}

/* Host names that are served: what was configured, and what the gateway is reached by anyway. NULL: all. */
static bool hosts_make(struct fhir_server *server, struct server_options *options, struct outcome *outcome)
{
	const struct config *config = server->gateway->config;
	struct str *hosts = arena_array(server->arena, config->listen_hosts.count + 4, sizeof(*hosts));
	struct str base = config->public_base;
	size_t count = 0;

	if (!hosts)
		return out_of_memory(outcome);
	for (size_t i = 0; i < config->listen_hosts.count; i++) {
		if (str_equal(config->listen_hosts.items[i], STR("*")))
			return true;
		hosts[count++] = config->listen_hosts.items[i];
	}
	base = str_from(base, str_find(base, ':') + 3);
	base.size = str_find(base, '/');
	if (base.size > 0 && base.data[0] == '[')
		base.size = str_find(base, ']') + 1;
	else
		base.size = str_find(base, ':');
	hosts[count++] = base;
	hosts[count++] = config->listen_address;
	hosts[count++] = STR("localhost");
	hosts[count++] = STR("127.0.0.1");
	options->hosts = hosts;
	options->host_count = count;
	return true;
}

static bool http_open(struct fhir_server *server, struct outcome *outcome)
{
	const struct config *config = server->gateway->config;
	struct server_handlers handlers = { .ctx = server,
					    .accept = accept_request,
					    .handle = handle_request,
					    .finished = finished_request,
					    .refuse = refuse_request,
					    .untrusted = untrusted_client };
	struct server_options options = {
		.name = "gateway",
		.address = config->listen_address.data,
		.port = (uint16_t)config->listen_port,
		.tls = { .certificate_file = config->tls_certificate_file.data,
			 .key_file = config->tls_key_file.data,
			 .client_ca_file = config->tls_client_ca_file.data,
			 .client = (enum tls_client)config->tls_client_certificate },
		.polling_threads = (unsigned)config->limits_polling_threads,
		.connections_max = (unsigned)config->limits_connections,
		.connections_per_address_max = (unsigned)config->limits_connections_per_address,
		.header_ms = config->limits_header_seconds * 1000,
		.keep_alive_ms = config->limits_keep_alive_seconds * 1000,
		.body_rate_min = config->limits_body_rate,
		.body_grace_ms = 10000,
		.request_ms = config->limits_request_seconds * 1000,
		.arena_bytes = config->limits_request_memory,
		.spool = &server->spools,
		.workers = { .threads_max = config->limits_workers, .queue_max = config->limits_queue },
	};

	if (!hosts_make(server, &options, outcome))
		return false;
	server->http = server_open(&options, &handlers, outcome);
	return server->http != NULL;
}

static void server_free(struct fhir_server *server)
{
	worker_pool_free(server->legs);
	gateway_close(server->gateway);
	arena_free(server->arena);
	free(server);
}

bool fhir_server_open(const struct config *config, const char *version, struct fhir_server **server,
		      struct outcome *outcome)
{
	struct fhir_server *opened;

	if (!fhir_server_check(config, outcome))
		return false;
	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return out_of_memory(outcome);
	opened->arena = arena_new(GATEWAY_BYTES_MAX);
	if (!opened->arena) {
		free(opened);
		return out_of_memory(outcome);
	}
	if (!gateway_make(opened, config, version, outcome) || !http_open(opened, outcome)) {
		server_free(opened);
		return false;
	}
	*server = opened;
	return true;
}

struct gateway *fhir_server_gateway(struct fhir_server *server)
{
	return server->gateway;
}

struct str fhir_server_base(const struct fhir_server *server)
{
	return server->gateway->base;
}

bool fhir_server_close(struct fhir_server *server)
{
	if (!server)
		return true;
	if (!server_close(server->http, server->stop_ms))
		return false;
	server_free(server);
	return true;
}
