#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/run/worker.h"

struct job {
	struct worker_job job;
	struct gate *gate;
};

/* Jobs wait at a gate, so that the tests need no sleep. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool open;
	unsigned inside;
	unsigned done;
	unsigned expired;
	unsigned inside_max;
};

static void gate_job(struct worker_job *worker_job, bool expired)
{
	struct gate *gate = ((struct job *)worker_job)->gate;

	pthread_mutex_lock(&gate->lock);
	gate->inside++;
	if (gate->inside > gate->inside_max)
		gate->inside_max = gate->inside;
	pthread_cond_broadcast(&gate->change);
	while (!gate->open && !expired)
		pthread_cond_wait(&gate->change, &gate->lock);
	gate->inside--;
	gate->done++;
	gate->expired += expired;
	pthread_cond_broadcast(&gate->change);
	pthread_mutex_unlock(&gate->lock);
}

static void gate_wait(struct gate *gate, unsigned *what, unsigned value)
{
	pthread_mutex_lock(&gate->lock);
	while (*what < value)
		pthread_cond_wait(&gate->change, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
}

static void gate_open(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->open = true;
	pthread_cond_broadcast(&gate->change);
	pthread_mutex_unlock(&gate->lock);
}

#define GATE                                                                          \
	{                                                                             \
		.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER \
	}

static void test_worker__grows_to_the_maximum_and_no_further(void **state)
{
	struct worker_options options = { .threads_max = 8, .queue_max = 100, .idle_ms = 10 };
	struct worker_pool *pool = worker_pool_new(&options);
	struct gate gate = GATE;
	struct job jobs[50];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(jobs); i++) {
		jobs[i] = (struct job) { { .run = gate_job, .deadline = deadline_in(60000) }, &gate };
		assert_true(worker_submit(pool, &jobs[i].job));
	}
	gate_wait(&gate, &gate.inside, 8);
	assert_int_equal(worker_pool_counts(pool).threads, 8);
	assert_int_equal(worker_pool_counts(pool).waiting, 42);
	gate_open(&gate);
	gate_wait(&gate, &gate.done, 50);
	assert_int_equal(gate.inside_max, 8);
	while (worker_pool_counts(pool).threads > 0)
		usleep(2000);
	/* And again, from nothing. */
	jobs[0].job.deadline = deadline_in(60000);
	assert_true(worker_submit(pool, &jobs[0].job));
	gate_wait(&gate, &gate.done, 51);
	worker_pool_free(pool);
}

static void test_worker__quick_jobs_need_few_threads(void **state)
{
	struct worker_options options = { .threads_max = 64, .queue_max = 100 };
	struct worker_pool *pool = worker_pool_new(&options);
	struct gate gate = GATE;
	struct job job = { { .run = gate_job, .deadline = deadline_in(60000) }, &gate };

	(void)state;
	gate_open(&gate);
	for (unsigned i = 1; i <= 2000; i++) {
		assert_true(worker_submit(pool, &job.job));
		gate_wait(&gate, &gate.done, i);
	}
	assert_true(worker_pool_counts(pool).threads <= 8);
	worker_pool_free(pool);
}

static void test_worker__queue_is_bounded(void **state)
{
	struct worker_options options = { .threads_max = 1, .queue_max = 3 };
	struct worker_pool *pool = worker_pool_new(&options);
	struct gate gate = GATE;
	struct job jobs[5];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(jobs); i++)
		jobs[i] = (struct job) { { .run = gate_job, .deadline = deadline_in(60000) }, &gate };
	assert_true(worker_submit(pool, &jobs[0].job));
	gate_wait(&gate, &gate.inside, 1);
	for (size_t i = 1; i < 4; i++)
		assert_true(worker_submit(pool, &jobs[i].job));
	assert_false(worker_submit(pool, &jobs[4].job));
	gate_open(&gate);
	worker_pool_free(pool); /* runs what was accepted */
	assert_int_equal(gate.done, 4);
}

static void test_worker__expired_jobs_do_not_wait_for_a_thread(void **state)
{
	struct worker_options options = { .threads_max = 1, .queue_max = 10 };
	struct worker_pool *pool = worker_pool_new(&options);
	struct gate gate = GATE;
	struct job jobs[3];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(jobs); i++)
		jobs[i] = (struct job) { { .run = gate_job, .deadline = deadline_in(i == 0 ? 60000 : 5) }, &gate };
	assert_true(worker_submit(pool, &jobs[0].job));
	gate_wait(&gate, &gate.inside, 1);
	assert_true(worker_submit(pool, &jobs[1].job));
	assert_true(worker_submit(pool, &jobs[2].job));
	gate_wait(&gate, &gate.expired, 2);
	assert_false(gate.open);
	gate_open(&gate);
	worker_pool_free(pool);
	assert_int_equal(gate.done, 3);
}

struct sender {
	struct worker_pool *pool;
	struct gate *gate;
	unsigned refused;
	struct job jobs[3000];
};

static void *send_many(void *argument)
{
	struct sender *sender = argument;

	for (size_t i = 0; i < COUNT_OF(sender->jobs); i++) {
		sender->jobs[i] = (struct job) { { .run = gate_job, .deadline = deadline_in(60000) }, sender->gate };
		sender->refused += !worker_submit(sender->pool, &sender->jobs[i].job);
	}
	return NULL;
}

static void test_worker__every_job_runs_once(void **state)
{
	static struct sender senders[4];
	struct worker_options options = { .threads_max = 16, .queue_max = 100, .idle_ms = 1, .growth_us = 50 };
	struct worker_pool *pool = worker_pool_new(&options);
	struct gate gate = GATE;
	pthread_t threads[COUNT_OF(senders)];
	unsigned refused = 0;

	(void)state;
	gate_open(&gate);
	for (size_t i = 0; i < COUNT_OF(senders); i++) {
		senders[i].pool = pool;
		senders[i].gate = &gate;
		assert_int_equal(pthread_create(&threads[i], NULL, send_many, &senders[i]), 0);
	}
	for (size_t i = 0; i < COUNT_OF(senders); i++) {
		pthread_join(threads[i], NULL);
		refused += senders[i].refused;
	}
	worker_pool_free(pool);
	assert_int_equal(gate.done + refused, 12000);
	assert_int_equal(gate.inside, 0);
}

static struct job share_job(struct gate *gate, const char *name, size_t max, size_t asking_max, bool asks)
{
	return (struct job) { { .run = gate_job,
				.deadline = deadline_in(60000),
				.share = { str_from_c(name), max, asking_max, asks } },
			      gate };
}

static void test_worker__one_share_leaves_threads_to_others(void **state)
{
	struct worker_options options = { .threads_max = 8, .queue_max = 100 };
	struct worker_pool *pool = worker_pool_new(&options);
	struct gate slow = GATE;
	struct gate quick = GATE;
	struct job jobs[40];

	(void)state;
	gate_open(&quick);
	/* All of them want to run; four may, and of those that ask three. */
	for (size_t i = 0; i < 30; i++) {
		jobs[i] = share_job(&slow, "slow", 4, 3, true);
		assert_true(worker_submit(pool, &jobs[i].job));
	}
	gate_wait(&slow, &slow.inside, 3);
	/* What does not ask still finds one of that share, others find all the rest. */
	for (unsigned i = 30; i < 35; i++) {
		jobs[i] = share_job(&quick, "slow", 4, 3, false);
		assert_true(worker_submit(pool, &jobs[i].job));
		gate_wait(&quick, &quick.done, i - 29);
	}
	for (unsigned i = 35; i < 40; i++) {
		jobs[i] = share_job(&quick, "other", 4, 3, true);
		assert_true(worker_submit(pool, &jobs[i].job));
		gate_wait(&quick, &quick.done, i - 29);
	}
	assert_int_equal(slow.done, 0);
	assert_int_equal(worker_pool_counts(pool).waiting, 27);
	gate_open(&slow);
	gate_wait(&slow, &slow.done, 30);
	assert_int_equal(slow.inside_max, 3);
	worker_pool_free(pool);
}

static void test_worker__one_share_leaves_room_in_the_queue(void **state)
{
	struct worker_options options = { .threads_max = 4, .queue_max = 8 };
	struct worker_pool *pool = worker_pool_new(&options);
	struct gate gate = GATE;
	struct job jobs[16];
	unsigned taken = 0;
	unsigned of_other = 0;

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		jobs[i] = share_job(&gate, "one", 2, 2, true);
		taken += worker_submit(pool, &jobs[i].job);
	}
	gate_wait(&gate, &gate.inside, 2);
	assert_in_range(taken, 4, 6); /* half of the queue, and those that had already left it for a thread */
	for (size_t i = 10; i < 16; i++) {
		jobs[i] = share_job(&gate, "other", 2, 2, true);
		of_other += worker_submit(pool, &jobs[i].job);
	}
	assert_in_range(of_other, 4, 6);
	gate_open(&gate);
	worker_pool_free(pool);
	assert_int_equal(gate.done, taken + of_other);
}

static void test_worker__a_larger_share_is_taken_up(void **state)
{
	struct worker_options options = { .threads_max = 8, .queue_max = 100 };
	struct worker_pool *pool = worker_pool_new(&options);
	struct gate gate = GATE;
	struct job jobs[10];

	(void)state;
	for (size_t i = 0; i < 9; i++) {
		jobs[i] = share_job(&gate, "one", 2, 0, true);
		assert_true(worker_submit(pool, &jobs[i].job));
	}
	gate_wait(&gate, &gate.inside, 2);
	jobs[9] = share_job(&gate, "one", 5, 0, true);
	assert_true(worker_submit(pool, &jobs[9].job));
	gate_wait(&gate, &gate.inside, 5);
	gate_open(&gate);
	gate_wait(&gate, &gate.done, 10);
	assert_int_equal(gate.inside_max, 5);
	worker_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker__grows_to_the_maximum_and_no_further),
		cmocka_unit_test(test_worker__quick_jobs_need_few_threads),
		cmocka_unit_test(test_worker__queue_is_bounded),
		cmocka_unit_test(test_worker__expired_jobs_do_not_wait_for_a_thread),
		cmocka_unit_test(test_worker__every_job_runs_once),
		cmocka_unit_test(test_worker__one_share_leaves_threads_to_others),
		cmocka_unit_test(test_worker__one_share_leaves_room_in_the_queue),
		cmocka_unit_test(test_worker__a_larger_share_is_taken_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
