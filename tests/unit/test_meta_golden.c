/* Golden cases of tests/golden/mapping: NAME.fhir.json and the ebRIM that it must become, written by hand; and back. */
#include "meta_json.h"

#include "mappers/fhir_validate.h"
#include "mappers/metadata_rim.h"
#include "mappers/xds_message.h"

static const struct fhir_context context = {
	.path = "Bundle.entry[1].resource",
	.patient_id = STR_INIT("P77^^^&1.3.6.1.4.1.99999.100&ISO"),
};

static const struct fhir_links links = {
	.id = STR_INIT("abc.1"),
	.subject = STR_INIT("Patient/77"),
	.attachment_url = STR_INIT("https://gateway.example/Binary/1"),
	.last_updated = STR_INIT("2024-03-02T08:15:30Z"),
};

/* One object of any kind. */
struct any {
	const char *name;
	struct document_entry entry;
	struct submission_set set;
	struct folder folder;
};

static bool any_from_fhir(struct any *any, const json_t *tree, struct arena *arena, struct outcome *outcome)
{
	if (strcmp(any->name, "document-entry") == 0)
		return document_entry_from_fhir(tree, &context, arena, &any->entry, outcome);
	return strcmp(any->name, "folder") == 0 ? folder_from_fhir(tree, &context, arena, &any->folder, outcome)
						: submission_set_from_fhir(tree, &context, arena, &any->set, outcome);
}

static void any_to_fhir(const struct any *any, struct arena *arena, struct json_writer *writer)
{
	if (strcmp(any->name, "document-entry") == 0)
		document_entry_to_fhir(&any->entry, &links, arena, writer);
	else if (strcmp(any->name, "folder") == 0)
		folder_to_fhir(&any->folder, &links, arena, writer);
	else
		submission_set_to_fhir(&any->set, &links, arena, writer);
}

static bool any_to_rim(const struct any *any, struct arena *arena, struct rim_object *object)
{
	if (strcmp(any->name, "document-entry") == 0)
		return document_entry_to_rim(&any->entry, arena, object);
	return strcmp(any->name, "folder") == 0 ? folder_to_rim(&any->folder, arena, object)
						: submission_set_to_rim(&any->set, arena, object);
}

static bool any_from_rim(struct any *any, const struct rim_object *object, struct arena *arena)
{
	if (strcmp(any->name, "document-entry") == 0)
		return document_entry_from_rim(object, arena, &any->entry);
	return strcmp(any->name, "folder") == 0 ? folder_from_rim(object, arena, &any->folder)
						: submission_set_from_rim(object, arena, &any->set);
}

static bool any_validate(const struct any *any, enum metadata_level level, struct outcome *outcome)
{
	if (strcmp(any->name, "document-entry") == 0)
		return document_entry_validate(&any->entry, level, "R", outcome);
	return strcmp(any->name, "folder") == 0 ? folder_validate(&any->folder, level, "R", outcome)
						: submission_set_validate(&any->set, level, "R", outcome);
}

static void golden(const char *name, char path[512], const char *end)
{
	snprintf(path, 512, "%s/tests/golden/mapping/%s.%s", TEST_SOURCE_DIR, name, end);
}

static json_t *golden_fhir(const char *name)
{
	char path[512];
	json_error_t error;

	golden(name, path, "fhir.json");
	json_t *tree = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!tree)
		fail_msg("%s: %s", path, error.text);
	return tree;
}

static void golden_rim(const char *name, struct arena *arena, struct rim_list *list)
{
	char path[512];
	struct xds_message message;
	struct outcome outcome;

	outcome_init(&outcome);
	golden(name, path, "rim.xml");
	assert_true(xds_message_read(file_read(path, arena), NULL, arena, &message, &outcome));
	assert_int_equal(message.objects.count, 1);
	*list = message.objects;
}

static void print_issues(const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->count; i++)
		fprintf(stderr, "  %s: %s\n", outcome->issues[i].path, outcome->issues[i].text);
}

static void check_to_rim(const char *name)
{
	struct arena *arena = arena_new(1 << 22);
	struct any any = { .name = name };
	struct rim_list wanted;
	struct rim_object object;
	struct rim_list got = { .objects = &object, .count = 1 };
	struct outcome outcome;
	json_t *tree = golden_fhir(name);

	outcome_init(&outcome);
	golden_rim(name, arena, &wanted);
	if (!any_from_fhir(&any, tree, arena, &outcome))
		print_issues(&outcome);
	assert_int_equal(outcome.count, 0);
	assert_true(any_validate(&any, LEVEL_COMPREHENSIVE, &outcome));
	assert_true(any_validate(&any, LEVEL_XDS, &outcome));
	assert_true(any_to_rim(&any, arena, &object));
	char *a = canonical_rim(&wanted);
	char *b = canonical_rim(&got);
	assert_string_equal(a, b);
	free(a);
	free(b);
	json_decref(tree);
	arena_free(arena);
}

static void check_to_fhir(const char *name)
{
	/* Codings after the first, the alias of a system and the UUID of a folder become what XDS knows; resourceType of
	 * a contained role may differ, ids of contained resources do. */
	static const char *const ignored[] = { "id", "contained", NULL };
	struct arena *arena = arena_new(1 << 22);
	struct any any = { .name = name };
	struct rim_list list;
	struct outcome outcome;
	struct json_writer writer;
	struct buf buf;
	json_t *wanted = golden_fhir(name);

	outcome_init(&outcome);
	buf_init(&buf, 1 << 20);
	json_writer_init(&writer, &buf);
	golden_rim(name, arena, &list);
	assert_true(any_from_rim(&any, &list.objects[0], arena));
	any_to_fhir(&any, arena, &writer);
	assert_true(json_writer_finish(&writer, &outcome));
	json_t *got = json_of_buf(&buf);
	if (!fhir_validate(got, "R", &outcome))
		print_issues(&outcome);
	assert_int_equal(outcome.count, 0);

	if (strcmp(name, "document-entry") == 0) {
		json_array_remove(json_object_get(json_object_get(wanted, "type"), "coding"), 1);
		json_object_del(json_object_get(json_array_get(json_object_get(wanted, "content"), 0), "format"),
				"system");
	}
	if (strcmp(name, "folder") == 0)
		json_object_del(wanted, "identifier");
	if (strcmp(name, "submission-set") == 0)
		json_object_del(json_array_get(json_object_get(wanted, "extension"), 0), "url");
	if (strcmp(name, "folder") == 0 || strcmp(name, "submission-set") == 0)
		json_object_del(wanted, "identifier");
	struct json_pair pair = { .wanted_root = wanted, .got_root = got, .ignored = ignored };
	if (!json_holds(&pair, wanted, got)) {
		json_dumpf(got, stderr, JSON_INDENT(1));
		fail_msg("%s: %s is missing", name, pair.path);
	}
	/* All is there, so the resource says so. */
	const char *profile =
		json_string_value(json_array_get(json_object_get(json_object_get(got, "meta"), "profile"), 0));
	assert_non_null(profile);
	assert_non_null(strstr(profile, "/IHE.MHD.Comprehensive."));
	json_decref(got);
	json_decref(wanted);
	buf_free(&buf);
	arena_free(arena);
}

/* FHIR to the struct, to ebRIM, to the struct, to FHIR text; free it. */
static char *fhir_again(const char *name, const json_t *tree)
{
	struct arena *arena = arena_new(1 << 22);
	struct any any = { .name = name };
	struct rim_object object;
	struct outcome outcome;
	struct json_writer writer;
	struct buf buf;

	outcome_init(&outcome);
	buf_init(&buf, 1 << 20);
	json_writer_init(&writer, &buf);
	assert_true(any_from_fhir(&any, tree, arena, &outcome));
	assert_true(any_to_rim(&any, arena, &object));
	assert_true(any_from_rim(&any, &object, arena));
	any_to_fhir(&any, arena, &writer);
	assert_true(json_writer_finish(&writer, &outcome));
	arena_free(arena);
	return buf.data;
}

/* Every allocation fails once: no crash, no leak, and a plain error. */
static void check_allocations(const char *name)
{
	json_t *tree = golden_fhir(name);
	char *whole = fhir_again(name, tree);
	bool done = false;
	size_t n = 0;

	for (; !done; n++) {
		struct arena *arena = arena_new(1 << 22);
		struct any any = { .name = name };
		struct rim_object object;
		struct outcome outcome;
		struct json_writer writer;
		struct buf buf;

		assert_true(n < 5000);
		outcome_init(&outcome);
		buf_init(&buf, 1 << 20);
		json_writer_init(&writer, &buf);
		arena_fail_at(arena, n);
		if (!any_from_fhir(&any, tree, arena, &outcome)) {
			assert_true(outcome.has_error);
		} else if (any_to_rim(&any, arena, &object) && any_from_rim(&any, &object, arena)) {
			any_to_fhir(&any, arena, &writer);
			done = json_writer_finish(&writer, &outcome);
			/* nothing may be missing silently: what was written is what is written with all memory */
			if (done)
				assert_string_equal(buf.data, whole);
		}
		buf_free(&buf);
		arena_free(arena);
	}
	assert_true(n > 20);
	free(whole);
	json_decref(tree);
}

static const char *const names[] = { "document-entry", "submission-set", "folder" };

static void test_fhir_becomes_the_expected_ebrim(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		check_to_rim(names[i]);
}

static void test_ebrim_becomes_the_same_fhir(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		check_to_fhir(names[i]);
}

static void test_allocation_failures(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		check_allocations(names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fhir_becomes_the_expected_ebrim),
		cmocka_unit_test(test_ebrim_becomes_the_same_fhir),
		cmocka_unit_test(test_allocation_failures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
