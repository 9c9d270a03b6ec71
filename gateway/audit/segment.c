#include "gateway/audit/segment.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/run/hkdf.h"
#include "mappers/base/hex.h"

#define KEY_BYTES   32
#define NONCE_BYTES 12
#define HASHED_FROM 8 /* an entry is hashed from its sequence on */

static const char magic[8] = { 'P', 'S', 'R', 'L', 'A', 'U', 'D', '1' };
static const char name_suffix[] = ".audit";

struct segment_key {
	EVP_CIPHER_CTX *seal;
	EVP_CIPHER_CTX *open;
};

static uint32_t crc_table[256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void crc_make(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t value = i;

		for (int bit = 0; bit < 8; bit++)
			value = value >> 1 ^ (value & 1 ? UINT32_C(0x82F63B78) : 0);
		crc_table[i] = value;
	}
}

uint32_t crc32c(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	uint32_t value = UINT32_MAX;

	pthread_once(&crc_once, crc_make);
	for (size_t i = 0; i < size; i++)
		value = crc_table[(value ^ at[i]) & 0xFF] ^ value >> 8;
	return ~value;
}

static void put(unsigned char *at, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t get(const unsigned char *at, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)at[i] << 8 * i;
	return value;
}

static EVP_CIPHER_CTX *keyed(const unsigned char *key, int encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx && EVP_CipherInit_ex2(ctx, EVP_aes_256_gcm(), key, NULL, encrypt, NULL) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

struct segment_key *segment_key_new(const struct segment_head *head, const struct seal_key *keys, size_t key_count)
{
	struct segment_key *key = NULL;
	unsigned char secret[KEY_BYTES];

	for (size_t i = 0; i < key_count && !key; i++) {
		if (keys[i].id != head->key_id)
			continue;
		if (!hkdf_sha256(keys[i].secret, (struct str) { (const char *)head->salt, sizeof(head->salt) },
				 STR("passerelle audit journal 1"), secret, sizeof(secret)))
			break;
		key = calloc(1, sizeof(*key));
		if (!key)
			break;
		key->seal = keyed(secret, 1);
		key->open = keyed(secret, 0);
	}
	OPENSSL_cleanse(secret, sizeof(secret));
	if (key && (!key->seal || !key->open)) {
		segment_key_free(key);
		return NULL;
	}
	return key;
}

void segment_key_free(struct segment_key *key)
{
	if (!key)
		return;
	EVP_CIPHER_CTX_free(key->seal);
	EVP_CIPHER_CTX_free(key->open);
	free(key);
}

void segment_head_write(const struct segment_head *head, unsigned char bytes[SEGMENT_HEAD_BYTES])
{
	memcpy(bytes, magic, sizeof(magic));
	put(bytes + 8, head->number, 8);
	put(bytes + 16, head->first, 8);
	put(bytes + 24, head->key_id, 4);
	memcpy(bytes + 28, head->salt, SEGMENT_SALT_BYTES);
	memcpy(bytes + 44, head->before, SEGMENT_HASH_BYTES);
	put(bytes + 76, crc32c(bytes, 76), 4);
}

bool segment_head_read(const unsigned char bytes[SEGMENT_HEAD_BYTES], struct segment_head *head)
{
	if (memcmp(bytes, magic, sizeof(magic)) != 0 || get(bytes + 76, 4) != crc32c(bytes, 76))
		return false;
	head->number = get(bytes + 8, 8);
	head->first = get(bytes + 16, 8);
	head->key_id = (uint32_t)get(bytes + 24, 4);
	memcpy(head->salt, bytes + 28, SEGMENT_SALT_BYTES);
	memcpy(head->before, bytes + 44, SEGMENT_HASH_BYTES);
	return head->first > 0;
}

static bool digest(const unsigned char *bytes, size_t size, unsigned char hash[SEGMENT_HASH_BYTES])
{
	return EVP_Digest(bytes, size, hash, NULL, EVP_sha256(), NULL) == 1;
}

/* One use of the cipher: nonce is the sequence, sequence and chain are authenticated. */
static bool cipher_begin(EVP_CIPHER_CTX *ctx, const unsigned char *head)
{
	unsigned char nonce[NONCE_BYTES] = { 0 };
	int written = 0;

	memcpy(nonce, head + HASHED_FROM, 8);
	return EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, -1, NULL) == 1 &&
	       EVP_CipherUpdate(ctx, NULL, &written, head + HASHED_FROM, ENTRY_HEAD_BYTES - HASHED_FROM) == 1;
}

bool segment_entry_add(struct segment_key *key, uint64_t sequence, struct str plain,
		       unsigned char hash[SEGMENT_HASH_BYTES], struct buf *out)
{
	size_t sealed = plain.size + SEGMENT_TAG_BYTES;
	unsigned char *entry;
	int written = 0;

	if (plain.size == 0 || plain.size > JOURNAL_ENTRY_BYTES_MAX)
		return false;
	entry = (unsigned char *)buf_reserve(out, ENTRY_HEAD_BYTES + sealed);
	if (!entry)
		return false;
	put(entry, sealed, 4);
	put(entry + 8, sequence, 8);
	memcpy(entry + 16, hash, SEGMENT_HASH_BYTES);
	if (!cipher_begin(key->seal, entry) ||
	    EVP_EncryptUpdate(key->seal, entry + ENTRY_HEAD_BYTES, &written, (const unsigned char *)plain.data,
			      (int)plain.size) != 1 ||
	    EVP_EncryptFinal_ex(key->seal, entry + ENTRY_HEAD_BYTES + written, &written) != 1 ||
	    EVP_CIPHER_CTX_ctrl(key->seal, EVP_CTRL_AEAD_GET_TAG, SEGMENT_TAG_BYTES,
				entry + ENTRY_HEAD_BYTES + plain.size) != 1 ||
	    !digest(entry + HASHED_FROM, ENTRY_HEAD_BYTES - HASHED_FROM + sealed, hash))
		return false;
	put(entry + 4, crc32c(entry + HASHED_FROM, ENTRY_HEAD_BYTES - HASHED_FROM + sealed), 4);
	buf_advance(out, ENTRY_HEAD_BYTES + sealed);
	return true;
}

bool segment_entry_peek(const unsigned char *head, size_t *sealed_bytes, uint64_t *sequence)
{
	*sealed_bytes = (size_t)get(head, 4);
	*sequence = get(head + 8, 8);
	return *sealed_bytes > SEGMENT_TAG_BYTES && *sealed_bytes <= JOURNAL_ENTRY_BYTES_MAX + SEGMENT_TAG_BYTES;
}

bool segment_entry_check(const unsigned char *entry, size_t sealed_bytes, unsigned char hash[SEGMENT_HASH_BYTES])
{
	size_t size = ENTRY_HEAD_BYTES - HASHED_FROM + sealed_bytes;

	return get(entry + 4, 4) == crc32c(entry + HASHED_FROM, size) &&
	       memcmp(entry + 16, hash, SEGMENT_HASH_BYTES) == 0 && digest(entry + HASHED_FROM, size, hash);
}

bool segment_entry_open(struct segment_key *key, const unsigned char *entry, size_t sealed_bytes, char *plain,
			size_t *plain_size)
{
	size_t size = sealed_bytes - SEGMENT_TAG_BYTES;
	unsigned char tag[SEGMENT_TAG_BYTES];
	int written = 0;

	memcpy(tag, entry + ENTRY_HEAD_BYTES + size, sizeof(tag));
	*plain_size = size;
	return cipher_begin(key->open, entry) &&
	       EVP_DecryptUpdate(key->open, (unsigned char *)plain, &written, entry + ENTRY_HEAD_BYTES, (int)size) ==
		       1 &&
	       EVP_CIPHER_CTX_ctrl(key->open, EVP_CTRL_AEAD_SET_TAG, SEGMENT_TAG_BYTES, tag) == 1 &&
	       EVP_DecryptFinal_ex(key->open, (unsigned char *)plain + written, &written) == 1;
}

void segment_name(uint64_t number, char name[SEGMENT_NAME_SIZE])
{
	snprintf(name, SEGMENT_NAME_SIZE, "%016llx%s", (unsigned long long)number, name_suffix);
}

bool segment_number(struct str name, uint64_t *number)
{
	unsigned char bytes[8];

	if (!str_ends_with(name, str_from_c(name_suffix)) ||
	    !hex_read((struct str) { name.data, name.size - sizeof(name_suffix) + 1 }, bytes, sizeof(bytes)))
		return false;
	*number = 0;
	for (size_t i = 0; i < sizeof(bytes); i++)
		*number = *number << 8 | bytes[i];
	return true;
}
