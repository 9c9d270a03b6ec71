/* ITI-18 on a small registry: what each stored query finds, in SQL and not in theory. Expected lists follow ITI TF-2
 * 3.18.4.1.2.3.7 by hand; objects are named by the end of their uniqueId, associations by the end of their type. */
#include "domain_stand.h"

#define U(n) "urn:uuid:0000abcd-0000-4000-8000-00000000000" n

/* d1 in set s1 and folder f1, replaced by d2 (which is older by creationTime, has event codes, another author and no
 * service times), to which d3 is appended. d4 is another patient's; s4 refers to d2. */
static const char *const history[] = {
	SET("s", "2.999.1.1", PATIENT_ONE) ENTRY(U("1"), "2.999.4.1", PATIENT_ONE, HASH_ONE)
		FOLDER(U("2"), "2.999.6.1", PATIENT_ONE) MEMBER("m", "s", U("1"), "Original")
			ASSOCIATE("mf", HAS_MEMBER, "s", U("2")) ASSOCIATE(U("7"), HAS_MEMBER, U("2"), U("1"))
				ASSOCIATE("mfd", HAS_MEMBER, "s", U("7")),
	SET(U("8"), "2.999.1.2", PATIENT_ONE) ENTRY(U("3"), "2.999.4.2", PATIENT_ONE, HASH_TWO)
		MEMBER("m", U("8"), U("3"), "Original") ASSOCIATE("r", RPLC, U("3"), U("1")),
	SET("s", "2.999.1.3", PATIENT_ONE) ENTRY(U("4"), "2.999.4.3", PATIENT_ONE, HASH_ONE)
		MEMBER("m", "s", U("4"), "Original") ASSOCIATE("r", APND, U("4"), U("3")),
	SET("s", "2.999.1.4", PATIENT_TWO) ENTRY(U("5"), "2.999.4.4", PATIENT_TWO, HASH_ONE)
		MEMBER("m", "s", U("5"), "Original") MEMBER("m2", "s", U("3"), "Reference"),
};

#define FIND_DOCUMENTS       "14d4debf-8f97-4251-9a74-a90016b0af0d"
#define FIND_BY_REFERENCE    "12941a89-e02e-4be5-967c-ce4bfc8fe492"
#define FIND_SETS            "f26abbcb-ac74-4422-8a30-edb644bbc1a9"
#define FIND_FOLDERS         "958f3006-baad-4929-a4de-ff1114824431"
#define GET_ALL              "10b545ea-725c-446d-9b95-8aeb444eddf3"
#define GET_DOCUMENTS        "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
#define GET_FOLDERS          "5737b14c-8a1a-4539-b659-e03a34a5e1e4"
#define GET_ASSOCIATIONS     "a7ae438b-4bc2-4642-93e9-be891f7bb155"
#define GET_DOCUMENTS_AND    "bab9529a-4a10-40b3-a01f-f68a615d247a"
#define GET_SETS             "51224314-5390-4169-9b91-b1980040715a"
#define GET_SET_AND_CONTENTS "e8e3cb2c-e39c-46b9-99e4-c12f57260b83"
#define GET_FOLDER_AND       "b909a503-523d-4517-8acf-8e5834dfc4c7"
#define GET_FOLDERS_FOR      "10cae35a-c7f9-4cf5-b61e-fc3278ffb578"
#define GET_RELATED          "d90e5407-b356-4d91-a89f-873917b4b0e6"

#define APPROVED   "('" STATUS_APPROVED "')"
#define DEPRECATED "('" STATUS_DEPRECATED "')"
#define EITHER     "('" STATUS_APPROVED "','" STATUS_DEPRECATED "')"
#define ENTRIES(status)                                                      \
	SLOT("$XDSDocumentEntryPatientId", "'P-001^^^&amp;2.999.1&amp;ISO'") \
	SLOT("$XDSDocumentEntryStatus", status)
#define SETS                                                                 \
	SLOT("$XDSSubmissionSetPatientId", "'P-001^^^&amp;2.999.1&amp;ISO'") \
	SLOT("$XDSSubmissionSetStatus", APPROVED)
#define FOLDERS SLOT("$XDSFolderPatientId", "'P-001^^^&amp;2.999.1&amp;ISO'") SLOT("$XDSFolderStatus", APPROVED)

struct query_case {
	const char *what;
	const char *id;
	const char *slots;
	const char *expected; /* sorted; or the code of an error */
};

static const struct query_case query_cases[] = {
	{ "approved", FIND_DOCUMENTS, ENTRIES(APPROVED), "d2 d3" },
	{ "deprecated", FIND_DOCUMENTS, ENTRIES(DEPRECATED), "d1" },
	{ "either", FIND_DOCUMENTS, ENTRIES(EITHER), "d1 d2 d3" },
	{ "a status nobody has", FIND_DOCUMENTS, ENTRIES("('urn:oasis:names:tc:ebxml-regrep:StatusType:Submitted')"),
	  "" },
	{ "a list in several values", FIND_DOCUMENTS,
	  ENTRIES("('" STATUS_APPROVED "')</rim:Value><rim:Value>('" STATUS_DEPRECATED "')"), "d1 d2 d3" },
	{ "patient without quotes' namespace", FIND_DOCUMENTS,
	  SLOT("$XDSDocumentEntryPatientId", "'P-001^^^NS&amp;2.999.1&amp;ISO'")
		  SLOT("$XDSDocumentEntryStatus", APPROVED),
	  "d2 d3" },
	{ "a patient nobody has", FIND_DOCUMENTS,
	  SLOT("$XDSDocumentEntryPatientId", "'P-099^^^&amp;2.999.1&amp;ISO'")
		  SLOT("$XDSDocumentEntryStatus", APPROVED),
	  "" },
	{ "a code", FIND_DOCUMENTS, ENTRIES(APPROVED) SLOT("$XDSDocumentEntryClassCode", "('class^^2.999.6')"), "d3" },
	{ "codes mean OR", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryClassCode", "('class^^2.999.6','other^^2.999.6')"), "d2 d3" },
	{ "a code of another scheme", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryClassCode", "('class^^2.999.7')"), "" },
	{ "a code of another attribute", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryTypeCode", "('class^^2.999.6')"), "" },
	{ "one of several event codes", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryEventCodeList", "('e1^^2.999.7')"), "d2" },
	{ "Slots mean AND", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryConfidentialityCode", "('N^^2.999.7')")
		  SLOT("$XDSDocumentEntryConfidentialityCode", "('R^^2.999.7')"),
	  "d2 d3" },
	{ "AND of what nobody has both of", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryEventCodeList", "('e1^^2.999.7')")
		  SLOT("$XDSDocumentEntryEventCodeList", "('e3^^2.999.7')"),
	  "" },
	{ "creationTime from", FIND_DOCUMENTS, ENTRIES(APPROVED) SLOT("$XDSDocumentEntryCreationTimeFrom", "20260312"),
	  "d3" },
	{ "creationTime to is exclusive", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryCreationTimeTo", "'20260312000000'"), "d2" },
	{ "no service time matches any", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryServiceStartTimeFrom", "2027"), "d2" },
	{ "author pattern", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryAuthorPerson", "('%^Muster^Erika%')"), "d3" },
	{ "author pattern, one character", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryAuthorPerson", "('900_^%')"), "d2 d3" },
	{ "author patterns know case", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryAuthorPerson", "('%^muster^%')"), "" },
	{ "a quote in a value", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryAuthorPerson", "('%O''Hara%')"), "d2" },
	{ "SQL is no value", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryAuthorPerson", "('x'') OR 1=1 --')"), "" },
	{ "signs of another language", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryAuthorPerson", "('*Muster*','[9]%')"), "" },
	{ "on-demand only", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryType", "('urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248')"), "" },
	{ "both types", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryType", "('urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248',"
							  "'urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1')"),
	  "d2 d3" },
	{ "an unknown parameter", FIND_DOCUMENTS, ENTRIES(APPROVED) SLOT("$Surprise", "1"), "d2 d3" },
	{ "by reference id", FIND_BY_REFERENCE,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryReferenceIdList",
				 "('A-17^^^&amp;2.999.4&amp;ISO^urn:ihe:iti:xds:2013:accession')"),
	  "d3" },
	{ "by the beginning of a reference id", FIND_BY_REFERENCE,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryReferenceIdList", "('B-1%')"), "d2" },
	{ "submission sets", FIND_SETS, SETS, "s1 s2 s3" },
	{ "submission sets of a source", FIND_SETS, SETS SLOT("$XDSSubmissionSetSourceId", "('2.999.8')"), "s1 s2 s3" },
	{ "of another", FIND_SETS, SETS SLOT("$XDSSubmissionSetSourceId", "('2.999.81')"), "" },
	{ "by time", FIND_SETS, SETS SLOT("$XDSSubmissionSetSubmissionTimeTo", "20260312101500"), "" },
	{ "by content", FIND_SETS, SETS SLOT("$XDSSubmissionSetContentType", "('content^^2.999.6')"), "s1 s2 s3" },
	{ "folders", FIND_FOLDERS, FOLDERS, "f1" },
	{ "folders by the server's time", FIND_FOLDERS, FOLDERS SLOT("$XDSFolderLastUpdateTimeFrom", "20260401"),
	  "f1" },
	{ "folders by code", FIND_FOLDERS, FOLDERS SLOT("$XDSFolderCodeList", "('folder^^2.999.6')"), "f1" },
	{ "everything", GET_ALL,
	  SLOT("$patientId", "'P-001^^^&amp;2.999.1&amp;ISO'") SLOT("$XDSDocumentEntryStatus", EITHER)
		  SLOT("$XDSSubmissionSetStatus", APPROVED) SLOT("$XDSFolderStatus", APPROVED),
	  "APND HasMember HasMember HasMember HasMember HasMember HasMember HasMember HasMember HasMember RPLC d1 d2 "
	  "d3 f1 "
	  "s1 s2 s3" },
	{ "by UUID, in upper case", GET_DOCUMENTS,
	  SLOT("$XDSDocumentEntryEntryUUID", "('urn:uuid:0000ABCD-0000-4000-8000-000000000001','" U("3") "')"),
	  "d1 d2" },
	{ "by uniqueId", GET_DOCUMENTS, SLOT("$XDSDocumentEntryUniqueId", "('2.999.4.3')"), "d3" },
	{ "by logical id", GET_DOCUMENTS,
	  SLOT("$XDSDocumentEntryLogicalID", "('" U("4") "')") SLOT("$MetadataLevel", "2"), "d3" },
	{ "a UUID nobody has", GET_DOCUMENTS, SLOT("$XDSDocumentEntryEntryUUID", "('" U("9") "')"), "" },
	{ "a folder's UUID is no entry's", GET_DOCUMENTS, SLOT("$XDSDocumentEntryEntryUUID", "('" U("2") "')"), "" },
	{ "folder by UUID", GET_FOLDERS, SLOT("$XDSFolderEntryUUID", "('" U("2") "')"), "f1" },
	{ "associations of an entry", GET_ASSOCIATIONS, SLOT("$uuid", "('" U("4") "')"), "APND HasMember" },
	{ "entry and associations", GET_DOCUMENTS_AND, SLOT("$XDSDocumentEntryUniqueId", "('2.999.4.3')"),
	  "APND HasMember d3" },
	{ "sets of entry and folder", GET_SETS, SLOT("$uuid", "('" U("4") "','" U("2") "')"),
	  "HasMember HasMember s1 s3" },
	{ "set with contents", GET_SET_AND_CONTENTS, SLOT("$XDSSubmissionSetUniqueId", "'2.999.1.1'"),
	  "HasMember HasMember HasMember HasMember d1 f1 s1" },
	{ "set with contents of a format", GET_SET_AND_CONTENTS,
	  SLOT("$XDSSubmissionSetUniqueId", "'2.999.1.1'") SLOT("$XDSDocumentEntryFormatCode", "('none^^2.999.6')"),
	  "HasMember f1 s1" },
	{ "set by UUID", GET_SET_AND_CONTENTS, SLOT("$XDSSubmissionSetEntryUUID", "'" U("8") "'"), "HasMember d2 s2" },
	{ "folder with contents", GET_FOLDER_AND, SLOT("$XDSFolderEntryUUID", "('" U("2") "')"),
	  "HasMember HasMember d1 d2 f1" },
	{ "folders of an entry", GET_FOLDERS_FOR, SLOT("$XDSDocumentEntryEntryUUID", "('" U("1") "')"), "f1" },
	{ "what an entry replaces", GET_RELATED,
	  SLOT("$XDSDocumentEntryEntryUUID", "('" U("3") "')") SLOT("$AssociationTypes", "('" RPLC "')"),
	  "RPLC d1 d2" },
	{ "what is around an entry", GET_RELATED,
	  SLOT("$XDSDocumentEntryUniqueId", "('2.999.4.2')") SLOT("$AssociationTypes", "('" RPLC "','" APND "')"),
	  "APND RPLC d1 d2 d3" },

	{ "a query nobody knows", "00000000-0000-4000-8000-000000000000", "", "XDSUnknownStoredQuery" },
	{ "no patient", FIND_DOCUMENTS, SLOT("$XDSDocumentEntryStatus", APPROVED), "XDSStoredQueryMissingParam" },
	{ "no status", FIND_SETS, SLOT("$XDSSubmissionSetPatientId", "'P-001^^^&amp;2.999.1&amp;ISO'"),
	  "XDSStoredQueryMissingParam" },
	{ "no reference", FIND_BY_REFERENCE, ENTRIES(APPROVED), "XDSStoredQueryMissingParam" },
	{ "nothing to get", GET_DOCUMENTS, "", "XDSStoredQueryMissingParam" },
	{ "no types", GET_RELATED, SLOT("$XDSDocumentEntryEntryUUID", "('" U("3") "')"), "XDSStoredQueryMissingParam" },
	{ "two ways to get", GET_DOCUMENTS,
	  SLOT("$XDSDocumentEntryEntryUUID", "('" U("1") "')") SLOT("$XDSDocumentEntryUniqueId", "('2.999.4.1')"),
	  "XDSStoredQueryParamNumber" },
	{ "two patients", FIND_DOCUMENTS,
	  SLOT("$XDSDocumentEntryPatientId", "('P-001^^^&amp;2.999.1&amp;ISO','P-002^^^&amp;2.999.1&amp;ISO')")
		  SLOT("$XDSDocumentEntryStatus", APPROVED),
	  "XDSStoredQueryParamNumber" },
	{ "a Slot twice that may not be", FIND_DOCUMENTS, ENTRIES(APPROVED) SLOT("$XDSDocumentEntryStatus", APPROVED),
	  "XDSStoredQueryParamNumber" },
	{ "a list without parentheses", FIND_DOCUMENTS, ENTRIES("'" STATUS_APPROVED "'"), "XDSStoredQueryParamNumber" },
	{ "a value without quotes", FIND_DOCUMENTS, ENTRIES("(" STATUS_APPROVED ")"), "XDSStoredQueryParamNumber" },
	{ "a code without a scheme", FIND_DOCUMENTS, ENTRIES(APPROVED) SLOT("$XDSDocumentEntryClassCode", "('class')"),
	  "XDSStoredQueryParamNumber" },
	{ "a time that is none", FIND_DOCUMENTS,
	  ENTRIES(APPROVED) SLOT("$XDSDocumentEntryCreationTimeFrom", "yesterday"), "XDSStoredQueryParamNumber" },
	{ "a name without $", FIND_DOCUMENTS, ENTRIES(APPROVED) SLOT("XDSDocumentEntryTitle", "'x'"),
	  "XDSRegistryError" },
	{ "two patients in one answer", GET_DOCUMENTS, SLOT("$XDSDocumentEntryUniqueId", "('2.999.4.1','2.999.4.4')"),
	  "XDSResultNotSinglePatient" },
};

/* d2 as the comment above says. */
static char *second_submission(void)
{
	char *steps[6];

	steps[0] = edited(history[1], SLOT("creationTime", "20260312"), SLOT("creationTime", "20251224"));
	steps[1] = edited(steps[0], SLOT("serviceStartTime", "202603080615") SLOT("serviceStopTime", "20260312"), "");
	steps[2] = edited(steps[1], "9001^Muster^Erika", "9002^O&apos;Hara^Seamus");
	steps[3] = edited(steps[2], CODE("41a5887f-8865-4c09-adf7-e362475b143a", U("3"), "class", "2.999.6"),
			  CODE("41a5887f-8865-4c09-adf7-e362475b143a", U("3"), "other", "2.999.6")
				  CODE("2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4", U("3"), "e1", "2.999.7")
					  CODE("2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4", U("3"), "e2", "2.999.7"));
	steps[4] = edited(steps[3], "A-17^^^", "B-17^^^");
	for (size_t i = 0; i < 4; i++)
		free(steps[i]);
	return steps[4];
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of what was found, sorted, with blanks between. */
static void names_write(const struct rows *rows, char *out, size_t size)
{
	static const char *const kinds[] = { [OBJECT_ENTRY] = "d", [OBJECT_SET] = "s", [OBJECT_FOLDER] = "f" };
	static char texts[64][32];
	const char *names[64];
	size_t at = 0;

	assert_true(rows->count <= 64);
	for (size_t i = 0; i < rows->count; i++) {
		const struct row *row = &rows->items[i];

		if (row->kind == OBJECT_ASSOCIATION) {
			const char *colon = memrchr(row->association_type.data, ':', row->association_type.size);

			snprintf(texts[i], sizeof texts[i], "%s", colon + 1);
		} else {
			snprintf(texts[i], sizeof texts[i], "%s%c", kinds[row->kind],
				 row->unique_id.data[row->unique_id.size - 1]);
		}
		names[i] = texts[i];
	}
	qsort(names, rows->count, sizeof names[0], compare_names);
	out[0] = '\0';
	for (size_t i = 0; i < rows->count; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", i ? " " : "", names[i]);
}

static int queries_open(void **state)
{
	char *second = second_submission();

	domain_stand_open(state);
	for (size_t i = 0; i < COUNT_OF(history); i++) {
		const char *code = stand_submit(*state, i == 1 ? second : history[i]);

		if (strcmp(code, "Success") != 0)
			fail_msg("submission %zu: %s", i, ((struct domain_stand *)*state)->outcome.issues[0].text);
	}
	free(second);
	return 0;
}

static void test_domain_queries__find_what_they_should(void **state)
{
	struct domain_stand *stand = *state;

	for (size_t i = 0; i < COUNT_OF(query_cases); i++) {
		const struct query_case *query = &query_cases[i];
		struct query_answer answer;
		const char *code = stand_query(stand, query->id, query->slots, &answer);
		char names[1024];

		names_write(&answer.rows, names, sizeof names);
		if (strcmp(strcmp(code, "Success") == 0 ? names : code, query->expected) != 0)
			fail_msg("%s: %s, \"%s\" instead of \"%s\" (%s)", query->what, code, names, query->expected,
				 stand->outcome.count ? stand->outcome.issues[0].text : "");
	}
}

static void test_domain_queries__have_a_limit(void **state)
{
	struct domain_stand *stand = *state;
	struct stored_query query = { .id = STR("urn:uuid:" FIND_DOCUMENTS) };
	struct stand_query work = { .query = &query, .limits = { 1, 2 }, .arena = stand->arena };

	assert_true(stored_query_add_one(&query, stand->arena, STR("$XDSDocumentEntryPatientId"), QUERY_STRING,
					 STR("P-001^^^&2.999.1&ISO")));
	struct str approved = STR(STATUS_APPROVED);
	const struct strs statuses = { &approved, 1 };

	assert_true(
		stored_query_add(&query, stand->arena, STR("$XDSDocumentEntryStatus"), QUERY_STRING_LIST, statuses));
	outcome_init(&stand->outcome);
	assert_false(database_read(stand->database, stand_query_work, &work, &stand->outcome));
	assert_string_equal(error_to_xds(stand->outcome.issues[0].code), "XDSTooManyResults");
	/* Ids alone are cheaper. */
	query.object_ref = true;
	outcome_init(&stand->outcome);
	assert_true(database_read(stand->database, stand_query_work, &work, &stand->outcome));
	assert_int_equal(work.answer.rows.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_domain_queries__find_what_they_should, queries_open,
						domain_stand_close),
		cmocka_unit_test_setup_teardown(test_domain_queries__have_a_limit, queries_open, domain_stand_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
