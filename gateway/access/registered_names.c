#include "gateway/access/registered_names.h"

#include "gateway/access/registered_ask.h"
#include "gateway/access/registered_document.h"
#include "mappers/document_search.h"
#include "mappers/list_search.h"
#include "mappers/search_query.h"

#define BATCH 100 /* names in one question */

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
}

static bool is_listed(const struct strs *names, struct str name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (str_equal_nocase(names->items[i], name))
			return true;
	}
	return false;
}

static bool is_all_listed(const struct strs *found, const struct strs *names, size_t begin, size_t count)
{
	for (size_t i = begin; i < begin + count; i++) {
		if (!is_listed(found, names->items[i]))
			return false;
	}
	return true;
}

/* A question about names of one kind, and what its answer says of one. */
struct naming {
	bool (*ask)(const struct south *south, struct str home, const struct str *names, size_t count,
		    struct metadata *answer, struct outcome *outcome);
	bool (*has)(const struct metadata *answer, struct str name);
};

static bool names_ask(const struct south *south, struct str home, const struct naming *naming, const struct strs *names,
		      struct strs *found, struct outcome *outcome)
{
	for (size_t begin = 0; begin < names->count; begin += BATCH) {
		size_t count = names->count - begin < BATCH ? names->count - begin : BATCH;
		struct metadata answer = { 0 };

		if (is_all_listed(found, names, begin, count))
			continue;
		if (!naming->ask(south, home, names->items + begin, count, &answer, outcome))
			return false;
		for (size_t i = begin; i < begin + count; i++) {
			if (naming->has(&answer, names->items[i]) && !is_listed(found, names->items[i]))
				found->items[found->count++] = names->items[i];
		}
	}
	return true;
}

static bool query_ask(const struct south *south, bool is_made, const struct stored_query *query,
		      struct metadata *answer, struct outcome *outcome)
{
	return is_made ? registered_ask(south, query, answer, outcome) : no_memory(outcome);
}

static bool documents_ask(const struct south *south, struct str home, const struct str *names, size_t count,
			  struct metadata *answer, struct outcome *outcome)
{
	struct stored_query query;

	return query_ask(south, get_documents(names, count, home, south->arena, &query), &query, answer, outcome);
}

static bool folders_ask(const struct south *south, struct str home, const struct str *names, size_t count,
			struct metadata *answer, struct outcome *outcome)
{
	struct stored_query query;

	return query_ask(south, get_folders(names, count, home, south->arena, &query), &query, answer, outcome);
}

static bool document_ids_ask(const struct south *south, struct str home, const struct str *names, size_t count,
			     struct metadata *answer, struct outcome *outcome)
{
	struct stored_query query;

	return query_ask(south,
			 get_query(STR(QUERY_GET_DOCUMENTS), STR("$XDSDocumentEntryUniqueId"), true, names, count, home,
				   south->arena, &query),
			 &query, answer, outcome);
}

static bool folder_ids_ask(const struct south *south, struct str home, const struct str *names, size_t count,
			   struct metadata *answer, struct outcome *outcome)
{
	struct stored_query query;

	return query_ask(south,
			 get_query(STR(QUERY_GET_FOLDERS), STR("$XDSFolderUniqueId"), true, names, count, home,
				   south->arena, &query),
			 &query, answer, outcome);
}

static bool has_document(const struct metadata *answer, struct str uuid)
{
	for (size_t i = 0; i < answer->document_entry_count; i++) {
		if (str_equal_nocase(answer->document_entries[i].entry_uuid, uuid) ||
		    str_equal_nocase(answer->document_entries[i].logical_id, uuid))
			return true;
	}
	return false;
}

static bool has_folder(const struct metadata *answer, struct str uuid)
{
	for (size_t i = 0; i < answer->folder_count; i++) {
		if (str_equal_nocase(answer->folders[i].entry_uuid, uuid) ||
		    str_equal_nocase(answer->folders[i].logical_id, uuid))
			return true;
	}
	return false;
}

static bool has_document_id(const struct metadata *answer, struct str unique_id)
{
	for (size_t i = 0; i < answer->document_entry_count; i++) {
		if (str_equal(answer->document_entries[i].unique_id, unique_id))
			return true;
	}
	return false;
}

static bool has_folder_id(const struct metadata *answer, struct str unique_id)
{
	for (size_t i = 0; i < answer->folder_count; i++) {
		if (str_equal(answer->folders[i].unique_id, unique_id))
			return true;
	}
	return false;
}

/* A version that is not the current one any more, where the registry keeps them: the first one's id is the logicalID. */
static bool versions_ask(const struct south *south, struct str home, const struct str *names, size_t count,
			 struct metadata *answer, struct outcome *outcome)
{
	struct stored_query query;

	return get_documents(names, count, home, south->arena, &query)
		       ? registered_ask_versions(south, &query, answer, outcome)
		       : no_memory(outcome);
}

static bool sets_ask(const struct south *south, struct str home, const struct strs *uuids, struct strs *found,
		     struct outcome *outcome)
{
	for (size_t i = 0; i < uuids->count; i++) {
		bool is_there = false;

		if (is_listed(found, uuids->items[i]))
			continue;
		if (!registered_set(south, home, uuids->items[i], &is_there, outcome))
			return false;
		if (is_there)
			found->items[found->count++] = uuids->items[i];
	}
	return true;
}

bool registered_uuids(const struct south *south, struct str home, const struct registered_asked *asked,
		      struct strs *found, struct outcome *outcome)
{
	static const struct naming documents = { documents_ask, has_document };
	static const struct naming versions = { versions_ask, has_document };
	static const struct naming folders = { folders_ask, has_folder };

	*found = (struct strs) { arena_array(south->arena,
					     asked->documents.count + asked->folders.count + asked->sets.count,
					     sizeof(struct str)),
				 0 };
	if (!found->items)
		return no_memory(outcome);
	return names_ask(south, home, &documents, &asked->documents, found, outcome) &&
	       names_ask(south, home, &versions, &asked->documents, found, outcome) &&
	       names_ask(south, home, &folders, &asked->folders, found, outcome) &&
	       sets_ask(south, home, &asked->sets, found, outcome);
}

/* Whether the registry has other bytes under a uniqueId of the submission's. */
static bool is_other_document(const struct metadata *submitted, const struct document_entry *registered)
{
	for (size_t i = 0; i < submitted->document_entry_count; i++) {
		const struct document_entry *entry = &submitted->document_entries[i];

		if (str_equal(entry->unique_id, registered->unique_id) &&
		    !str_equal_nocase(entry->hash, registered->hash))
			return true;
	}
	return false;
}

static bool document_ids_find(const struct south *south, struct str home, const struct metadata *submitted,
			      struct strs *found, bool *is_other, struct outcome *outcome)
{
	struct str names[BATCH];

	for (size_t begin = 0; begin < submitted->document_entry_count; begin += BATCH) {
		size_t left = submitted->document_entry_count - begin;
		size_t count = left < BATCH ? left : BATCH;
		struct metadata answer = { 0 };

		for (size_t i = 0; i < count; i++)
			names[i] = submitted->document_entries[begin + i].unique_id;
		if (!document_ids_ask(south, home, names, count, &answer, outcome))
			return false;
		for (size_t i = 0; i < count; i++) {
			if (has_document_id(&answer, names[i]))
				found->items[found->count++] = names[i];
		}
		for (size_t i = 0; i < answer.document_entry_count; i++)
			*is_other = *is_other || is_other_document(submitted, &answer.document_entries[i]);
	}
	return true;
}

bool registered_unique_ids(const struct south *south, struct str home, const struct metadata *submitted,
			   struct strs *found, bool *is_other, struct outcome *outcome)
{
	static const struct naming naming = { folder_ids_ask, has_folder_id };
	struct strs folders = { arena_array(south->arena, submitted->folder_count, sizeof(struct str)), 0 };
	size_t documents;

	*is_other = false;
	*found = (struct strs) { arena_array(south->arena, submitted->document_entry_count + submitted->folder_count,
					     sizeof(struct str)),
				 0 };
	if (!folders.items || !found->items)
		return no_memory(outcome);
	if (!document_ids_find(south, home, submitted, found, is_other, outcome))
		return false;
	documents = found->count;
	for (size_t i = 0; i < submitted->folder_count; i++)
		folders.items[folders.count++] = submitted->folders[i].unique_id;
	if (!names_ask(south, home, &naming, &folders, found, outcome))
		return false;
	*is_other = *is_other || found->count > documents;
	return true;
}
