#include "gateway/access/keys.h"

#include <cjose/cjose.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "mappers/base/base64url.h"

#define KEYS_MAX      64
#define RSA_BITS_MIN  2048
#define RSA_BITS_MAX  8192
#define EXPONENT_MIN  65537
#define SCRATCH_BYTES ((size_t)1024 * 1024)

struct key {
	cjose_jwk_t *jwk;
	struct str kid; /* STR_NONE without one */
	struct str type;
	struct str curve;
	struct str algorithm; /* the only one it may be used for; STR_NONE: any of its type */
};

struct key_set {
	atomic_uint count_of_holders;
	struct arena *arena;
	struct key *keys;
	size_t count;
};

struct key_set *key_set_hold(struct key_set *set)
{
	atomic_fetch_add(&set->count_of_holders, 1);
	return set;
}

void key_set_drop(struct key_set *set)
{
	if (!set || atomic_fetch_sub(&set->count_of_holders, 1) > 1)
		return;
	for (size_t i = 0; i < set->count; i++)
		cjose_jwk_release(set->keys[i].jwk);
	arena_free(set->arena);
	free(set);
}

/* Bits of a big-endian number; 0 when it begins with a zero byte, which RFC 7518 6.3.1.1 forbids. */
static size_t bits_of(struct str number)
{
	size_t bits = number.size * 8;

	if (number.size == 0 || number.data[0] == 0)
		return 0;
	for (unsigned char first = (unsigned char)number.data[0]; !(first & 0x80); first = (unsigned char)(first << 1))
		bits--;
	return bits;
}

/* Exponents beyond 32 bits only cost time. RFC 8017 wants them odd. */
static bool exponent_good(struct str exponent)
{
	uint64_t value = 0;

	if (exponent.size == 0 || exponent.size > 4)
		return false;
	for (size_t i = 0; i < exponent.size; i++)
		value = value << 8 | (unsigned char)exponent.data[i];
	return value >= EXPONENT_MIN && value % 2 == 1;
}

static bool rsa_good(const json_t *jwk, struct arena *arena)
{
	struct str modulus;
	struct str exponent;

	return base64url_decode(jwt_text(jwk, "n"), arena, &modulus) &&
	       base64url_decode(jwt_text(jwk, "e"), arena, &exponent) && bits_of(modulus) >= RSA_BITS_MIN &&
	       bits_of(modulus) <= RSA_BITS_MAX && exponent_good(exponent);
}

static bool ec_good(const json_t *jwk, struct arena *arena)
{
	struct str curve = jwt_text(jwk, "crv");
	size_t size = str_equal(curve, STR("P-256")) ? 32 : str_equal(curve, STR("P-384")) ? 48 : 0;
	struct str x;
	struct str y;

	return size && base64url_decode(jwt_text(jwk, "x"), arena, &x) &&
	       base64url_decode(jwt_text(jwk, "y"), arena, &y) && x.size == size && y.size == size;
}

/* RFC 7517 4.2, 4.3: a key that says what it is for must be for signatures. */
static bool is_for_signatures(const json_t *jwk)
{
	const json_t *use = json_object_get(jwk, "use");
	const json_t *operations = json_object_get(jwk, "key_ops");
	bool verifies = !operations;

	for (size_t i = 0; i < json_array_size(operations); i++) {
		const char *operation = json_string_value(json_array_get(operations, i));

		verifies = verifies || (operation && strcmp(operation, "verify") == 0);
	}
	return verifies && (!use || str_equal(jwt_text(jwk, "use"), STR("sig")));
}

/* Only the public members go to the library. NULL when the key is not good. */
static cjose_jwk_t *jwk_import(const json_t *jwk, bool is_rsa, struct arena *arena)
{
	struct str text =
		is_rsa ? arena_printf(arena, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", jwt_text(jwk, "n").data,
				      jwt_text(jwk, "e").data)
		       : arena_printf(arena, "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}",
				      jwt_text(jwk, "crv").data, jwt_text(jwk, "x").data, jwt_text(jwk, "y").data);
	cjose_err error;

	return text.data ? cjose_jwk_import(text.data, text.size, &error) : NULL;
}

static void key_add(struct key_set *set, const json_t *jwk, struct arena *scratch)
{
	struct str type = jwt_text(jwk, "kty");
	bool is_rsa = str_equal(type, STR("RSA"));
	struct key *key = &set->keys[set->count];

	if (!is_rsa && !str_equal(type, STR("EC")))
		return;
	if (!is_for_signatures(jwk) || !(is_rsa ? rsa_good(jwk, scratch) : ec_good(jwk, scratch)))
		return;
	*key = (struct key) { .jwk = jwk_import(jwk, is_rsa, scratch), .type = arena_copy(set->arena, type) };
	if (!key->jwk)
		return;
	if (jwt_text(jwk, "kid").data)
		key->kid = arena_copy(set->arena, jwt_text(jwk, "kid"));
	if (jwt_text(jwk, "alg").data)
		key->algorithm = arena_copy(set->arena, jwt_text(jwk, "alg"));
	key->curve = is_rsa ? STR("") : arena_copy(set->arena, jwt_text(jwk, "crv"));
	set->count++;
}

struct key_set *key_set_read(struct str json)
{
	struct key_set *set = calloc(1, sizeof(*set));
	struct arena *scratch = arena_new(SCRATCH_BYTES);
	const json_t *tree = scratch ? jwt_object_read(json, scratch) : NULL;
	const json_t *keys = json_object_get(tree, "keys");

	if (set) {
		atomic_init(&set->count_of_holders, 1);
		set->arena = arena_new(SCRATCH_BYTES);
		set->keys = set->arena ? arena_array(set->arena, KEYS_MAX, sizeof(*set->keys)) : NULL;
	}
	for (size_t i = 0; set && set->keys && i < json_array_size(keys) && set->count < KEYS_MAX; i++)
		key_add(set, json_array_get(keys, i), scratch);
	if (set && (set->count == 0 || arena_failed(set->arena) || arena_failed(scratch))) {
		key_set_drop(set);
		set = NULL;
	}
	arena_free(scratch);
	return set;
}

static bool is_meant(const struct key *key, const struct jwt *jwt)
{
	const struct jwt_algorithm_info *info = jwt_algorithm_info(jwt->algorithm);

	return str_equal(key->type, info->key_type) && str_equal(key->curve, info->curve) &&
	       (!key->algorithm.data || str_equal(key->algorithm, info->name)) &&
	       (!jwt->kid.data || (key->kid.data && str_equal(key->kid, jwt->kid)));
}

static bool verify(const struct key *key, const struct jwt *jwt)
{
	cjose_err error;
	cjose_jws_t *jws = cjose_jws_import(jwt->text.data, jwt->text.size, &error);
	bool good = jws && cjose_jws_verify(jws, key->jwk, &error);

	cjose_jws_release(jws);
	return good;
}

enum key_end key_set_verify(const struct key_set *set, const struct jwt *jwt)
{
	const struct key *meant = NULL;

	for (size_t i = 0; i < set->count; i++) {
		if (!is_meant(&set->keys[i], jwt))
			continue;
		if (meant)
			return KEY_WRONG;
		meant = &set->keys[i];
	}
	if (!meant)
		return KEY_UNKNOWN;
	return verify(meant, jwt) ? KEY_VERIFIED : KEY_WRONG;
}
