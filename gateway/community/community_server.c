#include "gateway/community/community_server.h"

#include <stdlib.h>

#include "gateway/access/asserted.h"
#include "gateway/community/community.h"
#include "gateway/http/server_limits.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "mappers/hl7v3.h"

#define SERVER_BYTES_MAX    (4u * 1024 * 1024)
#define ASSERTIONS_SEEN_MAX (1u << 20)
#define QUESTION_BYTES_MAX  (4u * 1024 * 1024)
#define NAME                "community"

struct community_server {
	struct tenants *tenants;
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

/* Where a transaction is asked for. */
enum service { SERVICE_XCA, SERVICE_XCPD };
static const enum service services[COUNT_OF(actions)] = { SERVICE_XCA, SERVICE_XCA, SERVICE_XCPD };
static const struct str service_paths[] = { STR_INIT("/xca"), STR_INIT("/xcpd") };

static const char greeting[] =
	"Passerelle for other communities: ITI-38 and ITI-39 at /xca, ITI-55 at /xcpd, by POST with "
	"SOAP 1.2 and XUA.";

/* Which service a path is of, and whose: name is empty for the one who is served without a name. */
static bool path_read(struct str path, enum service *service, struct str *name)
{
	for (size_t i = 0; i < COUNT_OF(service_paths); i++) {
		struct str rest = str_from(path, service_paths[i].size);

		if (!str_starts_with(path, service_paths[i]) || (rest.size && (rest.data[0] != '/' || rest.size == 1)))
			continue;
		*service = (enum service)i;
		*name = str_from(rest, rest.size ? 1 : 0);
		return true;
	}
	return false;
}

/* Takes the tenant to whom a path leads. NULL: nobody. */
static struct tenant *tenant_of(const struct community_server *server, struct str path, enum service *service)
{
	struct str name;
	struct tenant *tenant = path_read(path, service, &name) ? tenant_find(server->tenants, name) : NULL;

	if (!tenant || tenant->part)
		return tenant;
	tenant_give_back(server->tenants, tenant);
	return NULL;
}

static bool accept_request(void *ctx, struct http_exchange *exchange, struct http_request *request,
			   struct http_admission *admission)
{
	const struct community_server *server = ctx;
	enum service service;
	struct tenant *tenant = tenant_of(server, request->path, &service);
	struct worker_share share;

	if (!tenant) {
		http_refuse(exchange, ERR_NOT_FOUND, "Send SOAP messages to /xca or /xcpd.");
		return false;
	}
	request->tag = tenant->part;
	admission->spool = tenant->gateway->spools;
	share = tenant_share(tenant, service == SERVICE_XCA);
	http_share(exchange, &share);
	if (stores_enter(tenant->stores, tenant->gateway->config->limits_requests_at_once))
		return true;
	http_refuse(exchange, ERR_BUSY, "This tenant has as many requests under way as it may; try again later.");
	request->tag = NULL;
	tenant_give_back(server->tenants, tenant);
	return false;
}

static void finished_request(void *ctx, struct http_request *request)
{
	const struct community_server *server = ctx;
	const struct community *community = request->tag;

	stores_leave(community->tenant->stores);
	tenant_give_back(server->tenants, community->tenant);
}

/* What is turned away before anybody asks who it is: by its headers, its size, its form. */
static void refused_request(void *ctx, const struct http_request *request, const struct soap_action *action,
			    enum error_code code)
{
	const struct community_server *server = ctx;
	enum service service = SERVICE_XCA;
	struct tenant *tenant = tenant_of(server, request->path, &service);
	const struct community *community = request->tag ? request->tag : tenant ? tenant->part : NULL;
	enum audit_kind kind = service == SERVICE_XCPD ? AUDIT_CROSS_DISCOVERED : AUDIT_CROSS_QUERIED;

	if (community)
		audit_transaction_refused(community->gateway->audit, action ? kinds[action - actions] : kind, code,
					  request->peer, &request->trace);
	if (tenant)
		tenant_give_back(server->tenants, tenant);
}

/* What another gateway has taken is not taken here. Who showed a certificate has proved who they are beside what can be
 * copied: they are served also while nobody can say. */
static bool use_check(const struct community *community, const struct soap_request *request, struct soap_fault *fault)
{
	const struct http_request *http = request->http;

	switch (asserted_use(community->gateway->access, request->assertion, request->message.head.message_id,
			     clock_wall_ms())) {
	case ASSERTED_FRESH:
		return true;
	case ASSERTED_UNSURE:
		if (http->client_certificate.sha256.size)
			return true;
		LOG(WARN, LOG_HTTP_REFUSED, http->trace.span_id, LOG_C("server", NAME),
		    LOG_C("assertion", "made before what is remembered here of messages"),
		    LOG_TEXT("peer", http->peer));
		*fault = (struct soap_fault) { .code = FAULT_RECEIVER,
					       .reason = STR("Retry later, with a new assertion.") };
		return false;
	case ASSERTED_REPLAYED:
		break;
	}
	LOG(WARN, LOG_HTTP_REFUSED, http->trace.span_id, LOG_C("server", NAME),
	    LOG_C("assertion", "a message that came before, to another gateway"), LOG_TEXT("peer", http->peer));
	*fault = (struct soap_fault) { .code = FAULT_SENDER,
				       .subcode = STR("FailedAuthentication"),
				       .subcode_of_security = true,
				       .reason = STR("The assertion is not accepted; ask the operator of this service, "
						     "who can read why.") };
	return false;
}

static bool authenticate_request(void *ctx, struct soap_request *request, const struct soap_action *action,
				 struct soap_fault *fault)
{
	const struct http_request *http = request->http;
	const struct community *community = http->tag;
	enum service service;
	struct str name;

	if (!path_read(http->path, &service, &name) || service != services[action - actions]) {
		*fault = (struct soap_fault) { .code = FAULT_SENDER,
					       .subcode = STR("ActionNotSupported"),
					       .reason = STR(
						       "Send queries and retrieves to /xca, discoveries to /xcpd.") };
		refused_request(ctx, http, action, ERR_METHOD);
		return false;
	}
	if (soap_assertion_read(community->verifier, true, NAME, request, fault) &&
	    use_check(community, request, fault))
		return true;
	audit_refused(community->gateway->audit, fault->code == FAULT_SENDER ? ERR_UNAUTHENTICATED : ERR_BUSY,
		      http->peer, &http->trace);
	return false;
}

/* Nobody can tell which tenant was meant. */
static void untrusted_client(void *ctx, struct str peer, const char *why)
{
	const struct community_server *server = ctx;
	const struct tenant_set *set = tenant_set_take(server->tenants);

	audit_node_refused(tenant_set_first(set)->gateway->audit, why, peer);
	tenant_set_give_back(server->tenants, set);
}

static const struct soap_guard guard = { .accept = accept_request,
					 .finished = finished_request,
					 .authenticate = authenticate_request,
					 .refused = refused_request,
					 .untrusted = untrusted_client };

static struct server_tls tls_of(const struct config *config)
{
	return (struct server_tls) { .section = "community.tls",
				     .certificate_file = config->community_tls_certificate_file.data,
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
						       .seen_max = ASSERTIONS_SEEN_MAX,
						       .key = "community.xua.issuers" };

	if (!issuers) {
		out_of_memory(outcome);
		return NULL;
	}
	for (size_t i = 0; i < configured->count; i++)
		issuers[i] = (struct saml_issuer) { configured->items[i].issuer,
						    configured->items[i].certificate_file.data };
	return saml_verifier_open(&options, outcome);
}

static void part_close(void *part)
{
	struct community *community = part;

	if (!community)
		return;
	saml_verifier_close(community->verifier);
	arena_free(community->arena);
}

static bool community_make(struct community *community, struct outcome *outcome)
{
	const struct config *config = community->gateway->config;

	community->home = arena_printf(community->arena, "urn:oid:%.*s", STR_ARG(config->community_home_community_id));
	if (!community->home.data)
		return out_of_memory(outcome);
	community->verifier = verifier_open(config, community->arena, outcome);
	return community->verifier != NULL;
}

static bool part_open(struct tenant *tenant, void **part, struct outcome *outcome)
{
	struct arena *arena;
	struct community *community;

	if (tenant->gateway->config->community_port == 0)
		return true;
	arena = arena_new(SERVER_BYTES_MAX);
	community = arena ? arena_alloc(arena, sizeof(*community)) : NULL;
	if (!community) {
		arena_free(arena);
		return out_of_memory(outcome);
	}
	*community = (struct community) { .tenant = tenant, .gateway = tenant->gateway, .arena = arena };
	if (!community_make(community, outcome)) {
		part_close(community);
		return false;
	}
	asserted_begin(community->gateway->access);
	*part = community;
	return true;
}

static bool part_check(const struct config *config, struct outcome *outcome)
{
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
	return verifier != NULL;
}

const struct tenant_part community_part = { part_check, part_open, part_close };

static bool soap_open(struct community_server *server, struct outcome *outcome)
{
	const struct config *config = tenants_process(server->tenants);
	struct soap_server_options options = {
		.http = server_limits(config),
		.actions = actions,
		.action_count = COUNT_OF(actions),
		.ctx = server,
		.guard = &guard,
		.greeting = greeting,
		.body_bytes_max = QUESTION_BYTES_MAX,
		.root_bytes_max = QUESTION_BYTES_MAX,
	};

	options.http.name = NAME;
	options.http.address = config->community_address.data;
	options.http.port = (uint16_t)config->community_port;
	options.http.tls = tls_of(config);
	options.http.polling_threads = 1;
	options.http.spool = tenants_spools(server->tenants);
	server->soap = soap_server_open(&options, outcome);
	return server->soap != NULL;
}

bool community_server_open(struct tenants *tenants, struct community_server **server, struct outcome *outcome)
{
	const struct config *config = tenants_process(tenants);
	struct community_server *opened;

	*server = NULL;
	if (config->community_port == 0)
		return true;
	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return out_of_memory(outcome);
	opened->tenants = tenants;
	if (!soap_open(opened, outcome)) {
		free(opened);
		return false;
	}
	*server = opened;
	LOG(INFO, LOG_PROGRAM_START, NULL, LOG_C("role", NAME), LOG_NUMBER("port", soap_server_port(opened->soap)));
	return true;
}

bool community_server_tls_renew(struct community_server *server, bool *is_new, struct outcome *outcome)
{
	*is_new = false;
	return !server || soap_server_tls_renew(server->soap, is_new, outcome);
}

bool community_server_close(struct community_server *server, uint64_t grace_ms)
{
	if (!server)
		return true;
	if (!soap_server_close(server->soap, grace_ms))
		return false;
	free(server);
	return true;
}

bool community_server_check(const struct config_set *configs, struct outcome *outcome)
{
	const struct server_tls tls = tls_of(&configs->process);
	size_t first = outcome->count;
	bool ok;

	if (configs->process.community_port == 0)
		return true;
	ok = server_tls_check(&tls, outcome);
	config_issues_place(&configs->process, first, outcome);
	for (size_t i = 0; i < configs->count; i++) {
		size_t before = outcome->count;

		ok = part_check(&configs->tenants[i], outcome) && ok;
		tenant_issues_name(configs, i, before, outcome);
	}
	return ok;
}
