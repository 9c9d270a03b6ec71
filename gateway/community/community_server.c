#include "gateway/community/community_server.h"

#include <stdlib.h>

#include "gateway/community/community.h"
#include "gateway/run/log.h"
#include "mappers/hl7v3.h"

#define SERVER_BYTES_MAX    (4u * 1024 * 1024)
#define ASSERTIONS_SEEN_MAX (1u << 20)
#define BODY_GRACE_MS       10000
#define QUESTION_BYTES_MAX  (4u * 1024 * 1024)
#define NAME                "community"

struct community_server {
	struct arena *arena;
	struct community community;
	struct soap_server *soap;
};

#define DISCOVERY(interaction) HL7V3_ACTION_PREFIX "PRPA_IN" interaction HL7V3_DISCOVERY_SUFFIX

static const struct soap_action actions[] = {
	{ ACTION_CROSS_QUERY, XDS_QUERY_REQUEST, false, "ITI-38", cross_query, NULL },
	{ ACTION_CROSS_RETRIEVE, XDS_RETRIEVE_REQUEST, true, "ITI-39", cross_retrieve, NULL },
	{ DISCOVERY("201305UV02"), HL7V3_BODY, false, "ITI-55", patient_discovery, DISCOVERY("201306UV02") },
};
static const enum audit_kind kinds[COUNT_OF(actions)] = { AUDIT_CROSS_QUERIED, AUDIT_CROSS_RETRIEVED,
							  AUDIT_CROSS_DISCOVERED };

/* Where a transaction is asked for: the path is known before the action, and says which places it takes. */
enum service { SERVICE_XCA, SERVICE_XCPD };
static const enum service services[COUNT_OF(actions)] = { SERVICE_XCA, SERVICE_XCA, SERVICE_XCPD };
static const struct str service_paths[] = { STR_INIT("/xca"), STR_INIT("/xcpd") };

static const char greeting[] =
	"Passerelle for other communities: ITI-38 and ITI-39 at /xca, ITI-55 at /xcpd, by POST with "
	"SOAP 1.2 and XUA.";

/* Whom a path leads to: /xca or /xcpd of the one tenant, also by its name. NULL: nobody. */
static const struct community *community_find(const struct community_server *server, struct str path,
					      enum service *service)
{
	for (size_t i = 0; i < COUNT_OF(service_paths); i++) {
		struct str name = str_from(path, service_paths[i].size);

		if (!str_starts_with(path, service_paths[i]) ||
		    (name.size && (name.data[0] != '/' || !str_equal(str_from(name, 1), server->community.name))))
			continue;
		*service = (enum service)i;
		return &server->community;
	}
	return NULL;
}

/* Places at the first count of the sources that are asked. */
static void places_leave(const struct community *community, size_t count)
{
	const struct inward inward = { .community = community };
	struct source *source;
	size_t index = 0;

	for (size_t i = 0; i < count && (source = inward_source(&inward, &index)) != NULL; i++)
		backend_leave(&source->backend);
}

static bool places_take(const struct community *community)
{
	const struct inward inward = { .community = community };
	struct source *source;
	size_t index = 0;

	for (size_t count = 0; (source = inward_source(&inward, &index)) != NULL; count++) {
		if (!backend_enter(&source->backend)) {
			places_leave(community, count);
			return false;
		}
	}
	return true;
}

static bool accept_request(void *ctx, struct http_exchange *exchange, struct http_request *request)
{
	enum service service;
	const struct community *community = community_find(ctx, request->path, &service);

	if (!community) {
		http_refuse(exchange, ERR_NOT_FOUND, "Send SOAP messages to /xca or /xcpd.");
		return false;
	}
	/* The identity sources count for themselves. */
	if (service == SERVICE_XCA && !places_take(community)) {
		http_refuse(exchange, ERR_BUSY, "There are as many requests as can be taken; try again later.");
		return false;
	}
	request->tag = (void *)(uintptr_t)community;
	return true;
}

static void finished_request(void *ctx, struct http_request *request)
{
	enum service service;

	if (community_find(ctx, request->path, &service) && service == SERVICE_XCA)
		places_leave(request->tag, SIZE_MAX);
}

/* What is turned away before anybody asks who it is: by its headers, its size, its form. */
static void refused_request(void *ctx, const struct http_request *request, const struct soap_action *action,
			    enum error_code code)
{
	const struct community_server *server = ctx;
	enum service service;
	const struct community *community = community_find(server, request->path, &service);
	enum audit_kind kind;

	if (!community)
		return;
	kind = service == SERVICE_XCPD ? AUDIT_CROSS_DISCOVERED : AUDIT_CROSS_QUERIED;
	audit_transaction_refused(community->gateway->audit, action ? kinds[action - actions] : kind, code,
				  request->peer, &request->trace);
}

static bool authenticate_request(void *ctx, struct soap_request *request, const struct soap_action *action,
				 struct soap_fault *fault)
{
	const struct http_request *http = request->http;
	const struct community *community = http->tag;
	enum service service;

	if (!community_find(ctx, http->path, &service) || service != services[action - actions]) {
		*fault = (struct soap_fault) { .code = FAULT_SENDER,
					       .subcode = STR("ActionNotSupported"),
					       .reason = STR(
						       "Send queries and retrieves to /xca, discoveries to /xcpd.") };
		refused_request(ctx, http, action, ERR_METHOD);
		return false;
	}
	if (soap_assertion_read(community->verifier, true, NAME, request, fault))
		return true;
	audit_refused(community->gateway->audit, fault->code == FAULT_SENDER ? ERR_UNAUTHENTICATED : ERR_BUSY,
		      http->peer, &http->trace);
	return false;
}

static void untrusted_client(void *ctx, struct str peer, const char *why)
{
	const struct community_server *server = ctx;

	audit_node_refused(server->community.gateway->audit, why, peer);
}

static const struct soap_guard guard = { .accept = accept_request,
					 .finished = finished_request,
					 .authenticate = authenticate_request,
					 .refused = refused_request,
					 .untrusted = untrusted_client };

static struct server_tls tls_of(const struct config *config)
{
	return (struct server_tls) { .certificate_file = config->community_tls_certificate_file.data,
				     .key_file = config->community_tls_key_file.data,
				     .client_ca_file = config->community_tls_client_ca_file.data,
				     .client = (enum tls_client)config->community_tls_client_certificate };
}

static bool out_of_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

/* Whose word is taken on who asks. NULL with an issue. */
static struct saml_verifier *verifier_open(const struct config *config, struct arena *arena, struct outcome *outcome)
{
	const struct config_saml_issuers *configured = &config->community_xua_issuers;
	struct saml_issuer *issuers = arena_array(arena, configured->count, sizeof(*issuers));
	const struct saml_verifier_options options = { .issuers = issuers,
						       .issuer_count = configured->count,
						       .audiences = config->community_xua_audiences.items,
						       .audience_count = config->community_xua_audiences.count,
						       .seen_max = ASSERTIONS_SEEN_MAX };

	if (!issuers) {
		out_of_memory(outcome);
		return NULL;
	}
	for (size_t i = 0; i < configured->count; i++)
		issuers[i] = (struct saml_issuer) { configured->items[i].issuer,
						    configured->items[i].certificate_file.data };
	return saml_verifier_open(&options, outcome);
}

static bool community_make(struct community_server *server, struct gateway *gateway, struct outcome *outcome)
{
	const struct config *config = gateway->config;
	struct community *community = &server->community;

	*community = (struct community) { .gateway = gateway, .name = config->tenant };
	community->home = arena_printf(server->arena, "urn:oid:%.*s", STR_ARG(config->community_home_community_id));
	if (!community->home.data)
		return out_of_memory(outcome);
	community->verifier = verifier_open(config, server->arena, outcome);
	return community->verifier != NULL;
}

static bool soap_open(struct community_server *server, struct outcome *outcome)
{
	const struct config *config = server->community.gateway->config;
	const struct soap_server_options options = {
		.http = {
			.name = NAME,
			.address = config->community_address.data,
			.port = (uint16_t)config->community_port,
			.tls = tls_of(config),
			.polling_threads = 1,
			.connections_max = (unsigned)config->limits_connections,
			.connections_per_address_max = (unsigned)config->limits_connections_per_address,
			.header_ms = config->limits_header_seconds * 1000,
			.keep_alive_ms = config->limits_keep_alive_seconds * 1000,
			.body_rate_min = config->limits_body_rate,
			.body_grace_ms = BODY_GRACE_MS,
			.request_ms = config->limits_request_seconds * 1000,
			.arena_bytes = config->limits_request_memory,
			.spool = server->community.gateway->spools,
			.workers = { .threads_max = config->limits_workers, .queue_max = config->limits_queue },
		},
		.actions = actions,
		.action_count = COUNT_OF(actions),
		.ctx = server,
		.guard = &guard,
		.greeting = greeting,
		.body_bytes_max = QUESTION_BYTES_MAX,
		.root_bytes_max = QUESTION_BYTES_MAX,
	};

	server->soap = soap_server_open(&options, outcome);
	return server->soap != NULL;
}

static void server_free(struct community_server *server)
{
	saml_verifier_close(server->community.verifier);
	arena_free(server->arena);
	free(server);
}

bool community_server_open(struct gateway *gateway, struct community_server **server, struct outcome *outcome)
{
	struct community_server *opened;

	*server = NULL;
	if (gateway->config->community_port == 0)
		return true;
	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return out_of_memory(outcome);
	opened->arena = arena_new(SERVER_BYTES_MAX);
	if (!opened->arena)
		out_of_memory(outcome);
	if (!opened->arena || !community_make(opened, gateway, outcome) || !soap_open(opened, outcome)) {
		server_free(opened);
		return false;
	}
	*server = opened;
	LOG(INFO, LOG_PROGRAM_START, NULL, LOG_C("role", NAME), LOG_TEXT("home", opened->community.home),
	    LOG_NUMBER("port", soap_server_port(opened->soap)),
	    LOG_NUMBER("issuers", gateway->config->community_xua_issuers.count));
	return true;
}

bool community_server_close(struct community_server *server, uint64_t grace_ms)
{
	if (!server)
		return true;
	if (!soap_server_close(server->soap, grace_ms))
		return false;
	server_free(server);
	return true;
}

bool community_server_check(const struct config *config, struct outcome *outcome)
{
	const struct server_tls tls = tls_of(config);
	struct arena *arena;
	struct saml_verifier *verifier;

	if (config->community_port == 0)
		return true;
	arena = arena_new(SERVER_BYTES_MAX);
	if (!arena)
		return out_of_memory(outcome);
	verifier = verifier_open(config, arena, outcome);
	saml_verifier_close(verifier);
	arena_free(arena);
	return server_tls_check(&tls, outcome) && verifier;
}
