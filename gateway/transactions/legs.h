/* One question to several sources at once. Each source's part of it is a leg, with memory, outcome, visit and deadline of
 * its own; legs run in threads of the process's pool, the first in the caller's own, and legs_run returns when all have
 * ended. Each has federation.deadline_ms for all of its runs. What a failing source would have had is missing and said
 * so; all of them failing is an error. With one source there is one leg, which is the transaction itself: no thread, no
 * copy. */
#ifndef PASSERELLE_LEGS_H
#define PASSERELLE_LEGS_H

#include <pthread.h>

#include "gateway/run/worker.h"
#include "gateway/transactions/resources.h"
#include "gateway/transactions/transactions.h"
#include "gateway/transactions/waiting.h"
#include "mappers/search_cursor.h"

struct legs;

struct leg {
	struct transaction t; /* at this leg's source; between runs its outcome and deadline are the request's */
	bool wanted;          /* whether the next run asks it */
	bool answered;        /* every run that asked it has succeeded */
	bool mute;            /* one has not, for another reason than having too much to answer */
	bool widened;         /* it was asked for all that the patient has there */
	/* What the last run has seen, all of it through the leg's visit (visible.h); in the leg's arena. After the run
	 * it holds nothing that another source's copy hides. */
	struct metadata *answers;
	size_t answer_count;
	void *found;                 /* whatever the caller makes of it */
	struct strs page;            /* entryUUIDs of what it has on the page of a search */
	struct neighbourhood around; /* ... and what else those are shown with */
	struct waiting waiting;      /* what is not registered yet, of the first source */
	bool has_waiting;            /* that has been read, of the patient who is searched for */
	struct strs changed;         /* entryUUIDs of documents that changes wait for, as far as they are looked for */
	bool is_away;                /* ... which does not answer: what waits is all that is shown of it */
	/* Inside legs.c: */
	struct legs *legs;
	uint64_t left_ms; /* of its time for all runs */
	struct outcome outcome;
	struct worker_job job;
};

struct legs {
	const struct transaction *t;
	struct leg *items; /* in the order of the configuration */
	size_t count;
	bool is_incomplete; /* a source that should have been asked is missing in the answer */
	/* Inside legs.c: */
	bool (*read)(struct leg *leg, const void *ctx);
	const void *ctx;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	size_t running;
};

/* A leg for each source, all wanted. False without memory. */
bool legs_open(const struct transaction *t, struct legs *legs) MUST_CHECK;

/* For a search that goes on: only sources that have answered so far are wanted. The others are said to be missing. */
void legs_resume(struct legs *legs, const struct search_sources *sources);

/* Who has answered, for the next page. */
struct search_sources legs_sources(const struct legs *legs);

/* Runs read for every leg that is wanted. read returns false with an error in leg->t.outcome. A source that fails is no
 * longer wanted, and a warning in legs->t->outcome names it; what is the request's own fault, and all wanted legs
 * failing, is an error there, and false. */
bool legs_run(struct legs *legs, bool (*read)(struct leg *leg, const void *ctx), const void *ctx) MUST_CHECK;

/* After a run: there was so little of the request's time that a source which did not answer may not be to blame. */
bool legs_are_late(const struct legs *legs);

#endif
