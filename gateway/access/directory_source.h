/* Inside gateway/access only: the consent directory of an embedded domain as a source. Leases let it answer without
 * asking again; what the Consents say is shared with the other gateways through the cache, under names that hold the
 * patient's version, which comes from the directory alone. */
#ifndef PASSERELLE_DIRECTORY_SOURCE_H
#define PASSERELLE_DIRECTORY_SOURCE_H

#include "gateway/access/consent_source.h"
#include "gateway/south/consent_client.h"
#include "gateway/state/last_known.h"

struct directory_source;

struct directory_source_options {
	const struct config *config;
	const struct consent_policy *policy;
	struct cache *cache;
	struct last_known *last_known; /* may be NULL */
};

/* What options point to is borrowed, options is copied. Listens to the cache's bell: close it before the cache.
 * Errors: ERR_NO_MEMORY, ERR_INTERNAL (no thread). */
bool directory_source_open(const struct directory_source_options *options, struct directory_source **directory,
			   struct outcome *outcome) MUST_CHECK;
void directory_source_close(struct directory_source *directory);

struct consent_source directory_source(struct directory_source *directory);
const struct consent_client *directory_source_client(const struct directory_source *directory);

/* consent_change of consent.h. */
enum consent_written directory_source_change(struct directory_source *directory, const struct south *south,
					     const struct consent_write *write, struct consent_stored *stored,
					     struct outcome *outcome) MUST_CHECK;

#endif
