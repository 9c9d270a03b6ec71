/* The base rules of FHIR R4, the table behind them, and how issues come out. */
#include "fhir_support.h"

#include "mappers/fhir_primitive.h"
#include "mappers/fhir_table.h"
#include "mappers/fhir_validate.h"
#include "mappers/json_writer.h"
#include "mappers/operation_outcome.h"

#define DIV "<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">"

static void test_fhir_table__finds_every_row(void **state)
{
	(void)state;
	static const char *const resources[] = { "Account", "Binary",  "Bundle",       "DocumentReference",
						 "List",    "Patient", "Practitioner", "VisionPrescription" };
	size_t hint = 0;

	for (size_t i = 0; i < COUNT_OF(resources); i++) {
		const struct fhir_type *type = fhir_resource_type(str_from_c(resources[i]));

		assert_non_null(type);
		assert_string_equal(type->name, resources[i]);
		assert_int_equal(type->kind, FHIR_RESOURCE);
		for (size_t k = 0; k < type->element_count; k++)
			assert_ptr_equal(fhir_element_find(type, fhir_element_name(&type->elements[k])),
					 &type->elements[k]);
	}
	assert_null(fhir_resource_type(STR("patient")));
	assert_null(fhir_resource_type(STR("Extension"))); /* no resource */
	assert_null(fhir_resource_type(STR_NONE));
	assert_null(fhir_element_find(fhir_extension_type(), STR("value")));
	assert_null(fhir_element_find(fhir_extension_type(), STR("")));
	for (size_t k = 0; k < fhir_extension_type()->element_count; k++) {
		const struct fhir_element *element = &fhir_extension_type()->elements[k];

		assert_ptr_equal(fhir_element_find(fhir_extension_type(), fhir_element_name(element)), element);
		assert_ptr_equal(fhir_element_next(fhir_extension_type(), fhir_element_name(element), &hint), element);
		assert_int_equal(hint, k + 1);
	}
}

/* Facts of the specification, not of the table: DocumentReference, Patient and Extension as R4 4.0.1 prints them. */
static void test_fhir_table__says_what_the_specification_says(void **state)
{
	(void)state;
	static const struct {
		const char *resource;
		const char *element;
		const char *type;
		unsigned flags;
	} cases[] = {
		{ "DocumentReference", "masterIdentifier", "Identifier", 0 },
		{ "DocumentReference", "status", "code", FHIR_REQUIRED },
		{ "DocumentReference", "category", "CodeableConcept", FHIR_MANY },
		{ "DocumentReference", "content", "DocumentReference.content", FHIR_MANY | FHIR_REQUIRED },
		{ "DocumentReference", "context", "DocumentReference.context", 0 },
		{ "DocumentReference", "date", "instant", 0 },
		{ "DocumentReference", "contained", "Resource", FHIR_MANY },
		{ "Patient", "deceasedBoolean", "boolean", 0 },
		{ "Patient", "birthDate", "date", 0 },
		{ "Bundle", "type", "code", FHIR_REQUIRED },
		{ "Bundle", "entry", "Bundle.entry", FHIR_MANY },
		{ "List", "mode", "code", FHIR_REQUIRED },
		{ "Binary", "data", "base64Binary", 0 },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct fhir_type *type = fhir_resource_type(str_from_c(cases[i].resource));
		const struct fhir_element *element = fhir_element_find(type, str_from_c(cases[i].element));

		assert_non_null(element);
		assert_string_equal(fhir_type_at(element->type)->name, cases[i].type);
		assert_int_equal(element->flags, cases[i].flags);
	}
	assert_int_equal(fhir_element_find(fhir_extension_type(), STR("url"))->flags, FHIR_ATTRIBUTE | FHIR_REQUIRED);
	assert_int_equal(fhir_element_find(fhir_extension_type(), STR("valueCoding"))->choice_size, 5);
}

static void test_fhir_primitive__lexical_forms(void **state)
{
	(void)state;
	static const struct {
		enum fhir_kind kind;
		const char *text;
		bool valid;
	} cases[] = {
		{ FHIR_DATE, "2026", true },
		{ FHIR_DATE, "2026-02", true },
		{ FHIR_DATE, "2024-02-29", true },
		{ FHIR_DATE, "2026-02-29", false },
		{ FHIR_DATE, "1900-02-29", false },
		{ FHIR_DATE, "2000-02-29", true },
		{ FHIR_DATE, "2026-13", false },
		{ FHIR_DATE, "2026-00-01", false },
		{ FHIR_DATE, "0000", false },
		{ FHIR_DATE, "2026-1-1", false },
		{ FHIR_DATE, "2026-01-01T00:00:00Z", false },
		{ FHIR_DATE, "20260101", false },
		{ FHIR_DATETIME, "2026-01-01T23:59:59Z", true },
		{ FHIR_DATETIME, "2026-01-01T23:59:60.123456+14:00", true },
		{ FHIR_DATETIME, "2026-01-01T23:59:59-13:59", true },
		{ FHIR_DATETIME, "2026-01-01T23:59:59+14:01", false },
		{ FHIR_DATETIME, "2026-01-01T23:59:59", false }, /* a time needs its zone */
		{ FHIR_DATETIME, "2026-01-01T23:59Z", false },
		{ FHIR_DATETIME, "2026-01-01T24:00:00Z", false },
		{ FHIR_DATETIME, "2026-01T10:00:00Z", false },
		{ FHIR_DATETIME, "2026-01-01T10:00:00.Z", false },
		{ FHIR_DATETIME, "2026-01-01 10:00:00Z", false },
		{ FHIR_INSTANT, "2026-01-01T10:00:00Z", true },
		{ FHIR_INSTANT, "2026-01-01", false },
		{ FHIR_TIME, "00:00:00", true },
		{ FHIR_TIME, "00:00", false },
		{ FHIR_TIME, "10:00:00Z", false },
		{ FHIR_CODE, "a b", true },
		{ FHIR_CODE, " a", false },
		{ FHIR_CODE, "a  b", false },
		{ FHIR_CODE, "a ", false },
		{ FHIR_CODE, "", false },
		{ FHIR_ID, "A-b.9", true },
		{ FHIR_ID, "a_b", false },
		{ FHIR_ID, "1234567890123456789012345678901234567890123456789012345678901234", true },
		{ FHIR_ID, "12345678901234567890123456789012345678901234567890123456789012345", false },
		{ FHIR_OID, "urn:oid:1.2.3", true },
		{ FHIR_OID, "urn:oid:1.02", false },
		{ FHIR_OID, "urn:oid:3.1", false },
		{ FHIR_OID, "urn:oid:1", false },
		{ FHIR_OID, "1.2.3", false },
		{ FHIR_OID, "urn:oid:1.2.", false },
		{ FHIR_UUID, "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", true },
		{ FHIR_UUID, "urn:uuid:C757873D-EC9A-4326-A141-556F43239520", false },
		{ FHIR_UUID, "urn:uuid:c757873dec9a4326a141556f43239520", false },
		{ FHIR_URI, "urn:x:\xC3\xA9", true },
		{ FHIR_URI, "a b", false },
		{ FHIR_URI, "", false },
		{ FHIR_INTEGER, "-2147483648", true },
		{ FHIR_INTEGER, "2147483648", false },
		{ FHIR_INTEGER, "1.0", false },
		{ FHIR_INTEGER, "01", false },
		{ FHIR_UNSIGNEDINT, "0", true },
		{ FHIR_UNSIGNEDINT, "-1", false },
		{ FHIR_POSITIVEINT, "0", false },
		{ FHIR_POSITIVEINT, "1", true },
		{ FHIR_DECIMAL, "-1.50e+3", true },
		{ FHIR_DECIMAL, "1.", false },
		{ FHIR_DECIMAL, "00.1", false },
		{ FHIR_BASE64BINARY, "aGVsbG8=", true },
		{ FHIR_BASE64BINARY, "aGVs\n bG8=", true },
		{ FHIR_BASE64BINARY, "aGVsbG8", false },
		{ FHIR_BASE64BINARY, "", false },
		{ FHIR_STRING, "x", true },
		{ FHIR_STRING, "", false },
		{ FHIR_BOOLEAN, "true", true },
		{ FHIR_BOOLEAN, "1", false },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (fhir_primitive_valid(cases[i].kind, str_from_c(cases[i].text)) != cases[i].valid)
			fail_msg("kind %d: %s", (int)cases[i].kind, cases[i].text);
		assert_true(strlen(fhir_primitive_advice(cases[i].kind)) > 10);
	}
}

static void test_fhir_validate__accepts(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"{\"resourceType\":\"Basic\",\"code\":{\"text\":\"x\"},\"text\":{\"status\":\"generated\",\"div\":"
		"\"" DIV "x</div>\"}}",
		"{\"resourceType\":\"Patient\"}",
		/* a required element whose value is a companion */
		"{\"resourceType\":\"Bundle\",\"_type\":{\"extension\":[{\"url\":\"urn:x\",\"valueCode\":\"unknown\"}]}"
		"}",
		"{\"resourceType\":\"Patient\",\"name\":[{\"given\":[\"A\",null],\"_given\":[null,{\"id\":\"x\"}]}]}",
		"{\"resourceType\":\"Patient\",\"deceasedBoolean\":false,\"_deceasedBoolean\":{\"id\":\"x\"},"
		"\"multipleBirthInteger\":2}",
		"{\"resourceType\":\"Patient\",\"modifierExtension\":[{\"url\":\"urn:x\",\"extension\":[{\"url\":\"y\","
		"\"valueDecimal\":1"
		".0}]}]}",
		"{\"resourceType\":\"Binary\",\"contentType\":\"text/plain\",\"data\":\"aGVsbG8gd29ybGQ=\"}",
	};

	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		struct stand stand;
		json_t *tree;

		stand_open(&stand);
		assert_true(stand_read(&stand, FHIR_JSON, str_from_c(bodies[i]), &tree));
		if (!fhir_validate(tree, NULL, &stand.outcome))
			fail_msg("case %zu: %s %s", i, stand.outcome.issues[0].path, stand.outcome.issues[0].text);
		assert_int_equal(stand.outcome.count, 0);
		stand_close(&stand);
	}
}

static void test_fhir_validate__refuses(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		enum error_code code;
		const char *path;
	} cases[] = {
		{ "{}", ERR_BODY_MALFORMED, "Resource.resourceType" },
		{ "{\"resourceType\":\"patient\"}", ERR_BODY_MALFORMED, "Resource.resourceType" },
		{ "{\"resourceType\":3}", ERR_BODY_MALFORMED, "Resource.resourceType" },
		{ "{\"resourceType\":\"Patient\",\"Meier, Anna\":1}", ERR_BODY_MALFORMED, "Patient.?" },
		{ "{\"resourceType\":\"Patient\",\"fhir_comments\":[\"x\"]}", ERR_BODY_MALFORMED,
		  "Patient.fhir_comments" },
		{ "{\"resourceType\":\"Patient\",\"name\":[{\"resourceType\":\"x\"}]}", ERR_BODY_MALFORMED,
		  "Patient.name[0].resourceType" },
		{ "{\"resourceType\":\"List\",\"status\":\"current\"}", ERR_METADATA_MISSING, "List.mode" },
		{ "{\"resourceType\":\"DocumentReference\",\"status\":\"current\",\"content\":[{\"format\":{\"code\":"
		  "\"x\"}}]}",
		  ERR_METADATA_MISSING, "DocumentReference.content[0].attachment" },
		/* a choice that is required is asked for once */
		{ "{\"resourceType\":\"MedicationRequest\",\"status\":\"active\",\"intent\":\"order\",\"subject\":{"
		  "\"display\":\"x\"}}",
		  ERR_METADATA_MISSING, "MedicationRequest.medication" },
		{ "{\"resourceType\":\"Patient\",\"name\":{\"family\":\"x\"}}", ERR_BODY_MALFORMED, "Patient.name" },
		{ "{\"resourceType\":\"Patient\",\"name\":[]}", ERR_BODY_MALFORMED, "Patient.name" },
		{ "{\"resourceType\":\"Patient\",\"name\":[{}]}", ERR_BODY_MALFORMED, "Patient.name[0]" },
		{ "{\"resourceType\":\"Patient\",\"name\":[null]}", ERR_BODY_MALFORMED, "Patient.name[0]" },
		{ "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"\"}]}", ERR_VALUE_INVALID,
		  "Patient.name[0].family" },
		{ "{\"resourceType\":\"Patient\",\"name\":[{\"family\":null}]}", ERR_BODY_MALFORMED,
		  "Patient.name[0].family" },
		{ "{\"resourceType\":\"Patient\",\"name\":[{\"family\":[\"x\"]}]}", ERR_BODY_MALFORMED,
		  "Patient.name[0].family" },
		{ "{\"resourceType\":\"Patient\",\"name\":[{\"given\":[\"x\",null]}]}", ERR_BODY_MALFORMED,
		  "Patient.name[0].given[1]" },
		{ "{\"resourceType\":\"Patient\",\"name\":[{\"given\":[\"x\"],\"_given\":[{}]}]}", ERR_BODY_MALFORMED,
		  "Patient.name[0].given[0]" },
		{ "{\"resourceType\":\"Patient\",\"_name\":[{\"id\":\"x\"}]}", ERR_BODY_MALFORMED, "Patient._name" },
		{ "{\"resourceType\":\"Patient\",\"active\":\"true\"}", ERR_BODY_MALFORMED, "Patient.active" },
		{ "{\"resourceType\":\"Patient\",\"birthDate\":1970}", ERR_BODY_MALFORMED, "Patient.birthDate" },
		{ "{\"resourceType\":\"Patient\",\"birthDate\":\"1970-02-30\"}", ERR_VALUE_INVALID,
		  "Patient.birthDate" },
		{ "{\"resourceType\":\"Patient\",\"multipleBirthInteger\":\"2\"}", ERR_BODY_MALFORMED,
		  "Patient.multipleBirth" },
		{ "{\"resourceType\":\"Patient\",\"multipleBirthInteger\":2.0}", ERR_VALUE_INVALID,
		  "Patient.multipleBirth" },
		{ "{\"resourceType\":\"Patient\",\"deceasedBoolean\":true,\"deceasedDateTime\":\"2020\"}",
		  ERR_BODY_MALFORMED, "Patient.deceased" },
		{ "{\"resourceType\":\"Patient\",\"_active\":{\"value\":true}}", ERR_BODY_MALFORMED, "Patient.active" },
		{ "{\"resourceType\":\"Patient\",\"extension\":[{\"valueString\":\"x\"}]}", ERR_METADATA_MISSING,
		  "Patient.extension[0].url" },
		{ "{\"resourceType\":\"Patient\",\"extension\":[{\"url\":\"urn:x\"}]}", ERR_BODY_MALFORMED,
		  "Patient.extension[0]" },
		{ "{\"resourceType\":\"Patient\",\"extension\":[{\"url\":\"urn:x\",\"valueCode\":\"x\",\"extension\":[{"
		  "\"url\":\"y\","
		  "\"valueCode\":\"z\"}]}]}",
		  ERR_BODY_MALFORMED, "Patient.extension[0]" },
		{ "{\"resourceType\":\"Patient\",\"contained\":[{\"resourceType\":\"Patient\"}]}", ERR_METADATA_MISSING,
		  "Patient.contained[0].id" },
		{ "{\"resourceType\":\"Patient\",\"contained\":[{\"resourceType\":\"Patient\",\"id\":\"a\","
		  "\"contained\":[{"
		  "\"resourceType\":\"Patient\",\"id\":\"b\"}]}]}",
		  ERR_BODY_MALFORMED, "Patient.contained[0].contained" },
		{ "{\"resourceType\":\"Patient\",\"contained\":[{\"resourceType\":\"Patient\",\"id\":\"a\",\"meta\":{"
		  "\"versionId\":"
		  "\"1\"}}]}",
		  ERR_BODY_MALFORMED, "Patient.contained[0].meta" },
		{ "{\"resourceType\":\"Basic\",\"code\":{\"text\":\"x\"},\"text\":{\"status\":\"generated\",\"div\":\"<"
		  "div>x</div>\"}}",
		  ERR_BODY_MALFORMED, "Basic.text.div" },
		{ "{\"resourceType\":\"Binary\",\"contentType\":\"a/b\",\"data\":\"aGVsbG8\"}", ERR_VALUE_INVALID,
		  "Binary.data" },
		{ "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{\"fullUrl\":\"urn:x\"},{\"resource\":{"
		  "\"resourceType\":"
		  "\"Patient\",\"active\":0}}]}",
		  ERR_BODY_MALFORMED, "Bundle.entry[1].resource.active" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		json_t *tree;

		stand_open(&stand);
		assert_true(fhir_body_read(FHIR_JSON, str_from_c(cases[i].body), NULL, NULL, stand.arena, &tree,
					   &stand.outcome));
		if (fhir_validate(tree, NULL, &stand.outcome))
			fail_msg("case %zu was accepted: %s", i, cases[i].body);
		const struct issue *issue = &stand.outcome.issues[0];

		if (issue->code != cases[i].code || strcmp(issue->path, cases[i].path) != 0)
			fail_msg("case %zu: %s | %s | %s", i, error_info(issue->code)->name, issue->path, issue->text);
		assert_int_equal(stand.outcome.count, 1);
		stand_close(&stand);
	}
}

static void test_fhir_validate__goes_on_and_knows_where(void **state)
{
	(void)state;
	struct stand stand;
	json_t *tree;

	stand_open(&stand);
	assert_true(stand_read(&stand, FHIR_JSON,
			       STR("{\"resourceType\":\"List\",\"date\":\"x\",\"entry\":[{\"item\":{\"reference\":\"\"}"
				   "}]}"),
			       &tree));
	assert_false(fhir_validate(tree, "Bundle.entry[2].resource", &stand.outcome));
	assert_int_equal(stand.outcome.count, 4);
	assert_string_equal(stand.outcome.issues[0].path, "Bundle.entry[2].resource.date");
	assert_string_equal(stand.outcome.issues[1].path, "Bundle.entry[2].resource.entry[0].item.reference");
	assert_string_equal(stand.outcome.issues[2].path, "Bundle.entry[2].resource.status");
	assert_string_equal(stand.outcome.issues[3].path, "Bundle.entry[2].resource.mode");
	stand_close(&stand);
}

/* A body full of mistakes costs no more than a few issues. */
static void test_fhir_validate__stops_counting(void **state)
{
	(void)state;
	struct stand stand;
	json_t *tree;

	stand_open(&stand);
	buf_add(&stand.text, STR("{\"resourceType\":\"Patient\",\"name\":["));
	for (size_t i = 0; i < 5000; i++)
		buf_add(&stand.text, STR("{\"x\":1},"));
	buf_add(&stand.text, STR("{}]}"));
	assert_true(stand_read(&stand, FHIR_JSON, buf_str(&stand.text), &tree));
	assert_false(fhir_validate(tree, NULL, &stand.outcome));
	assert_int_equal(stand.outcome.count, OUTCOME_ISSUES_MAX);
	assert_true(stand.outcome.lost_count < 100);
	stand_close(&stand);
}

static json_t *outcome_as_tree(struct stand *stand)
{
	struct json_writer writer;
	json_t *tree;

	buf_clear(&stand->text);
	json_writer_init(&writer, &stand->text);
	operation_outcome_write(&stand->outcome, &writer);
	assert_true(json_writer_finish(&writer, &stand->outcome));
	assert_true(fhir_body_read(FHIR_JSON, buf_str(&stand->text), NULL, NULL, stand->arena, &tree, &stand->outcome));
	return tree;
}

static void test_operation_outcome__says_all_of_it(void **state)
{
	(void)state;
	struct stand stand;

	stand_open(&stand);
	outcome_add(&stand.outcome, ERR_METADATA_MISSING, "List.mode", "Add \"mode\".");
	outcome_add_xds(&stand.outcome, SEVERITY_WARNING, STR("XDSUnknownPatientId"), STR("Not known."), STR(""));
	json_t *tree = outcome_as_tree(&stand);

	assert_string_equal(
		stand.text.data,
		"{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\"code\":\"required\","
		"\"details\":{\"coding\":[{\"system\":\"urn:passerelle:error\",\"code\":\"ERR_METADATA_MISSING\"}]},"
		"\"diagnostics\":\"Add "
		"\\\"mode\\\".\",\"expression\":[\"List.mode\"]},{\"severity\":\"warning\",\"code\":"
		"\"not-found\",\"details\":{\"coding\":[{\"system\":\"urn:passerelle:xds-error\",\"code\":"
		"\"XDSUnknownPatientId\"},{\"system\":\"urn:passerelle:error\",\"code\":\"ERR_PATIENT_UNKNOWN\"}]},"
		"\"diagnostics\":\"Not known.\"}]}");
	assert_true(fhir_validate(tree, NULL, &stand.outcome));
	stand_close(&stand);
}

static void test_operation_outcome__is_valid_when_empty_or_full(void **state)
{
	(void)state;
	struct stand stand;

	stand_open(&stand);
	assert_true(fhir_validate(outcome_as_tree(&stand), NULL, &stand.outcome));
	for (size_t i = 0; i < 20; i++)
		outcome_warn(&stand.outcome, ERR_RULE, "", "Warning %zu.", i);
	json_t *tree = outcome_as_tree(&stand);

	assert_true(fhir_validate(tree, NULL, &stand.outcome));
	assert_int_equal(json_array_size(json_object_get(tree, "issue")), OUTCOME_ISSUES_MAX + 1);
	assert_non_null(strstr(stand.text.data, "4 more issues"));
	stand_close(&stand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fhir_table__finds_every_row),
		cmocka_unit_test(test_fhir_table__says_what_the_specification_says),
		cmocka_unit_test(test_fhir_primitive__lexical_forms),
		cmocka_unit_test(test_fhir_validate__accepts),
		cmocka_unit_test(test_fhir_validate__refuses),
		cmocka_unit_test(test_fhir_validate__goes_on_and_knows_where),
		cmocka_unit_test(test_fhir_validate__stops_counting),
		cmocka_unit_test(test_operation_outcome__says_all_of_it),
		cmocka_unit_test(test_operation_outcome__is_valid_when_empty_or_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
