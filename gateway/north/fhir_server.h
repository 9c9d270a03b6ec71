/* The FHIR face of the gateway: ties the HTTP server to the corridor. */
#ifndef PASSERELLE_FHIR_SERVER_H
#define PASSERELLE_FHIR_SERVER_H

#include "gateway/run/config.h"

struct fhir_server;
struct gateway;

/* Makes the gateway of this configuration (back-ends, keys, limits) and serves from now on in threads of its own.
 * config must outlive it. version: of the program, a literal. Errors: ERR_INTERNAL (a port that is taken), ERR_NO_MEMORY.
 * South must have been started. Close with fhir_server_close. */
bool fhir_server_open(const struct config *config, const char *version, struct fhir_server **server,
		      struct outcome *outcome) MUST_CHECK;

/* Whether it could be opened, as far as the configuration and the files that it names tell; nothing is written, opened
 * or asked. Every fault is an issue whose path names the key. */
bool fhir_server_check(const struct config *config, struct outcome *outcome) MUST_CHECK;

/* The gateway that it serves, for who serves it to others; the server's, until it is closed. */
struct gateway *fhir_server_gateway(struct fhir_server *server);

/* The base URL that clients are told. */
struct str fhir_server_base(const struct fhir_server *server);

/* Takes no new requests, lets those in flight finish for as long as the configuration says, frees. False when some were
 * still under way: then the process should end. NULL is allowed. */
bool fhir_server_close(struct fhir_server *server);

#endif
