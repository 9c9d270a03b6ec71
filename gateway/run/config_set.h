/* Several tenants in one process: the main file, and for each tenant a file that says what differs for it. What comes
 * out is one configuration per tenant, of which all code reads its own as if it were alone. */
#ifndef PASSERELLE_CONFIG_SET_H
#define PASSERELLE_CONFIG_SET_H

#include "gateway/run/config.h"

/* process: the main file. tenants: effective configurations, in the order of the main file: its keys with those of the
 * tenant's file in their place, and tenant (the name), public_base and state_directory made from the main file's
 * (https://.../fhir/NAME, .../tenants/NAME). A main file without tenants is the only one, unchanged. */
struct config_set {
	struct config process;
	struct config *tenants;
	size_t count;
	bool is_single;       /* there are no tenants: tenants[0] is process, and names stand in no URL */
	bool is_base_derived; /* public_base was not given */
	size_t bare_index;    /* which one public_base itself serves; count: none */
	struct arena *arena;
	_Atomic unsigned owners;
};

/* Reads and checks the main file and all tenants' files for a gateway, as config_load does. An issue about a tenant names
 * it. *set is made also when there are errors, as far as the files could be read, and has one owner; NULL without memory.
 * False with an error. */
bool config_set_open(const char *path, struct config_set **set, struct outcome *outcome) MUST_CHECK;

/* One more owner, one less: the last one frees it. */
void config_set_keep(struct config_set *set);
void config_set_close(struct config_set *set); /* NULL is allowed */

/* The tenant of this name, the one served at public_base for the empty name; NULL: there is none. */
const struct config *config_set_find(const struct config_set *set, struct str name);

/* Whether this is a name for a tenant, in itself and beside what is served under the same base. */
bool config_tenant_name_valid(struct str name);

#endif
