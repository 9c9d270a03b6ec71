/* Identities on the disk, in the registry's own database, so that a merge and a publication can never cross: who was fed
 * or configured, which identifiers are of one person, and what is known of them. A person is whatever links hold
 * together, in any number of steps. Patients that are configured and were never fed or linked have no row.
 * Source: ITI TF-1 5 and 23, TF-2 3.44. */
#ifndef PASSERELLE_IDENTITY_STORE_H
#define PASSERELLE_IDENTITY_STORE_H

#include "gateway/domain/patients.h"
#include "gateway/state/database.h"
#include "mappers/patient_query.h"

/* Makes the tables where they are missing. */
bool identity_store_prepare(struct database *database, struct outcome *outcome) MUST_CHECK;

/* What follows works on a connection; what enters, links and stores only inside database_write. Every false is
 * ERR_STORAGE or ERR_NO_MEMORY. */

struct identity_row {
	int64_t id;       /* 0: there is no such row */
	int64_t survivor; /* of a merge: the row that took its place; 0: none */
	bool is_fed;      /* it was the subject of a feed, not only named by one */
};

bool identity_find(struct connection *connection, const struct patient_identity *identity, struct identity_row *row,
		   struct outcome *outcome) MUST_CHECK;
/* Finds it, or makes a row without anything. */
bool identity_enter(struct connection *connection, const struct patient_identity *identity, struct identity_row *row,
		    struct outcome *outcome) MUST_CHECK;
bool identity_mark_fed(struct connection *connection, int64_t id, struct outcome *outcome) MUST_CHECK;

/* True for an identifier that is configured or has a row, and was not merged into another. */
bool identity_is_known(struct connection *connection, const struct patients *patients,
		       const struct patient_identity *identity, bool *is_known, struct outcome *outcome) MUST_CHECK;

/* The same for who may have documents: the identifier is the affinity domain's own, and configured or fed. */
bool identity_is_registered(struct connection *connection, const struct patients *patients,
			    const struct patient_identity *identity, bool *is_registered,
			    struct outcome *outcome) MUST_CHECK;

/* True for the affinity domain's authority and for those of any row. */
bool identity_authority_is_known(struct connection *connection, const struct patients *patients, struct str authority,
				 bool *is_known, struct outcome *outcome) MUST_CHECK;

/* Says that two rows are one person; and takes that back, was_linked telling whether just these two had been linked. */
bool identity_link(struct connection *connection, int64_t a, int64_t b, struct outcome *outcome) MUST_CHECK;
bool identity_unlink_rows(struct connection *connection, int64_t a, int64_t b, bool *was_linked,
			  struct outcome *outcome) MUST_CHECK;

/* All rows of the person that id belongs to, itself among them, without merged ones; the oldest first. */
struct identity_members {
	int64_t *ids;
	struct patient_identities identities; /* in the same order */
};
#define IDENTITY_MEMBERS_MAX 1000
bool identity_members(struct connection *connection, int64_t id, struct arena *arena, struct identity_members *members,
		      struct outcome *outcome) MUST_CHECK;

/* Row subsumed is no identity of its own any more: survivor takes its place and its links. */
bool identity_replace(struct connection *connection, int64_t survivor, int64_t subsumed,
		      struct outcome *outcome) MUST_CHECK;

/* Keeps the traits of a person under this row. Those of a seed never replace those of a feed. */
bool identity_person_store(struct connection *connection, int64_t id, const struct patient *patient, bool is_seed,
			   struct arena *arena, struct outcome *outcome) MUST_CHECK;
/* Reads them; is_there is false when none were stored. Its identifiers are empty. */
bool identity_person_read(struct connection *connection, int64_t id, struct arena *arena, struct patient *patient,
			  bool *is_there, struct outcome *outcome) MUST_CHECK;

/* Remembers that an item of the configuration was entered; was_new is false when it had been before. */
bool identity_seed_once(struct connection *connection, struct str item, bool *was_new,
			struct outcome *outcome) MUST_CHECK;

#endif
