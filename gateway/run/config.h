/* The configuration: one YAML file, checked against the one table config.def. The structs below are made from its
 * rows, so member, key, default, bounds and description cannot drift apart. */
#ifndef PASSERELLE_CONFIG_H
#define PASSERELLE_CONFIG_H

#include "mappers/base/arena.h"
#include "mappers/base/buf.h"
#include "mappers/base/error.h"

/* The order of the enumerators is the order of the names in config.def. */
enum config_log_format { CONFIG_LOG_AUTO, CONFIG_LOG_JSON, CONFIG_LOG_TEXT };
enum config_log_level { CONFIG_LOG_DEBUG, CONFIG_LOG_INFO, CONFIG_LOG_WARN, CONFIG_LOG_ERROR };
enum config_profile { /* bits of config.profiles */
		      CONFIG_MINIMAL = 1,
		      CONFIG_COMPREHENSIVE = 2,
		      CONFIG_UNCONTAINED = 4
};
enum config_degraded { CONFIG_DEGRADED_REFUSE, CONFIG_DEGRADED_ACCEPT }; /* also of unverified patients */
enum config_minimal_policy { CONFIG_MINIMAL_FILL, CONFIG_MINIMAL_REFUSE };
enum config_publication_delete { CONFIG_DELETE_REFUSE, CONFIG_DELETE_DEPRECATE, CONFIG_DELETE_REMOVE };
enum config_metadata_level { CONFIG_LEVEL_MINIMAL, CONFIG_LEVEL_COMPREHENSIVE };
enum config_client_certificate { CONFIG_CLIENT_NONE, CONFIG_CLIENT_OPTIONAL, CONFIG_CLIENT_REQUIRED };
enum config_back_end_kind { CONFIG_KIND_XDS, CONFIG_KIND_XCA };
enum config_audit_enabled { CONFIG_AUDIT_AUTO, CONFIG_AUDIT_ON, CONFIG_AUDIT_OFF };
enum config_outbox_store { CONFIG_OUTBOX_SQLITE, CONFIG_OUTBOX_POSTGRESQL };
enum config_audit_kind { CONFIG_AUDIT_FHIR, CONFIG_AUDIT_SYSLOG, CONFIG_AUDIT_FILE };

/* A member per row: the type of the row decides what it is. */
#define CONFIG_MEMBER_TEXT(field)               struct str field;
#define CONFIG_MEMBER_URL(field)                struct str field; /* absolute http or https, as written */
#define CONFIG_MEMBER_BASE(field)               struct str field; /* the same without its final slash */
#define CONFIG_MEMBER_OID(field)                struct str field; /* dotted, without "urn:oid:" */
#define CONFIG_MEMBER_CODE(field)               struct str field; /* system|code|display; may be empty */
#define CONFIG_MEMBER_PATH(field)               struct str field; /* NUL-terminated; relative to the file's directory */
#define CONFIG_MEMBER_SECRET(field)             struct str field; /* the content of the named file */
#define CONFIG_MEMBER_INTEGER(field)            uint64_t field;
#define CONFIG_MEMBER_BYTES(field)              uint64_t field; /* written as a number, or with KiB, MiB, GiB */
#define CONFIG_MEMBER_SWITCH(field)             bool field;
#define CONFIG_MEMBER_CHOICE(field)             unsigned field; /* index of the name in the row */
#define CONFIG_MEMBER_FLAGS(field)              unsigned field; /* one bit per name in the row */
#define CONFIG_MEMBER_OFFSET(field)             int field;      /* minutes east of UTC */
#define CONFIG_MEMBER_TEXTS(field)              struct config_strs field;
#define CONFIG_MEMBER_BASES(field)              struct config_strs field;
#define CONFIG_MEMBER_REPOSITORIES(field)       struct config_repositories field;
#define CONFIG_MEMBER_BACK_ENDS(field)          struct config_back_ends field;
#define CONFIG_MEMBER_KEYS(field)               struct config_keys field;
#define CONFIG_MEMBER_AUDIT_REPOSITORIES(field) struct config_audit_repositories field;
#define CONFIG_MEMBER_SAML_ISSUERS(field)       struct config_saml_issuers field;
#define CONFIG_MEMBER_AUTHORITIES(field)        struct config_authorities field;
#define CONFIG_MEMBER_TENANTS(field)            struct config_tenants field;
#define CONFIG_MEMBER_ISSUERS(field)            struct config_issuers field;
#define CONFIG_MEMBER_CLIENTS(field)            struct config_clients field;

#define CONFIG_ROW(field, key, type, ...) CONFIG_MEMBER_##type(field)
#define CONFIG_LIST(list, item)     \
	struct list {               \
		struct item *items; \
		size_t count;       \
	}
CONFIG_LIST(config_strs, str);
struct config_key {
#define KEY_ROW CONFIG_ROW
#include "gateway/run/config.def"
};
CONFIG_LIST(config_keys, config_key);
/* Where an item stands, for what is found out only when it is used. */
struct config_origin {
	const char *file;
	size_t line;
};
struct config_saml_issuer {
#define SAML_ISSUER_ROW CONFIG_ROW
#include "gateway/run/config.def"
};
CONFIG_LIST(config_saml_issuers, config_saml_issuer);
struct config_authority {
#define AUTHORITY_ROW CONFIG_ROW
#include "gateway/run/config.def"
};
CONFIG_LIST(config_authorities, config_authority);
struct config_repository {
#define REPOSITORY_ROW CONFIG_ROW
#include "gateway/run/config.def"
};
CONFIG_LIST(config_repositories, config_repository);
struct config_tenant {
#define TENANT_ROW CONFIG_ROW
#include "gateway/run/config.def"
	struct config_origin origin;
};
CONFIG_LIST(config_tenants, config_tenant);
struct config_issuer {
#define ISSUER_ROW CONFIG_ROW
#include "gateway/run/config.def"
	struct config_origin origin;
};
CONFIG_LIST(config_issuers, config_issuer);
struct config_client {
#define CLIENT_ROW CONFIG_ROW
#include "gateway/run/config.def"
	struct config_origin origin;
};
CONFIG_LIST(config_clients, config_client);
struct config_back_end {
#define BACK_END_ROW CONFIG_ROW
#include "gateway/run/config.def"
	struct config_origin origin;
};
CONFIG_LIST(config_back_ends, config_back_end);
struct config_audit_repository {
#define AUDIT_REPOSITORY_ROW CONFIG_ROW
#include "gateway/run/config.def"
};
CONFIG_LIST(config_audit_repositories, config_audit_repository);
struct config_set;
struct config {
#define ROOT_ROW CONFIG_ROW
#include "gateway/run/config.def"
	const char *file;                     /* where it was read from, for messages; borrowed */
	const struct config_origins *origins; /* where its keys were given (config_issues_place) */
	uint64_t files_mark;                  /* changes with the files that the settings name (config_change.h) */
	const struct config_set *set;         /* that it is of; NULL: it was loaded alone */
	struct str shared_base;               /* below which all tenants are; STR_NONE: there is one, without a name */
	struct str bare_base;                 /* another base URL that serves the same (config_set.h); STR_NONE: none */
};

/* Which keys must be there depends on who reads the file; both sections may stand in one file. */
enum config_role { CONFIG_GATEWAY = 1, CONFIG_DOMAIN = 2 };

/* Reads and checks the file. Everything is in the arena. Every issue's path is "file:line: key" (a missing key: the line
 * where its section begins), its text says what to do; checking goes on after the first. So is what no single row can say
 * (public_base gets its default from listen.*, or stays empty when listen.port is 0). False with an error. */
bool config_load(const char *path, enum config_role role, struct arena *arena, struct config *config,
		 struct outcome *outcome) MUST_CHECK;

/* What is found out only in use: issues from the first on whose path is a key ("tls.key_file", "back_ends[1]"), or the
 * beginning of some ("tls"), get the path that config_load would have given them. */
void config_issues_place(const struct config *config, size_t first, struct outcome *outcome);

#endif
