/* Found objects in their order, without doubles, cut into pages. */
#ifndef PASSERELLE_SEARCH_PAGE_H
#define PASSERELLE_SEARCH_PAGE_H

#include "mappers/search_plan.h"
#include "mappers/search_table.h"

struct search_candidate {
	struct search_key key;
	enum search_object object;
	struct str patient_id; /* as search_patient writes it */
	struct str version;    /* versionName; absent counts as 1 */
	bool deprecated;
	struct str size; /* of the bytes; what is empty is not known, and so no difference */
	size_t index;    /* of the caller's array, which is in the order of the sources */
	struct str time; /* filled by search_candidates_merge: its own, where key.time is that of all copies */
	size_t twin;     /* likewise: 1 + index of another one with the same uniqueId that is no copy; 0: none */
};

/* A CX in the one spelling that candidates are compared by; as it stands where it cannot be read. */
struct str search_patient(struct str patient_id, struct arena *arena);

/* Keeps one candidate of each id in each source: the highest version, of equal ones the one that is not deprecated. Ids
 * are compared without case. Returns how many are left at the front. */
size_t search_candidates_unique(struct search_candidate *candidates, size_t count);

/* Of copies of one thing, keeps one: that of the first source, and where that has several, because the thing was submitted
 * again (ITI TF-3 4.2.4, XDSNonIdenticalHash), one that is not deprecated and the newest of those. Things of two patients
 * or two kinds, and those with other bytes, are no copies: they stay, and each has another as its twin. So does one of
 * whose bytes too little is known to say which of several different ones it is a copy of.
 * What has several times is sorted by the first of them in the order of the search (FHIR R4 3.1.1.5.1): when the source of
 * one leaves between two pages, the others make its place a later one or the same, so that it may be shown again but is
 * never lost. Returns how many are left at the front. */
size_t search_candidates_merge(struct search_candidate *candidates, size_t count, bool descending);

struct search_window {
	size_t first;
	size_t count;
	bool more;
};

/* Sorts by key, the time in the direction of search (what has no time comes last either way), and cuts the page that
 * search asks for; a copy of what was shown last, where that is gone, is no news. With SUMMARY_COUNT the page is empty. */
struct search_window search_candidates_page(struct search_candidate *candidates, size_t count,
					    const struct search *search);

#endif
