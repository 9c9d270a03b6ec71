/* The embedded XDS domain: a Document Registry and a Document Repository in one process, on SQLite and plain files,
 * spoken to over SOAP 1.2 only. Serves ITI-41 and ITI-43 (MTOM), ITI-42, 18, 57, 62 and 86, and for identities ITI-44, 45
 * and 47. With a homeCommunityId it is also the Responding Gateway of its community: ITI-38, ITI-39 (MTOM) and ITI-55.
 * Source: ITI TF-2 3.18, 3.38, 3.39, 3.41, 3.42, 3.43, 3.55, 3.57, 3.62, 3.86, TF-3 4. The gateway never calls it as a
 * function. */
#ifndef PASSERELLE_DOMAIN_H
#define PASSERELLE_DOMAIN_H

#include "mappers/base/error.h"

struct config;
struct domain;

/* Opens the data directory (section domain of config; created when missing, its parent must exist), removes what a
 * crash left, and serves from now on in threads of its own. config   must outlive the domain Errors: ERR_STORAGE
 * (directory, taken by another process), ERR_INTERNAL (port taken). Close with domain_close. */
bool domain_open(const struct config *config, struct domain **domain, struct outcome *outcome) MUST_CHECK;

/* The TCP port it listens on, also when the configuration said 0. */
uint16_t domain_port(const struct domain *domain);

/* Takes no new requests, lets those in flight finish, closes. NULL is allowed. */
void domain_close(struct domain *domain);

#endif
