/* The part of `passerelle check` that asks everybody whom the tenants' requests would ask. */
#ifndef PASSERELLE_CHECK_PEERS_H
#define PASSERELLE_CHECK_PEERS_H

#include "gateway/run/config_set.h"

/* Back-ends, identity sources, consent directories, issuers, audit repositories and the shared outbox, each once: whose
 * answer would be the same for several tenants is asked for all of them. Prints a line for each address, under the names
 * of the tenants, where these have names. False when somebody does not answer. */
bool check_peers(const struct config_set *configs, struct arena *arena) MUST_CHECK;

#endif
