#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "gateway/north/negotiate.h"
#include "gateway/north/route.h"
#include "gateway/run/config.h"
#include "gateway/south/backend.h"
#include "gateway/south/fhir_fetch.h"

/* A route that nobody thought of when scopes were written would be open to no token. */
static void test_route__each_one_needs_something(void **state)
{
	(void)state;
	static const struct {
		const char *method;
		const char *path;
	} rows[] = {
#define ROUTE(name, verb, relative, ...) { #verb, relative },
#include "profiles/mhd/routes.def"
#undef ROUTE
	};
	struct route_map map = { STR("/gw/fhir"), NULL, 1, 0 };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool at_root = rows[i].path[0] == '/';
		struct route_found found;
		char path[200];
		char *marker;

		snprintf(path, sizeof path, "%s%s", at_root ? "" : "/gw/fhir/", rows[i].path);
		if ((marker = strstr(path, "{id}")) != NULL)
			memcpy(marker, "abcd", 4);
		if ((marker = strstr(path, "{version}")) != NULL)
			memcpy(marker, "123456789", 9);
		if (!route_find(&map, str_from_c(rows[i].method), str_from_c(path), &found))
			fail_msg("%s %s is not served", rows[i].method, path);
		const struct scope_need *need = found.route->need;

		assert_int_equal(found.tenant, 0);
		if (!need->is_open && !need->ihe.size && !need->smart.size)
			fail_msg("%s has no row in profiles/iua/scopes.def", found.route->label);
	}
}

static void test_route__finds_what_is_served(void **state)
{
	(void)state;
	static const struct {
		const char *method;
		const char *path;
		int name; /* or -1 for 404, -2 for 405 */
		const char *id;
		const char *allow;
	} cases[] = {
		{ "POST", "/gw/fhir", ROUTE_PROVIDE_BUNDLE, NULL, NULL },
		{ "POST", "/gw/fhir/", ROUTE_PROVIDE_BUNDLE, NULL, NULL },
		{ "POST", "/fhir", ROUTE_PROVIDE_BUNDLE, NULL, NULL },
		{ "GET", "/fhir/metadata", ROUTE_CAPABILITIES, NULL, NULL },
		{ "GET", "/fhir/DocumentReference", ROUTE_FIND_REFERENCES, NULL, NULL },
		{ "HEAD", "/fhir/DocumentReference", ROUTE_FIND_REFERENCES, NULL, NULL },
		{ "POST", "/fhir/DocumentReference/_search", ROUTE_FIND_REFERENCES_POST, NULL, NULL },
		{ "POST", "/fhir/List/_search", ROUTE_FIND_LISTS_POST, NULL, NULL },
		{ "GET", "/fhir/List/a-1.b", ROUTE_READ_LIST, "a-1.b", NULL },
		{ "GET", "/fhir/Binary/abc", ROUTE_RETRIEVE_DOCUMENT, "abc", NULL },
		{ "GET", "/fhir/Patient", ROUTE_FIND_PATIENTS, NULL, NULL },
		{ "PUT", "/fhir/Patient", ROUTE_FEED_PATIENT, NULL, NULL },
		{ "GET", "/fhir/Patient/$ihe-pix", ROUTE_CORRESPONDING, NULL, NULL },
		{ "GET", "/fhir/Patient/%24ihe-pix", ROUTE_CORRESPONDING, NULL, NULL },
		{ "POST", "/fhir/Patient/%24match", ROUTE_MATCH_PATIENT, NULL, NULL },
		{ "GET", "/fhir/Patient/$match", -2, NULL, "POST" },
		{ "DELETE", "/fhir/Patient", -2, NULL, "GET, HEAD, PUT" },
		{ "GET", "/fhir/Patient/$everything", -1, NULL, NULL },
		{ "GET", "/fhir/Patient/%2", -1, NULL, NULL },
		{ "GET", "/fhir", -2, NULL, "POST" },
		{ "DELETE", "/fhir/Binary/abc", -2, NULL, "GET, HEAD" },
		{ "PUT", "/fhir/metadata", -2, NULL, "GET, HEAD" },
		{ "get", "/fhir/metadata", -2, NULL, "GET, HEAD" },
		{ "GET", "/", -1, NULL, NULL },
		{ "GET", "/fhirx/metadata", -1, NULL, NULL },
		{ "GET", "/fhir//metadata", -1, NULL, NULL },
		{ "GET", "/fhir/Binary/", -1, NULL, NULL },
		{ "GET", "/fhir/Binary/a/b", -1, NULL, NULL },
		{ "GET", "/fhir/Binary/..%2fx", -1, NULL, NULL },
		{ "GET", "/fhir/Binary/a%00", -1, NULL, NULL },
		{ "GET", "/fhir/%6detadata", -1, NULL, NULL },
		{ "GET", "/fhir/Binary/12345678901234567890123456789012345678901234567890123456789012345", -1, NULL,
		  NULL },
		{ "GET", "/fhir/Observation", -1, NULL, NULL },
		{ "PUT", "/fhir/Consent/c", ROUTE_UPDATE_CONSENT, "c", NULL },
		{ "GET", "/fhir/Consent/c/_history/12", ROUTE_READ_CONSENT_VERSION, "c", NULL },
		{ "GET", "/fhir/Consent/c/_history", -1, NULL, NULL },
		{ "GET", "/fhir/Consent/c/_history/", -1, NULL, NULL },
		{ "GET", "/fhir/Consent/c/_history/1/2", -1, NULL, NULL },
		{ "GET", "/fhir/Consent//_history/1", -1, NULL, NULL },
		{ "PUT", "/fhir/Consent/c/_history/1", -2, NULL, "GET, HEAD" },
		{ "GET", "/fhir/.well-known/smart-configuration", ROUTE_SMART_CONFIGURATION, NULL, NULL },
		{ "GET", "/.well-known/oauth-protected-resource", ROUTE_PROTECTED_RESOURCE, NULL, NULL },
		{ "GET", "/.well-known/oauth-protected-resource/gw/fhir", ROUTE_PROTECTED_RESOURCE, NULL, NULL },
		{ "GET", "/.well-known/oauth-protected-resource/gw", -1, NULL, NULL },
		{ "GET", "/.well-known/oauth-authorization-server/fhir", ROUTE_AUTHORIZATION_SERVER, NULL, NULL },
		{ "GET", "/fhir//.well-known/oauth-protected-resource", -1, NULL, NULL },
		{ "GET", "/fhir/auth/token", -2, NULL, "POST" },
	};
	struct route_map map = { STR("/gw/fhir"), NULL, 1, 0 };

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct route_found found;
		bool is_found = route_find(&map, str_from_c(cases[i].method), str_from_c(cases[i].path), &found);

		assert_int_equal(is_found, cases[i].name >= 0);
		if (is_found)
			assert_int_equal(found.route->name, cases[i].name);
		else
			assert_int_equal(found.code, cases[i].name == -1 ? ERR_NOT_FOUND : ERR_METHOD);
		if (cases[i].allow)
			assert_string_equal(found.allow, cases[i].allow);
		if (cases[i].id)
			assert_true(str_equal(found.id, str_from_c(cases[i].id)));
	}
}

/* Attacks 9 and 17: whose a path is stands in its bytes as they came, and in nothing else. */
static void test_route__009_017_a_tenant_is_one_that_is_configured(void **state)
{
	(void)state;
	static const struct str names[] = { STR_INIT("nord"), STR_INIT("nord-west"), STR_INIT("sud") };
	enum { NOBODY = COUNT_OF(names) };
	static const struct {
		const char *path;
		int name;      /* or -1 for 404 */
		size_t tenant; /* when nord is the default */
		bool is_bare;  /* nobody's when there is no default */
	} cases[] = {
		{ "/gw/fhir/nord/DocumentReference", ROUTE_FIND_REFERENCES, 0, false },
		{ "/fhir/nord/DocumentReference", ROUTE_FIND_REFERENCES, 0, false },
		{ "/gw/fhir/sud/Binary/abc", ROUTE_RETRIEVE_DOCUMENT, 2, false },
		{ "/gw/fhir/nord-west/metadata", ROUTE_CAPABILITIES, 1, false },
		{ "/gw/fhir/metadata", ROUTE_CAPABILITIES, 0, true },
		{ "/fhir/metadata", ROUTE_CAPABILITIES, 0, true },
		{ "/gw/fhir/est/metadata", -1, 0, true },
		{ "/gw/fhir/Sud/metadata", -1, 0, true },
		{ "/gw/fhir/sud%2fmetadata", -1, 0, true },
		{ "/gw/fhir/%73ud/metadata", -1, 0, true },
		{ "/gw/fhir/sud;x/metadata", -1, 0, true },
		{ "/gw/fhir/sud%00/metadata", -1, 0, true },
		{ "/gw/fhir//sud/metadata", -1, 0, true },
		{ "/gw/fhir/sud//metadata", -1, 2, false },
		{ "/gw/fhir/sud/nord/metadata", -1, 2, false },
		{ "/gw/fhir/sud/../nord/metadata", -1, 2, false },
		{ "/gw/fhir/sud/%2e%2e/nord/metadata", -1, 2, false },
		{ "/gw/fhir/sud/%252e%252e/nord/metadata", -1, 2, false },
		{ "/gw/fhir/sud/./metadata", -1, 2, false },
		{ "/gw/fhir/sud/%c0%af/metadata", -1, 2, false },
		{ "/sud/metadata", -1, NOBODY, true },
		{ "/.well-known/oauth-protected-resource/gw/fhir/sud", ROUTE_PROTECTED_RESOURCE, 2, false },
		{ "/.well-known/oauth-protected-resource/fhir/sud", ROUTE_PROTECTED_RESOURCE, 2, false },
		{ "/.well-known/oauth-authorization-server/gw/fhir/nord", ROUTE_AUTHORIZATION_SERVER, 0, false },
		{ "/.well-known/oauth-protected-resource/gw/fhir", ROUTE_PROTECTED_RESOURCE, 0, true },
		{ "/.well-known/oauth-protected-resource", ROUTE_PROTECTED_RESOURCE, 0, true },
		{ "/.well-known/oauth-protected-resource/gw/fhir/sud/", -1, 0, true },
		{ "/.well-known/oauth-protected-resource/gw/fhir/sud/metadata", -1, 0, true },
		{ "/.well-known/oauth-protected-resource/gw/fhir/est", -1, 0, true },
		{ "/.well-known/oauth-protected-resource/sud", -1, 0, true },
		{ "/gw/fhir/sud/.well-known/smart-configuration", ROUTE_SMART_CONFIGURATION, 2, false },
	};
	const struct route_map with = { STR("/gw/fhir"), names, COUNT_OF(names), 0 };
	const struct route_map without = { STR("/gw/fhir"), names, COUNT_OF(names), NOBODY };
	struct route_found found;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct str path = str_from_c(cases[i].path);
		bool is_found = route_find(&with, STR("GET"), path, &found);

		if (is_found != (cases[i].name >= 0) || (is_found && (int)found.route->name != cases[i].name) ||
		    (is_found && (found.tenant != cases[i].tenant || found.is_bare != cases[i].is_bare)))
			fail_msg("%s", cases[i].path);
		is_found = route_find(&without, STR("GET"), path, &found);
		if (is_found != (cases[i].name >= 0 && !cases[i].is_bare) || (is_found && found.is_bare) ||
		    (is_found && found.tenant != cases[i].tenant))
			fail_msg("%s without a default", cases[i].path);
	}
	assert_true(route_find(&with, STR("POST"), STR("/gw/fhir/sud"), &found) && found.tenant == 2);
	assert_true(route_find(&with, STR("POST"), STR("/gw/fhir/sud/"), &found) && found.tenant == 2);
	assert_false(route_find(&without, STR("POST"), STR("/gw/fhir"), &found));
}

static void test_negotiate__answer(void **state)
{
	(void)state;
	static const struct {
		const char *accept;
		const char *format;
		int answer; /* -1: 406 */
	} cases[] = {
		{ NULL, NULL, FHIR_JSON },
		{ "", NULL, FHIR_JSON },
		{ "*/*", NULL, FHIR_JSON },
		{ "application/fhir+xml", NULL, FHIR_XML },
		{ "Application/FHIR+XML; charset=utf-8; fhirVersion=4.0", NULL, FHIR_XML },
		{ "application/fhir+xml; fhirVersion=\"4.0\"", NULL, FHIR_XML },
		{ "application/fhir+json; fhirVersion=5.0", NULL, -1 },
		{ "application/fhir+xml;q=0.1, application/fhir+json", NULL, FHIR_JSON },
		{ "application/fhir+xml;q=0.9, application/fhir+json;q=0.5", NULL, FHIR_XML },
		{ "text/html, */*;q=0.1", NULL, FHIR_JSON },
		{ "text/html", NULL, -1 },
		{ "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", NULL, FHIR_JSON },
		{ "text/html,application/fhir+xml;q=0.9,*/*;q=0.8", NULL, FHIR_XML },
		{ "text/html,application/xml;q=0.9", NULL, FHIR_XML },
		{ "application/fhir+json;q=0", NULL, -1 },
		{ "application/fhir+json;q=2", NULL, -1 },
		{ "application/fhir+json", "xml", FHIR_XML },
		{ "text/html", "json", FHIR_JSON },
		{ NULL, "application/fhir+xml", FHIR_XML },
		{ NULL, "turtle", -1 },
		{ "json", NULL, -1 },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		enum fhir_format answer = FHIR_JSON;
		bool ok = negotiate_answer(str_from_c(cases[i].accept), str_from_c(cases[i].format), &answer);

		assert_int_equal(ok ? (int)answer : -1, cases[i].answer);
	}
}

static void test_negotiate__body(void **state)
{
	(void)state;
	static const struct {
		const char *type;
		int format; /* -1: 415 */
	} cases[] = {
		{ "application/fhir+json", FHIR_JSON },
		{ "application/fhir+json; charset=UTF-8", FHIR_JSON },
		{ "application/json", FHIR_JSON },
		{ "application/fhir+xml;fhirVersion=4.0", FHIR_XML },
		{ "application/fhir+json; charset=utf-16", -1 },
		{ "application/fhir+json; fhirVersion=3.0", -1 },
		{ "text/html", -1 },
		{ "json", -1 },
		{ "", -1 },
		{ NULL, -1 },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		enum fhir_format format = FHIR_JSON;
		bool ok = negotiate_body(str_from_c(cases[i].type), &format);

		assert_int_equal(ok ? (int)format : -1, cases[i].format);
	}
	assert_true(negotiate_form(STR("application/x-www-form-urlencoded; charset=UTF-8")));
	assert_false(negotiate_form(STR("multipart/form-data")));
	assert_false(negotiate_form(STR_NONE));
}

static void test_negotiate__documents(void **state)
{
	(void)state;
	static const struct {
		const char *accept;
		const char *type;
		bool good;
	} cases[] = {
		{ NULL, "application/pdf", true },
		{ "application/pdf", "application/pdf", true },
		{ "application/*", "application/pdf", true },
		{ "*/*", "text/xml; charset=UTF-8", true },
		{ "TEXT/XML", "text/xml; charset=UTF-8", true },
		{ "text/xml;q=0", "text/xml", false },
		{ "*/*, text/xml;q=0", "text/xml", false },
		{ "text/*;q=0, */*", "text/xml", false },
		{ "application/fhir+json", "application/pdf", false },
		{ "app/*", "application/pdf", false },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(negotiate_accepts(str_from_c(cases[i].accept), str_from_c(cases[i].type)),
				 cases[i].good);
}

static void test_negotiate__parameter(void **state)
{
	(void)state;
	char text[16];

	assert_true(str_equal(negotiate_parameter(STR("a=1&_format=application%2Fx&_format=2"), STR("_format"), text,
						  sizeof(text)),
			      STR("application/x")));
	assert_true(str_equal(negotiate_parameter(STR("_format"), STR("_format"), text, sizeof(text)), STR("")));
	assert_null(negotiate_parameter(STR("x_format=json"), STR("_format"), text, sizeof(text)).data);
	assert_null(negotiate_parameter(STR_NONE, STR("_format"), text, sizeof(text)).data);
	/* longer than the room: cut, and so no format that is known */
	assert_int_equal(negotiate_parameter(STR("_format=12345678901234567890"), STR("_format"), text, sizeof(text))
				 .size,
			 16);
}

static void test_fhir_fetch__allows_only_type_and_id_below_the_base(void **state)
{
	(void)state;
	static const struct {
		const char *url;
		bool good;
	} cases[] = {
		{ "https://ids.example/fhir/Patient/p-1.2", true },
		{ "https://ids.example/fhir/Patient/", false },
		{ "https://ids.example/fhir/Patient", false },
		{ "https://ids.example/fhir", false },
		{ "https://ids.example/fhir/Patient/p1/_history/1", false },
		{ "https://ids.example/fhir/Patient/p1?x=1", false },
		{ "https://ids.example/fhir/Patient/p1#x", false },
		{ "https://ids.example/fhir/Patient/..", false },
		{ "https://ids.example/fhir/../Patient", false },
		{ "https://ids.example/fhir/Patient/%2e%2e", false },
		{ "https://ids.example/fhir@evil.example/Patient/p1", false },
		{ "https://ids.example/fhir.evil.example/Patient/p1", false },
		{ "https://ids.example:8443/fhir/Patient/p1", false },
		{ "http://ids.example/fhir/Patient/p1", false },
		{ "file:///etc/passwd", false },
		{ "https://ids.example/fhir//Patient/p1", false },
		{ "https://ids.example/fhir/Patient/a\nb", false },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(fhir_fetch_allowed(str_from_c(cases[i].url), STR("https://ids.example/fhir")),
				 cases[i].good);
	assert_false(fhir_fetch_allowed(STR("/Patient/p1"), STR("")));
}

static void test_backend__admits_as_many_as_it_may(void **state)
{
	(void)state;
	struct backend_repository repository = { .unique_id = STR("1.2.3"), .url = "http://127.0.0.1/r" };
	struct backend backend = { .requests_max = 2, .repositories = &repository, .repository_count = 1 };

	assert_string_equal(backend_repository_url(&backend, STR("1.2.3")), "http://127.0.0.1/r");
	assert_null(backend_repository_url(&backend, STR("1.2.3.4")));
}

static void test_backend__is_read_from_its_row(void **state)
{
	(void)state;
	struct arena *arena = arena_new(65536);
	struct config_back_end row = { .kind = CONFIG_KIND_XCA,
				       .name = STR("dsp"),
				       .registry_url = STR("http://127.0.0.1/query"),
				       .home_community_id = STR("1.2.5"),
				       .timeout_ms = 250 };
	struct backend backend;

	assert_non_null(arena);
	assert_true(backend_read(&row, arena, &backend));
	assert_int_equal(backend.kind, BACKEND_XCA);
	assert_true(str_equal(backend.home, STR("urn:oid:1.2.5")));
	assert_int_equal(backend.connect_timeout_ms, 250);
	/* its gateway knows where its documents are */
	assert_string_equal(backend_repository_url(&backend, STR("1.2.3.4")), "http://127.0.0.1/query");
	row.retrieve_url = STR("http://127.0.0.1/retrieve");
	assert_true(backend_read(&row, arena, &backend));
	assert_string_equal(backend_repository_url(&backend, STR("1.2.3.4")), "http://127.0.0.1/retrieve");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route__finds_what_is_served),
		cmocka_unit_test(test_route__009_017_a_tenant_is_one_that_is_configured),
		cmocka_unit_test(test_route__each_one_needs_something),
		cmocka_unit_test(test_negotiate__answer),
		cmocka_unit_test(test_negotiate__body),
		cmocka_unit_test(test_negotiate__documents),
		cmocka_unit_test(test_negotiate__parameter),
		cmocka_unit_test(test_fhir_fetch__allows_only_type_and_id_below_the_base),
		cmocka_unit_test(test_backend__admits_as_many_as_it_may),
		cmocka_unit_test(test_backend__is_read_from_its_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
