#include "gateway/soap/saml_verify.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/run/file.h"
#include "gateway/soap/saml_document.h"
#include "gateway/soap/saml_seen.h"
#include "gateway/soap/saml_signature.h"

#include <xmlsec/openssl/evp.h>

#define FILE_BYTES_MAX ((size_t)256 * 1024)
#define LIFETIME_MAX_S (24 * 3600)
#define RSA_BITS_MIN   2048
#define CURVE_BITS_MIN 256

/* A certificate that is believed, for one issuer. */
struct anchor {
	struct str issuer;
	X509 *certificate;
	xmlSecKeyPtr key;
};

struct saml_verifier {
	struct saml_verifier_options options;
	struct anchor *anchors;
	size_t anchor_count;
	struct saml_seen *seen;
};

/* --- the certificates --- */

static bool key_is_strong(X509 *certificate)
{
	EVP_PKEY *key = X509_get0_pubkey(certificate);
	int kind = key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;

	return (kind == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN) ||
	       (kind == EVP_PKEY_EC && EVP_PKEY_get_bits(key) >= CURVE_BITS_MIN);
}

static xmlSecKeyPtr key_of(X509 *certificate)
{
	EVP_PKEY *key = X509_get_pubkey(certificate);
	xmlSecKeyDataPtr data = key ? xmlSecOpenSSLEvpKeyAdopt(key) : NULL;
	xmlSecKeyPtr made = data ? xmlSecKeyCreate() : NULL;

	if (!data)
		EVP_PKEY_free(key);
	if (made && xmlSecKeySetValue(made, data) >= 0)
		return made;
	if (data)
		xmlSecKeyDataDestroy(data);
	if (made)
		xmlSecKeyDestroy(made);
	return NULL;
}

static bool anchor_open(const struct saml_verifier_options *options, size_t index, struct anchor *anchor,
			struct outcome *outcome)
{
	const struct saml_issuer *issuer = &options->issuers[index];
	size_t first = outcome->count;
	char key[64] = "";
	struct arena *arena = arena_new(2 * FILE_BYTES_MAX);
	struct str text = STR_NONE;
	BIO *bio = NULL;

	if (!arena)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	if (options->key)
		snprintf(key, sizeof(key), "%s[%zu]", options->key, index);
	if (file_read_for(key, issuer->certificate_file, FILE_BYTES_MAX, arena, &text, outcome))
		bio = BIO_new_mem_buf(text.data, (int)text.size);
	anchor->issuer = issuer->name;
	anchor->certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	if (anchor->certificate && key_is_strong(anchor->certificate))
		anchor->key = key_of(anchor->certificate);
	BIO_free(bio);
	arena_free(arena);
	ERR_clear_error();
	if (anchor->key || outcome->count > first)
		return anchor->key != NULL;
	return outcome_add(outcome, ERR_VALUE_INVALID, key,
			   "%s: name a PEM file with a certificate for RSA (%d bits or more) or an elliptic curve "
			   "(%d or more).",
			   issuer->certificate_file, RSA_BITS_MIN, CURVE_BITS_MIN);
}

struct saml_verifier *saml_verifier_open(const struct saml_verifier_options *options, struct outcome *outcome)
{
	struct saml_verifier *verifier = calloc(1, sizeof(*verifier));
	bool good = verifier != NULL;

	if (verifier) {
		verifier->options = *options;
		verifier->anchors = calloc(options->issuer_count, sizeof(*verifier->anchors));
		verifier->seen = saml_seen_new(options->seen_max);
		good = verifier->anchors && verifier->seen;
	}
	if (!good)
		outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	for (size_t i = 0; good && i < options->issuer_count; i++) {
		good = anchor_open(options, i, &verifier->anchors[i], outcome);
		verifier->anchor_count = i + 1;
	}
	if (good)
		return verifier;
	saml_verifier_close(verifier);
	return NULL;
}

void saml_verifier_close(struct saml_verifier *verifier)
{
	if (!verifier)
		return;
	for (size_t i = 0; verifier->anchors && i < verifier->anchor_count; i++) {
		X509_free(verifier->anchors[i].certificate);
		if (verifier->anchors[i].key)
			xmlSecKeyDestroy(verifier->anchors[i].key);
	}
	saml_seen_free(verifier->seen);
	free(verifier->anchors);
	free(verifier);
}

static bool anchor_is_valid(const struct anchor *anchor, int64_t now_s)
{
	time_t now = (time_t)now_s;

	return X509_cmp_time(X509_get0_notBefore(anchor->certificate), &now) < 0 &&
	       X509_cmp_time(X509_get0_notAfter(anchor->certificate), &now) > 0;
}

/* --- the signature --- */

static enum saml_end refused(const char **why, const char *reason)
{
	*why = reason;
	return SAML_UNTRUSTED;
}

/* What was signed, if one of the issuer's certificates says so. */
static enum saml_end signature_check(const struct saml_verifier *verifier, const struct saml_presented *presented,
				     const struct saml_document *document, struct str issuer, struct str *signed_bytes,
				     const char **why)
{
	const char *reason = "an issuer that is not known";

	for (size_t i = 0; i < verifier->anchor_count; i++) {
		const struct anchor *anchor = &verifier->anchors[i];

		if (!str_equal(anchor->issuer, issuer))
			continue;
		if (!anchor_is_valid(anchor, presented->now_s)) {
			reason = "the issuer's configured certificate is not valid now";
			continue;
		}
		switch (saml_signature_verify(document->signature, anchor->key, presented->arena, signed_bytes)) {
		case SIGNATURE_GOOD:
			return SAML_GOOD;
		case SIGNATURE_NO_MEMORY:
			*why = "no memory";
			return SAML_BUSY;
		case SIGNATURE_BAD:
			reason = "a signature that is not right, or not by the issuer's configured certificate";
			break;
		}
	}
	return refused(why, reason);
}

/* The one assertion of the message, from the bytes that its signature covers. */
static enum saml_end assertion_read(const struct saml_verifier *verifier, const struct saml_presented *presented,
				    struct saml_document *document, struct saml_assertion *assertion, const char **why)
{
	xmlChar *issuer = saml_document_issuer(document);
	struct str signed_bytes = STR_NONE;
	struct outcome reading;
	enum saml_end end = SAML_BUSY;

	*why = "no memory";
	if (issuer && xmlAddID(NULL, document->tree, BAD_CAST document->id, document->id_attribute))
		end = signature_check(verifier, presented, document, str_from_c((const char *)issuer), &signed_bytes,
				      why);
	/* See what is signed: the Reference led to this element and no other. */
	if (end == SAML_GOOD && xmlGetID(document->tree, BAD_CAST document->id) != document->id_attribute)
		end = refused(why, "a signature of something else");
	if (end == SAML_GOOD) {
		outcome_init(&reading);
		if (!saml_assertion_read(signed_bytes, presented->arena, assertion, &reading)) {
			bool no_memory = reading.issues[0].code == ERR_NO_MEMORY;
			struct str text = arena_copy(presented->arena, str_from_c(reading.issues[0].text));

			*why = text.data ? text.data : "no memory";
			end = no_memory || !text.data ? SAML_BUSY : SAML_MALFORMED;
		} else if (!str_equal(assertion->id, str_from_c(document->id)) ||
			   !str_equal(assertion->issuer, str_from_c((const char *)issuer))) {
			end = refused(why, "a signature of something else");
		}
	}
	xmlFree(issuer);
	return end;
}

/* --- what it says of itself --- */

static bool is_one_of(struct str text, const struct str *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equal(text, items[i]))
			return true;
	}
	return false;
}

static enum saml_end conditions_check(const struct saml_verifier *verifier, const struct saml_assertion *assertion,
				      int64_t now_s, const char **why)
{
	const struct saml_verifier_options *options = &verifier->options;
	bool is_ours = false;

	if (assertion->not_on_or_after_s - assertion->not_before_s > LIFETIME_MAX_S)
		return refused(why, "a lifetime of more than a day");
	if (now_s + SAML_SKEW_S < assertion->not_before_s || now_s + SAML_SKEW_S < assertion->issued_s ||
	    (assertion->confirmed_from_s && now_s + SAML_SKEW_S < assertion->confirmed_from_s))
		return refused(why, "an assertion that is not valid yet");
	if (now_s - SAML_SKEW_S >= assertion->not_on_or_after_s ||
	    (assertion->confirmed_until_s && now_s - SAML_SKEW_S >= assertion->confirmed_until_s))
		return refused(why, "an assertion that has ended");
	for (size_t i = 0; i < assertion->audiences.count; i++)
		is_ours = is_ours ||
			  is_one_of(assertion->audiences.items[i], options->audiences, options->audience_count);
	if (!is_ours)
		return refused(why, "an assertion for another audience");
	if (assertion->recipient.size && !is_one_of(assertion->recipient, options->audiences, options->audience_count))
		return refused(why, "an assertion for another recipient");
	return SAML_GOOD;
}

static enum saml_end replay_check(struct saml_verifier *verifier, const struct saml_presented *presented,
				  const struct saml_assertion *assertion, const char **why)
{
	const struct saml_use use = { .issuer = assertion->issuer,
				      .id = assertion->id,
				      .message_id = presented->message_id,
				      .peer = presented->peer,
				      .one_time = assertion->one_time_use,
				      .until_s = assertion->not_on_or_after_s + SAML_SKEW_S + 1 };

	if (str_is_empty(presented->message_id))
		return refused(why, "a message without an id, which could come again");
	switch (saml_seen_use(verifier->seen, &use, presented->now_s)) {
	case SEEN_NEW:
		return SAML_GOOD;
	case SEEN_REPLAYED:
		return refused(why, "a message or an assertion for one time that came before");
	case SEEN_STRANGER:
		return refused(why, "an assertion that another peer has used");
	case SEEN_FULL:
		break;
	}
	*why = "too many assertions to remember";
	return SAML_BUSY;
}

enum saml_end saml_verify(struct saml_verifier *verifier, const struct saml_presented *presented,
			  struct saml_assertion *assertion, const char **why)
{
	struct saml_document document;
	struct saml_assertion read;
	enum saml_end end = SAML_MALFORMED;

	*why = NULL;
	if (saml_document_read(presented->message, &document)) {
		end = assertion_read(verifier, presented, &document, &read, why);
	} else {
		*why = document.no_memory ? "no memory" : document.why;
		if (document.no_memory)
			end = SAML_BUSY;
		else if (!document.has_security)
			end = SAML_ABSENT;
	}
	saml_document_free(&document);
	if (end == SAML_GOOD)
		end = conditions_check(verifier, &read, presented->now_s, why);
	if (end == SAML_GOOD)
		end = replay_check(verifier, presented, &read, why);
	if (end == SAML_GOOD)
		*assertion = read;
	return end;
}
