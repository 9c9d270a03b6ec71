/* UUIDs as XDS names its objects. Source: RFC 4122, ITI TF-3 4.2.3.1.7 "UUID". The random bytes come in. */
#ifndef PASSERELLE_UUID_H
#define PASSERELLE_UUID_H

#include "mappers/base/str.h"

#define UUID_URN_SIZE 46 /* "urn:uuid:", 36 characters, NUL */
#define UUID_OID_SIZE 45 /* "2.25.", at most 39 digits, NUL */

/* A version 4 UUID of 16 random bytes: out is "urn:uuid:" and lower-case hexadecimal. */
void uuid_format(const unsigned char random[16], char out[UUID_URN_SIZE]);

/* These 16 bytes as they are, no version bits set. */
void uuid_write(const unsigned char bytes[16], char out[UUID_URN_SIZE]);

/* True for "urn:uuid:" and 8-4-4-4-12 hexadecimal digits, any case. Everything else is a symbolic id. */
bool uuid_valid(struct str urn) MUST_CHECK;

/* The 16 bytes of a UUID with or without "urn:uuid:", any case. */
bool uuid_read(struct str text, unsigned char bytes[16]) MUST_CHECK;

/* The OID of a UUID (with or without prefix): "2.25." and its value in decimal. Source: ITU-T X.667 6.3. */
bool uuid_to_oid(struct str text, char out[UUID_OID_SIZE]) MUST_CHECK;

#endif
