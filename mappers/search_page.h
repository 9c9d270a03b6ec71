/* Found objects in their order, without doubles, cut into pages. */
#ifndef PASSERELLE_SEARCH_PAGE_H
#define PASSERELLE_SEARCH_PAGE_H

#include "mappers/search_plan.h"

struct search_candidate {
	struct search_key key;
	struct str version; /* versionName; absent counts as 1 */
	bool deprecated;
	struct str size; /* of the bytes; what is empty is not known, and so no difference */
	size_t index;    /* of the caller's array, which is in the order of the sources */
	size_t twin;     /* 1 + index of another one with the same uniqueId and other bytes; 0: none */
};

/* Keeps one candidate of each id in each source: the highest version, of equal ones the one that is not deprecated. Ids
 * are compared without case. Returns how many are left at the front. */
size_t search_candidates_unique(struct search_candidate *candidates, size_t count);

/* Of copies of one thing, keeps one: that of the first source, and where that has several, because the thing was submitted
 * again (ITI TF-3 4.2.4, XDSNonIdenticalHash), one that is not deprecated and the newest of those. Those with
 * other bytes stay, and each has the other as its twin. Returns how many are left at the front. */
size_t search_candidates_merge(struct search_candidate *candidates, size_t count);

struct search_window {
	size_t first;
	size_t count;
	bool more;
};

/* Sorts by key, the time in the direction of search (what has no time comes last either way), and cuts the page that
 * search asks for. With SUMMARY_COUNT the page is empty. */
struct search_window search_candidates_page(struct search_candidate *candidates, size_t count,
					    const struct search *search);

#endif
