/* What ITI-66 and ITI-67 share: rules, the view of the answer, the page, and what I/O has to resolve first.
 *
 * How a search is answered: (1) *_search_read, (2) the gateway resolves patient claims and ids, (3) *_search_queries,
 * (4) the gateway sends them as LeafClass, (5) *_search_select filters exactly, drops doubles, sorts and cuts the page.
 * Paging: ITI-18 has no pages, so every page asks again and goes on behind the last key that was shown. An exact total
 * needs all entries once a filter is local, and a patient's entries fit into one answer; a registry that says
 * XDSTooManyResults is asked again with object_ref set and then by get_documents in batches.
 * The next link carries search_cursor.h's bytes, sealed by the gateway: no state, no patient data in a URL, and
 * nothing lost or repeated when documents come or go between two pages.
 * Several sources: (3) to (4) happen for each, (5) for all together. Copies of one document (same patient, uniqueId and
 * bytes), in one source or several, are one entry. The key of an entry does not depend on which copy is shown, so that
 * pages stay as they are when a source goes away; copies with different times may be shown again then, and are not lost.
 * A source that did not answer one page is not asked for the next: what is missing is missing to the end. */
#ifndef PASSERELLE_SEARCH_PLAN_H
#define PASSERELLE_SEARCH_PLAN_H

#include "mappers/metadata.h"
#include "mappers/patient_claim.h"
#include "mappers/search_date.h"
#include "mappers/search_params.h"

#define SEARCH_CLAIMS_MAX       4
#define SEARCH_IDS_MAX          50 /* _id and identifier alternatives */
#define SEARCH_BATCH            50 /* ids of one Get query */
#define SEARCH_CURSOR_PARAMETER "_page"

struct search_rules {
	bool strict;                /* Prefer: handling=strict */
	int default_offset_minutes; /* zone of a date without one */
	size_t page_entries;        /* _count when the client names none */
	size_t page_entries_max;
	struct str base;         /* public base URL without a slash at its end: recognises our own absolute URLs */
	struct strs communities; /* what targetCommunityIdList may name ("urn:oid:...") */
};

enum search_summary { SUMMARY_FALSE, SUMMARY_TRUE, SUMMARY_TEXT, SUMMARY_DATA, SUMMARY_COUNT };

/* How the answer shall look. */
struct search_view {
	enum search_summary summary; /* SUMMARY_COUNT also for _count=0 */
	struct strs elements;        /* _elements; count 0: all */
	size_t page_entries;
	struct str format; /* _format as written, for the negotiation; STR_NONE when absent */
	bool pretty;
};

/* A place between two entries of the sorted result: they are in the order of these members. */
struct search_key {
	struct str time; /* DTM that is sorted by; may be empty */
	struct str unique_id;
	struct str hash; /* of the bytes; empty: not known */
	uint8_t source;  /* number in sealed ids */
	struct str id;   /* logicalID, or entryUUID where there is none */
};

/* What must be known before the queries can be written. */
struct search_needs {
	struct patient_claim claims[SEARCH_CLAIMS_MAX]; /* all must resolve to the same patient; others find nothing */
	size_t claim_count;
	struct strs ids;   /* resource ids of _id, to be opened by the gateway */
	bool last_updated; /* _lastUpdated is asked: select wants the submission time of each entry */
};

/* What the gateway found out. */
struct search_resolved {
	struct str patient_id;       /* CX in the affinity domain; STR_NONE when no claim was made */
	bool nobody;                 /* a claim names nobody, or two claims name two people: the result is empty */
	struct strs uuids;           /* urn:uuid: of the ids that could be opened; the others find nothing */
	const uint8_t *uuid_sources; /* parallel to uuids: number of the source that each is of */
};

struct search_filter;

/* One search, read and checked; it points into the parameters and rules it was read from. */
struct search {
	struct search_needs needs;
	struct search_view view;
	struct strs communities; /* targetCommunityIdList: the others are not asked; count 0: all are */
	struct str honoured;     /* the parameters that were understood, encoded for a self link */
	struct search_key after; /* the page begins behind this entry; filled from a cursor by the gateway */
	bool has_after;          /* false: at the start */
	bool submission_sets;    /* Lists only: what code asks for */
	bool folders;
	struct search_filter *filters; /* ANDed */
	size_t filter_count;
	struct str sort; /* parameter that is sorted by */
	bool sort_descending;
};

#endif
