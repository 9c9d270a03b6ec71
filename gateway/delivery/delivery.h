/* Publications that wait are delivered here: each in its turn, exactly once as the registry sees it, in the name of who
 * sent them. One delivery per tenant: a thread that looks for what is due, and a few that deliver while there is work.
 * A back-end that does not answer is tried by one item at a time; as soon as it takes one, all others follow. */
#ifndef PASSERELLE_DELIVERY_H
#define PASSERELLE_DELIVERY_H

#include "gateway/access/communities.h"
#include "gateway/audit/trail.h"
#include "gateway/run/seal.h"
#include "gateway/run/spool.h"
#include "gateway/south/xua.h"
#include "gateway/state/outbox.h"
#include "mappers/publication_parts.h"

struct delivery;

/* A back-end by the name that items carry as their target. */
struct delivery_target {
	struct str name;
	struct backend *backend;
	struct str home;                         /* what queries carry, or STR_NONE */
	uint8_t source_number;                   /* in sealed ids */
	const struct other_community *community; /* how it knows patients; NULL: as the affinity domain does */
};

/* What a request about a document comes to (PUBLICATION_REQUEST), once the registry can be asked. */
enum delivery_worked {
	WORK_MADE,    /* a change, which now waits in its place */
	WORK_DONE,    /* nothing that is left to do */
	WORK_REFUSED, /* for good: the outcome says why */
	WORK_LATER    /* it cannot be said now; the outcome says why */
};

struct delivery_work {
	const struct south *south; /* to ask in the name of who sent it; its arena keeps what is made */
	struct str target;
	const struct publication_head *head;
	struct str body;
	int64_t seq; /* its place in the outbox */
	struct audit_trail *trail;
	struct outcome *outcome;
	bool has_answered;      /* out: the target has */
	bool was_asked;         /* out: the target was, and what failed failed there */
	struct outbox_new item; /* out, WORK_MADE: what takes its place */
	struct str answer;      /* out, WORK_DONE: what who sent it gets */
	struct str patient_id;  /* out, WORK_DONE */
};

/* All borrowed for the life of the delivery. */
struct delivery_options {
	const struct config *config;
	struct access *access;
	struct audit *audit; /* NULL: off */
	struct xua *xua;     /* NULL: nobody is told who asks */
	struct seal *seal;
	struct spool_limits *spools;
	const struct delivery_target *targets; /* the first is where publications go */
	size_t target_count;
	struct str base;
	/* Works a request out as if it had come now. Any thread calls it, many at a time. */
	enum delivery_worked (*work_out)(void *work_ctx, struct delivery_work *work);
	void *work_ctx;
};

/* Opens the outbox; *delivery is NULL where publication.degraded refuses, nothing is shared, and nothing waits from before;
 * or it is not known what does, because the outbox cannot be opened (*is_lost), which is logged.
 * Errors: those of outbox_open, ERR_VALUE_INVALID (no state_directory), ERR_NO_MEMORY. */
bool delivery_open(const struct delivery_options *options, struct delivery **delivery, bool *is_lost,
		   struct outcome *outcome) MUST_CHECK;

/* Begins to deliver, when everything is there that work_out needs. NULL is allowed. ERR_NO_MEMORY. */
bool delivery_begin(struct delivery *delivery, struct outcome *outcome) MUST_CHECK;

/* Takes nothing up any more, waits for what is being sent, which is taken up again at the next start. After the last
 * request. NULL is allowed. */
void delivery_close(struct delivery *delivery);

struct outbox *delivery_outbox(const struct delivery *delivery);

/* Whether what must wait may come in, as it may at first; else publications and changes that would wait are refused (ERR_BUSY).
 * What waits is delivered all the same. NULL is allowed. */
void delivery_admit(struct delivery *delivery, bool admits);

/* Whether these settings let anything wait: publications, changes, or what is shared of them. */
bool delivery_is_wanted(const struct config *config);

/* How many items are owed, dead letters and what is announced among them; none without delivery (NULL). Errors: those of the
 * outbox. */
bool delivery_undelivered(const struct delivery *delivery, uint64_t *count, struct outcome *outcome) MUST_CHECK;

/* Whether the outbox can be used, and takes what would wait: as it was when it was last counted, a moment ago. No I/O. */
bool delivery_works(struct delivery *delivery);

/* True while the back-end does not take what is sent: a direct attempt would only cost its client time. */
bool delivery_target_is_away(const struct delivery *delivery, struct str target);

#endif
