#include "gateway/access/access_state.h"

#include <stdlib.h>

#include "gateway/access/consents.h"
#include "gateway/access/cross_reference.h"
#include "gateway/access/directory_source.h"
#include "gateway/access/identity_source.h"
#include "gateway/access/rate_limit.h"
#include "gateway/run/log.h"
#include "gateway/south/consent_client.h"
#include "gateway/state/cache.h"
#include "gateway/state/last_known.h"

#define ACCESS_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* RFC 9728 3.1: the well-known part stands between host and path of the resource. */
static struct str metadata_url(struct arena *arena, struct str base)
{
	size_t host = str_find(base, ':') + 3;
	size_t path = host + str_find(str_from(base, host), '/');

	if (str_is_empty(base))
		return STR_NONE;
	return arena_printf(arena, "%.*s/.well-known/oauth-protected-resource%.*s", (int)path, base.data,
			    STR_ARG(str_from(base, path)));
}

static bool out_of_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

struct access_stores *access_stores_open(const struct config *config, struct cache *cache, struct outcome *outcome)
{
	struct access_stores *stores = calloc(1, sizeof(*stores));

	if (!stores) {
		out_of_memory(outcome);
		return NULL;
	}
	stores->tenant = config->tenant;
	stores->cross_reference_age_s = cross_reference_age_max(config);
	stores->cache = cache;
	if (last_known_open(config, cache_is_shared(cache) ? cache : NULL, &stores->last_known, outcome) &&
	    rate_limit_open(&stores->limit, outcome) && cross_references_listen(stores, outcome))
		return stores;
	access_stores_close(stores);
	return NULL;
}

void access_stores_renew(struct access_stores *stores, const struct config *config)
{
	stores->cross_reference_age_s = cross_reference_age_max(config);
	if (stores->last_known)
		last_known_bound(stores->last_known, config->last_known_bytes);
}

void access_stores_close(struct access_stores *stores)
{
	if (!stores)
		return;
	cache_unlisten(stores->cache, stores);
	last_known_close(stores->last_known);
	rate_limit_close(stores->limit);
	free(stores);
}

struct access *access_open(const struct config *config, struct access_stores *stores, struct outcome *outcome)
{
	struct access *access = calloc(1, sizeof(*access));
	struct arena *arena = access ? arena_new(ACCESS_BYTES_MAX) : NULL;

	if (!arena) {
		free(access);
		out_of_memory(outcome);
		return NULL;
	}
	access->config = config;
	access->arena = arena;
	access->stores = stores;
	access->cache = stores->cache;
	access->last_known = stores->last_known;
	access->metadata_url = metadata_url(arena, config->public_base);
	access->bare_metadata_url = metadata_url(arena, config->bare_base);
	access->trust = trust_open(config, outcome);
	if (access->trust && access->trust->demo_key)
		LOG(WARN, LOG_ACCESS_DEMO, NULL, LOG_C("issuer", DEMO_ISSUER));
	if (access->trust && identity_source_open(access, outcome) && consents_open(access, &access->consents, outcome))
		return access;
	access_close(access);
	return NULL;
}

void access_close(struct access *access)
{
	if (!access)
		return;
	consents_close(access->consents);
	trust_close(access->trust);
	arena_free(access->arena);
	free(access);
}

struct cache *access_cache(struct access *access)
{
	return access->cache;
}

size_t access_peers(const struct access *access, struct access_peer peers[ACCESS_PEERS_MAX])
{
	const struct directory_source *directory = access->consents->directory;
	size_t count = 0;

	if (access->config->identity_pix_url.size || access->config->identity_pdq_url.size)
		peers[count++] = (struct access_peer) { access->identity.name, backend_worst_state(&access->identity),
							backend_seems_well(&access->identity) };
	if (directory) {
		const struct breaker *breaker = consent_client_breaker(directory_source_client(directory));

		peers[count++] =
			(struct access_peer) { STR("consent"), breaker_state(breaker), breaker_seems_well(breaker) };
	}
	return count;
}
