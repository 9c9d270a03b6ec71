#include "gateway/access/registered_document.h"

#include "gateway/access/registered_ask.h"
#include "mappers/document_search.h"
#include "mappers/list_search.h"
#include "mappers/metadata_rim.h"
#include "mappers/search_query.h"

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
}

static void version_choose(const struct metadata *found, const struct document_entry **best)
{
	for (size_t i = 0; i < found->document_entry_count; i++) {
		const struct document_entry *entry = &found->document_entries[i];

		if (!*best || update_version_is_newer(entry, *best))
			*best = entry;
	}
}

/* By the entryUUID of a version that is not the current one any more. */
static bool by_old_version(const struct south *south, struct str home, struct str uuid,
			   const struct document_entry **best, struct outcome *outcome)
{
	struct stored_query query;
	struct metadata found;

	if (!get_documents(&uuid, 1, home, south->arena, &query))
		return no_memory(outcome);
	if (!registered_ask_versions(south, &query, &found, outcome))
		return false;
	if (found.document_entry_count == 0 || str_is_empty(found.document_entries[0].logical_id))
		return true;
	if (!registered_versions(south, home, found.document_entries[0].logical_id, &found, outcome))
		return false;
	version_choose(&found, best);
	return true;
}

static bool chosen_ask(const struct south *south, struct str home, struct str parameter, struct str id,
		       const struct document_entry **entry, struct outcome *outcome)
{
	struct stored_query query;
	struct metadata found;

	*entry = NULL;
	if (!get_query(STR(QUERY_GET_DOCUMENTS), parameter, true, &id, 1, home, south->arena, &query))
		return no_memory(outcome);
	if (!registered_ask(south, &query, &found, outcome))
		return false;
	version_choose(&found, entry);
	return true;
}

bool registered_document(const struct south *south, struct str home, struct str urn,
			 const struct document_entry **entry, struct outcome *outcome)
{
	struct metadata found;

	if (!chosen_ask(south, home, STR("$XDSDocumentEntryEntryUUID"), urn, entry, outcome))
		return false;
	if (*entry && !status_is_deprecated((*entry)->availability_status))
		return true;
	if (!registered_versions(south, home, urn, &found, outcome))
		return false;
	version_choose(&found, entry);
	return *entry || by_old_version(south, home, urn, entry, outcome);
}

bool registered_document_by_unique_id(const struct south *south, struct str home, struct str unique_id,
				      const struct document_entry **entry, struct outcome *outcome)
{
	return chosen_ask(south, home, STR("$XDSDocumentEntryUniqueId"), unique_id, entry, outcome);
}

bool registered_set_complete(const struct south *south, struct str home, const struct document_entry *entry,
			     struct submission_set *set, struct outcome *outcome)
{
	struct stored_query query;
	struct metadata found;

	if (!get_submission_sets(&entry->entry_uuid, 1, home, south->arena, &query))
		return no_memory(outcome);
	if (!registered_ask(south, &query, &found, outcome))
		return false;
	if (found.submission_set_count > 0) {
		set->content_type_code = found.submission_sets[0].content_type_code;
		set->source_id = found.submission_sets[0].source_id;
	}
	return true;
}

bool registered_set(const struct south *south, struct str home, struct str entry_uuid, bool *is_there,
		    struct outcome *outcome)
{
	struct stored_query query;
	struct metadata found;
	struct outcome asking;

	outcome_init(&asking);
	if (!get_submission_set_and_contents(entry_uuid, home, south->arena, &query))
		return no_memory(outcome);
	if (!registered_ask(south, &query, &found, outcome))
		return false;
	*is_there = found.submission_set_count > 0;
	if (*is_there)
		return true;
	/* One whose version was changed since is shown to who asks for every version, where the registry has them. */
	if (!stored_query_add_one(&query, south->arena, STR("$MetadataLevel"), QUERY_NUMBER, STR("2")))
		return no_memory(outcome);
	if (registered_ask(south, &query, &found, &asking))
		*is_there = found.submission_set_count > 0;
	else if (!versions_are_unknown(&asking)) {
		for (size_t i = 0; i < asking.count; i++)
			outcome_take(outcome, &asking.issues[i]);
		return false;
	}
	return true;
}
