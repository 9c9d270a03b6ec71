#include "gateway/access/registered.h"

#include "gateway/access/registered_ask.h"
#include "gateway/south/unchecked.h"
#include "mappers/base/uuid.h"
#include "mappers/document_search.h"
#include "mappers/list_search.h"
#include "mappers/metadata_rim.h"
#include "mappers/search_query.h"

bool registered_ask(const struct south *south, const struct stored_query *query, struct metadata *found,
		    struct outcome *outcome)
{
	struct rim_list objects;
	struct strs refs;

	return xds_query(south, query, &objects, &refs, outcome) &&
	       metadata_from_rim(&objects, south->arena, found, outcome);
}

bool registered_ask_versions(const struct south *south, struct stored_query *query, struct metadata *found,
			     struct outcome *outcome)
{
	struct outcome asking;

	outcome_init(&asking);
	if (!stored_query_add_one(query, south->arena, STR("$MetadataLevel"), QUERY_NUMBER, STR("2")))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	if (registered_ask(south, query, found, &asking))
		return true;
	*found = (struct metadata) { 0 };
	if (versions_are_unknown(&asking))
		return true;
	for (size_t i = 0; i < asking.count; i++)
		outcome_take(outcome, &asking.issues[i]);
	return false;
}

bool registered_versions(const struct south *south, struct str home, struct str logical_id, struct metadata *found,
			 struct outcome *outcome)
{
	struct stored_query query;

	if (!get_current_documents(&logical_id, 1, home, south->arena, &query))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	return registered_ask_versions(south, &query, found, outcome);
}

static enum submission_found submission_ask(const struct south *south, struct str home, bool every_version,
					    struct metadata *submitted)
{
	struct stored_query query;
	struct metadata found;
	struct outcome asking;
	enum submission_found end;

	outcome_init(&asking);
	if (!submission_query(submitted->submission_sets[0].unique_id, home, south->arena, &query) ||
	    (every_version &&
	     !stored_query_add_one(&query, south->arena, STR("$MetadataLevel"), QUERY_NUMBER, STR("2"))))
		return SUBMISSION_UNKNOWN;
	if (!registered_ask(south, &query, &found, &asking))
		return every_version && versions_are_unknown(&asking) ? SUBMISSION_OTHER : SUBMISSION_UNKNOWN;
	end = submission_match(&found, submitted, south->arena);
	if (end == SUBMISSION_SAME)
		submission_ids_take(&found, submitted);
	return end;
}

enum submission_found registered_submission(const struct south *south, struct str home, struct metadata *submitted)
{
	enum submission_found end = submission_ask(south, home, false, submitted);

	/* A document that was updated since is not shown as it came. */
	return end == SUBMISSION_OTHER ? submission_ask(south, home, true, submitted) : end;
}

bool registered_folder_uuid(struct visit *visit, const struct south *south, struct str home, struct str id,
			    struct str *uuid, struct outcome *outcome)
{
	struct stored_query query;
	struct metadata found;
	bool ok;

	*uuid = STR_NONE;
	if (!get_query(STR(QUERY_GET_FOLDERS), uuid_valid(id) ? STR("$XDSFolderEntryUUID") : STR("$XDSFolderUniqueId"),
		       true, &id, 1, home, south->arena, &query))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	ok = visit ? visible_query(visit, CONSENT_FIND, south, &query, &found, outcome)
		   : registered_ask(south, &query, &found, outcome);
	if (!ok)
		return false;
	for (size_t i = 0; i < found.folder_count; i++) {
		const struct folder *folder = &found.folders[i];

		if (!uuid->data || !status_is_deprecated(folder->availability_status))
			*uuid = folder->entry_uuid;
	}
	return true;
}

bool registered_members(const struct south *south, struct str home, struct str folder, struct strs *members,
			struct outcome *outcome)
{
	struct stored_query query;
	struct metadata found;

	*members = (struct strs) { 0 };
	if (!get_folder_and_contents(folder, home, south->arena, &query))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	if (!registered_ask(south, &query, &found, outcome))
		return false;
	members->items = arena_array(south->arena, 2 * found.document_entry_count + found.association_count,
				     sizeof(*members->items));
	if (!members->items)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	for (size_t i = 0; i < found.document_entry_count; i++) {
		members->items[members->count++] = found.document_entries[i].entry_uuid;
		if (found.document_entries[i].logical_id.size)
			members->items[members->count++] = found.document_entries[i].logical_id;
	}
	for (size_t i = 0; i < found.association_count; i++) {
		if (str_equal_nocase(found.associations[i].source, folder))
			members->items[members->count++] = found.associations[i].target;
	}
	return true;
}
