/* The worked example of the mapping notes (section 9): the resources of an ITI-65 request, the ebRIM that they become,
 * the answer of a registry, and the DocumentReference that it becomes. Written by others than the mapper. */
#include "meta_json.h"

#include "mappers/metadata_rim.h"
#include "mappers/xds_message.h"

static char folder[512];

/* The code block of a language after a heading, NUL-terminated. */
static char *block(struct arena *arena, const char *heading, const char *fence)
{
	char path[1024];
	snprintf(path, sizeof path, "%s/mhd-xds-mapping.md", folder);
	struct str file = file_read(path, arena);
	const char *at = strstr(file.data, heading);

	assert_non_null(at);
	at = strstr(at, fence);
	assert_non_null(at);
	at += strlen(fence);
	const char *end = strstr(at, "\n```");
	assert_non_null(end);
	return (char *)arena_copy(arena, (struct str) { at, (size_t)(end - at) }).data;
}

static json_t *block_json(struct arena *arena, const char *heading)
{
	json_error_t error;
	json_t *tree = json_loads(block(arena, heading, "```json\n"), 0, &error);

	if (!tree)
		fail_msg("%s: %s", heading, error.text);
	return tree;
}

static void block_rim(struct arena *arena, const char *heading, struct rim_list *list)
{
	struct xds_message message;
	struct outcome outcome;

	outcome_init(&outcome);
	if (!xds_message_read(str_from_c(block(arena, heading, "```xml\n")), NULL, arena, &message, &outcome))
		fail_msg("%s", outcome.issues[0].text);
	*list = message.objects;
}

/* The notes number the Classifications x1, x2 ...; ours have no ids, and no status on the way to a registry. */
static char *plain(struct rim_object *object)
{
	struct rim_list list = { .objects = object, .count = 1 };

	object->status = STR_NONE;
	for (size_t i = 0; i < object->classification_count; i++)
		object->classifications[i].id = STR_NONE;
	for (size_t i = 0; i < object->external_identifier_count; i++)
		object->external_identifiers[i].id = STR_NONE;
	return canonical_rim(&list);
}

static void compare(struct rim_object *wanted, struct rim_object *got)
{
	char *a = plain(wanted);
	char *b = plain(got);

	assert_string_equal(a, b);
	free(a);
	free(b);
}

static void test_request_becomes_iti_41(void **state)
{
	(void)state;
	if (!shared_folder("test_request_becomes_iti_41", ".", folder))
		skip();
	static const struct fhir_context context = { .path = "Bundle",
						     .patient_id = STR_INIT("P77^^^&1.3.6.1.4.1.99999.100&ISO") };
	struct arena *arena = arena_new(1 << 22);
	json_t *bundle = block_json(arena, "### 9.1");
	json_t *entries = json_object_get(bundle, "entry");
	struct outcome outcome;
	struct rim_list wanted;
	struct rim_object object;
	struct document_entry entry;
	struct submission_set set;

	outcome_init(&outcome);
	block_rim(arena, "### 9.2", &wanted);
	assert_int_equal(wanted.count, 4);
	assert_true(submission_set_from_fhir(json_object_get(json_array_get(entries, 0), "resource"), &context, arena,
					     &set, &outcome));
	assert_true(document_entry_from_fhir(json_object_get(json_array_get(entries, 1), "resource"), &context, arena,
					     &entry, &outcome));
	assert_int_equal(outcome.count, 0);
	/* the gateway assigns the ids */
	entry.entry_uuid = STR("urn:uuid:9b2d7c10-5a43-4d0b-8a7e-1c2f3a4b5c6d");
	set.entry_uuid = STR("urn:uuid:c0a8d9e2-7f31-4b6a-9d25-0e1f2a3b4c5d");
	assert_true(document_entry_to_rim(&entry, arena, &object));
	compare(&wanted.objects[0], &object);
	assert_true(submission_set_to_rim(&set, arena, &object));
	compare(&wanted.objects[1], &object);
	json_decref(bundle);
	arena_free(arena);
}

static void test_answer_becomes_a_searchset_entry(void **state)
{
	(void)state;
	if (!shared_folder("test_answer_becomes_a_searchset_entry", ".", folder))
		skip();
	/* The answer of the notes leaves out what the request has (a comment says so), sourcePatientInfo is not kept. */
	static const char *const ignored[] = { "id", "url", NULL };
	static const struct fhir_relation relation = {
		.code = STR_INIT("replaces"),
		.reference = STR_INIT("DocumentReference/3f1c1a6e-0d3b-4c55-9a51-6f2d0c3b7e10"),
	};
	struct fhir_links links = {
		.id = STR("9b2d7c10-5a43-4d0b-8a7e-1c2f3a4b5c6d"),
		.subject = STR("https://pat.example.org/fhir/Patient/77"),
		.attachment_url = STR("https://gw.example.org/doc/9b2d7c10-5a43-4d0b-8a7e-1c2f3a4b5c6d"),
		.relations = &relation,
		.relation_count = 1,
	};
	struct arena *arena = arena_new(1 << 22);
	json_t *bundle = block_json(arena, "### 9.4");
	json_t *wanted = json_object_get(json_array_get(json_object_get(bundle, "entry"), 0), "resource");
	struct rim_list sent, answered;
	struct document_entry entry, codes;
	struct outcome outcome;
	struct json_writer writer;
	struct buf buf;

	outcome_init(&outcome);
	buf_init(&buf, 1 << 20);
	json_writer_init(&writer, &buf);
	block_rim(arena, "### 9.2", &sent);
	block_rim(arena, "### 9.3", &answered);
	assert_true(document_entry_from_rim(&answered.objects[0], arena, &entry));
	assert_true(document_entry_from_rim(&sent.objects[0], arena, &codes));
	entry.authors = codes.authors;
	entry.class_code = codes.class_code;
	entry.type_code = codes.type_code;
	entry.format_code = codes.format_code;
	entry.confidentiality_codes = codes.confidentiality_codes;
	entry.facility_type_code = codes.facility_type_code;
	entry.practice_setting_code = codes.practice_setting_code;
	document_entry_to_fhir(&entry, &links, arena, &writer);
	assert_true(json_writer_finish(&writer, &outcome));
	json_t *got = json_of_buf(&buf);
	struct json_pair pair = { .wanted_root = wanted, .got_root = got, .ignored = ignored };
	if (!json_holds(&pair, wanted, got)) {
		json_dumpf(got, stderr, JSON_INDENT(1));
		fail_msg("%s is missing", pair.path);
	}
	json_decref(got);
	json_decref(bundle);
	buf_free(&buf);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_becomes_iti_41),
		cmocka_unit_test(test_answer_becomes_a_searchset_entry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
