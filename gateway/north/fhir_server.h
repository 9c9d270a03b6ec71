/* The FHIR face of the gateway: ties the HTTP server to the corridor. */
#ifndef PASSERELLE_FHIR_SERVER_H
#define PASSERELLE_FHIR_SERVER_H

#include "gateway/transactions/tenants.h"

struct fhir_server;

/* Serves the tenants, which are borrowed, from now on in threads of its own. Errors: ERR_INTERNAL (a port that is taken),
 * ERR_NO_MEMORY. Close with fhir_server_close. */
bool fhir_server_open(struct tenants *tenants, struct fhir_server **server, struct outcome *outcome) MUST_CHECK;

/* Whether it could be opened, as far as the configuration and the files that it names tell; nothing is written, opened
 * or asked. Every fault is an issue whose path names the key, and the tenant where there are several. */
bool fhir_server_check(const struct config_set *configs, struct outcome *outcome) MUST_CHECK;

/* Takes the certificate files as they are now, for new connections. *is_new: they were others before. False with issues:
 * what was in use stays in use. */
bool fhir_server_tls_renew(struct fhir_server *server, bool *is_new, struct outcome *outcome) MUST_CHECK;

/* Takes no new requests, lets those in flight finish for as long as the configuration says, frees. False when some were
 * still under way: then the process should end. NULL is allowed. */
bool fhir_server_close(struct fhir_server *server);

#endif
