#include "mappers/list_search.h"

#include <assert.h>

#include "mappers/metadata_rim.h"
#include "mappers/search_match.h"
#include "mappers/search_page.h"
#include "mappers/search_query.h"
#include "mappers/search_read.h"

/* Whether Lists of this kind can meet all code parameters. */
static bool kind_is_wanted(const struct search *search, enum search_object object, struct arena *arena)
{
	static const struct search_resolved nobody;
	static const struct submission_set no_set;
	static const struct folder no_folder;
	const void *item = object == SEARCH_FOLDER ? (const void *)&no_folder : (const void *)&no_set;

	for (size_t i = 0; i < search->filter_count; i++) {
		if (search->filters[i].match == MATCH_LIST_CODE &&
		    !search_filter_matches(&search->filters[i], &nobody, object, item, STR_NONE, arena))
			return false;
	}
	return true;
}

bool list_search_read(const struct search_params *params, const struct search_rules *rules, struct arena *arena,
		      struct search *search, struct outcome *outcome)
{
	static const enum search_object objects[] = { SEARCH_SUBMISSION_SET, SEARCH_FOLDER };
	struct str required[] = { STR("code"), STR("status") };

	if (!search_read(params, rules, objects, COUNT_OF(objects), &(struct strs) { required, COUNT_OF(required) },
			 STR("date"), arena, search, outcome))
		return false;
	search->submission_sets = kind_is_wanted(search, SEARCH_SUBMISSION_SET, arena);
	search->folders = kind_is_wanted(search, SEARCH_FOLDER, arena);
	return true;
}

bool get_submission_set_and_contents(struct str entry_uuid, struct str home, struct arena *arena,
				     struct stored_query *query)
{
	return get_query(STR(QUERY_GET_SUBMISSION_SET_AND_CONTENTS), STR("$XDSSubmissionSetEntryUUID"), false,
			 &entry_uuid, 1, home, arena, query);
}

bool get_folders(const struct str *entry_uuids, size_t count, struct str home, struct arena *arena,
		 struct stored_query *query)
{
	return get_query(STR(QUERY_GET_FOLDERS), STR("$XDSFolderEntryUUID"), true, entry_uuids, count, home, arena,
			 query);
}

bool get_folder_and_contents(struct str entry_uuid, struct str home, struct arena *arena, struct stored_query *query)
{
	return get_query(STR(QUERY_GET_FOLDER_AND_CONTENTS), STR("$XDSFolderEntryUUID"), false, &entry_uuid, 1, home,
			 arena, query);
}

/* Queries for entryUUIDs (uuids) or uniqueIds. A submission set is asked for alone, folders together. */
static bool add_gets(const struct search *search, const struct strs *ids, bool unique, struct arena *arena,
		     struct query_list *list)
{
	struct stored_query *query;

	for (size_t i = 0; search->submission_sets && i < ids->count; i++) {
		query = query_list_add(list, arena, STR(QUERY_GET_SUBMISSION_SET_AND_CONTENTS));
		if (!query ||
		    !get_query(query->id, unique ? STR("$XDSSubmissionSetUniqueId") : STR("$XDSSubmissionSetEntryUUID"),
			       false, &ids->items[i], 1, STR_NONE, arena, query))
			return false;
	}
	if (!search->folders || ids->count == 0)
		return true;
	query = query_list_add(list, arena, STR(QUERY_GET_FOLDERS));
	return query && get_query(query->id, unique ? STR("$XDSFolderUniqueId") : STR("$XDSFolderEntryUUID"), true,
				  ids->items, ids->count, STR_NONE, arena, query);
}

/* *askable is false when an alternative is neither an entryUUID nor a uniqueId. */
static bool add_identifiers(const struct search *search, const struct search_filter *filter, struct arena *arena,
			    struct query_list *list, bool *askable)
{
	struct strs uuids = { arena_array(arena, filter->count, sizeof *uuids.items), 0 };
	struct strs unique_ids = { arena_array(arena, filter->count, sizeof *unique_ids.items), 0 };

	*askable = true;
	if (!uuids.items || !unique_ids.items)
		return false;
	for (size_t i = 0; i < filter->count; i++) {
		const struct search_token *token = &filter->tokens[i];

		if (search_entry_uuid(token, &uuids.items[uuids.count]))
			uuids.count++; /* the uniqueId of a List is an OID, so it can be nothing else */
		else if (search_unique_id(token, arena, &unique_ids.items[unique_ids.count]))
			unique_ids.count++;
		else
			*askable = false;
	}
	if (!*askable)
		return true;
	return add_gets(search, &uuids, false, arena, list) && add_gets(search, &unique_ids, true, arena, list);
}

static bool add_find(const struct search *search, const struct search_resolved *resolved, enum search_object object,
		     struct str id, struct arena *arena, struct query_list *list)
{
	struct stored_query *query = query_list_add(list, arena, id);
	bool nothing;

	if (!query || !search_slots_add(search, resolved, object, arena, query, &nothing))
		return false;
	list->count -= nothing ? 1 : 0;
	return true;
}

/* True when a parameter asks for something that no List of this kind has. */
static bool cannot_match(const struct search *search, enum search_object object)
{
	for (size_t i = 0; i < search->filter_count; i++) {
		const struct search_filter *filter = &search->filters[i];

		if (!filter->rows[object] && filter->presence != PRESENCE_MISSING && !filter->negate)
			return true;
	}
	return false;
}

bool list_search_queries(const struct search *search, const struct search_resolved *resolved, struct arena *arena,
			 struct stored_query **queries, size_t *count, struct outcome *outcome)
{
	const struct search_filter *identifier = search_filter_find(search, MATCH_IDENTIFIER);
	struct query_list list = { 0 };
	bool asked = resolved->nobody;
	bool good = true;

	if (!asked && search->needs.ids.count) {
		good = add_gets(search, &resolved->uuids, false, arena, &list);
		asked = true;
	}
	if (good && !asked && identifier)
		good = add_identifiers(search, identifier, arena, &list, &asked);
	asked = asked || resolved->patient_id.size == 0;
	if (good && !asked && search->submission_sets && !cannot_match(search, SEARCH_SUBMISSION_SET))
		good = add_find(search, resolved, SEARCH_SUBMISSION_SET, STR(QUERY_FIND_SUBMISSION_SETS), arena, &list);
	if (good && !asked && search->folders && !cannot_match(search, SEARCH_FOLDER))
		good = add_find(search, resolved, SEARCH_FOLDER, STR(QUERY_FIND_FOLDERS), arena, &list);
	if (!good)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	*queries = list.items;
	*count = list.count;
	return true;
}

static bool entry_matches(const struct search *search, const struct search_resolved *resolved,
			  const struct list_entry *entry, struct arena *arena)
{
	if (entry->folder)
		return search->folders &&
		       search_filters_match(search, resolved, SEARCH_FOLDER, entry->folder, STR_NONE, arena);
	return search->submission_sets &&
	       search_filters_match(search, resolved, SEARCH_SUBMISSION_SET, entry->submission_set, STR_NONE, arena);
}

static struct search_candidate of_set(const struct submission_set *set, struct arena *arena)
{
	return (struct search_candidate) {
		.key = { .time = set->submission_time,
			 .unique_id = set->unique_id,
			 .id = str_is_empty(set->logical_id) ? set->entry_uuid : set->logical_id },
		.object = SEARCH_SUBMISSION_SET,
		.patient_id = search_patient(set->patient_id, arena),
		.version = set->version,
		.deprecated = status_is_deprecated(set->availability_status),
	};
}

static struct search_candidate of_folder(const struct folder *folder, struct arena *arena)
{
	return (struct search_candidate) {
		.key = { .time = folder->last_update_time,
			 .unique_id = folder->unique_id,
			 .id = str_is_empty(folder->logical_id) ? folder->entry_uuid : folder->logical_id },
		.object = SEARCH_FOLDER,
		.patient_id = search_patient(folder->patient_id, arena),
		.version = folder->version,
		.deprecated = status_is_deprecated(folder->availability_status),
	};
}

/* An entry is either a SubmissionSet or a Folder. */
static struct search_candidate candidate_of(const struct list_entry *entry, size_t index, struct arena *arena)
{
	struct search_candidate candidate;

	assert(entry->submission_set || entry->folder);
	candidate = entry->folder ? of_folder(entry->folder, arena) : of_set(entry->submission_set, arena);
	candidate.key.source = entry->source;
	candidate.index = index;
	return candidate;
}

/* All Lists of all answers. */
static struct list_entry *gather(const struct list_answer *answers, size_t answer_count, struct arena *arena,
				 size_t *count)
{
	struct list_entry *entries;
	size_t all = 0;

	for (size_t i = 0; i < answer_count; i++)
		all += answers[i].metadata->submission_set_count + answers[i].metadata->folder_count;
	entries = arena_array(arena, all, sizeof *entries);
	*count = 0;
	for (size_t i = 0; entries && i < answer_count; i++) {
		const struct metadata *metadata = answers[i].metadata;

		for (size_t j = 0; j < metadata->submission_set_count; j++)
			entries[(*count)++] = (struct list_entry) { .submission_set = &metadata->submission_sets[j],
								    .source = answers[i].source };
		for (size_t j = 0; j < metadata->folder_count; j++)
			entries[(*count)++] =
				(struct list_entry) { .folder = &metadata->folders[j], .source = answers[i].source };
	}
	return entries;
}

bool list_search_select(const struct search *search, const struct search_resolved *resolved,
			const struct list_answer *answers, size_t answer_count, struct arena *arena,
			struct list_page *page, struct outcome *outcome)
{
	size_t count;
	struct list_entry *entries = gather(answers, answer_count, arena, &count);
	struct search_candidate *candidates = arena_array(arena, count, sizeof *candidates);
	struct list_page found = { .entries = arena_array(arena, count, sizeof *found.entries) };
	struct search_window window;
	size_t kept = 0;

	if (!entries || !candidates || !found.entries)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	for (size_t i = 0; i < count; i++)
		candidates[i] = candidate_of(&entries[i], i, arena);
	count = search_candidates_unique(candidates, count);
	for (size_t i = 0; i < count; i++) {
		if (entry_matches(search, resolved, &entries[candidates[i].index], arena))
			candidates[kept++] = candidates[i];
	}
	kept = search_candidates_merge(candidates, kept, search->sort_descending);
	window = search_candidates_page(candidates, kept, search);
	for (size_t i = 0; i < window.count; i++)
		found.entries[i] = entries[candidates[window.first + i].index];
	found.count = window.count;
	found.total = kept;
	found.more = window.more;
	if (window.count)
		found.last = candidates[window.first + window.count - 1].key;
	*page = found;
	return true;
}
