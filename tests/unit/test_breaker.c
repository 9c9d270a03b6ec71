/* The circuit breaker, on a clock of its own and with threads that pass it together. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <curl/curl.h>
#include <pthread.h>

#include "gateway/run/clock.h"
#include "gateway/run/random.h"
#include "gateway/south/backend_call.h"
#include "gateway/south/soap_failure.h"

#define OPEN_MS 1000

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
static const struct breaker_options options = { .failures = 3, .open_ms = OPEN_MS, .open_ms_max = 60000 };

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

static enum breaker_change call_ends(struct breaker *breaker, enum breaker_end end)
{
	struct breaker_call call;

	assert_true(breaker_pass(breaker, &call));
	return breaker_end(breaker, &options, &call, end);
}

static void open_it(struct breaker *breaker)
{
	for (unsigned i = 1; i < options.failures; i++)
		assert_int_equal(call_ends(breaker, BREAKER_FAILED), BREAKER_SAME);
	assert_int_equal(call_ends(breaker, BREAKER_FAILED), BREAKER_OPENED);
	assert_int_equal(breaker_state(breaker), BREAKER_IS_OPEN);
}

/* How long it stays open from now. */
static uint64_t open_for(const struct breaker *breaker)
{
	uint64_t began = now_ms;

	while (breaker_state(breaker) == BREAKER_IS_OPEN)
		now_ms++;
	return now_ms - began;
}

static void test_it_opens_after_failures_in_a_row(void **state)
{
	struct breaker breaker = { 0 };
	struct breaker_call call;

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(call_ends(&breaker, BREAKER_FAILED), BREAKER_SAME);
		assert_int_equal(call_ends(&breaker, BREAKER_FAILED), BREAKER_SAME);
		assert_int_equal(call_ends(&breaker, BREAKER_UNSAID), BREAKER_SAME);
		assert_int_equal(call_ends(&breaker, BREAKER_ANSWERED), BREAKER_SAME);
	}
	open_it(&breaker);
	assert_false(breaker_pass(&breaker, &call));
	assert_false(breaker_would_pass(&breaker));
}

static void test_one_probe_closes_it(void **state)
{
	struct breaker breaker = { 0 };
	struct breaker_call probe;
	struct breaker_call other;

	(void)state;
	open_it(&breaker);
	now_ms += 2 * OPEN_MS;
	assert_int_equal(breaker_state(&breaker), BREAKER_IS_HALF_OPEN);
	assert_true(breaker_would_pass(&breaker));
	assert_false(breaker_is_well(&breaker));
	assert_true(breaker_pass(&breaker, &probe));
	assert_true(probe.is_probe);
	assert_false(breaker_pass(&breaker, &other));
	/* A probe that says nothing leaves its place to another. */
	assert_int_equal(breaker_end(&breaker, &options, &probe, BREAKER_UNSAID), BREAKER_SAME);
	assert_true(breaker_pass(&breaker, &probe));
	assert_int_equal(breaker_end(&breaker, &options, &probe, BREAKER_ANSWERED), BREAKER_CLOSED);
	assert_int_equal(breaker_state(&breaker), BREAKER_IS_CLOSED);
	assert_true(breaker_is_well(&breaker));
	assert_int_equal(call_ends(&breaker, BREAKER_FAILED), BREAKER_SAME);
	assert_false(breaker_is_well(&breaker));
	assert_int_equal(call_ends(&breaker, BREAKER_ANSWERED), BREAKER_SAME);
	assert_true(breaker_is_well(&breaker));
	open_it(&breaker);
}

static void test_who_is_not_asked_again_is_not_missed_for_ever(void **state)
{
	struct breaker breaker = { 0 };
	struct breaker_call probe;

	(void)state;
	assert_true(breaker_seems_well(&breaker));
	call_ends(&breaker, BREAKER_FAILED);
	assert_false(breaker_seems_well(&breaker));
	now_ms += BREAKER_MISSED_MS - 1;
	assert_false(breaker_seems_well(&breaker));
	now_ms += 1;
	assert_true(breaker_seems_well(&breaker));
	assert_false(breaker_is_well(&breaker));
	call_ends(&breaker, BREAKER_ANSWERED);
	open_it(&breaker);
	now_ms += BREAKER_MISSED_MS;
	assert_true(breaker_seems_well(&breaker));
	assert_true(breaker_pass(&breaker, &probe));
	assert_false(breaker_seems_well(&breaker));
	assert_int_equal(breaker_end(&breaker, &options, &probe, BREAKER_FAILED), BREAKER_SAME);
	assert_false(breaker_seems_well(&breaker));
	now_ms += BREAKER_MISSED_MS;
	assert_true(breaker_seems_well(&breaker));
}

static void test_the_time_grows_and_is_bounded(void **state)
{
	struct breaker breaker = { 0 };
	uint64_t most = OPEN_MS;

	(void)state;
	open_it(&breaker);
	for (int i = 0; i < 12; i++) {
		uint64_t time = open_for(&breaker);

		assert_in_range(time, most * 3 / 4, most * 5 / 4 < 60000 ? most * 5 / 4 : 60000);
		assert_int_equal(call_ends(&breaker, BREAKER_FAILED), BREAKER_SAME);
		assert_int_equal(breaker_state(&breaker), BREAKER_IS_OPEN);
		most = most * 2 < 60000 ? most * 2 : 60000;
	}
	open_for(&breaker);
	assert_int_equal(call_ends(&breaker, BREAKER_ANSWERED), BREAKER_CLOSED);
	open_it(&breaker);
	assert_in_range(open_for(&breaker), OPEN_MS * 3 / 4, OPEN_MS * 5 / 4);
}

static void test_what_began_before_says_nothing(void **state)
{
	struct breaker breaker = { 0 };
	struct breaker_call early[8];

	(void)state;
	for (size_t i = 0; i < 8; i++)
		assert_true(breaker_pass(&breaker, &early[i]));
	open_it(&breaker);
	assert_int_equal(breaker_end(&breaker, &options, &early[0], BREAKER_ANSWERED), BREAKER_SAME);
	assert_int_equal(breaker_state(&breaker), BREAKER_IS_OPEN);
	now_ms += 2 * OPEN_MS;
	assert_int_equal(call_ends(&breaker, BREAKER_ANSWERED), BREAKER_CLOSED);
	for (size_t i = 1; i < 8; i++)
		assert_int_equal(breaker_end(&breaker, &options, &early[i], BREAKER_FAILED), BREAKER_SAME);
	assert_int_equal(breaker_state(&breaker), BREAKER_IS_CLOSED);
}

static void test_who_insists_is_the_probe(void **state)
{
	struct breaker breaker = { 0 };
	struct breaker_call call;
	struct breaker_call other;

	(void)state;
	open_it(&breaker);
	breaker_insist(&breaker, &call);
	breaker_insist(&breaker, &other);
	assert_true(call.is_probe);
	assert_false(other.is_probe);
	assert_int_equal(breaker_end(&breaker, &options, &other, BREAKER_ANSWERED), BREAKER_SAME);
	assert_int_equal(breaker_end(&breaker, &options, &call, BREAKER_ANSWERED), BREAKER_CLOSED);
	breaker_insist(&breaker, &call);
	assert_false(call.is_probe);
}

static void test_without_failures_it_never_opens(void **state)
{
	const struct breaker_options never = { 0 };
	struct breaker breaker = { 0 };
	struct breaker_call call;

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_true(breaker_pass(&breaker, &call));
		assert_int_equal(breaker_end(&breaker, &never, &call, BREAKER_FAILED), BREAKER_SAME);
	}
}

static bool begin(struct backend *backend, const char *url, struct backend_call *call, struct outcome *outcome)
{
	const struct asking asking = { .url = url, .action = STR("urn:ihe:iti:2007:RegistryStoredQuery") };

	return backend_call_begin(backend, &asking, call, outcome);
}

static void test_a_full_back_end_refuses(void **state)
{
	const char *url = "http://127.0.0.1/registry";
	struct backend backend = { .requests_max = 1, .breakers.options = options };
	struct backend other = { .requests_max = 1 };
	struct backend_call call;
	struct backend_call within;
	struct backend_call elsewhere;
	struct outcome outcome;

	(void)state;
	outcome_init(&outcome);
	assert_true(begin(&backend, url, &call, &outcome));
	/* What this thread asks while it has a place needs none of its own, also when it has asked elsewhere between. */
	assert_true(begin(&backend, url, &within, &outcome));
	assert_true(begin(&other, url, &elsewhere, &outcome));
	backend_call_end(&other, &elsewhere, BREAKER_ANSWERED, "test");
	backend_call_end(&backend, &within, BREAKER_ANSWERED, "test");
	assert_int_equal(backend.request_count, 1);
	backend_call_end(&backend, &call, BREAKER_ANSWERED, "test");
	assert_int_equal(backend.request_count, 0);
	backend.request_count = 1; /* another thread's */
	assert_false(begin(&backend, url, &call, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_BUSY);
	backend.request_count = 0;
	assert_true(begin(&backend, url, &call, &outcome));
	backend_call_end(&backend, &call, BREAKER_ANSWERED, "test");
}

static void test_each_address_has_its_own(void **state)
{
	char registry[] = "http://127.0.0.1/registry";
	const char *same = "http://127.0.0.1/registry";
	struct backend backend = { .breakers.options = options };
	struct backend_call call;
	struct outcome outcome;

	(void)state;
	outcome_init(&outcome);
	for (unsigned i = 0; i < options.failures; i++) {
		assert_true(begin(&backend, i % 2 ? same : registry, &call, &outcome));
		backend_call_end(&backend, &call, BREAKER_FAILED, "test");
	}
	assert_false(begin(&backend, same, &call, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_BACKEND_DOWN);
	assert_false(backend_would_ask(&backend, registry));
	assert_true(backend_would_ask(&backend, "http://127.0.0.1/repository"));
	assert_true(begin(&backend, "http://127.0.0.1/repository", &call, &outcome));
	backend_call_end(&backend, &call, BREAKER_ANSWERED, "test");
}

static void test_what_an_end_says(void **state)
{
	static const struct {
		struct soap_failure failure;
		enum breaker_end end;
	} cases[] = {
		{ { .code = CURLE_COULDNT_CONNECT }, BREAKER_FAILED },
		{ { .code = CURLE_ABORTED_BY_CALLBACK }, BREAKER_GAVE_WAY },
		{ { .code = CURLE_OPERATION_TIMEDOUT, .is_fair = true }, BREAKER_FAILED },
		{ { .code = CURLE_OPERATION_TIMEDOUT }, BREAKER_UNSAID },
		{ { .code = CURLE_OPERATION_TIMEDOUT, .is_fair = true, .is_ours = true }, BREAKER_UNSAID },
		{ { .code = CURLE_PARTIAL_FILE, .sent = 1, .is_soap = true }, BREAKER_FAILED },
		{ { .code = CURLE_SSL_CONNECT_ERROR }, BREAKER_FAILED },
		{ { .code = CURLE_WRITE_ERROR, .status = 200, .is_ours = true, .is_soap = true }, BREAKER_ANSWERED },
		{ { .code = CURLE_WRITE_ERROR, .status = 200, .is_ours = true }, BREAKER_UNSAID },
		{ { .code = CURLE_WRITE_ERROR, .status = 200, .is_page = true }, BREAKER_FAILED },
		{ { .status = 200 }, BREAKER_ANSWERED },
		{ { .status = 302, .is_page = true }, BREAKER_ANSWERED },
		{ { .status = 401, .is_page = true }, BREAKER_ANSWERED },
		{ { .status = 503 }, BREAKER_FAILED },
		{ { .status = 500, .is_soap = true }, BREAKER_ANSWERED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(soap_failure_end(&cases[i].failure), cases[i].end);
}

#define THREADS 8

static struct breaker shared;
static atomic_uint passed;

static void *passes_often(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20000; i++) {
		struct breaker_call call;

		if (!breaker_pass(&shared, &call))
			continue;
		atomic_fetch_add(&passed, 1);
		breaker_end(&shared, &options, &call, i % 3 ? BREAKER_FAILED : BREAKER_ANSWERED);
	}
	return NULL;
}

static void *probes(void *unused)
{
	struct breaker_call call;

	(void)unused;
	if (breaker_pass(&shared, &call))
		atomic_fetch_add(&passed, 1);
	return NULL;
}

static void together(void *(*run)(void *))
{
	pthread_t threads[THREADS];

	atomic_store(&passed, 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void test_many_threads_one_probe(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		shared = (struct breaker) { 0 };
		open_it(&shared);
		now_ms += 2 * OPEN_MS;
		together(probes);
		assert_int_equal(passed, 1);
	}
	/* The system's clock now, since it is read by many. */
	clock_replace(NULL);
	shared = (struct breaker) { 0 };
	together(passes_often);
	assert_true(passed > 0);
	clock_replace(&clock_of_test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_opens_after_failures_in_a_row),
		cmocka_unit_test(test_one_probe_closes_it),
		cmocka_unit_test(test_who_is_not_asked_again_is_not_missed_for_ever),
		cmocka_unit_test(test_the_time_grows_and_is_bounded),
		cmocka_unit_test(test_what_began_before_says_nothing),
		cmocka_unit_test(test_who_insists_is_the_probe),
		cmocka_unit_test(test_without_failures_it_never_opens),
		cmocka_unit_test(test_a_full_back_end_refuses),
		cmocka_unit_test(test_each_address_has_its_own),
		cmocka_unit_test(test_what_an_end_says),
		cmocka_unit_test(test_many_threads_one_probe),
	};

	return cmocka_run_group_tests(tests, clock_set, clock_reset);
}
