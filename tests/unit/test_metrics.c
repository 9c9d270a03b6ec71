/* What is counted: sums of many threads, the text, and what happens with too many combinations of labels. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>

#include "gateway/run/watch.h"

#define THREADS 8
#define TIMES   10000

static char *text(struct buf *page)
{
	buf_init(page, (size_t)16 << 20);
	assert_true(metrics_write(page));
	return page->data;
}

static void assert_line(const char *line)
{
	struct buf page;

	if (!strstr(text(&page), line))
		fail_msg("no line %s in\n%s", line, page.data);
	buf_free(&page);
}

static void *counts(void *unused)
{
	(void)unused;
	for (int i = 0; i < TIMES; i++) {
		METRIC_ADD(METRIC_REQUESTS, 1, STR("s"), STR("t"), i % 2 ? STR("ITI-67") : STR("ITI-68"), STR("2xx"));
		METRIC_TOOK(METRIC_REQUEST_SECONDS, (uint64_t)(i % 100) * 1000, STR("s"), STR("t"), STR("ITI-67"));
	}
	return NULL;
}

static void test_threads_count_together(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, counts, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_line(
		"\npasserelle_requests_total{server=\"s\",tenant=\"t\",transaction=\"ITI-67\",class=\"2xx\"} 40000\n");
	assert_line(
		"\npasserelle_requests_total{server=\"s\",tenant=\"t\",transaction=\"ITI-68\",class=\"2xx\"} 40000\n");
	assert_line("passerelle_request_seconds_bucket{server=\"s\",tenant=\"t\",transaction=\"ITI-67\",le=\"0.001\"} "
		    "1600\n");
	assert_line("passerelle_request_seconds_bucket{server=\"s\",tenant=\"t\",transaction=\"ITI-67\",le=\"0.01\"} "
		    "8800\n");
	assert_line("passerelle_request_seconds_bucket{server=\"s\",tenant=\"t\",transaction=\"ITI-67\",le=\"+Inf\"} "
		    "80000\n");
	assert_line("passerelle_request_seconds_sum{server=\"s\",tenant=\"t\",transaction=\"ITI-67\"} 3960.000000\n");
	assert_line("passerelle_request_seconds_count{server=\"s\",tenant=\"t\",transaction=\"ITI-67\"} 80000\n");
}

static void tells(void *ctx, struct measures *measures)
{
	MEASURE(measures, METRIC_SPOOL, *(uint64_t *)ctx, STR_NONE);
	MEASURE(measures, METRIC_BREAKER, *(uint64_t *)ctx, STR("a\"b\\c\nd"), STR("hcm"));
}

static void test_gauges_are_told(void **state)
{
	uint64_t old_value = 1;
	uint64_t new_value = 2;
	struct watch old = { .ctx = &old_value, .measure = tells };
	struct watch new = { .ctx = &new_value, .measure = tells };
	struct buf page;

	(void)state;
	watch_begin(&old);
	watch_begin(&new);
	assert_line("\npasserelle_spool_bytes 2\n");
	assert_line("\npasserelle_breaker_state{tenant=\"a\\\"b\\\\c\\nd\",source=\"hcm\"} 2\n");
	assert_null(strstr(text(&page), "passerelle_spool_bytes 1\n"));
	buf_free(&page);
	watch_end(&new);
	assert_line("\npasserelle_spool_bytes 1\n");
	watch_end(&old);
	assert_null(strstr(text(&page), "\npasserelle_spool_bytes "));
	buf_free(&page);
}

/* As many tenants, back-ends of each and states of its outbox as there may be. */
static void tells_everything(void *ctx, struct measures *measures)
{
	for (int tenant = 0; tenant < 256; tenant++) {
		char name[32];

		snprintf(name, sizeof(name), "hospital-%d", tenant);
		for (int i = 0; i < 8; i++) {
			char source[32];

			snprintf(source, sizeof(source), "source-%d", i);
			MEASURE(measures, METRIC_BREAKER, *(uint64_t *)ctx, str_from_c(name), str_from_c(source));
			MEASURE(measures, METRIC_CALLS_UNDER_WAY, *(uint64_t *)ctx, str_from_c(name),
				str_from_c(source));
			MEASURE(measures, METRIC_OUTBOX, *(uint64_t *)ctx, str_from_c(name), str_from_c(source));
			if (i < 6)
				MEASURE(measures, METRIC_OUTBOX_OLDEST, *(uint64_t *)ctx, str_from_c(name),
					str_from_c(source));
		}
	}
}

static void test_all_tenants_are_told(void **state)
{
	uint64_t value = 7;
	struct watch watch = { .ctx = &value, .measure = tells_everything };

	(void)state;
	watch_begin(&watch);
	assert_line("\npasserelle_breaker_state{tenant=\"hospital-255\",source=\"source-7\"} 7\n");
	watch_end(&watch);
}

static void judges(void *ctx, struct judgement *judgement)
{
	const bool *works = ctx;

	judge(judgement, PART_NEEDED, STR_NONE, STR("state"), works[0]);
	judge(judgement, PART_ONE_OF_MANY, STR("a"), STR("gateway"), works[1]);
	judge(judgement, PART_ONE_OF_MANY, STR("b"), STR("gateway"), works[2]);
	judge(judgement, PART_TOLD, STR("b"), STR("hcm"), false);
}

static void test_one_of_many_is_enough(void **state)
{
	static const struct {
		bool works[3];
		bool is_good;
	} cases[] = { { { true, true, true }, true },
		      { { true, false, true }, true },
		      { { true, false, false }, false },
		      { { false, true, true }, false } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		bool works[3];
		struct watch watch = { .ctx = works, .judge = judges };
		struct judgement judgement = { 0 };

		memcpy(works, cases[i].works, sizeof(works));
		watch_begin(&watch);
		watch_judge(&judgement);
		watch_end(&watch);
		assert_int_equal(judgement_is_good(&judgement), cases[i].is_good);
	}
}

static void test_too_many_labels_are_lost_and_said(void **state)
{
	struct buf page;
	char name[32];
	char longer[300];

	(void)state;
	memset(longer, 'x', sizeof(longer));
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		METRIC_ADD(METRIC_CACHE, 1, str_from_c(name), (struct str) { longer, sizeof(longer) }, STR("hit"));
	}
	assert_null(strstr(text(&page), "passerelle_cache_total{tenant=\"n4999\""));
	assert_non_null(strstr(page.data, "passerelle_cache_total{tenant=\"n1000\""));
	buf_free(&page);
	assert_line("\npasserelle_metrics_lost_total 20");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_count_together),
		cmocka_unit_test(test_gauges_are_told),
		cmocka_unit_test(test_all_tenants_are_told),
		cmocka_unit_test(test_one_of_many_is_enough),
		cmocka_unit_test(test_too_many_labels_are_lost_and_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
