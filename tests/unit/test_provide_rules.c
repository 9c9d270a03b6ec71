/* Which Provide Document Bundles are refused, and with which words. */
#include "provide_stand.h"

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
	struct strs places;

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
	assert_true(provide_places(&run.bundle, &run.metadata, run.arena, &places));
	provide_outcome_place(&places, &outcome);
	for (size_t i = 0; i < COUNT_OF(uuids); i++)
		assert_string_equal(outcome.issues[i].path, paths[i]);
	assert_string_equal(outcome.issues[0].text, "Correct it.");
	assert_string_equal(outcome.issues[4].text, "Object elsewhere: Correct it.");
	arena_free(run.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_provide_bundle__rules),
		cmocka_unit_test(test_provide_bundle__patients_must_agree),
		cmocka_unit_test(test_provide_document__verify),
		cmocka_unit_test(test_provide_outcome__names_the_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
