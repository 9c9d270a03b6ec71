#include "gateway/transactions/gateway.h"

#include <stdio.h>

#include "gateway/access/visible_changes.h"
#include "gateway/delivery/share.h"
#include "gateway/run/clock.h"
#include "gateway/transactions/change_request.h"
#include "gateway/transactions/publication_rules.h"
#include "mappers/base/xds_time.h"

#define GATEWAY_BYTES_MAX (16u * 1024 * 1024) /* most of it for codes, where there are very many */
#define PATIENCE_PART     4 /* of what a source is given for one search: who has answered nobody for so long is silent */

static bool out_of_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

static bool community_make(struct gateway *gateway, struct source *source, struct outcome *outcome)
{
	const struct config *config = gateway->config;
	const struct config_back_end *row = source->config;
	struct other_community *community;

	if (str_equal(row->assigning_authority, config->patient_assigning_authority))
		return true;
	community = arena_alloc(gateway->arena, sizeof(*community));
	if (!community)
		return out_of_memory(outcome);
	*community = (struct other_community) { .service = { .url = row->xcpd_url.size ? row->xcpd_url.data : "",
							     .authority = row->assigning_authority,
							     .own_home = gateway->sources[0].home,
							     .sender = config->identity_sender },
						.backend = &source->backend };
	source->community = community;
	return true;
}

static bool source_make(struct gateway *gateway, const struct config_back_end *row, struct source *source,
			struct outcome *outcome)
{
	*source = (struct source) { .config = row };
	if (!backend_read(row, gateway->arena, &source->backend))
		return out_of_memory(outcome);
	source->backend.tenant = gateway->config->tenant;
	source->backend.patience_ms = gateway->config->federation_deadline_ms / PATIENCE_PART;
	source->home = source->backend.home;
	return community_make(gateway, source, outcome);
}

static bool sources_make(struct gateway *gateway, struct outcome *outcome)
{
	const struct config_back_ends *rows = &gateway->config->back_ends;

	gateway->sources = arena_array(gateway->arena, rows->count, sizeof(*gateway->sources));
	if (!gateway->sources)
		return out_of_memory(outcome);
	for (size_t i = 0; i < rows->count; i++) {
		if (!source_make(gateway, &rows->items[i], &gateway->sources[i], outcome))
			return false;
	}
	gateway->source_count = rows->count;
	return true;
}

static bool seal_make(struct gateway *gateway, struct outcome *outcome)
{
	const struct config_keys *rows = &gateway->config->keys;
	struct seal_key *keys = arena_array(gateway->arena, rows->count, sizeof(*keys));

	if (!keys)
		return out_of_memory(outcome);
	for (size_t i = 0; i < rows->count; i++)
		keys[i] = (struct seal_key) { (uint8_t)rows->items[i].id, rows->items[i].secret };
	gateway->seal = seal_new(gateway->config->tenant, keys, rows->count);
	return gateway->seal ||
	       outcome_add(outcome, ERR_INTERNAL, "keys", "Give each key another id and at least 32 random bytes.");
}

static struct xua_options xua_options_of(const struct config *config)
{
	return (struct xua_options) { .key_file = config->xua_key_file.data,
				      .certificate_file = config->xua_certificate_file.data,
				      .issuer = config->xua_issuer };
}

static bool xua_make(struct gateway *gateway, struct outcome *outcome)
{
	const struct xua_options options = xua_options_of(gateway->config);

	if (str_is_empty(gateway->config->xua_key_file))
		return true;
	gateway->xua = xua_open(&options, outcome);
	return gateway->xua != NULL;
}

static bool takes_documents(const struct backend *backend)
{
	return backend->provide_url || backend->register_url;
}

/* Publications may wait for every back-end that takes documents. */
static bool delivery_make(struct gateway *gateway, struct outcome *outcome)
{
	struct delivery_target *targets = arena_array(gateway->arena, gateway->source_count, sizeof(*targets));
	struct delivery_options options = { .config = gateway->config,
					    .access = gateway->access,
					    .audit = gateway->audit,
					    .xua = gateway->xua,
					    .seal = gateway->seal,
					    .spools = gateway->spools,
					    .targets = targets,
					    .base = gateway->base,
					    .work_out = change_request_work_out,
					    .work_ctx = gateway };

	if (!targets)
		return out_of_memory(outcome);
	for (size_t i = 0; i < gateway->source_count; i++) {
		struct source *source = &gateway->sources[i];

		if (takes_documents(&source->backend))
			targets[options.target_count++] =
				(struct delivery_target) { source->backend.name, &source->backend, source->home,
							   (uint8_t)source->config->source, source->community };
	}
	if (!delivery_open(&options, &gateway->delivery, &gateway->outbox_is_lost, outcome))
		return false;
	if (gateway->delivery)
		access_changes_set(gateway->access, delivery_outbox(gateway->delivery),
				   gateway->sources[0].backend.name);
	return true;
}

static bool parts_open(struct gateway *gateway, struct outcome *outcome)
{
	char started[FHIR_INSTANT_SIZE];

	fhir_instant_from_unix(clock_wall_ms() / 1000, started);
	gateway->started = arena_copy(gateway->arena, str_from_c(started));
	if (!gateway->started.data)
		return out_of_memory(outcome);
	if (!audit_open(gateway->config, gateway->stores->audit, &gateway->audit, outcome))
		return false;
	gateway->access = access_open(gateway->config, gateway->stores->access, outcome);
	return gateway->access && allowed_codes_read(gateway->config, gateway->arena, &gateway->code_sets, outcome) &&
	       sources_make(gateway, outcome) && seal_make(gateway, outcome) && xua_make(gateway, outcome) &&
	       delivery_make(gateway, outcome) && delivery_begin(gateway->delivery, outcome);
}

static void gateway_measure(void *ctx, struct measures *measures)
{
	const struct gateway *gateway = ctx;
	struct str tenant = gateway->config->tenant;
	struct access_peer peers[ACCESS_PEERS_MAX];
	struct audit_fill fill;
	size_t peer_count;

	for (size_t i = 0; i < gateway->source_count; i++) {
		const struct backend *backend = &gateway->sources[i].backend;

		MEASURE(measures, METRIC_BREAKER, backend_worst_state(backend), tenant, backend->name);
		MEASURE(measures, METRIC_CALLS_UNDER_WAY, atomic_load(&backend->request_count), tenant, backend->name);
	}
	peer_count = access_peers(gateway->access, peers);
	for (size_t i = 0; i < peer_count; i++)
		MEASURE(measures, METRIC_BREAKER, peers[i].state, tenant, peers[i].name);
	if (audit_fill(gateway->audit, &fill)) {
		MEASURE(measures, METRIC_AUDIT_BACKLOG, fill.backlog_bytes, tenant);
		MEASURE(measures, METRIC_AUDIT_BOUND, fill.bound_bytes, tenant);
	}
}

/* Whether publications are accepted, and what waits is read, whatever becomes of the sources. */
static bool accepts_in_outage(const struct gateway *gateway)
{
	return gateway->config->publication_degraded == CONFIG_DEGRADED_ACCEPT && gateway->delivery &&
	       delivery_works(gateway->delivery);
}

/* A tenant is served when what is done can be recorded, and one of its sources can be asked or publications wait. */
static void gateway_judge(void *ctx, struct judgement *judgement)
{
	const struct gateway *gateway = ctx;
	struct str tenant = gateway->config->tenant;
	struct audit_fill fill;
	bool records = !audit_fill(gateway->audit, &fill) || fill.is_open;
	struct access_peer peers[ACCESS_PEERS_MAX];
	size_t peer_count = access_peers(gateway->access, peers);
	bool has_source = false;

	for (size_t i = 0; i < gateway->source_count; i++) {
		const struct backend *backend = &gateway->sources[i].backend;

		/* Who is not asked for a while must be asked again to be found well; that a source may be asked decides. */
		judge(judgement, PART_TOLD, tenant, backend->name, backend_is_well(backend));
		has_source = has_source || backend_would_ask(backend, backend->registry_url);
	}
	/* While they are away what was known lately goes on to hold, and publications wait. */
	for (size_t i = 0; i < peer_count; i++)
		judge(judgement, PART_TOLD, tenant, peers[i].name, peers[i].is_well);
	judge(judgement, PART_TOLD, tenant, STR("audit"), records);
	if (gateway->outbox_is_lost)
		judge(judgement, PART_TOLD, tenant, STR("outbox"), false);
	judge(judgement, PART_ONE_OF_MANY, tenant, STR("gateway"),
	      records && (has_source || accepts_in_outage(gateway)));
}

bool gateway_open(const struct config *config, const struct gateway_means *means, struct gateway **gateway,
		  struct outcome *outcome)
{
	struct arena *arena = arena_new(GATEWAY_BYTES_MAX);
	struct gateway *opened = arena ? arena_alloc(arena, sizeof(*opened)) : NULL;

	if (!opened) {
		arena_free(arena);
		return out_of_memory(outcome);
	}
	*opened = (struct gateway) { .config = config,
				     .stores = means->stores,
				     .spools = means->spools,
				     .legs = means->legs,
				     .base = config->public_base,
				     .version = str_from_c(means->version),
				     .arena = arena };
	if (!parts_open(opened, outcome)) {
		gateway_close(opened);
		return false;
	}
	opened->watch = (struct watch) { .ctx = opened, .measure = gateway_measure, .judge = gateway_judge };
	watch_begin(&opened->watch);
	*gateway = opened;
	return true;
}

void gateway_close(struct gateway *gateway)
{
	if (!gateway)
		return;
	watch_end(&gateway->watch);
	delivery_close(gateway->delivery);
	access_close(gateway->access);
	seal_free(gateway->seal);
	xua_close(gateway->xua);
	audit_close(gateway->audit);
	arena_free(gateway->arena);
}

static bool xua_check(const struct config *config, struct outcome *outcome)
{
	const struct xua_options options = xua_options_of(config);
	struct xua *xua;

	if (str_is_empty(config->xua_key_file))
		return true;
	xua = xua_open(&options, outcome);
	xua_close(xua);
	return xua != NULL;
}

static bool codes_check(const struct config *config, struct outcome *outcome)
{
	struct arena *arena = arena_new(GATEWAY_BYTES_MAX);
	const struct code_sets *sets;
	bool ok = arena ? allowed_codes_read(config, arena, &sets, outcome) : out_of_memory(outcome);

	arena_free(arena);
	return ok;
}

bool gateway_check(const struct config *config, struct outcome *outcome)
{
	bool ok = access_check(config, outcome);

	ok = share_check(config, outcome) && ok;
	ok = codes_check(config, outcome) && ok;
	ok = audit_check(config, outcome) && ok;
	for (size_t i = 0; i < config->back_ends.count; i++) {
		const struct peer_tls peer = backend_tls(&config->back_ends.items[i]);
		char path[32];

		snprintf(path, sizeof(path), "back_ends[%zu]", i);
		ok = peer_tls_check(&peer, path, outcome) && ok;
	}
	return xua_check(config, outcome) && ok;
}
