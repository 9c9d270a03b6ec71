#include "gateway/access/trust.h"

#include <stdlib.h>

#include "mappers/base/hex.h"
#include "mappers/code_system.h"
#include "mappers/scope.h"

#define TRUST_BYTES_MAX  ((size_t)16 * 1024 * 1024)
#define TOKENS_BYTES_MAX ((size_t)32 * 1024 * 1024)
#define PATH_SIZE        256

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

/* "FILE:LINE: issuers[0].jwks_file" */
static const char *place_of(char out[PATH_SIZE], const struct config_origin *origin, const char *list, size_t index,
			    const char *key)
{
	snprintf(out, PATH_SIZE, "%s:%zu: %s[%zu].%s", origin->file ? origin->file : "", origin->line, list, index,
		 key);
	return out;
}

/* True also when there is nothing to read: then *keys is NULL. */
static bool keys_open(const struct jwks_source *source, const char *path, struct jwks **keys, struct outcome *outcome)
{
	if (str_is_empty(source->path) && str_is_empty(source->url))
		return true;
	*keys = jwks_open(source, path, outcome);
	return *keys != NULL;
}

static bool issuers_open(struct trust *trust, struct outcome *outcome)
{
	const struct config *config = trust->config;
	char path[PATH_SIZE];
	bool ok = true;

	for (size_t i = 0; i < config->issuers.count; i++) {
		const struct config_issuer *row = &config->issuers.items[i];
		struct jwks_source source = { .path = row->jwks_file, .url = row->jwks_url, .ca_file = row->ca_file };
		struct issuer *issuer = &trust->issuers[trust->issuer_count++];

		*issuer = (struct issuer) { .name = row->issuer,
					    .audience = row->audience.size ? row->audience : config->public_base,
					    .audience_too = row->audience.size ? STR_NONE : config->bare_base,
					    .algorithms = row->algorithms,
					    .lifetime_max_s = (int64_t)row->lifetime_seconds,
					    .config = row };
		ok = peer_tls_check(&(struct peer_tls) { .ca_file = row->ca_file.data },
				    place_of(path, &row->origin, "issuers", i, "ca_file"), outcome) &&
		     ok;
		ok = keys_open(&source, place_of(path, &row->origin, "issuers", i, "jwks_file"), &issuer->keys,
			       outcome) &&
		     ok;
	}
	return ok;
}

/* An issuer that is this gateway. pem empty: none. */
static bool own_open(struct trust *trust, struct str pem, struct str name, const char *key_name,
		     struct signing_key **key, struct outcome *outcome)
{
	struct issuer *issuer = &trust->issuers[trust->issuer_count];
	struct jwks_source source;

	if (str_is_empty(pem))
		return true;
	*key = signing_key_read(pem);
	if (!*key)
		return outcome_add(outcome, ERR_VALUE_INVALID, key_name,
				   "The file must be a private key without passphrase, EC on P-256 or P-384, as PEM.");
	source = (struct jwks_source) { .fixed = signing_key_jwks(*key) };
	*issuer = (struct issuer) { .name = name,
				    .audience = trust->config->public_base,
				    .audience_too = trust->config->bare_base,
				    .keys = jwks_open(&source, key_name, outcome),
				    .algorithms = 1u << JWT_ES256 | 1u << JWT_ES384,
				    .lifetime_max_s = 24 * 3600 };
	trust->issuer_count += issuer->keys != NULL;
	return issuer->keys != NULL;
}

/* "AB:CD:..." or "abcd..." as 64 lower-case digits. */
static bool fingerprint_read(struct str text, struct arena *arena, struct str *fingerprint)
{
	char digits[64];
	unsigned char bytes[32];
	char *out = arena_alloc(arena, sizeof(digits) + 1);
	size_t count = 0;

	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == ':')
			continue;
		if (count == sizeof(digits))
			return false;
		digits[count++] = text.data[i];
	}
	if (!out || !hex_read((struct str) { digits, count }, bytes, sizeof(bytes)))
		return false;
	hex_write(bytes, sizeof(bytes), out);
	*fingerprint = (struct str) { out, sizeof(digits) };
	return true;
}

/* "system|code|display" */
static struct code code_of(struct str text)
{
	struct str system = { text.data, str_find(text, '|') };
	struct str rest = str_from(text, system.size + 1);
	struct str code = { rest.data, str_find(rest, '|') };

	return (struct code) { .code = code,
			       .scheme = code_system_scheme(system),
			       .display = str_from(rest, code.size + 1) };
}

static bool caller_make(const struct trust *trust, const struct config_client *row, struct caller *caller)
{
	*caller = (struct caller) { .kind = CALLER_SYSTEM,
				    .tenant = trust->config->tenant,
				    .subject = row->id,
				    .client_id = row->id,
				    .name = row->organization,
				    .organization = row->organization,
				    .organization_id = oid_urn(row->organization_id, trust->arena),
				    .purpose = { .code = row->purpose, .scheme = STR(PURPOSE_SYSTEM_OID) },
				    .scopes = row->scopes };
	caller->roles.items = arena_array(trust->arena, row->roles.count, sizeof(struct code));
	for (size_t i = 0; caller->roles.items && i < row->roles.count; i++)
		caller->roles.items[caller->roles.count++] = code_of(row->roles.items[i]);
	return caller->organization_id.data && caller->roles.items;
}

static bool client_open(struct trust *trust, size_t index, struct outcome *outcome)
{
	const struct config_client *row = &trust->config->clients.items[index];
	struct client *client = &trust->clients[trust->client_count++];
	struct jwks_source source = { .path = row->jwks_file, .url = row->jwks_url, .ca_file = row->ca_file };
	enum caller_kind kind = scope_kind(row->scopes);
	char path[PATH_SIZE];
	bool ok = true;

	*client = (struct client) { .config = row };
	if (!scope_valid(row->scopes) || (kind != CALLER_SYSTEM && kind != CALLER_ANONYMOUS))
		ok = outcome_add(outcome, ERR_VALUE_INVALID, place_of(path, &row->origin, "clients", index, "scopes"),
				 "Write scopes of systems, such as system/DocumentReference.rs or ITI-67.");
	if (row->certificate_sha256.size &&
	    !fingerprint_read(row->certificate_sha256, trust->arena, &client->certificate))
		ok = outcome_add(outcome, ERR_VALUE_INVALID,
				 place_of(path, &row->origin, "clients", index, "certificate_sha256"),
				 "Write 64 hexadecimal digits, with or without colons.");
	ok = peer_tls_check(&(struct peer_tls) { .ca_file = row->ca_file.data },
			    place_of(path, &row->origin, "clients", index, "ca_file"), outcome) &&
	     ok;
	ok = keys_open(&source, place_of(path, &row->origin, "clients", index, "jwks_file"), &client->keys, outcome) &&
	     ok;
	return (caller_make(trust, row, &client->caller) || no_memory(outcome)) && ok;
}

static bool all_open(struct trust *trust, struct outcome *outcome)
{
	const struct config *config = trust->config;
	bool ok = issuers_open(trust, outcome);

	for (size_t i = 0; i < config->clients.count; i++)
		ok = client_open(trust, i, outcome) && ok;
	ok = own_open(trust, config->authorization_server_key, config->public_base, "authorization_server.key_file",
		      &trust->server_key, outcome) &&
	     ok;
	ok = own_open(trust, config->demo_token_key, STR(DEMO_ISSUER), "demo.token_key", &trust->demo_key, outcome) &&
	     ok;
	return ok;
}

struct trust *trust_open(const struct config *config, struct outcome *outcome)
{
	struct trust *trust = calloc(1, sizeof(*trust));
	struct arena *arena = trust ? arena_new(TRUST_BYTES_MAX) : NULL;

	if (!arena) {
		free(trust);
		no_memory(outcome);
		return NULL;
	}
	trust->config = config;
	trust->arena = arena;
	trust->issuers = arena_array(arena, config->issuers.count + 2, sizeof(*trust->issuers));
	trust->clients = arena_array(arena, config->clients.count, sizeof(*trust->clients));
	trust->tokens = token_cache_new(TOKENS_BYTES_MAX);
	if (!trust->issuers || !trust->clients || !trust->tokens)
		no_memory(outcome);
	else if (all_open(trust, outcome))
		return trust;
	trust_close(trust);
	return NULL;
}

void trust_close(struct trust *trust)
{
	if (!trust)
		return;
	for (size_t i = 0; i < trust->issuer_count; i++)
		jwks_close(trust->issuers[i].keys);
	for (size_t i = 0; i < trust->client_count; i++)
		jwks_close(trust->clients[i].keys);
	signing_key_free(trust->server_key);
	signing_key_free(trust->demo_key);
	token_cache_free(trust->tokens);
	arena_free(trust->arena);
	free(trust);
}

const struct issuer *trust_issuer(const struct trust *trust, struct str name)
{
	for (size_t i = 0; i < trust->issuer_count; i++) {
		if (name.data && str_equal(trust->issuers[i].name, name))
			return &trust->issuers[i];
	}
	return NULL;
}

const struct issuer *trust_introspecting(const struct trust *trust)
{
	for (size_t i = 0; i < trust->issuer_count; i++) {
		if (trust->issuers[i].config && trust->issuers[i].config->introspection_url.size)
			return &trust->issuers[i];
	}
	return NULL;
}

const struct client *trust_client(const struct trust *trust, struct str id)
{
	for (size_t i = 0; i < trust->client_count; i++) {
		if (id.data && str_equal(trust->clients[i].config->id, id))
			return &trust->clients[i];
	}
	return NULL;
}

const struct client *trust_certificate(const struct trust *trust, struct str sha256)
{
	for (size_t i = 0; i < trust->client_count; i++) {
		if (sha256.size && str_equal(trust->clients[i].certificate, sha256))
			return &trust->clients[i];
	}
	return NULL;
}
