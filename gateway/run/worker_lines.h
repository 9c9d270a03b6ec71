/* Inside gateway/run only: the jobs of a pool that wait, in lines: one for each share, and in it those that ask others
 * apart from those that do not. Whose share is used up waits without a thread, and lines take turns. No lock inside. */
#ifndef PASSERELLE_WORKER_LINES_H
#define PASSERELLE_WORKER_LINES_H

#include "gateway/run/worker.h"

#define SHARE_NAME_MAX 64 /* bytes; what is longer is cut */

struct worker_queue {
	struct worker_job *first;
	struct worker_job **last;
};

/* Kept as long as the pool: as many as there ever were names. */
struct worker_line {
	char name[SHARE_NAME_MAX];
	size_t name_size;
	size_t max;                    /* jobs that may run; 0: any number */
	size_t asking_max;             /* of them, those that ask */
	size_t running;                /* now */
	size_t asking;                 /* of them, those that ask */
	size_t waiting;                /* in both queues */
	bool asks_next;                /* whose turn it is when both may */
	struct worker_queue queues[2]; /* [1]: of those that ask */
	struct worker_line *next;      /* in a ring */
};

struct worker_lines {
	struct worker_line *last; /* whose turn was last; NULL: no line yet */
	size_t waiting;           /* in all */
};

/* The line of a job's share, with that share's bounds from now on. NULL without memory. */
struct worker_line *worker_line_of(struct worker_lines *lines, const struct worker_share *share) MUST_CHECK;
void worker_lines_free(struct worker_lines *lines);

/* True when a job of this line may run now. It does: worker_line_enter; until worker_line_leave. */
bool worker_line_has_room(const struct worker_line *line, bool asks);
void worker_line_enter(struct worker_line *line, bool asks);
void worker_line_leave(struct worker_line *line, bool asks);

void worker_lines_put(struct worker_lines *lines, struct worker_line *line, struct worker_job *job);

/* The next job that may run, entered; NULL: none. */
struct worker_job *worker_lines_take(struct worker_lines *lines, struct worker_line **line);

/* A job whose deadline has passed, out of its line, not entered; NULL: none. Queues are in order of arrival; the first
 * job with time left ends the look into its queue. */
struct worker_job *worker_lines_expired(struct worker_lines *lines);

/* How many jobs that may run have waited for longer than this, or for any time when it is 0; at most `most`. */
size_t worker_lines_late(const struct worker_lines *lines, uint64_t wait_us, size_t most);

#endif
