/* What no single row of the configuration can say: how its keys go together. */
#include "gateway/run/config_table.h"

/* A root key that is there, or line 1. */
struct check {
	struct config_place place;
	const size_t *lines;
};

static bool complain(const struct check *check, const char *key, const char *text)
{
	struct config_place place = check->place;

	place.key = key;
	place.line = 1;
	for (size_t i = 0; i < config_root.row_count; i++) {
		if (strcmp(config_root.rows[i].key, key) == 0 && check->lines[i])
			place.line = check->lines[i];
	}
	return config_complain(&place, "%s", text);
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

static void check_access(const struct check *check, const struct config *config)
{
	if (!is_plain_name(config->tenant))
		complain(check, "tenant", "Write letters, digits, dots and dashes.");
	if (config->access_anonymous && !is_loopback(config->listen_address))
		complain(check, "access.anonymous",
			 "Remove this, or listen on a loopback address such as 127.0.0.1: who can be reached from "
			 "elsewhere "
			 "must know who asks.");
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

void config_check_whole(const struct config_place *place, const size_t *lines, const struct config *config)
{
	struct check check = { *place, lines };

	check_keys(&check, config);
	check_authorities(&check, config);
	if (config->search_count_default > config->search_count_max)
		complain(&check, "search.count_default", "Do not exceed search.count_max.");
	check_access(&check, config);
	check_audit(&check, config);
	check_tls(&check, "tls.certificate_file", config->tls_certificate_file, config->tls_key_file,
		  config->tls_client_ca_file, config->tls_client_certificate);
	check_tls(&check, "domain.tls.certificate_file", config->domain_tls_certificate_file,
		  config->domain_tls_key_file, config->domain_tls_client_ca_file,
		  config->domain_tls_client_certificate);
}
