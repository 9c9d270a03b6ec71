/* Who delivers: claims the item whose turn it is, under a lease with a fencing number, and says what became of it.
 * Whose lease has run out is told OUTBOX_STALE, and must not act on the item any more. Of a line at most one item is
 * claimed at a time. */
#ifndef PASSERELLE_OUTBOX_LEASE_H
#define PASSERELLE_OUTBOX_LEASE_H

#include "gateway/state/outbox.h"

enum outbox_claimed { OUTBOX_CLAIMED, OUTBOX_NOTHING, OUTBOX_CLAIM_FAILED };

struct outbox_claim {
	struct outbox_item item; /* is_unclear: also when the lease of an earlier claim ran out */
	uint64_t fence;          /* grows with every claim of the item */
	uint64_t lease_ms;       /* config.outbox_lease_seconds: extend it in time */
};

/* The item of this target that has had its turn for longest and is due. OUTBOX_NOTHING: *wait_ms is after how long the
 * next one is due, at most OUTBOX_DELAY_MAX_MS; what others put may be due before: see outbox_wait. */
enum outbox_claimed outbox_claim(struct outbox *outbox, struct str target, struct arena *arena,
				 struct outbox_claim *claim, uint64_t *wait_ms, struct outcome *outcome) MUST_CHECK;

/* FAILED (with an issue): it is not known whether it was done; it may be called again. */
enum outbox_done { OUTBOX_DONE, OUTBOX_STALE, OUTBOX_DONE_FAILED };

/* The lease begins anew. unclear: bytes are about to go out (stays set until the item is settled or put off). */
enum outbox_done outbox_extend(struct outbox *outbox, const struct outbox_claim *claim, bool unclear,
			       struct outcome *outcome) MUST_CHECK;

/* The end: state is OUTBOX_DELIVERED, OUTBOX_REFUSED or OUTBOX_WITHDRAWN. unclear: of a refused one, see outbox_item.
 * reason: without patient data; result: sealed, for whoever asks after the item. Both may be empty. */
enum outbox_done outbox_settle(struct outbox *outbox, const struct outbox_claim *claim, enum outbox_state state,
			       bool unclear, struct str reason, struct str result, struct outcome *outcome) MUST_CHECK;

/* WAITING again, due after_ms from now (at most OUTBOX_DELAY_MAX_MS). unclear: see outbox_item. counts: as an attempt of
 * this item's; otherwise it was the target that failed, whatever it was sent. */
enum outbox_done outbox_put_off(struct outbox *outbox, const struct outbox_claim *claim, uint64_t after_ms,
				struct str reason, bool unclear, bool counts, struct outcome *outcome) MUST_CHECK;

/* Something else takes the place of the claimed item, under its id and at its age: kind, patient, names and parts of item
 * (its id is not used, and its target is the same). Durable as outbox_put, and the claim is over: it waits, due at once, in
 * the line of that patient, behind what was put before it and before what was put later. For what could not be said in
 * full when it was put. The bound on the outbox's bytes does not apply. */
enum outbox_done outbox_rework(struct outbox *outbox, const struct outbox_claim *claim, const struct outbox_new *item,
			       struct outcome *outcome) MUST_CHECK;

/* The claimed item makes these names no more: they are another's. What needs them does not wait for it, nor is it found by
 * them. Nothing is done to one that is not the claim's any more. */
bool outbox_disown(struct outbox *outbox, const struct outbox_claim *claim, const struct str *names, size_t count,
		   struct outcome *outcome) MUST_CHECK;

/* As if it had not been claimed; due at once. */
enum outbox_done outbox_give_back(struct outbox *outbox, const struct outbox_claim *claim,
				  struct outcome *outcome) MUST_CHECK;

/* Waits until something may be due that was not before (a put, a settled item, a person's retry in this process), or
 * until wait_ms have passed. *seen belongs to the waiting thread and begins with 0; read it (outbox_wait with 0 ms)
 * before claiming, so that nothing is missed between claiming and waiting. What other processes put rings no bell here:
 * wait a second or so at most. */
void outbox_wait(struct outbox *outbox, uint64_t *seen, uint64_t wait_ms);

/* Ends the waits that are under way: something may be due that was not before, or the waiting threads are to stop. */
void outbox_wake(struct outbox *outbox);

#endif
