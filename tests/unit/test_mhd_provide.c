#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <dirent.h>

#include "mappers/association.h"
#include "mappers/document_entry.h"
#include "mappers/document_search.h"
#include "mappers/fhir_body.h"
#include "mappers/json_writer.h"
#include "mappers/metadata_validate.h"
#include "mappers/provide_bundle.h"
#include "mappers/provide_fill.h"
#include "meta_support.h"

#define ARENA_BYTES (32 * 1024 * 1024)
#define UUIDS_MAX   4096
#define PATIENT     "P1^^^&1.2.3&ISO"

static const struct provide_defaults defaults = {
	.class_code = { { "c", 1 }, { "1.1", 3 }, { "Class", 5 } },
	.type_code = { { "t", 1 }, { "1.1", 3 }, { "Type", 4 } },
	.format_code = { { "f", 1 }, { "1.1", 3 }, { "Format", 6 } },
	.confidentiality_code = { { "N", 1 }, { "1.1", 3 }, { "normal", 6 } },
	.facility_type_code = { { "h", 1 }, { "1.1", 3 }, { "Hospital", 8 } },
	.practice_setting_code = { { "p", 1 }, { "1.1", 3 }, { "Practice", 8 } },
	.content_type_code = { { "s", 1 }, { "1.1", 3 }, { "Submission", 10 } },
	.language_code = { "fr-LU", 5 },
};

static const struct provide_rules rules = { .accept_minimal = true,
					    .accept_comprehensive = true,
					    .accept_uncontained = true,
					    .fill_minimal = true,
					    .defaults = &defaults,
					    .base = { "http://gw/fhir", 14 } };

/* One run through both phases, with everything outside settled in the simplest way. */
struct run {
	struct arena *arena;
	json_t *tree;
	struct provide_bundle bundle;
	struct provide_resolved resolved;
	struct metadata metadata;
	struct provide_document *documents;
	struct outcome outcome;
	bool read;
	bool mapped;
};

static struct str fake_uuid(struct arena *arena, size_t family, size_t number)
{
	return arena_printf(arena, "urn:uuid:%08zx-0000-4000-8000-%012zx", family, number);
}

static bool settle(struct run *run)
{
	struct str *patients = arena_array(run->arena, PROVIDE_CLAIMS_MAX, sizeof *patients);
	struct str *targets = arena_array(run->arena, PROVIDE_TARGETS_MAX, sizeof *targets);
	struct strs *members = arena_array(run->arena, run->bundle.folder_count, sizeof *members);
	struct str *uuids = arena_array(run->arena, UUIDS_MAX, sizeof *uuids);
	struct str *held = arena_array(run->arena, 1, sizeof *held);

	if (!patients || !targets || !uuids || !members || !held)
		return false;
	for (size_t i = 0; i < run->bundle.claim_count; i++)
		patients[i] = STR(PATIENT);
	for (size_t i = 0; i < run->bundle.target_count; i++)
		targets[i] = fake_uuid(run->arena, 0xAAAA, i);
	for (size_t i = 0; i < UUIDS_MAX; i++)
		uuids[i] = fake_uuid(run->arena, 0xFFFF, i);
	for (size_t i = 0; i < run->bundle.target_count; i++) { /* a registered folder holds the document "seen" */
		if (str_equal(run->bundle.targets[i].value, STR("seen"))) {
			held[0] = targets[i];
			for (size_t j = 0; j < run->bundle.folder_count; j++)
				members[j] = (struct strs) { held, run->bundle.folders[j].exists ? 1 : 0 };
		}
	}
	run->resolved = (struct provide_resolved) { patients, targets, members, uuids, STR("20240302081530") };
	return uuids[UUIDS_MAX - 1].data;
}

static json_t *load_json(const char *text)
{
	json_error_t error;
	json_t *tree = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);

	if (!tree)
		fail_msg("%s: %s", text, error.text);
	return tree;
}

static void run_map(struct run *run, const struct provide_rules *with)
{
	run->read = provide_bundle_read(run->tree, with, run->arena, &run->bundle, &run->outcome);
	if (!run->read)
		return;
	for (size_t i = 0; i < run->bundle.external_count; i++) {
		struct str url = run->bundle.externals[i].url;
		const char *text =
			memmem(url.data, url.size, "Organization", 12)
				? "{\"resourceType\":\"Organization\",\"name\":\"Fetched Hospital\"}"
			: memmem(url.data, url.size, "Role", 4)
				? "{\"resourceType\":\"PractitionerRole\",\"practitioner\":{\"reference\":"
				  "\"Practitioner/p\"},\"organization\":{\"reference\":\"#o\"},\"contained\":[{"
				  "\"resourceType\":\"Organization\",\"id\":\"o\",\"name\":\"Inner\"}]}"
			: memmem(url.data, url.size, "Patient", 7)
				? "{\"resourceType\":\"Patient\",\"identifier\":[{\"system\":\"urn:oid:1.8\",\"value\":"
				  "\"S1\"}]}"
				: "{\"resourceType\":\"Practitioner\",\"name\":[{\"family\":\"Fetched\"}]}";
		json_t *resource = load_json(text);

		assert_true(arena_defer(run->arena, (void (*)(void *))json_decref, resource));
		assert_true(provide_bundle_fetched(&run->bundle, i, resource, run->arena, &run->outcome));
	}
	run->mapped = settle(run) && provide_bundle_map(&run->bundle, with, &run->resolved, run->arena, &run->metadata,
							&run->documents, &run->outcome);
}

static void run_begin(struct run *run, const char *path)
{
	*run = (struct run) { .arena = arena_new(ARENA_BYTES) };
	outcome_init(&run->outcome);
	struct str text = file_read(path, run->arena);

	if (!fhir_body_read(FHIR_JSON, text, NULL, NULL, run->arena, &run->tree, &run->outcome))
		fail_msg("%s: %s", path, run->outcome.issues[0].text);
}

static void golden(struct run *run, const char *name)
{
	char path[512];

	snprintf(path, sizeof path, "%s/tests/golden/provide/%s.json", TEST_SOURCE_DIR, name);
	run_begin(run, path);
}

/* Puts value (JSON text; NULL removes) at a path such as "/entry/1/resource/status". */
static void set_at(json_t *tree, const char *path, const char *value)
{
	struct str rest = str_from_c(path + 1);
	struct str part;
	json_t *place = tree;
	char key[64];

	for (;;) {
		uint64_t index = 0;

		assert_true(str_next(&rest, '/', &part));
		snprintf(key, sizeof key, "%.*s", STR_ARG(part));
		bool number = str_to_u64(part, &index);

		if (!rest.data) {
			if (number && value && index == json_array_size(place))
				assert_int_equal(json_array_append_new(place, load_json(value)), 0);
			else if (number)
				assert_int_equal(value ? json_array_set_new(place, (size_t)index, load_json(value))
						       : json_array_remove(place, (size_t)index),
						 0);
			else
				assert_int_equal(value ? json_object_set_new(place, key, load_json(value))
						       : json_object_del(place, key),
						 0);
			return;
		}
		place = number ? json_array_get(place, (size_t)index) : json_object_get(place, key);
		if (!place)
			fail_msg("%s", path);
	}
}

static const struct issue *first_error(const struct outcome *outcome)
{
	const struct issue *issue = outcome->issues;

	assert_true(outcome->has_error);
	while (issue->severity != SEVERITY_ERROR)
		issue++;
	return issue;
}

static const char *all_issues(const struct outcome *outcome)
{
	static char text[8192];
	size_t size = 0;

	text[0] = 0;
	for (size_t i = 0; i < outcome->count && size < sizeof text - 600; i++)
		size += (size_t)snprintf(text + size, sizeof text - size, "\n  %s at %s: %s",
					 error_info(outcome->issues[i].code)->name, outcome->issues[i].path,
					 outcome->issues[i].text);
	return text;
}

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

struct change {
	const char *golden;
	const char *path;
	const char *value;
	enum error_code code; /* ERR_NONE: still published */
	const char *where;    /* path of the first issue */
};

#define SD     "https://profiles.ihe.net/ITI/MHD/StructureDefinition/"
#define DE     "/entry/1/resource/"
#define IN_DE  "Bundle.entry[1].resource."
#define IN_SET "Bundle.entry[0].resource."
#define C      "comprehensive"
#define M      "minimal"
#define E      "everything"

/* Cases 30 to 38 of bad input, the closed slicing, and what must stay allowed. */
static const struct change changes[] = {
	{ C, "/type", "\"batch\"", ERR_METADATA_INVALID, "Bundle.type" },
	{ C, "/implicitRules", "\"http://x\"", ERR_NOT_SUPPORTED, "Bundle.implicitRules" },
	{ C, "/meta", NULL, ERR_METADATA_MISSING, "Bundle.meta.profile" },
	{ C, "/meta/profile", "[\"http://x/y\"]", ERR_METADATA_MISSING, "Bundle.meta.profile" },
	{ C, "/meta/profile",
	  "[\"http://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Comprehensive.ProvideBundle\"]", ERR_NONE,
	  "" },
	{ C, "/meta/profile", "[\"" SD "IHE.MHD.Comprehensive.ProvideBundle|4.2.4\"]", ERR_NONE, "" },
	{ C, "/meta/profile",
	  "[\"http://ihe.net/fhir/StructureDefinition/IHE_MHD_Provide_Comprehensive_DocumentBundle\"]", ERR_NONE, "" },
	{ C, "/meta/profile", "[\"http://x/y\",\"" SD "IHE.MHD.UnContained.Comprehensive.ProvideBundle\"]", ERR_NONE,
	  "" },
	{ C, "/entry/3",
	  "{\"resource\":{\"resourceType\":\"Observation\"},\"request\":{\"method\":\"POST\",\"url\":\"Observation\"}}",
	  ERR_METADATA_INVALID, "Bundle.entry[3].resource" },
	{ C, "/entry/3",
	  "{\"fullUrl\":\"urn:x:9\",\"resource\":{\"resourceType\":\"Bundle\",\"type\":\"document\"},\"request\":{"
	  "\"method\":\"POST\",\"url\":\"Bundle\"}}",
	  ERR_NOT_SUPPORTED, "Bundle.entry[3]" },
	{ C, "/entry/3",
	  "{\"fullUrl\":\"urn:x:9\",\"resource\":{\"resourceType\":\"Binary\",\"contentType\":\"text/plain\",\"data\":"
	  "\"AAAA\"},\"request\":{\"method\":\"POST\",\"url\":\"Binary\"}}",
	  ERR_RULE, "Bundle.entry[3]" },
	{ C, "/entry/3",
	  "{\"fullUrl\":\"urn:x:9\",\"resource\":{\"resourceType\":\"Practitioner\"},\"request\":{\"method\":\"POST\","
	  "\"url\":\"Practitioner\"}}",
	  ERR_METADATA_INVALID, "Bundle.entry[3].resource" },
	{ M, "/entry/3",
	  "{\"fullUrl\":\"urn:x:9\",\"resource\":{\"resourceType\":\"Practitioner\"},\"request\":{\"method\":\"POST\","
	  "\"url\":\"Practitioner\"}}",
	  ERR_NONE, "" },
	{ C, "/entry/0", NULL, ERR_METADATA_MISSING, "Bundle.entry" },
	{ C, "/entry/0/resource/code/coding/0/code", "\"worklist\"", ERR_METADATA_INVALID,
	  "Bundle.entry[0].resource.code" },
	{ C, "/entry/0/request/method", "\"PUT\"", ERR_METADATA_INVALID, "Bundle.entry[0].request.method" },
	{ C, "/entry/0/request", NULL, ERR_METADATA_MISSING, "Bundle.entry[0].request" },
	{ C, "/entry/1/request/url", "\"List\"", ERR_METADATA_INVALID, "Bundle.entry[1].request.url" },
	{ C, "/entry/1/request/url", "\"http://gw/fhir/DocumentReference\"", ERR_NONE, "" },
	{ C, "/entry/1/request/ifNoneExist", "\"identifier=x\"", ERR_NOT_SUPPORTED,
	  "Bundle.entry[1].request.ifNoneExist" },
	{ C, "/entry/1/resource", NULL, ERR_METADATA_MISSING, "Bundle.entry[1].resource" },
	{ C, "/entry/2/modifierExtension", "[{\"url\":\"http://x\"}]", ERR_NOT_SUPPORTED, "Bundle.entry[2]" },
	{ C, "/entry/2/fullUrl", "\"urn:uuid:00000000-0000-4000-8000-000000000002\"", ERR_DUPLICATE_IN_BODY,
	  "Bundle.entry[2].fullUrl" },
	{ C, "/entry/0/resource/entry", NULL, ERR_RULE, "Bundle.entry[1]" },
	{ C, "/entry/0/resource/entry/1", "{\"item\":{\"reference\":\"urn:uuid:none\"}}", ERR_REFERENCE_UNRESOLVED,
	  IN_SET "entry[1].item" },
	{ C, "/entry/0/resource/entry/1", "{\"item\":{\"reference\":\"#\"}}", ERR_REFERENCE_UNRESOLVED,
	  IN_SET "entry[1].item" },
	{ C, "/entry/0/resource/entry/1", "{\"deleted\":true,\"item\":{\"reference\":\"DocumentReference/x\"}}",
	  ERR_NOT_SUPPORTED, IN_SET "entry[1].item" },
	{ C, "/entry/0/resource/entry/1", "{\"item\":{\"reference\":\"http://gw/fhir/DocumentReference/x\"}}", ERR_NONE,
	  "" },
	{ C, "/entry/0/resource/entry/1", "{\"item\":{\"reference\":\"http://other/fhir/DocumentReference/x\"}}",
	  ERR_REFERENCE_UNRESOLVED, IN_SET "entry[1].item" },
	{ C, "/entry/0/resource/identifier", NULL, ERR_NONE, "" }, /* a uniqueId is made */
	{ C, "/entry/0/resource/extension/0", NULL, ERR_METADATA_MISSING, NULL },
	{ C, "/entry/0/resource/date", NULL, ERR_METADATA_MISSING, NULL },
	{ C, DE "modifierExtension", "[{\"url\":\"http://x\"}]", ERR_NOT_SUPPORTED, NULL },
	{ C, DE "masterIdentifier", NULL, ERR_METADATA_MISSING, NULL },
	{ C, DE "status", "\"superseded\"", ERR_RULE, NULL },
	{ C, DE "category", NULL, ERR_METADATA_MISSING, NULL },
	{ C, DE "context/practiceSetting", NULL, ERR_METADATA_MISSING, NULL },
	{ C, DE "content/0/attachment/data", "\"AAAA\"", ERR_METADATA_INVALID, IN_DE "content[0].attachment.data" },
	{ C, DE "content/0/attachment/url", NULL, ERR_METADATA_MISSING, IN_DE "content[0].attachment.url" },
	{ C, DE "content/0/attachment/url", "\"http://169.254.169.254/x/Binary/1\"", ERR_NOT_SUPPORTED,
	  IN_DE "content[0].attachment.url" },
	{ C, DE "content/0/attachment/url", "\"urn:uuid:00000000-0000-4000-8000-000000000002\"",
	  ERR_REFERENCE_UNRESOLVED, IN_DE "content[0].attachment.url" },
	{ C, DE "content/1", "{}", ERR_METADATA_INVALID, IN_DE "content" },
	{ C, DE "content/0/attachment/contentType", "\"TEXT/PLAIN\"", ERR_NONE, "" },
	{ C, "/entry/2/resource/contentType", "\"text/html\"", ERR_METADATA_INVALID,
	  "Bundle.entry[2].resource.contentType" },
	{ C, "/entry/2/resource/data", NULL, ERR_DOCUMENT_MISSING, "Bundle.entry[2].resource.data" },
	{ C, DE "author/0/reference", "\"#nobody\"", ERR_REFERENCE_UNRESOLVED, IN_DE "author[0]" },
	{ C, DE "author/0/reference", "\"Practitioner/x\"", ERR_METADATA_INVALID, IN_DE "author[0]" },
	{ M, DE "author", "[{\"reference\":\"http://other/fhir/Practitioner/x\"}]", ERR_NONE, "" },
	{ M, DE "author", "[{\"reference\":\"http://other/fhir/PractitionerRole/x\"}]", ERR_NONE, "" },
	{ C, DE "context/sourcePatientInfo/reference", "\"Patient/x\"", ERR_METADATA_INVALID,
	  IN_DE "context.sourcePatientInfo" },
	{ C, DE "contained/0/identifier/0", "{\"system\":\"urn:oid:1.2.3\",\"value\":\"P2\"}", ERR_RULE,
	  IN_DE "context.sourcePatientInfo" },
	{ C, DE "contained/0/identifier/1", "{\"system\":\"urn:oid:1.2.3\",\"value\":\"P2\"}", ERR_RULE,
	  IN_DE "context.sourcePatientInfo" },
	{ C, DE "subject", "{\"identifier\":{\"system\":\"urn:oid:1.2.3\",\"value\":\"P2\"}}", ERR_RULE, NULL },
	{ C, DE "subject",
	  "{\"reference\":\"Patient/x\",\"identifier\":{\"system\":\"urn:oid:1.2.3\",\"value\":\"P2\"}}", ERR_RULE,
	  NULL },
	{ C, DE "subject", "{\"reference\":\"Patient/x\"}", ERR_NONE, "" },
	{ C, DE "subject", "{\"reference\":\"Group/x\"}", ERR_REFERENCE_UNRESOLVED, IN_DE "subject" },
	{ C, DE "subject", "{\"display\":\"x\"}", ERR_METADATA_MISSING, IN_DE "subject" },
	{ C, DE "relatesTo",
	  "[{\"code\":\"replaces\",\"target\":{\"reference\":\"http://other/DocumentReference/1\"}}]",
	  ERR_REFERENCE_UNRESOLVED, IN_DE "relatesTo[0]" },
	{ C, DE "relatesTo", "[{\"code\":\"amends\",\"target\":{\"reference\":\"DocumentReference/1\"}}]",
	  ERR_METADATA_INVALID, IN_DE "relatesTo[0]" },
	{ C, DE "relatesTo",
	  "[{\"code\":\"appends\",\"target\":{\"reference\":\"urn:uuid:00000000-0000-4000-8000-000000000002\"}}]",
	  ERR_RULE, IN_DE "relatesTo[0]" },
	{ E, "/entry/4/resource/relatesTo/0/code", "\"replaces\"", ERR_RULE, "Bundle.entry[4].resource.relatesTo[0]" },
	{ E, "/entry/2/resource/relatesTo", NULL, ERR_NOT_SUPPORTED, "Bundle.entry[1]" },
	{ E, "/entry/1/request/url", "\"DocumentReference/other\"", ERR_NOT_SUPPORTED, "Bundle.entry[1]" },
	{ E, "/entry/1/request/url", "\"Patient/other\"", ERR_METADATA_INVALID, "Bundle.entry[1].request.url" },
	{ E, "/entry/1/resource/parameter/0/part/2/valueCode", "\"current\"", ERR_NOT_SUPPORTED,
	  "Bundle.entry[1].resource.parameter" },
	{ E, "/entry/1", NULL, ERR_NONE, "" }, /* replacing needs no PATCH */
	{ E, "/entry/3/request/url", "\"List\"", ERR_METADATA_MISSING, "Bundle.entry[3].request.url" },
	{ E, "/entry/3/request/url", "\"List?identifier=urn:oid:1.7\"", ERR_NONE, "" },
	{ E, "/entry/5/resource/subject", "{\"identifier\":{\"system\":\"urn:oid:1.2.3\",\"value\":\"P2\"}}", ERR_RULE,
	  NULL },
	{ E, "/entry/4/resource/masterIdentifier/value", "\"urn:oid:1.3.6.1.4.1.99999.8.1\"", ERR_DUPLICATE_IN_BODY,
	  "Bundle.entry[4].resource.masterIdentifier" },
};

static void test_provide_bundle__rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		const struct change *change = &changes[i];
		struct run run;

		golden(&run, change->golden);
		set_at(run.tree, change->path, change->value);
		run_map(&run, &rules);
		if (run.mapped != (change->code == ERR_NONE))
			fail_msg("%s = %s: %s%s", change->path, change->value, run.mapped ? "published" : "refused",
				 all_issues(&run.outcome));
		if (change->code != ERR_NONE) {
			const struct issue *first = first_error(&run.outcome);

			if (first->code != change->code || (change->where && strcmp(first->path, change->where) != 0))
				fail_msg("%s = %s:%s", change->path, change->value, all_issues(&run.outcome));
			assert_in_range(outcome_http_status(&run.outcome), 400, 499);
		}
		arena_free(run.arena);
	}
}

static void test_provide_bundle__patients_must_agree(void **state)
{
	(void)state;
	struct str two[] = { STR(PATIENT), STR("P2^^^&1.2.3&ISO") };
	struct run run;

	golden(&run, "comprehensive");
	set_at(run.tree, "/entry/1/resource/subject", "{\"reference\":\"Patient/x\"}");
	run_map(&run, &rules);
	assert_true(run.mapped);
	assert_int_equal(run.bundle.claim_count, 2);
	run.resolved.patient_ids = two;
	assert_false(provide_bundle_map(&run.bundle, &rules, &run.resolved, run.arena, &run.metadata, &run.documents,
					&run.outcome));
	assert_int_equal(run.outcome.issues[run.outcome.count - 1].code, ERR_RULE);
	arena_free(run.arena);

	golden(&run, "comprehensive"); /* a thousand patients in one Bundle */
	json_t *items = json_object_get(run.tree, "entry");

	for (int i = 0; i < 20; i++) {
		json_t *copy = json_deep_copy(json_array_get(items, 1));
		json_t *id =
			json_object_get(json_object_get(json_object_get(copy, "resource"), "subject"), "identifier");
		char text[32];

		snprintf(text, sizeof text, "X%d", i);
		json_object_set_new(id, "value", json_string(text));
		snprintf(text, sizeof text, "urn:x:%d", i);
		json_object_set_new(copy, "fullUrl", json_string(text));
		json_array_append_new(items, copy);
	}
	run_map(&run, &rules);
	assert_false(run.read);
	assert_int_equal(run.outcome.issues[0].code, ERR_RULE);
	arena_free(run.arena);
}

static void test_provide_document__verify(void **state)
{
	(void)state;
	static const unsigned char sha1[20] = { 0x0a, 0x4d, 0x55, 0xa8, 0xd7, 0x78, 0xe5, 0x02, 0x2f, 0xab,
						0x70, 0x19, 0x77, 0xc5, 0xd8, 0x40, 0xbb, 0xc4, 0x86, 0xd0 };
	static const struct {
		const char *hash;
		const char *size;
		uint64_t actual;
		enum error_code code;
	} cases[] = {
		{ "0A4D55A8D778E5022FAB701977C5D840BBC486D0", "11", 11, ERR_NONE },
		{ NULL, NULL, 11, ERR_NONE },
		{ "1a4d55a8d778e5022fab701977c5d840bbc486d0", "11", 11, ERR_RULE },
		{ NULL, "12", 11, ERR_RULE },
		{ NULL, NULL, 0, ERR_DOCUMENT_MISSING },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct provide_document document = { .claimed_hash = str_from_c(cases[i].hash),
						     .claimed_size = str_from_c(cases[i].size),
						     .path = "x" };
		struct document_entry entry = { 0 };
		struct outcome outcome;

		outcome_init(&outcome);
		assert_int_equal(provide_document_verify(&document, sha1, cases[i].actual, arena, &entry, &outcome),
				 cases[i].code == ERR_NONE);
		if (cases[i].code == ERR_NONE)
			assert_true(str_equal(entry.hash, STR("0a4d55a8d778e5022fab701977c5d840bbc486d0")) &&
				    str_equal(entry.size, STR("11")));
		else
			assert_int_equal(outcome.issues[0].code, cases[i].code);
		arena_free(arena);
	}
}

/* A registry names objects by UUID; a client knows its entries. */
static void test_provide_outcome__names_the_entry(void **state)
{
	(void)state;
	struct run run;
	struct outcome outcome;

	golden(&run, "everything");
	run_map(&run, &rules);
	assert_true(run.mapped);
	outcome_init(&outcome);
	struct str uuids[] = { run.metadata.document_entries[1].entry_uuid, run.metadata.folders[0].entry_uuid,
			       run.metadata.submission_sets[0].entry_uuid, run.metadata.associations[14].id,
			       STR("elsewhere") };
	static const char *const paths[] = { "Bundle.entry[4].resource", "Bundle.entry[5].resource",
					     "Bundle.entry[0].resource", "Bundle.entry[2].resource", "elsewhere" };

	for (size_t i = 0; i < COUNT_OF(uuids); i++) {
		struct str text = arena_printf(run.arena, "Object %.*s: Correct it.", STR_ARG(uuids[i]));

		outcome_add_xds(&outcome, SEVERITY_ERROR, STR("XDSRegistryMetadataError"), text, uuids[i]);
	}
	provide_outcome_place(&run.bundle, &run.metadata, &outcome);
	for (size_t i = 0; i < COUNT_OF(uuids); i++)
		assert_string_equal(outcome.issues[i].path, paths[i]);
	assert_string_equal(outcome.issues[0].text, "Correct it.");
	assert_string_equal(outcome.issues[4].text, "Object elsewhere: Correct it.");
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
		cmocka_unit_test(test_provide_bundle__rules),
		cmocka_unit_test(test_provide_bundle__patients_must_agree),
		cmocka_unit_test(test_provide_document__verify),
		cmocka_unit_test(test_provide_outcome__names_the_entry),
		cmocka_unit_test(test_provide_bundle__ihe_examples),
		cmocka_unit_test(test_provide_bundle__survives_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
