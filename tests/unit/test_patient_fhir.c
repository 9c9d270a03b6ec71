/* FHIR Patient and Parameters to and from our structs. */
#include "fhir_support.h"

#include "mappers/fhir_validate.h"
#include "mappers/json_writer.h"
#include "mappers/patient_fhir.h"
#include "mappers/patient_operation.h"

static const struct system_name name_items[] = { { STR_INIT("https://hospital.example/mrn"), STR_INIT("2.999.7") } };
static const struct system_names names = { name_items, COUNT_OF(name_items) };

/* All that a struct patient holds; written back it is the same text. */
static const char whole[] =
	"{\"resourceType\":\"Patient\",\"id\":\"p1\","
	"\"extension\":[{\"url\":\"http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName\","
	"\"valueString\":\"Beispiel\"}],"
	"\"identifier\":[{\"system\":\"urn:oid:1.3.6.1.4.1.21367.13.20.1000\",\"value\":\"IHERED-994\"},"
	"{\"system\":\"urn:oid:1.3.182.4.4\",\"value\":\"1893120105732\"}],"
	"\"active\":false,"
	"\"name\":[{\"use\":\"official\",\"family\":\"MOHR\",\"given\":[\"ALICE\",\"Zo\xC3\xAB\"],"
	"\"prefix\":[\"Dr.\"],\"suffix\":[\"jr.\"]},{\"use\":\"maiden\",\"family\":\"Maiden\"}],"
	"\"telecom\":[{\"system\":\"phone\",\"value\":\"+352 1\",\"use\":\"home\"}],"
	"\"gender\":\"female\",\"birthDate\":\"1958-01-30\",\"deceasedDateTime\":\"2020-02-03\","
	"\"address\":[{\"line\":[\"1, rue A\",\"B\"],\"use\":\"home\",\"city\":\"Luxembourg\",\"district\":\"D\","
	"\"state\":\"S\",\"postalCode\":\"L-1000\",\"country\":\"LU\"}],"
	"\"link\":[{\"other\":{\"reference\":\"Patient/p2\",\"identifier\":"
	"{\"system\":\"urn:oid:1.3.6.1.4.1.21367.13.20.1000\",\"value\":\"IHERED-1\"}},\"type\":\"replaced-by\"}]}";

static json_t *tree_of(struct stand *stand, const char *text)
{
	json_t *tree;

	assert_true(fhir_body_read(FHIR_JSON, str_from_c(text), NULL, NULL, stand->arena, &tree, &stand->outcome));
	assert_true(fhir_validate(tree, NULL, &stand->outcome));
	return tree;
}

static void test_patient__there_and_back(void **state)
{
	(void)state;
	struct stand stand;
	struct patient patient;
	struct str reference;
	struct json_writer writer;
	json_t *tree;

	stand_open(&stand);
	tree = tree_of(&stand, whole);
	assert_true(patient_from_fhir(tree, "Patient", &names, stand.arena, &patient, &reference, &stand.outcome));
	assert_null(reference.data); /* the identifier says it */
	assert_true(str_equal(patient.replaced_by.value, STR("IHERED-1")));
	assert_true(str_equal(patient.identifiers.items[0].authority, STR("1.3.6.1.4.1.21367.13.20.1000")));
	assert_true(str_equal(patient.names[0].given, STR("ALICE Zo\xC3\xAB")));
	assert_true(str_equal(patient.addresses[0].line, STR("1, rue A\nB")));
	assert_true(patient.is_inactive);
	assert_int_equal(patient.match_percent, -1);
	json_writer_init(&writer, &stand.text);
	patient_to_fhir(&patient, STR("p1"), STR("Patient/p2"), &writer);
	assert_true(json_writer_finish(&writer, &stand.outcome));
	assert_string_equal(buf_str(&stand.text).data, whole);
	stand_close(&stand);
}

static void test_patient__what_is_left_out(void **state)
{
	(void)state;
	static const char text[] = "{\"resourceType\":\"Patient\",\"identifier\":["
				   "{\"system\":\"https://elsewhere.example\",\"value\":\"1\"},"
				   "{\"use\":\"old\",\"system\":\"urn:oid:2.999.1\",\"value\":\"2\"},"
				   "{\"system\":\"urn:oid:2.999.1\"},{\"value\":\"3\"},"
				   "{\"system\":\"https://hospital.example/mrn\",\"value\":\"4\"}],"
				   "\"name\":[{\"use\":\"usual\"},{\"text\":\"Jane Doe\"}],\"deceasedBoolean\":true,"
				   "\"address\":[{\"text\":\"somewhere\"}],\"telecom\":[{\"system\":\"phone\"}],"
				   "\"link\":[{\"other\":{\"reference\":\"Patient/x\"},\"type\":\"replaced-by\"},"
				   "{\"other\":{\"reference\":\"Patient/y\"},\"type\":\"seealso\"}]}";
	struct stand stand;
	struct patient patient;
	struct str reference;

	stand_open(&stand);
	assert_true(patient_from_fhir(tree_of(&stand, text), "Patient", &names, stand.arena, &patient, &reference,
				      &stand.outcome));
	assert_int_equal(patient.identifiers.count, 1);
	assert_true(str_equal(patient.identifiers.items[0].authority, STR("2.999.7")));
	assert_int_equal(patient.name_count, 1);
	assert_true(str_equal(patient.names[0].family, STR("Jane Doe")));
	assert_true(str_equal(patient.addresses[0].line, STR("somewhere")));
	assert_int_equal(patient.telecom_count, 0);
	assert_true(str_equal(patient.deceased, STR("true")));
	assert_false(patient.is_inactive);
	assert_null(patient.replaced_by.value.data);
	assert_true(str_equal(reference, STR("Patient/x")));
	stand_close(&stand);
}

static void test_patient__refusals(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum error_code code;
	} cases[] = {
		{ "{\"resourceType\":\"Patient\",\"link\":[{\"other\":{\"reference\":\"Patient/x\"},"
		  "\"type\":\"replaced-by\"},{\"other\":{\"reference\":\"Patient/y\"},\"type\":\"replaced-by\"}]}",
		  ERR_METADATA_INVALID },
		{ "{\"resourceType\":\"Patient\",\"link\":[{\"other\":{\"display\":\"x\"},\"type\":\"replaced-by\"}]}",
		  ERR_METADATA_INVALID },
		{ "{\"resourceType\":\"Patient\",\"link\":[{\"other\":{\"identifier\":{\"system\":\"http://"
		  "no.example\","
		  "\"value\":\"1\"}},\"type\":\"replaced-by\"}]}",
		  ERR_METADATA_INVALID },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		struct patient patient = { .match_percent = 7 };
		struct str reference;

		stand_open(&stand);
		assert_false(patient_from_fhir(tree_of(&stand, cases[i].text), "Patient", &names, stand.arena, &patient,
					       &reference, &stand.outcome));
		assert_int_equal(stand.outcome.issues[0].code, cases[i].code);
		assert_int_equal(patient.match_percent, 7);
		stand_close(&stand);
	}
}

static void test_patient__too_many_names(void **state)
{
	(void)state;
	struct stand stand;
	struct patient patient;
	struct str reference;
	struct buf text;

	stand_open(&stand);
	buf_init(&text, 1 << 20);
	buf_add(&text, STR("{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"a\"}"));
	for (int i = 0; i < PATIENT_REPEATS_MAX; i++)
		buf_add(&text, STR(",{\"family\":\"a\"}"));
	buf_add(&text, STR("]}"));
	assert_false(patient_from_fhir(tree_of(&stand, buf_str(&text).data), "Patient", &names, stand.arena, &patient,
				       &reference, &stand.outcome));
	assert_int_equal(stand.outcome.issues[0].code, ERR_TOO_COSTLY);
	assert_string_equal(stand.outcome.issues[0].path, "Patient.name");
	buf_free(&text);
	stand_close(&stand);
}

static void test_patient__no_memory(void **state)
{
	(void)state;
	bool done = false;

	for (size_t n = 0; !done; n++) {
		struct stand stand;
		struct patient patient = { .match_percent = 7 };
		struct str reference;
		json_t *tree;

		stand_open(&stand);
		tree = tree_of(&stand, whole);
		arena_fail_at(stand.arena, n);
		done = patient_from_fhir(tree, "Patient", &names, stand.arena, &patient, &reference, &stand.outcome);
		if (!done) {
			assert_int_equal(stand.outcome.issues[0].code, ERR_NO_MEMORY);
			assert_int_equal(patient.match_percent, 7);
		}
		stand_close(&stand);
	}
}

static void test_pix_question__from_both_forms(void **state)
{
	(void)state;
	static const struct {
		const char *query; /* or a Parameters resource */
		int code;          /* -1: good */
		const char *system;
		const char *value;
		size_t targets;
	} cases[] = {
		{ "sourceIdentifier=urn:oid:1.2|a%7Cb", -1, "urn:oid:1.2", "a|b", 0 },
		{ "sourceIdentifier=http://fhir.example%7CPatient/"
		  "123&targetSystem=urn:oid:1.3&targetSystem=urn:oid:1.4&"
		  "_format=json",
		  -1, "http://fhir.example", "Patient/123", 2 },
		{ "", ERR_PARAMETER_MISSING, NULL, NULL, 0 },
		{ "targetSystem=urn:oid:1.2", ERR_PARAMETER_MISSING, NULL, NULL, 0 },
		{ "sourceIdentifier=4711", ERR_VALUE_INVALID, NULL, NULL, 0 },
		{ "sourceIdentifier=|4711", ERR_VALUE_INVALID, NULL, NULL, 0 },
		{ "sourceIdentifier=urn:oid:1.2|", ERR_VALUE_INVALID, NULL, NULL, 0 },
		{ "sourceIdentifier=urn:oid:1.2|1,urn:oid:1.2|2", ERR_VALUE_INVALID, NULL, NULL, 0 },
		{ "sourceIdentifier=urn:oid:1.2|1&sourceIdentifier=urn:oid:1.2|1", ERR_VALUE_INVALID, NULL, NULL, 0 },
		{ "sourceIdentifier=urn:oid:1.2|1&targetsystem=urn:oid:1.3", ERR_PARAMETER_UNKNOWN, NULL, NULL, 0 },
		{ "sourceIdentifier:exact=urn:oid:1.2|1", ERR_PARAMETER_UNKNOWN, NULL, NULL, 0 },
		{ "{\"resourceType\":\"Parameters\",\"parameter\":["
		  "{\"name\":\"sourceIdentifier\",\"valueString\":\"urn:oid:1.2|x\"},"
		  "{\"name\":\"targetSystem\",\"valueString\":\"urn:oid:1.3\"},"
		  "{\"name\":\"targetSystem\",\"valueUri\":\"urn:oid:1.4\"},"
		  "{\"name\":\"_format\",\"valueString\":\"application/fhir+xml\"}]}",
		  -1, "urn:oid:1.2", "x", 2 },
		{ "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"sourceIdentifier\","
		  "\"valueIdentifier\":{\"system\":\"urn:oid:1.2\",\"value\":\"x|y\"}}]}",
		  -1, "urn:oid:1.2", "x|y", 0 },
		{ "{\"resourceType\":\"Parameters\"}", ERR_PARAMETER_MISSING, NULL, NULL, 0 },
		{ "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"sourceIdentifier\","
		  "\"valueInteger\":7}]}",
		  ERR_VALUE_INVALID, NULL, NULL, 0 },
		{ "{\"resourceType\":\"Patient\"}", ERR_BODY_MALFORMED, NULL, NULL, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		struct search_params params;
		struct pix_question question = { 0 };
		bool good;

		stand_open(&stand);
		if (cases[i].query[0] == '{') {
			good = pix_question_from_fhir(tree_of(&stand, cases[i].query), stand.arena, &question,
						      &stand.outcome);
		} else {
			assert_true(search_params_read(str_from_c(cases[i].query), STR_NONE, stand.arena, &params,
						       &stand.outcome));
			good = pix_question_from_params(&params, stand.arena, &question, &stand.outcome);
		}
		assert_int_equal(good ? -1 : (int)stand.outcome.issues[0].code, cases[i].code);
		if (good) {
			assert_true(str_equal(question.system, str_from_c(cases[i].system)));
			assert_true(str_equal(question.value, str_from_c(cases[i].value)));
			assert_int_equal(question.targets.count, cases[i].targets);
		}
		stand_close(&stand);
	}
}

static void test_pix_answer__with_and_without_identifiers(void **state)
{
	(void)state;
	struct patient_identity identity = { STR("1.2"), STR("x") };
	struct patient_identities one = { &identity, 1 };
	struct patient_identities none = { 0 };
	struct stand stand;
	struct json_writer writer;

	stand_open(&stand);
	json_writer_init(&writer, &stand.text);
	pix_answer_write(&none, STR_NONE, &writer);
	assert_true(json_writer_finish(&writer, &stand.outcome));
	assert_string_equal(buf_str(&stand.text).data, "{\"resourceType\":\"Parameters\"}");
	buf_clear(&stand.text);
	json_writer_init(&writer, &stand.text);
	pix_answer_write(&one, STR("Patient/a"), &writer);
	assert_true(json_writer_finish(&writer, &stand.outcome));
	assert_string_equal(buf_str(&stand.text).data,
			    "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"targetIdentifier\","
			    "\"valueIdentifier\":{\"system\":\"urn:oid:1.2\",\"value\":\"x\"}},{\"name\":\"targetId\","
			    "\"valueReference\":{\"reference\":\"Patient/a\"}}]}");
	stand_close(&stand);
}

static void test_match_question__forms_and_refusals(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int code; /* -1: good */
		size_t count;
		bool only_certain;
	} cases[] = {
		{ "{\"resourceType\":\"Patient\"}", -1, 0, false },
		{ "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"resource\",\"resource\":"
		  "{\"resourceType\":\"Patient\"}},{\"name\":\"onlyCertainMatches\",\"valueBoolean\":true},"
		  "{\"name\":\"count\",\"valueInteger\":3}]}",
		  -1, 3, true },
		{ "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"resource\",\"resource\":"
		  "{\"resourceType\":\"Basic\",\"code\":{\"text\":\"x\"}}}]}",
		  ERR_PARAMETER_MISSING, 0, false },
		{ "{\"resourceType\":\"Parameters\"}", ERR_PARAMETER_MISSING, 0, false },
		{ "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"onlyCertainMatches\","
		  "\"valueString\":\"true\"}]}",
		  ERR_VALUE_INVALID, 0, false },
		{ "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"count\",\"valueInteger\":0}]}",
		  ERR_VALUE_INVALID, 0, false },
		{ "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"onlycertain\",\"valueBoolean\":true}]}",
		  ERR_PARAMETER_UNKNOWN, 0, false },
		{ "{\"resourceType\":\"Basic\",\"code\":{\"text\":\"x\"}}", ERR_BODY_MALFORMED, 0, false },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		struct match_question question = { 0 };
		bool good;

		stand_open(&stand);
		good = match_question_read(tree_of(&stand, cases[i].text), &question, &stand.outcome);
		assert_int_equal(good ? -1 : (int)stand.outcome.issues[0].code, cases[i].code);
		if (good) {
			assert_non_null(question.patient);
			assert_int_equal(question.count, cases[i].count);
			assert_int_equal(question.only_certain, cases[i].only_certain);
		}
		stand_close(&stand);
	}
}

static void test_patient_traits__gender_tells_nobody(void **state)
{
	(void)state;
	static const struct {
		const char *members;
		unsigned traits;
	} cases[] = {
		{ "\"gender\":\"female\"", 0 },
		{ "\"gender\":\"female\",\"address\":[{\"country\":\"LU\"}]", 0 },
		{ "\"gender\":\"female\",\"name\":[{\"family\":\"M\"}]", 0 },
		{ "\"name\":[{\"family\":\"Mo\"}]", 1 },
		{ "\"name\":[{\"family\":\"Mo\"},{\"family\":\"Ma\"}]", 1 },
		{ "\"name\":[{\"family\":\"Mo\",\"given\":[\"Al\"]}]", 2 },
		{ "\"name\":[{\"family\":\"Mo\"}],\"birthDate\":\"1958\"", 2 },
		{ "\"birthDate\":\"1958-01-30\",\"telecom\":[{\"system\":\"phone\",\"value\":\"+352 1\"}]", 2 },
		{ "\"identifier\":[{\"system\":\"urn:oid:1.2\",\"value\":\"1\"}]", 2 },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		struct patient patient;
		struct str reference;

		stand_open(&stand);
		buf_printf(&stand.text, "{\"resourceType\":\"Patient\",%s}", cases[i].members);
		assert_true(patient_from_fhir(tree_of(&stand, buf_str(&stand.text).data), "Patient", &names,
					      stand.arena, &patient, &reference, &stand.outcome));
		assert_int_equal(patient_traits(&patient), cases[i].traits);
		stand_close(&stand);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patient__there_and_back),
		cmocka_unit_test(test_patient__what_is_left_out),
		cmocka_unit_test(test_patient__refusals),
		cmocka_unit_test(test_patient__too_many_names),
		cmocka_unit_test(test_patient__no_memory),
		cmocka_unit_test(test_pix_question__from_both_forms),
		cmocka_unit_test(test_pix_answer__with_and_without_identifiers),
		cmocka_unit_test(test_match_question__forms_and_refusals),
		cmocka_unit_test(test_patient_traits__gender_tells_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
