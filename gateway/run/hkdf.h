/* A key of its own for each purpose, from one secret. */
#ifndef PASSERELLE_HKDF_H
#define PASSERELLE_HKDF_H

#include "mappers/base/str.h"

/* HKDF-SHA-256 (RFC 5869), extract and expand: size bytes of key (at most 255 * 32) from secret, for this salt and
 * info. False without memory. The caller wipes key (OPENSSL_cleanse) when it is done with it. */
bool hkdf_sha256(struct str secret, struct str salt, struct str info, unsigned char *key, size_t size) MUST_CHECK;

#endif
