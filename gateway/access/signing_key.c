/* Private keys: from PEM to a JWK that cjose signs with. */
#include <cjose/cjose.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "gateway/access/keys.h"
#include "mappers/base/base64url.h"

#define COORDINATE_MAX 48
#define KEY_BYTES_MAX  ((size_t)64 * 1024)

struct signing_key {
	cjose_jwk_t *jwk;
	struct arena *arena;
	const char *algorithm;
	struct str kid;
	struct str jwks;
};

void signing_key_free(struct signing_key *key)
{
	if (!key)
		return;
	cjose_jwk_release(key->jwk);
	arena_free(key->arena);
	free(key);
}

/* One number of the key, as long as its curve is wide, in base64url. */
static struct str number_text(const EVP_PKEY *pkey, const char *name, int size, struct arena *arena)
{
	unsigned char bytes[COORDINATE_MAX];
	BIGNUM *number = NULL;
	struct str text = STR_NONE;

	if (EVP_PKEY_get_bn_param(pkey, name, &number) == 1 && BN_bn2binpad(number, bytes, size) == size)
		text = base64url_encode((struct str) { (const char *)bytes, (size_t)size }, arena);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	BN_clear_free(number);
	return text;
}

/* RFC 7638 3.2: the required members of the public key, in order, without blanks. */
static struct str thumbprint(struct str public_members, struct arena *arena)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)public_members.data, public_members.size, digest);
	return base64url_encode((struct str) { (const char *)digest, sizeof(digest) }, arena);
}

static bool key_fill(struct signing_key *key, const EVP_PKEY *pkey)
{
	char group[64] = "";
	size_t size;
	cjose_err error;
	bool is_p256;

	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC ||
	    EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), &size) != 1)
		return false;
	is_p256 = strcmp(group, "prime256v1") == 0;
	if (!is_p256 && strcmp(group, "secp384r1") != 0)
		return false;
	key->algorithm = is_p256 ? "ES256" : "ES384";

	int width = is_p256 ? 32 : 48;
	struct str x = number_text(pkey, OSSL_PKEY_PARAM_EC_PUB_X, width, key->arena);
	struct str y = number_text(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, width, key->arena);
	struct str d = number_text(pkey, OSSL_PKEY_PARAM_PRIV_KEY, width, key->arena);
	struct str members = arena_printf(key->arena, "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%.*s\",\"y\":\"%.*s\"",
					  is_p256 ? "P-256" : "P-384", STR_ARG(x), STR_ARG(y));
	struct str public_key = arena_printf(key->arena, "%.*s}", STR_ARG(members));
	struct str private_key = arena_printf(key->arena, "%.*s,\"d\":\"%.*s\"}", STR_ARG(members), STR_ARG(d));

	if (!d.data || arena_failed(key->arena))
		return false;
	key->kid = thumbprint(public_key, key->arena);
	key->jwks = arena_printf(key->arena, "{\"keys\":[%.*s,\"use\":\"sig\",\"alg\":\"%s\",\"kid\":\"%.*s\"}]}",
				 STR_ARG(members), key->algorithm, STR_ARG(key->kid));
	key->jwk = cjose_jwk_import(private_key.data, private_key.size, &error);
	return key->jwk && !arena_failed(key->arena);
}

/* An encrypted key has no passphrase here, and must not ask for one on the terminal. */
static int no_passphrase(char *out, int size, int writing, void *ctx)
{
	(void)out, (void)size, (void)writing, (void)ctx;
	return -1;
}

struct signing_key *signing_key_read(struct str pem)
{
	struct signing_key *key = calloc(1, sizeof(*key));
	BIO *bio = pem.size <= KEY_BYTES_MAX ? BIO_new_mem_buf(pem.data, (int)pem.size) : NULL;
	EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	if (key)
		key->arena = arena_new(KEY_BYTES_MAX);
	if (!key || !key->arena || !pkey || !key_fill(key, pkey)) {
		signing_key_free(key);
		key = NULL;
	}
	EVP_PKEY_free(pkey);
	return key;
}

struct str signing_key_jwks(const struct signing_key *key)
{
	return key->jwks;
}

static cjose_header_t *header_make(const struct signing_key *key, const char *type)
{
	cjose_err error;
	cjose_header_t *header = cjose_header_new(&error);

	if (header && cjose_header_set(header, CJOSE_HDR_ALG, key->algorithm, &error) &&
	    cjose_header_set(header, "typ", type, &error) &&
	    cjose_header_set(header, CJOSE_HDR_KID, key->kid.data, &error))
		return header;
	if (header)
		cjose_header_release(header);
	return NULL;
}

struct str signing_key_sign(const struct signing_key *key, const char *type, struct str claims, struct arena *arena)
{
	cjose_err error;
	cjose_header_t *header = header_make(key, type);
	cjose_jws_t *jws =
		header ? cjose_jws_sign(key->jwk, header, (const uint8_t *)claims.data, claims.size, &error) : NULL;
	const char *text;
	struct str token = STR_NONE;

	if (jws && cjose_jws_export(jws, &text, &error))
		token = arena_copy(arena, str_from_c(text));
	if (jws)
		cjose_jws_release(jws);
	if (header)
		cjose_header_release(header);
	return token;
}
