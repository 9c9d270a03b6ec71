/* What a Provide Document Bundle becomes. */
#include "provide_stand.h"

#include <dirent.h>

#include "mappers/association.h"
#include "mappers/document_entry.h"
#include "mappers/document_search.h"
#include "mappers/json_writer.h"
#include "mappers/provide_fill.h"

static void test_provide_bundle__comprehensive(void **state)
{
	(void)state;
	struct run run;

	golden(&run, "comprehensive");
	run_map(&run, &rules);
	if (!run.mapped)
		fail_msg("%s", all_issues(&run.outcome));
	assert_int_equal(run.outcome.count, 0);
	const struct document_entry *entry = &run.metadata.document_entries[0];
	const struct submission_set *set = &run.metadata.submission_sets[0];

	assert_true(str_equal(entry->unique_id, STR("1.3.6.1.4.1.99999.8.1")));
	assert_true(str_equal(entry->patient_id, STR(PATIENT)));
	assert_true(str_equal(entry->source_patient_id, STR("MRN-5^^^&1.3.6.1.4.1.99999.1&ISO")));
	assert_true(
		str_equal(entry->authors.items[0].person, STR("D9^O\\S\\Neil^Tim^^^Dr^^^&1.3.6.1.4.1.99999.2&ISO")));
	assert_true(str_equal(entry->type_code.scheme, STR("2.16.840.1.113883.6.1")));
	assert_true(str_equal(set->unique_id, STR("1.3.6.1.4.1.99999.7.1")));
	assert_true(str_equal(set->submission_time, STR("20240302081530")));
	assert_null(entry->availability_status.data);
	assert_false(entry->limited_metadata);
	/* one edge: the set has the document, TF-3 4.2.2.1.3 */
	assert_int_equal(run.metadata.association_count, 1);
	assert_int_equal(run.metadata.associations[0].type, ASSOCIATION_HAS_MEMBER);
	assert_true(str_equal(run.metadata.associations[0].source, set->entry_uuid));
	assert_true(str_equal(run.metadata.associations[0].target, entry->entry_uuid));
	assert_true(str_equal(run.metadata.associations[0].submission_set_status, STR("Original")));
	assert_false(run.documents[0].is_cut);
	assert_true(str_equal(run.documents[0].inline_base64, STR("SGVsbG8gV29ybGQ=")));
	assert_true(str_equal(run.documents[0].claimed_hash, STR("0a4d55a8d778e5022fab701977c5d840bbc486d0")));
	assert_true(str_equal(run.documents[0].claimed_size, STR("11")));
	arena_free(run.arena);
}

/* The edges as text, with names in the place of UUIDs. */
static struct str edges(const struct run *run)
{
	const struct metadata *metadata = &run->metadata;
	struct str text = STR("");

	for (size_t i = 0; i < metadata->association_count; i++) {
		const struct association *edge = &metadata->associations[i];
		struct str ends[2] = { edge->source, edge->target };

		for (size_t e = 0; e < 2; e++) {
			struct str name = STR_NONE;

			if (str_equal(ends[e], metadata->submission_sets[0].entry_uuid))
				name = STR("SS");
			for (size_t j = 0; j < metadata->document_entry_count; j++) {
				if (str_equal(ends[e], metadata->document_entries[j].entry_uuid))
					name = arena_printf(run->arena, "DE%zu", j);
			}
			for (size_t j = 0; j < metadata->folder_count; j++) {
				if (str_equal(ends[e], metadata->folders[j].entry_uuid))
					name = arena_printf(run->arena, "FD%zu", j);
			}
			for (size_t j = 0; j < metadata->association_count; j++) {
				if (str_equal(ends[e], metadata->associations[j].id))
					name = arena_printf(run->arena, "A%zu", j);
			}
			for (size_t j = 0; j < run->bundle.target_count; j++) {
				if (str_equal(ends[e], run->resolved.target_uuids[j]))
					name = run->bundle.targets[j].value;
			}
			ends[e] = name;
		}
		struct str type = association_urn(edge->type);
		size_t colon = type.size;

		while (colon && type.data[colon - 1] != ':')
			colon--;
		text = arena_printf(run->arena, "%.*s%.*s %.*s %.*s%s%.*s\n", STR_ARG(text), STR_ARG(ends[0]),
				    STR_ARG(str_from(type, colon)), STR_ARG(ends[1]),
				    edge->submission_set_status.size ? " " : "", STR_ARG(edge->submission_set_status));
	}
	return text;
}

/* TF-3 4.2.2.1 (which edges), MHD 4.2.4 3.65.4.1.2 (replace, folders, references). */
static void test_provide_bundle__every_association(void **state)
{
	(void)state;
	static const char expected[] = "SS HasMember DE0 Original\n"
				       "SS HasMember DE1 Original\n"
				       "SS HasMember seen Reference\n"
				       "SS HasMember FD0\n"
				       "FD0 HasMember DE0\n"
				       "SS HasMember A4\n"
				       "FD0 HasMember DE1\n"
				       "SS HasMember A6\n"
				       "FD0 HasMember seen\n"
				       "SS HasMember A8\n"
				       "folder1 HasMember DE0\n"
				       "SS HasMember A10\n"
				       "folder1 HasMember old1\n"
				       "SS HasMember A12\n"
				       "DE0 XFRM_RPLC old1\n"
				       "DE1 APND DE0\n"
				       "DE1 signs 1.9.9\n";
	struct run run;

	golden(&run, "everything");
	run_map(&run, &rules);
	if (!run.mapped)
		fail_msg("%s", all_issues(&run.outcome));
	assert_string_equal(edges(&run).data, expected);
	assert_int_equal(run.metadata.folder_count, 1);
	assert_true(str_starts_with(run.metadata.folders[0].unique_id, STR("2.25.")));
	assert_true(run.metadata.association_count <= run.bundle.uuid_count);
	/* entries keep their order and know their objects */
	assert_int_equal(run.bundle.entries[3].role, ROLE_FOLDER_UPDATE);
	assert_int_equal(run.bundle.entries[5].role, ROLE_FOLDER);
	assert_int_equal(run.bundle.entries[5].object, 0);
	assert_true(str_equal(run.bundle.targets[run.bundle.entries[3].target].value, STR("folder1")));
	assert_true(str_equal(run.bundle.targets[run.bundle.entries[1].target].value, STR("old1")));
	assert_int_equal(run.bundle.entries[7].object, 1);
	/* ids are real and all different */
	for (size_t i = 0; i < run.metadata.association_count; i++) {
		for (size_t j = 0; j < i; j++)
			assert_false(str_equal(run.metadata.associations[i].id, run.metadata.associations[j].id));
	}
	arena_free(run.arena);
}

static void test_provide_bundle__institution(void **state)
{
	struct provide_defaults own = defaults;
	struct provide_rules with = rules;
	struct document_entry entry = { 0 };
	struct author nurse = { .person = STR("^Nurse") };
	struct outcome outcome;
	struct arena *arena = arena_new(ARENA_BYTES);
	struct str xon;

	(void)state;
	with.defaults = &own;
	assert_true(provide_institution(STR("https://a.example/x"), STR("nord"), arena, &xon));
	assert_int_equal(xon.size, 0);
	assert_true(provide_institution(STR("urn:oid:1.2.3|7"), STR("nord"), arena, &xon));
	assert_true(str_equal(xon, STR("nord^^^^^&1.2.3&ISO^^^^7")));
	assert_true(provide_institution(STR("urn:oid:1.2.3"), STR("nord"), arena, &own.institution));
	assert_true(str_equal(own.institution, STR("nord^^^^^^^^^1.2.3")));
	for (int round = 0; round < 2; round++) { /* filled in once */
		entry.authors = round ? entry.authors : (struct authors) { &nurse, 1 };
		outcome_init(&outcome);
		assert_true(provide_fill_institution(&with, "p", arena, &entry, &outcome));
		assert_int_equal(outcome.count, 1 - round);
		assert_int_equal(entry.authors.count, 2);
		assert_true(str_equal(entry.authors.items[1].institutions.items[0], own.institution));
	}
	entry.authors = (struct authors) { 0 };
	with.fill_minimal = false;
	outcome_init(&outcome);
	assert_false(provide_fill_institution(&with, "p", arena, &entry, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_METADATA_MISSING);
	arena_free(arena);
}

static void test_provide_bundle__minimal_by_policy(void **state)
{
	(void)state;
	struct provide_rules refuse = rules;
	struct provide_rules limited = rules;
	struct provide_defaults none = { 0 };
	struct provide_rules poor = rules;
	struct run run;

	golden(&run, "minimal");
	run_map(&run, &rules);
	if (!run.mapped)
		fail_msg("%s", all_issues(&run.outcome));
	assert_true(str_equal(run.metadata.document_entries[0].class_code.code, STR("c")));
	assert_true(str_equal(run.metadata.document_entries[0].language_code, STR("fr-LU")));
	assert_true(str_equal(run.metadata.document_entries[0].creation_time, STR("20240302081530")));
	assert_true(str_equal(run.metadata.submission_sets[0].content_type_code.code, STR("s")));
	assert_false(run.outcome.has_error);
	assert_int_equal(run.outcome.count,
			 10); /* 6 codes, language, creation, source patient; contentType of the set */
	for (size_t i = 0; i < run.outcome.count; i++) {
		assert_int_equal(run.outcome.issues[i].severity, SEVERITY_WARNING);
		assert_true(str_starts_with(str_from_c(run.outcome.issues[i].path), STR("Bundle.entry[")));
	}
	arena_free(run.arena);

	refuse.fill_minimal = false;
	golden(&run, "minimal");
	run_map(&run, &refuse);
	assert_false(run.mapped);
	assert_int_equal(outcome_http_status(&run.outcome), 422);
	assert_int_equal(run.outcome.issues[0].code, ERR_METADATA_MISSING);
	arena_free(run.arena);

	poor.defaults = &none;
	golden(&run, "minimal");
	run_map(&run, &poor);
	assert_false(run.mapped);
	assert_int_equal(outcome_http_status(&run.outcome), 422);
	arena_free(run.arena);

	limited.limited_metadata = true;
	golden(&run, "minimal");
	run_map(&run, &limited);
	if (!run.mapped)
		fail_msg("%s", all_issues(&run.outcome));
	assert_true(run.metadata.document_entries[0].limited_metadata);
	assert_true(run.metadata.submission_sets[0].limited_metadata);
	assert_int_equal(run.outcome.count, 0);
	arena_free(run.arena);
}

/* TF-3 4.2.3.1.7: authorities are OIDs. The URI is the OID of its version 5 UUID, here of http://x.org/p (made by
 * another implementation: Python's uuid.uuid5), and comes back from the extra Slot. */
#define X_ORG_P "2.25.243140771897925924953929397242386824325"

static void test_provide_bundle__systems_that_are_no_oids(void **state)
{
	(void)state;
	struct run run;

	golden(&run, "comprehensive");
	set_at(run.tree, "/entry/1/resource/contained/0/identifier",
	       "[{\"system\":\"http://x.org/p\",\"value\":\"A\"},{\"system\":\"urn:oid:1.5\",\"value\":\"B\"}]");
	set_at(run.tree, "/entry/1/resource/contained/1/identifier",
	       "[{\"system\":\"http://x.org/p\",\"value\":\"D9\"}]");
	set_at(run.tree, "/entry/1/resource/context/related",
	       "[{\"identifier\":{\"system\":\"http://x.org/a&b\",\"value\":\"R\"}}]");
	run_map(&run, &rules);
	if (!run.mapped)
		fail_msg("%s", all_issues(&run.outcome));
	const struct document_entry *entry = &run.metadata.document_entries[0];

	assert_true(str_equal(entry->source_patient_id, STR("A^^^&" X_ORG_P "&ISO")));
	assert_true(str_equal(entry->source_patient_info.items[0], STR("PID-3|A^^^&" X_ORG_P "&ISO")));
	assert_true(str_ends_with(entry->authors.items[0].person, STR("^^^&" X_ORG_P "&ISO")));
	assert_true(str_starts_with(entry->reference_ids.items[0], STR("R^^^&2.25.")));
	assert_int_equal(run.outcome.count, 0);

	struct fhir_links links = { .id = STR("x"), .attachment_url = STR("http://gw/fhir/Binary/x") };
	struct json_writer writer;
	struct buf text;

	buf_init(&text, ARENA_BYTES);
	json_writer_init(&writer, &text);
	document_entry_to_fhir(entry, &links, run.arena, &writer);
	assert_true(json_writer_finish(&writer, &run.outcome));
	assert_null(strstr(text.data, "2.25."));
	assert_non_null(strstr(text.data, "{\"system\":\"http://x.org/p\",\"value\":\"D9\"}"));
	assert_non_null(strstr(text.data, "\"system\":\"http://x.org/p\",\"value\":\"A\""));
	assert_non_null(strstr(text.data, "\"system\":\"http://x.org/a&b\",\"value\":\"R\""));
	buf_free(&text);
	/* the entry itself is as it was registered, and found by the URI */
	assert_true(str_equal(entry->source_patient_id, STR("A^^^&" X_ORG_P "&ISO")));
	struct search_rules searching = { .page_entries = 10, .page_entries_max = 10 };
	struct search_resolved nobody = { 0 };
	struct search_params params;
	struct search search;

	assert_true(search_params_read(STR("patient=Patient/x&related:identifier=http://x.org/a%26b%7CR"), STR_NONE,
				       run.arena, &params, &run.outcome));
	assert_true(document_search_read(&params, &searching, run.arena, &search, &run.outcome));
	assert_true(document_search_matches(&search, &nobody, entry, STR_NONE, run.arena));
	arena_free(run.arena);
}

/* The examples' uniqueIds of Lists are longer than the 64 characters that TF-3 4.2.3.1.7 allows an OID. */
static void shorten_oids(json_t *tree)
{
	json_t *entries = json_object_get(tree, "entry");

	for (size_t i = 0; i < json_array_size(entries); i++) {
		json_t *resource = json_object_get(json_array_get(entries, i), "resource");
		json_t *identifiers = json_object_get(resource, "identifier");

		for (size_t j = 0; j < json_array_size(identifiers); j++) {
			json_t *identifier = json_array_get(identifiers, j);
			struct str value = str_from_c(json_string_value(json_object_get(identifier, "value")));

			if (value.size > 72)
				json_object_set_new(identifier, "value", json_stringn(value.data, 60));
		}
	}
}

/* The Provide Bundles of the MHD 4.2.4 guide. */
static void test_provide_bundle__ihe_examples(void **state)
{
	(void)state;
	char folder[512];
	size_t count = 0;

	if (!shared_folder("test_provide_bundle__ihe_examples", "fhir/mhd-package/compiled-4.2.4-current", folder))
		skip();
	DIR *files = opendir(folder);
	struct dirent *file;

	assert_non_null(files);
	while ((file = readdir(files))) {
		char path[1024];
		struct run run;

		if (!strstr(file->d_name, "rovideDocumentBundle") || strstr(file->d_name, "Bundle-ex-response") ||
		    strncmp(file->d_name, "Bundle-ex", 9) != 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, file->d_name);
		run_begin(&run, path);
		shorten_oids(run.tree);
		run_map(&run, &rules);
		/* one example publishes a document Bundle, an option that this gateway does not have */
		if (strstr(file->d_name, "BundleDocument.json")) {
			assert_false(run.read);
			assert_string_equal(run.outcome.issues[0].xds_code, "FHIRDocumentNotSupported");
		} else if (strstr(file->d_name, "BundleMultiple")) { /* has one uniqueId twice */
			assert_int_equal(first_error(&run.outcome)->code, ERR_DUPLICATE_IN_BODY);
		} else if (!run.mapped) {
			fail_msg("%s:%s", file->d_name, all_issues(&run.outcome));
		}
		count++;
		arena_free(run.arena);
	}
	closedir(files);
	assert_int_equal(count, 9);
}

static void test_provide_bundle__survives_lack_of_memory(void **state)
{
	(void)state;
	static const char *const names[] = { "everything", "minimal" };

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		bool done = false;

		for (size_t n = 0; !done; n++) {
			struct run run;

			golden(&run, names[i]);
			run.read = provide_bundle_read(run.tree, &rules, run.arena, &run.bundle, &run.outcome);
			if (!run.read || !settle(&run))
				fail_msg("%s", all_issues(&run.outcome));
			struct outcome outcome;
			struct provide_bundle bundle;
			struct metadata metadata;

			outcome_init(&outcome);
			arena_fail_at(run.arena, n);
			done = provide_bundle_read(run.tree, &rules, run.arena, &bundle, &outcome) &&
			       provide_bundle_map(&bundle, &rules, &run.resolved, run.arena, &metadata, &run.documents,
						  &outcome);
			assert_true(done || outcome.has_error);
			arena_free(run.arena);
			assert_in_range(n, 0, 5000);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_provide_bundle__comprehensive),
		cmocka_unit_test(test_provide_bundle__every_association),
		cmocka_unit_test(test_provide_bundle__minimal_by_policy),
		cmocka_unit_test(test_provide_bundle__institution),
		cmocka_unit_test(test_provide_bundle__systems_that_are_no_oids),
		cmocka_unit_test(test_provide_bundle__ihe_examples),
		cmocka_unit_test(test_provide_bundle__survives_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
