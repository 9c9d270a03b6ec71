/* Inside gateway/access only: what this gateway knows of each patient's consent, and until when it may rely on it. One
 * thread asks for a patient at a time; the others wait for its answer. Bounded: the patient not asked for longest makes
 * room. Times are monotonic. Any thread may call.
 *
 * A lease counts from before its question went out, so it ends here before the directory thinks it does. What was asked
 * before somebody said that it is outdated never becomes a lease afterwards: its asker may use it once, since it began
 * to ask before; nobody else. */
#ifndef PASSERELLE_CONSENT_STATES_H
#define PASSERELLE_CONSENT_STATES_H

#include "gateway/run/deadline.h"
#include "mappers/base/arena.h"

struct consent_states;

/* NULL without memory. bytes_max: of all sets together. */
struct consent_states *consent_states_new(size_t patients_max, size_t bytes_max) MUST_CHECK;
void consent_states_free(struct consent_states *states);

struct consent_known {
	uint64_t version;
	struct str set;  /* a compiled set (consent_set_write), in the arena */
	uint64_t age_us; /* since a source confirmed it */
};

/* What a source says when it is asked. */
struct consent_told {
	uint64_t asked_us; /* when the question went out that gave the lease */
	uint64_t version;
	uint64_t lease_us;
	struct str set; /* data NULL: as before, the version is the known one */
};

/* One who can say. */
struct consent_asker {
	void *ctx;
	/* Gets what is known (set.data NULL: nothing). Called without a lock; false when the source cannot say. */
	bool (*ask)(void *ctx, struct str patient_id, const struct consent_known *known, struct consent_told *told);
	/* Writes down what is true now, for later; called with a lock held, for a new set and after keep_us again, never
	 * for what is outdated already. NULL: nothing is written down. */
	void (*keep)(void *ctx, struct str patient_id, struct str set);
	uint64_t keep_us;
};

enum consent_got {
	CONSENT_GOT,     /* under a lease, or asked for this call */
	CONSENT_GOT_OLD, /* the source cannot be asked; known is what it said last, and nobody said that it is outdated */
	CONSENT_GOT_NOTHING
};

/* Finds the state of a patient: from a lease, or by asking. Waits for another thread's asking until deadline. */
enum consent_got consent_states_get(struct consent_states *states, struct str patient_id, struct deadline deadline,
				    const struct consent_asker *asker, struct arena *arena,
				    struct consent_known *known) MUST_CHECK;

/* Versions below this one are outdated (0: which one is not known, the present one may be): no lease on them is used
 * from now on, also not one that is just being asked for. */
void consent_states_outdate(struct consent_states *states, struct str patient_id, uint64_t version);

#endif
