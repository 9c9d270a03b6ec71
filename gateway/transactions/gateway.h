/* What a gateway is to one tenant: made from the tenant's settings, shared by all requests that begin while they hold,
 * unchanged but for counters and caches. A reload that changes the settings opens another gateway, to which new requests
 * go, and closes this one after the last of its requests: for a while there are both. What must not be there twice, or
 * must not be forgotten, belongs into stores.h; threads that work on their own (deliveries) begin in gateway_open, end in
 * gateway_close, and take turns with those of the other by what they work on. */
#ifndef PASSERELLE_GATEWAY_H
#define PASSERELLE_GATEWAY_H

#include "gateway/access/access.h"
#include "gateway/access/communities.h"
#include "gateway/audit/audit.h"
#include "gateway/delivery/delivery.h"
#include "gateway/run/config.h"
#include "gateway/run/seal.h"
#include "gateway/run/spool.h"
#include "gateway/run/watch.h"
#include "gateway/run/worker.h"
#include "gateway/south/backend.h"
#include "gateway/south/xua.h"
#include "gateway/transactions/stores.h"

/* One place where documents are: a back-end, its row of the configuration, and its number in sealed ids. */
struct source {
	struct backend backend;
	const struct config_back_end *config;
	struct str home;                         /* "urn:oid:...", what queries carry; STR_NONE: none */
	const struct other_community *community; /* NULL: it knows patients as the affinity domain does */
};

/* What gateways are given; all borrowed. */
struct gateway_means {
	const char *version; /* of the program, a literal */
	struct spool_limits *spools;
	struct worker_pool *legs; /* threads for asking several sources at once; of the process */
	struct stores *stores;    /* of the tenant */
};

struct gateway {
	const struct config *config;
	struct stores *stores;
	struct source *sources; /* in the order of the configuration; publications go to the first */
	size_t source_count;
	struct seal *seal;
	struct spool_limits *spools;
	struct worker_pool *legs; /* threads for asking several sources at once; of the process */
	struct xua *xua;          /* NULL: no back-end is told who asks */
	struct access *access;
	struct audit *audit;               /* NULL: off */
	const struct code_sets *code_sets; /* that publications may use; NULL: every code */
	struct delivery *delivery;         /* of publications that wait; NULL: none ever does */
	bool outbox_is_lost;               /* no delivery, and it is not known what waits from before */
	struct str base;                   /* public base URL without a final slash */
	struct str version;                /* of the program */
	struct str started;                /* FHIR dateTime */
	struct arena *arena;               /* of the gateway's life */
	struct watch watch;
};

/* Makes the gateway of this configuration; everything is borrowed for its life. Errors: those of the parts,
 * ERR_NO_MEMORY. Close with gateway_close, after the last request. */
bool gateway_open(const struct config *config, const struct gateway_means *means, struct gateway **gateway,
		  struct outcome *outcome) MUST_CHECK;
void gateway_close(struct gateway *gateway); /* NULL is allowed */

/* Whether it could be opened, as far as the configuration and the files that it names tell; nothing is written, opened
 * or asked. Every fault is an issue whose path names the key. */
bool gateway_check(const struct config *config, struct outcome *outcome) MUST_CHECK;

#endif
