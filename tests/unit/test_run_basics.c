/* Clock, deadline, random, trace, log, file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <fcntl.h>
#include <cmocka.h>
#include <jansson.h>

#include "gateway/run/clock.h"
#include "gateway/run/deadline.h"
#include "gateway/run/file.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "gateway/run/trace.h"

static uint64_t fake_us;

static uint64_t fake_monotonic(void)
{
	return fake_us;
}

static int64_t fake_wall(void)
{
	return 951782400000; /* 2000-02-29T00:00:00Z */
}

static const struct clock_source fake = { fake_monotonic, fake_wall };

static void test_deadline__counts_down(void **state)
{
	(void)state;
	clock_replace(&fake);
	fake_us = 5000000;
	struct deadline deadline = deadline_in(100);

	assert_int_equal(deadline_left_ms(deadline), 100);
	assert_int_equal(deadline_part(deadline, 30).at_ms, 5030);
	assert_int_equal(deadline_part(deadline, 300).at_ms, 5100);
	fake_us += 99999;
	assert_false(deadline_passed(deadline));
	fake_us += 1;
	assert_true(deadline_passed(deadline));
	clock_replace(NULL);
}

static void test_trace__keeps_the_callers_id(void **state)
{
	static const struct {
		const char *header;
		bool taken;
	} cases[] = {
		{ "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true },
		{ "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true },
		{ "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what", true },
		{ "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what", false },
		{ "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false },
		{ "00-00000000000000000000000000000000-b7ad6b7169203331-01", false },
		{ "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false },
		{ "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false },
		{ "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct trace trace;
		char out[TRACEPARENT_SIZE];

		trace_from_header(str_from_c(cases[i].header), &trace);
		assert_int_equal(strcmp(trace.trace_id, "0af7651916cd43dd8448eb211c80319c") == 0, cases[i].taken);
		assert_string_not_equal(trace.span_id, "b7ad6b7169203331");
		trace_to_header(&trace, out);
		assert_int_equal(strlen(out), 55);
		struct trace again;

		trace_from_header(str_from_c(out), &again);
		assert_string_equal(again.trace_id, trace.trace_id);
		assert_int_equal(again.sampled, trace.sampled);
	}
}

/* Reads what the log wrote to a pipe. */
static size_t drain(int descriptor, char *text, size_t size)
{
	ssize_t got = read(descriptor, text, size - 1);

	text[got > 0 ? got : 0] = '\0';
	return got > 0 ? (size_t)got : 0;
}

static void test_log__is_json_whatever_the_values(void **state)
{
	int ends[2];
	char text[8192];
	static char large[6000];

	(void)state;
	memset(large, 'x', sizeof large);
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	log_start(LOG_LEVEL_INFO, LOG_FORMAT_JSON, ends[1]);
	clock_replace(&fake);
	LOG(INFO, LOG_HTTP_REQUEST, "00ff", LOG_TEXT("a", STR("quote\" back\\ line\n nul\0 esc\x1b")),
	    LOG_TEXT("b", STR("bad\xff")), LOG_TEXT("c", STR("caf\xc3\xa9 \xc2\x85")), LOG_NUMBER("n", -7),
	    LOG_TEXT("big", ((struct str) { large, sizeof large })), LOG_TEXT("big2", ((struct str) { large, 1024 })),
	    LOG_TEXT("big3", ((struct str) { large, 1024 })), LOG_TEXT("big4", ((struct str) { large, 1024 })));
	LOG(DEBUG, LOG_HTTP_REQUEST, NULL, LOG_NUMBER("hidden", 1));
	clock_replace(NULL);
	size_t size = drain(ends[0], text, sizeof text);

	assert_true(size <= 4096);
	assert_ptr_equal(strchr(text, '\n'), text + size - 1);
	json_t *line = json_loadb(text, size, JSON_ALLOW_NUL, NULL);

	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "time")), "2000-02-29T00:00:00.000Z");
	assert_string_equal(json_string_value(json_object_get(line, "event")), "http.request");
	assert_string_equal(json_string_value(json_object_get(line, "request")), "00ff");
	assert_string_equal(json_string_value(json_object_get(line, "b")), "bad?");
	assert_string_equal(json_string_value(json_object_get(line, "c")), "caf\xc3\xa9 \xc2\x85");
	assert_int_equal(json_string_length(json_object_get(line, "a")), 28);
	assert_int_equal(json_integer_value(json_object_get(line, "n")), -7);
	json_decref(line);
	log_start(LOG_LEVEL_INFO, LOG_FORMAT_AUTO, 2);
	close(ends[0]);
	close(ends[1]);
}

static void test_log__never_waits_for_its_reader(void **state)
{
	int ends[2];
	static char text[1 << 20];
	char last[4096];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	log_start(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, ends[1]);
	for (int i = 0; i < 20000; i++)
		LOG(INFO, LOG_HTTP_REQUEST, NULL, LOG_NUMBER("i", i));
	drain(ends[0], text, sizeof text);
	LOG(INFO, LOG_HTTP_REQUEST, NULL, LOG_C("after", "all"));
	drain(ends[0], last, sizeof last);
	assert_non_null(strstr(last, "lines_lost="));
	log_start(LOG_LEVEL_INFO, LOG_FORMAT_AUTO, 2);
	close(ends[0]);
	close(ends[1]);
}

static char directory[64];
static int fail_countdown;

static ssize_t failing_write(int descriptor, const void *bytes, size_t size)
{
	if (fail_countdown-- == 0) {
		errno = ENOSPC;
		return -1;
	}
	/* Short writes are part of the contract of write(2). */
	return write(descriptor, bytes, size > 3 ? 3 : size);
}

/* "brand new" takes three short writes: each of them may fail, and success means that all bytes are there. */
static void test_file__write_goes_on_to_the_end(void **state)
{
	struct file_calls calls = *file_system_calls();

	(void)state;
	calls.write = failing_write;
	file_replace(&calls);
	for (int at = 0; at < 4; at++) {
		char text[16];
		int descriptor = file_temporary(directory);

		assert_true(descriptor >= 0);
		fail_countdown = at;
		assert_int_equal(file_write_all(descriptor, "brand new", 9), at == 3);
		assert_int_equal(pread(descriptor, text, sizeof text, 0), 3 * at);
		close(descriptor);
	}
	file_replace(NULL);
}

static void test_file__read_refuses_what_it_should(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct outcome outcome;
	struct str content;
	char path[128];

	(void)state;
	outcome_init(&outcome);
	assert_false(file_read(directory, 100, arena, &content, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_STORAGE);
	outcome_init(&outcome);
	snprintf(path, sizeof path, "%s/none", directory);
	assert_false(file_read(path, 100, arena, &content, &outcome));
	assert_non_null(strstr(outcome.issues[0].text, "No such file"));
	outcome_init(&outcome);
	snprintf(path, sizeof path, "%s/ten", directory);
	int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(descriptor >= 0 && file_write_all(descriptor, "0123456789", 10));
	close(descriptor);
	assert_false(file_read(path, 9, arena, &content, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_TOO_LONG);
	assert_true(file_read(path, 10, arena, &content, &outcome));
	assert_int_equal(unlink(path), 0);

	char deep[128];

	snprintf(deep, sizeof deep, "%s/a/b/c", directory);
	outcome_init(&outcome);
	assert_true(file_make_directory(deep, &outcome));
	assert_true(file_make_directory(deep, &outcome));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rmdir(deep), 0);
		*strrchr(deep, '/') = '\0';
	}
	arena_free(arena);
}

static void test_random__repeats_with_a_seed(void **state)
{
	unsigned char a[20], b[20], c[20];

	(void)state;
	random_bytes(a, sizeof a);
	random_bytes(b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
	random_seed(7);
	random_bytes(a, sizeof a);
	random_bytes(b, sizeof b);
	random_seed(7);
	random_bytes(c, sizeof c);
	assert_memory_equal(a, c, sizeof a);
	assert_memory_not_equal(b, c, sizeof b);
	for (int i = 0; i < 100; i++)
		assert_true(random_below(3) < 3);
	assert_int_equal(random_below(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadline__counts_down),
		cmocka_unit_test(test_trace__keeps_the_callers_id),
		cmocka_unit_test(test_log__is_json_whatever_the_values),
		cmocka_unit_test(test_log__never_waits_for_its_reader),
		cmocka_unit_test(test_file__write_goes_on_to_the_end),
		cmocka_unit_test(test_file__read_refuses_what_it_should),
		cmocka_unit_test(test_random__repeats_with_a_seed),
	};

	snprintf(directory, sizeof directory, "/tmp/passerelle-test-XXXXXX");
	if (!mkdtemp(directory))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	rmdir(directory);
	return failed;
}
