/* Scopes, claims and token texts, as data and as the gateway reads them; and how long an introspection holds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "gateway/access/access_state.h"
#include "gateway/access/authorize.h"
#include "gateway/http/server.h"
#include "mappers/base/base64url.h"
#include "mappers/claims.h"
#include "mappers/jwt.h"
#include "mappers/scope.h"

#define BASE "https://gw.example/fhir"
#define NOW  1800000000

static struct arena *arena;

static int begin(void **state)
{
	(void)state;
	arena = arena_new((size_t)1024 * 1024);
	return arena ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void test_base64url__is_strict(void **state)
{
	static const struct {
		const char *text;
		const char *bytes; /* NULL: refused */
	} cases[] = {
		{ "", "" },
		{ "Zg", "f" },
		{ "Zm8", "fo" },
		{ "Zm9v", "foo" },
		{ "Zm9vYmFy", "foobar" },
		{ "-_-_", "\xfb\xff\xbf" },
		{ "Zg==", NULL },
		{ "Zh", NULL },
		{ "Zm9", NULL },
		{ "Z", NULL },
		{ "Zm9vZ", NULL },
		{ "Zm 9v", NULL },
		{ "Zm9v\n", NULL },
		{ "+/+/", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct str bytes;
		bool ok = base64url_decode(str_from_c(cases[i].text), arena, &bytes);

		assert_int_equal(ok, cases[i].bytes != NULL);
		if (!ok)
			continue;
		assert_true(str_equal(bytes, str_from_c(cases[i].bytes)));
		assert_true(str_equal(base64url_encode(bytes, arena), str_from_c(cases[i].text)));
	}
}

static void test_scope__opens(void **state)
{
	static const struct {
		const char *scopes;
		enum caller_kind kind;
		bool opens;
	} cases[] = {
		{ "ITI-65", CALLER_USER, true },
		{ "openid ITI-65 launch", CALLER_PATIENT, true },
		{ "ITI-6", CALLER_USER, false },
		{ "ITI-655", CALLER_USER, false },
		{ "xITI-65", CALLER_USER, false },
		{ "", CALLER_USER, false },
		{ "user/DocumentReference.c user/List.c user/Binary.c", CALLER_USER, true },
		{ "user/DocumentReference.c user/List.c", CALLER_USER, false },
		{ "user/DocumentReference.c user/List.c system/Binary.c", CALLER_USER, false },
		{ "user/DocumentReference.cruds user/List.create user/Binary.write", CALLER_USER, true },
		{ "user/Bundle.c", CALLER_USER, true },
		{ "user/Bundle.r", CALLER_USER, false },
		{ "user/*.c", CALLER_USER, true },
		{ "user/*.*", CALLER_USER, true },
		{ "user/*.*", CALLER_SYSTEM, false },
		{ "user/*.rs", CALLER_USER, false },
		{ "user/*.sr", CALLER_USER, false },
		{ "user/*.cc", CALLER_USER, false },
		{ "user/*.xc", CALLER_USER, false },
		{ "user/Bundle.c?x=y", CALLER_USER, false },
		{ "user/Bundle?x=y.c", CALLER_USER, false },
		{ "user/Bundle", CALLER_USER, false },
		{ "user/.c", CALLER_USER, false },
		{ "/Bundle.c", CALLER_USER, false },
		{ "Bundle.c", CALLER_USER, false },
		{ "user/bundle.c", CALLER_USER, false },
		{ "USER/Bundle.c", CALLER_USER, false },
	};
	const struct scope_need need = { .ihe = STR("ITI-65"),
					 .smart = STR("DocumentReference.c List.c Binary.c | Bundle.c") };
	const struct scope_need open = { .is_open = true };
	const struct scope_need forgotten = { .is_open = false };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (scope_opens(str_from_c(cases[i].scopes), cases[i].kind, &need) != cases[i].opens)
			fail_msg("%s", cases[i].scopes);
		assert_true(scope_opens(str_from_c(cases[i].scopes), cases[i].kind, &open));
		assert_false(scope_opens(str_from_c(cases[i].scopes), cases[i].kind, &forgotten));
	}
	assert_true(str_equal(scope_wanted(&need), STR("ITI-65")));
}

static void test_scope__narrowest_class_counts(void **state)
{
	(void)state;
	assert_int_equal(scope_kind(STR("system/*.rs user/*.rs patient/*.rs")), CALLER_PATIENT);
	assert_int_equal(scope_kind(STR("ITI-67 system/*.rs user/x")), CALLER_USER);
	assert_int_equal(scope_kind(STR("system/*.rs")), CALLER_SYSTEM);
	assert_int_equal(scope_kind(STR("ITI-67 openid")), CALLER_ANONYMOUS);
	assert_int_equal(scope_kind(STR_NONE), CALLER_ANONYMOUS);
}

static void test_scope__grants_what_is_covered(void **state)
{
	static const struct {
		const char *wanted;
		const char *granted;
		const char *given;
	} cases[] = {
		{ "ITI-67 ITI-68", "ITI-67", "ITI-67" },
		{ "system/List.r  system/List.s", "system/List.rs", "system/List.r system/List.s" },
		{ "system/List.rs", "system/List.r system/List.s", "system/List.rs" },
		{ "system/List.crs", "system/List.rs", "" },
		{ "system/*.r", "system/List.r system/Binary.r", "" },
		{ "system/List.read", "system/*.rs", "system/List.read" },
		{ "user/List.r", "system/List.r", "" },
		{ "system/List.r?x=y", "system/List.r", "" },
		{ "", "ITI-67", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_true(str_equal(scope_grant(str_from_c(cases[i].wanted), str_from_c(cases[i].granted), arena),
				      str_from_c(cases[i].given)));
	assert_true(scope_valid(STR("ITI-67 user/*.rs?a=b")));
	assert_false(scope_valid(STR("a\"b")));
	assert_false(scope_valid(STR("a\\b")));
	assert_false(scope_valid(STR("a\tb")));
	assert_false(scope_valid(STR("\xc3\xa9")));
}

/* ---- claims ---- */

static const struct claim_rules rules = { .issuer = STR_INIT("https://as.example"),
					  .audience = STR_INIT(BASE),
					  .base = STR_INIT(BASE),
					  .tenant = STR_INIT("default"),
					  .now_s = NOW,
					  .skew_s = 30,
					  .lifetime_max_s = 3600 };

#define HEAD                                                                                \
	"{\"iss\":\"https://as.example\",\"sub\":\"s\",\"client_id\":\"c\",\"aud\":\"" BASE \
	"\",\"jti\":\"j\",\"iat\":1799999990,\"exp\":1800000300,\"auth_time\":1799999000,\"acr\":\"mfa\","

static enum claims_end read_claims(const char *text, const struct claim_rules *with, struct claims *claims)
{
	json_t *tree = jwt_object_read(str_from_c(text), arena);

	if (!tree)
		fail_msg("no JSON: %s", text);
	return claims_read(tree, with, arena, claims);
}

static void test_claims__fill_a_caller(void **state)
{
	struct claims claims;
	const struct caller *caller = &claims.caller;

	(void)state;
	assert_int_equal(
		read_claims(HEAD
			    "\"scope\":\"user/*.rs ITI-65\",\"act\":{\"sub\":\"helper\"},"
			    "\"cnf\":{\"x5t#S256\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"},\"extensions\":{"
			    "\"ihe_iua\":{\"subject_name\":\"Dr. X\",\"subject_organization\":\"O\","
			    "\"subject_organization_id\":\"urn:oid:1.2\",\"home_community_id\":\"urn:oid:1.3\","
			    "\"national_provider_identifier\":\"n\",\"person_id\":\"urn:oid:1.4|P\",\"subject_role\":["
			    "{\"system\":\"urn:oid:1.5\",\"code\":\"a\"},{\"system\":\"http://snomed.info/"
			    "sct\",\"code\":\"b\","
			    "\"display\":\"B\"}],\"purpose_of_use\":[{\"system\":\"" PURPOSE_SYSTEM_URI
			    "\",\"code\":\"TREAT\"},{\"system\":\"urn:oid:" PURPOSE_SYSTEM_OID "\",\"code\":\"BTG\"}]},"
			    "\"passerelle\":{\"tenant\":\"default\",\"reason\":\"because\",\"care_of\":[\"x|1\",\"x|"
			    "2\"]}}}",
			    &rules, &claims),
		CLAIMS_GOOD);
	assert_int_equal(caller->kind, CALLER_USER);
	assert_true(str_equal(caller->subject, STR("helper")));
	assert_true(str_equal(caller->acting_for, STR("s")));
	assert_true(str_equal(caller->client_id, STR("c")));
	assert_true(str_equal(caller->organization_id, STR("urn:oid:1.2")));
	assert_int_equal(caller->roles.count, 2);
	assert_true(str_equal(caller->roles.items[0].scheme, STR("1.5")));
	assert_true(str_equal(caller->roles.items[1].scheme, STR("2.16.840.1.113883.6.96")));
	assert_true(str_equal(caller->purpose.code, STR("BTG")));
	assert_true(str_equal(caller->person_id, STR("urn:oid:1.4|P")));
	assert_true(str_equal(caller->reason, STR("because")));
	assert_int_equal(caller->care_of.count, 2);
	assert_true(str_equal(caller->care_of.items[1], STR("x|2")));
	assert_true(str_equal(caller->authentication, STR("mfa")));
	assert_int_equal(caller->authenticated_s, 1799999000);
	assert_int_equal(caller->expires_s, 1800000300);
	assert_true(str_equal(claims.bound_certificate,
			      STR("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")));

	/* The same in one block, and nothing of the original is needed any more. */
	size_t size = caller_pack(caller, NULL);
	struct caller *copy = malloc(size);

	assert_non_null(copy);
	assert_int_equal(caller_pack(caller, copy), size);
	arena_free(arena);
	arena = arena_new((size_t)1024 * 1024);
	assert_true(str_equal(copy->subject, STR("helper")));
	assert_true(str_equal(copy->roles.items[1].display, STR("B")));
	assert_true(str_equal(copy->care_of.items[0], STR("x|1")));
	assert_true(str_equal(copy->purpose.scheme, STR(PURPOSE_SYSTEM_OID)));
	assert_null(copy->address.data);
	free(copy);
}

#define IUA(purposes)                                                                                      \
	"\"extensions\":{\"ihe_iua\":{\"subject_name\":\"n\",\"subject_organization_id\":\"urn:oid:1.2\"," \
	"\"subject_role\":[{\"code\":\"r\"}],\"purpose_of_use\":[" purposes "]}}}"
#define CODE(system, code) "{\"system\":\"" system "\",\"code\":\"" code "\"}"
#define ACT                "http://terminology.hl7.org/CodeSystem/v3-ActReason"

static void test_claims__purpose(void **state)
{
	static const struct {
		const char *text;
		const char *purpose; /* NULL: refused for want of one */
	} cases[] = {
		{ HEAD "\"scope\":\"user/*.rs\"," IUA(CODE(ACT, "TREAT")), "TREAT" },
		{ HEAD "\"scope\":\"user/*.rs\"," IUA(CODE(ACT, "TREAT") "," CODE(ACT, "ETREAT")), "ETREAT" },
		{ HEAD "\"scope\":\"user/*.rs\"," IUA(CODE(ACT, "ETREAT") "," CODE(ACT, "BTG")), "BTG" },
		{ HEAD "\"scope\":\"user/*.rs\"," IUA(CODE(ACT, "HPAYMT") "," CODE(ACT, "PUBHLTH")), "HPAYMT" },
		{ HEAD "\"scope\":\"user/*.rs\"," IUA(CODE(ACT, "TREAT") "," CODE("http://other", "BTG")), "TREAT" },
		{ HEAD "\"scope\":\"user/*.rs\"," IUA(CODE("http://other", "BTG")), NULL },
		{ HEAD "\"scope\":\"user/*.rs\"," IUA("{\"code\":\"BTG\"}"), NULL },
		{ HEAD "\"scope\":\"user/*.rs\"," IUA(CODE(ACT, "btg")), "btg" },
		{ HEAD "\"scope\":\"user/*.rs\"," IUA(""), NULL },
		/* Machines break no glass, and patients need not. */
		{ HEAD "\"scope\":\"system/*.rs\"," IUA(CODE(ACT, "BTG")), "TREAT" },
		{ HEAD "\"scope\":\"system/*.rs\"," IUA(CODE(ACT, "BTG") "," CODE(ACT, "HPAYMT")), "HPAYMT" },
		{ HEAD "\"scope\":\"patient/*.rs\",\"patient\":\"p\"," IUA(CODE(ACT, "BTG")), "PATRQT" },
		{ HEAD "\"scope\":\"patient/*.rs\",\"patient\":\"p\"}", "PATRQT" },
		{ HEAD "\"scope\":\"ITI-67\"," IUA(CODE(ACT, "BTG")), "BTG" },
	};
	struct claims claims;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		enum claims_end got = read_claims(cases[i].text, &rules, &claims);

		if (got != (cases[i].purpose ? CLAIMS_GOOD : CLAIMS_LACKING))
			fail_msg("%zu: %s: %d", i, cases[i].text, got);
		if (cases[i].purpose)
			assert_true(str_equal(claims.caller.purpose.code, str_from_c(cases[i].purpose)));
	}
}

static void test_claims__patient_of_the_launch(void **state)
{
	struct claims claims;

	(void)state;
	assert_int_equal(read_claims(HEAD "\"scope\":\"patient/*.rs\",\"patient\":\"abc\"}", &rules, &claims),
			 CLAIMS_GOOD);
	assert_true(str_equal(claims.caller.person_id, STR(BASE "/Patient/abc")));
	assert_int_equal(read_claims(HEAD "\"scope\":\"patient/*.rs\"}", &rules, &claims), CLAIMS_LACKING);
	assert_int_equal(read_claims(HEAD
				     "\"scope\":\"patient/*.rs\",\"extensions\":{\"ihe_bppc\":{\"patient_id\":\"p\"}}}",
				     &rules, &claims),
			 CLAIMS_GOOD);
	assert_true(str_equal(claims.caller.person_id, STR("p")));
}

static void test_claims__times_at_the_border(void **state)
{
	static const struct {
		int64_t now_s;
		enum claims_end end;
	} cases[] = { { 1800000330, CLAIMS_GOOD },
		      { 1800000331, CLAIMS_EXPIRED },
		      { 1799999960, CLAIMS_GOOD },
		      { 1799999959, CLAIMS_WRONG } };
	struct claim_rules at = rules;
	struct claims claims;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		at.now_s = cases[i].now_s;
		assert_int_equal(read_claims(HEAD "\"scope\":\"system/*.rs\"}", &at, &claims), cases[i].end);
	}
	at = rules;
	at.lifetime_max_s = 310;
	assert_int_equal(read_claims(HEAD "\"scope\":\"system/*.rs\"}", &at, &claims), CLAIMS_GOOD);
	at.lifetime_max_s = 309;
	assert_int_equal(read_claims(HEAD "\"scope\":\"system/*.rs\"}", &at, &claims), CLAIMS_WRONG);
}

static void test_claims__memory_may_end(void **state)
{
	struct claims claims;
	size_t refused = 0;

	(void)state;
	for (size_t i = 0; i < 60; i++) {
		json_t *tree = json_loads(HEAD "\"scope\":\"user/*.rs\"," IUA(CODE(ACT, "TREAT")), 0, NULL);
		struct arena *small = arena_new(65536);

		arena_fail_at(small, i);
		enum claims_end got = claims_read(tree, &rules, small, &claims);

		assert_true(got == CLAIMS_NO_MEMORY || got == CLAIMS_GOOD);
		refused += got == CLAIMS_NO_MEMORY;
		arena_free(small);
		json_decref(tree);
	}
	assert_true(refused > 10);
}

/* ---- how long an introspection holds: attack 72 ---- */

static struct {
	struct http_server *server;
	unsigned asked;
	bool is_active;
	const char *purpose;
} issuer;

static bool issuer_accept(void *ctx, struct http_exchange *exchange, struct http_request *request,
			  struct http_admission *admission)
{
	(void)ctx, (void)exchange;
	admission->body_bytes_max = 65536;
	request->what = "introspection";
	return true;
}

static void issuer_handle(void *ctx, struct http_exchange *exchange, struct http_request *request)
{
	struct buf body;

	(void)ctx, (void)request;
	issuer.asked++;
	buf_init(&body, 65536);
	if (issuer.is_active)
		buf_printf(&body,
			   "{\"active\":true,\"sub\":\"s\",\"client_id\":\"c\",\"aud\":\"" BASE
			   "\",\"exp\":%d,\"scope\":\"user/*.cruds\"," IUA(CODE(ACT, "%s")),
			   NOW + 3600, issuer.purpose);
	else
		buf_add(&body, STR("{\"active\":false}"));
	http_respond_buf(exchange, 200, &body);
	buf_free(&body);
}

static void server_begin(void)
{
	static struct spool_limits spools = { .directory = "/tmp", .memory_bytes = 65536, .total_bytes_max = 1 << 20 };
	const struct server_handlers handlers = { .accept = issuer_accept, .handle = issuer_handle };
	const struct server_options options = { .name = "issuer",
						.address = "127.0.0.1",
						.polling_threads = 1,
						.connections_max = 16,
						.header_ms = 10000,
						.keep_alive_ms = 10000,
						.request_ms = 10000,
						.arena_bytes = 1 << 20,
						.spool = &spools,
						.workers = { .threads_max = 2, .queue_max = 8 } };
	struct outcome outcome;

	outcome_init(&outcome);
	issuer.server = server_open(&options, &handlers, &outcome);
	assert_non_null(issuer.server);
}

static enum error_code ask_at(struct access *access, int64_t now_s, bool is_write)
{
	const struct credentials credentials = { .authorization = STR("Bearer an-opaque-token"), .is_write = is_write };
	const struct south south = { .arena = arena, .deadline = deadline_in(10000) };
	struct challenge challenge;

	return authenticate(access, &credentials, &south, now_s, &challenge) ? ERR_NONE : challenge.code;
}

static void test_072_revoked_tokens_are_noticed(void **state)
{
	static const struct {
		const char *purpose;
		bool is_write;
		int64_t known_s; /* for so long the issuer is not asked */
	} cases[] = { { "TREAT", false, 60 }, { "TREAT", true, 5 }, { "BTG", false, 5 }, { "ETREAT", false, 5 } };
	struct config_issuer row = { .issuer = STR("https://as.example"),
				     .introspection_authorization = STR("Bearer x"),
				     .lifetime_seconds = 3600 };
	struct config config = { .public_base = STR(BASE), .tenant = STR("default"), .issuers = { &row, 1 } };
	char url[64];

	(void)state;
	server_begin();
	snprintf(url, sizeof url, "http://127.0.0.1:%u/introspect", server_port(issuer.server));
	row.introspection_url = str_from_c(url);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct outcome outcome;
		struct access access = { .config = &config };

		outcome_init(&outcome);
		access.trust = trust_open(&config, &outcome);
		assert_non_null(access.trust);
		issuer.is_active = true;
		issuer.purpose = cases[i].purpose;
		issuer.asked = 0;
		assert_int_equal(ask_at(&access, NOW, cases[i].is_write), ERR_NONE);
		issuer.is_active = false;
		assert_int_equal(ask_at(&access, NOW + cases[i].known_s, cases[i].is_write), ERR_NONE);
		assert_int_equal(issuer.asked, 1);
		assert_int_equal(ask_at(&access, NOW + cases[i].known_s + 1, cases[i].is_write), ERR_UNAUTHENTICATED);
		assert_int_equal(issuer.asked, 2);
		/* The refusal is remembered too, for five seconds. */
		assert_int_equal(ask_at(&access, NOW + cases[i].known_s + 6, cases[i].is_write), ERR_UNAUTHENTICATED);
		assert_int_equal(issuer.asked, 2);
		issuer.is_active = true;
		assert_int_equal(ask_at(&access, NOW + cases[i].known_s + 7, cases[i].is_write), ERR_NONE);
		assert_int_equal(issuer.asked, 3);
		trust_close(access.trust);
	}
	assert_true(server_close(issuer.server, 10000));
}

static void test_token_cache__is_bounded(void **state)
{
	struct token_cache *cache = token_cache_new(20000);
	struct token_known known = { .claims = { .caller = { .subject = STR("somebody") } }, .checked_s = 1 };
	unsigned char hash[TOKEN_HASH_SIZE] = { 0 };
	struct token_known got;
	unsigned kept = 0;

	(void)state;
	assert_non_null(cache);
	for (unsigned char i = 0; i < 200; i++) {
		hash[0] = 7;
		hash[31] = i;
		token_cache_put(cache, hash, &known, NOW);
		hash[31] = 0;
		/* Who is asked for stays. */
		assert_true(token_cache_get(cache, hash, NOW, arena, &got));
	}
	for (unsigned char i = 0; i < 200; i++) {
		hash[31] = i;
		kept += token_cache_get(cache, hash, NOW, arena, &got);
	}
	assert_true(kept > 10 && kept < 60);
	hash[31] = 199;
	assert_true(token_cache_get(cache, hash, NOW, arena, &got));
	assert_true(str_equal(got.claims.caller.subject, STR("somebody")));
	assert_false(token_cache_get(cache, hash, NOW + 1, arena, &got));
	assert_false(token_cache_get(cache, hash, NOW, arena, &got));
	token_cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_base64url__is_strict, begin, end),
		cmocka_unit_test_setup_teardown(test_scope__opens, begin, end),
		cmocka_unit_test_setup_teardown(test_scope__narrowest_class_counts, begin, end),
		cmocka_unit_test_setup_teardown(test_scope__grants_what_is_covered, begin, end),
		cmocka_unit_test_setup_teardown(test_claims__fill_a_caller, begin, end),
		cmocka_unit_test_setup_teardown(test_claims__purpose, begin, end),
		cmocka_unit_test_setup_teardown(test_claims__patient_of_the_launch, begin, end),
		cmocka_unit_test_setup_teardown(test_claims__times_at_the_border, begin, end),
		cmocka_unit_test_setup_teardown(test_claims__memory_may_end, begin, end),
		cmocka_unit_test_setup_teardown(test_072_revoked_tokens_are_noticed, begin, end),
		cmocka_unit_test_setup_teardown(test_token_cache__is_bounded, begin, end),
	};

	return south_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
