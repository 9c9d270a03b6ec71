/* Who has fallen silent, as the calls to a back-end see it, on a clock of the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/run/clock.h"
#include "gateway/run/random.h"
#include "gateway/south/backend_call.h"

#define URL "http://127.0.0.1/registry"

static uint64_t now_ms = 1000000;

static uint64_t now_us(void)
{
	return now_ms * 1000;
}

static int64_t wall_ms(void)
{
	return (int64_t)now_ms;
}

static const struct clock_source clock_of_test = { .monotonic_us = now_us, .wall_ms = wall_ms };
static const struct breaker_options options = { .failures = 3, .open_ms = 1000, .open_ms_max = 60000 };

static int clock_set(void **state)
{
	(void)state;
	random_seed(7);
	clock_replace(&clock_of_test);
	return 0;
}

static int clock_reset(void **state)
{
	(void)state;
	clock_replace(NULL);
	return 0;
}

static bool begin(struct backend *backend, struct backend_call *call, struct outcome *outcome)
{
	const struct asking asking = { .url = URL, .action = STR("urn:ihe:iti:2007:RegistryStoredQuery") };

	return backend_call_begin(backend, &asking, call, outcome);
}

/* How long a call waits that may give way, at least. */
#define PATIENCE_MS 2000

static bool begin_yielding(struct backend *backend, struct backend_call *call)
{
	const struct asking asking = { URL, STR("RegistryStoredQuery"), false, true };
	struct outcome outcome;

	outcome_init(&outcome);
	return backend_call_begin(backend, &asking, call, &outcome);
}

static size_t waiting_count(struct backend_call *calls, size_t count)
{
	size_t waiting = 0;

	for (size_t i = 0; i < count; i++)
		waiting += !silence_gives_way(&calls[i].silence);
	return waiting;
}

static void answer_in(struct backend *backend, uint64_t ms)
{
	struct backend_call call;

	assert_true(begin_yielding(backend, &call));
	now_ms += ms;
	backend_call_end(backend, &call, BREAKER_ANSWERED, "test");
}

static void test_who_has_fallen_silent_is_waited_for_by_one(void **state)
{
	struct backend backend = { .patience_ms = PATIENCE_MS, .breakers.options = options };
	struct backend_call calls[8];
	struct backend_call asks;
	struct backend_call late;
	struct backend_call publication;
	struct outcome outcome;

	(void)state;
	outcome_init(&outcome);
	answer_in(&backend, 10);
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		assert_true(begin_yielding(&backend, &calls[i]));
	now_ms += PATIENCE_MS;
	assert_int_equal(waiting_count(calls, COUNT_OF(calls)), COUNT_OF(calls));
	now_ms += 1;
	assert_int_equal(waiting_count(calls, COUNT_OF(calls)), 1);
	assert_int_equal(waiting_count(calls, COUNT_OF(calls)), 1);
	/* One newcomer finds out, and has its own time. */
	assert_true(begin_yielding(&backend, &asks));
	assert_false(begin_yielding(&backend, &late));
	assert_false(silence_gives_way(&asks.silence));
	assert_true(begin(&backend, &publication, &outcome));
	assert_false(silence_gives_way(&publication.silence));
	now_ms += PATIENCE_MS;
	assert_false(begin_yielding(&backend, &late));
	now_ms += 1;
	assert_true(silence_gives_way(&asks.silence));
	backend_call_end(&backend, &asks, BREAKER_GAVE_WAY, "test");
	assert_true(begin_yielding(&backend, &asks));
	assert_false(begin_yielding(&backend, &late));
	backend_call_end(&backend, &asks, BREAKER_UNSAID, "test");
	/* Those who gave way count, but it is the one that opens it. */
	for (size_t i = 1; i < COUNT_OF(calls); i++)
		backend_call_end(&backend, &calls[i], BREAKER_GAVE_WAY, "test");
	assert_int_equal(backend_worst_state(&backend), BREAKER_IS_CLOSED);
	assert_false(backend_is_well(&backend));
	backend_call_end(&backend, &calls[0], BREAKER_FAILED, "test");
	assert_int_equal(backend_worst_state(&backend), BREAKER_IS_OPEN);
	/* Then a probe has its time, however long others have waited, and no more. */
	now_ms += 60000;
	assert_true(begin_yielding(&backend, &late));
	now_ms += PATIENCE_MS;
	assert_false(silence_gives_way(&late.silence));
	now_ms += 1;
	assert_true(silence_gives_way(&late.silence));
	backend_call_end(&backend, &late, BREAKER_GAVE_WAY, "test");
	assert_int_equal(backend_worst_state(&backend), BREAKER_IS_OPEN);
	backend_call_end(&backend, &publication, BREAKER_FAILED, "test");
}

static void test_one_answer_ends_a_silence(void **state)
{
	struct backend backend = { .patience_ms = PATIENCE_MS, .breakers.options = options };
	struct backend_call calls[8];

	(void)state;
	answer_in(&backend, 10);
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		assert_true(begin_yielding(&backend, &calls[i]));
	now_ms += PATIENCE_MS + 1;
	assert_int_equal(waiting_count(calls, 4), 1);
	backend_call_end(&backend, &calls[0], BREAKER_ANSWERED, "test");
	assert_int_equal(waiting_count(calls + 1, COUNT_OF(calls) - 1), COUNT_OF(calls) - 1);
	for (size_t i = 1; i < COUNT_OF(calls); i++)
		backend_call_end(&backend, &calls[i], BREAKER_ANSWERED, "test");
	assert_true(backend_is_well(&backend));
	/* A silence begins when somebody waits, not with the last answer. */
	now_ms += 100 * PATIENCE_MS;
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		assert_true(begin_yielding(&backend, &calls[i]));
	assert_int_equal(waiting_count(calls, COUNT_OF(calls)), COUNT_OF(calls));
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		backend_call_end(&backend, &calls[i], BREAKER_ANSWERED, "test");
}

static void test_who_is_slow_is_not_silent(void **state)
{
	struct backend backend = { .patience_ms = PATIENCE_MS, .breakers.options = options };
	struct backend_call calls[8];

	(void)state;
	/* Nobody knows yet how long it takes. */
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		assert_true(begin_yielding(&backend, &calls[i]));
	now_ms += 2 * PATIENCE_MS;
	assert_int_equal(waiting_count(calls, COUNT_OF(calls)), COUNT_OF(calls));
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		backend_call_end(&backend, &calls[i], BREAKER_ANSWERED, "test");
	/* Now they do. */
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		assert_true(begin_yielding(&backend, &calls[i]));
	now_ms += 3 * PATIENCE_MS;
	assert_int_equal(waiting_count(calls, COUNT_OF(calls)), COUNT_OF(calls));
	now_ms += PATIENCE_MS + 1;
	assert_int_equal(waiting_count(calls, COUNT_OF(calls)), 1);
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		backend_call_end(&backend, &calls[i], BREAKER_GAVE_WAY, "test");
	/* What it took then is forgotten. */
	for (size_t i = 0; i < 200; i++)
		answer_in(&backend, 10);
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		assert_true(begin_yielding(&backend, &calls[i]));
	now_ms += PATIENCE_MS + 1;
	assert_int_equal(waiting_count(calls, COUNT_OF(calls)), 1);
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		backend_call_end(&backend, &calls[i], BREAKER_GAVE_WAY, "test");
}

static void probes_give_way(struct backend *backend, unsigned count)
{
	struct backend_call call;

	for (unsigned i = 0; i < options.failures; i++) {
		assert_true(begin_yielding(backend, &call));
		backend_call_end(backend, &call, BREAKER_FAILED, "test");
	}
	for (unsigned i = 1; i <= count; i++) {
		now_ms += 60000;
		assert_true(begin_yielding(backend, &call));
		now_ms += i * PATIENCE_MS;
		assert_false(silence_gives_way(&call.silence));
		now_ms += 1;
		assert_true(silence_gives_way(&call.silence));
		backend_call_end(backend, &call, BREAKER_GAVE_WAY, "test");
	}
}

/* It answers again, and takes longer than it did. */
static void test_a_probe_has_more_time_after_each_that_gave_way(void **state)
{
	struct backend backend = { .patience_ms = PATIENCE_MS, .breakers.options = options };

	(void)state;
	answer_in(&backend, 10);
	probes_give_way(&backend, 3);
	now_ms += 60000;
	answer_in(&backend, 4 * PATIENCE_MS);
	assert_int_equal(backend_worst_state(&backend), BREAKER_IS_CLOSED);
	for (size_t i = 0; i < 200; i++)
		answer_in(&backend, 10);
	probes_give_way(&backend, 1);
}

/* It sends one of them a long answer, and nothing to the others meanwhile. */
static void test_who_is_sending_is_not_silent(void **state)
{
	struct backend backend = { .patience_ms = PATIENCE_MS, .breakers.options = options };
	struct backend_call calls[8];

	(void)state;
	answer_in(&backend, 10);
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		assert_true(begin_yielding(&backend, &calls[i]));
	for (unsigned i = 0; i < 5; i++) {
		now_ms += PATIENCE_MS;
		silence_heard(&calls[0].silence);
		assert_int_equal(waiting_count(calls, COUNT_OF(calls)), COUNT_OF(calls));
	}
	now_ms += PATIENCE_MS + 1;
	assert_int_equal(waiting_count(calls, COUNT_OF(calls)), 1);
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		backend_call_end(&backend, &calls[i], BREAKER_ANSWERED, "test");
}

/* It asked for much; nobody else asks for anything meanwhile. */
static void test_one_slow_call_says_nothing_of_others(void **state)
{
	struct backend backend = { .patience_ms = PATIENCE_MS, .breakers.options = options };
	struct backend_call slow;
	struct backend_call calls[8];

	(void)state;
	answer_in(&backend, 10);
	assert_true(begin_yielding(&backend, &slow));
	for (unsigned i = 0; i < 3; i++) {
		now_ms += PATIENCE_MS + 1;
		assert_false(silence_gives_way(&slow.silence));
		for (size_t k = 0; k < COUNT_OF(calls); k++)
			assert_true(begin_yielding(&backend, &calls[k]));
		now_ms += PATIENCE_MS;
		assert_int_equal(waiting_count(calls, COUNT_OF(calls)), COUNT_OF(calls));
		for (size_t k = 0; k < COUNT_OF(calls); k++)
			backend_call_end(&backend, &calls[k], BREAKER_UNSAID, "test");
	}
	backend_call_end(&backend, &slow, BREAKER_ANSWERED, "test");
}

/* The newcomer that finds out is answered, and so there is no silence, though both go on waiting. */
static void test_two_slow_calls_hide_nobody(void **state)
{
	struct backend backend = { .patience_ms = PATIENCE_MS, .breakers.options = options };
	struct backend_call slow[2];
	struct backend_call calls[8];

	(void)state;
	answer_in(&backend, 10);
	for (size_t i = 0; i < COUNT_OF(slow); i++)
		assert_true(begin_yielding(&backend, &slow[i]));
	now_ms += PATIENCE_MS + 1;
	assert_int_equal(waiting_count(slow, COUNT_OF(slow)), 1);
	answer_in(&backend, 10);
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		assert_true(begin_yielding(&backend, &calls[i]));
	assert_int_equal(waiting_count(calls, COUNT_OF(calls)), COUNT_OF(calls));
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		backend_call_end(&backend, &calls[i], BREAKER_ANSWERED, "test");
	for (size_t i = 0; i < COUNT_OF(slow); i++)
		backend_call_end(&backend, &slow[i], BREAKER_ANSWERED, "test");
}

/* Of a document: it takes what its reader takes. */
static void test_who_never_gives_way_says_nothing_by_waiting(void **state)
{
	struct backend backend = { .patience_ms = PATIENCE_MS, .breakers.options = options };
	struct backend_call documents[2];
	struct backend_call calls[8];
	struct outcome outcome;

	(void)state;
	outcome_init(&outcome);
	answer_in(&backend, 10);
	for (size_t i = 0; i < COUNT_OF(documents); i++)
		assert_true(begin(&backend, &documents[i], &outcome));
	now_ms += 100 * PATIENCE_MS;
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		assert_true(begin_yielding(&backend, &calls[i]));
	assert_int_equal(waiting_count(calls, COUNT_OF(calls)), COUNT_OF(calls));
	for (size_t i = 0; i < COUNT_OF(documents); i++)
		backend_call_end(&backend, &documents[i], BREAKER_ANSWERED, "test");
	/* Nor is that what answers take. */
	now_ms += PATIENCE_MS + 1;
	assert_int_equal(waiting_count(calls, COUNT_OF(calls)), 1);
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		backend_call_end(&backend, &calls[i], BREAKER_ANSWERED, "test");
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_has_fallen_silent_is_waited_for_by_one),
		cmocka_unit_test(test_one_answer_ends_a_silence),
		cmocka_unit_test(test_who_is_slow_is_not_silent),
		cmocka_unit_test(test_a_probe_has_more_time_after_each_that_gave_way),
		cmocka_unit_test(test_who_is_sending_is_not_silent),
		cmocka_unit_test(test_one_slow_call_says_nothing_of_others),
		cmocka_unit_test(test_two_slow_calls_hide_nobody),
		cmocka_unit_test(test_who_never_gives_way_says_nothing_by_waiting),
	};

	return cmocka_run_group_tests(tests, clock_set, clock_reset);
}
