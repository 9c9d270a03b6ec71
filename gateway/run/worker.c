#include "gateway/run/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/thread.h"
#include "gateway/run/worker_lines.h"

/* libxml2 and OpenSSL are at home in this; sanitizers put red zones around every local. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_BYTES ((size_t)4 * 1024 * 1024)
#else
#define STACK_BYTES ((size_t)256 * 1024)
#endif

#define IDLE_MS_DEFAULT   5000
#define GROWTH_US_DEFAULT 1000

struct worker {
	struct worker_pool *pool;
	pthread_t thread;
	pthread_cond_t wake;
	struct worker_job *job;   /* handed over by worker_submit */
	struct worker_line *line; /* of the job; a job may be gone when it has run */
	bool asks;
	struct worker *below; /* in the stack of idle workers, or in the list of ended ones */
};

struct worker_pool {
	struct worker_options options;
	pthread_mutex_t lock;
	pthread_cond_t manage; /* wakes the manager */
	pthread_t manager;
	struct worker *idle;  /* the last one that became idle on top */
	struct worker *ended; /* to be joined */
	struct worker_lines lines;
	size_t thread_count;
	size_t idle_count;
	size_t starting_count; /* threads that have not asked for a job yet */
	bool stopping;
};

static void cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

/* Returns false when the time is over. These waits are the pool's own business, so they use the system's clock even
 * when a test has replaced ours. */
static bool cond_wait_us(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t wait_us)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(wait_us / 1000000);
	until.tv_nsec += (long)(wait_us % 1000000) * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	return pthread_cond_timedwait(cond, lock, &until) != ETIMEDOUT;
}

/* Takes the next job that may run, for this worker. */
static struct worker_job *take(struct worker *self)
{
	struct worker_job *job = worker_lines_take(&self->pool->lines, &self->line);

	if (job)
		self->asks = job->share.asks;
	return job;
}

static void idle_remove(struct worker_pool *pool, struct worker *worker)
{
	struct worker **at = &pool->idle;

	while (*at && *at != worker)
		at = &(*at)->below;
	if (!*at)
		return;
	*at = worker->below;
	pool->idle_count--;
}

/* The next job, or NULL when this worker should end. Called and returns with the lock held. */
static struct worker_job *next_job(struct worker_pool *pool, struct worker *self)
{
	struct worker_job *job = take(self);

	/* What waits for its share to be free is taken up by the one who makes it free: here. */
	if (job || pool->stopping)
		return job;
	self->below = pool->idle;
	pool->idle = self;
	pool->idle_count++;
	while (!self->job && !pool->stopping) {
		if (!cond_wait_us(&self->wake, &pool->lock, pool->options.idle_ms * 1000) && !self->job)
			break;
	}
	job = self->job;
	self->job = NULL;
	if (!job) {
		idle_remove(pool, self);
		/* Stopping: what is still queued has been accepted and must run. */
		job = take(self);
	}
	return job;
}

/* The job may be gone afterwards. */
static void job_run(struct worker_job *job, bool expired)
{
	log_tenant_restore(&job->tenant);
	job->run(job, expired);
	(void)log_tenant_set(STR_NONE);
}

static void *worker_main(void *argument)
{
	struct worker *self = argument;
	struct worker_pool *pool = self->pool;

	pthread_mutex_lock(&pool->lock);
	pool->starting_count--;
	for (;;) {
		struct worker_job *job = next_job(pool, self);

		if (!job)
			break;
		pthread_mutex_unlock(&pool->lock);
		job_run(job, deadline_passed(job->deadline));
		pthread_mutex_lock(&pool->lock);
		worker_line_leave(self->line, self->asks);
	}
	pool->thread_count--;
	self->below = pool->ended;
	pool->ended = self;
	pthread_cond_signal(&pool->manage);
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Called with the lock held. */
static bool worker_start(struct worker_pool *pool)
{
	struct worker *worker = calloc(1, sizeof *worker);
	pthread_attr_t attributes;

	if (!worker)
		return false;
	worker->pool = pool;
	cond_init(&worker->wake);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	int failed = pthread_create(&worker->thread, &attributes, worker_main, worker);

	pthread_attr_destroy(&attributes);
	if (failed) {
		pthread_cond_destroy(&worker->wake);
		free(worker);
		return false;
	}
	pthread_setname_np(worker->thread, "worker");
	pool->thread_count++;
	pool->starting_count++;
	return true;
}

/* Joins and frees workers that have ended. Called with the lock held, which is given up meanwhile. */
static void join_ended(struct worker_pool *pool)
{
	while (pool->ended) {
		struct worker *worker = pool->ended;

		pool->ended = worker->below;
		pthread_mutex_unlock(&pool->lock);
		pthread_join(worker->thread, NULL);
		pthread_cond_destroy(&worker->wake);
		free(worker);
		pthread_mutex_lock(&pool->lock);
	}
}

/* A job that has entered its line goes to the worker who became idle last. Called with the lock held. */
static void hand_over(struct worker_pool *pool, struct worker_job *job, struct worker_line *line)
{
	struct worker *worker = pool->idle;

	pool->idle = worker->below;
	pool->idle_count--;
	worker->job = job;
	worker->line = line;
	worker->asks = job->share.asks;
	pthread_cond_signal(&worker->wake);
}

/* Starts a thread for each job that may run and has waited longer than the growth time. When shares have become larger,
 * there may be idle ones too. Called with the lock held. */
static void grow(struct worker_pool *pool)
{
	size_t late = worker_lines_late(&pool->lines, pool->options.growth_us, pool->options.threads_max);

	while (late > 0 && pool->idle) {
		struct worker_line *line = NULL;
		struct worker_job *job = worker_lines_take(&pool->lines, &line);

		if (!job)
			return;
		hand_over(pool, job, line);
		late--;
	}
	while (late > pool->starting_count && pool->thread_count < pool->options.threads_max) {
		if (worker_start(pool))
			continue;
		LOG(WARN, LOG_WORKERS, NULL, LOG_C("problem", "cannot start a thread"),
		    LOG_NUMBER("threads", pool->thread_count));
		break;
	}
}

/* Jobs whose deadline passed while every thread is busy are refused here, so that their clients do not wait in vain.
 * Called with the lock held. */
static void expire(struct worker_pool *pool)
{
	struct worker_job *job;

	while ((job = worker_lines_expired(&pool->lines)) != NULL) {
		pthread_mutex_unlock(&pool->lock);
		job_run(job, true);
		pthread_mutex_lock(&pool->lock);
	}
}

static void *manager_main(void *argument)
{
	struct worker_pool *pool = argument;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		join_ended(pool);
		expire(pool);
		grow(pool);
		if (pool->stopping && pool->thread_count == 0 && pool->lines.waiting == 0 && !pool->ended)
			break;
		if (pool->ended)
			continue;
		if (pool->lines.waiting == 0)
			pthread_cond_wait(&pool->manage, &pool->lock);
		else if (pool->thread_count < pool->options.threads_max && worker_lines_late(&pool->lines, 0, 1) > 0)
			cond_wait_us(&pool->manage, &pool->lock, pool->options.growth_us);
		else
			cond_wait_us(&pool->manage, &pool->lock, 20000);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

struct worker_pool *worker_pool_new(const struct worker_options *options)
{
	struct worker_pool *pool = calloc(1, sizeof *pool);

	if (!pool)
		return NULL;
	pool->options = *options;
	if (!pool->options.idle_ms)
		pool->options.idle_ms = IDLE_MS_DEFAULT;
	if (!pool->options.growth_us)
		pool->options.growth_us = GROWTH_US_DEFAULT;
	pthread_mutex_init(&pool->lock, NULL);
	cond_init(&pool->manage);
	if (!thread_start(&pool->manager, manager_main, pool)) {
		pthread_cond_destroy(&pool->manage);
		pthread_mutex_destroy(&pool->lock);
		free(pool);
		return NULL;
	}
	pthread_setname_np(pool->manager, "workers");
	return pool;
}

/* Room for one more that waits: a share has as much of the queue as it has of the threads. */
static bool has_queue_room(const struct worker_pool *pool, const struct worker_line *line)
{
	size_t of_line = pool->options.queue_max;

	if (line->max > 0 && line->max < pool->options.threads_max)
		of_line = (of_line * line->max + pool->options.threads_max - 1) / pool->options.threads_max;
	return pool->lines.waiting < pool->options.queue_max && line->waiting < of_line;
}

/* Called with the lock held. */
static bool submit(struct worker_pool *pool, struct worker_job *job)
{
	struct worker_line *line = worker_line_of(&pool->lines, &job->share);

	if (pool->stopping || !line)
		return false;
	if (pool->idle && worker_line_has_room(line, job->share.asks)) {
		worker_line_enter(line, job->share.asks);
		hand_over(pool, job, line);
		return true;
	}
	if (!has_queue_room(pool, line))
		return false;
	worker_lines_put(&pool->lines, line, job);
	/* The first thread is needed at once; for more, the manager looks whether the job really waits. */
	if (pool->thread_count == 0)
		worker_start(pool);
	if (pool->lines.waiting == 1)
		pthread_cond_signal(&pool->manage);
	return true;
}

bool worker_submit(struct worker_pool *pool, struct worker_job *job)
{
	struct log_tenant own = log_tenant_now();
	bool taken;

	if (!str_is_empty(job->share.name))
		(void)log_tenant_set(job->share.name);
	job->tenant = log_tenant_now();
	log_tenant_restore(&own);
	job->next = NULL;
	job->queued_us = clock_monotonic_us();
	pthread_mutex_lock(&pool->lock);
	taken = submit(pool, job);
	pthread_mutex_unlock(&pool->lock);
	return taken;
}

void worker_pool_free(struct worker_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	for (struct worker *worker = pool->idle; worker; worker = worker->below)
		pthread_cond_signal(&worker->wake);
	pthread_cond_signal(&pool->manage);
	pthread_mutex_unlock(&pool->lock);
	pthread_join(pool->manager, NULL);
	pthread_cond_destroy(&pool->manage);
	pthread_mutex_destroy(&pool->lock);
	worker_lines_free(&pool->lines);
	free(pool);
}

struct worker_counts worker_pool_counts(struct worker_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	struct worker_counts counts = { pool->thread_count, pool->idle_count, pool->lines.waiting };

	pthread_mutex_unlock(&pool->lock);
	return counts;
}
