/* What the two searches (ITI-66 and ITI-67) share around their plans: reading the request or the cursor of a page,
 * settling who and what is meant, asking the sources, and the links of the answer. */
#ifndef PASSERELLE_SEARCH_H
#define PASSERELLE_SEARCH_H

#include "gateway/transactions/legs.h"
#include "gateway/transactions/resources.h"
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

/* Who and which ids are meant. kinds: what _id may be, as a sealed id. */
bool search_resolve(const struct transaction *t, const struct search_needs *needs, enum seal_kind kind,
		    struct search_resolved *resolved) MUST_CHECK;

/* A leg for each source that can have something: none where nobody is meant, those of the communities that were named,
 * those that the ids are of, and of a search that goes on those that have answered before. */
bool search_legs(const struct transaction *t, const struct search_opening *opening, const struct search *search,
		 const struct search_resolved *resolved, struct legs *legs) MUST_CHECK;

/* What is meant, as the leg's source knows it. *nobody: the source knows no such patient and has nothing. */
bool search_at(struct leg *leg, const struct search_resolved *resolved, struct search_resolved *there,
	       bool *nobody) MUST_CHECK;

/* Says, once per answer, that some of what waits is too much to be shown. True when any is missing. */
bool search_waiting_tell(const struct legs *legs);

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

/* Ends an entry: resource (written into scratch) goes into the Bundle, cut down where the view asks for it. */
bool search_entry_write(const struct transaction *t, const struct search_view *view, const char *type, struct str id,
			const struct buf *scratch, struct json_writer *writer) MUST_CHECK;

#endif
