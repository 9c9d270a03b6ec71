#include "gateway/north/fhir_server.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/http/server_limits.h"
#include "gateway/north/corridor.h"
#include "gateway/north/door.h"
#include "gateway/north/negotiate.h"
#include "gateway/north/operator.h"
#include "gateway/north/respond.h"
#include "gateway/run/log.h"
#include "gateway/transactions/tenants.h"

#define FORM_BYTES_MAX     65536
#define RESOURCE_BYTES_MAX (1024u * 1024)
#define SERVER_BYTES_MAX   (4u * 1024 * 1024)

struct fhir_server {
	struct tenants *tenants;
	struct str public_path; /* of the public base */
	struct arena *arena;    /* of the server's life */
	struct http_server *http;
	uint64_t stop_ms;
};

/* What a request holds from its headers to its end: its tag. */
struct held {
	struct tenant *tenant; /* NULL: nobody's */
	struct route_found found;
	bool is_nobodys; /* no tenant's, and none is served without a name */
	bool has_place;  /* among the requests of the tenant */
	bool is_stranger;
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
		      "Send a JSON Patch as application/json-patch+json, or a FHIRPath Patch as "
		      "application/fhir+json or application/fhir+xml.");
}

static bool body_admit(const struct config *config, const struct route *route, struct http_exchange *exchange,
		       const struct http_request *http, struct http_admission *admission)
{
	struct str content_type = http_request_header(http, STR("Content-Type"));
	enum fhir_format format;

	if (http_request_is_packed(http))
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
		admission->body_bytes_max = config->limits_body_bytes;
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

/* True when the transaction is about documents: it waits for back-ends. */
static bool asks_back_ends(const struct route *route)
{
	return !route->need->is_open && !str_equal(route->resource, STR("Patient")) &&
	       !str_equal(route->resource, STR("Consent")) && !str_equal(route->resource, STR("AuditEvent")) &&
	       !str_equal(route->resource, STR("Task"));
}

static void let_go(struct fhir_server *server, struct held *held)
{
	struct tenant *tenant = held->tenant;

	if (tenant && held->has_place)
		stores_leave(tenant->stores);
	if (tenant && held->is_stranger)
		atomic_fetch_sub(&tenant->stranger_count, 1);
	if (tenant)
		tenant_give_back(server->tenants, tenant);
	free(held);
}

/* Whom only another system can name may be anybody: such requests never take more than half of the places at the
 * back-end, however long their bodies and that system keep them waiting. */
static bool places_take(struct held *held, bool is_stranger, struct http_exchange *exchange)
{
	uint64_t at_once = held->tenant->gateway->config->limits_requests_at_once;
	struct backend *backend = &held->tenant->gateway->sources->backend;
	unsigned strangers_max = (backend->requests_max + 1) / 2;

	/* Nobody who revokes a Consent waits for others. */
	if (!str_equal(held->found.route->resource, STR("Consent"))) {
		held->has_place = stores_enter(held->tenant->stores, at_once);
		if (!held->has_place)
			return refuse(exchange, ERR_BUSY,
				      "This tenant has as many requests under way as it may; try again later.");
	}
	held->is_stranger = is_stranger;
	if (is_stranger && atomic_fetch_add(&held->tenant->stranger_count, 1) >= strangers_max)
		return refuse(exchange, ERR_BUSY, "Too many tokens are being looked up at once; try again later.");
	return true;
}

/* Whose the path is, and which route: NULL without memory. */
static struct held *held_take(struct fhir_server *server, const struct http_request *http)
{
	const struct tenant_set *set = tenant_set_take(server->tenants);
	const struct route_map map = { server->public_path, set->names, set->count, set->bare_index };
	struct held *held = calloc(1, sizeof(*held));

	if (held) {
		if (!route_find(&map, http->method, http->path, &held->found))
			held->found.route = NULL;
		held->is_nobodys = held->found.tenant == set->count && set->bare_index == set->count;
		if (held->found.tenant < set->count)
			held->tenant = tenant_take(server->tenants, set, held->found.tenant);
	}
	tenant_set_give_back(server->tenants, set);
	return held;
}

static bool route_admit(const struct route_found *found, bool is_nobodys, struct http_exchange *exchange)
{
	if (found->route)
		return true;
	if (is_nobodys)
		return refuse(exchange, found->code,
			      "There is nothing here: name a tenant behind the FHIR base URL, [base]/NAME; the "
			      "CapabilityStatement ([base]/NAME/metadata) says what it has.");
	if (found->code == ERR_METHOD) {
		char text[160];

		http_response_header(exchange, "Allow", str_from_c(found->allow));
		snprintf(text, sizeof(text),
			 "Use %s here; the CapabilityStatement (GET metadata, right behind the FHIR base URL) says "
			 "what "
			 "there is.",
			 found->allow);
		return refuse(exchange, ERR_METHOD, text);
	}
	return refuse(exchange, found->code,
		      "There is nothing here; the CapabilityStatement (metadata, right behind the FHIR base URL) says "
		      "what is.");
}

static bool held_admit(struct held *held, struct http_exchange *exchange, struct http_request *http,
		       struct http_admission *admission)
{
	struct challenge challenge;
	struct worker_share share;
	enum quick quick;

	if (held->tenant) {
		share = tenant_share(held->tenant, held->found.route && asks_back_ends(held->found.route));
		http_share(exchange, &share);
	}
	if (!route_admit(&held->found, held->is_nobodys, exchange) || !held->tenant)
		return false;
	http->what = held->found.route->label;
	admission->spool = held->tenant->gateway->spools;
	quick = door_quick(held->tenant->gateway->access, http, &held->found, &challenge);
	if (quick == QUICK_REFUSED) {
		if (challenge.header[0])
			http_response_header(exchange, "WWW-Authenticate", str_from_c(challenge.header));
		return refuse(exchange, challenge.code, challenge.sentence);
	}
	return body_admit(held->tenant->gateway->config, held->found.route, exchange, http, admission) &&
	       places_take(held, quick == QUICK_LATER, exchange);
}

static bool accept_request(void *ctx, struct http_exchange *exchange, struct http_request *http,
			   struct http_admission *admission)
{
	const struct fhir_server *server = ctx;
	struct held *held;

	if (operator_answer(exchange, http, tenants_process(server->tenants)->metrics_secret))
		return false;
	held = held_take(ctx, http);
	if (!held)
		return refuse(exchange, ERR_NO_MEMORY, "Try again later.");
	http->tag = held; /* who is refused is recorded by it */
	if (held_admit(held, exchange, http, admission))
		return true;
	http->tag = NULL;
	let_go(ctx, held);
	return false;
}

static void handle_request(void *ctx, struct http_exchange *exchange, struct http_request *http)
{
	const struct held *held = http->tag;
	struct fhir_request request = { .gateway = held->tenant->gateway,
					.exchange = exchange,
					.http = http,
					.route = held->found.route,
					.id = held->found.id,
					.version = held->found.version,
					.is_bare = held->found.is_bare };

	(void)ctx;
	corridor_walk(&request);
}

static void finished_request(void *ctx, struct http_request *http)
{
	let_go(ctx, http->tag);
}

/* A transaction that ends before the corridor: who is not let in, and what its headers, its size or the load forbid. */
static void refusal_record(const struct held *held, const struct http_request *http, enum error_code code)
{
	const struct route *route = held->found.route;
	struct audit *audit = held->tenant ? held->tenant->gateway->audit : NULL;

	if (!route || !audit)
		return;
	if (error_info(code)->http_status == 401 || code == ERR_FORBIDDEN || code == ERR_CREDENTIALS)
		audit_refused(audit, code, http->peer, &http->trace);
	else
		audit_transaction_refused(audit, audit_kind_of(route->transaction, route->interaction), code,
					  http->peer, &http->trace);
}

/* Without a tag it is refused before its headers were looked at; the path may say whose it is all the same. */
static void refuse_request(void *ctx, struct http_exchange *exchange, const struct http_request *http, int status,
			   enum error_code code, const char *text)
{
	struct held *held = http->tag ? http->tag : held_take(ctx, http);
	const struct log_tenant before = log_tenant_now();

	if (held && held->tenant)
		(void)log_tenant_set(held->tenant->name);
	if (held)
		refusal_record(held, http, code);
	if (held && !http->tag)
		let_go(ctx, held);
	respond_refusal(exchange, http, status, code, text);
	log_tenant_restore(&before);
}

/* Nobody can tell which tenant was meant. */
static void untrusted_client(void *ctx, struct str peer, const char *why)
{
	struct fhir_server *server = ctx;
	const struct tenant_set *set = tenant_set_take(server->tenants);

	audit_node_refused(tenant_set_first(set)->gateway->audit, why, peer);
	tenant_set_give_back(server->tenants, set);
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

/* Host names that are served: what was configured, and what the gateway is reached by anyway. NULL: all. */
static bool hosts_make(struct fhir_server *server, struct server_options *options, struct outcome *outcome)
{
	const struct config *config = tenants_process(server->tenants);
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
	const struct config *config = tenants_process(server->tenants);
	struct server_handlers handlers = { .ctx = server,
					    .accept = accept_request,
					    .handle = handle_request,
					    .finished = finished_request,
					    .refuse = refuse_request,
					    .untrusted = untrusted_client };
	struct server_options options = server_limits(config);

	options.name = "gateway";
	options.address = config->listen_address.data;
	options.port = (uint16_t)config->listen_port;
	options.tls = (struct server_tls) { .certificate_file = config->tls_certificate_file.data,
					    .key_file = config->tls_key_file.data,
					    .client_ca_file = config->tls_client_ca_file.data,
					    .client = (enum tls_client)config->tls_client_certificate };
	options.spool = tenants_spools(server->tenants);
	if (!hosts_make(server, &options, outcome))
		return false;
	server->http = server_open(&options, &handlers, outcome);
	return server->http != NULL;
}

static void server_free(struct fhir_server *server)
{
	arena_free(server->arena);
	free(server);
}

bool fhir_server_open(struct tenants *tenants, struct fhir_server **server, struct outcome *outcome)
{
	const struct config *config = tenants_process(tenants);
	struct fhir_server *opened = calloc(1, sizeof(*opened));

	if (!opened)
		return out_of_memory(outcome);
	*opened = (struct fhir_server) { .tenants = tenants,
					 .public_path = path_of(config->public_base),
					 .arena = arena_new(SERVER_BYTES_MAX),
					 .stop_ms = config->limits_stop_seconds * 1000 };
	if (!opened->arena)
		out_of_memory(outcome);
	if (!opened->arena || !http_open(opened, outcome)) {
		server_free(opened);
		return false;
	}
	*server = opened;
	return true;
}

bool fhir_server_tls_renew(struct fhir_server *server, bool *is_new, struct outcome *outcome)
{
	return server_tls_renew(server->http, is_new, outcome);
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
