/* Who asks, what they may do, and what they may see: the door to the room of access. Everything that comes out of a
 * back-end passes through here before it can be answered. Opened once by the server, shared by all requests. */
#ifndef PASSERELLE_ACCESS_H
#define PASSERELLE_ACCESS_H

#include "gateway/run/config.h"
#include "gateway/south/soap_client.h"
#include "mappers/caller.h"
#include "mappers/consent_rule.h"

struct access;
struct access_stores;
struct cache;

/* What the room keeps of a tenant whatever becomes of its settings: the last known answers in config.state_directory, and
 * counters. Borrowed: config, and the cache that all gateways
 * of this deployment share. Close it after those that use it. NULL after an error. */
struct access_stores *access_stores_open(const struct config *config, struct cache *cache,
					 struct outcome *outcome) MUST_CHECK;
/* Other settings of the same tenant hold: their bounds from now on. */
void access_stores_renew(struct access_stores *stores, const struct config *config);
void access_stores_close(struct access_stores *stores); /* NULL is allowed */

/* Borrowed: config and stores; several may use the same stores at once, where new settings follow old ones. Close with
 * access_close, after the last request. NULL after an error. */
struct access *access_open(const struct config *config, struct access_stores *stores,
			   struct outcome *outcome) MUST_CHECK;
void access_close(struct access *access);

/* Whether it could be opened: reads the files of keys and certificates, writes and asks nothing. Every fault is an issue
 * whose path names the key. */
bool access_check(const struct config *config, struct outcome *outcome) MUST_CHECK;

/* Who is asked beside the back-ends, as far as configured: the identity source, and the consent directory. */
#define ACCESS_PEERS_MAX 2
struct access_peer {
	struct str name; /* "identity", "consent" */
	enum breaker_state state;
	bool is_well; /* as backend_seems_well */
};
size_t access_peers(const struct access *access, struct access_peer peers[ACCESS_PEERS_MAX]);

/* The cache that all gateways of this deployment share. */
struct cache *access_cache(struct access *access);

#endif
