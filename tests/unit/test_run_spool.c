#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/run/file.h"
#include "gateway/run/spool.h"

static struct spool_limits limits = { .directory = "/tmp", .memory_bytes = 65536, .total_bytes_max = 10 << 20 };

static void sha1_is(const struct spool *spool, const char *expected)
{
	char hex[41];

	for (int i = 0; i < SPOOL_SHA1_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", spool_sha1(spool)[i]);
	assert_string_equal(hex, expected);
}

static void test_spool__keeps_bytes_and_hash(void **state)
{
	/* FIPS 180-4 examples; the million is written in pieces of many sizes and ends in a file. */
	static char a[1000];
	struct spool *spool = spool_new(&limits, 100, true);

	(void)state;
	assert_int_equal(spool_write(spool, "a", 1), SPOOL_OK);
	assert_int_equal(spool_write(spool, "bc", 2), SPOOL_OK);
	assert_true(spool_finish(spool));
	assert_true(str_equal(spool_view(spool), STR("abc")));
	sha1_is(spool, "a9993e364706816aba3e25717850c26c9cd0d89d");
	assert_int_equal(spool_write(spool, "d", 1), SPOOL_FAILED);
	spool_free(spool);

	memset(a, 'a', sizeof a);
	spool = spool_new(&limits, 1000000, true);
	size_t piece = 1;

	for (size_t left = 1000000; left;) {
		size_t part = piece < left ? piece : left;

		assert_int_equal(spool_write(spool, a, part), SPOOL_OK);
		left -= part;
		piece = piece % 997 + 1;
	}
	assert_true(spool_finish(spool));
	assert_int_equal(spool_size(spool), 1000000);
	sha1_is(spool, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
	struct str view = spool_view(spool);

	assert_int_equal(view.size, 1000000);
	for (size_t i = 0; i < view.size; i++)
		assert_true(view.data[i] == 'a');
	spool_free(spool);
	assert_int_equal(limits.total_bytes, 0);

	spool = spool_new(&limits, 0, false);
	assert_true(spool_finish(spool));
	assert_int_equal(spool_view(spool).size, 0);
	assert_non_null(spool_view(spool).data);
	assert_null(spool_sha1(spool));
	spool_free(spool);
	spool_free(NULL);
}

static void test_spool__order_survives_the_change_to_a_file(void **state)
{
	struct spool *spool = spool_new(&limits, 1 << 20, false);
	static uint32_t words[50000];

	(void)state;
	for (uint32_t i = 0; i < COUNT_OF(words); i++)
		words[i] = i;
	for (size_t at = 0; at < sizeof words;) {
		size_t part = at % 8 == 0 ? 7 : at % 3 == 0 ? 30000 : 1;

		if (part > sizeof words - at)
			part = sizeof words - at;
		assert_int_equal(spool_write(spool, (char *)words + at, part), SPOOL_OK);
		at += part;
	}
	assert_true(spool_finish(spool));
	assert_memory_equal(spool_view(spool).data, words, sizeof words);
	spool_free(spool);
}

static void test_spool__limits_hold(void **state)
{
	static char block[100000];
	struct spool *spool = spool_new(&limits, 100000, false);

	(void)state;
	assert_int_equal(spool_write(spool, block, 99999), SPOOL_OK);
	assert_int_equal(spool_write(spool, block, 2), SPOOL_TOO_LONG);
	assert_int_equal(spool_write(spool, block, 1), SPOOL_TOO_LONG);
	assert_false(spool_finish(spool));
	assert_null(spool_view(spool).data);
	spool_free(spool);

	struct spool_limits small = { .directory = "/tmp", .memory_bytes = 10, .total_bytes_max = 150000 };
	struct spool *one = spool_new(&small, 1 << 20, false);
	struct spool *two = spool_new(&small, 1 << 20, false);

	assert_int_equal(spool_write(one, block, 100000), SPOOL_OK);
	assert_int_equal(spool_write(two, block, 100000), SPOOL_EXHAUSTED);
	spool_free(two);
	two = spool_new(&small, 1 << 20, false);
	spool_free(one);
	assert_int_equal(spool_write(two, block, 100000), SPOOL_OK);
	spool_free(two);
	assert_int_equal(small.total_bytes, 0);
}

static void test_spool__counts_a_part_and_its_whole(void **state)
{
	static char block[1000];
	struct spool_limits whole = { .directory = "/tmp", .memory_bytes = 10000, .total_bytes_max = 2500 };
	struct spool_limits part = {
		.directory = "/tmp", .memory_bytes = 10000, .total_bytes_max = 1500, .whole = &whole
	};
	struct spool *of_whole = spool_new(&whole, 10000, false);
	struct spool *of_part = spool_new(&part, 10000, false);
	struct spool *other = spool_new(&part, 10000, false);

	(void)state;
	assert_int_equal(spool_write(of_part, block, 1000), SPOOL_OK);
	assert_int_equal(spool_write(other, block, 1000), SPOOL_EXHAUSTED); /* past the part, not the whole */
	assert_int_equal(part.total_bytes, 1000);
	assert_int_equal(whole.total_bytes, 1000);
	assert_int_equal(spool_write(of_whole, block, 1000), SPOOL_OK);
	assert_int_equal(spool_write(of_whole, block, 400), SPOOL_OK);
	assert_int_equal(spool_write(of_part, block, 200), SPOOL_EXHAUSTED); /* past the whole, not the part */
	assert_int_equal(part.total_bytes, 1000);
	assert_int_equal(whole.total_bytes, 2400);
	spool_free(of_part);
	spool_free(other);
	spool_free(of_whole);
	assert_int_equal(part.total_bytes, 0);
	assert_int_equal(whole.total_bytes, 0);
}

static ssize_t no_space(int descriptor, const void *bytes, size_t size)
{
	(void)descriptor;
	(void)bytes;
	(void)size;
	return 0;
}

static void test_spool__disk_faults_are_reported(void **state)
{
	static char block[100000];
	struct file_calls calls = *file_system_calls();
	struct spool_limits nowhere = { .directory = "/nonexistent", .memory_bytes = 10, .total_bytes_max = 1 << 20 };
	struct spool *spool = spool_new(&nowhere, 1 << 20, false);

	(void)state;
	assert_int_equal(spool_write(spool, block, sizeof block), SPOOL_FAILED);
	spool_free(spool);
	assert_int_equal(nowhere.total_bytes, 0);
	calls.write = no_space;
	file_replace(&calls);
	spool = spool_new(&limits, 1 << 20, false);
	assert_int_equal(spool_write(spool, block, 10), SPOOL_OK);
	assert_int_equal(spool_write(spool, block, sizeof block), SPOOL_FAILED);
	assert_false(spool_finish(spool));
	spool_free(spool);
	file_replace(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spool__keeps_bytes_and_hash),
		cmocka_unit_test(test_spool__counts_a_part_and_its_whole),
		cmocka_unit_test(test_spool__order_survives_the_change_to_a_file),
		cmocka_unit_test(test_spool__limits_hold),
		cmocka_unit_test(test_spool__disk_faults_are_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
