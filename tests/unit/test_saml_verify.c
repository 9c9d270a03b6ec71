/* The strict verifier of assertions: what it believes, when, of whom, and how often. */
#include "saml_stand.h"

#include <pthread.h>
#include <time.h>

#include "gateway/south/xua.h"

static void test_saml__a_good_one_is_believed(void **state)
{
	const struct shape shape = { 0 };

	(void)state;
	assert_int_equal(verify(secured(make(&shape))), SAML_GOOD);
	assert_true(str_equal(believed.caller.subject, STR("dr-1")));
	assert_true(str_equal(believed.caller.issuer, STR(ISSUER)));
	assert_true(str_equal(believed.caller.token_id, STR("_a1")));
	assert_true(str_equal(believed.caller.purpose.code, STR("TREAT")));
	assert_true(str_equal(believed.patient_id, STR("P-1^^^&2.999.3&ISO")));
	assert_int_equal(believed.caller.expires_s, fixed_ms / 1000 + 300);
}

/* The gateway's own, with namespaces and all; by RSA too. */
static void test_saml__the_gateways_own_is_believed(void **state)
{
	const struct key_files rsa = key_files_make("rsa", "RSA", -60, 3600);
	const struct saml_issuer issuers[] = { { STR_INIT(ISSUER), rsa.certificate } };
	const struct str audiences[] = { STR_INIT(AUDIENCE) };
	const struct saml_verifier_options options = { issuers, 1, audiences, 1, 100, NULL };
	const struct xua_options own = { rsa.key, rsa.certificate, STR(ISSUER) };
	struct caller caller = { .kind = CALLER_USER,
				 .subject = STR("dr-1"),
				 .name = STR("Zo\xC3\xA9 & \"x\" <y>\r\n\t'"),
				 .organization_id = STR("urn:oid:2.999.1"),
				 .purpose = { STR_INIT("BTG"), STR_INIT(PURPOSE_SYSTEM_OID), STR_INIT("a\nb") } };
	struct outcome outcome;
	struct saml_verifier *before = verifier;
	struct xua *xua;
	struct str text;

	(void)state;
	outcome_init(&outcome);
	xua = xua_open(&own, &outcome);
	verifier = saml_verifier_open(&options, &outcome);
	assert_true(xua && verifier);
	assert_true(xua_assertion(xua, &caller, STR("P&1"), STR(AUDIENCE), arena, &text, &outcome));
	assert_int_equal(verify(secured(FORMAT("%.*s", STR_ARG(text)))), SAML_GOOD);
	assert_true(str_equal(believed.caller.name, str_trim(caller.name)));
	assert_true(str_equal(believed.caller.purpose.code, STR("BTG")));
	assert_true(str_equal(believed.patient_id, STR("P&1")));
	saml_verifier_close(verifier);
	verifier = before;
	xua_close(xua);
	key_files_drop(&rsa);
}

static void test_saml__prefixes_may_be_declared_outside(void **state)
{
	const struct shape shape = {
		.transforms = "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>"
			      "<ds:Transform Algorithm=\"" EXC "\"><ec:InclusiveNamespaces xmlns:ec=\"" EXC
			      "\" PrefixList=\"s\"/></ds:Transform>"
	};
	const char *text = make(&shape);

	(void)state;
	text = replaced(text, " xmlns:s=\"" NS_SAML "\"", "");
	text = FORMAT("<e:Envelope xmlns:e=\"" ENVELOPE "\" xmlns:s=\"" NS_SAML
		      "\"><e:Header><w:Security xmlns:w=\"" NS_WSSE
		      "\">%s</w:Security></e:Header><e:Body/></e:Envelope>",
		      text);
	assert_int_equal(verify(text), SAML_GOOD);
}

static void test_saml__without_any_it_is_absent(void **state)
{
	(void)state;
	assert_int_equal(verify(envelope("", "<x/>")), SAML_ABSENT);
	REFUSED(secured(""), SAML_MALFORMED, "no assertion in the Security header");
	REFUSED(secured("<u:Timestamp xmlns:u=\"urn:x\"/>"), SAML_MALFORMED, "no assertion");
}

static void test_saml__unsigned_or_changed_ones_are_refused(void **state)
{
	const struct shape none = { .no_signature = true };
	const struct shape shape = { 0 };
	const char *good = make(&shape);

	(void)state;
	REFUSED(secured(make(&none)), SAML_MALFORMED, "accepted shape");
	REFUSED(secured(replaced(good, "dr-1", "dr-2")), SAML_UNTRUSTED, "not right");
	REFUSED(secured(replaced(good, "TREAT", "BTG")), SAML_UNTRUSTED, "not right");
	REFUSED(secured(replaced(good, "P-1", "P-2")), SAML_UNTRUSTED, "not right");
	REFUSED(secured(replaced(good, "<s:Issuer>", "<s:Issuer> ")), SAML_UNTRUSTED, "issuer that is not known");
	assert_int_equal(verify(secured(good)), SAML_GOOD);
}

static void test_saml__both_keys_of_an_issuer_are_believed(void **state)
{
	const struct shape shape = { 0 };

	(void)state;
	assert_int_equal(verify(secured(make_by(&shape, &second))), SAML_GOOD);
	assert_int_equal(verify(secured(make(&shape))), SAML_GOOD);
}

static void test_saml__certificates_outside_their_time_are_refused(void **state)
{
	const struct shape shape = { .issuer = "https://late.example" };

	(void)state;
	REFUSED(secured(make_by(&shape, &attacker)), SAML_UNTRUSTED, "not valid now");
}

static void test_080_saml__times_audiences_and_confirmations(void **state)
{
	const struct {
		struct shape shape;
		const char *why; /* NULL: believed */
	} cases[] = {
		{ { .begin_s = -300, .end_s = -61 }, "ended" },
		{ { .begin_s = -300, .end_s = -60 }, "ended" },
		{ { .begin_s = -300, .end_s = -59 }, NULL },
		{ { .begin_s = 61 }, "not valid yet" },
		{ { .begin_s = 60 }, NULL },
		{ { .begin_s = -1, .end_s = 90000 }, "more than a day" },
		{ { .conditions = "<s:AudienceRestriction><s:Audience>urn:oid:2.999.99</s:Audience></"
				  "s:AudienceRestriction>" },
		  "another audience" },
		{ { .conditions =
			    "<s:AudienceRestriction><s:Audience>" AUDIENCE "1</s:Audience></s:AudienceRestriction>" },
		  "another audience" },
		{ { .conditions = "<s:AudienceRestriction><s:Audience>urn:x</s:Audience><s:Audience> " AUDIENCE
				  "\n</s:Audience></s:AudienceRestriction>" },
		  NULL },
		{ { .conditions = "" }, "lacks" },
		{ { .conditions =
			    "<s:AudienceRestriction><s:Audience>" AUDIENCE
			    "</s:Audience></s:AudienceRestriction><s:AudienceRestriction><s:Audience>urn:x</s:Audience>"
			    "</s:AudienceRestriction>" },
		  "not understood" },
		{ { .conditions = "<s:AudienceRestriction><s:Audience>" AUDIENCE
				  "</s:Audience></s:AudienceRestriction><s:Condition/>" },
		  "not understood" },
		{ { .conditions = "<s:AudienceRestriction><s:Audience>" AUDIENCE
				  "</s:Audience></s:AudienceRestriction><s:ProxyRestriction/>" },
		  "not understood" },
		{ { .confirmation =
			    "<s:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:holder-of-key\"/>" },
		  "proof" },
		{ { .confirmation =
			    "<s:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:sender-vouches\"/>" },
		  "proof" },
		{ { .confirmation = "<s:SubjectConfirmation Method=\"" SAML_BEARER "\"/>" }, NULL },
		{ { .confirmation = "" }, "lacks" },
		{ { .confirmation = "<s:SubjectConfirmation Method=\"" SAML_BEARER
				    "\"/><s:SubjectConfirmation Method=\"" SAML_BEARER "\"/>" },
		  "not understood" },
		{ { .confirmation = "<s:SubjectConfirmation Method=\"" SAML_BEARER
				    "\"><s:SubjectConfirmationData Recipient=\"urn:x\"/></s:SubjectConfirmation>" },
		  "another recipient" },
		{ { .confirmation =
			    "<s:SubjectConfirmation Method=\"" SAML_BEARER
			    "\"><s:SubjectConfirmationData Recipient=\"" AUDIENCE "\"/></s:SubjectConfirmation>" },
		  NULL },
		{ { .confirmation = "<s:SubjectConfirmation Method=\"" SAML_BEARER "\"><s:SubjectConfirmationData "
				    "NotOnOrAfter=\"2020-01-01T00:00:00Z\"/></s:SubjectConfirmation>" },
		  "ended" },
		{ { .confirmation = "<s:SubjectConfirmation Method=\"" SAML_BEARER "\"><s:SubjectConfirmationData "
				    "NotBefore=\"2099-01-01T00:00:00Z\"/></s:SubjectConfirmation>" },
		  "not valid yet" },
		{ { .confirmation = "<s:SubjectConfirmation Method=\"" SAML_BEARER "\"><s:SubjectConfirmationData "
				    "NotOnOrAfter=\"2099-01-01T00:00:00\"/></s:SubjectConfirmation>" },
		  "time" },
		{ { .subject = "<s:NameID>a</s:NameID><s:NameID>b</s:NameID>" }, "not understood" },
		{ { .subject = "<s:EncryptedID/>" }, "not understood" },
		{ { .statement = "<s:AuthzDecisionStatement/>" }, "not understood" },
		{ { .statement = "<s:Advice/>" }, "not understood" },
		{ { .statement = "<s:AuthnStatement "
				 "AuthnInstant=\"2026-01-01T00:00:00.123Z\"><s:AuthnContext><s:AuthnContextClassRef>"
				 "urn:x</s:AuthnContextClassRef></s:AuthnContext></s:AuthnStatement>" },
		  NULL },
		{ { .purpose = "<PurposeOfUse xmlns=\"urn:hl7-org:v3\" code=\"TREAT\"/>" }, "codeSystem" },
		{ { .purpose = "TREAT" }, "no code" },
		{ { .purpose = "<PurposeOfUse xmlns=\"urn:hl7-org:v3\" code=\"TREAT\" "
			       "codeSystem=\"1.2\"/></s:AttributeValue>"
			       "<s:AttributeValue><PurposeOfUse xmlns=\"urn:hl7-org:v3\" code=\"BTG\" "
			       "codeSystem=\"1.2\"/>" },
		  "two purposes" },
		{ { .purpose = "<PurposeOfUse xmlns=\"urn:hl7-org:v3\" code=\"TREAT\" "
			       "codeSystem=\"1.2\"/></s:AttributeValue>"
			       "</s:Attribute><s:Attribute Name=\"urn:oasis:names:tc:xspa:1.0:subject:purposeofuse\">"
			       "<s:AttributeValue><PurposeOfUse xmlns=\"urn:hl7-org:v3\" code=\"BTG\" "
			       "codeSystem=\"1.2\"/>" },
		  "two attributes" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct shape shape = cases[i].shape;

		shape.id = FORMAT("_t%zu", i);
		enum saml_end end = verify(secured(make(&shape)));

		if (cases[i].why ? end == SAML_GOOD || !strstr(why, cases[i].why) : end != SAML_GOOD)
			fail_msg("case %zu: %d %s, expected %s", i, end, why, cases[i].why ? cases[i].why : "good");
	}
}

static void test_080_saml__replay(void **state)
{
	const struct shape shape = { .id = "_r1" };
	const struct shape once = { .id = "_r2",
				    .conditions = "<s:AudienceRestriction><s:Audience>" AUDIENCE
						  "</s:Audience></s:AudienceRestriction><s:OneTimeUse/>" };
	const char *message = secured(make(&shape));

	(void)state;
	assert_int_equal(verify_as(message, "urn:uuid:r1", "cert-a"), SAML_GOOD);
	assert_int_equal(verify_as(message, "urn:uuid:r2", "cert-a"), SAML_GOOD);
	assert_int_equal(verify_as(message, "urn:uuid:r1", "cert-a"), SAML_UNTRUSTED);
	assert_non_null(strstr(why, "came before"));
	assert_int_equal(verify_as(message, "urn:uuid:r3", "cert-b"), SAML_UNTRUSTED);
	assert_non_null(strstr(why, "another peer"));
	assert_int_equal(verify_as(message, "", "cert-a"), SAML_UNTRUSTED);
	assert_non_null(strstr(why, "without an id"));
	message = secured(make(&once));
	assert_int_equal(verify_as(message, "urn:uuid:r4", "cert-a"), SAML_GOOD);
	assert_int_equal(verify_as(message, "urn:uuid:r5", "cert-a"), SAML_UNTRUSTED);
}

/* What was seen is bounded; what has ended makes room. */
static void test_saml__what_was_seen_is_bounded(void **state)
{
	const struct saml_issuer issuers[] = { { STR_INIT(ISSUER), trusted.certificate } };
	const struct str audiences[] = { STR_INIT(AUDIENCE) };
	const struct saml_verifier_options options = { issuers, 1, audiences, 1, 200, NULL };
	struct saml_verifier *before = verifier;
	struct outcome outcome;
	const struct shape shape = { 0 };
	const char *message = secured(make(&shape));
	int good = 0;

	(void)state;
	outcome_init(&outcome);
	verifier = saml_verifier_open(&options, &outcome);
	while (good < 1000 && verify(message) == SAML_GOOD)
		good++;
	assert_in_range(good, 190, 200);
	assert_int_equal(verify(message), SAML_BUSY);
	fixed_ms += 400 * 1000;
	assert_int_equal(verify(secured(make(&shape))), SAML_GOOD);
	saml_verifier_close(verifier);
	verifier = before;
}

static void test_saml__sizes_and_depths_are_bounded(void **state)
{
	char *deep = arena_alloc(arena, 2000);
	char *many = arena_alloc(arena, 40000);
	char *large = arena_alloc(arena, 400000);

	(void)state;
	for (int i = 0; i < 200; i++)
		memcpy(deep + strlen(deep), "<a>", 4);
	REFUSED(envelope(deep, ""), SAML_MALFORMED, "");
	for (int i = 0; i < 3000; i++)
		memcpy(many + strlen(many), "<a/>", 5);
	REFUSED(envelope(many, "<x/>"), SAML_MALFORMED, "too long");
	memset(large, 'x', 300000);
	REFUSED(envelope(large, "<x/>"), SAML_MALFORMED, "too long");
	assert_int_equal(verify(envelope("", large)), SAML_ABSENT);
	REFUSED("<!DOCTYPE e [<!ENTITY x \"y\">]><e/>", SAML_MALFORMED, "not accepted");
	REFUSED("<e", SAML_MALFORMED, "");
	REFUSED("", SAML_MALFORMED, "");
	REFUSED(replaced(secured(""), "</e:Envelope>", ""), SAML_MALFORMED, "well-formed");
}

static void test_saml__survives_the_want_of_memory(void **state)
{
	const struct shape shape = { .id = "_m1" };
	const char *message = secured(make(&shape));
	enum saml_end end = SAML_BUSY;

	(void)state;
	for (size_t n = 0; end != SAML_GOOD; n++) {
		struct arena *small = arena_new(1 << 20);
		const struct saml_presented presented = { str_from_c(message), STR("urn:uuid:m"), STR("peer"),
							  fixed_ms / 1000, small };
		struct saml_assertion assertion = { .id = STR("untouched") };

		arena_fail_at(small, n);
		end = saml_verify(verifier, &presented, &assertion, &why);
		assert_true(end == SAML_GOOD || end == SAML_BUSY);
		assert_true(end == SAML_GOOD || str_equal(assertion.id, STR("untouched")));
		arena_free(small);
		assert_true(n < 200);
	}
}

struct crowd {
	const char *message;
	int number;
	bool good;
};

static void *crowd_main(void *argument)
{
	struct crowd *crowd = argument;

	crowd->good = true;
	for (int i = 0; i < 50; i++) {
		struct arena *own = arena_new(1 << 20);
		char id[64];
		const char *reason;
		struct saml_assertion assertion;

		snprintf(id, sizeof id, "urn:uuid:%d-%d", crowd->number, i);
		const struct saml_presented presented = { str_from_c(crowd->message), str_from_c(id), STR("peer"),
							  fixed_ms / 1000, own };

		crowd->good = crowd->good && saml_verify(verifier, &presented, &assertion, &reason) == SAML_GOOD;
		arena_free(own);
	}
	return NULL;
}

static void test_saml__many_threads(void **state)
{
	const struct shape shape = { .id = "_p1" };
	const char *message = secured(make(&shape));
	struct crowd crowds[8];
	pthread_t threads[COUNT_OF(crowds)];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(crowds); i++) {
		crowds[i] = (struct crowd) { message, (int)i, false };
		pthread_create(&threads[i], NULL, crowd_main, &crowds[i]);
	}
	for (size_t i = 0; i < COUNT_OF(crowds); i++) {
		pthread_join(threads[i], NULL);
		assert_true(crowds[i].good);
	}
}

/* For whoever asks what it costs; nothing is asserted of the time. */
static void test_saml__cost(void **state)
{
	const struct shape shape = { .id = "_k1" };
	const char *message = secured(make(&shape));
	const int rounds = 200;
	struct timespec from;
	struct timespec to;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < rounds; i++)
		assert_int_equal(verify(message), SAML_GOOD);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("             P-256: %.1f us to verify\n",
	       ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1000 / rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_saml__a_good_one_is_believed),
		TEST(test_saml__the_gateways_own_is_believed),
		TEST(test_saml__prefixes_may_be_declared_outside),
		TEST(test_saml__without_any_it_is_absent),
		TEST(test_saml__unsigned_or_changed_ones_are_refused),
		TEST(test_saml__both_keys_of_an_issuer_are_believed),
		TEST(test_saml__certificates_outside_their_time_are_refused),
		TEST(test_080_saml__times_audiences_and_confirmations),
		TEST(test_080_saml__replay),
		TEST(test_saml__what_was_seen_is_bounded),
		TEST(test_saml__sizes_and_depths_are_bounded),
		TEST(test_saml__survives_the_want_of_memory),
		TEST(test_saml__many_threads),
		TEST(test_saml__cost),
	};
	struct key_files late;
	struct outcome outcome;
	int failed;

	if (!signatures_start() || !mkdtemp(key_directory))
		return 1;
	fixed_ms = (int64_t)time(NULL) * 1000;
	clock_fix();
	trusted = key_files_make("trusted", "EC", -3600, 36000);
	second = key_files_make("second", "EC", -3600, 36000);
	attacker = key_files_make("attacker", "EC", -3600, 36000);
	late = key_files_make("late", "EC", -7200, -3600);
	const struct saml_issuer issuers[] = { { STR_INIT(ISSUER), trusted.certificate },
					       { STR_INIT("https://late.example"), late.certificate },
					       { STR_INIT(ISSUER), second.certificate } };
	const struct str audiences[] = { STR_INIT("urn:oid:2.999.77"), STR_INIT(AUDIENCE) };
	const struct saml_verifier_options options = { issuers,   COUNT_OF(issuers),
						       audiences, COUNT_OF(audiences),
						       100000,    NULL };

	outcome_init(&outcome);
	verifier = saml_verifier_open(&options, &outcome);
	if (!verifier)
		return 1;
	failed = cmocka_run_group_tests_name("saml_verify", tests, NULL, NULL);
	saml_verifier_close(verifier);
	key_files_drop(&trusted);
	key_files_drop(&second);
	key_files_drop(&attacker);
	key_files_drop(&late);
	rmdir(key_directory);
	return failed;
}
