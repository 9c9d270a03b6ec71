#include "gateway/http/tls.h"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/run/file.h"
#include "gateway/run/log.h"
#include "mappers/base/hex.h"

#define TEXTS_BYTES_MAX     ((size_t)4 * 1024 * 1024)
#define FILE_BYTES_MAX      ((size_t)1024 * 1024)
#define HANDSHAKE_BYTES_MAX ((size_t)64 * 1024) /* one message: a chain of certificates is the longest */
#define SHA256_BYTES        32

static gnutls_datum_t datum_of(struct str text)
{
	union {
		const char *in;
		unsigned char *out;
	} data = { .in = text.data }; /* GnuTLS takes a pointer to non-const and does not write to it */

	return (gnutls_datum_t) { data.out, (unsigned)text.size };
}

/* The files of a listener as text: PEM. */
struct texts {
	struct str certificate;
	struct str key;
	struct str client_ca; /* absent unless clients are asked for certificates */
};

struct tls_identity {
	gnutls_certificate_credentials_t credentials;
	unsigned char mark[SHA256_BYTES]; /* of the texts it was made of */
	_Atomic unsigned owners;
};

static const char *section_of(const struct server_tls *tls)
{
	return tls->section ? tls->section : "tls";
}

static bool text_read(const struct server_tls *tls, const char *key, const char *path, struct arena *arena,
		      struct str *text, struct outcome *outcome)
{
	char whole[64];

	snprintf(whole, sizeof(whole), "%s.%s", section_of(tls), key);
	return file_read_for(whole, path, FILE_BYTES_MAX, arena, text, outcome);
}

static bool texts_read(const struct server_tls *tls, struct arena *arena, struct texts *texts, struct outcome *outcome)
{
	return text_read(tls, "certificate_file", tls->certificate_file, arena, &texts->certificate, outcome) &&
	       text_read(tls, "key_file", tls->key_file, arena, &texts->key, outcome) &&
	       (tls->client == TLS_CLIENT_NONE ||
		text_read(tls, "client_ca_file", tls->client_ca_file, arena, &texts->client_ca, outcome));
}

static void text_wipe(struct str text)
{
	gnutls_datum_t data = datum_of(text);

	if (data.data)
		explicit_bzero(data.data, data.size);
}

static bool out_of_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

static bool texts_mark(const struct texts *texts, unsigned char mark[SHA256_BYTES])
{
	const struct str all[] = { texts->certificate, texts->key, texts->client_ca };
	gnutls_hash_hd_t hash;
	bool good = true;

	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) != GNUTLS_E_SUCCESS)
		return false;
	for (size_t i = 0; i < COUNT_OF(all) && good; i++)
		good = gnutls_hash(hash, &all[i].size, sizeof(all[i].size)) == GNUTLS_E_SUCCESS &&
		       (all[i].size == 0 || gnutls_hash(hash, all[i].data, all[i].size) == GNUTLS_E_SUCCESS);
	gnutls_hash_deinit(hash, mark);
	return good;
}

/* The operator reads which file is wrong. */
static bool texts_take(const struct server_tls *tls, const struct texts *texts, struct tls_identity *identity,
		       struct outcome *outcome)
{
	gnutls_datum_t certificate = datum_of(texts->certificate);
	gnutls_datum_t key = datum_of(texts->key);
	gnutls_datum_t client_ca = datum_of(texts->client_ca);
	int code = gnutls_certificate_set_x509_key_mem(identity->credentials, &certificate, &key, GNUTLS_X509_FMT_PEM);

	if (code < 0)
		return outcome_add(outcome, ERR_VALUE_INVALID, section_of(tls),
				   "%s and %s cannot be used (%s): name a PEM certificate and its own PEM private key.",
				   tls->certificate_file, tls->key_file, gnutls_strerror(code));
	if (client_ca.data &&
	    gnutls_certificate_set_x509_trust_mem(identity->credentials, &client_ca, GNUTLS_X509_FMT_PEM) <= 0)
		return outcome_add(outcome, ERR_VALUE_INVALID, section_of(tls),
				   "%s has no certificate in it: name a PEM file.", tls->client_ca_file);
	return texts_mark(texts, identity->mark) || out_of_memory(outcome);
}

static struct tls_identity *identity_new(void)
{
	struct tls_identity *identity = calloc(1, sizeof(*identity));

	if (!identity)
		return NULL;
	identity->owners = 1;
	if (gnutls_certificate_allocate_credentials(&identity->credentials) == GNUTLS_E_SUCCESS)
		return identity;
	free(identity);
	return NULL;
}

struct tls_identity *tls_identity_read(const struct server_tls *tls, struct outcome *outcome)
{
	struct arena *arena = arena_new(TEXTS_BYTES_MAX);
	struct tls_identity *identity = arena ? identity_new() : NULL;
	struct texts texts = { 0 };
	bool ok;

	if (!identity) {
		arena_free(arena);
		out_of_memory(outcome);
		return NULL;
	}
	ok = texts_read(tls, arena, &texts, outcome) && texts_take(tls, &texts, identity, outcome);
	text_wipe(texts.key);
	arena_free(arena);
	if (ok)
		return identity;
	tls_identity_release(identity);
	return NULL;
}

struct tls_identity *tls_identity_keep(struct tls_identity *identity)
{
	atomic_fetch_add(&identity->owners, 1);
	return identity;
}

void tls_identity_release(struct tls_identity *identity)
{
	if (!identity || atomic_fetch_sub(&identity->owners, 1) > 1)
		return;
	gnutls_certificate_free_credentials(identity->credentials);
	free(identity);
}

bool tls_identity_same(const struct tls_identity *a, const struct tls_identity *b)
{
	return memcmp(a->mark, b->mark, sizeof(a->mark)) == 0;
}

bool server_tls_check(const struct server_tls *tls, struct outcome *outcome)
{
	struct tls_identity *identity;

	if (!tls->certificate_file || !tls->certificate_file[0])
		return true;
	identity = tls_identity_read(tls, outcome);
	tls_identity_release(identity);
	return identity != NULL;
}

/* A NUL in a name means one thing to who reads to the end and another to who does not. Strings of 16 and 32 bits a
 * character (tags 30 and 28 of ASN.1) are full of them. */
static bool has_nul(gnutls_x509_dn_t name)
{
	gnutls_x509_ava_st part;

	for (int i = 0; gnutls_x509_dn_get_rdn_ava(name, i, 0, &part) == GNUTLS_E_SUCCESS; i++) {
		for (int k = 0; gnutls_x509_dn_get_rdn_ava(name, i, k, &part) == GNUTLS_E_SUCCESS; k++) {
			if (part.value_tag != 28 && part.value_tag != 30 &&
			    memchr(part.value.data, '\0', part.value.size))
				return true;
		}
	}
	return false;
}

/* Whether both names can be relied on. */
static bool names_good(gnutls_x509_crt_t certificate)
{
	gnutls_x509_dn_t subject;
	gnutls_x509_dn_t issuer;

	return gnutls_x509_crt_get_subject(certificate, &subject) == GNUTLS_E_SUCCESS &&
	       gnutls_x509_crt_get_issuer(certificate, &issuer) == GNUTLS_E_SUCCESS && !has_nul(subject) &&
	       !has_nul(issuer);
}

static struct tls_certificate *certificate_new(gnutls_x509_crt_t certificate)
{
	struct tls_certificate *made = NULL;
	gnutls_datum_t subject = { 0 };
	gnutls_datum_t issuer = { 0 };

	if (gnutls_x509_crt_get_dn3(certificate, &subject, 0) == GNUTLS_E_SUCCESS &&
	    gnutls_x509_crt_get_issuer_dn3(certificate, &issuer, 0) == GNUTLS_E_SUCCESS)
		made = calloc(1, sizeof(*made) + subject.size + issuer.size + 2);
	if (made) {
		memcpy(made->names, subject.data, subject.size);
		memcpy(made->names + subject.size + 1, issuer.data, issuer.size);
	}
	gnutls_free(subject.data);
	gnutls_free(issuer.data);
	return made;
}

/* NULL without memory, and for a certificate that cannot be relied on. */
static struct tls_certificate *certificate_describe(const gnutls_datum_t *der)
{
	struct tls_certificate *made = NULL;
	unsigned char hash[SHA256_BYTES];
	size_t hash_size = sizeof(hash);
	gnutls_x509_crt_t certificate;

	if (gnutls_x509_crt_init(&certificate) != GNUTLS_E_SUCCESS)
		return NULL;
	if (gnutls_x509_crt_import(certificate, der, GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS &&
	    gnutls_fingerprint(GNUTLS_DIG_SHA256, der, hash, &hash_size) == GNUTLS_E_SUCCESS && names_good(certificate))
		made = certificate_new(certificate);
	if (made)
		hex_write(hash, sizeof(hash), made->sha256);
	gnutls_x509_crt_deinit(certificate);
	return made;
}

/* What is wrong with the certificates that the client showed; NULL when nothing is. */
static const char *client_wrong(gnutls_session_t session, unsigned *status)
{
	char for_clients[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)for_clients };

	if (gnutls_certificate_type_get(session) == GNUTLS_CRT_X509 &&
	    gnutls_certificate_verify_peers(session, &purpose, 1, status) == GNUTLS_E_SUCCESS && *status == 0)
		return NULL;
	if (*status & GNUTLS_CERT_EXPIRED)
		return "expired";
	if (*status & GNUTLS_CERT_NOT_ACTIVATED)
		return "not yet valid";
	if (*status & GNUTLS_CERT_PURPOSE_MISMATCH)
		return "not for clients";
	if (*status & GNUTLS_CERT_INSECURE_ALGORITHM)
		return "signed with a weak algorithm or key";
	return "not of a configured authority";
}

/* Runs in the handshake, when the client has shown its certificates or none. What is not trusted ends it: a certificate
 * that was accepted and ignored would be taken for an identity sooner or later. */
static int client_verify(gnutls_session_t session)
{
	struct tls_context *context = gnutls_db_get_ptr(session);
	unsigned count = 0;
	unsigned status = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);

	if (!chain || count == 0)
		return 0; /* whether one must be shown, tls_begin has said */
	const char *why = client_wrong(session, &status);

	if (!why) {
		free(context->certificate);
		context->certificate = certificate_describe(&chain[0]);
		if (context->certificate)
			return 0;
		why = "with unusable names";
	}
	LOG(WARN, LOG_HTTP_ERROR, NULL, LOG_C("server", context->server), LOG_C("client_certificate", why),
	    LOG_NUMBER("status", status), LOG_C("peer", context->peer));
	if (context->untrusted)
		context->untrusted(context->ctx, str_from_c(context->peer), why);
	gnutls_alert_send(session, GNUTLS_AL_FATAL, GNUTLS_A_BAD_CERTIFICATE);
	return GNUTLS_E_CERTIFICATE_ERROR;
}

void tls_begin(gnutls_session_t session, enum tls_client client, const struct tls_identity *identity,
	       struct tls_context *context)
{
	/* In the place of libmicrohttpd's, which have no certificate: without memory the handshake fails. */
	(void)gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, identity->credentials);
	gnutls_handshake_set_max_packet_length(session, HANDSHAKE_BYTES_MAX);
	gnutls_certificate_server_set_request(session, client == TLS_CLIENT_REQUIRED   ? GNUTLS_CERT_REQUIRE
						       : client == TLS_CLIENT_OPTIONAL ? GNUTLS_CERT_REQUEST
										       : GNUTLS_CERT_IGNORE);
	/* libmicrohttpd keeps the session's own pointer for itself; there is no store of sessions to resume, whose
	 * pointer this is. */
	gnutls_db_set_ptr(session, context);
	gnutls_session_set_verify_function(session, client_verify);
}

static size_t certificate_size(const struct tls_certificate *certificate)
{
	size_t subject = strlen(certificate->names) + 1;

	return sizeof(*certificate) + subject + strlen(certificate->names + subject) + 1;
}

struct tls_certificate *tls_certificate_copy(const struct tls_certificate *certificate)
{
	size_t size = certificate_size(certificate);
	struct tls_certificate *copy = malloc(size);

	if (copy)
		memcpy(copy, certificate, size);
	return copy;
}

bool tls_send_last(gnutls_session_t session, struct str bytes)
{
	while (bytes.size > 0) {
		/* The socket does not block: what it does not take now, it will not take. */
		ssize_t sent = gnutls_record_send(session, bytes.data, bytes.size);

		if (sent <= 0)
			return false;
		bytes = str_from(bytes, (size_t)sent);
	}
	return gnutls_bye(session, GNUTLS_SHUT_WR) == GNUTLS_E_SUCCESS;
}
