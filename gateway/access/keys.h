/* Inside gateway/access only: public keys that verify tokens, and private ones that sign them. All JOSE work is cjose's;
 * here stands which keys are good enough for it. Source: RFC 7515, RFC 7517, RFC 7518, RFC 8725. */
#ifndef PASSERELLE_KEYS_H
#define PASSERELLE_KEYS_H

#include <jansson.h>

#include "mappers/base/error.h"
#include "mappers/jwt.h"

/* The keys of one JWK Set; never changed once made, counted, shared by threads. */
struct key_set;

/* Reads a JWK Set. Kept are keys for signatures that the algorithms of jwt.h can use: RSA of 2048 to 8192 bits with an odd
 * exponent of at least 65537, EC on P-256 and P-384 with a point on the curve. Others are left out; a set that is no JWK
 * Set, or in which no key remains, is NULL. Of a private key only the public part is kept. */
struct key_set *key_set_read(struct str json) MUST_CHECK;
struct key_set *key_set_hold(struct key_set *set);
void key_set_drop(struct key_set *set); /* NULL is allowed */

enum key_end {
	KEY_VERIFIED,
	KEY_WRONG,  /* the signature is not of that key, or several keys might be meant */
	KEY_UNKNOWN /* the set has no key that the token could mean */
};

/* Verifies the signature. The key is the one with the token's kid (without a kid: the only one) that its algorithm can
 * use. */
enum key_end key_set_verify(const struct key_set *set, const struct jwt *jwt) MUST_CHECK;

/* A private key that signs. */
struct signing_key;

/* pem: an EC key on P-256 or P-384 (ES256, ES384), unencrypted. NULL when it is anything else. */
struct signing_key *signing_key_read(struct str pem) MUST_CHECK;
void signing_key_free(struct signing_key *key); /* NULL is allowed */

/* Its public part as a JWK Set of one, in the key. kid is the thumbprint (RFC 7638). */
struct str signing_key_jwks(const struct signing_key *key);

/* Signs claims (JSON text) as a token of this type ("at+jwt"). In the arena; data is NULL without memory. */
struct str signing_key_sign(const struct signing_key *key, const char *type, struct str claims, struct arena *arena);

#endif
