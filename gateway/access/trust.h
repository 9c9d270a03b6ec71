/* Whom the gateway believes: issuers of tokens with their keys, systems with their certificates, and its own keys. Made
 * at start from the configuration; unchanged but for keys that are read again and tokens that were seen. */
#ifndef PASSERELLE_TRUST_H
#define PASSERELLE_TRUST_H

#include <stdatomic.h>

#include "gateway/access/jwks.h"
#include "gateway/access/token_cache.h"
#include "gateway/run/config.h"

/* Tokens of `passerelle token`. */
#define DEMO_ISSUER "urn:passerelle:demo"

struct issuer {
	struct str name;
	struct str audience;
	struct str audience_too; /* the base by its other name; STR_NONE: it has none */
	struct jwks *keys;       /* NULL: its tokens are looked up */
	unsigned algorithms;     /* bits of enum jwt_algorithm */
	int64_t lifetime_max_s;
	const struct config_issuer *config; /* NULL: this gateway itself */
};

struct client {
	const struct config_client *config;
	struct str certificate; /* SHA-256, 64 lower-case digits; or empty */
	struct jwks *keys;      /* NULL: it cannot ask for tokens */
	struct caller caller;   /* as which it comes with its certificate */
};

struct trust {
	const struct config *config;
	struct arena *arena;
	struct issuer *issuers;
	size_t issuer_count;
	struct client *clients;
	size_t client_count;
	struct signing_key *server_key; /* NULL: there is no token endpoint */
	struct signing_key *demo_key;   /* NULL: no demonstration */
	struct token_cache *tokens;
	atomic_uint looking_up; /* requests that wait for an introspection */
};

/* Reads every file that the configuration names; each issue says which key of the configuration it is about. Borrowed:
 * config. NULL with an error. */
struct trust *trust_open(const struct config *config, struct outcome *outcome) MUST_CHECK;
void trust_close(struct trust *trust); /* NULL is allowed */

/* NULL: not known. */
const struct issuer *trust_issuer(const struct trust *trust, struct str name);
const struct issuer *trust_introspecting(const struct trust *trust);
const struct client *trust_client(const struct trust *trust, struct str id);
const struct client *trust_certificate(const struct trust *trust, struct str sha256);

#endif
