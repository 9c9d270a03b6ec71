/* Single rules of the mapping, each in a row of a table: what is refused and where, what odd XDS becomes in FHIR. */
#include "meta_json.h"

#include "mappers/association.h"
#include "mappers/code_system.h"
#include "mappers/explain.h"
#include "mappers/fhir_validate.h"
#include "mappers/identifier.h"
#include "mappers/metadata_rim.h"

static const struct fhir_context context = {
	.path = "Bundle.entry[1].resource",
	.patient_id = STR_INIT("P77^^^&1.2.3&ISO"),
};

/* A piece of a DocumentReference, the issue it must get, and a word of the sentence. */
static const struct {
	const char *members;
	enum error_code code;
	const char *path;
	const char *text;
} refused[] = {
	/* 40 hexadecimal characters are base64 by chance, and what people send most often. TF-3 4.2.3.2.10 */
	{ "'content':[{'attachment':{'hash':'0a4d55a8d778e5022fab701977c5d840bbc486d0'}}]", ERR_METADATA_INVALID,
	  "Bundle.entry[1].resource.content[0].attachment.hash", "hexadecimal" },
	/* base64 of the hexadecimal text of the same */
	{ "'content':[{'attachment':{'hash':'MGE0ZDU1YThkNzc4ZTUwMjJmYWI3MDE5NzdjNWQ4NDBiYmM0ODZkMA=='}}]",
	  ERR_METADATA_INVALID, "Bundle.entry[1].resource.content[0].attachment.hash", "hexadecimal text" },
	/* SHA-256 */
	{ "'content':[{'attachment':{'hash':'pZGm1Av0IEBKARczz7exkNYsZb8LzaMrV7J32a2fFG4='}}]", ERR_METADATA_INVALID,
	  "Bundle.entry[1].resource.content[0].attachment.hash", "SHA-1" },
	{ "'content':[{'attachment':{'size':-1}}]", ERR_METADATA_INVALID,
	  "Bundle.entry[1].resource.content[0].attachment.size", "whole number" },
	{ "'content':[{'attachment':{'size':3000000000}}]", ERR_METADATA_INVALID,
	  "Bundle.entry[1].resource.content[0].attachment.size", "2147483647" },
	{ "'content':[{'attachment':{'creation':'2024-13-01'}}]", ERR_METADATA_INVALID,
	  "Bundle.entry[1].resource.content[0].attachment.creation", "YYYY" },
	{ "'content':[{},{}]", ERR_METADATA_INVALID, "Bundle.entry[1].resource.content", "once" },
	{ "'type':{'coding':[{'code':'x'}]}", ERR_METADATA_INVALID, "Bundle.entry[1].resource.type.coding[0].system",
	  "system" },
	{ "'type':{'text':'letter'}", ERR_METADATA_INVALID, "Bundle.entry[1].resource.type.coding[0].code", "code" },
	{ "'securityLabel':[{'coding':[{'system':'urn:oid:1.2','code':'N'}]},{'coding':[{'code':'x'}]}]",
	  ERR_METADATA_INVALID, "Bundle.entry[1].resource.securityLabel[1].coding[0].system", "system" },
	{ "'category':[{'coding':[{'system':'urn:oid:1.2','code':'a'}]},{'coding':[{'system':'urn:oid:1.2','code':'b'}]"
	  "}]",
	  ERR_METADATA_INVALID, "Bundle.entry[1].resource.category[1]", "once" },
	{ "'status':'entered-in-error'", ERR_RULE, "Bundle.entry[1].resource.status", "current" },
	{ "'docStatus':'final'", ERR_NOT_SUPPORTED, "Bundle.entry[1].resource.docStatus", "docStatus" },
	{ "'implicitRules':'http://rules.example'", ERR_NOT_SUPPORTED, "Bundle.entry[1].resource.implicitRules",
	  "implicitRules" },
	{ "'modifierExtension':[{'url':'http://x','valueBoolean':true}]", ERR_NOT_SUPPORTED,
	  "Bundle.entry[1].resource.modifierExtension", "modifierExtension" },
	{ "'contained':[{'resourceType':'Patient','id':'p'},{'resourceType':'Practitioner','id':'x',"
	  "'modifierExtension':[{'url':'http://x'}]}]",
	  ERR_NOT_SUPPORTED, "Bundle.entry[1].resource.contained[1].modifierExtension", "modifierExtension" },
	{ "'author':[{'reference':'#a'}]", ERR_REFERENCE_UNRESOLVED, "Bundle.entry[1].resource.author[0]",
	  "not found" },
	{ "'author':[{'reference':'Practitioner/9'}]", ERR_REFERENCE_UNRESOLVED, "Bundle.entry[1].resource.author[0]",
	  "not found" },
	{ "'contained':[{'resourceType':'Device','id':'d'}],'author':[{'reference':'#d'}]", ERR_METADATA_INVALID,
	  "Bundle.entry[1].resource.author[0]", "name" },
	{ "'contained':[{'resourceType':'Location','id':'d'}],'author':[{'reference':'#d'}]", ERR_METADATA_INVALID,
	  "Bundle.entry[1].resource.author[0]", "Practitioner" },
	{ "'contained':[{'resourceType':'PractitionerRole','id':'r','practitioner':{'reference':'#gone'}}],"
	  "'author':[{'reference':'#r'}]",
	  ERR_REFERENCE_UNRESOLVED, "Bundle.entry[1].resource.author[0].resolve().practitioner", "not found" },
	{ "'context':{'sourcePatientInfo':{'reference':'#p'}}", ERR_REFERENCE_UNRESOLVED,
	  "Bundle.entry[1].resource.context.sourcePatientInfo", "Patient" },
	{ "'masterIdentifier':{'system':'http://hospital.example','value':'1'}", ERR_METADATA_INVALID,
	  "Bundle.entry[1].resource.masterIdentifier", "urn:oid" },
	{ "'identifier':[{'type':{'coding':[{'code':'entryUUID'}]},'value':'17'}]", ERR_METADATA_INVALID,
	  "Bundle.entry[1].resource.identifier[0]", "urn:uuid" },
	{ "'identifier':[{'value':'urn:uuid:00000000-0000-4000-8000-000000000001'},"
	  "{'value':'urn:uuid:00000000-0000-4000-8000-000000000002'}]",
	  ERR_METADATA_INVALID, "Bundle.entry[1].resource.identifier[1]", "one identifier" },
	{ "'extension':[{'url':'https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-HomeCommunityId',"
	  "'valueOid':'1.2.3'}]",
	  ERR_METADATA_INVALID, "Bundle.entry[1].resource.extension[0].valueOid", "urn:oid" },
	{ "'date':'2024-03-02'", ERR_METADATA_INVALID, "Bundle.entry[1].resource.date", "instant" },
};

static void test_refusals_name_the_culprit(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		struct arena *arena = arena_new(1 << 20);
		struct document_entry entry;
		struct outcome outcome;
		char text[2048];

		outcome_init(&outcome);
		snprintf(text, sizeof text, "{'resourceType':'DocumentReference',%s}", refused[i].members);
		json_t *tree = json_of(text);
		assert_false(document_entry_from_fhir(tree, &context, arena, &entry, &outcome));
		if (outcome.count != 1 || strcmp(outcome.issues[0].path, refused[i].path) != 0 ||
		    outcome.issues[0].code != refused[i].code || !strstr(outcome.issues[0].text, refused[i].text))
			fail_msg("%s: %zu issues, %s: %s", refused[i].members, outcome.count, outcome.issues[0].path,
				 outcome.issues[0].text);
		json_decref(tree);
		arena_free(arena);
	}
}

/* Lists: the profile closes some elements. */
static const struct {
	const char *code, *members;
	const char *path;
} refused_lists[] = {
	{ "submissionset", "'encounter':{'display':'x'}", "L.encounter" },
	{ "submissionset", "'orderedBy':{'text':'x'}", "L.orderedBy" },
	{ "submissionset", "'note':[{'text':'a'},{'text':'b'}]", "L.note" },
	{ "submissionset", "'mode':'snapshot'", "L.mode" },
	{ "submissionset", "'entry':[{'item':{'display':'x'}},{'deleted':true,'item':{'display':'x'}}]", "L.entry[1]" },
	{ "submissionset", "'status':'entered-in-error'", "L.status" },
	{ "submissionset",
	  "'extension':[{'url':'https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId',"
	  "'valueIdentifier':{'value':'hospital'}}]",
	  "L.extension[0].valueIdentifier" },
	{ "submissionset", "'identifier':[{'use':'usual','value':'17'}]", "L.identifier[0]" },
	{ "folder", "'source':{'display':'x'}", "L.source" },
};

static void test_list_refusals(void **state)
{
	(void)state;
	static const struct fhir_context at_list = { .path = "L" };

	for (size_t i = 0; i < COUNT_OF(refused_lists); i++) {
		struct arena *arena = arena_new(1 << 20);
		struct submission_set set;
		struct folder folder;
		struct outcome outcome;
		char text[2048];

		outcome_init(&outcome);
		snprintf(text, sizeof text, "{'resourceType':'List','code':{'coding':[{'code':'%s'}]},%s}",
			 refused_lists[i].code, refused_lists[i].members);
		json_t *tree = json_of(text);
		if (list_kind_of(tree) == LIST_FOLDER)
			assert_false(folder_from_fhir(tree, &at_list, arena, &folder, &outcome));
		else
			assert_false(submission_set_from_fhir(tree, &at_list, arena, &set, &outcome));
		assert_int_equal(outcome.count, 1);
		assert_string_equal(outcome.issues[0].path, refused_lists[i].path);
		json_decref(tree);
		arena_free(arena);
	}
}

static json_t *entry_to_json(const struct document_entry *entry, const struct fhir_links *links)
{
	struct arena *arena = arena_new(1 << 20);
	struct outcome outcome;
	struct json_writer writer;
	struct buf buf;

	outcome_init(&outcome);
	buf_init(&buf, 1 << 20);
	json_writer_init(&writer, &buf);
	document_entry_to_fhir(entry, links, arena, &writer);
	assert_true(json_writer_finish(&writer, &outcome));
	json_t *tree = json_of_buf(&buf);
	if (!fhir_validate(tree, "R", &outcome))
		fail_msg("%s: %s\n%s", outcome.issues[0].path, outcome.issues[0].text, buf.data);
	buf_free(&buf);
	arena_free(arena);
	return tree;
}

/* The value at a JSON path of members and indexes, as text; NULL when there is none. */
static const char *text_at(const json_t *tree, const char *path)
{
	static char number[32];
	struct str rest = str_from_c(path);
	struct str step;

	while (tree && str_next(&rest, '.', &step)) {
		char name[64];
		snprintf(name, sizeof name, "%.*s", STR_ARG(step));
		tree = name[0] >= '0' && name[0] <= '9' ? json_array_get(tree, (size_t)(name[0] - '0'))
							: json_object_get(tree, name);
	}
	if (json_is_integer(tree)) {
		snprintf(number, sizeof number, "%lld", (long long)json_integer_value(tree));
		return number;
	}
	return json_string_value(tree);
}

/* XDS as registries send it, by the name of the attribute, and what FHIR must say at a path; NULL: nothing there. */
static const struct {
	const char *attribute, *value, *path, *wanted;
} shown[] = {
	{ "uniqueId", "1.2.3", "masterIdentifier.value", "urn:oid:1.2.3" },
	{ "uniqueId", "1.2.3", "masterIdentifier.system", "urn:ietf:rfc:3986" },
	{ "uniqueId", "1.2.3", "identifier.0.type.coding.0.code", "uniqueId" },
	{ "uniqueId", "1.2.3", "identifier.0.use", "usual" },
	/* CDA style: root and extension. TF-3 4.2.3.2.26 */
	{ "uniqueId", "1.2.3^abc", "masterIdentifier.system", "urn:oid:1.2.3" },
	{ "uniqueId", "1.2.3^abc", "masterIdentifier.value", "abc" },
	/* a UUID must not become an OID */
	{ "uniqueId", "urn:uuid:00000000-0000-4000-8000-000000000001", "masterIdentifier.value",
	  "urn:uuid:00000000-0000-4000-8000-000000000001" },
	{ "uniqueId", "letter 17", "masterIdentifier.value", "letter 17" },
	{ "entryUUID", "urn:uuid:00000000-0000-4000-8000-000000000001", "identifier.0.type.coding.0.code",
	  "entryUUID" },
	{ "entryUUID", "urn:uuid:00000000-0000-4000-8000-000000000001", "identifier.0.use", "official" },
	{ "entryUUID", "Document01", "identifier", NULL },
	{ "availabilityStatus", "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved", "status", "current" },
	{ "availabilityStatus", "Approved", "status", "current" },
	{ "availabilityStatus", "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated", "status", "superseded" },
	{ "availabilityStatus", "urn:oasis:names:tc:ebxml-regrep:StatusType:Withdrawn", "status", "superseded" },
	{ "availabilityStatus", "", "status", "current" },
	{ "hash", "0A4D55A8D778E5022FAB701977C5D840BBC486D0", "content.0.attachment.hash",
	  "Ck1VqNd45QIvq3AZd8XYQLvEhtA=" },
	{ "hash", "nonsense", "content.0.attachment.hash", NULL },
	{ "size", "0", "content.0.attachment.size", "0" },
	{ "size", "2147483647", "content.0.attachment.size", "2147483647" },
	{ "size", "2147483648", "content.0.attachment.size", NULL }, /* unsignedInt ends before */
	{ "size", "many", "content.0.attachment.size", NULL },
	{ "creationTime", "2024", "content.0.attachment.creation", "2024" },
	{ "creationTime", "202403", "content.0.attachment.creation", "2024-03" },
	{ "creationTime", "20240302", "content.0.attachment.creation", "2024-03-02" },
	{ "creationTime", "2024030208", "content.0.attachment.creation", "2024-03-02T08:00:00Z" },
	{ "creationTime", "20240302081530", "content.0.attachment.creation", "2024-03-02T08:15:30Z" },
	{ "creationTime", "20240302091530+0100", "content.0.attachment.creation", "2024-03-02T08:15:30Z" },
	{ "creationTime", "yesterday", "content.0.attachment.creation", NULL },
	{ "mimeType", "", "content.0.attachment.contentType", "application/octet-stream" }, /* ebRIM's default */
	{ "homeCommunityId", "urn:oid:1.2.3", "extension.0.valueOid", "urn:oid:1.2.3" },
	{ "homeCommunityId", "1.2.3", "extension.0.valueOid", "urn:oid:1.2.3" },
	{ "homeCommunityId", "", "extension", NULL },
	{ "title", "Brief", "content.0.attachment.title", "Brief" },
	{ "comments", "Anmerkung", "description", "Anmerkung" },
	{ "patientId", "A\\T\\B^^^&1.2.3&ISO", "subject.identifier.value", "A&B" },
	{ "patientId", "AB^^^NS&1.2.3&ISO^MR", "subject.identifier.system", "urn:oid:1.2.3" },
	{ "sourcePatientId", "MRN^^^&1.2.4&ISO", "contained.0.identifier.0.value", "MRN" },
	{ "legalAuthenticator", "^Muster^Petra^Maria Rosa^^Dr.^MD", "contained.0.name.0.suffix.0", "MD" },
	{ "legalAuthenticator", "^Muster^Petra^Maria Rosa", "contained.0.name.0.given.2", "Rosa" },
	{ "legalAuthenticator", "17^Muster", "contained.0.identifier.0.value", "17" },
	{ "urn:passerelle:fhir:date", "2024-03-02T08:15:30.5+01:00", "date", "2024-03-02T08:15:30.5+01:00" },
	{ "urn:passerelle:fhir:date", "<script>", "date", NULL },
	{ "urn:passerelle:fhir:custodian", "Clinique^^^^^&1.2&ISO^^^^7", "contained.0.name", "Clinique" },
};

static void test_odd_xds_becomes_valid_fhir(void **state)
{
	(void)state;
	static const struct fhir_links links = {
		.id = STR_INIT("x"),
		.attachment_url = STR_INIT("https://gateway.example/Binary/x"),
	};

	for (size_t i = 0; i < COUNT_OF(shown); i++) {
		struct document_entry entry = { .mime_type = STR("text/plain") };
		const struct attribute *row = attribute_find(&document_entry_table, str_from_c(shown[i].attribute));

		assert_non_null(row);
		*(struct str *)((char *)&entry + row->offset) = str_from_c(shown[i].value);
		json_t *tree = entry_to_json(&entry, &links);
		const char *got = text_at(tree, shown[i].path);
		if (shown[i].wanted ? !got || strcmp(got, shown[i].wanted) != 0 : got != NULL)
			fail_msg("%s %s: %s is %s, wanted %s", shown[i].attribute, shown[i].value, shown[i].path,
				 got ? got : "absent", shown[i].wanted ? shown[i].wanted : "nothing");
		json_decref(tree);
	}
}

static void test_reference_ids_and_codes(void **state)
{
	(void)state;
	static const struct fhir_links links = { .id = STR_INIT("x"),
						 .attachment_url = STR_INIT("https://gateway.example/Binary/x") };
	struct str ids[] = {
		STR("S1^^^&1.2.5&ISO^urn:ihe:iti:xds:2013:order"),
		STR("V1^^^&1.2.6&ISO^urn:ihe:iti:xds:2015:encounterId"),
		STR("1.2.840.1^^^^urn:ihe:iti:xds:2016:studyInstanceUID"),
		STR("X^^^DCM4CHEE^urn:ihe:iti:xds:2013:accession"), /* an authority that is a name alone */
		STR("^^^&1.2&ISO"),                                 /* says nothing */
	};
	struct code labels[] = { { STR("N"), STR("2.16.840.1.113883.5.25"), STR("N") },
				 { STR("R"), STR("some free text"), STR("restricted") } };
	struct document_entry entry = {
		.reference_ids = { ids, COUNT_OF(ids) },
		.confidentiality_codes = { labels, COUNT_OF(labels) },
	};
	json_t *tree = entry_to_json(&entry, &links);

	assert_string_equal(text_at(tree, "context.encounter.0.identifier.value"), "V1");
	assert_int_equal(json_array_size(json_object_get(json_object_get(tree, "context"), "encounter")), 1);
	assert_int_equal(json_array_size(json_object_get(json_object_get(tree, "context"), "related")), 3);
	assert_string_equal(text_at(tree, "context.related.0.identifier.system"), "urn:oid:1.2.5");
	assert_string_equal(text_at(tree, "context.related.1.identifier.value"), "urn:oid:1.2.840.1");
	assert_string_equal(text_at(tree, "context.related.2.identifier.system"), "urn:passerelle:authority:DCM4CHEE");
	/* one CodeableConcept per code, and a name that only repeats the code is none */
	assert_string_equal(text_at(tree, "securityLabel.0.coding.0.system"),
			    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality");
	assert_null(text_at(tree, "securityLabel.0.coding.0.display"));
	assert_null(text_at(tree, "securityLabel.1.coding.0.system"));
	assert_string_equal(text_at(tree, "securityLabel.1.coding.0.display"), "restricted");
	/* thin metadata is shown, but claims no profile */
	assert_null(text_at(tree, "meta.profile.0"));
	json_decref(tree);
}

static void test_authors_keep_their_parts(void **state)
{
	(void)state;
	static const struct fhir_links links = { .id = STR_INIT("x"),
						 .attachment_url = STR_INIT("https://gateway.example/Binary/x") };
	struct str institutions[] = { STR("A^^^^^^^^^1.2.3"), STR("B"), STR("C") };
	struct str roles[] = { STR("surgeon"), STR("59058001^^^&2.16.840.1.113883.6.96&ISO") };
	struct str telecoms[] = { STR("^^Internet^a@example.org"), STR("^PRN^CP^^352^621^000000"), STR("^WPN^FX") };
	struct author authors[] = {
		{ .person = STR("1^Eins^^^^^^^&1.2&ISO"),
		  .institutions = { institutions, 3 },
		  .roles = { roles, 2 },
		  .telecommunications = { telecoms, 3 } },
		{ .institutions = { institutions, 1 } },
		{ .telecommunications = { telecoms, 1 } },
		{ .roles = { NULL, 0 } },
	};
	struct document_entry entry = { .authors = { authors, COUNT_OF(authors) } };
	json_t *tree = entry_to_json(&entry, &links);
	struct arena *arena = arena_new(1 << 20);
	struct document_entry again;
	struct outcome outcome;

	assert_int_equal(json_array_size(json_object_get(tree, "author")), 3);
	assert_string_equal(text_at(tree, "contained.0.resourceType"), "PractitionerRole");
	assert_string_equal(text_at(tree, "contained.0.code.0.text"), "surgeon");
	assert_string_equal(text_at(tree, "contained.0.code.1.coding.0.system"), "http://snomed.info/sct");
	assert_string_equal(text_at(tree, "contained.0.telecom.1.value"), "+352 621 000000");
	assert_string_equal(text_at(tree, "contained.0.telecom.1.use"), "mobile");
	/* ids are unique */
	const json_t *contained = json_object_get(tree, "contained");
	for (size_t i = 0; i < json_array_size(contained); i++) {
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(text_at(json_array_get(contained, i), "id"),
						text_at(json_array_get(contained, k), "id"));
	}
	outcome_init(&outcome);
	assert_true(document_entry_from_fhir(tree, &context, arena, &again, &outcome));
	assert_int_equal(again.authors.count, 3);
	assert_true(str_equal(again.authors.items[0].person, authors[0].person));
	assert_int_equal(again.authors.items[0].institutions.count, 3);
	assert_true(str_equal(again.authors.items[0].institutions.items[2], STR("C")));
	assert_true(str_equal(again.authors.items[0].roles.items[1], roles[1]));
	assert_true(str_equal(again.authors.items[1].institutions.items[0], institutions[0]));
	assert_true(str_equal(again.authors.items[2].telecommunications.items[0], telecoms[0]));
	arena_free(arena);
	json_decref(tree);
}

static const struct {
	const char *name;
	enum metadata_level level;
	const char *path, *wanted;
} missing[] = {
	{ "uniqueId", LEVEL_MINIMAL, "B.resource", "B.resource.masterIdentifier" },
	{ "mimeType", LEVEL_MINIMAL, "B.resource", "B.resource.content.attachment.contentType" },
	{ "languageCode", LEVEL_COMPREHENSIVE, "B.resource", "B.resource.content.attachment.language" },
	{ "classCode", LEVEL_XDS, NULL, "XDSDocumentEntry.classCode" },
	{ "sourcePatientId", LEVEL_COMPREHENSIVE, "B", "B.context.sourcePatientInfo" },
};

static void test_missing_attributes_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(missing); i++) {
		struct document_entry entry = { 0 };
		struct outcome outcome;
		bool found = false;

		outcome_init(&outcome);
		assert_false(document_entry_validate(&entry, missing[i].level, missing[i].path, &outcome));
		for (size_t k = 0; k < outcome.count; k++) {
			assert_int_equal(outcome.issues[k].code, ERR_METADATA_MISSING);
			found = found || (strcmp(outcome.issues[k].path, missing[i].wanted) == 0 &&
					  strstr(outcome.issues[k].text, missing[i].name));
		}
		assert_true(found);
	}
	/* UnContained may do without sourcePatientInfo */
	struct document_entry entry = { 0 };
	struct outcome outcome;
	outcome_init(&outcome);
	document_entry_validate(&entry, LEVEL_UNCONTAINED, "B", &outcome);
	for (size_t k = 0; k < outcome.count; k++)
		assert_null(strstr(outcome.issues[k].path, "sourcePatientInfo"));
}

/* Values that are no values, by the name of the attribute. TF-3 4.2.3.1.7 */
static const struct {
	const char *attribute, *bad;
} malformed[] = {
	{ "creationTime", "20241301" },       { "hash", "abc" },     { "size", "-1" },
	{ "patientId", "^^^&1.2&ISO" },       { "patientId", "17" }, { "legalAuthenticator", "^^Petra" },
	{ "repositoryUniqueId", "hospital" },
};

static void test_malformed_values_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(malformed); i++) {
		struct document_entry entry = { 0 };
		const struct attribute *row = attribute_find(&document_entry_table, str_from_c(malformed[i].attribute));
		struct outcome outcome;
		bool found = false;

		outcome_init(&outcome);
		*(struct str *)((char *)&entry + row->offset) = str_from_c(malformed[i].bad);
		assert_false(document_entry_validate(&entry, LEVEL_MINIMAL, NULL, &outcome));
		for (size_t k = 0; k < outcome.count; k++)
			found = found || (outcome.issues[k].code == ERR_METADATA_INVALID &&
					  strstr(outcome.issues[k].path, malformed[i].attribute));
		if (!found)
			fail_msg("%s %s was taken", malformed[i].attribute, malformed[i].bad);
	}
	struct document_entry entry = { .service_start_time = STR("20240303"), .service_stop_time = STR("20240302") };
	struct outcome outcome;
	outcome_init(&outcome);
	document_entry_validate(&entry, LEVEL_MINIMAL, "D", &outcome);
	bool found = false;
	for (size_t k = 0; k < outcome.count; k++)
		found = found || strstr(outcome.issues[k].text, "end");
	assert_true(found);
	/* a stop on the same day, or in the same month, is not before the start */
	entry.service_start_time = STR("20240302120000");
	entry.service_stop_time = STR("202403");
	outcome_init(&outcome);
	document_entry_validate(&entry, LEVEL_MINIMAL, "D", &outcome);
	for (size_t k = 0; k < outcome.count; k++)
		assert_null(strstr(outcome.issues[k].text, " end "));
}

static void test_code_systems_both_ways(void **state)
{
	(void)state;
	static const struct {
		struct str uri, oid;
		bool back; /* the URI is the one that is emitted */
	} cases[] = {
		{ STR("http://loinc.org"), STR("2.16.840.1.113883.6.1"), true },
		{ STR("http://snomed.info/sct"), STR("2.16.840.1.113883.6.96"), true },
		{ STR("http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode"), STR("1.3.6.1.4.1.19376.1.2.3"),
		  true },
		{ STR("http://ihe.net/fhir/ValueSet/IHE.FormatCode.codesystem"), STR("1.3.6.1.4.1.19376.1.2.3"),
		  false },
		{ STR("urn:oid:2.16.840.1.113883.6.1"), STR("2.16.840.1.113883.6.1"), false },
		{ STR("urn:oid:1.2.3.4"), STR("1.2.3.4"), true },
		{ STR("http://codes.example"), STR("http://codes.example"), true },
	};
	struct arena *arena = arena_new(4096);

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(str_equal(code_system_scheme(cases[i].uri), cases[i].oid));
		assert_int_equal(str_equal(code_system_uri(cases[i].oid, arena), cases[i].uri), cases[i].back);
	}
	assert_null(code_system_uri(STR("free text"), arena).data);
	arena_free(arena);
}

static void test_association_types(void **state)
{
	(void)state;
	/* MHD ConceptMap AssociationType vs RelatesTo */
	static const struct {
		const char *urn, *relates_to;
	} cases[] = {
		{ "urn:ihe:iti:2007:AssociationType:RPLC", "replaces" },
		{ "urn:ihe:iti:2007:AssociationType:APND", "appends" },
		{ "urn:ihe:iti:2007:AssociationType:XFRM", "transforms" },
		{ "urn:ihe:iti:2007:AssociationType:XFRM_RPLC", "replaces" },
		{ "urn:ihe:iti:2007:AssociationType:signs", "signs" },
		{ "urn:ihe:iti:2010:AssociationType:IsSnapshotOf", "transforms" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		enum association_type type = association_type_of(str_from_c(cases[i].urn));

		assert_true(str_equal(association_urn(type), str_from_c(cases[i].urn)));
		assert_true(str_equal(association_relates_to(type), str_from_c(cases[i].relates_to)));
	}
	assert_int_equal(association_from_relates_to(STR("replaces")), ASSOCIATION_REPLACE);
	assert_int_equal(association_from_relates_to(STR("")), ASSOCIATION_UNKNOWN);
	assert_int_equal(association_from_relates_to(STR("parts")), ASSOCIATION_UNKNOWN);
	assert_null(association_relates_to(ASSOCIATION_HAS_MEMBER).data);
	assert_int_equal(association_type_of(STR("urn:x:")), ASSOCIATION_UNKNOWN);
}

static void test_explanation_names_both_sides(void **state)
{
	(void)state;
	struct document_entry entry = { .title = STR("Brief\x1b[2J"),
					.class_code = { STR("A"), STR("1.2"), STR("B") } };
	struct association replaces = { .type = ASSOCIATION_REPLACE, .source = STR("new"), .target = STR("old") };
	struct metadata metadata = {
		.document_entries = &entry, .document_entry_count = 1, .associations = &replaces, .association_count = 1
	};
	struct buf buf;

	buf_init(&buf, 65536);
	metadata_explain(&metadata, NULL, EXPLAIN_FROM_FHIR, &buf);
	assert_false(buf.failed);
	assert_non_null(strstr(buf.data, "XDSDocumentEntry.title "));
	assert_non_null(strstr(buf.data, "<- DocumentReference.content[].attachment.title "));
	assert_non_null(strstr(buf.data, "Name: Brief?[2J\n"));
	assert_non_null(
		strstr(buf.data, "Classification urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a: A^^1.2 \"B\"\n"));
	assert_non_null(strstr(buf.data, "relatesTo replaces: new -> old"));
	assert_null(strstr(buf.data, "typeCode"));
	buf_free(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals_name_the_culprit),
		cmocka_unit_test(test_list_refusals),
		cmocka_unit_test(test_odd_xds_becomes_valid_fhir),
		cmocka_unit_test(test_reference_ids_and_codes),
		cmocka_unit_test(test_authors_keep_their_parts),
		cmocka_unit_test(test_missing_attributes_are_named),
		cmocka_unit_test(test_malformed_values_are_refused),
		cmocka_unit_test(test_code_systems_both_ways),
		cmocka_unit_test(test_association_types),
		cmocka_unit_test(test_explanation_names_both_sides),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
