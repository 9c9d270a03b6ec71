/* Who may rely on which state of which patient, until when. A gateway that was told a patient's version holds a lease on
 * it; a write is in force once no lease of an older version is left. In memory only: after a start, leases given before
 * it may exist, so nothing is in force earlier than one lease's time after the start. Any thread may call.
 *
 * The order that makes it true: a writer stores, then calls leases_committed, then waits in leases_settle. A reader calls
 * leases_begin, reads the store, and then leases_grant, which refuses when anything was committed in between. So a lease
 * on the old version is either seen by the writer, or never given. */
#ifndef PASSERELLE_CONSENT_LEASES_H
#define PASSERELLE_CONSENT_LEASES_H

#include "gateway/run/deadline.h"
#include "mappers/base/str.h"

#define LEASE_MS       2000 /* as counted here, from the moment it is given */
#define LEASE_GIVEN_MS 1900 /* as told: clocks that run at slightly different speeds must not matter */

struct leases;

/* NULL without memory. Free with leases_free when nobody waits any more. */
struct leases *leases_new(void) MUST_CHECK;
void leases_free(struct leases *leases);

/* A mark for leases_grant, taken before the store is read. */
uint64_t leases_begin(struct leases *leases, struct str patient_id);

/* Notes that this gateway relies on this version, and says for how long (0: there is no room for more leases; the answer
 * may be used once). False: the version may be old; begin again. */
bool leases_grant(struct leases *leases, struct str gateway, struct str patient_id, int64_t version, uint64_t mark,
		  uint64_t *lease_ms) MUST_CHECK;

/* A new version of this patient is durable. */
void leases_committed(struct leases *leases, struct str patient_id);

/* This gateway does not rely on versions below this one any more. */
void leases_return(struct leases *leases, struct str gateway, struct str patient_id, int64_t version);

/* True when no lease of a version below this one is left; for tests. */
bool leases_are_settled(struct leases *leases, struct str patient_id, int64_t version);

/* Waits until no lease of a version below this one is left, which is at most LEASE_MS. False when it cannot: the deadline
 * comes first, or too many wait already. */
bool leases_settle(struct leases *leases, struct str patient_id, int64_t version, struct deadline deadline) MUST_CHECK;

#endif
