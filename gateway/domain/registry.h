/* The Document Registry: what ITI-42 and ITI-57 may store, what ITI-62 may remove, and what ITI-18 finds. Source: ITI TF-2
 * 3.18, 3.42, 3.57, 3.62, TF-3 4.2. */
#ifndef PASSERELLE_REGISTRY_H
#define PASSERELLE_REGISTRY_H

#include "gateway/domain/registry_rows.h"
#include "mappers/stored_query.h"

/* Stores a submission that submission_read has passed: checks the rules that need the registry, then adds its objects,
 * deprecates what is replaced with everything that hangs on it, and keeps folders up to date. Call inside
 * database_write: when it returns false (XDS errors in outcome) the work must return false too, and nothing is stored. */
bool registry_commit(struct connection *connection, const struct submission *submission, struct arena *arena,
		     struct outcome *outcome) MUST_CHECK;

/* The same for an ITI-57 (submission_rules.is_update): adds new versions of document entries, with the associations of the
 * versions before them, which become deprecated; and changes statuses. Everything or nothing. XDS errors:
 * XDSMetadataVersionError (PreviousVersion is not the current one), XDSMetadataUpdateError, XDSPatientIDReconciliationError. */
bool registry_update(struct connection *connection, const struct submission *submission, struct arena *arena,
		     struct outcome *outcome) MUST_CHECK;

/* ITI-62: removes the objects with these ids, all or none, and *count of them. Inside database_write. XDS errors:
 * UnresolvedReferenceException; ReferencesExistException (an association that stays leads to one);
 * XDSUnreferencedObjectException (one that stays would have no association any more). */
bool registry_remove(struct connection *connection, const struct strs *ids, struct arena *arena, size_t *count,
		     struct outcome *outcome) MUST_CHECK;

struct query_limits {
	size_t leaf_class_max; /* objects in one LeafClass answer: XDSTooManyResults beyond */
	size_t object_ref_max;
};

struct query_answer {
	struct rows rows;
	bool object_ref; /* only the ids are asked for */
};

/* True for a query that asks by a patient's id, and so may go to communities that were not named. False for one by ids of
 * objects, and for one that is not known. ITI TF-2 3.18.4.1.2.3.7, 3.38.4.1.2 */
bool registry_query_is_by_patient(const struct stored_query *query);

/* Answers a stored query from one snapshot. Call inside database_read. XDS errors in outcome: XDSUnknownStoredQuery,
 * XDSStoredQueryMissingParam, XDSStoredQueryParamNumber, XDSTooManyResults, XDSResultNotSinglePatient. */
bool registry_query(struct connection *connection, const struct stored_query *query, const struct query_limits *limits,
		    struct arena *arena, struct query_answer *answer, struct outcome *outcome) MUST_CHECK;

#endif
