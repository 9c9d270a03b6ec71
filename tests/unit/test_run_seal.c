#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include <openssl/evp.h>

#include "gateway/run/seal.h"

static const struct seal_key old_key = { 1, { "0123456789abcdef0123456789abcdef", 32 } };
static const struct seal_key new_key = { 2, { "fedcba9876543210fedcba9876543210", 32 } };
static const uint8_t uuid[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255 };

static void test_seal__ids_open_and_have_fhir_form(void **state)
{
	struct seal *seal = seal_new(STR("demo"), &old_key, 1);
	char id[SEAL_ID_SIZE];
	char again[SEAL_ID_SIZE];
	uint8_t source;
	uint8_t opened[16];

	(void)state;
	assert_non_null(seal);
	for (unsigned kind = 0; kind < SEAL_KIND_COUNT; kind++) {
		assert_true(seal_id(seal, kind, 3, uuid, id));
		assert_true(seal_id(seal, kind, 3, uuid, again));
		assert_string_equal(id, again);
		assert_true(strlen(id) <= 64);
		assert_int_equal(strspn(id, "abcdefghijklmnopqrstuvwxyz234567"), strlen(id));
		assert_true(seal_id_open(seal, kind, str_from_c(id), &source, opened));
		assert_int_equal(source, 3);
		assert_memory_equal(opened, uuid, 16);
		for (unsigned other = 0; other < SEAL_KIND_COUNT; other++)
			assert_int_equal(seal_id_open(seal, other, str_from_c(id), &source, opened), other == kind);
	}
	seal_free(seal);
}

static void test_seal__nothing_else_opens(void **state)
{
	struct seal *seal = seal_new(STR("demo"), &old_key, 1);
	struct seal *tenant = seal_new(STR("demo2"), &old_key, 1);
	struct seal_key same_number = { 1, new_key.secret };
	struct seal *deployment = seal_new(STR("demo"), &same_number, 1);
	char id[SEAL_ID_SIZE];
	uint8_t source;
	uint8_t opened[16];

	(void)state;
	assert_true(seal_id(seal, SEAL_BINARY, 0, uuid, id));
	assert_false(seal_id_open(tenant, SEAL_BINARY, str_from_c(id), &source, opened));
	assert_false(seal_id_open(deployment, SEAL_BINARY, str_from_c(id), &source, opened));
	size_t size = strlen(id);

	/* Every other letter in every place: also the spare bits of the last one. */
	for (size_t i = 0; i < size; i++) {
		char kept = id[i];

		for (const char *c = "abcdefghijklmnopqrstuvwxyz234567AZ019-. \xff"; *c; c++) {
			id[i] = *c;
			assert_int_equal(seal_id_open(seal, SEAL_BINARY, (struct str) { id, size }, &source, opened),
					 *c == kept);
		}
		id[i] = kept;
		assert_false(seal_id_open(seal, SEAL_BINARY, (struct str) { id, i }, &source, opened));
	}
	char longer[SEAL_ID_SIZE + 10];

	memset(longer, 'a', sizeof longer);
	memcpy(longer, id, size);
	for (size_t i = size + 1; i <= sizeof longer; i++)
		assert_false(seal_id_open(seal, SEAL_BINARY, (struct str) { longer, i }, &source, opened));
	seal_free(seal);
	seal_free(tenant);
	seal_free(deployment);
}

static void test_seal__keys_rotate(void **state)
{
	const struct seal_key both[] = { new_key, old_key };
	const struct seal_key twice[] = { new_key, { 2, old_key.secret } };
	const struct seal_key brief = { 1, { "short", 5 } };
	struct seal *before = seal_new(STR("t"), &old_key, 1);
	struct seal *during = seal_new(STR("t"), both, 2);
	struct seal *after = seal_new(STR("t"), &new_key, 1);
	char old_id[SEAL_ID_SIZE];
	char new_id[SEAL_ID_SIZE];
	uint8_t source;
	uint8_t opened[16];

	(void)state;
	assert_true(seal_id(before, SEAL_LIST, 0, uuid, old_id));
	assert_true(seal_id(during, SEAL_LIST, 0, uuid, new_id));
	assert_string_not_equal(old_id, new_id);
	assert_true(seal_id_open(during, SEAL_LIST, str_from_c(old_id), &source, opened));
	assert_true(seal_id_open(during, SEAL_LIST, str_from_c(new_id), &source, opened));
	assert_true(seal_id_open(after, SEAL_LIST, str_from_c(new_id), &source, opened));
	assert_false(seal_id_open(after, SEAL_LIST, str_from_c(old_id), &source, opened));
	assert_null(seal_new(STR("t"), twice, 2));
	assert_null(seal_new(STR("t"), &brief, 1));
	assert_null(seal_new(STR("t"), NULL, 0));
	seal_free(before);
	seal_free(during);
	seal_free(after);
	seal_free(NULL);
}

static void test_seal__patients_come_back(void **state)
{
	static const struct {
		const char *value;
		bool fits;
	} cases[] = {
		{ "1", true },
		{ "IHEBLUE-1001", true },
		{ "1893120105732", true },
		{ "1234567890123456789012", true },
		{ "12345678901234567890123", false },
		{ "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", true },
		{ "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", false },
		{ "f81d4fae-7dec-11d0-a765-00a0c91e6bfg", false },
		{ "f81d4fae-7dec-11d0-a765_00a0c91e6bf6", false },
		{ "caf\xc3\xa9", true },
		{ "", false },
	};
	struct seal *seal = seal_new(STR("demo"), &old_key, 1);
	struct arena *arena = arena_new(1 << 20);
	char id[SEAL_ID_SIZE];
	struct str value;
	uint8_t authority;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct str in = str_from_c(cases[i].value);

		assert_int_equal(seal_patient(seal, 127, in, id), cases[i].fits);
		if (!cases[i].fits)
			continue;
		assert_true(strlen(id) <= 64);
		assert_true(seal_patient_open(seal, str_from_c(id), arena, &authority, &value));
		assert_int_equal(authority, 127);
		assert_true(str_equal(value, in));
		assert_null(strstr(id, cases[i].value + 1 - (in.size == 1)));
	}
	assert_false(seal_patient(seal, 128, STR("1"), id));
	assert_true(seal_id(seal, SEAL_BINARY, 0, uuid, id));
	assert_false(seal_patient_open(seal, str_from_c(id), arena, &authority, &value));
	arena_free(arena);
	seal_free(seal);
}

static void test_seal__tokens_come_back(void **state)
{
	struct seal *seal = seal_new(STR("demo"), &old_key, 1);
	struct arena *arena = arena_new(1 << 20);
	static char plain[4096];
	struct str token;
	struct str opened;

	(void)state;
	for (size_t i = 0; i < sizeof plain; i++)
		plain[i] = (char)i;
	for (size_t size = 1; size <= sizeof plain; size = size < 20 ? size + 1 : size * 2 - 1) {
		assert_true(seal_token(seal, SEAL_CURSOR, (struct str) { plain, size }, arena, &token));
		assert_int_equal(strspn(token.data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
				 token.size);
		assert_true(seal_token_open(seal, SEAL_CURSOR, token, arena, &opened));
		assert_true(str_equal(opened, (struct str) { plain, size }));
		assert_false(seal_token_open(seal, SEAL_LIST, token, arena, &opened));
		token.size--;
		assert_false(seal_token_open(seal, SEAL_CURSOR, token, arena, &opened));
	}
	assert_false(seal_token(seal, SEAL_CURSOR, STR(""), arena, &token));
	assert_false(seal_token_open(seal, SEAL_CURSOR, STR(""), arena, &opened));
	assert_false(seal_token_open(seal, SEAL_CURSOR, STR("A"), arena, &opened));
	arena_free(arena);
	seal_free(seal);
}

/* The cipher is the standard's: vector of RFC 5297 A.1, by the same calls (key 32 bytes there). */
static void test_seal__cipher_is_rfc_5297(void **state)
{
	static const unsigned char key[32] = { 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8, 0xf7, 0xf6, 0xf5,
					       0xf4, 0xf3, 0xf2, 0xf1, 0xf0, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5,
					       0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff };
	static const unsigned char ad[24] = { 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b,
					      0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27 };
	static const unsigned char plain[14] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
						 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee };
	static const unsigned char expected[30] = { 0x85, 0x63, 0x2d, 0x07, 0xc6, 0xe8, 0xf3, 0x7f, 0x95, 0x0a,
						    0xcd, 0x32, 0x0a, 0x2e, 0xcc, 0x93, 0x40, 0xc0, 0x2b, 0x96,
						    0x90, 0xc4, 0xdc, 0x04, 0xda, 0xef, 0x7f, 0x6a, 0xfe, 0x5c };
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-128-SIV", NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	unsigned char out[30];
	int written;

	(void)state;
	assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, key, NULL, NULL), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &written, ad, sizeof ad), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, out + 16, &written, plain, sizeof plain), 1);
	assert_int_equal(EVP_EncryptFinal_ex(ctx, out, &written), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out), 1);
	assert_memory_equal(out, expected, sizeof expected);
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seal__ids_open_and_have_fhir_form),
		cmocka_unit_test(test_seal__nothing_else_opens),
		cmocka_unit_test(test_seal__keys_rotate),
		cmocka_unit_test(test_seal__patients_come_back),
		cmocka_unit_test(test_seal__tokens_come_back),
		cmocka_unit_test(test_seal__cipher_is_rfc_5297),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
