/* Inside gateway/access only: what the room keeps for the life of the gateway. */
#ifndef PASSERELLE_ACCESS_STATE_H
#define PASSERELLE_ACCESS_STATE_H

#include "gateway/access/access.h"
#include "gateway/access/trust.h"
#include "gateway/south/backend.h"

struct access_stores {
	struct str tenant;
	_Atomic uint64_t cross_reference_age_s; /* greatest; 0: none is used */
	struct cache *cache;
	struct last_known *last_known; /* NULL without state_directory */
	struct rate_limit *limit;
};

struct access {
	const struct config *config;
	struct str metadata_url;      /* of the protected resource metadata, RFC 9728 */
	struct str bare_metadata_url; /* the same for the other base, config.bare_base */
	struct trust *trust;
	struct arena *arena; /* of the gateway's life */
	struct access_stores *stores;
	struct cache *cache;           /* the stores', as is the next */
	struct last_known *last_known; /* NULL without state_directory */
	struct consents *consents;
	struct backend identity; /* the PIX and PDQ managers */
	struct outbox *changes;  /* where changes of documents wait (visible_changes.h); NULL: nowhere */
	struct str changes_source;
};

#endif
