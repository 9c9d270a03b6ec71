#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/run/config_change.h"
#include "gateway/run/config_set.h"

static char directory[64];
static char path[128];
static struct outcome outcome;
static struct config_set *set;

#define BACK_END(port)                                          \
	"back_ends:\n"                                          \
	"- name: hcm\n"                                         \
	"  registry_url: http://127.0.0.1:" port "/registry\n"  \
	"  provide_url: http://127.0.0.1:" port "/repository\n" \
	"  repositories: [{unique_id: 1.2.3, url: 'http://127.0.0.1:" port "/repository'}]\n"

#define MAIN(port, count_max, bare)               \
	"listen: {port: " port "}\n"              \
	"state_directory: state\n"                \
	"keys: [{id: 7, file: seal.key}]\n"       \
	"search: {count_max: " count_max "}\n"    \
	"profiles: [comprehensive]\n"             \
	"patient: {assigning_authority: 1.3.6}\n" \
	"default_tenant: " bare "\n"              \
	"tenants:\n"                              \
	"- {name: nord, file: nord.yaml}\n"       \
	"- name: sud\n"                           \
	"  file: sud.yaml\n"

static const char main_file[] = MAIN("9090", "60", "sud");
static const char nord_file[] = BACK_END("8081") "search: {count_default: 10}\nprofiles: [minimal]\n";
static const char sud_file[] =
	BACK_END("8082") "patient: {assigning_authority: 1.3.7}\nkeys: [{id: 8, file: seal.key}]\n";

static void put(const char *name, const char *text)
{
	char full[128];
	FILE *file;

	snprintf(full, sizeof full, "%s/%s", directory, name);
	file = fopen(full, "we");
	assert_true(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static bool load(const char *main_text, const char *nord_text, const char *sud_text)
{
	config_set_close(set);
	outcome_init(&outcome);
	put("main.yaml", main_text);
	put("nord.yaml", nord_text);
	put("sud.yaml", sud_text);
	return config_set_open(path, &set, &outcome);
}

static void assert_text(struct str text, const char *expected)
{
	if (!str_equal(text, str_from_c(expected)))
		fail_msg("%.*s instead of %s", STR_ARG(text), expected);
}

static void test_set__each_tenant_is_a_configuration(void **state)
{
	char expected[128];

	(void)state;
	if (!load(main_file, nord_file, sud_file))
		fail_msg("%s: %s", outcome.issues[0].path, outcome.issues[0].text);
	assert_int_equal(set->count, 2);
	assert_false(set->is_single);
	assert_int_equal(set->bare_index, 1);
	const struct config *nord = &set->tenants[0];
	const struct config *sud = &set->tenants[1];

	assert_ptr_equal(config_set_find(set, STR("nord")), nord);
	assert_ptr_equal(config_set_find(set, STR_NONE), sud);
	assert_null(config_set_find(set, STR("nor")));
	assert_text(nord->tenant, "nord");
	assert_text(nord->public_base, "http://127.0.0.1:9090/fhir/nord");
	assert_text(sud->public_base, "http://127.0.0.1:9090/fhir/sud");
	assert_text(set->process.public_base, "http://127.0.0.1:9090/fhir");
	assert_true(str_is_empty(nord->bare_base));
	assert_text(sud->bare_base, "http://127.0.0.1:9090/fhir");
	snprintf(expected, sizeof expected, "%s/state/tenants/sud", directory);
	assert_text(sud->state_directory, expected);
	assert_true(str_ends_with(str_from_c(nord->file), STR("/nord.yaml")));
	/* A tenant's key takes the place of the main file's, a list as a whole; the rest stays. */
	assert_int_equal(nord->search_count_max, 60);
	assert_int_equal(nord->search_count_default, 10);
	assert_int_equal(sud->search_count_default, 50);
	assert_int_equal(nord->profiles, CONFIG_MINIMAL);
	assert_int_equal(sud->profiles, CONFIG_COMPREHENSIVE);
	assert_text(nord->patient_assigning_authority, "1.3.6");
	assert_text(sud->patient_assigning_authority, "1.3.7");
	assert_int_equal(nord->keys.items[0].id, 7);
	assert_int_equal(sud->keys.count, 1);
	assert_int_equal(sud->keys.items[0].id, 8);
	assert_text(sud->back_ends.items[0].registry_url, "http://127.0.0.1:8082/registry");
	assert_int_equal(set->process.back_ends.count, 0);
}

static void test_set__without_tenants_the_file_is_the_one(void **state)
{
	(void)state;
	assert_true(load(BACK_END("8081") "keys: [{id: 7, file: seal.key}]\npatient: {assigning_authority: 1.3.6}\n",
			 "", ""));
	assert_true(set->is_single);
	assert_int_equal(set->count, 1);
	assert_ptr_equal(set->tenants, &set->process);
	assert_text(set->tenants->tenant, "default");
	assert_text(set->tenants->public_base, "http://127.0.0.1:8080/fhir");
	assert_ptr_equal(config_set_find(set, STR_NONE), set->tenants);
}

/* What is put into place of one of the files, and what must be said about it. */
static const struct bad {
	const char *main_text; /* NULL: the good one */
	const char *nord_text;
	const char *path; /* "file:line: key" */
	const char *text;
} bads[] = {
	{ NULL, BACK_END("8081") "listen: {port: 1}\n", "nord.yaml:6: listen.port", "main file" },
	{ NULL, BACK_END("8081") "state_keys: [{id: 1, file: seal.key}]\n", "nord.yaml:6: state_keys", "main file" },
	{ NULL, BACK_END("8081") "tenant: sud\n", "nord.yaml:6: tenant", "main file" },
	{ NULL, BACK_END("8081") "tenants: [{name: a, file: b}]\n", "nord.yaml:6: tenants", "main file" },
	{ NULL, BACK_END("8081") "limits: {workers: 3}\n", "nord.yaml:6: limits.workers", "main file" },
	{ NULL, BACK_END("8081") "public_base: http://a/\n", "nord.yaml:6: public_base", "main file" },
	{ NULL, BACK_END("8081") "search: {count_default: 70}\n", "nord.yaml:6: search.count_default",
	  "(tenant nord)" },
	{ NULL, BACK_END("8081") "search: {count_max: 40}\n", "nord.yaml:1: search.count_default", "(tenant nord)" },
	{ NULL, BACK_END("8081") "serach: {count_max: 40}\n", "nord.yaml:6: serach", "no such key" },
	{ NULL, "profiles: [minimal]\n", "nord.yaml:1: back_ends", "Add this key" },
	{ NULL, "- a\n", "nord.yaml:1", "keys and values" },
	{ "tenants: [{name: nord, file: none.yaml}]\n", "", "main.yaml:1: tenants", "No such file" },
	{ "tenants:\n- {name: nord, file: nord.yaml}\n- {name: nord, file: sud.yaml}\n", "", "main.yaml:3: tenants",
	  "only once" },
	{ "tenants: [{name: metadata, file: nord.yaml}]\n", "", "main.yaml:1: tenants", "another name" },
	{ "tenants: [{name: Nord, file: nord.yaml}]\n", "", "main.yaml:1: tenants", "another name" },
	{ "tenants: [{name: nord}]\n", "", "main.yaml:1: tenants[0].file", "Add this key" },
	{ "tenants: [{name: nord, file: nord.yaml}]\ndefault_tenant: sud\n", "", "main.yaml:2: default_tenant",
	  "one of the tenants" },
	{ "tenants: [{name: nord, file: nord.yaml}]\ntenant: x\n", "", "main.yaml:2: tenant", "Remove this key" },
	{ "default_tenant: nord\n", "", "main.yaml:1: default_tenant", "there are no tenants" },
};

static void test_set__every_mistake_says_file_line_and_tenant(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bads); i++) {
		bool found = false;

		assert_false(load(bads[i].main_text ? bads[i].main_text : main_file, bads[i].nord_text, sud_file));
		for (size_t k = 0; k < outcome.count; k++)
			found |= str_ends_with(str_from_c(outcome.issues[k].path), str_from_c(bads[i].path)) &&
				 strstr(outcome.issues[k].text, bads[i].text);
		if (!found)
			fail_msg("%s not found, but %s: %s", bads[i].path, outcome.issues[0].path,
				 outcome.issues[0].text);
	}
}

static void test_set__names_of_tenants(void **state)
{
	static const char *const good[] = { "a", "nord", "hopital-nord", "x9", "list-1", "fhir2" };
	static const char *const bad[] = {
		"",         "9a",   "-a",     "A",    "a_b",    "a.b",     "a/b",  "a%41",
		"metadata", "auth", "health", "list", "binary", "consent", "fhir", "metrics"
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_true(config_tenant_name_valid(str_from_c(good[i])));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(config_tenant_name_valid(str_from_c(bad[i])));
}

/* What a change of the files means for a process that runs by the older ones. */
static const struct change {
	const char *main_text; /* NULL: as before, here and below */
	const char *nord_text;
	const char *nord_keys; /* that differ for the tenant nord; empty: none do */
	const char *sud_keys;
	const char *kept;
} changes[] = {
	{ NULL, NULL, "", "", "" },
	{ NULL, BACK_END("8081") "search: {count_default: 11}\nprofiles: [minimal]\n", "search.count_default", "", "" },
	{ NULL, BACK_END("8083") "search: {count_default: 10}\nprofiles: [minimal]\n", "back_ends", "", "" },
	{ NULL, BACK_END("8081") "search: {count_default: 10}\nprofiles: [minimal, comprehensive]\n", "profiles", "",
	  "" },
	{ NULL, BACK_END("8081") "search: {count_default: 10}\nprofiles: [minimal]\norganizations: ['urn:oid:1.2']\n",
	  "organizations", "organizations of others", "" },
	{ NULL, BACK_END("8081") "search: {count_default: 10}\nprofiles: [minimal]\naudit: {source_id: x}\n",
	  "audit.source_id", "", "" },
	{ NULL,
	  BACK_END("8081") "search: {count_default: 10}\nprofiles: [minimal]\noutbox: {store: postgresql, bytes_max: "
			   "8MiB}\n",
	  "outbox.bytes_max", "", "outbox.store" },
	{ MAIN("9091", "61", "sud"), NULL, "search.count_max", "search.count_max", "listen.port" },
	{ MAIN("9090", "60", "nord"), NULL, "default_tenant", "default_tenant", "" },
	{ MAIN("9090", "60", "sud") "- {name: est, file: sud.yaml}\n", NULL, "", "", "" },
};

static void test_change__says_what_differs_and_what_waits(void **state)
{
	struct config_set *before;

	(void)state;
	assert_true(load(main_file, nord_file, sud_file));
	before = set;
	config_set_keep(before);
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		const struct change *change = &changes[i];
		struct buf kept;
		struct buf nord;
		struct buf sud;

		buf_init(&kept, 1000);
		buf_init(&nord, 1000);
		buf_init(&sud, 1000);
		assert_true(load(change->main_text ? change->main_text : main_file,
				 change->nord_text ? change->nord_text : nord_file, sud_file));
		assert_true(config_process_keep(set, &before->process, &kept));
		config_state_keep(&set->tenants[0], &before->tenants[0], &kept);
		assert_int_equal(config_differs(&before->tenants[0], &set->tenants[0], &nord),
				 change->nord_keys[0] != 0);
		assert_int_equal(config_differs(&before->tenants[1], &set->tenants[1], &sud), change->sud_keys[0] != 0);
		assert_text(buf_str(&nord), change->nord_keys);
		assert_text(buf_str(&sud), change->sud_keys);
		assert_text(buf_str(&kept), change->kept);
		/* What waits for a restart is as it was, also in what is made of it. */
		assert_int_equal(set->tenants[0].listen_port, 9090);
		assert_text(set->tenants[0].public_base, "http://127.0.0.1:9090/fhir/nord");
		buf_free(&kept);
		buf_free(&nord);
		buf_free(&sud);
	}
	config_set_close(before);
}

/* A file that a key names may change while its name stays. */
static void test_change__files_count_too(void **state)
{
	static const char issuers[] = BACK_END("8081") "issuers: [{issuer: 'https://a', jwks_file: nord.jwks}]\n";
	struct config_set *before;
	struct buf keys;

	(void)state;
	buf_init(&keys, 1000);
	put("nord.jwks", "{\"keys\":[]}");
	assert_true(load(main_file, issuers, sud_file));
	before = set;
	config_set_keep(before);
	assert_true(load(main_file, issuers, sud_file));
	assert_false(config_differs(&before->tenants[0], &set->tenants[0], &keys));
	put("nord.jwks", "{\"keys\":[ ]}");
	assert_true(load(main_file, issuers, sud_file));
	assert_true(config_differs(&before->tenants[0], &set->tenants[0], &keys));
	assert_text(buf_str(&keys), "content of files");
	assert_false(config_differs(&before->tenants[1], &set->tenants[1], &keys));
	buf_free(&keys);
	config_set_close(before);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof directory, "/tmp/passerelle-set-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof path, "%s/main.yaml", directory);
	put("seal.key", "0123456789012345678901234567890123456789");
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "main.yaml", "nord.yaml", "sud.yaml", "seal.key", "nord.jwks" };
	char full[128];

	(void)state;
	config_set_close(set);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(full, sizeof full, "%s/%s", directory, names[i]);
		unlink(full);
	}
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set__each_tenant_is_a_configuration),
		cmocka_unit_test(test_set__without_tenants_the_file_is_the_one),
		cmocka_unit_test(test_set__every_mistake_says_file_line_and_tenant),
		cmocka_unit_test(test_set__names_of_tenants),
		cmocka_unit_test(test_change__says_what_differs_and_what_waits),
		cmocka_unit_test(test_change__files_count_too),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
