/* A SOAP message with an assertion before the strict verifier, and the same bytes as an assertion whose signature has
 * been verified. Nobody can sign with a key that was made a moment ago: what is believed is a finding. */
#include "fuzz.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "gateway/run/signatures.h"
#include "gateway/soap/saml_verify.h"

#define NOW_S 1790000000

static const struct str audiences[] = { STR_INIT("urn:oid:2.999.4") };

static void certificate_write(const char *path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	FILE *file = fopen(path, "we");

	ASN1_TIME_set(X509_getm_notBefore(certificate), NOW_S - 1000);
	ASN1_TIME_set(X509_getm_notAfter(certificate), NOW_S + 1000);
	X509_set_pubkey(certificate, key);
	X509_sign(certificate, key, EVP_sha256());
	if (!file || PEM_write_X509(file, certificate) != 1 || fclose(file) != 0)
		abort();
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static struct saml_verifier *verifier_make(void)
{
	char path[] = "/tmp/passerelle-fuzz-XXXXXX";
	int descriptor = mkstemp(path);
	const struct saml_issuer issuers[] = { { STR_INIT("urn:issuer"), path } };
	const struct saml_verifier_options options = { issuers, 1, audiences, 1, 1000, NULL };
	struct saml_verifier *verifier;
	struct outcome outcome;

	outcome_init(&outcome);
	if (descriptor < 0 || !signatures_start())
		abort();
	close(descriptor);
	certificate_write(path);
	verifier = saml_verifier_open(&options, &outcome);
	unlink(path);
	if (!verifier)
		abort();
	return verifier;
}

/* What was read, written again, must read the same. */
static void write_and_read(const struct saml_assertion *assertion, struct arena *arena)
{
	struct saml_assertion again;
	struct xml_writer writer;
	struct outcome outcome;
	struct buf xml;

	outcome_init(&outcome);
	if (!saml_assertion_check(assertion, &outcome))
		return;
	buf_init(&xml, FUZZ_TEXT_BYTES);
	xml_writer_init(&writer, &xml);
	saml_assertion_write(&writer, assertion, STR(""));
	if (xml_writer_finish(&writer, &outcome)) {
		if (!saml_assertion_read(buf_str(&xml), arena, &again, &outcome) ||
		    !str_equal(again.caller.subject, assertion->caller.subject) ||
		    !str_equal(again.caller.purpose.code, assertion->caller.purpose.code) ||
		    !str_equal(again.patient_id, assertion->patient_id) ||
		    again.caller.roles.count != assertion->caller.roles.count)
			abort();
	}
	buf_free(&xml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct saml_verifier *verifier;
	struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
	struct str text = { (const char *)data, size };
	const struct saml_presented presented = { text, STR("urn:uuid:1"), STR("peer"), NOW_S, arena };
	struct saml_assertion assertion;
	struct outcome outcome;
	const char *why = NULL;

	if (!verifier)
		verifier = verifier_make();
	if (!arena)
		return 0;
	switch (saml_verify(verifier, &presented, &assertion, &why)) {
	case SAML_GOOD:
		abort();
	case SAML_ABSENT:
		break;
	case SAML_MALFORMED:
	case SAML_UNTRUSTED:
	case SAML_BUSY:
		if (!why)
			abort(); /* refused without a reason */
		break;
	}
	outcome_init(&outcome);
	if (saml_assertion_read(text, arena, &assertion, &outcome))
		write_and_read(&assertion, arena);
	else if (!outcome.has_error)
		abort();
	arena_free(arena);
	return 0;
}
