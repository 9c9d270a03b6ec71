/* What no single row of the configuration can say: how its keys go together. */
#include "gateway/run/config_change.h"
#include "gateway/run/config_read.h"
#include "mappers/base/oid.h"

/* What is complained about stands where it was given, or at the place. */
struct check {
	struct config_place place;
	const struct config_origins *origins;
};

/* Where the key was given; the place itself when it was not. */
static struct config_place place_of(const struct check *check, const char *key)
{
	struct config_place place = check->place;

	place.key = key;
	for (size_t i = 0; i < config_root.row_count; i++) {
		const struct config_origin *origin = &check->origins->rows[i];

		if (strcmp(config_root.rows[i].key, key) == 0 && origin->file) {
			place.file = origin->file;
			place.line = origin->line;
		}
	}
	return place;
}

static bool complain(const struct check *check, const char *key, const char *text)
{
	const struct config_place place = place_of(check, key);

	return config_complain(&place, "%s", text);
}

static void warn(const struct check *check, const char *key, const char *text)
{
	const struct config_place place = place_of(check, key);

	config_warn(&place, text);
}

static void check_keys(const struct check *check, const struct config *config)
{
	for (size_t i = 0; i < config->keys.count; i++) {
		for (size_t k = i + 1; k < config->keys.count; k++) {
			if (config->keys.items[i].id == config->keys.items[k].id)
				complain(check, "keys", "Give each key an id of its own.");
		}
	}
}

/* Two domains with one number would give two patients one id. */
static void check_authorities(const struct check *check, const struct config *config)
{
	const struct config_authorities *authorities = &config->identity_authorities;

	if (config->identity_feed_url.size && !config->identity_pix_url.size)
		complain(check, "identity.feed_url",
			 "Configure identity.pix_url, too: it says whether a patient that is fed is there already.");
	for (size_t i = 0; i < authorities->count; i++) {
		const struct config_authority *authority = &authorities->items[i];

		for (size_t k = i + 1; k < authorities->count; k++) {
			const struct config_authority *other = &authorities->items[k];

			if (authority->number == other->number || str_equal(authority->oid, other->oid) ||
			    (authority->system.size && str_equal(authority->system, other->system)))
				complain(check, "identity.authorities",
					 "Give each authority a number, an OID and a system of its own.");
		}
	}
}

static bool is_loopback(struct str address)
{
	return str_equal(address, STR("localhost")) || str_equal(address, STR("::1")) ||
	       str_starts_with(address, STR("127."));
}

/* The host of a URL, without port and brackets. */
static struct str host_of(struct str url)
{
	struct str host = str_from(url, str_find(url, ':') + 3);

	host.size = str_find(host, '/');
	if (host.size && host.data[0] == '[') {
		host.size = str_find(host, ']');
		return str_from(host, 1);
	}
	host.size = str_find(host, ':');
	return host;
}

/* Keys and tokens must not be read or changed on their way. */
static bool is_safe_url(struct str url)
{
	return str_is_empty(url) || str_starts_with(url, STR("https://")) || is_loopback(host_of(url));
}

static bool complain_item(const struct check *check, const char *list, size_t index, struct config_origin origin,
			  const char *text)
{
	struct config_place place = check->place;
	struct str key = arena_printf(place.arena, "%s[%zu]", list, index);

	place.key = key.data ? key.data : list;
	place.file = origin.file;
	place.line = origin.line;
	return config_complain(&place, "%s", text);
}

static void check_issuers(const struct check *check, const struct config *config)
{
	const struct config_issuers *issuers = &config->issuers;
	size_t introspecting = 0;

	for (size_t i = 0; i < issuers->count; i++) {
		const struct config_issuer *issuer = &issuers->items[i];
		bool has_keys = issuer->jwks_file.size || issuer->jwks_url.size;

		introspecting += issuer->introspection_url.size > 0;
		if (issuer->jwks_file.size && issuer->jwks_url.size)
			complain_item(check, "issuers", i, issuer->origin, "Give jwks_file or jwks_url, not both.");
		if (!has_keys && !issuer->introspection_url.size)
			complain_item(check, "issuers", i, issuer->origin,
				      "Give jwks_file, jwks_url or introspection_url.");
		if (!is_safe_url(issuer->jwks_url) || !is_safe_url(issuer->introspection_url))
			complain_item(check, "issuers", i, issuer->origin, "Use https, or a loopback address.");
		if (issuer->introspection_url.size && !issuer->introspection_authorization.size)
			complain_item(check, "issuers", i, issuer->origin,
				      "Give introspection_authorization_file: who looks tokens up must say who it is.");
		for (size_t k = 0; k < i; k++) {
			if (str_equal(issuers->items[k].issuer, issuer->issuer))
				complain_item(check, "issuers", i, issuer->origin, "Name each issuer only once.");
		}
	}
	if (introspecting > 1)
		complain(check, "issuers",
			 "Let one issuer at most look up tokens: a token must not be shown to the others.");
}

static void check_clients(const struct check *check, const struct config *config)
{
	const struct config_clients *clients = &config->clients;

	for (size_t i = 0; i < clients->count; i++) {
		const struct config_client *client = &clients->items[i];

		if (client->jwks_file.size && client->jwks_url.size)
			complain_item(check, "clients", i, client->origin, "Give jwks_file or jwks_url, not both.");
		if (!client->jwks_file.size && !client->jwks_url.size && !client->certificate_sha256.size)
			complain_item(check, "clients", i, client->origin,
				      "Give certificate_sha256, jwks_file or jwks_url: how else would the system be "
				      "known?");
		if (!is_safe_url(client->jwks_url))
			complain_item(check, "clients", i, client->origin, "Use https, or a loopback address.");
		if (str_equal(client->purpose, STR("BTG")) || str_equal(client->purpose, STR("ETREAT")))
			complain_item(check, "clients", i, client->origin,
				      "Give another purpose: this one is for people.");
		for (size_t k = 0; k < i; k++) {
			if (str_equal(clients->items[k].id, client->id))
				complain_item(check, "clients", i, client->origin, "Name each client only once.");
		}
	}
}

static bool is_plain_name(struct str name)
{
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
		      c == '-'))
			return false;
	}
	return true;
}

size_t config_exposed(const struct config *config, struct config_exposure exposures[CONFIG_EXPOSURES])
{
	bool is_local = is_loopback(config->listen_address);
	bool is_said_to_be = is_local && (!config->public_base.size || is_loopback(host_of(config->public_base)));
	size_t count = 0;

	if (config->access_anonymous && !is_local)
		exposures[count++] = (struct config_exposure) {
			"access.anonymous",
			"Remove this, or listen on a loopback address such as 127.0.0.1: who can be "
			"reached from elsewhere must know who asks."
		};
	if (config->demo_token_key.size && !is_said_to_be)
		exposures[count++] = (struct config_exposure) {
			"demo.token_key",
			"Remove this, or let listen.address and public_base be a loopback address such "
			"as 127.0.0.1: what others can reach must not take tokens that anybody here "
			"can make."
		};
	return count;
}

static void check_access(const struct check *check, const struct config *config)
{
	struct config_exposure exposures[CONFIG_EXPOSURES];
	size_t exposed = config_exposed(config, exposures);

	if (!is_plain_name(config->tenant))
		complain(check, "tenant", "Write letters, digits, dots and dashes.");
	for (size_t i = 0; i < exposed; i++)
		complain(check, exposures[i].key, exposures[i].text);
	if ((config->issuers.count || config->authorization_server_key.size) && !config->public_base.size &&
	    config->listen_port == 0)
		complain(check, "public_base", "Give it: tokens are made for it.");
	check_issuers(check, config);
	check_clients(check, config);
}

/* A listener speaks TLS with a certificate and its key; who is asked for certificates must know whom to believe. */
static void check_tls(const struct check *check, const char *key, struct str certificate, struct str private_key,
		      struct str client_ca, unsigned client)
{
	if (str_is_empty(certificate) != str_is_empty(private_key))
		complain(check, key, "Give both certificate_file and key_file, or neither.");
	if (client != CONFIG_CLIENT_NONE && (str_is_empty(certificate) || str_is_empty(client_ca)))
		complain(check, key,
			 "Give certificate_file, key_file and client_ca_file when clients are asked for certificates.");
}

static void check_audit(const struct check *check, const struct config *config)
{
	static const char key[] = "audit.repositories";
	const struct config_audit_repositories *repositories = &config->audit_repositories;

	for (size_t i = 0; i < repositories->count; i++) {
		const struct config_audit_repository *one = &repositories->items[i];

		if (!is_plain_name(one->name))
			complain(check, key, "Write letters, digits, dots and dashes as names.");
		if ((one->kind == CONFIG_AUDIT_FHIR && str_is_empty(one->url)) ||
		    (one->kind == CONFIG_AUDIT_SYSLOG && str_is_empty(one->address)) ||
		    (one->kind == CONFIG_AUDIT_FILE && str_is_empty(one->path)))
			complain(check, key, "Say where it is: url for fhir, address for syslog, path for file.");
		if (str_is_empty(one->certificate_file) != str_is_empty(one->key_file))
			complain(check, key, "Give both certificate_file and key_file, or neither.");
		for (size_t k = i + 1; k < repositories->count; k++) {
			if (str_equal(one->name, repositories->items[k].name))
				complain(check, key, "Give each repository a name of its own.");
		}
	}
	if (config->audit_enabled == CONFIG_AUDIT_OFF && repositories->count > 0)
		complain(check, "audit.enabled", "Remove this, or remove audit.repositories: they would get nothing.");
}

/* Who asks is said with all three or not at all, and a back-end that wants to know is not left without. */
static void check_xua(const struct check *check, const struct config *config)
{
	const struct str keys[] = { config->xua_key_file, config->xua_certificate_file, config->xua_issuer };
	size_t given = 0;
	bool wanted = !str_is_empty(config->identity_xua_audience);

	for (size_t i = 0; i < config->back_ends.count; i++)
		wanted = wanted || !str_is_empty(config->back_ends.items[i].xua_audience);
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		given += !str_is_empty(keys[i]);
	if (given != COUNT_OF(keys) && (given != 0 || wanted))
		complain(check, "xua.key_file", "Give xua.key_file, xua.certificate_file and xua.issuer.");
}

static bool has_own_patients(const struct config *config, const struct config_back_end *one)
{
	return one->assigning_authority.size &&
	       !str_equal(one->assigning_authority, config->patient_assigning_authority);
}

/* What a back-end needs depends on its kind. */
static void check_back_end(const struct check *check, const struct config *config, size_t index)
{
	static const char list[] = "back_ends";
	const struct config_back_end *one = &config->back_ends.items[index];
	bool is_xds = one->kind == CONFIG_KIND_XDS;

	if (is_xds && (!one->provide_url.size || !one->repositories.count))
		complain_item(check, list, index, one->origin,
			      "Give provide_url and repositories: an XDS domain is reached by them.");
	if (!is_xds && !one->home_community_id.size)
		complain_item(check, list, index, one->origin,
			      "Give home_community_id: it says which community is asked.");
	if (!is_xds && index == 0)
		complain_item(check, list, index, one->origin, "Name an XDS domain first: publications go there.");
	if (index > 0 && has_own_patients(config, one) && !one->xcpd_url.size && !config->identity_pix_url.size)
		complain_item(check, list, index, one->origin,
			      "Give xcpd_url, or identity.pix_url: by assigning_authority it has patient identifiers "
			      "of "
			      "its own, and nobody can be asked for them.");
	if (index == 0 && has_own_patients(config, one))
		complain_item(check, list, index, one->origin,
			      "Name first the domain that knows patients by patient.assigning_authority.");
}

/* A source or home that two share would show the documents of one as the other's. */
static void check_source_ids(const struct check *check, const struct config *config)
{
	for (size_t i = 0; i < config->source_ids.count; i++) {
		if (!oid_valid(str_without_prefix(config->source_ids.items[i], STR("urn:oid:"))))
			complain(check, "source_ids", "Write OIDs: numbers with dots between.");
	}
}

static void check_back_ends(const struct check *check, const struct config *config)
{
	static const char list[] = "back_ends";
	const struct config_back_ends *back_ends = &config->back_ends;

	for (size_t i = 0; i < back_ends->count; i++) {
		const struct config_back_end *one = &back_ends->items[i];

		check_back_end(check, config, i);
		for (size_t k = 0; k < i; k++) {
			const struct config_back_end *other = &back_ends->items[k];

			if (str_equal(one->name, other->name))
				complain_item(check, list, i, one->origin, "Give another name: one before has this.");
			if (one->source == other->source)
				complain_item(check, list, i, one->origin,
					      "Give another source, a number: one before has this (0 when it gives "
					      "none).");
			if (one->home_community_id.size && str_equal(one->home_community_id, other->home_community_id))
				complain_item(check, list, i, one->origin,
					      "Give another home_community_id: one before has this.");
		}
	}
}

static bool is_wildcard(struct str address)
{
	return str_equal(address, STR("0.0.0.0")) || str_equal(address, STR("::"));
}

/* What clients are told to come back to, and what others on the way can read. */
static void check_listener(const struct check *check, const struct config *config)
{
	bool is_gateway = config->back_ends.count > 0 || config->tenants.count > 0;

	if (!is_gateway)
		return;
	if (is_wildcard(config->listen_address) && !config->public_base.size)
		complain(check, "public_base",
			 "Give it, as clients write it: listen.address is no address that links could name.");
	if (!is_loopback(config->listen_address) && str_is_empty(config->tls_certificate_file))
		warn(check, "listen.address",
		     "Give tls.certificate_file and tls.key_file, unless a proxy does TLS and nobody else reaches this "
		     "address: tokens and documents can be read on their way.");
}

/* One hospital's documents are kept from another by the patients' consent alone. */
static void check_organizations(const struct check *check, const struct config *config)
{
	static const unsigned none = 2; /* the third word of the row */

	if (config->organizations.count && config->consent_source == none)
		warn(check, "organizations",
		     "Set consent.source to directory, too: where nobody is asked for consent, all hospitals read "
		     "everything.");
}

/* What is accepted, or shared later, is kept on disk or in PostgreSQL, and encrypted in both. */
static void check_outbox(const struct check *check, const struct config *config)
{
	bool accepts = config->publication_degraded == CONFIG_DEGRADED_ACCEPT;
	bool has_place = config->state_directory.size || config->outbox_store == CONFIG_OUTBOX_POSTGRESQL;

	if ((accepts || config->publication_share.count) && (!has_place || !config->state_keys.count))
		complain(check, accepts ? "publication.degraded" : "publication.share",
			 "Give state_directory and state_keys: what is accepted must be kept somewhere.");
}

static void check_domain_xua(const struct check *check, const struct config *config)
{
	if (config->domain_xua_issuers.count > 0 && config->domain_xua_audiences.count == 0)
		complain(check, "domain.xua.issuers",
			 "Give domain.xua.audiences too: what this domain is called in assertions.");
}

/* Where other communities are served. */
static void check_community_listener(const struct check *check, const struct config *config)
{
	if (config->community_port != 0)
		check_tls(check, "community.tls.certificate_file", config->community_tls_certificate_file,
			  config->community_tls_key_file, config->community_tls_client_ca_file,
			  config->community_tls_client_certificate);
}

/* Other communities are served by all of it, or not at all. */
static void check_community(const struct check *check, const struct config *config)
{
	if (config->community_port == 0)
		return;
	if (str_is_empty(config->community_home_community_id))
		complain(check, "community.listen.port", "Give community.home_community_id too: answers name it.");
	if (config->community_xua_issuers.count == 0 || config->community_xua_audiences.count == 0)
		complain(check, "community.listen.port",
			 "Give community.xua.issuers and community.xua.audiences too: who asks is told by assertions.");
}

void config_check_process(const struct config_place *place, const struct config_origins *origins,
			  const struct config *config)
{
	struct check check = { *place, origins };

	check_domain_xua(&check, config);
	check_listener(&check, config);
	check_community_listener(&check, config);
	check_tls(&check, "tls.certificate_file", config->tls_certificate_file, config->tls_key_file,
		  config->tls_client_ca_file, config->tls_client_certificate);
	check_tls(&check, "domain.tls.certificate_file", config->domain_tls_certificate_file,
		  config->domain_tls_key_file, config->domain_tls_client_ca_file,
		  config->domain_tls_client_certificate);
}

void config_check_tenant(const struct config_place *place, const struct config_origins *origins,
			 const struct config *config)
{
	struct check check = { *place, origins };

	check_keys(&check, config);
	check_authorities(&check, config);
	if (config->search_count_default > config->search_count_max)
		complain(&check, "search.count_default", "Do not exceed search.count_max.");
	check_access(&check, config);
	check_audit(&check, config);
	check_back_ends(&check, config);
	check_source_ids(&check, config);
	check_outbox(&check, config);
	check_organizations(&check, config);
	check_xua(&check, config);
	check_community(&check, config);
}
