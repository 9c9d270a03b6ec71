/* The registry's duties on ITI-42, rule by rule: each row changes a good submission in one place. The expected codes are
 * those of TF-3 table 4.2.4.1-2. */
#include "domain_stand.h"

/* A submission is written as a list of its objects. */
/* clang-format off */
#define GOOD \
	SET("set", "2.999.9.1", PATIENT_ONE) \
	ENTRY("doc", "2.999.10.1", PATIENT_ONE, HASH_ONE) \
	MEMBER("m", "set", "doc", "Original")
#define GOOD_FOLDER \
	GOOD FOLDER("folder", "2.999.11.1", PATIENT_ONE) \
	ASSOCIATE("mf", HAS_MEMBER, "set", "folder") \
	ASSOCIATE("fd", HAS_MEMBER, "folder", "doc") \
	ASSOCIATE("mfd", HAS_MEMBER, "set", "fd")

#define METADATA     "XDSRegistryMetadataError"
#define UNKNOWN_UUID "urn:uuid:00000000-0000-4000-8000-000000000001"

struct rule_case {
	const char *what;
	const char *submission;
	const char *old;
	const char *new;
	const char *code;
};

static const struct rule_case rule_cases[] = {
	{ "a good submission", GOOD, "text/plain", "text/plain", "Success" },
	{ "a good submission with folder", GOOD_FOLDER, "text/plain", "text/plain", "Success" },
	{ "objects in any order",
	  MEMBER("m", "set", "doc", "Original") ENTRY("doc", "1.1", PATIENT_ONE, HASH_ONE)
		  SET("set", "2.999.9.1", PATIENT_ONE),
	  "1.1", "2.999.10.1", "Success" },
	{ "another known patient", GOOD, "P-001^", "solo^", "Success" },
	{ "patient id with a namespace", GOOD, "P-001^^^&amp;", "P-001^^^NS&amp;", "Success" },
	{ "extra metadata", GOOD, SLOT("size", "12"), SLOT("size", "12") SLOT("urn:example:extra", "kept"), "Success" },
	{ "a media type with a parameter", GOOD, "text/plain", "text/plain; charset=utf-8", "Success" },
	{ "hash in upper case", GOOD, "da39a3ee", "DA39A3EE", "Success" },

	{ "no creationTime", GOOD, SLOT("creationTime", "20260312"), "", METADATA },
	{ "no languageCode", GOOD, SLOT("languageCode", "fr-LU"), "", METADATA },
	{ "no sourcePatientId", GOOD, SLOT("sourcePatientId", "77^^^&amp;2.999.3&amp;ISO"), "", METADATA },
	{ "no hash", GOOD, SLOT("hash", HASH_ONE), "", METADATA },
	{ "no size", GOOD, SLOT("size", "12"), "", METADATA },
	{ "no repositoryUniqueId", GOOD, SLOT("repositoryUniqueId", "2.999.2"), "", METADATA },
	{ "no submissionTime", GOOD, SLOT("submissionTime", "20260312101500"), "", METADATA },
	{ "no classCode", GOOD, CODE("41a5887f-8865-4c09-adf7-e362475b143a", "doc", "class", "2.999.6"), "", METADATA },
	{ "no contentTypeCode", GOOD, CODE("aa543740-bdda-424e-8c96-df4873be8500", "set", "content", "2.999.6"), "",
	  METADATA },
	{ "no title of a folder", GOOD_FOLDER, "<rim:Name><rim:LocalizedString value='Fictional folder'/></rim:Name>",
	  "", METADATA },
	{ "no uniqueId", GOOD,
	  IDENTIFIER("doc", "2e82c1f6-a085-4c72-9da3-8640a32e42ab", "2.999.10.1", "XDSDocumentEntry.uniqueId"), "",
	  METADATA },
	{ "no mimeType", GOOD, " mimeType='text/plain'", "", METADATA },
	{ "a mimeType that is none", GOOD, "text/plain", "plain", METADATA },
	{ "two typeCodes", GOOD, CODE("f0306f51-975f-434e-a61c-c59651d33983", "doc", "type", "2.999.6"),
	  CODE("f0306f51-975f-434e-a61c-c59651d33983", "doc", "type", "2.999.6")
		  CODE("f0306f51-975f-434e-a61c-c59651d33983", "doc", "other", "2.999.6"),
	  METADATA },
	{ "a code without a scheme", GOOD,
	  "nodeRepresentation='type'><rim:Slot name='codingScheme'><rim:ValueList><rim:Value>2.999.6</rim:Value>"
	  "</rim:ValueList></rim:Slot>",
	  "nodeRepresentation='type'>", METADATA },
	{ "a code without a name", GOOD, "<rim:Name><rim:LocalizedString value='type'/></rim:Name>", "", METADATA },
	{ "a code without a value", GOOD, "nodeRepresentation='type'", "nodeRepresentation=''", METADATA },
	{ "an author with a code", GOOD,
	  "classificationScheme='urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d' "
	  "nodeRepresentation=''",
	  "classificationScheme='urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d' nodeRepresentation='x'", METADATA },
	{ "an author who is nobody", GOOD,
	  SLOT("authorPerson", "9001^Muster^Erika^^^Dr^^^&amp;2.999.5&amp;ISO")
		  SLOT("authorInstitution", "Fictional Hospital"),
	  SLOT("authorRole", "Attending"), METADATA },
	{ "an author with an authority that is none", GOOD, "^Dr^^^&amp;2.999.5&amp;ISO", "^Dr^^^Hospital", METADATA },
	{ "a time with dashes", GOOD, ">20260312<", ">2026-03-12<", METADATA },
	{ "a 13th month", GOOD, ">20260312<", ">20261312<", METADATA },
	{ "service that ends before it begins", GOOD, SLOT("serviceStopTime", "20260312"),
	  SLOT("serviceStopTime", "2025"), METADATA },
	{ "a hash of 39 digits", GOOD, "da39a3ee", "da39a3e", METADATA },
	{ "a size with a unit", GOOD, SLOT("size", "12"), SLOT("size", "12 B"), METADATA },
	{ "a language with an underscore", GOOD, "fr-LU", "fr_LU", METADATA },
	{ "a source id that is no OID", GOOD, "value='2.999.8'", "value='source'", METADATA },
	{ "a submission set with a bad OID", GOOD, "value='2.999.9.1'", "value='2.999.09.1'", METADATA },
	{ "a patient id with a type code", GOOD, "P-001^^^&amp;2.999.1&amp;ISO", "P-001^^^&amp;2.999.1&amp;ISO^MR",
	  METADATA },
	{ "a reference without a type", GOOD, "^urn:ihe:iti:xds:2013:accession", "", METADATA },
	{ "a slot twice", GOOD, SLOT("size", "12"), SLOT("size", "12") SLOT("size", "12"), METADATA },
	{ "a slot nobody knows", GOOD, SLOT("size", "12"), SLOT("size", "12") SLOT("weight", "12"), METADATA },
	{ "two values where one may be", GOOD, "<rim:Value>12</rim:Value>",
	  "<rim:Value>12</rim:Value><rim:Value>12</rim:Value>", METADATA },
	{ "a classification of another object", GOOD, "id='a' classifiedObject='doc'", "id='a' classifiedObject='set'",
	  METADATA },
	{ "an identifier of another object", GOOD, "registryObject='doc'", "registryObject='set'", METADATA },
	{ "an identifier with a wrong name", GOOD, "XDSDocumentEntry.uniqueId", "XDSDocumentEntry.patientId",
	  METADATA },
	{ "a scheme of another kind", GOOD, "f0306f51-975f-434e-a61c-c59651d33983",
	  "aa543740-bdda-424e-8c96-df4873be8500", METADATA },
	{ "limited metadata", GOOD, "<rim:Classification id='a'",
	  "<rim:Classification id='l' classifiedObject='doc' classificationNode="
	  "'urn:uuid:ab9b591b-83ab-4d03-8f5d-f93b1fb92e85'/><rim:Classification id='a'",
	  METADATA },
	{ "an on-demand entry", GOOD, "7edca82f-054d-47f2-a032-9b2a5b5186c1", "34268e47-fdf5-41a6-ba33-82133c465248",
	  METADATA },
	{ "a title of 129 characters", GOOD, "Fictional letter",
	  "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
	  "01234567890123456789012345678",
	  METADATA },

	{ "an unknown patient", GOOD, "P-001^", "P-021^", "XDSUnknownPatientId" },
	{ "an unknown authority", GOOD, "2.999.1&amp;", "2.999.12&amp;", "XDSUnknownPatientId" },
	{ "a patient of another width", GOOD, "P-001^", "P-0001^", "XDSUnknownPatientId" },
	{ "an entry of another patient",
	  SET("set", "2.999.9.1", PATIENT_TWO) ENTRY("doc", "2.999.10.1", PATIENT_ONE, HASH_ONE)
		  MEMBER("m", "set", "doc", "Original"),
	  "text/plain", "text/plain", "XDSPatientIdDoesNotMatch" },
	{ "one uniqueId for entry and set", GOOD, "2.999.10.1", "2.999.9.1", "XDSRegistryDuplicateUniqueIdInMessage" },

	{ "no submission set", ENTRY("doc", "2.999.10.1", PATIENT_ONE, HASH_ONE), "text/plain", "text/plain",
	  METADATA },
	{ "two submission sets", GOOD SET("set2", "2.999.9.2", PATIENT_ONE), "text/plain", "text/plain", METADATA },
	{ "a package that is both", GOOD, "<rim:Classification id='n'",
	  "<rim:Classification id='o' classifiedObject='set' classificationNode="
	  "'urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2'/><rim:Classification id='n'",
	  METADATA },
	{ "an id twice", GOOD, "id='m'", "id='doc'", METADATA },
	{ "no HasMember", GOOD, MEMBER("m", "set", "doc", "Original"), "", METADATA },
	{ "two HasMembers", GOOD, MEMBER("m", "set", "doc", "Original"),
	  MEMBER("m", "set", "doc", "Original") MEMBER("m2", "set", "doc", "Original"), METADATA },
	{ "Reference for a new entry", GOOD, "Original", "Reference", METADATA },
	{ "no SubmissionSetStatus", GOOD, SLOT("SubmissionSetStatus", "Original"), "", METADATA },
	{ "Original for an entry that is not there", GOOD, MEMBER("m", "set", "doc", "Original"),
	  MEMBER("m", "set", "doc", "Original") MEMBER("m2", "set", UNKNOWN_UUID, "Original"), METADATA },
	{ "Reference for an entry nobody knows", GOOD, MEMBER("m", "set", "doc", "Original"),
	  MEMBER("m", "set", "doc", "Original") MEMBER("m2", "set", UNKNOWN_UUID, "Reference"),
	  "UnresolvedReferenceException" },
	{ "a symbolic target that is not there", GOOD, MEMBER("m", "set", "doc", "Original"),
	  MEMBER("m", "set", "doc", "Original") ASSOCIATE("r", XFRM, "doc", "elsewhere"),
	  "UnresolvedReferenceException" },
	{ "an association with itself", GOOD, MEMBER("m", "set", "doc", "Original"),
	  MEMBER("m", "set", "doc", "Original") ASSOCIATE("r", XFRM, "doc", "doc"), METADATA },
	{ "an association type of ebXML 2.1", GOOD, "associationType='" HAS_MEMBER "'", "associationType='HasMember'",
	  METADATA },
	{ "an association type of ITI-57", GOOD, MEMBER("m", "set", "doc", "Original"),
	  MEMBER("m", "set", "doc", "Original")
		  ASSOCIATE("r", "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus", "set", "doc"),
	  METADATA },
	{ "a replacement of an entry of the message",
	  GOOD ENTRY("old", "2.999.10.2", PATIENT_ONE, HASH_ONE) MEMBER("m2", "set", "old", "Original")
		  ASSOCIATE("r", RPLC, "doc", "old"),
	  "text/plain", "text/plain", METADATA },
	{ "a transformation of an entry of the message",
	  GOOD ENTRY("new", "2.999.10.2", PATIENT_ONE, HASH_ONE) MEMBER("m2", "set", "new", "Original")
		  ASSOCIATE("r", XFRM, "new", "doc"),
	  "text/plain", "text/plain", "Success" },
	{ "a folder in a folder", GOOD_FOLDER, ASSOCIATE("fd", HAS_MEMBER, "folder", "doc"),
	  ASSOCIATE("fd", HAS_MEMBER, "folder", "set"), METADATA },
	{ "an entry that has members", GOOD_FOLDER, ASSOCIATE("fd", HAS_MEMBER, "folder", "doc"),
	  ASSOCIATE("fd", HAS_MEMBER, "doc", "folder"), METADATA },
	{ "a Classification of nothing",
	  GOOD "<rim:Classification id='z' classifiedObject='nothing' classificationNode="
	       "'urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2'/>",
	  "text/plain", "text/plain", METADATA },
};

static void test_domain_rules__one_change_one_code(void **state)
{
	for (size_t i = 0; i < COUNT_OF(rule_cases); i++) {
		const struct rule_case *rule = &rule_cases[i];
		char *text = edited(rule->submission, rule->old, rule->new);

		assert_int_equal(domain_stand_open(state), 0);
		const char *code = stand_submit(*state, text);

		if (strcmp(code, rule->code) != 0)
			fail_msg("%s: %s instead of %s (%s)", rule->what, code, rule->code,
				 ((struct domain_stand *)*state)->outcome.issues[0].text);
		free(text);
		assert_int_equal(domain_stand_close(state), 0);
	}
}

/* Two submissions one after the other: the second meets what the first left. */
struct history_case {
	const char *what;
	const char *first;
	const char *second;
	const char *code;
};

#define U(n) "urn:uuid:0000abcd-0000-4000-8000-00000000000" n
#define FIRST \
	SET("s", "2.999.9.1", PATIENT_ONE) \
	ENTRY(U("1"), "2.999.10.1", PATIENT_ONE, HASH_ONE) \
	FOLDER(U("2"), "2.999.11.1", PATIENT_ONE) \
	MEMBER("m", "s", U("1"), "Original") \
	ASSOCIATE("mf", HAS_MEMBER, "s", U("2")) \
	ASSOCIATE("fd", HAS_MEMBER, U("2"), U("1"))
#define SECOND(patient) \
	SET("s", "2.999.9.2", patient) \
	ENTRY("d", "2.999.10.2", patient, HASH_TWO) \
	MEMBER("m", "s", "d", "Original")

static const struct history_case history_cases[] = {
	{ "the same entry again is legal", GOOD,
	  SET("set", "2.999.9.2", PATIENT_ONE) ENTRY("doc", "2.999.10.1", PATIENT_ONE, HASH_ONE)
		  MEMBER("m", "set", "doc", "Original"),
	  "Success" },
	{ "the same set again is not", GOOD,
	  SET("set", "2.999.9.1", PATIENT_ONE) ENTRY("doc", "2.999.10.2", PATIENT_ONE, HASH_ONE)
		  MEMBER("m", "set", "doc", "Original"),
	  "XDSDuplicateUniqueIdInRegistry" },
	{ "nor a folder", FIRST,
	  SECOND(PATIENT_ONE) FOLDER("f", "2.999.11.1", PATIENT_ONE) ASSOCIATE("mf", HAS_MEMBER, "s", "f"),
	  "XDSDuplicateUniqueIdInRegistry" },
	{ "other bytes under one uniqueId", GOOD,
	  SET("set", "2.999.9.2", PATIENT_ONE) ENTRY("doc", "2.999.10.1", PATIENT_ONE, HASH_TWO)
		  MEMBER("m", "set", "doc", "Original"),
	  "XDSNonIdenticalHash" },
	{ "an entryUUID that is taken", FIRST,
	  SET("s", "2.999.9.2", PATIENT_ONE) ENTRY(U("1"), "2.999.10.2", PATIENT_ONE, HASH_TWO)
		  MEMBER("m", "s", U("1"), "Original"),
	  METADATA },
	{ "replace", FIRST, SECOND(PATIENT_ONE) ASSOCIATE("r", RPLC, "d", U("1")), "Success" },
	{ "replace, UUID in upper case", FIRST,
	  SECOND(PATIENT_ONE) ASSOCIATE("r", RPLC, "d", "urn:uuid:0000ABCD-0000-4000-8000-000000000001"), "Success" },
	{ "replace a folder", FIRST, SECOND(PATIENT_ONE) ASSOCIATE("r", RPLC, "d", U("2")), METADATA },
	{ "replace what is not there", FIRST, SECOND(PATIENT_ONE) ASSOCIATE("r", RPLC, "d", U("9")),
	  "UnresolvedReferenceException" },
	{ "replace another patient's", FIRST, SECOND(PATIENT_TWO) ASSOCIATE("r", RPLC, "d", U("1")),
	  "XDSPatientIdDoesNotMatch" },
	{ "append to another patient's", FIRST, SECOND(PATIENT_TWO) ASSOCIATE("r", APND, "d", U("1")),
	  "XDSPatientIdDoesNotMatch" },
	{ "another patient's folder", FIRST, SECOND(PATIENT_TWO) ASSOCIATE("fd2", HAS_MEMBER, U("2"), "d"),
	  "XDSPatientIdDoesNotMatch" },
	{ "into a folder", FIRST, SECOND(PATIENT_ONE) ASSOCIATE("fd2", HAS_MEMBER, U("2"), "d"), "Success" },
	{ "into an entry", FIRST, SECOND(PATIENT_ONE) ASSOCIATE("fd2", HAS_MEMBER, U("1"), "d"), METADATA },
	{ "refer to another patient's", FIRST, SECOND(PATIENT_TWO) MEMBER("m2", "s", U("1"), "Reference"), "Success" },
	{ "refer without saying so", FIRST, SECOND(PATIENT_ONE) ASSOCIATE("m2", HAS_MEMBER, "s", U("1")), METADATA },
	{ "a snapshot of a stable entry", FIRST,
	  SECOND(PATIENT_ONE) ASSOCIATE("r", "urn:ihe:iti:2010:AssociationType:IsSnapshotOf", "d", U("1")), METADATA },
};

static void test_domain_rules__meet_what_is_registered(void **state)
{
	for (size_t i = 0; i < COUNT_OF(history_cases); i++) {
		const struct history_case *history = &history_cases[i];

		assert_int_equal(domain_stand_open(state), 0);
		assert_string_equal(stand_submit(*state, history->first), "Success");
		const char *code = stand_submit(*state, history->second);

		if (strcmp(code, history->code) != 0)
			fail_msg("%s: %s instead of %s (%s)", history->what, code, history->code,
				 ((struct domain_stand *)*state)->outcome.issues[0].text);
		assert_int_equal(domain_stand_close(state), 0);
	}
}

/* The status of an entry, by its uniqueId; "" when there are several or none. */
static const char *status_of(struct domain_stand *stand, const char *unique_id)
{
	struct query_answer answer;
	struct str slots = arena_printf(stand->arena,
					"<rim:Slot name='$XDSDocumentEntryUniqueId'><rim:ValueList><rim:Value>('%s')"
					"</rim:Value></rim:ValueList></rim:Slot>",
					unique_id);

	assert_string_equal(stand_query(stand, "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", slots.data, &answer), "Success");
	if (answer.rows.count != 1)
		return "";
	struct str rim = answer.rows.items[0].rim;
	bool approved = memmem(rim.data, rim.size, STATUS_APPROVED, sizeof STATUS_APPROVED - 1) != NULL;
	bool deprecated = memmem(rim.data, rim.size, STATUS_DEPRECATED, sizeof STATUS_DEPRECATED - 1) != NULL;

	/* The text that clients see and the column that queries filter by must say the same. */
	assert_int_equal(answer.rows.items[0].deprecated, deprecated);
	assert_true(approved != deprecated);
	return deprecated ? "deprecated" : "approved";
}

/* TF-3 4.2.2.2.1: the replaced document falls with what is appended to it and made from it; folders follow. */
static void test_domain_rules__replacement_takes_its_children_along(void **state)
{
	struct domain_stand *stand = *state;
	struct query_answer answer;

	assert_string_equal(stand_submit(stand, FIRST), "Success");
	assert_string_equal(stand_submit(stand, SET("s", "2.999.9.3", PATIENT_ONE) ENTRY(U("4"), "2.999.10.4",
											 PATIENT_ONE, HASH_ONE)
							MEMBER("m", "s", U("4"), "Original") ASSOCIATE("r", APND,
												       U("4"), U("1"))
								ENTRY(U("5"), "2.999.10.5", PATIENT_ONE, HASH_ONE)
									MEMBER("m5", "s", U("5"), "Original")
										ASSOCIATE("x", XFRM, U("5"), U("4"))),
			    "Success");
	assert_string_equal(status_of(stand, "2.999.10.1"), "approved");
	assert_string_equal(stand_submit(stand, SECOND(PATIENT_ONE) ASSOCIATE("r", RPLC, "d", U("1"))), "Success");
	assert_string_equal(status_of(stand, "2.999.10.1"), "deprecated");
	assert_string_equal(status_of(stand, "2.999.10.4"), "deprecated");
	assert_string_equal(status_of(stand, "2.999.10.5"), "deprecated");
	assert_string_equal(status_of(stand, "2.999.10.2"), "approved");

	/* The folder holds the new document too, its time is that of the server, and the set names the new HasMember. */
	assert_string_equal(stand_query(stand, "b909a503-523d-4517-8acf-8e5834dfc4c7",
					SLOT("$XDSFolderUniqueId", "('2.999.11.1')"), &answer),
			    "Success");
	assert_int_equal(answer.rows.count, 1 + 2 + 2);
	assert_non_null(memmem(answer.rows.items[0].rim.data, answer.rows.items[0].rim.size, "20260401120000", 14));
	assert_string_equal(stand_query(stand, "e8e3cb2c-e39c-46b9-99e4-c12f57260b83",
					SLOT("$XDSSubmissionSetUniqueId", "'2.999.9.2'"), &answer),
			    "Success");
	assert_int_equal(answer.rows.count, 1 + 1 + 1);

	/* TF-3 table 4.2.4.1-2: an association to a deprecated document. */
	assert_string_equal(stand_submit(stand, SET("s", "2.999.9.6", PATIENT_ONE)
							ENTRY("d", "2.999.10.6", PATIENT_ONE, HASH_ONE)
								MEMBER("m", "s", "d", "Original")
									ASSOCIATE("r", RPLC, "d", U("1"))),
			    "XDSRegistryDeprecatedDocumentError");
	/* TF-3 4.2.2.2.3: no addendum to a transformation. Nothing of a refused submission is left. */
	assert_string_equal(status_of(stand, "2.999.10.6"), "");
}

static void test_domain_rules__no_addendum_to_a_transformation(void **state)
{
	struct domain_stand *stand = *state;

	assert_string_equal(stand_submit(stand, FIRST), "Success");
	assert_string_equal(stand_submit(stand, SET("s", "2.999.9.3", PATIENT_ONE)
							ENTRY(U("4"), "2.999.10.4", PATIENT_ONE, HASH_ONE)
								MEMBER("m", "s", U("4"), "Original")
									ASSOCIATE("r", XFRM, U("4"), U("1"))),
			    "Success");
	assert_string_equal(stand_submit(stand, SECOND(PATIENT_ONE) ASSOCIATE("r", APND, "d", U("4"))), METADATA);
}

/* clang-format on */
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domain_rules__one_change_one_code),
		cmocka_unit_test(test_domain_rules__meet_what_is_registered),
		cmocka_unit_test_setup_teardown(test_domain_rules__replacement_takes_its_children_along,
						domain_stand_open, domain_stand_close),
		cmocka_unit_test_setup_teardown(test_domain_rules__no_addendum_to_a_transformation, domain_stand_open,
						domain_stand_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
