#include "gateway/run/config_table.h"

#define ROW(object, field, key, type, default_text, min, max, words, required, sentence) \
	{ key, CONFIG_##type, offsetof(struct object, field), default_text, min, max, words, required, sentence },

static const struct config_row root_rows[] = {
#define ROOT_ROW(...) ROW(config, __VA_ARGS__)
#include "gateway/run/config.def"
};
static const struct config_row back_end_rows[] = {
#define BACK_END_ROW(...) ROW(config_back_end, __VA_ARGS__)
#include "gateway/run/config.def"
};
static const struct config_row repository_rows[] = {
#define REPOSITORY_ROW(...) ROW(config_repository, __VA_ARGS__)
#include "gateway/run/config.def"
};
static const struct config_row key_rows[] = {
#define KEY_ROW(...) ROW(config_key, __VA_ARGS__)
#include "gateway/run/config.def"
};
static const struct config_row authority_rows[] = {
#define AUTHORITY_ROW(...) ROW(config_authority, __VA_ARGS__)
#include "gateway/run/config.def"
};
static const struct config_row saml_issuer_rows[] = {
#define SAML_ISSUER_ROW(...) ROW(config_saml_issuer, __VA_ARGS__)
#include "gateway/run/config.def"
};
static const struct config_row tenant_rows[] = {
#define TENANT_ROW(...) ROW(config_tenant, __VA_ARGS__)
#include "gateway/run/config.def"
};
static const struct config_row audit_repository_rows[] = {
#define AUDIT_REPOSITORY_ROW(...) ROW(config_audit_repository, __VA_ARGS__)
#include "gateway/run/config.def"
};

static const struct config_row issuer_rows[] = {
#define ISSUER_ROW(...) ROW(config_issuer, __VA_ARGS__)
#include "gateway/run/config.def"
};
static const struct config_row client_rows[] = {
#define CLIENT_ROW(...) ROW(config_client, __VA_ARGS__)
#include "gateway/run/config.def"
};

_Static_assert(COUNT_OF(root_rows) <= CONFIG_ROWS_MAX, "one flag per row");

const struct config_section config_root = { root_rows, COUNT_OF(root_rows), sizeof(struct config), 0 };
static const struct config_section back_end_section = { back_end_rows, COUNT_OF(back_end_rows),
							sizeof(struct config_back_end),
							offsetof(struct config_back_end, origin) };
static const struct config_section repository_section = { repository_rows, COUNT_OF(repository_rows),
							  sizeof(struct config_repository), 0 };
static const struct config_section key_section = { key_rows, COUNT_OF(key_rows), sizeof(struct config_key), 0 };
static const struct config_section authority_section = { authority_rows, COUNT_OF(authority_rows),
							 sizeof(struct config_authority), 0 };
static const struct config_section saml_issuer_section = { saml_issuer_rows, COUNT_OF(saml_issuer_rows),
							   sizeof(struct config_saml_issuer), 0 };
static const struct config_section audit_repository_section = { audit_repository_rows, COUNT_OF(audit_repository_rows),
								sizeof(struct config_audit_repository), 0 };

static const struct config_section tenant_section = { tenant_rows, COUNT_OF(tenant_rows), sizeof(struct config_tenant),
						      offsetof(struct config_tenant, origin) };
static const struct config_section issuer_section = { issuer_rows, COUNT_OF(issuer_rows), sizeof(struct config_issuer),
						      offsetof(struct config_issuer, origin) };
static const struct config_section client_section = { client_rows, COUNT_OF(client_rows), sizeof(struct config_client),
						      offsetof(struct config_client, origin) };

const struct config_section *config_section_of(enum config_type type)
{
	if (type == CONFIG_BACK_ENDS)
		return &back_end_section;
	if (type == CONFIG_REPOSITORIES)
		return &repository_section;
	if (type == CONFIG_ISSUERS)
		return &issuer_section;
	if (type == CONFIG_CLIENTS)
		return &client_section;
	if (type == CONFIG_AUTHORITIES)
		return &authority_section;
	if (type == CONFIG_TENANTS)
		return &tenant_section;
	if (type == CONFIG_SAML_ISSUERS)
		return &saml_issuer_section;
	if (type == CONFIG_AUDIT_REPOSITORIES)
		return &audit_repository_section;
	return type == CONFIG_KEYS ? &key_section : NULL;
}
