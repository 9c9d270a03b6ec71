/* What back-ends are told about who asks: the words, the signature as an independent eye sees it, and above all that
 * nobody ever gets the assertion of another. */
#include "signature_support.h"

#include <libxml/parser.h>
#include <time.h>

#include "gateway/south/xua.h"
#include "mappers/saml_assertion.h"

static struct key_files rsa;
static struct key_files curve;
static struct arena *arena;
static struct outcome outcome;

static struct code role_items[] = {
	{ STR_INIT("112247003"), STR_INIT("http://snomed.info/sct"), STR_INIT("Medical doctor \"<&>") },
	{ STR_INIT("PROV"), STR_INIT("2.16.840.1.113883.5.110"), STR_INIT("") },
};

static struct caller doctor(void)
{
	return (struct caller) { .kind = CALLER_USER,
				 .tenant = STR("default"),
				 .issuer = STR("https://login.example"),
				 .subject = STR("dr-1"),
				 .client_id = STR("app"),
				 .token_id = STR("jti-1"),
				 .name = STR("Zo\xC3\xA9 <O'Neill> & \"Co\""),
				 .organization = STR("Clinic"),
				 .organization_id = STR("urn:oid:2.999.1"),
				 .roles = { role_items, 2 },
				 .purpose = { STR_INIT("TREAT"), STR_INIT(PURPOSE_SYSTEM_OID), STR_INIT("treatment") },
				 .provider_id = STR("4711"),
				 .home_community_id = STR("urn:oid:2.999.7"),
				 .authenticated_s = fixed_ms / 1000 - 100,
				 .expires_s = fixed_ms / 1000 + 3600 };
}

#define PATIENT  "P-1^^^&2.999.3&ISO"
#define AUDIENCE "urn:oid:2.999.4"

static struct xua *open_with(const struct key_files *files)
{
	const struct xua_options options = { files->key, files->certificate, STR("https://gateway.example/xua") };
	struct xua *xua;

	outcome_init(&outcome);
	xua = xua_open(&options, &outcome);
	if (!xua)
		fail_msg("%s", outcome.issues[0].text);
	return xua;
}

static struct str make(const struct xua *xua, const struct caller *caller, const char *patient, const char *audience)
{
	struct str text;

	outcome_init(&outcome);
	if (!xua_assertion(xua, caller, str_from_c(patient), str_from_c(audience), arena, &text, &outcome))
		fail_msg("%s", outcome.issues[0].text);
	return text;
}

/* Takes the signature out, as the enveloped-signature transform does. */
static struct str unsigned_of(struct str text)
{
	const char *begin = memmem(text.data, text.size, "<ds:Signature", 13);
	const char *end = memmem(text.data, text.size, "</ds:Signature>", 15);

	assert_true(begin && end);
	return arena_printf(arena, "%.*s%.*s", (int)(begin - text.data), text.data,
			    (int)(text.data + text.size - end - 15), end + 15);
}

static void test_xua__says_what_the_caller_is(void **state)
{
	struct xua *xua = open_with(&curve);
	struct caller caller = doctor();
	struct saml_assertion read;
	struct str text = make(xua, &caller, PATIENT, AUDIENCE);

	(void)state;
	assert_true(saml_assertion_read(unsigned_of(text), arena, &read, &outcome));
	assert_true(str_equal(read.issuer, STR("https://gateway.example/xua")));
	assert_true(str_equal(read.caller.subject, caller.subject));
	assert_true(str_equal(read.caller.name, caller.name));
	assert_true(str_equal(read.caller.organization, caller.organization));
	assert_true(str_equal(read.caller.organization_id, caller.organization_id));
	assert_true(str_equal(read.caller.provider_id, caller.provider_id));
	assert_true(str_equal(read.caller.home_community_id, caller.home_community_id));
	assert_true(str_equal(read.patient_id, STR(PATIENT)));
	assert_int_equal(read.caller.kind, CALLER_USER);
	assert_int_equal(read.caller.roles.count, 2);
	assert_true(str_equal(read.caller.roles.items[0].code, STR("112247003")));
	assert_true(str_equal(read.caller.roles.items[0].scheme, STR("2.16.840.1.113883.6.96")));
	assert_true(str_equal(read.caller.roles.items[0].display, role_items[0].display));
	assert_true(str_equal(read.caller.roles.items[1].code, STR("PROV")));
	assert_true(str_equal(read.caller.purpose.code, STR("TREAT")));
	assert_int_equal(read.audiences.count, 1);
	assert_true(str_equal(read.audiences.items[0], STR(AUDIENCE)));
	assert_int_equal(read.issued_s, fixed_ms / 1000);
	assert_int_equal(read.not_before_s, fixed_ms / 1000);
	assert_int_equal(read.not_on_or_after_s, fixed_ms / 1000 + XUA_LIFETIME_S);
	assert_int_equal(read.caller.authenticated_s, caller.authenticated_s);
	assert_false(read.one_time_use);
	xua_close(xua);
}

/* No attacker's word and no odd name can leave its place. */
static void test_xua__is_well_formed_whatever_names_hold(void **state)
{
	struct xua *xua = open_with(&curve);
	struct caller caller = doctor();
	struct saml_assertion read;

	(void)state;
	caller.subject = STR("</saml2:NameID><saml2:NameID>admin<!-- -->\r\n ]]>");
	caller.name = STR("a\tb");
	assert_true(saml_assertion_read(unsigned_of(make(xua, &caller, PATIENT, AUDIENCE)), arena, &read, &outcome));
	assert_true(str_equal(read.caller.subject, caller.subject));
	assert_true(str_equal(read.caller.name, caller.name));
	xua_close(xua);
}

static void test_xua__nobody_is_not_spoken_for(void **state)
{
	struct xua *xua = open_with(&curve);
	const struct caller nobody = { .kind = CALLER_ANONYMOUS };

	(void)state;
	assert_int_equal(make(xua, &nobody, PATIENT, AUDIENCE).size, 0);
	xua_close(xua);
}

static void test_xua__a_system_is_named_by_its_client_id(void **state)
{
	struct xua *xua = open_with(&rsa);
	const struct caller machine = { .kind = CALLER_SYSTEM, .client_id = STR("adt") };
	struct saml_assertion read;

	(void)state;
	assert_true(saml_assertion_read(unsigned_of(make(xua, &machine, "", AUDIENCE)), arena, &read, &outcome));
	assert_true(str_equal(read.caller.subject, STR("adt")));
	assert_int_equal(read.caller.kind, CALLER_SYSTEM);
	assert_true(str_is_empty(read.patient_id));
	xua_close(xua);
}

static void test_xua__codes_without_oid_are_refused(void **state)
{
	struct xua *xua = open_with(&curve);
	struct caller caller = doctor();
	struct str text;

	(void)state;
	caller.purpose.scheme = STR("https://codes.example/purpose");
	outcome_init(&outcome);
	assert_false(xua_assertion(xua, &caller, STR(PATIENT), STR(AUDIENCE), arena, &text, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_CODE_INVALID);
	assert_null(text.data);
	caller = doctor();
	caller.roles.count = 1;
	caller.roles.items = &(struct code) { STR_INIT("x"), STR_INIT("free text"), STR_INIT("") };
	outcome_init(&outcome);
	assert_false(xua_assertion(xua, &caller, STR(PATIENT), STR(AUDIENCE), arena, &text, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_CODE_INVALID);
	xua_close(xua);
}

static void test_xua__never_outlives_the_token(void **state)
{
	struct xua *xua = open_with(&curve);
	struct caller caller = doctor();
	struct saml_assertion read;
	struct str text;

	(void)state;
	caller.expires_s = fixed_ms / 1000 + 40;
	text = make(xua, &caller, PATIENT, AUDIENCE);
	assert_true(saml_assertion_read(unsigned_of(text), arena, &read, &outcome));
	assert_int_equal(read.not_on_or_after_s, caller.expires_s);
	fixed_ms += 11000; /* 29 s are left: too few to begin with it */
	assert_false(str_equal(make(xua, &caller, PATIENT, AUDIENCE), text));
	fixed_ms += 29000;
	outcome_init(&outcome);
	assert_false(xua_assertion(xua, &caller, STR(PATIENT), STR(AUDIENCE), arena, &text, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_TOKEN_EXPIRED);
	xua_close(xua);
}

static void test_xua__is_used_again_while_valid(void **state)
{
	struct xua *xua = open_with(&curve);
	struct caller caller = doctor();
	struct str first = make(xua, &caller, PATIENT, AUDIENCE);

	(void)state;
	assert_true(str_equal(make(xua, &caller, PATIENT, AUDIENCE), first));
	fixed_ms += (XUA_LIFETIME_S - XUA_MARGIN_S - 1) * 1000;
	assert_true(str_equal(make(xua, &caller, PATIENT, AUDIENCE), first));
	fixed_ms += 1000;
	assert_false(str_equal(make(xua, &caller, PATIENT, AUDIENCE), first));
	xua_close(xua);
}

/* Whatever differs, the assertion differs; texts that run together do not make two keys one. */
static void test_082_xua__is_never_shared(void **state)
{
	struct xua *xua = open_with(&curve);
	struct caller caller = doctor();
	struct str first = make(xua, &caller, PATIENT, AUDIENCE);
	struct code one_role = role_items[0];
	struct caller changed[32];
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(changed); i++)
		changed[i] = caller;
	changed[count++].purpose.code = STR("BTG");
	changed[count++].purpose.scheme = STR("2.999.5.8");
	changed[count++].subject = STR("dr-2");
	changed[count++].issuer = STR("https://other.example");
	changed[count++].tenant = STR("other");
	changed[count++].client_id = STR("app2");
	changed[count++].token_id = STR("jti-2");
	changed[count++].name = STR("Other");
	changed[count++].organization = STR("Other");
	changed[count++].organization_id = STR("urn:oid:2.999.2");
	changed[count++].roles = (struct codes) { role_items, 1 };
	changed[count++].roles = (struct codes) { &one_role, 0 };
	changed[count++].person_id = STR("x");
	changed[count++].acting_for = STR("x");
	changed[count++].provider_id = STR("x");
	changed[count++].home_community_id = STR("urn:oid:2.999.8");
	changed[count++].certificate = STR("00");
	changed[count++].authentication = STR("urn:oasis:names:tc:SAML:2.0:ac:classes:Password");
	changed[count++].authenticated_s = 1;
	changed[count++].expires_s = fixed_ms / 1000 + 7200;
	changed[count++].kind = CALLER_PATIENT;
	changed[count++].is_opaque = true;
	changed[count].subject = STR("dr-1a"); /* the same bytes, cut elsewhere */
	changed[count++].client_id = STR("pp");
	assert_true(count <= COUNT_OF(changed));
	for (size_t i = 0; i < count; i++) {
		struct str other = make(xua, &changed[i], PATIENT, AUDIENCE);

		if (str_equal(other, first))
			fail_msg("change %zu shares an assertion", i);
		assert_true(str_equal(make(xua, &changed[i], PATIENT, AUDIENCE), other));
	}
	assert_false(str_equal(make(xua, &caller, "P-2^^^&2.999.3&ISO", AUDIENCE), first));
	assert_false(str_equal(make(xua, &caller, "", AUDIENCE), first));
	assert_false(str_equal(make(xua, &caller, PATIENT, "urn:oid:2.999.5"), first));
	assert_true(str_equal(make(xua, &caller, PATIENT, AUDIENCE), first));
	/* The doctor who broke the glass asks again without: TREAT it must be. */
	struct saml_assertion read;

	assert_true(
		saml_assertion_read(unsigned_of(make(xua, &changed[0], PATIENT, AUDIENCE)), arena, &read, &outcome));
	assert_true(str_equal(read.caller.purpose.code, STR("BTG")));
	assert_true(saml_assertion_read(unsigned_of(make(xua, &caller, PATIENT, AUDIENCE)), arena, &read, &outcome));
	assert_true(str_equal(read.caller.purpose.code, STR("TREAT")));
	xua_close(xua);
}

static void test_xua__cache_is_bounded(void **state)
{
	struct xua *xua = open_with(&curve);
	struct caller caller = doctor();
	struct arena *own = arena;

	(void)state;
	for (int i = 0; i < 6000; i++) {
		char subject[32];

		if (i % 100 == 0) {
			if (arena != own)
				arena_free(arena);
			arena = arena_new(16 << 20);
		}
		snprintf(subject, sizeof subject, "dr-%d", i);
		caller.subject = str_from_c(subject);
		assert_true(make(xua, &caller, PATIENT, AUDIENCE).size > 0);
	}
	arena_free(arena);
	arena = own;
	xua_close(xua); /* the sanitizer counts what is left */
}

static void test_xua__keys_that_do_not_fit_are_refused(void **state)
{
	struct key_files weak = key_files_make("weak", "RSA1024", -60, 3600);
	const struct xua_options options[] = {
		{ rsa.key, curve.certificate, STR("x") },       { weak.key, weak.certificate, STR("x") },
		{ rsa.certificate, rsa.certificate, STR("x") }, { rsa.key, rsa.key, STR("x") },
		{ "/nowhere", rsa.certificate, STR("x") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(options); i++) {
		outcome_init(&outcome);
		assert_null(xua_open(&options[i], &outcome));
		assert_true(outcome.has_error);
	}
	key_files_drop(&weak);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* For whoever asks what it costs; nothing is asserted. */
static void test_xua__cost(void **state)
{
	const struct key_files *files[] = { &rsa, &curve };
	const char *names[] = { "RSA-2048", "P-256" };
	const int rounds = 200;

	(void)state;
	for (size_t k = 0; k < COUNT_OF(files); k++) {
		struct xua *xua = open_with(files[k]);
		struct caller caller = doctor();
		uint64_t begin = now_us();
		uint64_t made;

		for (int i = 0; i < rounds; i++) {
			caller.authenticated_s = i + 1;
			make(xua, &caller, PATIENT, AUDIENCE);
		}
		made = now_us();
		for (int i = 0; i < rounds; i++)
			make(xua, &caller, PATIENT, AUDIENCE);
		printf("             %s: %.1f us to make and sign, %.1f us from the cache, %zu bytes\n", names[k],
		       (double)(made - begin) / rounds, (double)(now_us() - made) / rounds,
		       make(xua, &caller, PATIENT, AUDIENCE).size);
		xua_close(xua);
	}
}

static int begin(void **state)
{
	(void)state;
	fixed_ms = 1790000000000;
	clock_fix();
	arena = arena_new(64 << 20);
	return arena == NULL;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_xua__says_what_the_caller_is, begin, end),
		cmocka_unit_test_setup_teardown(test_xua__is_well_formed_whatever_names_hold, begin, end),
		cmocka_unit_test_setup_teardown(test_xua__nobody_is_not_spoken_for, begin, end),
		cmocka_unit_test_setup_teardown(test_xua__a_system_is_named_by_its_client_id, begin, end),
		cmocka_unit_test_setup_teardown(test_xua__codes_without_oid_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_xua__never_outlives_the_token, begin, end),
		cmocka_unit_test_setup_teardown(test_xua__is_used_again_while_valid, begin, end),
		cmocka_unit_test_setup_teardown(test_082_xua__is_never_shared, begin, end),
		cmocka_unit_test_setup_teardown(test_xua__cache_is_bounded, begin, end),
		cmocka_unit_test_setup_teardown(test_xua__keys_that_do_not_fit_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_xua__cost, begin, end),
	};
	int failed;

	if (!signatures_start() || !mkdtemp(key_directory))
		return 1;
	rsa = key_files_make("rsa", "RSA", -60, 3600);
	curve = key_files_make("curve", "EC", -60, 3600);
	failed = cmocka_run_group_tests_name("xua", tests, NULL, NULL);
	key_files_drop(&rsa);
	key_files_drop(&curve);
	rmdir(key_directory);
	return failed;
}
