#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/run/config.h"
#include "gateway/run/config_document.h"
#include "gateway/run/file.h"

static char directory[64];
static char path[128];
static struct arena *arena;
static struct outcome outcome;
static struct config config;

static const char good[] = "# a comment\n"
			   "listen:\n"
			   "  address: 127.0.0.1\n"
			   "  port: 9090\n"
			   "keys:\n"
			   "  - id: 7\n"
			   "    file: seal.key\n"
			   "back_ends:\n"
			   "- name: hcm\n"
			   "  registry_url: http://127.0.0.1:8081/registry/\n"
			   "  provide_url: \"http://127.0.0.1:8081/repository\"\n"
			   "  repositories:\n"
			   "  - {unique_id: 1.2.3, url: 'http://127.0.0.1:8081/repository'}\n"
			   "  - unique_id: urn:oid:1.2.4\n"
			   "    url: https://other.example/r?x=y\n"
			   "  timeout_ms: 250\n"
			   "patient:\n"
			   "  assigning_authority: 1.3.6.1.4.1.21367\n";

static void put(const char *name, struct str text)
{
	char full[128];
	FILE *file;

	snprintf(full, sizeof full, "%s/%s", directory, name);
	file = fopen(full, "we");
	assert_true(file && fwrite(text.data, 1, text.size, file) == text.size && fclose(file) == 0);
}

static void drop(const char *name)
{
	char full[128];

	snprintf(full, sizeof full, "%s/%s", directory, name);
	unlink(full);
}

static bool load_bytes(struct str text, enum config_role role)
{
	outcome_init(&outcome);
	put("c.yaml", text);
	return config_load(path, role, arena, &config, &outcome);
}

static bool load(const char *text, enum config_role role)
{
	return load_bytes(str_from_c(text), role);
}

/* One more line for back_ends. */
#define COMMUNITY(name, source, more) \
	"- {name: " name ", kind: xca, source: " source ", registry_url: http://a/, " more "}\n"

static void replace(char *out, size_t size, const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	assert_non_null(at);
	snprintf(out, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void test_config__reads_all_kinds_of_values(void **state)
{
	char text[4096];

	(void)state;
	snprintf(text, sizeof text,
		 "%slog: {format: json, level: warn}\n"
		 "limits:\n  body_bytes: 64MiB\n  spool_bytes: 2 GiB\n  workers: 3\n"
		 "profiles: [comprehensive, minimal]\nminimal_policy: refuse\ndefault_timezone: -03:30\n"
		 "spool_directory: spool\npublic_base: https://fhir.example/base//\n"
		 "domain:\n  patients: [A-1, 'B 2']\n  accept_any_code: true\n",
		 good);
	if (!load(text, CONFIG_GATEWAY))
		fail_msg("%s: %s", outcome.issues[0].path, outcome.issues[0].text);
	assert_int_equal(config.listen_port, 9090);
	assert_int_equal(config.log_format, CONFIG_LOG_JSON);
	assert_int_equal(config.log_level, CONFIG_LOG_WARN);
	assert_int_equal(config.limits_body_bytes, 64 << 20);
	assert_int_equal(config.limits_spool_bytes, 2LL << 30);
	assert_int_equal(config.limits_workers, 3);
	assert_int_equal(config.limits_queue, 4096);
	assert_int_equal(config.profiles, CONFIG_COMPREHENSIVE | CONFIG_MINIMAL);
	assert_int_equal(config.minimal_policy, CONFIG_MINIMAL_REFUSE);
	assert_int_equal(config.default_timezone, -210);
	assert_true(str_ends_with(config.spool_directory, STR("/spool")));
	assert_true(str_starts_with(config.spool_directory, str_from_c(directory)));
	assert_true(str_equal(config.public_base, STR("https://fhir.example/base")));
	assert_int_equal(config.keys.count, 1);
	assert_int_equal(config.keys.items[0].id, 7);
	assert_int_equal(config.keys.items[0].secret.size, 40);
	assert_int_equal(config.back_ends.count, 1);
	const struct config_back_end *back_end = &config.back_ends.items[0];

	assert_true(str_equal(back_end->registry_url, STR("http://127.0.0.1:8081/registry/")));
	assert_int_equal(back_end->timeout_ms, 250);
	assert_int_equal(back_end->connections_max, 256);
	assert_int_equal(back_end->metadata_level, CONFIG_LEVEL_COMPREHENSIVE);
	assert_int_equal(back_end->repositories.count, 2);
	assert_true(str_equal(back_end->repositories.items[1].unique_id, STR("1.2.4")));
	assert_int_equal(config.domain_patients.count, 2);
	assert_true(str_equal(config.domain_patients.items[1], STR("B 2")));
	assert_true(config.domain_accept_any_code);
}

static void test_config__other_communities_stand_beside_the_domain(void **state)
{
	char text[4096];

	(void)state;
	replace(text, sizeof text, good, "patient:",
		COMMUNITY("dsp", "9",
			  "home_community_id: 1.2.5, xcpd_url: http://b/, assigning_authority: 1.2.6") "patient:");
	assert_true(load(text, CONFIG_GATEWAY));
	assert_int_equal(config.back_ends.count, 2);
	assert_int_equal(config.back_ends.items[0].kind, CONFIG_KIND_XDS);
	assert_int_equal(config.back_ends.items[1].kind, CONFIG_KIND_XCA);
	assert_true(str_equal(config.back_ends.items[0].assigning_authority, STR("1.3.6.1.4.1.21367")));
	assert_true(str_equal(config.back_ends.items[1].assigning_authority, STR("1.2.6")));
	assert_int_equal(config.back_ends.items[1].repositories.count, 0);
}

static void test_config__defaults_stand(void **state)
{
	(void)state;
	assert_true(load(good, CONFIG_GATEWAY));
	assert_true(str_equal(config.public_base, STR("http://127.0.0.1:9090/fhir")));
	assert_int_equal(config.profiles, CONFIG_COMPREHENSIVE | CONFIG_MINIMAL | CONFIG_UNCONTAINED);
	assert_int_equal(config.limits_body_bytes, 128 << 20);
	assert_int_equal(config.default_timezone, 0);
	assert_false(config.domain_accept_any_code);
	assert_int_equal(config.patient_reference_bases.count, 0);
}

static void test_config__what_is_required_depends_on_the_role(void **state)
{
	static const char domain[] = "domain:\n  data_directory: /var/lib/x\n  repository_unique_id: 1.2.3\n"
				     "  assigning_authority: 1.2.4\nkeys: [{id: 1, file: not-readable}]\n";

	(void)state;
	assert_true(load(domain, CONFIG_DOMAIN));
	assert_false(load(domain, CONFIG_GATEWAY));
	assert_false(load(good, CONFIG_DOMAIN));
	assert_int_equal(outcome.count, 3);
	assert_non_null(strstr(outcome.issues[0].path, "c.yaml:1: domain.data_directory"));
	assert_non_null(strstr(outcome.issues[0].text, "Add this key"));
}

/* A change to the good file, and what must be said about it. */
static const struct bad {
	const char *from;
	const char *to;
	const char *path; /* ":line: key" */
	const char *text;
} bads[] = {
	{ "port: 9090", "port: 010", ":4: listen.port", "leading zeros" },
	{ "port: 9090", "port: 65536", ":4: listen.port", "from 0 to 65535" },
	{ "port: 9090", "port: 99999999999999999999", ":4: listen.port", "decimal" },
	{ "port: 9090", "port: -1", ":4: listen.port", "decimal" },
	{ "port: 9090", "port: 1_000", ":4: listen.port", "decimal" },
	{ "port: 9090", "port: 0x10", ":4: listen.port", "decimal" },
	{ "port: 9090", "port:", ":4: listen.port", "Write a value" },
	{ "port: 9090", "port: ~", ":4: listen.port", "Write a value" },
	{ "port: 9090", "port: [1]", ":4: listen.port", "single value" },
	{ "port: 9090", "port: {a: {b: [c, d]}}", ":4: listen.port", "single value" },
	{ "port: 9090", "port: 1\n  port: 2", ":5: listen.port", "only once" },
	{ "port: 9090", "prot: 1", ":4: listen.prot", "no such key" },
	{ "port: 9090", "port: 1\n  deep: {a: [b, {c: d}]}", ":5: listen.deep", "no such key" },
	{ "port: 9090", "port: &a 1", ":4: listen.port", "anchors" },
	{ "port: 9090", "port: *a", ":4: listen.port", "aliases" },
	{ "port: 9090", "port: !!int 1", ":4: listen.port", "tags" },
	{ "port: 9090", "port: ${PASSERELLE_NOT_SET}", ":4: listen.port", "PASSERELLE_NOT_SET" },
	{ "port: 9090", "port: ${}", ":4: listen.port", "environment variable" },
	{ "listen:\n  address: 127.0.0.1\n", "listen: 5\nlog:\n", ":2: listen", "keys and values" },
	{ "listen:", "listen.port: 1\nlisten:", ":2", "no dots" },
	{ "address: 127.0.0.1", "address: \"a\\0b\"", ":3: listen.address", "control" },
	{ "address: 127.0.0.1", "address: ''", ":3: listen.address", "must not be empty" },
	{ "id: 7", "id: 256", ":6: keys[0].id", "from 0 to 255" },
	{ "file: seal.key", "file: none.key", ":7: keys[0].file", "No such file" },
	{ "file: seal.key", "file: short.key", ":7: keys[0].file", "at least 32" },
	{ "    file: seal.key\n", "", ":6: keys[0].file", "Add this key" },
	{ "- id: 7\n    file: seal.key", "- {id: 1, file: seal.key}\n  - {id: 1, file: seal.key}", ":5: keys",
	  "id of its own" },
	{ "keys:\n  - id: 7\n    file: seal.key\n", "keys: []\n", ":5: keys", "from 1 to 16" },
	{ "keys:\n  - id: 7\n    file: seal.key\n", "keys: x\n", ":5: keys", "list" },
	{ "keys:\n  - id: 7\n    file: seal.key\n", "keys: [x]\n", ":5: keys[0]", "keys and values" },
	{ "- name: hcm", "- name: hcm\n  name: hcm", ":10: back_ends[0].name", "only once" },
	{ "registry_url: http://127.0.0.1:8081/registry/", "registry_url: ftp://x", ":10: back_ends[0].registry_url",
	  "absolute URL" },
	{ "registry_url: http://127.0.0.1:8081/registry/", "registry_url: http://u:p@x/",
	  ":10: back_ends[0].registry_url", "without user" },
	{ "1.2.3, url", "1.02.3, url", ":13: back_ends[0].repositories[0].unique_id", "OID" },
	{ "urn:oid:1.2.4", "x", ":14: back_ends[0].repositories[1].unique_id", "OID" },
	{ "    url: https://other.example/r?x=y\n", "", ":14: back_ends[0].repositories[1].url", "Add this key" },
	{ "  timeout_ms: 250", "  timeout_ms: 5", ":16: back_ends[0].timeout_ms", "from 10" },
	{ "  provide_url: \"http://127.0.0.1:8081/repository\"\n", "", ":9: back_ends[0]",
	  "provide_url and repositories" },
	{ "  repositories:\n  - {unique_id: 1.2.3, url: 'http://127.0.0.1:8081/repository'}\n"
	  "  - unique_id: urn:oid:1.2.4\n    url: https://other.example/r?x=y\n",
	  "", ":9: back_ends[0]", "provide_url and repositories" },
	{ "- name: hcm", "- name: hcm\n  kind: xcpd", ":10: back_ends[0].kind", "one of: xds xca" },
	{ "- name: hcm", "- name: hcm\n  kind: xca\n  home_community_id: 1.2.5", ":9: back_ends[0]",
	  "XDS domain first" },
	{ "patient:", COMMUNITY("hcm", "1", "home_community_id: 1.2.5") "patient:", ":17: back_ends[1]",
	  "another name" },
	{ "patient:", COMMUNITY("dsp", "0", "home_community_id: 1.2.5") "patient:", ":17: back_ends[1]",
	  "another source" },
	{ "address: 127.0.0.1", "address: 0.0.0.0", ":1: public_base", "as clients write it" },
	{ "address: 127.0.0.1", "address: '::'", ":1: public_base", "as clients write it" },
	{ "patient:", COMMUNITY("dsp", "1", "xcpd_url: http://a/") "patient:", ":17: back_ends[1]",
	  "home_community_id" },
	{ "patient:",
	  COMMUNITY("dsp", "1", "home_community_id: 1.2.5")
		  COMMUNITY("ehr", "2", "home_community_id: 1.2.5") "patient:",
	  ":18: back_ends[2]", "another home_community_id" },
	{ "patient:", COMMUNITY("dsp", "1", "home_community_id: 1.2.5, assigning_authority: 1.2.6") "patient:",
	  ":17: back_ends[1]", "xcpd_url, or identity.pix_url" },
	{ "patient:", "publication:\n  degraded: accept\npatient:", ":18: publication.degraded",
	  "state_directory and" },
	{ "patient:", "publication:\n  degraded: accept\nstate_directory: s\npatient:", ":18: publication.degraded",
	  "state_directory and" },
	{ "patient:", "publication:\n  share: [any = dsp provide]\npatient:", ":18: publication.share",
	  "state_directory and" },
	{ "patient:",
	  COMMUNITY("a", "1", "timeout_ms: 10") COMMUNITY("b", "2", "timeout_ms: 10")
		  COMMUNITY("c", "3", "timeout_ms: 10") COMMUNITY("d", "4", "timeout_ms: 10")
			  COMMUNITY("e", "5", "timeout_ms: 10") COMMUNITY("f", "6", "timeout_ms: 10")
				  COMMUNITY("g", "7", "timeout_ms: 10")
					  COMMUNITY("h", "8", "timeout_ms: 10") "patient:",
	  ":9: back_ends", "from 1 to 8 items" },
	{ "patient:\n  assigning_authority: 1.3.6.1.4.1.21367\n", "", ":1: patient.assigning_authority",
	  "Add this key" },
	{ "patient:", "profiles: [minimal, minimal]\npatient:", ":17: profiles[1]", "once" },
	{ "patient:", "profiles: [maximal]\npatient:", ":17: profiles[0]", "one of: minimal" },
	{ "patient:", "profiles: []\npatient:", ":17: profiles", "from 1" },
	{ "patient:", "default_timezone: +25:00\npatient:", ":17: default_timezone", "UTC" },
	{ "patient:", "default_timezone: +1:00\npatient:", ":17: default_timezone", "UTC" },
	{ "patient:", "domain: {accept_any_code: maybe}\npatient:", ":17: domain.accept_any_code", "true or false" },
	{ "patient:", "domain: {accept_any_code: yes}\npatient:", ":17: domain.accept_any_code", "true or false" },
	{ "patient:", "domain: {accept_any_code: 'true'}\npatient:", ":17: domain.accept_any_code", "quotes" },
	{ "patient:", "limits: {body_bytes: 1MB}\npatient:", ":17: limits.body_bytes", "KiB" },
	{ "patient:", "limits: {body_bytes: 99999999999GiB}\npatient:", ":17: limits.body_bytes", "KiB" },
	{ "patient:", "search: {count_default: 300}\npatient:", ":17: search.count_default", "count_max" },
	{ "127.0.0.1\n  port: 9090\n", "0.0.0.0\naccess:\n  anonymous: true\n", ":5: access.anonymous", "loopback" },
	{ "patient:", "tenant: a/b\npatient:", ":17: tenant", "letters" },
	{ "patient:", "\tpatient:", ":17", "YAML" },
	{ "patient:", "? [a]\n: b\npatient:", ":17", "plain names" },
	{ "patient:", "defaults: {class_code: 11503-0|Medical records}\npatient:", ":17: defaults.class_code",
	  "a URI" },
	{ "patient:", "defaults: {class_code: 'http://loinc.org'}\npatient:", ":17: defaults.class_code", "a URI" },
	{ "patient:", "defaults: {class_code: 'http://loinc.org||Medical records'}\npatient:",
	  ":17: defaults.class_code", "a URI" },
	{ "patient:", "---\npatient:", ":17", "one document" },
};

static void test_config__every_mistake_has_its_line_and_key(void **state)
{
	char text[4096];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bads); i++) {
		bool found = false;

		replace(text, sizeof text, good, bads[i].from, bads[i].to);
		assert_false(load(text, CONFIG_GATEWAY));
		for (size_t k = 0; k < outcome.count; k++) {
			const char *tail = strstr(outcome.issues[k].path, "c.yaml");

			found |= tail && strcmp(tail + 6, bads[i].path) == 0 &&
				 strstr(outcome.issues[k].text, bads[i].text);
		}
		if (!found)
			print_message("%s -> %s: %s: %s\n", bads[i].from, bads[i].to, outcome.issues[0].path,
				      outcome.issues[0].text);
		assert_true(found);
	}
}

static void test_config__checking_goes_on_after_the_first_mistake(void **state)
{
	(void)state;
	assert_false(load("listen: {port: x, adress: y}\nlog: {level: loud}\n", CONFIG_GATEWAY));
	assert_int_equal(outcome.count, 6); /* three mistakes, three missing keys */
}

static void test_config__bombs_and_rubbish_end_quickly(void **state)
{
	static char deep[200000];
	static const char bomb[] = "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nlisten: *c\n";
	const struct str rubbish[] = {
		STR(""),
		STR("#\n"),
		STR("- a\n"),
		STR("text"),
		STR("\xff\xfe"
		    "a\0"),
		STR("a: \xff\n"),
		STR("{"),
		STR("["),
		STR("a: b: c"),
		STR("\0"),
		STR("%YAML 9.9\n---\n"),
		STR("---\n---\n"),
		STR("? "),
		STR("*a"),
		STR("&a"),
		STR("!t x"),
		STR(": :"),
		STR("listen: {port: 1"),
	};

	(void)state;
	assert_false(load(bomb, CONFIG_GATEWAY));
	memset(deep, '[', sizeof deep);
	assert_false(load_bytes((struct str) { deep, sizeof deep }, CONFIG_GATEWAY));
	memcpy(deep, "x: ", 3);
	assert_false(load_bytes((struct str) { deep, sizeof deep }, CONFIG_GATEWAY));
	for (size_t i = 0; i < COUNT_OF(rubbish); i++) {
		assert_false(load_bytes(rubbish[i], CONFIG_GATEWAY));
		assert_true(outcome.count > 0);
	}
	/* Every beginning of a good file, and the file with any one byte changed. */
	for (size_t i = 0; i < sizeof good - 1; i++)
		(void)!load_bytes((struct str) { good, i }, CONFIG_GATEWAY);
	for (size_t i = 0; i < sizeof good - 1; i++) {
		char changed[sizeof good];

		memcpy(changed, good, sizeof good);
		changed[i] ^= 0x15;
		(void)!load_bytes((struct str) { changed, sizeof good - 1 }, CONFIG_GATEWAY);
	}
}

static void test_config__values_may_come_from_the_environment(void **state)
{
	char text[4096];

	(void)state;
	replace(text, sizeof text, good, "port: 9090", "port: ${PATH_NUMBER}");
	static char variable[] = "PATH_NUMBER=1234";

	putenv(variable);
	assert_true(load(text, CONFIG_GATEWAY));
	assert_int_equal(config.listen_port, 1234);
}

static void test_config__sample_is_a_good_configuration(void **state)
{
	struct buf sample;
	struct buf reference;

	(void)state;
	buf_init(&sample, 1 << 20);
	config_sample_write(&sample);
	assert_false(sample.failed);
	if (!load_bytes(buf_str(&sample), CONFIG_GATEWAY | CONFIG_DOMAIN))
		fail_msg("%s: %s\n%s", outcome.issues[0].path, outcome.issues[0].text, sample.data);
	assert_int_equal(config.limits_queue, 4096);
	assert_int_equal(config.back_ends.items[0].repositories.count, 1);
	/* The examples that are commented out are good too: uncomment each line that is "# key: value", but for the lists
	 * that are comments as a whole, and for the key of a demonstration, which no public_base may stand beside. */
	struct buf full;
	struct str rest = buf_str(&sample);
	struct str line;

	buf_init(&full, 1 << 20);
	while (str_next(&rest, '\n', &line)) {
		size_t hash = str_find(line, '#');
		struct str name = str_from(line, hash + 2);
		size_t end = str_find(name, ':');
		bool key = end + 1 < name.size && str_find(name, ' ') > end && hash < line.size &&
			   !str_starts_with(name, STR("token_key"));

		buf_printf(&full, "%.*s%.*s\n", (int)(key ? hash : line.size), line.data, key ? (int)name.size : 0,
			   name.data);
	}
	assert_non_null(strstr(full.data, "\n  class_code: http"));
	static const char *const named[] = { "codes.json",          "consent.secret", "metrics.secret",
					     "postgresql.conninfo", "redis.password", "sentinel.password",
					     "tokens.pem" };

	for (size_t i = 0; i < COUNT_OF(named); i++)
		put(named[i], STR("{\"as long as a secret has to be\": 1}"));
	if (!load_bytes(buf_str(&full), CONFIG_GATEWAY | CONFIG_DOMAIN))
		fail_msg("%s: %s", outcome.issues[0].path, outcome.issues[0].text);
	/* An optional secret of the gateway is none of the domain's business. */
	drop("redis.password");
	assert_true(load_bytes(buf_str(&full), CONFIG_DOMAIN));
	assert_null(config.redis_password.data);
	assert_false(load_bytes(buf_str(&full), CONFIG_GATEWAY));
	for (size_t i = 0; i < COUNT_OF(named); i++)
		drop(named[i]);
	buf_free(&full);
	buf_init(&reference, 1 << 20);
	config_reference_write(&reference);
	assert_false(reference.failed);
	assert_non_null(strstr(reference.data, "| `back_ends[].repositories[].unique_id` | OID | required |"));
	assert_non_null(strstr(reference.data, "| `listen.port` | number, 0 to 65535 | `8080` |"));
	buf_free(&sample);
	buf_free(&reference);
}

static int begin(void **state)
{
	(void)state;
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
		cmocka_unit_test_setup_teardown(test_config__reads_all_kinds_of_values, begin, end),
		cmocka_unit_test_setup_teardown(test_config__other_communities_stand_beside_the_domain, begin, end),
		cmocka_unit_test_setup_teardown(test_config__defaults_stand, begin, end),
		cmocka_unit_test_setup_teardown(test_config__what_is_required_depends_on_the_role, begin, end),
		cmocka_unit_test_setup_teardown(test_config__every_mistake_has_its_line_and_key, begin, end),
		cmocka_unit_test_setup_teardown(test_config__checking_goes_on_after_the_first_mistake, begin, end),
		cmocka_unit_test_setup_teardown(test_config__bombs_and_rubbish_end_quickly, begin, end),
		cmocka_unit_test_setup_teardown(test_config__values_may_come_from_the_environment, begin, end),
		cmocka_unit_test_setup_teardown(test_config__sample_is_a_good_configuration, begin, end),
	};

	snprintf(directory, sizeof directory, "/tmp/passerelle-test-XXXXXX");
	if (!mkdtemp(directory))
		return 1;
	snprintf(path, sizeof path, "%s/c.yaml", directory);
	outcome_init(&outcome);
	put("seal.key", STR("0123456789012345678901234567890123456789"));
	put("short.key", STR("0123456789012345678901234567890"));
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	drop("c.yaml");
	drop("seal.key");
	drop("short.key");
	rmdir(directory);
	return failed;
}
