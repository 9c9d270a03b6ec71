/* A signed JSON Web Token taken apart: form only. Whether its signature holds is for the JOSE library to say, what it
 * claims for claims.h. Source: RFC 7515, RFC 7519, RFC 8725. */
#ifndef PASSERELLE_JWT_H
#define PASSERELLE_JWT_H

#include <jansson.h>

#include "mappers/base/arena.h"

#define JWT_BYTES_MAX ((size_t)16 * 1024)
#define JWT_DEPTH_MAX 16

enum jwt_algorithm {
#define ALGORITHM(name, ...) JWT_##name,
#include "profiles/iua/algorithms.def"
	JWT_ALGORITHM_COUNT
};

struct jwt_algorithm_info {
	struct str name;
	struct str key_type;
	struct str curve;
	size_t signature_size; /* 0: that of the modulus */
};
const struct jwt_algorithm_info *jwt_algorithm_info(enum jwt_algorithm algorithm);

struct jwt {
	struct str text; /* as it came */
	enum jwt_algorithm algorithm;
	struct str type; /* typ of the header without "application/"; STR_NONE when absent */
	struct str kid;  /* STR_NONE when absent */
	struct str signature;
	json_t *claims; /* an object; in the arena */
};

enum jwt_form {
	JWT_FORM_GOOD,
	JWT_FORM_BAD,   /* a JWT that nobody may accept */
	JWT_FORM_OTHER, /* no JWT: an opaque token */
	JWT_FORM_NO_MEMORY
};

/* Takes text apart. Good: at most JWT_BYTES_MAX, three segments of strict base64url, header and claims objects without
 * a name that comes twice and at most JWT_DEPTH_MAX deep, an algorithm of the table, a signature of its length, no crit
 * (nothing that it could name is understood here), a kid of at most 256 printable characters. Keys and URLs of keys in
 * the header (jwk, jku, x5c, x5u) are not looked at. */
enum jwt_form jwt_read(struct str text, struct arena *arena, struct jwt *jwt) MUST_CHECK;

/* Parses a JSON object of foreign origin: no name twice, at most JWT_DEPTH_MAX deep. The tree is in the arena; NULL when
 * it is anything else, or without memory. */
json_t *jwt_object_read(struct str text, struct arena *arena) MUST_CHECK;

/* The member of an object when it is a string, otherwise STR_NONE; borrowed from the tree. */
struct str jwt_text(const json_t *object, const char *name);

#endif
