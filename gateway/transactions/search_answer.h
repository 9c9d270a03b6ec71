/* The way that the two searches (ITI-66 and ITI-67) go together: from the request to the legs that are asked, and from a page
 * to the searchset. What is asked of each source, and what a page is, is their own. */
#ifndef PASSERELLE_SEARCH_ANSWER_H
#define PASSERELLE_SEARCH_ANSWER_H

#include "gateway/transactions/search.h"

struct searching {
	struct search search;
	struct search_resolved resolved; /* who and which ids are meant */
	struct legs legs;                /* wanted are those that can have something */
};

/* document_search_read or list_search_read. */
typedef bool (*search_read_fn)(const struct search_params *params, const struct search_rules *rules,
			       struct arena *arena, struct search *search, struct outcome *outcome);

/* Reads the request, or the cursor of a next link, and finds out who and what is meant. kind: what _id may be, as a sealed
 * id. */
bool searching_begin(const struct transaction *t, const struct search_request *request, search_read_fn read,
		     enum seal_kind kind, struct searching *searching) MUST_CHECK;

/* Before the surroundings of the page are asked for, since who does not tell those has answered all the same. type: of the
 * resources; last: of the page; NULL when there is no next one. */
bool searching_links(const struct searching *searching, const char *type, const struct search_key *last,
		     struct searchset *set) MUST_CHECK;

/* Fills leg->around of the legs that are wanted, by read, and drops from it what is hidden. */
bool searching_around(struct legs *legs, bool (*read)(struct leg *leg, const void *ctx)) MUST_CHECK;

/* A page. write writes one resource of it; *id is what its URL ends in, without memory STR_NONE. */
struct search_shown {
	const void *page;
	size_t count;
	size_t total; /* of all pages */
	bool (*write)(const struct legs *legs, const void *page, size_t index, struct str *id,
		      struct json_writer *resource);
};

/* The Bundle, with the warnings of the request. set: from searching_links. */
bool searching_write(const struct searching *searching, const char *type, const struct search_shown *shown,
		     struct searchset *set, struct buf *answer) MUST_CHECK;

#endif
