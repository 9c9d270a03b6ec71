/* Inside gateway/access only: where the keys of one issuer or client come from, and the keys while they are good. Read
 * again every ten minutes or so by whichever request finds them old; a token whose kid is not among them has them read
 * again at once, but that at most once a minute, whoever sends how many such tokens. While the source is away the last
 * good keys serve for a day. Any thread may call. */
#ifndef PASSERELLE_JWKS_H
#define PASSERELLE_JWKS_H

#include "gateway/access/keys.h"
#include "gateway/south/soap_client.h"

struct jwks;

/* One of the three; borrowed, NUL-terminated. */
struct jwks_source {
	struct str path; /* a file */
	struct str url;
	struct str ca_file; /* of url; may be empty */
	struct str fixed;   /* the JWK Set itself: an own key */
};

/* A file is read now, and must be good: path is what an issue names. NULL with ERR_VALUE_INVALID or ERR_NO_MEMORY. */
struct jwks *jwks_open(const struct jwks_source *source, const char *path, struct outcome *outcome) MUST_CHECK;
void jwks_close(struct jwks *jwks); /* NULL is allowed */

enum jwks_end {
	JWKS_VERIFIED,
	JWKS_WRONG, /* the signature does not hold, or nobody knows the key */
	JWKS_LATER, /* the keys must be read first, and south is NULL */
	JWKS_AWAY   /* there are no keys, and their source gives none */
};

/* Verifies the signature of a token. south NULL: without I/O and without waiting. */
enum jwks_end jwks_verify(struct jwks *jwks, const struct jwt *jwt, const struct south *south) MUST_CHECK;

#endif
