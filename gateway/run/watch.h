/* Who can say how a part of the process is at the moment. Asked on a polling thread when an operator looks: no I/O, and
 * no lock that is held for longer than a moment. */
#ifndef PASSERELLE_WATCH_H
#define PASSERELLE_WATCH_H

#include "gateway/run/metrics.h"

enum part {
	PART_NEEDED,      /* without it nothing can be served */
	PART_ONE_OF_MANY, /* one of all that works is enough */
	PART_TOLD         /* decides nothing by itself */
};

/* Gathers what the parts say. */
struct judgement {
	/* Told of each part; NULL: only the sum is wanted. tenant may be STR_NONE: of all. */
	void (*tell)(void *ctx, struct str tenant, struct str name, bool works);
	void *ctx;
	bool lacks_needed;
	bool lacks_any; /* something does not work, whether it decides or not */
	size_t many;
	size_t many_working;
};
void judge(struct judgement *judgement, enum part part, struct str tenant, struct str name, bool works);
bool judgement_is_good(const struct judgement *judgement); /* something can be served */

/* Embedded in whatever is watched. Callbacks that are NULL are not called. */
struct watch {
	void *ctx;
	void (*measure)(void *ctx, struct measures *measures);
	void (*judge)(void *ctx, struct judgement *judgement);
	struct watch *next;
};

/* From watch_begin to watch_end it may be asked; watch_end returns when nobody asks it any more. */
void watch_begin(struct watch *watch);
void watch_end(struct watch *watch);

/* Ask all. */
void watch_measure(struct measures *measures);
void watch_judge(struct judgement *judgement);

#endif
