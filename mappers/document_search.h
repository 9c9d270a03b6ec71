/* Find Document References [ITI-67]: parameters to stored queries, and the exact filter over what comes back. The rows
 * are profiles/mhd/search.def. Source: MHD 4.2.4 3.67.4.1.2 and 3.67.4.1.3, ITI TF-2 3.18. */
#ifndef PASSERELLE_DOCUMENT_SEARCH_H
#define PASSERELLE_DOCUMENT_SEARCH_H

#include "mappers/search_plan.h"

struct stored_query;

/* Reads and checks the parameters. A parameter that is not known is ignored, or refused when rules->strict; a modifier
 * that is not known is always refused (FHIR R4 3.1.1.4.4). One of patient, patient.identifier, identifier or _id must
 * be there; a missing status means any status, and is refused when strict.
 * Errors: ERR_PARAMETER_MISSING, ERR_PARAMETER_UNKNOWN, ERR_VALUE_INVALID, ERR_TOO_COSTLY, ERR_NO_MEMORY.
 * search is filled on success; it points into params and rules. */
bool document_search_read(const struct search_params *params, const struct search_rules *rules, struct arena *arena,
			  struct search *search, struct outcome *outcome) MUST_CHECK;

/* The stored queries whose answers together hold every entry that can match; count 0 when none can. They are
 * LeafClass; for XDSTooManyResults set object_ref and follow with get_documents. */
bool document_search_queries(const struct search *search, const struct search_resolved *resolved, struct arena *arena,
			     struct stored_query **queries, size_t *count, struct outcome *outcome) MUST_CHECK;

/* True when the answer to such a query shows, beside a current entry of a document, all others that are current: asked for
 * by patient alone, or by uniqueId. */
bool shows_all_entries(const struct stored_query *query);

/* True when the entry answers every parameter. last_updated: DTM of its submission, used for _lastUpdated alone. */
bool document_search_matches(const struct search *search, const struct search_resolved *resolved,
			     const struct document_entry *entry, struct str last_updated, struct arena *arena);

struct document_found {
	const struct document_entry *entry;
	const struct document_entry *registered; /* as it is, where entry is how it will be; NULL: entry is as it is */
	struct str last_updated;                 /* DTM of its submission, when needs.last_updated */
	uint8_t source;                          /* number in sealed ids */
	/* Of a page: another with the same uniqueId that is no copy. NULL: none, or it stands before this one and tells. */
	const struct document_found *twin;
};

struct document_page {
	struct document_found *items; /* of this page, sorted */
	size_t count;
	size_t total; /* of all pages */
	bool more;    /* there is a next page; last is the key for its cursor */
	struct search_key last;
};

/* Filters what all sources have found, in their order; keeps one version of each logical entry (the highest, Approved
 * before Deprecated) and one copy of each document; sorts and cuts the page. */
bool document_search_select(const struct search *search, const struct search_resolved *resolved,
			    const struct document_found *found, size_t count, struct arena *arena,
			    struct document_page *page, struct outcome *outcome) MUST_CHECK;

/* Queries that both searches and reads by id need; each holds at most SEARCH_BATCH ids and one home (may be empty). */
bool get_documents(const struct str *entry_uuids, size_t count, struct str home, struct arena *arena,
		   struct stored_query *query) MUST_CHECK;
/* All versions of entries, by logicalID, from a registry with the metadata update option (TF-2 3.18.4.1.2.3.7.5);
 * another one refuses the parameter. */
bool get_documents_by_logical_id(const struct str *logical_ids, size_t count, struct str home, struct arena *arena,
				 struct stored_query *query) MUST_CHECK;
/* True when such a registry refused it, which has one version of everything; else nobody knows which versions there are. */
bool versions_are_unknown(const struct outcome *refusal);
/* The current versions alone. */
bool get_current_documents(const struct str *logical_ids, size_t count, struct str home, struct arena *arena,
			   struct stored_query *query) MUST_CHECK;
bool get_associations(const struct str *uuids, size_t count, struct str home, struct arena *arena,
		      struct stored_query *query) MUST_CHECK;
/* Submission sets that hold these documents or folders; with the HasMember associations. */
bool get_submission_sets(const struct str *uuids, size_t count, struct str home, struct arena *arena,
			 struct stored_query *query) MUST_CHECK;

#endif
