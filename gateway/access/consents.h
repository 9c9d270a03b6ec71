/* Inside gateway/access only: what consent.h needs for the life of the gateway. */
#ifndef PASSERELLE_CONSENTS_H
#define PASSERELLE_CONSENTS_H

#include "gateway/access/access_state.h"
#include "gateway/access/care.h"
#include "gateway/access/consent_source.h"

struct directory_source;

#define CONSENT_SOURCES_MAX 4

struct consents {
	struct consent_policy policy;
	const struct care *care;
	struct directory_source *directory; /* NULL: there is none */
	struct consent_source sources[CONSENT_SOURCES_MAX];
	size_t source_count; /* 0: another system decides */
};

/* What access->config says; uses access->cache, last_known and arena. Errors:
 * ERR_PARAMETER_MISSING, ERR_VALUE_INVALID, ERR_NO_MEMORY. */
bool consents_open(struct access *access, struct consents **consents, struct outcome *outcome) MUST_CHECK;
void consents_close(struct consents *consents);

#endif
