/* All tenants of this process, each with its gateway. Who has taken a tenant has it unchanged until giving it back,
 * whatever becomes of the configuration meanwhile. Any thread may call. */
#ifndef PASSERELLE_TENANTS_H
#define PASSERELLE_TENANTS_H

#include <stdatomic.h>

#include "gateway/run/config_set.h"
#include "gateway/transactions/gateway.h"

struct tenants;

/* One organisation, as its configuration has it. */
struct tenant {
	struct gateway *gateway;
	struct stores *stores; /* the gateway's */
	struct str name;
	atomic_uint stranger_count; /* requests whose sender only another system can name */
	size_t workers;             /* of the process's, that its requests may have at once */
	void *part;                 /* another room's, see struct tenant_part; NULL: it has none */
};

/* What its requests may have of the threads of a server. asks: back-ends, for which a part of them may wait. */
struct worker_share tenant_share(const struct tenant *tenant, bool asks);

/* What another room makes of each tenant: after its gateway, which it may borrow, and until before that is closed. */
struct tenant_part {
	/* Whether it could be opened, as far as the configuration and the files that it names tell. */
	bool (*check)(const struct config *config, struct outcome *outcome);
	bool (*open)(struct tenant *tenant, void **part, struct outcome *outcome);
	void (*close)(void *part); /* also for NULL */
};

/* Those that are there at one time, in the order of the configuration. */
struct tenant_set {
	struct tenant *const *tenants;
	const struct str *names; /* as they stand in URLs; NULL: one tenant, without a name there */
	size_t count;
	size_t bare_index; /* who is served without a name; count: nobody */
};

/* Opens the stores and gateways of all tenants. version: of the program, a literal; part: NULL for none. The
 * configuration is kept for their life. South must have been started. Errors: those of stores_open, gateway_open and part.
 * Close with tenants_close, when everybody has given back what they took. */
bool tenants_open(struct config_set *configs, const char *version, const struct tenant_part *part,
		  struct tenants **tenants, struct outcome *outcome) MUST_CHECK;
void tenants_close(struct tenants *tenants); /* NULL is allowed */

/* What a reload has done, as names with commas between. */
struct tenants_change {
	struct buf added;
	struct buf changed; /* with the keys: "NAME (search.count_max, issuers)" */
	struct buf removed;
	size_t unchanged_count;
	struct buf kept; /* keys whose new value holds after a restart */
};
void tenants_change_free(struct tenants_change *change);

/* Reads the configuration at path anew and puts the tenants that it makes in the place of those that are there, all at
 * once: who takes from now on takes of the new ones. One that did not change stays as it is; what is replaced is closed
 * when the last who took it has given it back. False with all faults (one is a tenant that goes while publications of it
 * wait): then nothing has changed. From one thread at a time. change is to be freed in either case. */
bool tenants_reload(struct tenants *tenants, const char *path, struct tenants_change *change,
		    struct outcome *outcome) MUST_CHECK;

/* The configuration of the process, and where its requests' bodies go. */
const struct config *tenants_process(const struct tenants *tenants);
struct spool_limits *tenants_spools(struct tenants *tenants);

/* Puts the tenant's name before the paths of the issues from first on, where there are several tenants. */
void tenant_issues_name(const struct config_set *configs, size_t index, size_t first, struct outcome *outcome);

/* Takes all that are there now. */
const struct tenant_set *tenant_set_take(struct tenants *tenants) MUST_CHECK;
void tenant_set_give_back(struct tenants *tenants, const struct tenant_set *set);

/* The one who is served without a name; when nobody is, the first: for what is the whole gateway's. */
struct tenant *tenant_set_first(const struct tenant_set *set);

/* Takes one of a set that is held. */
struct tenant *tenant_take(struct tenants *tenants, const struct tenant_set *set, size_t index) MUST_CHECK;
void tenant_give_back(struct tenants *tenants, struct tenant *tenant);

/* Takes the one with this name; the one who is served without a name for the empty one. NULL: there is none. */
struct tenant *tenant_find(struct tenants *tenants, struct str name) MUST_CHECK;

#endif
