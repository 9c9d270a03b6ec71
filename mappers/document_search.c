#include "mappers/document_search.h"

#include "mappers/metadata_rim.h"
#include "mappers/search_match.h"
#include "mappers/search_page.h"
#include "mappers/search_query.h"
#include "mappers/search_read.h"

bool document_search_read(const struct search_params *params, const struct search_rules *rules, struct arena *arena,
			  struct search *search, struct outcome *outcome)
{
	static const enum search_object objects[] = { SEARCH_DOCUMENT_ENTRY };
	struct str required[] = { STR("status") };

	return search_read(params, rules, objects, COUNT_OF(objects), &(struct strs) { required, COUNT_OF(required) },
			   STR("date"), arena, search, outcome);
}

bool get_documents(const struct str *entry_uuids, size_t count, struct str home, struct arena *arena,
		   struct stored_query *query)
{
	return get_query(STR(QUERY_GET_DOCUMENTS), STR("$XDSDocumentEntryEntryUUID"), true, entry_uuids, count, home,
			 arena, query);
}

bool get_current_documents(const struct str *logical_ids, size_t count, struct str home, struct arena *arena,
			   struct stored_query *query)
{
	return get_query(STR(QUERY_GET_DOCUMENTS), STR("$XDSDocumentEntryLogicalID"), true, logical_ids, count, home,
			 arena, query);
}

bool get_documents_by_logical_id(const struct str *logical_ids, size_t count, struct str home, struct arena *arena,
				 struct stored_query *query)
{
	return get_current_documents(logical_ids, count, home, arena, query) &&
	       stored_query_add_one(query, arena, STR("$MetadataLevel"), QUERY_NUMBER, STR("2"));
}

bool versions_are_unknown(const struct outcome *refusal)
{
	for (size_t i = 0; i < refusal->count; i++) {
		const struct issue *issue = &refusal->issues[i];

		if (issue->severity == SEVERITY_ERROR && (!issue->xds_code[0] || error_info(issue->code)->may_retry))
			return false;
	}
	return refusal->has_error && refusal->lost_count == 0;
}

bool get_associations(const struct str *uuids, size_t count, struct str home, struct arena *arena,
		      struct stored_query *query)
{
	return get_query(STR(QUERY_GET_ASSOCIATIONS), STR("$uuid"), true, uuids, count, home, arena, query);
}

bool get_submission_sets(const struct str *uuids, size_t count, struct str home, struct arena *arena,
			 struct stored_query *query)
{
	return get_query(STR(QUERY_GET_SUBMISSION_SETS), STR("$uuid"), true, uuids, count, home, arena, query);
}

/* GetDocuments by _id, in batches. */
static bool add_ids(const struct strs *uuids, struct arena *arena, struct query_list *list)
{
	for (size_t i = 0; i < uuids->count; i += SEARCH_BATCH) {
		size_t left = uuids->count - i;
		struct stored_query *query = query_list_add(list, arena, STR(QUERY_GET_DOCUMENTS));

		if (!query ||
		    !get_documents(uuids->items + i, left < SEARCH_BATCH ? left : SEARCH_BATCH, STR_NONE, arena, query))
			return false;
	}
	return true;
}

/* GetDocuments by identifier: UUIDs may be an entryUUID or a uniqueId, and one query takes one kind. *askable is false
 * when an alternative has no such form. */
static bool add_identifiers(const struct search_filter *filter, struct arena *arena, struct query_list *list,
			    bool *askable)
{
	struct str *uuids = arena_array(arena, filter->count, sizeof *uuids);
	struct str *unique_ids = arena_array(arena, filter->count, sizeof *unique_ids);
	size_t uuid_count = 0;
	size_t unique_count = 0;
	struct stored_query *query;

	*askable = true;
	if (!uuids || !unique_ids)
		return false;
	for (size_t i = 0; i < filter->count; i++) {
		const struct search_token *token = &filter->tokens[i];

		uuid_count += search_entry_uuid(token, &uuids[uuid_count]) ? 1 : 0;
		if (search_unique_id(token, arena, &unique_ids[unique_count]))
			unique_count++;
		else
			*askable = false;
	}
	if (!*askable)
		return true;
	if (uuid_count) {
		query = query_list_add(list, arena, STR(QUERY_GET_DOCUMENTS));
		if (!query || !get_documents(uuids, uuid_count, STR_NONE, arena, query))
			return false;
	}
	query = query_list_add(list, arena, STR(QUERY_GET_DOCUMENTS));
	return query && get_query(STR(QUERY_GET_DOCUMENTS), STR("$XDSDocumentEntryUniqueId"), true, unique_ids,
				  unique_count, STR_NONE, arena, query);
}

/* FindDocuments: on-demand entries too, which a registry leaves out unless asked (TF-2 3.18.4.1.2.3.7.1). */
static bool add_find(const struct search *search, const struct search_resolved *resolved, struct arena *arena,
		     struct query_list *list)
{
	struct str *types = arena_array(arena, 2, sizeof *types);
	struct stored_query *query = query_list_add(list, arena, STR(QUERY_FIND_DOCUMENTS));
	bool nothing;

	if (!types || !query || !search_slots_add(search, resolved, SEARCH_DOCUMENT_ENTRY, arena, query, &nothing))
		return false;
	if (nothing) {
		list->count--;
		return true;
	}
	types[0] = STR(OBJECT_TYPE_STABLE);
	types[1] = STR(OBJECT_TYPE_ON_DEMAND);
	return stored_query_add(query, arena, STR("$XDSDocumentEntryType"), QUERY_STRING_LIST,
				(struct strs) { types, 2 });
}

bool document_search_queries(const struct search *search, const struct search_resolved *resolved, struct arena *arena,
			     struct stored_query **queries, size_t *count, struct outcome *outcome)
{
	const struct search_filter *identifier = search_filter_find(search, MATCH_IDENTIFIER);
	struct query_list list = { 0 };
	bool asked = resolved->nobody;
	bool good = true;

	if (!asked && search->needs.ids.count) {
		good = add_ids(&resolved->uuids, arena, &list);
		asked = true;
	}
	if (good && !asked && identifier)
		good = add_identifiers(identifier, arena, &list, &asked);
	if (good && !asked && resolved->patient_id.size)
		good = add_find(search, resolved, arena, &list);
	if (!good)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	*queries = list.items;
	*count = list.count;
	return true;
}

static bool has_value(const struct strs *values, struct str value)
{
	for (size_t i = 0; i < values->count; i++) {
		if (str_equal(values->items[i], value))
			return true;
	}
	return false;
}

static bool has_approved(const struct strs *values)
{
	for (size_t i = 0; i < values->count; i++) {
		if (status_is_approved(values->items[i]))
			return true;
	}
	return false;
}

bool shows_all_entries(const struct stored_query *query)
{
	if (str_equal(query->id, STR(QUERY_GET_DOCUMENTS)))
		return stored_query_find(query, STR("$XDSDocumentEntryUniqueId"), 0) != NULL;
	if (!str_equal(query->id, STR(QUERY_FIND_DOCUMENTS)))
		return false;
	for (size_t i = 0; i < query->param_count; i++) {
		const struct stored_query_param *param = &query->params[i];
		bool all;

		if (str_equal(param->name, STR("$XDSDocumentEntryStatus")))
			all = has_approved(&param->values);
		else if (str_equal(param->name, STR("$XDSDocumentEntryType")))
			all = has_value(&param->values, STR(OBJECT_TYPE_STABLE)) &&
			      has_value(&param->values, STR(OBJECT_TYPE_ON_DEMAND));
		else
			all = str_equal(param->name, STR("$XDSDocumentEntryPatientId"));
		if (!all)
			return false;
	}
	return true;
}

bool document_search_matches(const struct search *search, const struct search_resolved *resolved,
			     const struct document_entry *entry, struct str last_updated, struct arena *arena)
{
	return search_filters_match(search, resolved, SEARCH_DOCUMENT_ENTRY, entry, last_updated, arena);
}

/* The time that is sorted by. */
static struct str sort_time(const struct search *search, const struct document_entry *entry, struct arena *arena)
{
	if (str_equal(search->sort, STR("creation")))
		return entry->creation_time;
	if (str_equal(search->sort, STR("period")))
		return entry->service_start_time;
	return search_document_date(entry, arena);
}

static struct search_candidate candidate_of(const struct search *search, const struct document_found *found,
					    size_t index, struct arena *arena)
{
	const struct document_entry *entry = found->entry;

	return (struct search_candidate) {
		.key = { .time = sort_time(search, entry, arena),
			 .unique_id = entry->unique_id,
			 .hash = entry->hash,
			 .source = found->source,
			 .id = entry->logical_id.size ? entry->logical_id : entry->entry_uuid },
		.object = SEARCH_DOCUMENT_ENTRY,
		.patient_id = search_patient(entry->patient_id, arena),
		.version = entry->version,
		.deprecated = status_is_deprecated(entry->availability_status),
		.size = entry->size,
		.index = index,
	};
}

/* The twin of one of the page, unless that is before it there and tells of both. */
static const struct document_found *twin_of(const struct search_candidate *page, size_t place,
					    const struct document_found *found)
{
	const struct search_candidate *one = &page[place];

	for (size_t i = 0; i < place; i++) {
		if (page[i].index + 1 == one->twin && page[i].twin == one->index + 1)
			return NULL;
	}
	return one->twin ? &found[one->twin - 1] : NULL;
}

bool document_search_select(const struct search *search, const struct search_resolved *resolved,
			    const struct document_found *found, size_t count, struct arena *arena,
			    struct document_page *page, struct outcome *outcome)
{
	struct search_candidate *candidates = arena_array(arena, count, sizeof *candidates);
	struct search_window window;
	size_t kept = 0;

	*page = (struct document_page) { .items = arena_array(arena, count, sizeof *page->items) };
	if (!candidates || !page->items)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	for (size_t i = 0; i < count; i++)
		candidates[i] = candidate_of(search, &found[i], i, arena);
	count = search_candidates_unique(candidates, count);
	for (size_t i = 0; i < count; i++) {
		const struct document_found *one = &found[candidates[i].index];

		if (document_search_matches(search, resolved, one->entry, one->last_updated, arena))
			candidates[kept++] = candidates[i];
	}
	kept = search_candidates_merge(candidates, kept, search->sort_descending);
	window = search_candidates_page(candidates, kept, search);
	for (size_t i = 0; i < window.count; i++) {
		page->items[i] = found[candidates[window.first + i].index];
		page->items[i].twin = twin_of(candidates + window.first, i, found);
	}
	page->count = window.count;
	page->total = kept;
	page->more = window.more;
	if (window.count)
		page->last = candidates[window.first + window.count - 1].key;
	return true;
}
