#include "gateway/access/access.h"

#include <stdlib.h>

struct access {
	const struct config *config;
};

struct access *access_open(const struct config *config, struct outcome *outcome)
{
	struct access *access = calloc(1, sizeof(*access));

	if (!access) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
		return NULL;
	}
	access->config = config;
	return access;
}

void access_close(struct access *access)
{
	free(access);
}
