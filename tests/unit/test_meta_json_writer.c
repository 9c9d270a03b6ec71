/* The JSON writer: what it writes is read by jansson, an independent reader. RFC 8259. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <jansson.h>

#include "mappers/json_writer.h"

static void test_escapes_survive_a_reader(void **state)
{
	(void)state;
	static const char nasty[] = "q\" b\\ s/ \b\f\n\r\t \x01\x1f \x7f \xc3\xa9 \xf0\x9f\x8f\xa5 </script>";
	struct buf buf;
	struct json_writer writer;
	struct outcome outcome;
	json_error_t error;

	outcome_init(&outcome);
	buf_init(&buf, 4096);
	json_writer_init(&writer, &buf);
	json_begin_object(&writer);
	json_member(&writer, STR("k\"ey"), str_from_c(nasty));
	json_member(&writer, STR("absent"), STR_NONE);
	json_member_array(&writer, STR("list"));
	json_u64(&writer, UINT64_MAX / 2);
	json_bool(&writer, true);
	json_begin_array(&writer);
	json_end_array(&writer);
	json_begin_object(&writer);
	json_end_object(&writer);
	json_raw(&writer, STR("{\"x\":1.50}"));
	json_begin_text(&writer);
	json_text_part(&writer, STR("a\""));
	json_text_part(&writer, STR("b"));
	json_end_text(&writer);
	json_end_array(&writer);
	json_member_object(&writer, STR("last"));
	json_member(&writer, STR("a"), STR("1"));
	json_member(&writer, STR("b"), STR("2"));
	json_end_object(&writer);
	json_end_object(&writer);
	assert_true(json_writer_finish(&writer, &outcome));

	json_t *tree = json_loadb(buf.data, buf.size, JSON_REJECT_DUPLICATES, &error);
	assert_non_null(tree);
	assert_string_equal(json_string_value(json_object_get(tree, "k\"ey")), nasty);
	assert_null(json_object_get(tree, "absent"));
	json_t *list = json_object_get(tree, "list");
	assert_int_equal(json_array_size(list), 6);
	assert_int_equal(json_integer_value(json_array_get(list, 0)), INT64_MAX);
	assert_string_equal(json_string_value(json_array_get(list, 5)), "a\"b");
	assert_string_equal(json_string_value(json_object_get(json_object_get(tree, "last"), "b")), "2");
	json_decref(tree);
	buf_free(&buf);
}

static void test_misuse_and_limits_are_told(void **state)
{
	(void)state;
	struct buf buf;
	struct json_writer writer;
	struct outcome outcome;

	buf_init(&buf, 4096);
	json_writer_init(&writer, &buf);
	json_begin_object(&writer);
	outcome_init(&outcome);
	assert_false(json_writer_finish(&writer, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_INTERNAL);
	for (size_t i = 0; i < 200; i++)
		json_begin_array(&writer);
	for (size_t i = 0; i < 300; i++)
		json_end_array(&writer);
	outcome_init(&outcome);
	assert_false(json_writer_finish(&writer, &outcome));
	buf_free(&buf);

	buf_init(&buf, 16);
	json_writer_init(&writer, &buf);
	json_text(&writer, STR("longer than sixteen bytes"));
	outcome_init(&outcome);
	assert_false(json_writer_finish(&writer, &outcome));
	assert_int_equal(outcome.count, 1);
	buf_free(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escapes_survive_a_reader),
		cmocka_unit_test(test_misuse_and_limits_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
