/* What a configuration must have before the room of access can be opened: all that is wrong, not only the first. */
#include "gateway/access/consent.h"
#include "gateway/access/consents.h"
#include "gateway/run/config_change.h"
#include "gateway/state/cache.h"
#include "gateway/state/vault.h"

#define CHECK_BYTES_MAX ((size_t)4 * 1024 * 1024)

static bool complain(struct outcome *outcome, const char *key, const char *text)
{
	return outcome_add(outcome, ERR_PARAMETER_MISSING, key, "%s", text);
}

/* A gateway that lets nobody in is a mistake. */
static bool callers_check(const struct config *config, struct outcome *outcome)
{
	struct config_exposure exposures[CONFIG_EXPOSURES];
	size_t exposed = config_exposed(config, exposures);
	bool ok = true;

	/* The file itself may be right, and where we listen another address until a restart. */
	for (size_t i = 0; i < exposed; i++)
		ok = outcome_add(outcome, ERR_VALUE_INVALID, exposures[i].key, "%s", exposures[i].text);
	if (!config->access_anonymous && !config->issuers.count && !config->clients.count &&
	    !config->demo_token_key.size)
		ok = complain(outcome, "issuers",
			      "Say whose tokens are accepted (issuers), or which systems are known (clients): nobody "
			      "would be let in.");
	for (size_t i = 0; i < config->clients.count; i++) {
		const struct config_client *client = &config->clients.items[i];
		bool has_keys = client->jwks_file.size || client->jwks_url.size;
		bool has_tls = config->tls_client_certificate != CONFIG_CLIENT_NONE;

		if (has_keys && !client->certificate_sha256.size && !config->authorization_server_key.size)
			ok = complain(outcome, "authorization_server.key_file",
				      "Give it: a system that is known by its keys gets its tokens from this gateway.");
		if (!has_keys && client->certificate_sha256.size && !has_tls)
			ok = complain(outcome, "tls.client_certificate",
				      "Set it to optional or required: a system that is known by its certificate must "
				      "be asked for it.");
	}
	return ok;
}

/* What is kept is encrypted. */
static bool keys_check(const struct config *config, struct outcome *outcome)
{
	struct cache_options options;
	struct vault *vault;

	if (!cache_options_read(config, &options, outcome))
		return false;
	if (str_is_empty(config->state_directory))
		return true;
	vault = vault_from_config(config, "check", outcome);
	vault_free(vault);
	return vault != NULL;
}

static bool peers_check(const struct config *config, struct outcome *outcome)
{
	const struct peer_tls identity = { config->identity_ca_file.data, config->identity_client_certificate_file.data,
					   config->identity_client_key_file.data };
	const struct peer_tls consent = { config->consent_ca_file.data, config->consent_client_certificate_file.data,
					  config->consent_client_key_file.data };
	bool ok = peer_tls_check(&identity, "identity", outcome);

	return peer_tls_check(&consent, "consent", outcome) && ok;
}

bool access_check(const struct config *config, struct outcome *outcome)
{
	struct arena *arena = arena_new(CHECK_BYTES_MAX);
	struct trust *trust = trust_open(config, outcome);
	const struct care *care;
	bool wanted;
	bool ok = callers_check(config, outcome) && trust;

	trust_close(trust);
	ok = keys_check(config, outcome) && ok;
	ok = peers_check(config, outcome) && ok;
	ok = consent_config_check(config, &wanted, outcome) && ok;
	ok = arena && care_read(&config->consent_care_relationships, arena, &care, outcome) && ok;
	arena_free(arena);
	return ok;
}
