#include "gateway/cli/check_peers.h"

#include <inttypes.h>
#include <stdio.h>

#include "gateway/audit/tls_stream.h"
#include "gateway/cli/check_back_end.h"
#include "gateway/cli/check_identity.h"
#include "gateway/cli/command.h"
#include "gateway/south/consent_client.h"
#include "gateway/south/probe.h"
#include "gateway/state/outbox_manage.h"

#define DIRECTORY_MS  5000
#define ADDRESS_MS    5000
#define KEY_BYTES_MAX (1024u * 1024)

/* --- asking, a line for each address --- */

/* Whether the PostgreSQL in which gateways share what waits can be used; makes its tables. */
static bool outbox_ask(const struct config *config, size_t index, struct arena *arena)
{
	(void)index;
	(void)arena;

	struct outbox *outbox = NULL;
	struct outcome outcome;
	uint64_t bytes;
	uint64_t of_nobody;

	outcome_init(&outcome);
	bool ok = outbox_open(config, config->tenant, config->state_directory, OUTBOX_VISITOR, &outbox, &outcome) &&
		  outbox_bytes(outbox, STR_NONE, &bytes, &of_nobody, &outcome);

	printf("%s outbox: the PostgreSQL%s%s\n", ok ? "ok  " : "FAIL", ok ? "" : ": ",
	       ok ? "" : outcome.issues[0].text);
	outbox_close(outbox);
	return ok;
}

/* Whether anything serves HTTP at an address that is asked only later: by a patient, a token, an event. */
static bool address_check(const char *what, struct str url, const struct peer_tls *tls, struct arena *arena)
{
	struct backend backend = { .tls = *tls, .connect_timeout_ms = ADDRESS_MS, .timeout_ms = ADDRESS_MS };
	struct south south = { .backend = &backend, .arena = arena, .deadline = deadline_in(ADDRESS_MS) };
	struct outcome outcome;
	long status;
	bool ok;

	if (str_is_empty(url))
		return true;
	outcome_init(&outcome);
	ok = probe_address(&south, url.data, &status, &outcome);
	printf("%s %s at %.*s%s%s\n", ok ? "ok  " : "FAIL", what, STR_ARG(url), ok ? "" : ": ",
	       ok ? "" : outcome.issues[0].text);
	return ok;
}

static bool issuer_ask(const struct config *config, size_t index, struct arena *arena)
{
	const struct config_issuer *issuer = &config->issuers.items[index];
	const struct peer_tls tls = { .ca_file = issuer->ca_file.data };
	bool ok = address_check("issuer: keys", issuer->jwks_url, &tls, arena);

	return address_check("issuer: introspection", issuer->introspection_url, &tls, arena) && ok;
}

static bool client_ask(const struct config *config, size_t index, struct arena *arena)
{
	const struct config_client *client = &config->clients.items[index];
	const struct peer_tls tls = { .ca_file = client->ca_file.data };

	return address_check("client: keys", client->jwks_url, &tls, arena);
}

/* A receiver of syslog: its TLS, for it answers nothing else. */
static bool syslog_check(const struct config_audit_repository *repository)
{
	const struct tls_target target = { .address = repository->address,
					   .ca_file = repository->ca_file.size ? repository->ca_file.data : NULL,
					   .certificate_file = repository->certificate_file.size
								       ? repository->certificate_file.data
								       : NULL,
					   .key_file = repository->key_file.size ? repository->key_file.data : NULL };
	const char *why = "";
	struct tls_stream *stream = tls_stream_open(&target, ADDRESS_MS, &why);

	printf("%s audit: repository at %.*s%s%s\n", stream ? "ok  " : "FAIL", STR_ARG(repository->address),
	       stream ? "" : ": ", stream ? "" : why);
	tls_stream_close(stream);
	return stream != NULL;
}

static bool audit_repository_ask(const struct config *config, size_t index, struct arena *arena)
{
	const struct config_audit_repository *repository = &config->audit_repositories.items[index];
	const struct peer_tls tls = { repository->ca_file.data, repository->certificate_file.data,
				      repository->key_file.data };

	return repository->kind == CONFIG_AUDIT_SYSLOG
		       ? syslog_check(repository)
		       : address_check("audit: repository", repository->url, &tls, arena);
}

/* Asks the consent directory for a patient that nobody is. */
static bool directory_ask(const struct config *config, size_t index, struct arena *arena)
{
	(void)index;

	const struct consent_client_options options = { .url = config->consent_directory_url,
							.secret = config->consent_secret,
							.gateway = STR("passerelle-check"),
							.tls = { config->consent_ca_file.data,
								 config->consent_client_certificate_file.data,
								 config->consent_client_key_file.data },
							.ask_ms = DIRECTORY_MS };
	const struct south south = { .arena = arena, .deadline = deadline_in(DIRECTORY_MS) };
	struct str patient_id = arena_printf(arena, "-^^^&%.*s&ISO", STR_ARG(config->patient_assigning_authority));
	struct consent_client *client;
	struct consent_state state;
	struct outcome outcome;
	bool ok;

	outcome_init(&outcome);
	client = consent_client_open(&options);
	ok = client && directory_state(client, &south, patient_id, CONSENT_VERSION_NONE, false, &state, &outcome);
	printf("%s consent directory: at %.*s%s%s\n", ok ? "ok  " : "FAIL", STR_ARG(config->consent_directory_url),
	       ok ? "" : ": ", ok ? "" : "it does not answer, or knows another secret.");
	consent_client_close(client);
	return ok;
}

/* The back-ends are asked as the gateway would ask them, if in its own name. */
static bool xua_begin(const struct config *config, struct xua **xua)
{
	const struct xua_options options = { .key_file = config->xua_key_file.data,
					     .certificate_file = config->xua_certificate_file.data,
					     .issuer = config->xua_issuer };
	struct outcome outcome;

	outcome_init(&outcome);
	if (str_is_empty(config->xua_key_file))
		return true;
	*xua = xua_open(&options, &outcome);
	if (!*xua)
		outcome_print(&outcome);
	return *xua != NULL;
}

static bool back_end_ask(const struct config *config, size_t index, struct arena *arena)
{
	struct xua *xua = NULL;
	bool ok = xua_begin(config, &xua) && check_back_end(&config->back_ends.items[index], xua, arena);

	xua_close(xua);
	return ok;
}

static bool identity_ask(const struct config *config, size_t index, struct arena *arena)
{
	struct xua *xua = NULL;
	bool ok = xua_begin(config, &xua) && check_identity(config, xua, arena);

	(void)index;
	xua_close(xua);
	return ok;
}

/* --- what decides the answer --- */

static void key_text(struct buf *key, struct str text)
{
	buf_printf(key, "%zu:", text.size);
	buf_add(key, text);
}

static void key_number(struct buf *key, uint64_t number)
{
	buf_printf(key, "%" PRIu64 ":", number);
}

/* Whose assertions go along. */
static void key_assertions(struct buf *key, const struct config *config, struct str audience)
{
	key_text(key, audience);
	if (str_is_empty(audience))
		return;
	key_text(key, config->xua_key_file);
	key_text(key, config->xua_certificate_file);
	key_text(key, config->xua_issuer);
}

static bool back_end_key(const struct config *config, size_t index, struct buf *key)
{
	const struct config_back_end *row;

	if (index >= config->back_ends.count)
		return false;
	row = &config->back_ends.items[index];

	const struct str texts[] = { row->registry_url,    row->provide_url,
				     row->register_url,    row->update_url,
				     row->delete_url,      row->retrieve_url,
				     row->xcpd_url,        row->home_community_id,
				     row->ca_file,         row->client_certificate_file,
				     row->client_key_file, row->xcpd_url.size ? row->assigning_authority : STR_NONE };

	key_number(key, row->kind);
	key_number(key, row->timeout_ms);
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		key_text(key, texts[i]);
	for (size_t i = 0; i < row->repositories.count; i++) {
		key_text(key, row->repositories.items[i].unique_id);
		key_text(key, row->repositories.items[i].url);
	}
	key_assertions(key, config, row->xua_audience);
	return true;
}

static bool identity_key(const struct config *config, size_t index, struct buf *key)
{
	const struct str texts[] = { config->identity_pix_url,         config->identity_pdq_url,
				     config->identity_sender,          config->identity_receiver,
				     config->identity_ca_file,         config->identity_client_certificate_file,
				     config->identity_client_key_file, config->patient_assigning_authority };

	if (index > 0)
		return false;
	if (config->identity_pix_url.size + config->identity_pdq_url.size == 0)
		return true;
	key_number(key, config->identity_timeout_ms);
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		key_text(key, texts[i]);
	key_assertions(key, config, config->identity_xua_audience);
	return true;
}

static bool directory_key(const struct config *config, size_t index, struct buf *key)
{
	const struct str texts[] = { config->consent_directory_url,   config->consent_secret,
				     config->consent_ca_file,         config->consent_client_certificate_file,
				     config->consent_client_key_file, config->patient_assigning_authority };

	for (size_t i = 0; config->consent_directory_url.size && i < COUNT_OF(texts); i++)
		key_text(key, texts[i]);
	return index == 0;
}

static bool issuer_key(const struct config *config, size_t index, struct buf *key)
{
	const struct config_issuer *row;

	if (index >= config->issuers.count)
		return false;
	row = &config->issuers.items[index];
	if (row->jwks_url.size + row->introspection_url.size == 0)
		return true;
	key_text(key, row->jwks_url);
	key_text(key, row->introspection_url);
	key_text(key, row->ca_file);
	return true;
}

static bool client_key(const struct config *config, size_t index, struct buf *key)
{
	const struct config_client *row;

	if (index >= config->clients.count)
		return false;
	row = &config->clients.items[index];
	if (row->jwks_url.size == 0)
		return true;
	key_text(key, row->jwks_url);
	key_text(key, row->ca_file);
	return true;
}

static bool audit_repository_key(const struct config *config, size_t index, struct buf *key)
{
	const struct config_audit_repository *row;

	if (index >= config->audit_repositories.count)
		return false;
	row = &config->audit_repositories.items[index];
	if (row->kind != CONFIG_AUDIT_FHIR && row->kind != CONFIG_AUDIT_SYSLOG)
		return true;
	key_number(key, row->kind);
	key_text(key, row->kind == CONFIG_AUDIT_FHIR ? row->url : row->address);
	key_text(key, row->ca_file);
	key_text(key, row->certificate_file);
	key_text(key, row->key_file);
	return true;
}

static bool outbox_key(const struct config *config, size_t index, struct buf *key)
{
	if (config->publication_degraded == CONFIG_DEGRADED_ACCEPT && config->outbox_store == CONFIG_OUTBOX_POSTGRESQL)
		key_text(key, config->outbox_connection);
	return index == 0;
}

/* --- each of them once --- */

/* Whom a tenant's requests would ask. key: all that decides the answer of the index-th; nothing for one of whom nothing is
 * asked; false behind the last. */
struct peer_kind {
	bool (*key)(const struct config *config, size_t index, struct buf *key);
	bool (*ask)(const struct config *config, size_t index, struct arena *arena);
};

static const struct peer_kind kinds[] = {
	{ back_end_key, back_end_ask }, { identity_key, identity_ask }, { directory_key, directory_ask },
	{ issuer_key, issuer_ask },     { client_key, client_ask },     { audit_repository_key, audit_repository_ask },
	{ outbox_key, outbox_ask },
};

struct peer {
	const struct peer_kind *kind;
	const struct config *config; /* the first tenant's that has it */
	size_t index;
	struct str key;
	struct str tenants;
	struct peer *next;
};

struct peers {
	struct arena *arena;
	struct peer *first;
	struct peer **end;
};

static bool peer_add(struct peers *peers, const struct peer *new)
{
	struct peer *peer = peers->first;

	while (peer && (peer->kind != new->kind || !str_equal(peer->key, new->key)))
		peer = peer->next;
	if (peer) {
		peer->tenants = arena_printf(peers->arena, "%.*s, %.*s", STR_ARG(peer->tenants), STR_ARG(new->tenants));
		return peer->tenants.data != NULL;
	}
	peer = arena_alloc(peers->arena, sizeof(*peer));
	if (!peer)
		return false;
	*peer = *new;
	peer->key = arena_copy(peers->arena, new->key);
	*peers->end = peer;
	peers->end = &peer->next;
	return peer->key.data != NULL;
}

static bool peers_of(const struct config *config, struct peers *peers)
{
	struct buf key;
	bool ok = true;

	buf_init(&key, KEY_BYTES_MAX);
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		for (size_t k = 0; ok && kinds[i].key(config, k, &key); k++) {
			if (key.size > 0)
				ok = !key.failed && peer_add(peers, &(struct peer) { .kind = &kinds[i],
										     .config = config,
										     .index = k,
										     .key = buf_str(&key),
										     .tenants = config->tenant });
			buf_clear(&key);
		}
		buf_clear(&key);
	}
	buf_free(&key);
	return ok;
}

bool check_peers(const struct config_set *configs, struct arena *arena)
{
	struct peers peers = { .arena = arena, .end = &peers.first };
	struct str heading = STR_NONE;
	bool ok = true;

	for (size_t i = 0; i < configs->count; i++) {
		if (peers_of(&configs->tenants[i], &peers))
			continue;
		fputs("passerelle: there is not enough memory to check so many tenants\n", stderr);
		return false;
	}
	for (const struct peer *peer = peers.first; peer; peer = peer->next) {
		if (!configs->is_single && !str_equal(heading, peer->tenants))
			printf("     %s %.*s:\n",
			       str_find(peer->tenants, ',') < peer->tenants.size ? "tenants" : "tenant",
			       STR_ARG(peer->tenants));
		heading = peer->tenants;
		ok = peer->kind->ask(peer->config, peer->index, arena) && ok;
	}
	return ok;
}
