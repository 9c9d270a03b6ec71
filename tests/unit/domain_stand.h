/* What the tests of the embedded domain share: a registry in a temporary directory, and small fictional submissions as
 * ebRIM text, put together here by hand from TF-3 4.2. */
#ifndef PASSERELLE_TEST_DOMAIN_STAND_H
#define PASSERELLE_TEST_DOMAIN_STAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/domain/identity_store.h"
#include "gateway/domain/registry.h"
#include "mappers/xds_message.h"

#define PATIENT_ONE "P-001^^^&amp;2.999.1&amp;ISO"
#define PATIENT_TWO "P-002^^^&amp;2.999.1&amp;ISO"
#define HASH_ONE    "da39a3ee5e6b4b0d3255bfef95601890afd80709"
#define HASH_TWO    "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33"
#define HAS_MEMBER  "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
#define RPLC        "urn:ihe:iti:2007:AssociationType:RPLC"
#define APND        "urn:ihe:iti:2007:AssociationType:APND"
#define XFRM        "urn:ihe:iti:2007:AssociationType:XFRM"

struct domain_stand {
	char directory[64];
	char path[96];
	struct database *database;
	struct arena *arena;
	struct submission_rules rules;
	struct outcome outcome; /* of the last call */
};

static inline int domain_stand_open(void **state)
{
	struct domain_stand *stand = calloc(1, sizeof *stand);
	static struct str values[] = { { "P-001..P-020", 12 }, { "solo", 4 } };
	const struct strs list = { values, 2 };
	struct patients *patients;

	assert_non_null(stand);
	snprintf(stand->directory, sizeof stand->directory, "/tmp/passerelle-domain-%ld-test", (long)getpid());
	assert_int_equal(mkdir(stand->directory, 0700), 0);
	snprintf(stand->path, sizeof stand->path, "%s/registry.db", stand->directory);
	stand->arena = arena_new(64U << 20);
	assert_non_null(stand->arena);
	outcome_init(&stand->outcome);
	assert_true(patients_read(STR("2.999.1"), &list, stand->arena, &patients, &stand->outcome));
	stand->rules.patients = patients;
	const struct database_options options = {
		.path = stand->path, .schema = registry_schema, .version = REGISTRY_SCHEMA_VERSION, .readers_max = 4
	};

	assert_true(database_open(&options, &stand->database, &stand->outcome));
	assert_true(identity_store_prepare(stand->database, &stand->outcome));
	*state = stand;
	return 0;
}

static inline int domain_stand_close(void **state)
{
	struct domain_stand *stand = *state;
	char path[128];

	database_close(stand->database);
	arena_free(stand->arena);
	snprintf(path, sizeof path, "%s-wal", stand->path);
	unlink(path);
	snprintf(path, sizeof path, "%s-shm", stand->path);
	unlink(path);
	unlink(stand->path);
	rmdir(stand->directory);
	free(stand);
	return 0;
}

/* XML is laid out as XML. */
/* clang-format off */
#define CODE(scheme, owner, code, coding) \
	"<rim:Classification id='c' classifiedObject='" owner "' classificationScheme='urn:uuid:" scheme "'" \
	" nodeRepresentation='" code "'><rim:Slot name='codingScheme'><rim:ValueList><rim:Value>" coding \
	"</rim:Value></rim:ValueList></rim:Slot><rim:Name><rim:LocalizedString value='" code "'/></rim:Name>" \
	"</rim:Classification>"
#define SLOT(name, value) \
	"<rim:Slot name='" name "'><rim:ValueList><rim:Value>" value "</rim:Value></rim:ValueList></rim:Slot>"
#define IDENTIFIER(owner, scheme, value, name) \
	"<rim:ExternalIdentifier id='x' registryObject='" owner "' identificationScheme='urn:uuid:" scheme "'" \
	" value='" value "'><rim:Name><rim:LocalizedString value='" name "'/></rim:Name></rim:ExternalIdentifier>"
#define NODE(owner, node) \
	"<rim:Classification id='n' classifiedObject='" owner "' classificationNode='urn:uuid:" node "'/>"

#define ENTRY(id, unique_id, patient, hash) \
	"<rim:ExtrinsicObject id='" id "' mimeType='text/plain'" \
	" objectType='urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1'>" \
	SLOT("creationTime", "20260312") \
	SLOT("hash", hash) \
	SLOT("languageCode", "fr-LU") \
	SLOT("repositoryUniqueId", "2.999.2") \
	SLOT("serviceStartTime", "202603080615") \
	SLOT("serviceStopTime", "20260312") \
	SLOT("size", "12") \
	SLOT("sourcePatientId", "77^^^&amp;2.999.3&amp;ISO") \
	SLOT("urn:ihe:iti:xds:2013:referenceIdList", "A-17^^^&amp;2.999.4&amp;ISO^urn:ihe:iti:xds:2013:accession") \
	"<rim:Name><rim:LocalizedString value='Fictional letter'/></rim:Name>" \
	"<rim:Classification id='a' classifiedObject='" id "'" \
	" classificationScheme='urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d' nodeRepresentation=''>" \
	SLOT("authorPerson", "9001^Muster^Erika^^^Dr^^^&amp;2.999.5&amp;ISO") \
	SLOT("authorInstitution", "Fictional Hospital") \
	"</rim:Classification>" \
	CODE("41a5887f-8865-4c09-adf7-e362475b143a", id, "class", "2.999.6") \
	CODE("f4f85eac-e6cb-4883-b524-f2705394840f", id, "N", "2.999.7") \
	CODE("f4f85eac-e6cb-4883-b524-f2705394840f", id, "R", "2.999.7") \
	CODE("a09d5840-386c-46f2-b5ad-9c3699a4309d", id, "format", "2.999.6") \
	CODE("f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1", id, "HOSP", "2.999.6") \
	CODE("cccf5598-8b07-4b77-a05e-ae952c785ead", id, "general", "2.999.6") \
	CODE("f0306f51-975f-434e-a61c-c59651d33983", id, "type", "2.999.6") \
	IDENTIFIER(id, "58a6f841-87b3-4a3e-92fd-a8ffeff98427", patient, "XDSDocumentEntry.patientId") \
	IDENTIFIER(id, "2e82c1f6-a085-4c72-9da3-8640a32e42ab", unique_id, "XDSDocumentEntry.uniqueId") \
	"</rim:ExtrinsicObject>"

#define SET(id, unique_id, patient) \
	"<rim:RegistryPackage id='" id "'>" \
	SLOT("submissionTime", "20260312101500") \
	CODE("aa543740-bdda-424e-8c96-df4873be8500", id, "content", "2.999.6") \
	NODE(id, "a54d6aa5-d40d-43f9-88c5-b4633d873bdd") \
	IDENTIFIER(id, "6b5aea1a-874d-4603-a4bc-96a0a7b38446", patient, "XDSSubmissionSet.patientId") \
	IDENTIFIER(id, "554ac39e-e3fe-47fe-b233-965d2a147832", "2.999.8", "XDSSubmissionSet.sourceId") \
	IDENTIFIER(id, "96fdda7c-d067-4183-912e-bf5ee74998a8", unique_id, "XDSSubmissionSet.uniqueId") \
	"</rim:RegistryPackage>"

#define FOLDER(id, unique_id, patient) \
	"<rim:RegistryPackage id='" id "'><rim:Name><rim:LocalizedString value='Fictional folder'/></rim:Name>" \
	CODE("1ba97051-7806-41a8-a48b-8fce7af683c5", id, "folder", "2.999.6") \
	NODE(id, "d9d542f3-6cc4-48b6-8870-ea235fbc94c2") \
	IDENTIFIER(id, "f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a", patient, "XDSFolder.patientId") \
	IDENTIFIER(id, "75df8f67-9973-4fbe-a900-df66cefecc5a", unique_id, "XDSFolder.uniqueId") \
	"</rim:RegistryPackage>"

#define ASSOCIATE(id, type, source, target) \
	"<rim:Association id='" id "' associationType='" type "'" \
	" sourceObject='" source "' targetObject='" target "'/>"
#define MEMBER(id, source, target, status) \
	"<rim:Association id='" id "' associationType='" HAS_MEMBER "'" \
	" sourceObject='" source "' targetObject='" target "'>" SLOT("SubmissionSetStatus", status) "</rim:Association>"
/* clang-format on */

/* text with every old replaced by new; fails the test when old does not occur. */
static inline char *edited(const char *text, const char *old, const char *new)
{
	size_t old_size = strlen(old);
	size_t new_size = strlen(new);
	size_t count = 0;
	char *copy;
	size_t at = 0;

	for (const char *found = strstr(text, old); found; found = strstr(found + old_size, old))
		count++;
	if (count == 0)
		fail_msg("the text to replace does not occur: %s", old);
	copy = malloc(strlen(text) + count * new_size + 1);
	assert_non_null(copy);
	for (const char *found = strstr(text, old); found; found = strstr(text, old)) {
		memcpy(copy + at, text, (size_t)(found - text));
		at += (size_t)(found - text);
		memcpy(copy + at, new, new_size);
		at += new_size;
		text = found + old_size;
	}
	memcpy(copy + at, text, strlen(text) + 1);
	return copy;
}

struct stand_commit {
	const struct submission *submission;
	struct arena *arena;
	bool is_update;
};

static inline bool stand_commit_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct stand_commit *commit = context;

	return commit->is_update ? registry_update(connection, commit->submission, commit->arena, outcome)
				 : registry_commit(connection, commit->submission, commit->arena, outcome);
}

/* Submits the objects, as ITI-42 or ITI-57 would. Returns "Success", or the code of the first error. */
static inline const char *stand_send(struct domain_stand *stand, const char *objects, bool is_update)
{
	struct xds_message message;
	struct submission submission;
	struct str text =
		arena_printf(stand->arena,
			     "<lcm:SubmitObjectsRequest xmlns:lcm='urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0' "
			     "xmlns:rim='urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0'><rim:RegistryObjectList>%s"
			     "</rim:RegistryObjectList></lcm:SubmitObjectsRequest>",
			     objects);
	struct stand_commit commit = { &submission, stand->arena, is_update };

	stand->rules.is_update = is_update;
	outcome_init(&stand->outcome);
	assert_true(xds_message_read(text, NULL, stand->arena, &message, &stand->outcome));
	if (submission_read(&message.objects, &stand->rules, STR("20260401120000"), stand->arena, &submission,
			    &stand->outcome) &&
	    database_write(stand->database, stand_commit_work, &commit, &stand->outcome)) {
		assert_false(stand->outcome.has_error);
		return "Success";
	}
	assert_true(stand->outcome.has_error);
	return stand->outcome.issues[0].xds_code;
}

static inline const char *stand_submit(struct domain_stand *stand, const char *objects)
{
	return stand_send(stand, objects, false);
}

struct stand_query {
	struct stored_query *query;
	struct query_limits limits;
	struct query_answer answer;
	struct arena *arena;
};

static inline bool stand_query_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct stand_query *query = context;

	return registry_query(connection, query->query, &query->limits, query->arena, &query->answer, outcome);
}

/* Reads an AdhocQuery from its id and Slots, and runs it. Returns "Success" or the code of the first error; what was
 * found is in answer. */
static inline const char *stand_query(struct domain_stand *stand, const char *id, const char *slots,
				      struct query_answer *answer)
{
	struct xds_message *message = arena_alloc(stand->arena, sizeof *message);
	struct str text =
		arena_printf(stand->arena,
			     "<query:AdhocQueryRequest xmlns:query='urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0' "
			     "xmlns:rim='urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0'><query:ResponseOption "
			     "returnComposedObjects='true' "
			     "returnType='LeafClass'/><rim:AdhocQuery "
			     "id='urn:uuid:%s'>%s</rim:AdhocQuery></query:AdhocQueryRequest>",
			     id, slots);
	struct stand_query query = { .limits = { 100, 100 }, .arena = stand->arena };

	outcome_init(&stand->outcome);
	assert_true(xds_message_read(text, NULL, stand->arena, message, &stand->outcome));
	query.query = &message->query;
	bool ok = database_read(stand->database, stand_query_work, &query, &stand->outcome);

	*answer = query.answer;
	if (ok)
		return "Success";
	assert_true(stand->outcome.has_error);
	return stand->outcome.issues[0].xds_code[0] ? stand->outcome.issues[0].xds_code
						    : error_to_xds(stand->outcome.issues[0].code);
}

#endif
