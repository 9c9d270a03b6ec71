/* Inside gateway/run only: reading one file, and what is asked of the whole. */
#ifndef PASSERELLE_CONFIG_READ_H
#define PASSERELLE_CONFIG_READ_H

#include "gateway/run/config_set.h"
#include "gateway/run/config_table.h"

/* Of what a key of the root is: the process as a whole, and the list of tenants (no tenant's file has either); what
 * names a tenant's open store, which like the process's a reload does not change; or anything that the next request may find
 * changed. */
enum config_scope { CONFIG_OF_PROCESS, CONFIG_OF_MAIN, CONFIG_OF_STATE, CONFIG_OF_SETTINGS };
enum config_scope config_scope_of(const char *key);

/* Where the root's keys were given; file NULL: nowhere. */
struct config_origins {
	struct config_origin rows[CONFIG_ROWS_MAX];
};

#define CONFIG_FILE_BYTES_MAX ((size_t)4 * 1024 * 1024)

/* The text of one file, without what several keys or files say together: over the defaults (tenant NULL), or over what
 * config and origins have already, as this tenant's file. False when it could not be read to its end; issues otherwise.
 */
bool config_read(const char *path, struct str text, const char *tenant, unsigned role, struct arena *arena,
		 struct config *config, struct config_origins *origins, struct outcome *outcome) MUST_CHECK;

/* Complains of each key that the role needs and nobody gave, at the place. */
void config_require(const struct config_place *place, unsigned role, const struct config_origins *origins);

/* What no single row can say: about the process, and about the one organisation of an effective configuration. place:
 * for keys that are nowhere. */
void config_check_process(const struct config_place *place, const struct config_origins *origins,
			  const struct config *config);
void config_check_tenant(const struct config_place *place, const struct config_origins *origins,
			 const struct config *config);

/* public_base of a gateway that clients reach directly, when none is given. */
void config_derive_base(struct config *config, struct arena *arena);

/* A back-end that is not said to have patient identifiers of its own has those of the affinity domain. */
void config_derive_authorities(struct config *config);

/* A number that changes with any of the files that the settings name. */
uint64_t config_files_mark(const struct config *config);

/* Makes (again) what of tenants' configurations comes from the main file and their names. False without memory. */
bool config_set_derive(struct config_set *set) MUST_CHECK;

#endif
