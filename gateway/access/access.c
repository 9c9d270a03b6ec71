#include "gateway/access/access_state.h"

#include <stdlib.h>

#include "gateway/access/consents.h"
#include "gateway/access/cross_reference.h"
#include "gateway/access/identity_source.h"
#include "gateway/access/search_limit.h"
#include "gateway/run/log.h"
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

struct access *access_open(const struct config *config, struct outcome *outcome)
{
	struct access *access = calloc(1, sizeof(*access));
	struct arena *arena = access ? arena_new(ACCESS_BYTES_MAX) : NULL;
	struct cache_options cache_options;

	if (!arena) {
		free(access);
		outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
		return NULL;
	}
	access->config = config;
	access->arena = arena;
	access->metadata_url = metadata_url(arena, config->public_base);
	access->bare_metadata_url = metadata_url(arena, config->bare_base);
	access->trust = trust_open(config, outcome);
	if (access->trust && access->trust->demo_key)
		LOG(WARN, LOG_ACCESS_DEMO, NULL, LOG_C("issuer", DEMO_ISSUER));
	if (access->trust && cache_options_read(config, &cache_options, outcome))
		access->cache = cache_open(&cache_options, outcome);
	if (access->cache && last_known_open(config, &access->last_known, outcome) &&
	    search_limit_open(&access->search_limit, outcome) && identity_source_open(access, outcome) &&
	    consents_open(access, &access->consents, outcome)) {
		cross_references_open(access);
		return access;
	}
	access_close(access);
	return NULL;
}

void access_close(struct access *access)
{
	if (!access)
		return;
	cache_close(access->cache); /* before those who listen to its bell */
	consents_close(access->consents);
	trust_close(access->trust);
	last_known_close(access->last_known);
	search_limit_close(access->search_limit);
	arena_free(access->arena);
	free(access);
}

struct cache *access_cache(struct access *access)
{
	return access->cache;
}
