/* Inside gateway/delivery only: what its threads share. */
#ifndef PASSERELLE_DELIVERY_STATE_H
#define PASSERELLE_DELIVERY_STATE_H

#include <pthread.h>

#include "gateway/delivery/delivery.h"
#include "gateway/run/worker.h"
#include "gateway/run/watch.h"
#include "gateway/state/outbox_lease.h"
#include "gateway/state/outbox_manage.h"

#define DELIVERIES_MAX 4 /* under way at once for one target */

/* What is known of a back-end here. */
struct delivery_gate {
	struct delivery_target target;
	unsigned in_flight;
	unsigned failures;       /* in a row, of the back-end itself; 0: it takes what is sent */
	uint64_t next_ms;        /* monotonic: with failures, nobody tries before */
	uint64_t succeeded_ms;   /* monotonic: when it last took something; 0: never */
	uint64_t rests_until_ms; /* monotonic: the outbox gave nothing out because of its own trouble */
};

/* One item on its way. */
struct delivery_job {
	struct worker_job job;
	struct delivery *delivery;
	struct delivery_gate *gate;
	struct arena *arena;
	struct outbox_claim claim;
	uint64_t extended_ms; /* monotonic: when its lease began anew */
	struct delivery_job *next;
};

/* What the outbox held a moment ago. */
struct delivery_counts {
	bool read;       /* it was asked */
	bool answers;    /* and it answered */
	bool works;      /* and takes more */
	bool is_locked;  /* something waits that no key of this gateway opens */
	uint64_t all_ms; /* monotonic: when the settled ones are counted again */
	uint64_t strays; /* for back-ends that are none here: nobody delivers them */
	struct delivery_count {
		uint64_t count;
		int64_t oldest_ms; /* wall clock; 0: none */
	} states[OUTBOX_STATES];
};

struct delivery {
	struct delivery_options options;
	struct outbox *outbox;
	struct worker_pool *pool;
	pthread_t thread;     /* looks for what is due, keeps leases */
	bool has_begun;       /* the thread is there */
	pthread_mutex_t lock; /* of everything below */
	bool stopping;
	struct delivery_gate *gates;
	size_t gate_count;
	struct delivery_job *jobs; /* under way */
	struct delivery_counts counts;
	struct watch watch;
	int64_t begun_ms;            /* wall clock */
	struct worker_job announced; /* looks after what was announced, one at a time */
	bool announced_at_work;
	uint64_t announced_next_ms; /* monotonic: not before */
	unsigned announced_left;    /* times in a row that something stayed undecided */
};

bool delivery_is_stopping(struct delivery *delivery);

/* How an attempt ended, for the gate of its back-end. */
enum delivery_end {
	DELIVERY_TAKEN,  /* the back-end answered, whatever it said */
	DELIVERY_AWAY,   /* it did not, or cannot */
	DELIVERY_UNTRIED /* it was not asked */
};

/* Delivers the claimed item and settles it, or puts it off. works: the back-end has lately taken other items. */
enum delivery_end delivery_attempt(struct delivery *delivery, const struct delivery_job *job, bool works);

/* Finds out what became of that from which announced items follow, when who announced them must be dead (they were there
 * before this delivery was, or are older than requests get), in a thread of the pool. What has happened goes on at once;
 * that something has not is believed when it is twice as old: the back-end may still be about it. For the thread that
 * looks. */
void delivery_announced_look(struct delivery *delivery);

/* Asks the outbox how much it holds, for operators (of the settled items, which may be many, not more often than may be
 * afforded); and shows them. */
void delivery_counts_read(struct delivery *delivery);
void delivery_watch_begin(struct delivery *delivery);

/* The wait before attempt number n + 1, in milliseconds: doubled each time up to the configured end, a part of it by
 * chance so that not all come at once. */
uint64_t delivery_backoff_ms(const struct config *config, unsigned attempts);

#endif
