#include "gateway/state/vault.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/run/hkdf.h"
#include "gateway/run/random.h"

#define VERSION     1
#define NONCE_BYTES 12
#define TAG_BYTES   16
#define HEAD_BYTES  (2 + NONCE_BYTES)

_Static_assert(HEAD_BYTES + TAG_BYTES == VAULT_OVERHEAD, "vault.h says how much longer a sealed value is");

struct vault_part {
	uint8_t id;
	EVP_MAC_CTX *naming; /* keyed once, copied for each use: keying costs more than using */
	EVP_CIPHER_CTX *sealing;
	EVP_CIPHER_CTX *opening;
};

struct vault {
	EVP_MAC *mac;
	EVP_CIPHER *cipher;
	size_t part_count;
	struct vault_part parts[VAULT_KEYS_MAX];
};

static bool derive(struct str secret, const char *purpose, const char *use, unsigned char key[32])
{
	char info[128];
	int size = snprintf(info, sizeof info, "%s %s", purpose, use);

	return size > 0 && (size_t)size < sizeof info &&
	       hkdf_sha256(secret, STR("passerelle state 1"), (struct str) { info, (size_t)size }, key, 32);
}

static EVP_CIPHER_CTX *keyed(const struct vault *vault, const unsigned char *key, int encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx && EVP_CipherInit_ex2(ctx, vault->cipher, key, NULL, encrypt, NULL) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

static bool part_make(const struct vault *vault, const char *purpose, const struct seal_key *from,
		      struct vault_part *part)
{
	static char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
				OSSL_PARAM_construct_end() };
	unsigned char key[32];
	bool ok = from->secret.size >= SEAL_KEY_BYTES_MIN && derive(from->secret, purpose, "name", key);

	part->id = from->id;
	part->naming = ok ? EVP_MAC_CTX_new(vault->mac) : NULL;
	ok = part->naming && EVP_MAC_init(part->naming, key, sizeof key, params) == 1 &&
	     derive(from->secret, purpose, "value", key);
	if (ok) {
		part->sealing = keyed(vault, key, 1);
		part->opening = keyed(vault, key, 0);
	}
	OPENSSL_cleanse(key, sizeof key);
	return part->sealing && part->opening;
}

struct vault *vault_new(const char *purpose, const struct seal_key *keys, size_t key_count)
{
	if (key_count == 0 || key_count > VAULT_KEYS_MAX || (key_count == 2 && keys[0].id == keys[1].id))
		return NULL;
	struct vault *vault = calloc(1, sizeof *vault);

	if (!vault)
		return NULL;
	vault->part_count = key_count;
	vault->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	vault->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	bool ok = vault->mac && vault->cipher;

	for (size_t i = 0; i < key_count && ok; i++)
		ok = part_make(vault, purpose, &keys[i], &vault->parts[i]);
	if (ok)
		return vault;
	vault_free(vault);
	return NULL;
}

void vault_free(struct vault *vault)
{
	if (!vault)
		return;
	for (size_t i = 0; i < vault->part_count; i++) {
		EVP_MAC_CTX_free(vault->parts[i].naming);
		EVP_CIPHER_CTX_free(vault->parts[i].sealing);
		EVP_CIPHER_CTX_free(vault->parts[i].opening);
	}
	EVP_MAC_free(vault->mac);
	EVP_CIPHER_free(vault->cipher);
	free(vault);
}

size_t vault_key_count(const struct vault *vault)
{
	return vault->part_count;
}

size_t vault_keys_read(const struct config *config, struct seal_key keys[VAULT_KEYS_MAX])
{
	size_t count = 0;

	for (; count < config->state_keys.count && count < VAULT_KEYS_MAX; count++)
		keys[count] = (struct seal_key) { (uint8_t)config->state_keys.items[count].id,
						  config->state_keys.items[count].secret };
	return count;
}

struct vault *vault_from_config(const struct config *config, const char *purpose, struct outcome *outcome)
{
	struct seal_key keys[VAULT_KEYS_MAX];
	size_t count = vault_keys_read(config, keys);

	if (count == 0) {
		outcome_add(outcome, ERR_VALUE_INVALID, "state_keys",
			    "Add this key: what is kept in Redis or in state_directory is encrypted.");
		return NULL;
	}
	struct vault *vault = vault_new(purpose, keys, count);

	if (!vault)
		outcome_add(outcome, ERR_VALUE_INVALID, "state_keys",
			    "Give each key an id of its own and at least 32 random bytes.");
	return vault;
}

bool vault_name(const struct vault *vault, size_t key, const struct str *parts, size_t part_count,
		unsigned char name[VAULT_NAME_BYTES])
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(vault->parts[key].naming);
	size_t written = 0;
	bool ok = ctx != NULL;

	for (size_t i = 0; i < part_count && ok; i++) {
		uint64_t size = __builtin_bswap64(parts[i].size);

		ok = EVP_MAC_update(ctx, (const unsigned char *)&size, sizeof size) == 1 &&
		     EVP_MAC_update(ctx, (const unsigned char *)parts[i].data, parts[i].size) == 1;
	}
	ok = ok && EVP_MAC_final(ctx, name, &written, VAULT_NAME_BYTES) == 1 && written == VAULT_NAME_BYTES;
	EVP_MAC_CTX_free(ctx);
	return ok;
}

/* A context of its own for one value, with nonce and place. */
static EVP_CIPHER_CTX *begin(EVP_CIPHER_CTX *from, const unsigned char *nonce, struct str place)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int written = 0;

	if (ctx && EVP_CIPHER_CTX_copy(ctx, from) == 1 && EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, -1, NULL) == 1 &&
	    (place.size == 0 ||
	     EVP_CipherUpdate(ctx, NULL, &written, (const unsigned char *)place.data, (int)place.size) == 1))
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

bool vault_seal(const struct vault *vault, struct str place, struct str plain, unsigned char *sealed)
{
	int written = 0;

	if (plain.size > INT32_MAX || place.size > INT32_MAX)
		return false;
	sealed[0] = VERSION;
	sealed[VAULT_KEY_PLACE] = vault->parts[0].id;
	random_bytes(sealed + 2, NONCE_BYTES);
	EVP_CIPHER_CTX *ctx = begin(vault->parts[0].sealing, sealed + 2, place);
	unsigned char *at = sealed + HEAD_BYTES;
	bool ok = ctx &&
		  EVP_EncryptUpdate(ctx, at, &written, (const unsigned char *)plain.data, (int)plain.size) == 1 &&
		  EVP_EncryptFinal_ex(ctx, at + plain.size, &written) == 1 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, at + plain.size) == 1;

	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

enum vault_opened vault_open(const struct vault *vault, struct str place, struct str sealed, unsigned char *plain,
			     size_t *plain_size)
{
	const unsigned char *head = (const unsigned char *)sealed.data;
	const struct vault_part *part = NULL;
	unsigned char tag[TAG_BYTES];
	int written = 0;

	if (sealed.size < VAULT_OVERHEAD || sealed.size > INT32_MAX || head[0] != VERSION)
		return VAULT_NOT_OURS;
	for (size_t i = 0; i < vault->part_count; i++) {
		if (vault->parts[i].id == head[VAULT_KEY_PLACE])
			part = &vault->parts[i];
	}
	if (!part)
		return VAULT_NO_KEY;
	size_t size = sealed.size - VAULT_OVERHEAD;

	memcpy(tag, sealed.data + sealed.size - TAG_BYTES, TAG_BYTES);
	EVP_CIPHER_CTX *ctx = begin(part->opening, head + 2, place);
	if (!ctx)
		return VAULT_NO_MEMORY;
	bool ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
		  EVP_DecryptUpdate(ctx, plain, &written, head + HEAD_BYTES, (int)size) == 1 &&
		  EVP_DecryptFinal_ex(ctx, plain + size, &written) == 1;

	EVP_CIPHER_CTX_free(ctx);
	if (ok) {
		*plain_size = size;
		return VAULT_OPENED;
	}
	OPENSSL_cleanse(plain, sealed.size);
	return VAULT_NOT_OURS;
}
