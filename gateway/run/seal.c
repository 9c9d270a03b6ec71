#include "gateway/run/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "gateway/run/hkdf.h"
#include "mappers/base/uuid.h"

#define SIV_KEY_BYTES   64 /* AES-256-SIV: two keys of 32 bytes (RFC 5297 2.2) */
#define TAG_BYTES       16
#define HEAD_BYTES      (1 + TAG_BYTES) /* number of the key, tag */
#define PLACE_BYTES     17              /* source, UUID */
#define TOKEN_PLAIN_MAX 4096
#define KEYS_MAX        16

/* First byte of a patient's plain text: how the value is written. */
enum patient_form { PATIENT_AS_IS, PATIENT_UUID };

struct seal_part {
	uint8_t id;
	EVP_CIPHER_CTX *sealing[SEAL_KIND_COUNT]; /* keyed once, copied for each use: keying costs more than sealing */
	EVP_CIPHER_CTX *opening[SEAL_KIND_COUNT];
};

struct seal {
	EVP_CIPHER *cipher;
	size_t part_count;
	struct seal_part parts[KEYS_MAX];
};

static const char *const kind_names[SEAL_KIND_COUNT] = {
	[SEAL_DOCUMENT_REFERENCE] = "DocumentReference",
	[SEAL_LIST] = "List",
	[SEAL_BINARY] = "Binary",
	[SEAL_PATIENT] = "Patient",
	[SEAL_CURSOR] = "cursor",
	[SEAL_TASK] = "Task",
};

/* A key of its own for each tenant and kind, so that nothing sealed for one opens for another. */
static bool derive(struct str secret, struct str tenant, enum seal_kind kind, unsigned char key[SIV_KEY_BYTES])
{
	char info[300];
	size_t name_size = strlen(kind_names[kind]);
	/* "kind NUL tenant": no kind's name is the beginning of another's followed by NUL. */
	size_t info_size = name_size + 1 + tenant.size;

	if (info_size > sizeof info)
		return false;
	memcpy(info, kind_names[kind], name_size + 1);
	memcpy(info + name_size + 1, tenant.data ? tenant.data : "", tenant.size);
	return hkdf_sha256(secret, STR("passerelle id 1"), (struct str) { info, info_size }, key, SIV_KEY_BYTES);
}

static EVP_CIPHER_CTX *keyed(const struct seal *seal, const unsigned char *key, int encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx && EVP_CipherInit_ex2(ctx, seal->cipher, key, NULL, encrypt, NULL) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

static bool part_make(const struct seal *seal, struct str tenant, const struct seal_key *from, struct seal_part *part)
{
	unsigned char key[SIV_KEY_BYTES];
	bool ok = from->secret.size >= SEAL_KEY_BYTES_MIN;

	part->id = from->id;
	for (unsigned kind = 0; kind < SEAL_KIND_COUNT && ok; kind++) {
		ok = derive(from->secret, tenant, (enum seal_kind)kind, key);
		if (!ok)
			break;
		part->sealing[kind] = keyed(seal, key, 1);
		part->opening[kind] = keyed(seal, key, 0);
		ok = part->sealing[kind] && part->opening[kind];
	}
	OPENSSL_cleanse(key, sizeof key);
	return ok;
}

struct seal *seal_new(struct str tenant, const struct seal_key *keys, size_t key_count)
{
	if (key_count == 0 || key_count > KEYS_MAX)
		return NULL;
	for (size_t i = 0; i < key_count; i++) {
		for (size_t k = i + 1; k < key_count; k++) {
			if (keys[i].id == keys[k].id)
				return NULL;
		}
	}
	struct seal *seal = calloc(1, sizeof *seal);

	if (!seal)
		return NULL;
	seal->part_count = key_count;
	seal->cipher = EVP_CIPHER_fetch(NULL, "AES-256-SIV", NULL);
	bool ok = seal->cipher != NULL;

	for (size_t i = 0; i < key_count && ok; i++)
		ok = part_make(seal, tenant, &keys[i], &seal->parts[i]);
	if (ok)
		return seal;
	seal_free(seal);
	return NULL;
}

void seal_free(struct seal *seal)
{
	if (!seal)
		return;
	for (size_t i = 0; i < seal->part_count; i++) {
		for (size_t kind = 0; kind < SEAL_KIND_COUNT; kind++) {
			EVP_CIPHER_CTX_free(seal->parts[i].sealing[kind]);
			EVP_CIPHER_CTX_free(seal->parts[i].opening[kind]);
		}
	}
	EVP_CIPHER_free(seal->cipher);
	free(seal);
}

/* plain -> number of the key, tag, cipher text; out has HEAD_BYTES more than plain. The same plain text always gives
 * the same bytes: that is what SIV is for, and why ids are stable. */
static bool seal_bytes(const struct seal *seal, enum seal_kind kind, const unsigned char *plain, size_t size,
		       unsigned char *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int written = 0;

	out[0] = seal->parts[0].id;
	bool ok = ctx && EVP_CIPHER_CTX_copy(ctx, seal->parts[0].sealing[kind]) == 1 &&
		  EVP_EncryptUpdate(ctx, out + HEAD_BYTES, &written, plain, (int)size) == 1 && written == (int)size &&
		  EVP_EncryptFinal_ex(ctx, out + HEAD_BYTES + size, &written) == 1 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, out + 1) == 1;

	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

/* The reverse; plain has HEAD_BYTES less than sealed. */
static bool open_bytes(const struct seal *seal, enum seal_kind kind, const unsigned char *sealed, size_t size,
		       unsigned char *plain)
{
	const struct seal_part *part = NULL;
	unsigned char tag[TAG_BYTES];
	int written = 0;

	for (size_t i = 0; i < seal->part_count; i++) {
		if (size > HEAD_BYTES && seal->parts[i].id == sealed[0])
			part = &seal->parts[i];
	}
	if (!part)
		return false;
	memcpy(tag, sealed + 1, TAG_BYTES);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = ctx && EVP_CIPHER_CTX_copy(ctx, part->opening[kind]) == 1 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
		  EVP_DecryptUpdate(ctx, plain, &written, sealed + HEAD_BYTES, (int)(size - HEAD_BYTES)) == 1 &&
		  written == (int)(size - HEAD_BYTES) && EVP_DecryptFinal_ex(ctx, plain + written, &written) == 1;

	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

/* Bits to letters, most significant first: 5 at a time for base32 (RFC 4648 6, lower case), 6 for base64url. */
static size_t encode(const unsigned char *bytes, size_t size, const char *letters, unsigned width, char *out)
{
	uint32_t bits = 0;
	unsigned held = 0;
	size_t count = 0;

	for (size_t i = 0; i < size; i++) {
		bits = (bits << 8 | bytes[i]) & 0xFFFF;
		for (held += 8; held >= width; held -= width)
			out[count++] = letters[(bits >> (held - width)) & ((1U << width) - 1)];
	}
	if (held)
		out[count++] = letters[(bits << (width - held)) & ((1U << width) - 1)];
	return count;
}

/* The reverse: strict, so that each sealed thing has one spelling. False for a foreign letter, a length that no bytes
 * have, or bits beyond the last byte. */
static bool decode(struct str text, const char *letters, unsigned width, unsigned char *bytes, size_t *size)
{
	uint32_t bits = 0;
	unsigned held = 0;
	size_t count = 0;

	for (size_t i = 0; i < text.size; i++) {
		const char *at = text.data[i] ? strchr(letters, text.data[i]) : NULL;

		if (!at)
			return false;
		bits = (bits << width | (uint32_t)(at - letters)) & 0xFFFF;
		held += width;
		if (held >= 8) {
			held -= 8;
			bytes[count++] = (unsigned char)(bits >> held);
		}
	}
	*size = count;
	return held < width && (bits & ((1U << held) - 1)) == 0;
}

static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool seal_id(const struct seal *seal, enum seal_kind kind, uint8_t source, const uint8_t uuid[16],
	     char id[SEAL_ID_SIZE])
{
	unsigned char plain[PLACE_BYTES];
	unsigned char sealed[HEAD_BYTES + PLACE_BYTES];

	plain[0] = source;
	memcpy(plain + 1, uuid, 16);
	if (!seal_bytes(seal, kind, plain, sizeof plain, sealed))
		return false;
	id[encode(sealed, sizeof sealed, base32, 5, id)] = '\0';
	return true;
}

bool seal_id_open(const struct seal *seal, enum seal_kind kind, struct str id, uint8_t *source, uint8_t uuid[16])
{
	unsigned char sealed[SEAL_ID_SIZE];
	unsigned char plain[SEAL_ID_SIZE];
	size_t size;

	if (id.size >= SEAL_ID_SIZE || !decode(id, base32, 5, sealed, &size) || size != HEAD_BYTES + PLACE_BYTES ||
	    !open_bytes(seal, kind, sealed, size, plain))
		return false;
	*source = plain[0];
	memcpy(uuid, plain + 1, 16);
	return true;
}

/* Packs a UUID as uuid_unpack writes it, with lower-case digits: as text it would not fit as a patient id. */
static bool uuid_pack(struct str text, unsigned char uuid[16])
{
	char urn[UUID_URN_SIZE];

	if (!uuid_read(text, uuid))
		return false;
	uuid_write(uuid, urn);
	return str_equal(text, str_from_c(urn + sizeof "urn:uuid:" - 1));
}

static struct str uuid_unpack(const unsigned char *uuid, struct arena *arena)
{
	char urn[UUID_URN_SIZE];

	uuid_write(uuid, urn);
	return arena_copy(arena, str_from_c(urn + sizeof "urn:uuid:" - 1));
}

/* 40 bytes make 64 letters: key number 1, tag 16, form and authority 1, value 22. */
bool seal_patient(const struct seal *seal, uint8_t authority, struct str value, char id[SEAL_ID_SIZE])
{
	unsigned char plain[1 + SEAL_PATIENT_MAX];
	unsigned char sealed[HEAD_BYTES + 1 + SEAL_PATIENT_MAX];
	size_t size = value.size;

	if (size == 0 || authority > SEAL_AUTHORITY_MAX)
		return false;
	if (uuid_pack(value, plain + 1)) {
		plain[0] = (unsigned char)(PATIENT_UUID << 7 | authority);
		size = 16;
	} else if (size <= SEAL_PATIENT_MAX) {
		plain[0] = (unsigned char)(PATIENT_AS_IS << 7 | authority);
		memcpy(plain + 1, value.data, size);
	} else {
		return false;
	}
	if (!seal_bytes(seal, SEAL_PATIENT, plain, 1 + size, sealed))
		return false;
	id[encode(sealed, HEAD_BYTES + 1 + size, base32, 5, id)] = '\0';
	return true;
}

bool seal_patient_open(const struct seal *seal, struct str id, struct arena *arena, uint8_t *authority,
		       struct str *value)
{
	unsigned char sealed[SEAL_ID_SIZE];
	unsigned char plain[SEAL_ID_SIZE];
	size_t size;

	if (id.size >= SEAL_ID_SIZE || !decode(id, base32, 5, sealed, &size) || size < HEAD_BYTES + 2 ||
	    !open_bytes(seal, SEAL_PATIENT, sealed, size, plain))
		return false;
	struct str as_is = { (const char *)plain + 1, size - HEAD_BYTES - 1 };
	bool is_uuid = plain[0] >> 7 == PATIENT_UUID;

	*authority = plain[0] & SEAL_AUTHORITY_MAX;
	*value = is_uuid ? uuid_unpack(plain + 1, arena) : arena_copy(arena, as_is);
	return value->data != NULL;
}

bool seal_token(const struct seal *seal, enum seal_kind kind, struct str plain, struct arena *arena, struct str *token)
{
	if (plain.size == 0 || plain.size > TOKEN_PLAIN_MAX)
		return false;
	size_t size = plain.size + HEAD_BYTES;
	unsigned char *sealed = arena_alloc(arena, size);
	char *text = arena_alloc(arena, size * 4 / 3 + 4);

	if (!sealed || !text || !seal_bytes(seal, kind, (const unsigned char *)plain.data, plain.size, sealed))
		return false;
	*token = (struct str) { text, encode(sealed, size, base64url, 6, text) };
	return true;
}

bool seal_token_open(const struct seal *seal, enum seal_kind kind, struct str token, struct arena *arena,
		     struct str *plain)
{
	size_t size;

	if (token.size > (TOKEN_PLAIN_MAX + HEAD_BYTES) * 4 / 3 + 4)
		return false;
	unsigned char *sealed = arena_alloc(arena, token.size + 1);
	char *text = arena_alloc(arena, token.size + 1);

	if (!sealed || !text || !decode(token, base64url, 6, sealed, &size) ||
	    !open_bytes(seal, kind, sealed, size, (unsigned char *)text))
		return false;
	*plain = (struct str) { text, size - HEAD_BYTES };
	return true;
}
