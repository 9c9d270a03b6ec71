/* An elastic pool of threads that run one job each at a time. The thread that became idle last works first, so that a
 * small hot set does the work while back-ends are quick; it grows, up to the maximum, only while jobs wait, and
 * shrinks again. */
#ifndef PASSERELLE_WORKER_H
#define PASSERELLE_WORKER_H

#include "gateway/run/deadline.h"
#include "gateway/run/log.h"
#include "mappers/base/str.h"

struct worker_pool;

struct worker_options {
	size_t threads_max;
	size_t queue_max;   /* jobs that may wait */
	uint64_t idle_ms;   /* a thread without work for that long ends; 0 means 5000 */
	uint64_t growth_us; /* a job that waits longer than this gets a new thread; 0 means 1000 */
};

/* Whose job it is: everybody has a share of the pool, so that one whose jobs take long leaves threads, and room in the
 * queue, to the others. Of a share, jobs that ask others may take a part only. Zeroed: the share of all who have none. */
struct worker_share {
	struct str name;
	size_t max;        /* jobs of this name that may run at once; 0: any number */
	size_t asking_max; /* of them, those that ask; 0: any number */
	bool asks;         /* this job waits for other systems */
};

/* Embedded in whatever is to be done; belongs to the pool from worker_submit until run is called. */
struct worker_job {
	/* expired: the deadline passed while the job waited; it must then only be refused, quickly. Called exactly
	 * once; may free the job. */
	void (*run)(struct worker_job *job, bool expired);
	struct deadline deadline;
	struct worker_share share; /* the name must be valid until run is called */
	/* the pool's own: */
	struct log_tenant tenant; /* whom its lines name: of its share, or whoever the one works for who submits it */
	uint64_t queued_us;
	struct worker_job *next;
};

/* Starts the pool with no thread but its manager. Returns NULL when that cannot be started. */
struct worker_pool *worker_pool_new(const struct worker_options *options) MUST_CHECK;

/* Hands a job over. False when the queue, or its share's part of it, is full, or the pool is stopping: the job is still
 * the caller's. Never blocks. */
bool worker_submit(struct worker_pool *pool, struct worker_job *job) MUST_CHECK;

/* No more jobs; waits until all that were accepted have run and all threads have ended; frees the pool. */
void worker_pool_free(struct worker_pool *pool);

struct worker_counts {
	size_t threads;
	size_t idle;
	size_t waiting;
};

/* A snapshot, for logs and tests. */
struct worker_counts worker_pool_counts(struct worker_pool *pool);

#endif
