/* Bodies in JSON: what is refused, what is cut out, and that nothing else changes. RFC 8259, RFC 4648, FHIR R4 json. */
#include "fhir_support.h"

#include <stdlib.h>

#include "mappers/fhir_json_write.h"

static void test_fhir_body__keeps_json_as_it_came(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"{\"resourceType\":\"Basic\"}",
		/* decimals keep their digits, integers stay integers */
		"{\"a\":[1.50,1E3,-0,0.10,1e-18,123456789012345678901234567890,0,-7,9007199254740993,1.0e+2]}",
		"{\"b\":[true,false,null],\"c\":{\"d\":[]}}",
		/* a value that looks like what was never sent */
		"{\"data\":\"D1.5\",\"e\":\"B0\"}",
		"{\"f\":\"M\xC3\xBCller \xF0\x9F\x8F\xA5 \xE2\x80\xAE\"}",
		"{}",
	};

	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		struct stand stand;
		json_t *tree;

		stand_open(&stand);
		assert_true(stand_read(&stand, FHIR_JSON, str_from_c(bodies[i]), &tree));
		assert_true(fhir_json_write(tree, &stand.text, &stand.outcome));
		assert_string_equal(stand.text.data, bodies[i]);
		stand_close(&stand);
	}
}

static void test_fhir_body__tolerates_blanks_escapes_and_mark(void **state)
{
	(void)state;
	struct stand stand;
	json_t *tree;

	stand_open(&stand);
	assert_true(stand_read(&stand, FHIR_JSON,
			       STR("\xEF\xBB\xBF \r\n{ \"a\" :\t\"\\u0041\\/\\n\\ud83c\\udfe5\" ,\n \"n\" : 1.0 }\n"),
			       &tree));
	assert_true(fhir_json_write(tree, &stand.text, &stand.outcome));
	assert_string_equal(stand.text.data, "{\"a\":\"A/\\n\xF0\x9F\x8F\xA5\",\"n\":1.0}");
	stand_close(&stand);
}

/* "aGVsbG8gd29ybGQ=" is "hello world". */
static void test_fhir_body__cuts_documents_out(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		const char *documents;
		const char *tree; /* with marks shown by jansson */
	} cases[] = {
		{ "{\"data\":\"aGVsbG8gd29ybGQ=\"}", "0:hello world;", "{\"data\": \"\\u0001B0\"}" },
		{ "{\"x\":[{\"data\":\"aGVsbG8gd29ybGQ=\"},{\"data\":\"c2hvcnQ=\"},{\"data\":\"d29ybGQgaGVsbG8=\"}]}",
		  "0:hello world;1:world hello;",
		  "{\"x\": [{\"data\": \"\\u0001B0\"}, {\"data\": \"c2hvcnQ=\"}, {\"data\": \"\\u0001B1\"}]}" },
		/* escapes that JSON allows: \/ and \u, and blanks */
		{ "{\"data\":\"\\/\\/\\/\\u002B\\u002b\\/\\/\\/\"}", "0:\xFF\xFF\xFE\xFB\xFF\xFF;",
		  "{\"data\": \"\\u0001B0\"}" },
		{ "{\"data\":\"aGVs\\nbG8g\\r\\n d29y\\tbGQ=\"}", "0:hello world;", "{\"data\": \"\\u0001B0\"}" },
		/* not base64 in FHIR: SampledData.data, another name, an array, a value that is short */
		{ "{\"valueSampledData\":{\"data\":\"1 2 3 4 5 E U\"}}", "",
		  "{\"valueSampledData\": {\"data\": \"1 2 3 4 5 E U\"}}" },
		{ "{\"date\":\"aGVsbG8gd29ybGQ=\"}", "", "{\"date\": \"aGVsbG8gd29ybGQ=\"}" },
		{ "{\"data\":[\"aGVsbG8gd29ybGQ=\"]}", "", "{\"data\": [\"aGVsbG8gd29ybGQ=\"]}" },
		{ "{\"data\":\"aGVsbG8=\"}", "", "{\"data\": \"aGVsbG8=\"}" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		json_t *tree;

		stand_open(&stand);
		assert_true(stand_read(&stand, FHIR_JSON, str_from_c(cases[i].body), &tree));
		char *text = json_dumps(tree, 0);

		assert_string_equal(text, cases[i].tree);
		assert_int_equal(stand.documents.size, strlen(cases[i].documents));
		assert_memory_equal(buf_str(&stand.documents).data, cases[i].documents, stand.documents.size);
		free(text);
		stand_close(&stand);
	}
}

static void test_fhir_body__marks_are_told(void **state)
{
	(void)state;
	struct stand stand;
	struct str lexeme;
	json_t *tree;
	size_t index = 99;

	stand_open(&stand);
	assert_true(
		stand_read(&stand, FHIR_JSON, STR("{\"data\":\"aGVsbG8gd29ybGQ=\",\"n\":1.50,\"s\":\"text\"}"), &tree));
	assert_true(fhir_cut_index(json_object_get(tree, "data"), &index));
	assert_int_equal(index, 0);
	assert_false(fhir_cut_index(json_object_get(tree, "s"), &index));
	assert_true(fhir_decimal_lexeme(json_object_get(tree, "n"), &lexeme));
	assert_true(str_equal(lexeme, STR("1.50")));
	assert_null(fhir_text(json_object_get(tree, "n")).data);
	assert_null(fhir_text(json_object_get(tree, "data")).data);
	assert_null(fhir_text(NULL).data);
	assert_true(str_equal(fhir_text(json_object_get(tree, "s")), STR("text")));
	/* what was cut out must not go out again */
	assert_false(fhir_json_write(tree, &stand.text, &stand.outcome));
	assert_int_equal(stand.outcome.issues[0].code, ERR_INTERNAL);
	stand_close(&stand);
}

static void test_fhir_body__refuses(void **state)
{
	(void)state;
	static const struct {
		struct str body;
		enum error_code code;
		const char *place;
	} cases[] = {
		{ STR(""), ERR_BODY_MALFORMED, "" },
		{ STR("  \n"), ERR_BODY_MALFORMED, "" },
		{ STR("[]"), ERR_BODY_MALFORMED, "" },
		{ STR("\"text\""), ERR_BODY_MALFORMED, "" },
		{ STR("1.5"), ERR_BODY_MALFORMED, "" },
		{ STR("{\"a\":1"), ERR_BODY_MALFORMED, "" },
		{ STR("{\"a\":1}}"), ERR_BODY_MALFORMED, "Line 1" },
		{ STR("{\"a\":1} {}"), ERR_BODY_MALFORMED, "Line 1" },
		{ STR("{\"a\":1,}"), ERR_BODY_MALFORMED, "Line 1" },
		{ STR("{\n\"a\":tru}"), ERR_BODY_MALFORMED, "Line 2" },
		{ STR("{'a':1}"), ERR_BODY_MALFORMED, "Line 1" },
		{ STR("{\"a\":1 // comment\n}"), ERR_BODY_MALFORMED, "Line 1" },
		/* one name twice, also behind an escape */
		{ STR("{\"a\":1,\n\"a\":2}"), ERR_BODY_MALFORMED, "Line 2" },
		{ STR("{\"status\":\"current\",\"\\u0073tatus\":\"superseded\"}"), ERR_BODY_MALFORMED, "Line 1" },
		/* characters */
		{ STR("{\"a\":\"\\u0000\"}"), ERR_BODY_MALFORMED, "column 7" },
		{ STR("{\"a\":\"\\u0001B0\"}"), ERR_BODY_MALFORMED, "column 7" },
		{ STR("{\"a\":\"\001B0\"}"), ERR_BODY_MALFORMED, "column 7" },
		{ STR("{\"\\u0001B0\":1}"), ERR_BODY_MALFORMED, "column 3" },
		{ STR("{\"a\":\"\\b\"}"), ERR_BODY_MALFORMED, "column 7" },
		{ STR("{\"a\":\"\n\"}"), ERR_BODY_MALFORMED, "column 7" },
		{ STR("{\"a\":\"\\ufffe\"}"), ERR_BODY_MALFORMED, "column 7" },
		{ STR("{\"a\":\"\\uFFFF\"}"), ERR_BODY_MALFORMED, "column 7" },
		{ STR("{\"a\":\"\xEF\xBF\xBF\"}"), ERR_BODY_MALFORMED, "column 7" },
		{ STR("{\"a\":\"\\ud800\"}"), ERR_BODY_MALFORMED, "Line 1" },
		{ STR("{\"a\":\"\\x41\"}"), ERR_BODY_MALFORMED, "column 7" },
		{ STR("{\"a\":\"\\u00\"}"), ERR_BODY_MALFORMED, "column 7" },
		{ STR("{\"a\":\"\xC0\xAF\"}"), ERR_BODY_MALFORMED, "" },
		{ STR("{\"a\":\"open"), ERR_BODY_MALFORMED, "column 6" },
		{ STR("\xFF\xFE{\0}\0"), ERR_BODY_MALFORMED, "" },
		{ STR("{\"a\":\"x\"\0}"), ERR_BODY_MALFORMED, "" },
		/* numbers */
		{ STR("{\"a\":01}"), ERR_BODY_MALFORMED, "column 6" },
		{ STR("{\"a\":1.}"), ERR_BODY_MALFORMED, "column 6" },
		{ STR("{\"a\":.5}"), ERR_BODY_MALFORMED, "Line 1" },
		{ STR("{\"a\":-}"), ERR_BODY_MALFORMED, "column 6" },
		{ STR("{\"a\":1e}"), ERR_BODY_MALFORMED, "column 6" },
		{ STR("{\"a\":+1}"), ERR_BODY_MALFORMED, "Line 1" },
		{ STR("{\"a\":1.5.5}"), ERR_BODY_MALFORMED, "column 6" },
		{ STR("{1.5:2}"), ERR_BODY_MALFORMED, "column 2" },
		{ STR("{\"a\":1e400}"), ERR_VALUE_INVALID, "column 6" },
		{ STR("{\"a\":1e-400}"), ERR_VALUE_INVALID, "column 6" },
		{ STR("{\"a\":1e99999999999999999999}"), ERR_VALUE_INVALID, "column 6" },
		/* base64 */
		{ STR("{\"data\":\"aGVsbG8gd29ybGQ\"}"), ERR_VALUE_INVALID, "column 10" },
		{ STR("{\"data\":\"aGVsbG8gd29ybGR=\"}"), ERR_VALUE_INVALID, "column 10" },
		{ STR("{\"data\":\"aGVsbG8=d29ybGQ=\"}"), ERR_VALUE_INVALID, "column 10" },
		{ STR("{\"data\":\"aGVsbG8_d29ybGQ=\"}"), ERR_VALUE_INVALID, "column 10" },
		{ STR("{\"data\":\"aGVsbG8gd29ybGQ=\\\"\"}"), ERR_VALUE_INVALID, "column 10" },
		{ STR("{\"data\":\"aGVs\\u00e9G8gd29ybGQ=\"}"), ERR_VALUE_INVALID, "column 10" },
		{ STR("{\"data\":\"            \"}"), ERR_VALUE_INVALID, "column 10" },
		{ STR("{\"data\":\"aGVsbG8g\nd29ybGQ=\"}"), ERR_BODY_MALFORMED, "column 10" },
		{ STR("{\"data\":\"aGVsbG8g\td29ybGQ=\"}"), ERR_BODY_MALFORMED, "column 10" },
		{ STR("{\"data\":\"x\",\"aGVsbG8gd29ybGQ=\":1,\"data\":\"y\"}"), ERR_BODY_MALFORMED, "Line 1" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		json_t *tree = NULL;

		stand_open(&stand);
		if (stand_read(&stand, FHIR_JSON, cases[i].body, &tree))
			fail_msg("case %zu was read: %s", i, cases[i].body.data);
		assert_null(tree);
		assert_int_equal(stand.outcome.count, 1);
		if (stand.outcome.issues[0].code != cases[i].code ||
		    !strstr(stand.outcome.issues[0].text, cases[i].place))
			fail_msg("case %zu: %s %s", i, error_info(stand.outcome.issues[0].code)->name,
				 stand.outcome.issues[0].text);
		stand_close(&stand);
	}
}

/* The place of an error behind a cut and decimals is that of the body that came. */
static void test_fhir_body__places_count_in_the_body_that_came(void **state)
{
	(void)state;
	struct stand stand;
	json_t *tree;

	stand_open(&stand);
	assert_false(stand_read(&stand, FHIR_JSON,
				STR("{\"data\":\"aGVsbG8gd29ybGQ=\",\"n\":[1.5,2.5],\"a\":1,\"a\":2}"), &tree));
	assert_non_null(strstr(stand.outcome.issues[0].text, "Line 1, column 50")); /* the end of the second "a" */
	stand_close(&stand);
}

static void test_fhir_body__limits(void **state)
{
	(void)state;
	static const struct fhir_limits limits = { .depth_max = 4,
						   .values_max = 10,
						   .members_max = 3,
						   .string_bytes_max = 20,
						   .cut_bytes_min = 8,
						   .cut_count_max = 1 };
	static const struct {
		const char *body;
		enum error_code code; /* ERR_NONE: read */
	} cases[] = {
		{ "{\"a\":[{\"b\":[]}]}", ERR_NONE },
		{ "{\"a\":[{\"b\":[{}]}]}", ERR_BODY_MALFORMED },
		{ "{\"a\":[1,2,3,4,5,6,7,8,9]}", ERR_NONE },
		{ "{\"a\":[1,2,3,4,5,6,7,8,9,10]}", ERR_TOO_COSTLY },
		{ "{\"a\":1,\"b\":2,\"c\":[{},{}]}", ERR_NONE },
		{ "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}", ERR_TOO_COSTLY },
		{ "{\"a\":\"12345678901234567890\"}", ERR_NONE },
		{ "{\"a\":\"123456789012345678901\"}", ERR_TOO_LONG },
		{ "{\"x\":{\"data\":\"aGVsbG8gd29ybGQgaGVsbG8gd29ybGQg\"}}", ERR_NONE },
		{ "{\"x\":{\"data\":\"aGVsbG8gd29ybGQ=\"},\"y\":{\"data\":\"aGVsbG8gd29ybGQ=\"}}", ERR_TOO_COSTLY },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		struct cut_sink sink = { &stand.documents, stand_sink_begin, stand_sink_data, stand_sink_end };
		json_t *tree;

		stand_open(&stand);
		assert_int_equal(fhir_body_read(FHIR_JSON, str_from_c(cases[i].body), &limits, &sink, stand.arena,
						&tree, &stand.outcome),
				 cases[i].code == ERR_NONE);
		if (cases[i].code != ERR_NONE)
			assert_int_equal(stand.outcome.issues[0].code, cases[i].code);
		stand_close(&stand);
	}
}

/* 100,000 brackets must not reach a recursion. */
static void test_fhir_body__deep_nesting_stops_early(void **state)
{
	(void)state;
	struct stand stand;
	json_t *tree;

	stand_open(&stand);
	for (size_t i = 0; i < 100000; i++)
		buf_add(&stand.text, STR("{\"a\":["));
	assert_false(stand_read(&stand, FHIR_JSON, buf_str(&stand.text), &tree));
	assert_int_equal(stand.outcome.issues[0].code, ERR_BODY_MALFORMED);
	stand_close(&stand);
}

static bool sink_takes(void *ctx, size_t index)
{
	(void)ctx;
	(void)index;
	return true;
}

static bool sink_tells(void *ctx, const void *bytes, size_t size)
{
	(void)bytes;
	(void)size;
	return outcome_add(ctx, ERR_TOO_LONG, "", "Send less.");
}

static bool sink_is_silent(void *ctx)
{
	(void)ctx;
	return false;
}

static void test_fhir_body__failing_sink_ends_the_reading(void **state)
{
	(void)state;
	const struct str body = STR("{\"data\":\"aGVsbG8gd29ybGQ=\"}");
	struct fhir_limits limits = fhir_limits_default;
	struct stand stand;
	json_t *tree;

	limits.cut_bytes_min = 8;
	stand_open(&stand);
	struct cut_sink telling = { &stand.outcome, sink_takes, sink_tells, sink_is_silent };

	assert_false(fhir_body_read(FHIR_JSON, body, &limits, &telling, stand.arena, &tree, &stand.outcome));
	assert_int_equal(stand.outcome.count, 1);
	assert_int_equal(stand.outcome.issues[0].code, ERR_TOO_LONG);

	struct cut_sink silent = { &stand.documents, sink_takes, stand_sink_data, sink_is_silent };

	outcome_init(&stand.outcome);
	assert_false(fhir_body_read(FHIR_JSON, body, &limits, &silent, stand.arena, &tree, &stand.outcome));
	assert_int_equal(stand.outcome.count, 1);
	assert_int_equal(stand.outcome.issues[0].code, ERR_STORAGE);
	stand_close(&stand);
}

/* Longer than any piece in which it is decoded, and with the limits that the gateway uses. */
static void test_fhir_body__long_document_arrives_whole(void **state)
{
	(void)state;
	struct stand stand;
	struct cut_sink sink = { &stand.documents, stand_sink_begin, stand_sink_data, stand_sink_end };
	json_t *tree;

	stand_open(&stand);
	buf_add(&stand.text, STR("{\"data\":\""));
	for (size_t i = 0; i < 20000; i++)
		buf_add(&stand.text, i % 77 ? STR("YWJj") : STR("YWJj\\n"));
	buf_add(&stand.text, STR("\"}"));
	assert_true(fhir_body_read(FHIR_JSON, buf_str(&stand.text), NULL, &sink, stand.arena, &tree, &stand.outcome));
	assert_int_equal(stand.documents.size, 60000 + 3);
	for (size_t i = 0; i < 20000; i++)
		assert_memory_equal(stand.documents.data + 2 + 3 * i, "abc", 3);
	stand_close(&stand);
}

/* Every allocation of the arena fails once; nothing leaks, nothing is half done. */
static void test_fhir_body__failure_loop(void **state)
{
	(void)state;
	static const char body[] = "{\"data\":\"aGVsbG8gd29ybGQ=\",\"n\":[1.5,2.5,3.5,4.5,5.5]}";

	for (size_t n = 0;; n++) {
		struct stand stand;
		json_t *tree = NULL;

		assert_true(n < 100);
		stand_open(&stand);
		arena_fail_at(stand.arena, n);
		bool good = stand_read(&stand, FHIR_JSON, str_from_c(body), &tree);

		if (!good) {
			assert_null(tree);
			assert_int_equal(stand.outcome.issues[0].code, ERR_NO_MEMORY);
		}
		stand_close(&stand);
		if (good) {
			assert_true(n > 1);
			break;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fhir_body__keeps_json_as_it_came),
		cmocka_unit_test(test_fhir_body__tolerates_blanks_escapes_and_mark),
		cmocka_unit_test(test_fhir_body__cuts_documents_out),
		cmocka_unit_test(test_fhir_body__marks_are_told),
		cmocka_unit_test(test_fhir_body__refuses),
		cmocka_unit_test(test_fhir_body__places_count_in_the_body_that_came),
		cmocka_unit_test(test_fhir_body__limits),
		cmocka_unit_test(test_fhir_body__deep_nesting_stops_early),
		cmocka_unit_test(test_fhir_body__failing_sink_ends_the_reading),
		cmocka_unit_test(test_fhir_body__long_document_arrives_whole),
		cmocka_unit_test(test_fhir_body__failure_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
