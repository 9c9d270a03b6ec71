/* What the registry does with ITI-57 and ITI-62: versions, statuses, what follows a new version, what may be removed.
 * Expected codes: ITI TF-2 3.57.4.1.3, 3.62.4.1.3. */
#include "domain_stand.h"

#define DOC    "urn:uuid:00000000-0000-4000-8000-0000000000a1"
#define DOC_2  "urn:uuid:00000000-0000-4000-8000-0000000000a2"
#define DOC_3  "urn:uuid:00000000-0000-4000-8000-0000000000a3"
#define OTHER  "urn:uuid:00000000-0000-4000-8000-0000000000b1"
#define ADDED  "urn:uuid:00000000-0000-4000-8000-0000000000b2"
#define SET_1  "urn:uuid:00000000-0000-4000-8000-0000000000c1"
#define LINK_1 "urn:uuid:00000000-0000-4000-8000-0000000000d1"
#define BOX    "urn:uuid:00000000-0000-4000-8000-0000000000e1"
#define BOXED  "urn:uuid:00000000-0000-4000-8000-0000000000e2"
#define IN_BOX "urn:uuid:00000000-0000-4000-8000-0000000000e3"
#define SET_IN "urn:uuid:00000000-0000-4000-8000-0000000000e4"
#define STATUS "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus"

#define APPROVED   "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
#define DEPRECATED "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated"

/* clang-format off */
#define ORIGINAL \
	SET(SET_1, "2.999.9.1", PATIENT_ONE) ENTRY(DOC, "2.999.10.1", PATIENT_ONE, HASH_ONE) \
	MEMBER(LINK_1, SET_1, DOC, "Original")
#define VERSION_MEMBER(target, previous, more) \
	"<rim:Association id='m' associationType='" HAS_MEMBER "' sourceObject='set' targetObject='" target "'>" \
	SLOT("SubmissionSetStatus", "Original") SLOT("PreviousVersion", previous) more "</rim:Association>"
#define CHANGE_STATUS(target, before, after) \
	"<rim:Association id='s' associationType='" STATUS "' sourceObject='set' targetObject='" target "'>" \
	SLOT("OriginalStatus", before) SLOT("NewStatus", after) "</rim:Association>"
#define STATUS_UPDATE(unique_id, target, before, after) \
	SET("set", unique_id, PATIENT_ONE) CHANGE_STATUS(target, before, after)
/* clang-format on */

/* A new version: lid as attribute, another title. */
static char *version_of(const char *unique_id, const char *id, const char *lid, const char *previous)
{
	char *text = edited(SET("set", "SET-ID", PATIENT_ONE) ENTRY("NEW-ID", "2.999.10.1", PATIENT_ONE, HASH_ONE)
				    VERSION_MEMBER("NEW-ID", "PREVIOUS", ""),
			    "SET-ID", unique_id);
	char lid_attribute[128];
	char *steps[4] = { text };

	snprintf(lid_attribute, sizeof lid_attribute, "ExtrinsicObject lid='%s' id='", lid);
	steps[1] = edited(steps[0], "ExtrinsicObject id='", lid_attribute);
	steps[2] = edited(steps[1], "NEW-ID", id);
	steps[3] = edited(steps[2], "PREVIOUS", previous);
	text = edited(steps[3], "Fictional letter", "Another title");
	for (size_t i = 0; i < COUNT_OF(steps); i++)
		free(steps[i]);
	return text;
}

static const char *update(struct domain_stand *stand, const char *objects)
{
	return stand_send(stand, objects, true);
}

static const char *update_edited(struct domain_stand *stand, const char *good, const char *old, const char *new)
{
	char *text = edited(good, old, new);
	const char *code = update(stand, text);

	free(text);
	return code;
}

#define GET_DOCUMENTS    "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
#define GET_ASSOCIATIONS "a7ae438b-4bc2-4642-93e9-be891f7bb155"
#define GET_CONTENTS     "e8e3cb2c-e39c-46b9-99e4-c12f57260b83"
#define GET_FOLDER       "b909a503-523d-4517-8acf-8e5834dfc4c7"
#define FIND_DOCUMENTS   "14d4debf-8f97-4251-9a74-a90016b0af0d"
#define BY_UUID(uuid)    SLOT("$XDSDocumentEntryEntryUUID", "('" uuid "')")
#define BY_LID(uuid)     SLOT("$XDSDocumentEntryLogicalID", "('" uuid "')")
#define EVERY            SLOT("$MetadataLevel", "2")
#define FIND(status)                                                         \
	SLOT("$XDSDocumentEntryPatientId", "'P-001^^^&amp;2.999.1&amp;ISO'") \
	SLOT("$XDSDocumentEntryStatus", "('" status "')")

static bool holds(struct str text, const char *part)
{
	return memmem(text.data, text.size, part, strlen(part)) != NULL;
}

static size_t count_of(struct domain_stand *stand, const char *id, const char *slots, struct query_answer *answer)
{
	assert_string_equal(stand_query(stand, id, slots, answer), "Success");
	return answer->rows.count;
}

static void test_a_new_version_takes_the_place_of_the_old(void **state)
{
	struct domain_stand *stand = *state;
	struct query_answer answer;
	char *text = version_of("2.999.9.2", DOC_2, DOC, "1");

	assert_string_equal(stand_submit(stand, ORIGINAL), "Success");
	assert_string_equal(update(stand, text), "Success");
	free(text);

	assert_int_equal(count_of(stand, FIND_DOCUMENTS, FIND(APPROVED), &answer), 1);
	assert_true(str_equal(answer.rows.items[0].uuid, STR(DOC_2)));
	assert_true(holds(answer.rows.items[0].rim, "lid=\"" DOC "\""));
	assert_true(holds(answer.rows.items[0].rim, "versionName=\"2\""));
	assert_true(holds(answer.rows.items[0].rim, "Another title"));
	assert_int_equal(count_of(stand, FIND_DOCUMENTS, FIND(DEPRECATED), &answer), 0);
	assert_int_equal(count_of(stand, FIND_DOCUMENTS, FIND(DEPRECATED) EVERY, &answer), 1);
	assert_true(holds(answer.rows.items[0].rim, "Fictional letter"));
	assert_true(holds(answer.rows.items[0].rim, "versionName=\"1\""));

	assert_int_equal(count_of(stand, GET_DOCUMENTS, BY_UUID(DOC), &answer), 0);
	assert_int_equal(count_of(stand, GET_DOCUMENTS, BY_UUID(DOC) EVERY, &answer), 1);
	assert_int_equal(count_of(stand, GET_DOCUMENTS, BY_LID(DOC), &answer), 1);
	assert_int_equal(count_of(stand, GET_DOCUMENTS, BY_LID(DOC) EVERY, &answer), 2);
	assert_int_equal(count_of(stand, GET_CONTENTS, SLOT("$XDSSubmissionSetEntryUUID", "'" SET_1 "'") EVERY,
				  &answer),
			 3);

	text = version_of("2.999.9.3", DOC_3, DOC, "2");
	assert_string_equal(update(stand, text), "Success");
	free(text);
	assert_int_equal(count_of(stand, FIND_DOCUMENTS, FIND(APPROVED), &answer), 1);
	assert_true(str_equal(answer.rows.items[0].uuid, STR(DOC_3)));
}

static void test_of_two_writers_one_is_too_late(void **state)
{
	struct domain_stand *stand = *state;
	char *first = version_of("2.999.9.2", DOC_2, DOC, "1");
	char *second = version_of("2.999.9.3", DOC_3, DOC, "1");

	assert_string_equal(stand_submit(stand, ORIGINAL), "Success");
	assert_string_equal(update(stand, first), "Success");
	assert_string_equal(update(stand, second), "XDSMetadataVersionError");
	/* The same message again is told from another one by its ids. */
	assert_string_equal(update(stand, first), "XDSDuplicateUniqueIdInRegistry");
	free(first);
	free(second);
}

struct update_case {
	const char *what;
	const char *old;
	const char *new;
	const char *code;
};

static const struct update_case update_cases[] = {
	{ "another version", ">1<", ">2<", "XDSMetadataVersionError" },
	{ "no number", ">1<", ">one<", "XDSMetadataUpdateError" },
	{ "no PreviousVersion", SLOT("PreviousVersion", "1"), "", "XDSMetadataUpdateError" },
	{ "nothing of that logical id", "lid='" DOC "'", "lid='" OTHER "'", "XDSMetadataUpdateError" },
	{ "a first version", "lid='" DOC "'", "lid='" DOC_2 "'", "XDSMetadataUpdateError" },
	{ "no logical id", "lid='" DOC "'", "", "XDSMetadataUpdateError" },
	{ "a symbolic logical id", "lid='" DOC "'", "lid='doc'", "XDSMetadataUpdateError" },
	{ "another uniqueId", "2.999.10.1", "2.999.10.2", "XDSMetadataUpdateError" },
	{ "another hash", HASH_ONE, HASH_TWO, "XDSMetadataUpdateError" },
	{ "another size", SLOT("size", "12"), SLOT("size", "13"), "XDSMetadataUpdateError" },
	{ "another repository", ">2.999.2<", ">2.999.22<", "XDSMetadataUpdateError" },
	{ "another patient", "P-001^", "P-002^", "XDSPatientIDReconciliationError" },
	{ "an unknown patient", "P-001^", "P-099^", "XDSUnknownPatientId" },
	{ "metadata that no registry takes", SLOT("languageCode", "fr-LU"), "", "XDSRegistryMetadataError" },
	{ "an operation of another kind", "AssociationType:HasMember", "AssociationType:Unheard",
	  "XDSMetadataUpdateOperationError" },
	{ "an entryUUID that is taken", DOC_2, SET_1, "XDSRegistryMetadataError" },
	{ "a propagation that is none", "</rim:Association>",
	  SLOT("AssociationPropagation", "maybe") "</rim:Association>", "XDSMetadataUpdateError" },
};

static void test_what_may_not_change_is_refused(void **state)
{
	struct domain_stand *stand = *state;
	struct query_answer answer;
	char *good = version_of("2.999.9.2", DOC_2, DOC, "1");

	assert_string_equal(stand_submit(stand, ORIGINAL), "Success");
	for (size_t i = 0; i < COUNT_OF(update_cases); i++) {
		const struct update_case *row = &update_cases[i];
		const char *code = update_edited(stand, good, row->old, row->new);

		if (strcmp(code, row->code) != 0)
			fail_msg("%s: %s instead of %s", row->what, code, row->code);
	}
	assert_int_equal(count_of(stand, GET_DOCUMENTS, BY_LID(DOC) EVERY, &answer), 1);
	assert_true(holds(answer.rows.items[0].rim, "StatusType:Approved"));
	assert_string_equal(update_edited(stand, good, "SubmissionSetStatus", "SubmissionSetStatus"), "Success");
	free(good);
}

static void test_folders_and_first_versions_come_by_registration(void **state)
{
	struct domain_stand *stand = *state;

	assert_string_equal(update(stand, ORIGINAL), "XDSMetadataUpdateError");
	assert_string_equal(update(stand,
				   SET("set", "2.999.9.2", PATIENT_ONE) FOLDER("folder", "2.999.11.1", PATIENT_ONE)
					   ASSOCIATE("mf", HAS_MEMBER, "set", "folder")),
			    "XDSMetadataUpdateOperationError");
	/* and its slots are no part of a registration */
	assert_string_equal(stand_submit(stand, SET("set", "2.999.9.1", PATIENT_ONE)
							ENTRY("doc", "2.999.10.1", PATIENT_ONE, HASH_ONE)
								VERSION_MEMBER("doc", "1", "")),
			    "XDSRegistryMetadataError");
}

static void test_a_status_changes_and_changes_back(void **state)
{
	struct domain_stand *stand = *state;
	struct query_answer answer;

	assert_string_equal(stand_submit(stand, ORIGINAL), "Success");
	assert_string_equal(update(stand, STATUS_UPDATE("2.999.9.2", DOC, DEPRECATED, APPROVED)),
			    "XDSMetadataVersionError");
	assert_string_equal(update(stand, STATUS_UPDATE("2.999.9.2", DOC, APPROVED, "Submitted")),
			    "XDSMetadataUpdateError");
	assert_string_equal(update(stand, STATUS_UPDATE("2.999.9.2", OTHER, APPROVED, DEPRECATED)),
			    "XDSMetadataUpdateError");
	assert_string_equal(update(stand, STATUS_UPDATE("2.999.9.2", SET_1, APPROVED, DEPRECATED)),
			    "XDSMetadataUpdateError");
	assert_string_equal(update(stand, STATUS_UPDATE("2.999.9.2", DOC, APPROVED, DEPRECATED)), "Success");
	assert_int_equal(count_of(stand, FIND_DOCUMENTS, FIND(APPROVED), &answer), 0);
	assert_int_equal(count_of(stand, FIND_DOCUMENTS, FIND(DEPRECATED), &answer), 1);
	assert_string_equal(update(stand, STATUS_UPDATE("2.999.9.3", DOC, DEPRECATED, APPROVED)), "Success");
	assert_int_equal(count_of(stand, FIND_DOCUMENTS, FIND(APPROVED), &answer), 1);
}

static void test_only_the_newest_version_changes_its_status(void **state)
{
	struct domain_stand *stand = *state;
	struct query_answer answer;
	char *text = version_of("2.999.9.2", DOC_2, DOC, "1");

	assert_string_equal(stand_submit(stand, ORIGINAL), "Success");
	assert_string_equal(update(stand, text), "Success");
	free(text);
	assert_string_equal(update(stand, STATUS_UPDATE("2.999.9.3", DOC, DEPRECATED, APPROVED)),
			    "XDSMetadataVersionError");
	/* what is deprecated may be described better, and stays deprecated */
	assert_string_equal(update(stand, STATUS_UPDATE("2.999.9.4", DOC_2, APPROVED, DEPRECATED)), "Success");
	text = version_of("2.999.9.5", DOC_3, DOC, "2");
	assert_string_equal(update(stand, text), "Success");
	free(text);
	assert_int_equal(count_of(stand, FIND_DOCUMENTS, FIND(APPROVED), &answer), 0);
	assert_int_equal(count_of(stand, FIND_DOCUMENTS, FIND(DEPRECATED), &answer), 1);
	assert_true(str_equal(answer.rows.items[0].uuid, STR(DOC_3)));
}

static void test_a_new_version_may_come_with_a_new_status(void **state)
{
	struct domain_stand *stand = *state;
	struct query_answer answer;
	char *text = version_of("2.999.9.2", DOC_2, DOC, "1");

	assert_string_equal(stand_submit(stand, ORIGINAL), "Success");
	assert_string_equal(update_edited(stand, text, "</rim:Association>",
					  "</rim:Association>" CHANGE_STATUS(DOC_2, APPROVED, DEPRECATED)),
			    "Success");
	free(text);
	assert_int_equal(count_of(stand, FIND_DOCUMENTS, FIND(DEPRECATED), &answer), 1);
	assert_true(str_equal(answer.rows.items[0].uuid, STR(DOC_2)));
}

/* In a folder, with an addendum. */
static const char with_neighbours[] =
	ORIGINAL FOLDER(BOX, "2.999.11.1", PATIENT_ONE) ASSOCIATE(BOXED, HAS_MEMBER, SET_1, BOX)
		ASSOCIATE(IN_BOX, HAS_MEMBER, BOX, DOC) ASSOCIATE(SET_IN, HAS_MEMBER, SET_1, IN_BOX);

static void neighbours_submit(struct domain_stand *stand)
{
	assert_string_equal(stand_submit(stand, with_neighbours), "Success");
	assert_string_equal(stand_submit(stand, SET("set", "2.999.9.7", PATIENT_ONE)
							ENTRY(ADDED, "2.999.10.7", PATIENT_ONE, HASH_TWO)
								MEMBER("m", "set", ADDED, "Original")
									ASSOCIATE("a", APND, ADDED, DOC)),
			    "Success");
}

static bool leads(const struct query_answer *answer, const char *source, const char *target)
{
	for (size_t i = 0; i < answer->rows.count; i++) {
		if (str_equal(answer->rows.items[i].source, str_from_c(source)) &&
		    str_equal(answer->rows.items[i].target, str_from_c(target)))
			return true;
	}
	return false;
}

static void test_folder_and_relations_follow_to_the_new_version(void **state)
{
	struct domain_stand *stand = *state;
	struct query_answer answer;
	char *text = version_of("2.999.9.2", DOC_2, DOC, "1");

	neighbours_submit(stand);
	assert_string_equal(update(stand, text), "Success");
	free(text);
	count_of(stand, GET_ASSOCIATIONS, SLOT("$uuid", "('" DOC_2 "')"), &answer);
	assert_true(leads(&answer, BOX, DOC_2));
	assert_true(leads(&answer, ADDED, DOC_2));
	count_of(stand, GET_FOLDER, SLOT("$XDSFolderEntryUUID", "'" BOX "'"), &answer);
	assert_true(rows_hold(&answer.rows, STR(DOC_2)));
	assert_false(rows_hold(&answer.rows, STR(DOC)));
}

static void test_relations_do_not_follow_when_told_so(void **state)
{
	struct domain_stand *stand = *state;
	struct query_answer answer;
	char *text = version_of("2.999.9.2", DOC_2, DOC, "1");

	neighbours_submit(stand);
	assert_string_equal(update_edited(stand, text, SLOT("PreviousVersion", "1"),
					  SLOT("PreviousVersion", "1") SLOT("AssociationPropagation", "no")),
			    "Success");
	free(text);
	assert_int_equal(count_of(stand, GET_ASSOCIATIONS, SLOT("$uuid", "('" DOC_2 "')"), &answer), 1);
}

struct removal {
	struct strs ids;
	struct arena *arena;
	size_t count;
};

static bool removal_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct removal *removal = context;

	return registry_remove(connection, &removal->ids, removal->arena, &removal->count, outcome);
}

/* Removes the objects with these ids, separated by blanks. */
static const char *remove_all(struct domain_stand *stand, const char *ids)
{
	struct str rest = str_from_c(ids);
	struct str items[16];
	struct removal removal = { { items, 0 }, stand->arena, 0 };

	while (str_next(&rest, ' ', &items[removal.ids.count]))
		removal.ids.count++;
	outcome_init(&stand->outcome);
	if (database_write(stand->database, removal_work, &removal, &stand->outcome)) {
		assert_int_equal(removal.count, removal.ids.count);
		return "Success";
	}
	return stand->outcome.issues[0].xds_code;
}

static void test_what_is_referred_to_or_alone_is_not_removed(void **state)
{
	struct domain_stand *stand = *state;
	struct query_answer answer;

	assert_string_equal(stand_submit(stand, ORIGINAL), "Success");
	assert_string_equal(remove_all(stand, OTHER), "UnresolvedReferenceException");
	assert_string_equal(remove_all(stand, "doc"), "UnresolvedReferenceException");
	assert_string_equal(remove_all(stand, ""), "UnresolvedReferenceException");
	assert_string_equal(remove_all(stand, DOC), "ReferencesExistException");
	assert_string_equal(remove_all(stand, SET_1), "ReferencesExistException");
	assert_string_equal(remove_all(stand, LINK_1), "XDSUnreferencedObjectException");
	assert_string_equal(remove_all(stand, DOC " " LINK_1), "XDSUnreferencedObjectException");
	assert_string_equal(remove_all(stand, DOC " " LINK_1 " " SET_1 " " OTHER), "UnresolvedReferenceException");
	assert_int_equal(count_of(stand, GET_DOCUMENTS, BY_UUID(DOC), &answer), 1);
	assert_string_equal(remove_all(stand, DOC " " LINK_1 " " SET_1), "Success");
	assert_int_equal(count_of(stand, GET_DOCUMENTS, BY_UUID(DOC) EVERY, &answer), 0);
	assert_int_equal(count_of(stand, GET_ASSOCIATIONS, SLOT("$uuid", "('" SET_1 "')"), &answer), 0);
	/* and the ids are free again */
	assert_string_equal(stand_submit(stand, ORIGINAL), "Success");
}

static void test_a_document_leaves_its_folder(void **state)
{
	struct domain_stand *stand = *state;
	struct query_answer answer;

	assert_string_equal(stand_submit(stand, with_neighbours), "Success");
	assert_string_equal(remove_all(stand, IN_BOX), "ReferencesExistException");
	assert_string_equal(remove_all(stand, DOC " " LINK_1 " " IN_BOX), "ReferencesExistException");
	assert_string_equal(remove_all(stand, "urn:uuid:00000000-0000-4000-8000-0000000000E3 " SET_IN), "Success");
	assert_int_equal(count_of(stand, GET_FOLDER, SLOT("$XDSFolderEntryUUID", "'" BOX "'"), &answer), 1);
	assert_int_equal(count_of(stand, GET_DOCUMENTS, BY_UUID(DOC), &answer), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, domain_stand_open, domain_stand_close)
	const struct CMUnitTest tests[] = {
		TEST(test_a_new_version_takes_the_place_of_the_old),
		TEST(test_of_two_writers_one_is_too_late),
		TEST(test_what_may_not_change_is_refused),
		TEST(test_folders_and_first_versions_come_by_registration),
		TEST(test_a_status_changes_and_changes_back),
		TEST(test_only_the_newest_version_changes_its_status),
		TEST(test_a_new_version_may_come_with_a_new_status),
		TEST(test_folder_and_relations_follow_to_the_new_version),
		TEST(test_relations_do_not_follow_when_told_so),
		TEST(test_what_is_referred_to_or_alone_is_not_removed),
		TEST(test_a_document_leaves_its_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
