#include "gateway/access/registered.h"

#include "gateway/access/registered_ask.h"
#include "gateway/south/unchecked.h"
#include "mappers/document_search.h"
#include "mappers/list_search.h"
#include "mappers/metadata_rim.h"

bool registered_ask(const struct south *south, const struct stored_query *query, struct metadata *found,
		    struct outcome *outcome)
{
	struct rim_list objects;
	struct strs refs;

	return xds_query(south, query, &objects, &refs, outcome) &&
	       metadata_from_rim(&objects, south->arena, found, outcome);
}

enum submission_found registered_submission(const struct south *south, struct str home, struct metadata *submitted)
{
	struct stored_query query;
	struct metadata found;
	struct outcome ignored;
	enum submission_found end;

	outcome_init(&ignored);
	if (!submission_query(submitted->submission_sets[0].unique_id, home, south->arena, &query) ||
	    !registered_ask(south, &query, &found, &ignored))
		return SUBMISSION_UNKNOWN;
	end = submission_match(&found, submitted, south->arena);
	if (end == SUBMISSION_SAME)
		submission_ids_take(&found, submitted);
	return end;
}

/* The approved one wins: a logical id has one entry for each version. */
static void entry_choose(const struct metadata *found, struct str *uuid)
{
	for (size_t i = 0; i < found->document_entry_count; i++) {
		const struct document_entry *entry = &found->document_entries[i];

		if (!uuid->data || !status_is_deprecated(entry->availability_status))
			*uuid = entry->entry_uuid;
	}
	if (!uuid->data && found->folder_count > 0)
		*uuid = found->folders[0].entry_uuid;
}

bool registered_object(const struct south *south, struct str home, struct str urn, struct str *uuid,
		       struct outcome *outcome)
{
	struct outcome ignored;
	struct stored_query queries[3];
	struct metadata found;

	*uuid = STR_NONE;
	outcome_init(&ignored);
	if (!get_documents(&urn, 1, home, south->arena, &queries[0]) ||
	    !get_folders(&urn, 1, home, south->arena, &queries[1]) ||
	    !get_documents_by_logical_id(&urn, 1, home, south->arena, &queries[2]))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	for (size_t i = 0; i < 2 && !uuid->data; i++) {
		if (!registered_ask(south, &queries[i], &found, outcome))
			return false;
		entry_choose(&found, uuid);
	}
	/* Only a registry with metadata update knows this parameter. */
	if (!uuid->data && registered_ask(south, &queries[2], &found, &ignored))
		entry_choose(&found, uuid);
	return true;
}
