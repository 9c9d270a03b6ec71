/* Inside gateway/run only: config.def as data. */
#ifndef PASSERELLE_CONFIG_TABLE_H
#define PASSERELLE_CONFIG_TABLE_H

#include "gateway/run/config.h"

enum config_type {
	CONFIG_TEXT,
	CONFIG_URL,
	CONFIG_BASE,
	CONFIG_OID,
	CONFIG_CODE,
	CONFIG_PATH,
	CONFIG_SECRET,
	CONFIG_INTEGER,
	CONFIG_BYTES,
	CONFIG_SWITCH,
	CONFIG_CHOICE,
	CONFIG_OFFSET,
	CONFIG_FLAGS, /* from here on: sequences */
	CONFIG_TEXTS,
	CONFIG_BASES,
	CONFIG_REPOSITORIES,
	CONFIG_BACK_ENDS,
	CONFIG_KEYS,
	CONFIG_AUTHORITIES,
	CONFIG_SAML_ISSUERS,
	CONFIG_AUDIT_REPOSITORIES,
	CONFIG_ISSUERS,
	CONFIG_CLIENTS,
	CONFIG_TENANTS
};

struct config_row {
	const char *key;
	enum config_type type;
	size_t offset;
	const char *default_text;
	int64_t min;
	int64_t max;
	const char *words;
	unsigned required;
	const char *sentence;
};

#define CONFIG_ROWS_MAX 256 /* per section */

/* For required: a file with an optional secret is read only by the role that it belongs to. */
#define CONFIG_GATEWAY_MAY 4
#define CONFIG_DOMAIN_MAY  8
#define CONFIG_SHOWN       16 /* may be left out; its example in the sample file is needed there */
#define CONFIG_REQUIRED    (CONFIG_GATEWAY | CONFIG_DOMAIN)

struct config_section {
	const struct config_row *rows;
	size_t row_count;
	size_t struct_size;
	size_t origin_offset; /* of a struct config_origin for where the item stands; 0: it has none */
};

extern const struct config_section config_root;

/* The section of a sequence's items; NULL when they are scalars. */
const struct config_section *config_section_of(enum config_type type);

static inline bool config_is_sequence(enum config_type type)
{
	return type >= CONFIG_FLAGS;
}

/* Where a value stands, for issues and relative names. tenant: whose configuration is read; NULL: the main file's. */
struct config_place {
	const char *file;
	size_t line;
	const char *key;
	const char *tenant;
	struct arena *arena;
	struct outcome *outcome;
};

/* Adds an issue at the place; returns false. */
bool config_complain(const struct config_place *place, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same as a warning: what is no mistake for sure. Returns true. */
bool config_warn(const struct config_place *place, const char *text);

/* Reads one scalar as the row wants it into its member of object. For FLAGS: one more name; for TEXTS and BASES: one
 * more item is put at item. False with an issue. */
bool config_value_read(const struct config_row *row, struct str text, const struct config_place *place, void *object,
		       struct str *item);

#endif
