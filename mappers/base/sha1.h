/* SHA-1, for names that are made from other names (RFC 9562 version 5), not for secrets. Source: FIPS 180-4. */
#ifndef PASSERELLE_SHA1_H
#define PASSERELLE_SHA1_H

#include "mappers/base/str.h"

#define SHA1_SIZE 20

/* The digest of first and second, one after the other. */
void sha1_of(struct str first, struct str second, unsigned char digest[SHA1_SIZE]);

#endif
