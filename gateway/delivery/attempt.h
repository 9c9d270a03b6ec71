/* Inside gateway/delivery only: one attempt, and the ways in which kinds of items are delivered. */
#ifndef PASSERELLE_DELIVERY_ATTEMPT_H
#define PASSERELLE_DELIVERY_ATTEMPT_H

#include "gateway/audit/trail.h"
#include "gateway/delivery/delivery_state.h"
#include "gateway/south/xds_client.h"
#include "mappers/publication_parts.h"

#define ATTEMPT_ASK_MS 5000
#define ATTEMPTS_MAX   20 /* of one that a back-end fails on which takes others */

/* How it stands with the item after a step; GO_ON: nothing is in the way of the next one. */
enum stand {
	STAND_GO_ON,
	STAND_DELIVERED,
	STAND_REFUSED,  /* for good: the outcome says why */
	STAND_LATER,    /* nothing of it is registered */
	STAND_UNCLEAR,  /* nobody can tell now whether it is */
	STAND_WITHHELD, /* the patient does not permit it (any more) */
	STAND_DECIDED,  /* what it is to be waits for its turn */
	STAND_LOST      /* somebody else has it */
};

struct attempt {
	struct delivery *delivery;
	const struct delivery_target *target;
	const struct outbox_claim *claim;
	enum publication_kind kind;
	struct arena *arena;
	struct publication_head head;
	struct metadata metadata;
	struct metadata planned; /* with the ids that the answer was prepared with */
	struct str answer;
	struct str body;                /* of a request, which has no metadata */
	struct str patient_id;          /* of a request that is done */
	struct strs built_upon;         /* by what changes of the documents that were looked up for it are known */
	struct xds_document *documents; /* NULL: not read yet */
	size_t *parts;                  /* where each document is in the item, parallel to the entries */
	uint64_t bytes;                 /* of all documents */
	struct south south;
	struct audit_trail *trail;
	struct outcome outcome;
	enum delivery_end end;
	bool is_counted; /* towards ATTEMPTS_MAX: the back-end failed on it, and takes others */
	unsigned tries;  /* how long it is put off by: see delivery_backoff_ms */
	bool is_unclear; /* this or an earlier attempt may have reached it, as far as is known now */
};

/* What is recorded of it begins, and its target can be asked. request_id, traceparent: borrowed. */
bool attempt_begin(struct attempt *attempt, const char *request_id, const char *traceparent) MUST_CHECK;

/* Delivers a change: the registry is asked what there is now, and gets what is left to do. works: the back-end has
 * lately taken other items. */
enum stand attempt_change(struct attempt *attempt, bool works) MUST_CHECK;

/* Puts what the publication builds upon under the ids that it is registered by, and takes out what a folder holds already;
 * requests about it that came before are worked out first. */
enum stand attempt_targets(struct attempt *attempt) MUST_CHECK;

/* The same for one that is registered: its answer and what is shared of it must say the right ids. */
enum stand attempt_targets_name(struct attempt *attempt) MUST_CHECK;

/* The answer names what was planned; it may be registered under other ids. False without memory. */
bool attempt_id_rename(struct attempt *attempt, enum seal_kind kind, struct str from, struct str to) MUST_CHECK;

/* Works a request out. What it has become is delivered at its next turn. */
enum stand attempt_request(struct attempt *attempt, bool works) MUST_CHECK;

/* What came before it goes first. Requests about these documents ("urn:uuid:", logicalIDs; others have none) are worked
 * out, and none of them has become a change before it in its line since it was claimed. */
enum stand attempt_requests_first(struct attempt *attempt, const struct strs *documents) MUST_CHECK;
enum stand attempt_is_next(struct attempt *attempt) MUST_CHECK;

/* Before bytes go out: the lease begins anew, and nobody knows how it ends. Or something else takes its place and waits for
 * its turn (outbox_rework): STAND_DECIDED. */
enum stand attempt_mark(struct attempt *attempt) MUST_CHECK;
enum stand attempt_rework(struct attempt *attempt, const struct outbox_new *item) MUST_CHECK;

/* STAND_REFUSED, for this reason; and what a failed exchange makes of the item. */
enum stand attempt_refuse(struct attempt *attempt, enum error_code code, const char *text) MUST_CHECK;
enum stand attempt_failed(struct attempt *attempt, const struct outcome *sending, bool is_unclear,
			  bool works) MUST_CHECK;

/* Whether another network is given it. Then, before it leaves: what the patient does not permit (any more) is dropped, and
 * the patient gets the identifier by which that network knows them. */
bool attempt_is_shared(const struct attempt *attempt);
enum stand attempt_share_prepare(struct attempt *attempt) MUST_CHECK;

/* What has been registered is given on, durably, before it counts as delivered. STAND_DELIVERED when it is. */
enum stand attempt_share_onward(struct attempt *attempt) MUST_CHECK;

#endif
