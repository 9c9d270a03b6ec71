#include "gateway/access/access_state.h"

#include <stdlib.h>

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

	if (!arena) {
		free(access);
		outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
		return NULL;
	}
	access->config = config;
	access->arena = arena;
	access->metadata_url = metadata_url(arena, config->public_base);
	return access;
}

void access_close(struct access *access)
{
	if (!access)
		return;
	arena_free(access->arena);
	free(access);
}
