/* Inside gateway/access only: what a registry answers, past consent. Its users say what leaves it. */
#ifndef PASSERELLE_ACCESS_REGISTERED_ASK_H
#define PASSERELLE_ACCESS_REGISTERED_ASK_H

#include "gateway/south/soap_client.h"
#include "mappers/metadata.h"
#include "mappers/stored_query.h"

bool registered_ask(const struct south *south, const struct stored_query *query, struct metadata *found,
		    struct outcome *outcome) MUST_CHECK;

#endif
