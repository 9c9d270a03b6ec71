/* Find Document Lists [ITI-66]: SubmissionSets and Folders, with their members. Source: MHD 4.2.4 3.66, ITI TF-2 3.18. */
#include "mappers/list_search.h"

#include "gateway/run/log.h"
#include "gateway/transactions/search.h"
#include "mappers/base/xds_time.h"
#include "mappers/json_writer.h"

#define RESOURCE_BYTES_MAX (4u * 1024 * 1024)

/* Nobody who asked for one patient may see another's lists, whatever the registry sends. */
static void strangers_drop(const struct transaction *t, struct str patient_id, struct metadata *answer)
{
	size_t sets = 0;
	size_t folders = 0;

	if (!patient_id.data)
		return;
	for (size_t i = 0; i < answer->submission_set_count; i++) {
		if (patient_same(t, answer->submission_sets[i].patient_id, patient_id))
			answer->submission_sets[sets++] = answer->submission_sets[i];
	}
	for (size_t i = 0; i < answer->folder_count; i++) {
		if (patient_same(t, answer->folders[i].patient_id, patient_id))
			answer->folders[folders++] = answer->folders[i];
	}
	if (sets < answer->submission_set_count || folders < answer->folder_count)
		LOG(ERROR, LOG_SOUTH_ERROR, t->south.request_id, LOG_TEXT("backend", t->south.backend->name),
		    LOG_NUMBER("lists_of_other_patients_dropped",
			       answer->submission_set_count - sets + answer->folder_count - folders));
	answer->submission_set_count = sets;
	answer->folder_count = folders;
}

static struct str entry_uuid(const struct list_entry *entry)
{
	return entry->submission_set ? entry->submission_set->entry_uuid : entry->folder->entry_uuid;
}

static struct str entry_id(const struct transaction *t, const struct list_entry *entry)
{
	struct str logical_id = entry->submission_set ? entry->submission_set->logical_id : entry->folder->logical_id;

	return resource_id(t, SEAL_LIST, logical_id, entry_uuid(entry));
}

/* The members of the lists of a page. */
static bool page_surroundings(const struct transaction *t, const struct list_page *page, struct neighbourhood *around)
{
	struct str *uuids = arena_array(t->south.arena, page->count, sizeof(*uuids));

	if (!uuids)
		return no_memory(t);
	for (size_t i = 0; i < page->count; i++)
		uuids[i] = entry_uuid(&page->entries[i]);
	return associations_ask(t, uuids, page->count, around) && members_ask(t, around);
}

static bool page_find(const struct transaction *t, const struct search *search, const struct search_resolved *resolved,
		      struct list_page *page, struct neighbourhood *around)
{
	struct stored_query *queries;
	size_t query_count;
	struct metadata *answers;

	if (!list_search_queries(search, resolved, t->south.arena, &queries, &query_count, t->outcome) ||
	    !search_ask(t, queries, query_count, &answers))
		return false;
	for (size_t i = 0; i < query_count; i++)
		strangers_drop(t, resolved->patient_id, &answers[i]);
	if (!list_search_select(search, resolved, answers, query_count, t->south.arena, page, t->outcome))
		return false;
	if (search->view.summary == SUMMARY_COUNT)
		return true;
	return page_surroundings(t, page, around);
}

static bool page_write(const struct transaction *t, const struct search *search, const struct list_page *page,
		       const struct neighbourhood *around, struct searchset *set, struct json_writer *writer)
{
	bool counting = search->view.summary == SUMMARY_COUNT;
	struct buf scratch;
	bool ok = true;

	searchset_begin(writer, set);
	buf_init(&scratch, RESOURCE_BYTES_MAX);
	for (size_t i = 0; ok && !counting && i < page->count; i++) {
		const struct list_entry *entry = &page->entries[i];
		struct json_writer resource;

		buf_clear(&scratch);
		json_writer_init(&resource, &scratch);
		ok = (entry->submission_set ? submission_set_write(t, entry->submission_set, around, &resource)
					    : folder_write(t, entry->folder, around, &resource)) &&
		     json_writer_finish(&resource, t->outcome) &&
		     search_entry_write(t, &search->view, "List", entry_id(t, entry), &scratch, writer);
	}
	buf_free(&scratch);
	searchset_outcome(writer, t->outcome);
	searchset_end(writer);
	return ok && json_writer_finish(writer, t->outcome);
}

bool find_document_lists(const struct transaction *t, const struct search_request *request, struct buf *answer)
{
	struct transaction about = *t;
	struct search_opening opening;
	struct search search;
	struct search_resolved resolved;
	struct list_page page = { 0 };
	struct neighbourhood around = { 0 };
	struct searchset set = { 0 };
	struct json_writer writer;
	char instant[FHIR_INSTANT_SIZE];

	if (!search_open(t, request, &opening) ||
	    !list_search_read(&opening.params, &opening.rules, t->south.arena, &search, t->outcome))
		return false;
	search.after = opening.after;
	search.has_after = opening.has_after;
	if (!search_resolve(t, &search.needs, SEAL_LIST, &resolved))
		return false;
	about.south.patient_id = resolved.patient_id; /* for who is told about whom is asked */
	if (!resolved.nobody && !page_find(&about, &search, &resolved, &page, &around))
		return false;
	set.total = page.total;
	fhir_instant_from_unix(t->now_s, instant);
	set.timestamp = str_from_c(instant);
	if (!search_links(t, "List", search.honoured, page.more ? &page.last : NULL, &set))
		return false;
	json_writer_init(&writer, answer);
	return page_write(t, &search, &page, &around, &set, &writer);
}
