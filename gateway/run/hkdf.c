#include "gateway/run/hkdf.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

/* OSSL_PARAM takes what it only reads as not const. */
static OSSL_PARAM octets(const char *key, struct str value)
{
	union {
		const char *in;
		void *out;
	} data = { .in = value.data ? value.data : "" };

	return OSSL_PARAM_construct_octet_string(key, data.out, value.size);
}

bool hkdf_sha256(struct str secret, struct str salt, struct str info, unsigned char *key, size_t size)
{
	static char digest[] = "SHA256";
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		octets(OSSL_KDF_PARAM_KEY, secret),
		octets(OSSL_KDF_PARAM_SALT, salt),
		octets(OSSL_KDF_PARAM_INFO, info),
		OSSL_PARAM_construct_end(),
	};
	bool ok = ctx && EVP_KDF_derive(ctx, key, size, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok;
}
