/* Inside gateway/access only: what a registry answers, past consent. Its users say what leaves it. */
#ifndef PASSERELLE_ACCESS_REGISTERED_ASK_H
#define PASSERELLE_ACCESS_REGISTERED_ASK_H

#include "gateway/south/soap_client.h"
#include "mappers/metadata.h"
#include "mappers/stored_query.h"

/* False with the issue when the registry does not say. */
bool registered_ask(const struct south *south, const struct stored_query *query, struct metadata *found,
		    struct outcome *outcome) MUST_CHECK;

/* The same with every version ($MetadataLevel 2, which is added to the query); nothing from a registry that keeps none. */
bool registered_ask_versions(const struct south *south, struct stored_query *query, struct metadata *found,
			     struct outcome *outcome) MUST_CHECK;

/* All versions of the document with this logicalID; nothing from a registry that keeps none. One that does not say is not
 * taken for that: false with the issue. */
bool registered_versions(const struct south *south, struct str home, struct str logical_id, struct metadata *found,
			 struct outcome *outcome) MUST_CHECK;

#endif
