/* Search conditions as Slots of stored queries, and the Get queries by id. Source: ITI TF-2 3.18.4.1.2.3.7. */
#ifndef PASSERELLE_SEARCH_QUERY_H
#define PASSERELLE_SEARCH_QUERY_H

#include "mappers/search_filter.h"
#include "mappers/stored_query.h"

#define QUERY_FIND_DOCUMENTS                  "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
#define QUERY_FIND_SUBMISSION_SETS            "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9"
#define QUERY_FIND_FOLDERS                    "urn:uuid:958f3006-baad-4929-a4de-ff1114824431"
#define QUERY_GET_DOCUMENTS                   "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
#define QUERY_GET_FOLDERS                     "urn:uuid:5737b14c-8a1a-4539-b659-e03a34a5e1e4"
#define QUERY_GET_ASSOCIATIONS                "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155"
#define QUERY_GET_SUBMISSION_SETS             "urn:uuid:51224314-5390-4169-9b91-b1980040715a"
#define QUERY_GET_SUBMISSION_SET_AND_CONTENTS "urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83"
#define QUERY_GET_FOLDER_AND_CONTENTS         "urn:uuid:b909a503-523d-4517-8acf-8e5834dfc4c7"

/* A growing list of queries. */
struct query_list {
	struct stored_query *items;
	size_t count;
	size_t capacity;
};

/* One more query; NULL without memory. Valid until the next call. */
struct stored_query *query_list_add(struct query_list *list, struct arena *arena, struct str id);

/* Adds the Slots that narrow a Find query: what a registry can filter without losing a match; patient and status too.
 * *nothing is set when no object can match. False without memory. */
bool search_slots_add(const struct search *search, const struct search_resolved *resolved, enum search_object object,
		      struct arena *arena, struct stored_query *query, bool *nothing) MUST_CHECK;

/* A Get query over ids. list: values in parentheses. False without memory. */
bool get_query(struct str id, struct str slot, bool list, const struct str *values, size_t count, struct str home,
	       struct arena *arena, struct stored_query *query) MUST_CHECK;

#endif
