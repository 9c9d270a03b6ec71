/* Keys and certificates for the tests of signatures, made when they run. */
#ifndef PASSERELLE_TESTS_SIGNATURE_SUPPORT_H
#define PASSERELLE_TESTS_SIGNATURE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/run/clock.h"
#include "gateway/run/signatures.h"
#include "mappers/base/buf.h"

static char key_directory[] = "/tmp/passerelle-keys-XXXXXX";

struct key_files {
	char key[128];
	char certificate[128];
};

static inline EVP_PKEY *key_make(const char *kind)
{
	if (strcmp(kind, "RSA") == 0)
		return EVP_RSA_gen(2048);
	if (strcmp(kind, "RSA1024") == 0)
		return EVP_RSA_gen(1024);
	return EVP_EC_gen("P-256");
}

/* A self-signed certificate, valid from begin to end (seconds from now). */
static inline struct key_files key_files_make(const char *name, const char *kind, long begin, long end)
{
	struct key_files files;
	EVP_PKEY *key = key_make(kind);
	X509 *certificate = X509_new();
	FILE *file;

	assert_non_null(key);
	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), begin);
	X509_gmtime_adj(X509_getm_notAfter(certificate), end);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)name,
				   -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	snprintf(files.key, sizeof files.key, "%s/%s.key", key_directory, name);
	snprintf(files.certificate, sizeof files.certificate, "%s/%s.pem", key_directory, name);
	file = fopen(files.key, "we");
	assert_true(file && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(file) == 0);
	file = fopen(files.certificate, "we");
	assert_true(file && PEM_write_X509(file, certificate) == 1 && fclose(file) == 0);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return files;
}

static inline void key_files_drop(const struct key_files *files)
{
	unlink(files->key);
	unlink(files->certificate);
}

/* The time of day as the test wants it. */
static int64_t fixed_ms = 1790000000000;

static inline int64_t fixed_wall_ms(void)
{
	return fixed_ms;
}

static inline uint64_t fixed_monotonic_us(void)
{
	return 1000000;
}

static inline void clock_fix(void)
{
	static const struct clock_source source = { fixed_monotonic_us, fixed_wall_ms };

	clock_replace(&source);
}

#endif
