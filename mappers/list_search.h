/* Find Document Lists [ITI-66]: SubmissionSets and Folders. The same steps as document_search.h.
 * Source: MHD 4.2.4 3.66.4.1.2 and 3.66.4.1.3, ITI TF-2 3.18. */
#ifndef PASSERELLE_LIST_SEARCH_H
#define PASSERELLE_LIST_SEARCH_H

#include "mappers/search_plan.h"

struct stored_query;

/* As document_search_read; a missing code or status means any, and is refused when strict. */
bool list_search_read(const struct search_params *params, const struct search_rules *rules, struct arena *arena,
		      struct search *search, struct outcome *outcome) MUST_CHECK;

bool list_search_queries(const struct search *search, const struct search_resolved *resolved, struct arena *arena,
			 struct stored_query **queries, size_t *count, struct outcome *outcome) MUST_CHECK;

/* One List of the page: exactly one of the first two is not NULL. */
struct list_entry {
	const struct submission_set *submission_set;
	const struct folder *folder;
	uint8_t source; /* number in sealed ids */
};

/* What a source has answered. */
struct list_answer {
	const struct metadata *metadata;
	uint8_t source;
};

struct list_page {
	struct list_entry *entries;
	size_t count;
	size_t total;
	bool more;
	struct search_key last;
};

/* Filters what all answers hold, in the order of their sources; drops doubles and second copies, sorts by date and cuts
 * the page. Document entries and associations in the answers are left alone. The members (List.entry) come from
 * get_associations over the page's ids. */
bool list_search_select(const struct search *search, const struct search_resolved *resolved,
			const struct list_answer *answers, size_t answer_count, struct arena *arena,
			struct list_page *page, struct outcome *outcome) MUST_CHECK;

/* For reads by id. A submission set query takes one id (TF-2 3.18.4.1.2.3.7.9) and answers with the contents too. */
bool get_submission_set_and_contents(struct str entry_uuid, struct str home, struct arena *arena,
				     struct stored_query *query) MUST_CHECK;
bool get_folders(const struct str *entry_uuids, size_t count, struct str home, struct arena *arena,
		 struct stored_query *query) MUST_CHECK;
bool get_folder_and_contents(struct str entry_uuid, struct str home, struct arena *arena,
			     struct stored_query *query) MUST_CHECK;

#endif
