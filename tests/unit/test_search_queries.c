/* Which stored queries a search becomes, and which searches are refused. */
#include "search_stand.h"

#include "mappers/list_search.h"
#include "mappers/stored_query.h"

/* One query as text: "$Slot=a,b $Slot2=c". */
static struct str query_text(const struct stored_query *query, struct arena *arena)
{
	struct str text = arena_printf(arena, "%.4s", query->id.data + 9);

	for (size_t i = 0; i < query->param_count; i++) {
		const struct stored_query_param *param = &query->params[i];

		text = arena_printf(arena, "%.*s %.*s%s", STR_ARG(text), STR_ARG(param->name),
				    param->list ? "=(" : "=");
		for (size_t j = 0; j < param->values.count; j++)
			text = arena_printf(arena, "%.*s%s%.*s", STR_ARG(text), j ? "," : "",
					    STR_ARG(str_without_prefix(param->values.items[j],
								       STR("urn:oasis:names:tc:ebxml-regrep:"))));
		if (param->list)
			text = arena_printf(arena, "%.*s)", STR_ARG(text));
	}
	return text;
}

static struct str queries_text(const char *query, bool lists, const struct search_resolved *resolved,
			       struct arena *arena, struct outcome *outcome)
{
	struct search_params params = read_params(query, arena);
	struct search search;
	struct stored_query *queries;
	size_t count;
	struct str text = STR("");

	if (lists ? !list_search_read(&params, &rules, arena, &search, outcome) ||
			    !list_search_queries(&search, resolved, arena, &queries, &count, outcome)
		  : !document_search_read(&params, &rules, arena, &search, outcome) ||
			    !document_search_queries(&search, resolved, arena, &queries, &count, outcome))
		return STR_NONE;
	for (size_t i = 0; i < count; i++)
		text = arena_printf(arena, "%.*s%s%.*s", STR_ARG(text), i ? "; " : "",
				    STR_ARG(query_text(&queries[i], arena)));
	return text;
}

#define FIND     "14d4 $XDSDocumentEntryPatientId=" PATIENT
#define BOTH     " $XDSDocumentEntryStatus=(StatusType:Approved,StatusType:Deprecated)"
#define APPROVED " $XDSDocumentEntryStatus=(StatusType:Approved)"
#define TYPES                                                                    \
	" $XDSDocumentEntryType=(urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1," \
	"urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248)"

/* ITI TF-2 3.18.4.1.2.3.7 and MHD 4.2.4 3.67.4.1.3: which query, which Slots. */
static void test_document_search__queries(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		const char *expected;
	} cases[] = {
		{ "patient=Patient/x", FIND BOTH TYPES },
		{ "patient=Patient/x&status=current", FIND APPROVED TYPES },
		{ "patient=Patient/x&status=http://hl7.org/fhir/document-reference-status%7Csuperseded",
		  FIND " $XDSDocumentEntryStatus=(StatusType:Deprecated)" TYPES },
		{ "patient=Patient/x&status:not=superseded", FIND APPROVED TYPES },
		{ "patient=Patient/x&status=entered-in-error", "" },
		{ "patient=Patient/x&status=current&type=urn:oid:1.2%7Ca,urn:oid:1.2%7Cb",
		  FIND APPROVED " $XDSDocumentEntryTypeCode=(a^^1.2,b^^1.2)" TYPES },
		{ "patient=Patient/x&status=current&type=http://loinc.org%7C34133-9",
		  FIND APPROVED " $XDSDocumentEntryTypeCode=(34133-9^^" LOINC ")" TYPES },
		{ "patient=Patient/x&status=current&type=a", FIND APPROVED TYPES },
		{ "patient=Patient/x&status=current&type=urn:oid:1.2%7Ca,b", FIND APPROVED TYPES },
		{ "patient=Patient/x&status=current&type:not=urn:oid:1.2%7Ca", FIND APPROVED TYPES },
		{ "patient=Patient/x&status=current&setting=urn:oid:1.2%7Ca&setting=urn:oid:1.2%7Cb",
		  FIND APPROVED " $XDSDocumentEntryPracticeSettingCode=(a^^1.2)" TYPES },
		{ "patient=Patient/x&status=current&event=urn:oid:1.2%7Ca&event=urn:oid:1.2%7Cb", FIND APPROVED
		  " $XDSDocumentEntryEventCodeList=(a^^1.2) $XDSDocumentEntryEventCodeList=(b^^1.2)" TYPES },
		{ "patient=Patient/x&status=current&creation=ge2024-03-05&creation=lt2025",
		  FIND APPROVED " $XDSDocumentEntryCreationTimeFrom=20240101000000"
				" $XDSDocumentEntryCreationTimeTo=20250101000000" TYPES },
		{ "patient=Patient/x&status=current&creation=2024-03-05",
		  FIND APPROVED " $XDSDocumentEntryCreationTimeFrom=20240305000000"
				" $XDSDocumentEntryCreationTimeTo=20240306000000" TYPES },
		{ "patient=Patient/x&status=current&creation=2024-03-05,lt2020",
		  FIND APPROVED " $XDSDocumentEntryCreationTimeTo=20240306000000" TYPES },
		{ "patient=Patient/x&status=current&period=ge2024&period=lt2025-06",
		  FIND APPROVED " $XDSDocumentEntryServiceStartTimeTo=20250601000000"
				" $XDSDocumentEntryServiceStopTimeFrom=20240101000000" TYPES },
		{ "patient=Patient/x&status=current&author.family=o'neil&related:identifier=a%7Cb&date=2024",
		  FIND APPROVED TYPES },
		{ "identifier=urn:oid:1.2.3", "5c4f $XDSDocumentEntryUniqueId=(1.2.3)" },
		{ "identifier=urn:ietf:rfc:3986%7Curn:oid:1.2.3", "5c4f $XDSDocumentEntryUniqueId=(1.2.3)" },
		{ "identifier=urn:oid:1.2%7Cabc", "5c4f $XDSDocumentEntryUniqueId=(1.2^abc)" },
		{ "identifier=" UUID_A,
		  "5c4f $XDSDocumentEntryEntryUUID=(" UUID_A "); 5c4f $XDSDocumentEntryUniqueId=(" UUID_A ")" },
		{ "identifier=http://x.org%7Cabc&patient=Patient/x", FIND BOTH TYPES },
		{ "_id=abc&status=current", "5c4f $XDSDocumentEntryEntryUUID=(" UUID_A ")" },
	};
	struct str uuids[] = { STR(UUID_A) };
	struct search_resolved resolved = { .patient_id = STR(PATIENT), .uuids = { uuids, 1 } };

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct outcome outcome;

		outcome_init(&outcome);
		struct str text = queries_text(cases[i].query, false, &resolved, arena, &outcome);

		if (!text.data)
			fail_msg("%s: %s", cases[i].query, outcome.issues[0].text);
		assert_string_equal(text.data, cases[i].expected);
		arena_free(arena);
	}
}

#define SETS    "f26a $XDSSubmissionSetPatientId=" PATIENT " $XDSSubmissionSetStatus=(StatusType:Approved)"
#define FOLDERS "958f $XDSFolderPatientId=" PATIENT " $XDSFolderStatus=(StatusType:Approved)"

/* Which searches see all entries of what they find, so that nobody asks for the others. */
static void test_document_search__knows_what_shows_all_entries(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		bool all;
	} cases[] = {
		{ "patient=Patient/x", true },
		{ "patient=Patient/x&status=current", true },
		{ "patient=Patient/x&status=superseded", false },
		{ "patient=Patient/x&type=a", true },
		{ "patient=Patient/x&type=urn:oid:1.2%7Ca", false },
		{ "patient=Patient/x&creation=ge2024", false },
		{ "patient=Patient/x&identifier=urn:oid:1.2.3", true },
		{ "patient=Patient/x&identifier=" UUID_A, false },
		{ "_id=abc", false },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct search_params params = read_params(cases[i].query, arena);
		struct str uuids[] = { STR(UUID_A) };
		struct search_resolved resolved = { .patient_id = STR(PATIENT), .uuids = { uuids, 1 } };
		struct search search;
		struct stored_query *queries;
		size_t count;
		struct outcome outcome;

		outcome_init(&outcome);
		assert_true(document_search_read(&params, &rules, arena, &search, &outcome));
		assert_true(document_search_queries(&search, &resolved, arena, &queries, &count, &outcome));
		if (count == 0 || shows_all_entries(&queries[0]) != cases[i].all)
			fail_msg("%s", cases[i].query);
		arena_free(arena);
	}
}

static void test_list_search__queries(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		const char *expected;
	} cases[] = {
		{ "patient=Patient/x&code=submissionset&status=current", SETS },
		{ "patient=Patient/x&code=folder&status=current", FOLDERS },
		{ "patient=Patient/x&code=folder,submissionset&status=current", SETS "; " FOLDERS },
		{ "patient=Patient/x&code:not=folder&status=current", SETS },
		{ "patient=Patient/x&status=current", SETS "; " FOLDERS },
		{ "patient=Patient/x&status=current&code=folder&code=submissionset", "" },
		{ "patient=Patient/x&status=current&"
		  "code=https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes%7Csubmissionset",
		  SETS },
		{ "patient=Patient/x&status=current&sourceId=urn:oid:1.9", SETS " $XDSSubmissionSetSourceId=(1.9)" },
		{ "patient=Patient/x&status=current&source.family=Welby", SETS },
		{ "patient=Patient/x&status=current&designationType=urn:oid:1.2%7Ca&designationType=urn:oid:1.2%7Cb",
		  SETS " $XDSSubmissionSetContentType=(a^^1.2); " FOLDERS
		       " $XDSFolderCodeList=(a^^1.2) $XDSFolderCodeList=(b^^1.2)" },
		{ "patient=Patient/x&status=current&date=ge2024&code=folder",
		  FOLDERS " $XDSFolderLastUpdateTimeFrom=20240101000000" },
		{ "identifier=urn:oid:1.2.3", "e8e3 $XDSSubmissionSetUniqueId=1.2.3; 5737 $XDSFolderUniqueId=(1.2.3)" },
		{ "identifier=" UUID_A "&code=folder", "5737 $XDSFolderEntryUUID=(" UUID_A ")" },
		{ "_id=abc", "e8e3 $XDSSubmissionSetEntryUUID=" UUID_A "; 5737 $XDSFolderEntryUUID=(" UUID_A ")" },
	};
	struct str uuids[] = { STR(UUID_A) };
	struct search_resolved resolved = { .patient_id = STR(PATIENT), .uuids = { uuids, 1 } };

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct outcome outcome;

		outcome_init(&outcome);
		struct str text = queries_text(cases[i].query, true, &resolved, arena, &outcome);

		if (!text.data)
			fail_msg("%s: %s", cases[i].query, outcome.issues[0].text);
		assert_string_equal(text.data, cases[i].expected);
		arena_free(arena);
	}
}

static void test_document_search__refuses(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		bool strict;
		enum error_code code; /* ERR_NONE: accepted */
		const char *path;
	} cases[] = {
		{ "status=current", false, ERR_PARAMETER_MISSING, "patient" },
		{ "identifier=abc%7C", false, ERR_PARAMETER_MISSING, "patient" },
		{ "patient=Patient/x", true, ERR_PARAMETER_MISSING, "status" },
		{ "patient=Patient/x&foo=1&_include=*", false, ERR_NONE, "" },
		{ "patient=Patient/x&status=current&foo=1", true, ERR_PARAMETER_UNKNOWN, "foo" },
		{ "patient=Patient/x&type:text=a", false, ERR_PARAMETER_UNKNOWN, "type" },
		{ "patient=Patient/x&type:in=a", false, ERR_PARAMETER_UNKNOWN, "type" },
		{ "patient:Group=x", false, ERR_PARAMETER_UNKNOWN, "patient" },
		{ "patient:Patient=x", false, ERR_NONE, "" },
		{ "patient=a,b", false, ERR_VALUE_INVALID, "patient" },
		{ "patient.identifier=urn:oid:1.2%7C", false, ERR_VALUE_INVALID, "patient.identifier" },
		{ "patient=Patient/x&creation=lt9999-99-99", false, ERR_VALUE_INVALID, "creation" },
		{ "patient=Patient/x&_count=-1", false, ERR_VALUE_INVALID, "_count" },
		{ "patient=Patient/x&_count=1000000000", false, ERR_NONE, "" },
		{ "patient=Patient/x&_summary=all", false, ERR_VALUE_INVALID, "_summary" },
		{ "patient=Patient/x&status=current&_sort=title", true, ERR_PARAMETER_UNKNOWN, "_sort" },
		{ "patient=Patient/x&_sort=title", false, ERR_NONE, "" },
		{ "patient=Patient/x&related:missing=maybe", false, ERR_VALUE_INVALID, "related" },
		{ "patient=Patient/x&targetCommunityIdList=urn:oid:9.9", false, ERR_VALUE_INVALID,
		  "targetCommunityIdList" },
		{ "_id=a&_id=b", false, ERR_VALUE_INVALID, "_id" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct search_rules strict = rules;
		struct search_params params = read_params(cases[i].query, arena);
		struct search search;
		struct outcome outcome;

		outcome_init(&outcome);
		strict.strict = cases[i].strict;
		if (document_search_read(&params, &strict, arena, &search, &outcome) != (cases[i].code == ERR_NONE))
			fail_msg("%s: %s", cases[i].query, outcome.count ? outcome.issues[0].text : "accepted");
		if (cases[i].code != ERR_NONE) {
			assert_int_equal(outcome.issues[0].code, cases[i].code);
			assert_string_equal(outcome.issues[0].path, cases[i].path);
		} else {
			assert_true(search.view.page_entries <= 100);
		}
		arena_free(arena);
	}
}

static void test_document_search__honoured_reads_back(void **state)
{
	(void)state;
	struct arena *arena = arena_new(ARENA_BYTES);
	struct search_params params =
		read_params("patient.identifier=urn:oid:1.2%7Ca%26b&foo=1&status=current&_count=7&event=x%5C,y", arena);
	struct search search;
	struct outcome outcome;

	outcome_init(&outcome);
	assert_true(document_search_read(&params, &rules, arena, &search, &outcome));
	assert_string_equal(search.honoured.data,
			    "patient.identifier=urn:oid:1.2%7Ca%26b&status=current&_count=7&event=x%5C,y");
	assert_int_equal(search.needs.claim_count, 1);
	assert_true(str_equal(search.needs.claims[0].identifiers[0].system, STR("urn:oid:1.2")));
	assert_true(str_equal(search.needs.claims[0].identifiers[0].value, STR("a&b")));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document_search__queries),
		cmocka_unit_test(test_document_search__knows_what_shows_all_entries),
		cmocka_unit_test(test_list_search__queries),
		cmocka_unit_test(test_document_search__refuses),
		cmocka_unit_test(test_document_search__honoured_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
