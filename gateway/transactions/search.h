/* What searches share: reading the request or the cursor of a page, and the links of the answer; and what those for Lists and
 * documents (ITI-66 and ITI-67) do in each leg. */
#ifndef PASSERELLE_SEARCH_H
#define PASSERELLE_SEARCH_H

#include "gateway/transactions/legs.h"
#include "mappers/searchset.h"

/* The parameters of a request; those of a next link come out of its sealed cursor, and after is where its page begins.
 * Errors: ERR_VALUE_INVALID for a cursor that is not ours, ERR_TOO_COSTLY, ERR_NO_MEMORY. */
struct search_opening {
	struct search_rules rules;
	struct search_params params;
	struct search_key after;
	bool has_after;
	struct search_sources sources; /* of a search that goes on: who has answered so far */
};
bool search_open(const struct transaction *t, const struct search_request *request,
		 struct search_opening *opening) MUST_CHECK;

/* What is meant, as the leg's source knows it. *nobody: the source knows no such patient and has nothing. */
bool search_at(struct leg *leg, const struct search_resolved *resolved, struct search_resolved *there,
	       bool *nobody) MUST_CHECK;

/* What is asked of the leg's source: the search itself; or all that the patient has there, to be filtered later, where the
 * patient hides documents one by one and copies of them in other sources must be recognised. */
struct search search_widened(struct leg *leg, const struct search *search, const struct search_resolved *resolved);

/* After a run of questions: drops from what each leg has what the patient hides in sources that were not asked so. */
bool search_hide(const struct legs *legs) MUST_CHECK;

/* What waits for documents of the patient counts from here on, also where the source does not answer. wanted as in
 * visible_changes.h; after search_ask, search_ask_changed also asks for those that may answer as they will be. */
bool search_changes(struct leg *leg, struct str patient_id, const struct changes_wanted *wanted) MUST_CHECK;
bool search_ask_changed(struct leg *leg) MUST_CHECK;

/* Sends the queries one after the other; a registry that says XDSTooManyResults is asked for the ids first and then for
 * the objects in batches (documents only). leg->answers is parallel to queries. */
bool search_ask(struct leg *leg, const struct stored_query *queries, size_t count) MUST_CHECK;

/* Self and next link of one page. type: of the resources; last: NULL on the last page; sources: NULL when the search asks
 * none. */
bool search_links(const struct transaction *t, const char *type, struct str honoured, const struct search_key *last,
		  const struct search_sources *sources, struct searchset *set) MUST_CHECK;

/* The leg of the source with this number. */
struct leg *search_leg(const struct legs *legs, uint8_t source);

#endif
