#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "mappers/base/arena.h"
#include "mappers/base/buf.h"
#include "mappers/base/error.h"

static void test_str__utf8(void **state)
{
	(void)state;
	static const struct {
		struct str text;
		bool good;
	} cases[] = {
		{ STR("plain ascii, longer than eight bytes"), true },
		{ STR("M\xC3\xBCller"), true },
		{ STR("\xF0\x9F\x98\x80"), true },
		{ STR("\xC0\xAF"), false },         /* overlong slash */
		{ STR("\xE0\x80\xAF"), false },     /* overlong, three bytes */
		{ STR("\xED\xA0\x80"), false },     /* surrogate */
		{ STR("\xF4\x90\x80\x80"), false }, /* above U+10FFFF */
		{ STR("12345678\xC3"), false },     /* cut */
		{ STR("\x80"), false },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(str_is_utf8(cases[i].text), cases[i].good);
	/* Every length, in memory that ends where the text ends: the sanitizer sees a look beyond. */
	for (size_t size = 0; size < 140; size++) {
		char *text = malloc(size);

		memset(text, 'x', size);
		assert_true(str_is_utf8((struct str) { text, size }));
		if (size) {
			text[size - 1] = '\xC3';
			assert_false(str_is_utf8((struct str) { text, size }));
		}
		free(text);
	}
}

static void test_str__next_keeps_empty_parts(void **state)
{
	(void)state;
	struct str rest = STR("a,,b,");
	struct str part;
	size_t sizes[8];
	size_t count = 0;

	while (str_next(&rest, ',', &part))
		sizes[count++] = part.size;
	assert_int_equal(count, 4);
	assert_int_equal(sizes[0] + sizes[2], 2);
	assert_int_equal(sizes[1] + sizes[3], 0);
}

static void test_str__u64_refuses_overflow(void **state)
{
	(void)state;
	uint64_t value = 7;

	assert_true(str_to_u64(STR("18446744073709551615"), &value));
	assert_true(value == UINT64_MAX);
	assert_false(str_to_u64(STR("18446744073709551616"), &value));
	assert_false(str_to_u64(STR("-1"), &value));
	assert_false(str_to_u64(STR(""), &value));
	assert_true(value == UINT64_MAX);
}

static void count_release(void *object)
{
	(*(int *)object)++;
}

static void test_arena__limit_and_defer(void **state)
{
	(void)state;
	struct arena *arena = arena_new(1000);
	int released = 0;

	assert_non_null(arena);
	assert_non_null(arena_alloc(arena, 900));
	assert_null(arena_alloc(arena, 200));
	assert_true(arena_defer(arena, count_release, &released));
	assert_int_equal(released, 0);
	arena_fail_at(arena, 0);
	assert_false(arena_defer(arena, count_release, &released));
	assert_int_equal(released, 1);
	arena_free(arena);
	assert_int_equal(released, 2);
}

static void test_buf__limit_is_sticky(void **state)
{
	(void)state;
	struct buf buf;

	buf_init(&buf, 5);
	buf_add(&buf, STR("abc"));
	buf_add(&buf, STR("def"));
	assert_true(buf.failed);
	buf_add_char(&buf, 'x');
	assert_int_equal(buf.size, 3);
	buf_free(&buf);
}

static void test_outcome__worst_error_wins(void **state)
{
	(void)state;
	struct outcome outcome;

	outcome_init(&outcome);
	assert_int_equal(outcome_http_status(&outcome), 200);
	for (int i = 0; i < 20; i++)
		outcome_warn(&outcome, ERR_METADATA_INVALID, "", "warning %d", i);
	assert_int_equal(outcome_http_status(&outcome), 200);
	outcome_add(&outcome, ERR_METADATA_MISSING, "a", "add it");
	assert_int_equal(outcome_http_status(&outcome), 422);
	outcome_add_xds(&outcome, SEVERITY_ERROR, STR("XDSRegistryBusy"), STR(""), STR(""));
	assert_int_equal(outcome_http_status(&outcome), 503);
	outcome_inform(&outcome, ERR_BACKEND_ANSWER, "", "it is not certain");
	outcome_drop_warnings(&outcome);
	for (size_t i = 0; i < outcome.count; i++)
		assert_int_not_equal(outcome.issues[i].severity, SEVERITY_WARNING);
	assert_int_equal(outcome.count, 2);
	assert_int_equal(outcome_http_status(&outcome), 503);
}

static void test_error__every_xds_code_is_found_and_given_back(void **state)
{
	(void)state;
	for (int code = 0; code < ERROR_CODE_COUNT; code++) {
		struct str rest = str_from_c(error_info((enum error_code)code)->xds_codes);
		struct str name;
		bool first = true;

		while (str_next(&rest, ' ', &name)) {
			if (!name.size)
				continue;
			assert_int_equal(error_from_xds(name), code);
			if (first && str_starts_with(name, STR("XDSStoredQuery")))
				assert_true(str_equal(str_from_c(error_to_xds((enum error_code)code)), name));
			first = false;
		}
	}
	assert_int_equal(error_from_xds(STR("VendorSpecific")), ERR_BACKEND_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_str__utf8),
		cmocka_unit_test(test_str__next_keeps_empty_parts),
		cmocka_unit_test(test_str__u64_refuses_overflow),
		cmocka_unit_test(test_arena__limit_and_defer),
		cmocka_unit_test(test_buf__limit_is_sticky),
		cmocka_unit_test(test_outcome__worst_error_wins),
		cmocka_unit_test(test_error__every_xds_code_is_found_and_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
