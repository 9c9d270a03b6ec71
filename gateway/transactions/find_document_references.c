/* Find Document References [ITI-67] over Registry Stored Query [ITI-18]. What the registry cannot filter is filtered
 * here, exactly; every page asks anew. Source: MHD 4.2.4 3.67, ITI TF-2 3.18. */
#include "mappers/document_search.h"

#include "gateway/run/log.h"
#include "gateway/transactions/search.h"
#include "mappers/base/xds_time.h"
#include "mappers/json_writer.h"

#define RESOURCE_BYTES_MAX (4u * 1024 * 1024)

/* All entries of all answers, but for those of another patient: a registry that sends such is wrong, and nobody who
 * asked for one patient may see another's. */
static bool entries_gather(const struct transaction *t, const struct metadata *answers, size_t count,
			   struct str patient_id, const struct document_entry ***entries, size_t *entry_count)
{
	size_t room = 0;
	size_t strangers = 0;

	for (size_t i = 0; i < count; i++)
		room += answers[i].document_entry_count;
	*entries = arena_array(t->south.arena, room, sizeof(**entries));
	*entry_count = 0;
	if (!*entries)
		return no_memory(t);
	if (room > t->gateway->config->search_results_max)
		return outcome_add(t->outcome, ERR_TOO_COSTLY, "", "Narrow the search: it has too many results.");
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < answers[i].document_entry_count; k++) {
			const struct document_entry *entry = &answers[i].document_entries[k];

			if (patient_id.data && !patient_same(t, entry->patient_id, patient_id))
				strangers++;
			else
				(*entries)[(*entry_count)++] = entry;
		}
	}
	if (strangers > 0)
		LOG(ERROR, LOG_SOUTH_ERROR, t->south.request_id, LOG_TEXT("backend", t->south.backend->name),
		    LOG_NUMBER("entries_of_other_patients_dropped", strangers));
	return true;
}

/* _lastUpdated: the submission time of the set that brought each entry. */
static bool last_updated_ask(const struct transaction *t, const struct document_entry *const *entries, size_t count,
			     struct str **times)
{
	*times = arena_array(t->south.arena, count, sizeof(**times));
	if (!*times)
		return no_memory(t);
	for (size_t begin = 0; begin < count; begin += SEARCH_BATCH) {
		size_t batch = count - begin < SEARCH_BATCH ? count - begin : SEARCH_BATCH;
		struct str uuids[SEARCH_BATCH];
		struct stored_query query;
		struct metadata found;

		for (size_t i = 0; i < batch; i++)
			uuids[i] = entries[begin + i]->entry_uuid;
		if (!get_submission_sets(uuids, batch, registry_home(t), t->south.arena, &query))
			return no_memory(t);
		if (!registry_ask(t, &query, &found))
			return false;
		for (size_t i = 0; i < found.association_count; i++) {
			for (size_t k = 0; k < batch; k++) {
				if (!str_equal(found.associations[i].target, uuids[k]))
					continue;
				for (size_t s = 0; s < found.submission_set_count; s++) {
					if (str_equal(found.submission_sets[s].entry_uuid,
						      found.associations[i].source))
						(*times)[begin + k] = found.submission_sets[s].submission_time;
				}
			}
		}
	}
	return true;
}

/* The associations of the entries of a page; entries that are there tell the ids of those they name. */
static bool page_surroundings(const struct transaction *t, const struct document_page *page,
			      const struct metadata *answers, size_t answer_count, struct neighbourhood *around)
{
	struct str *uuids = arena_array(t->south.arena, page->count, sizeof(*uuids));

	if (!uuids)
		return no_memory(t);
	for (size_t i = 0; i < page->count; i++)
		uuids[i] = page->entries[i]->entry_uuid;
	*around = (struct neighbourhood) { 0 };
	if (answer_count > 0) {
		around->entries = answers[0].document_entries;
		around->entry_count = answers[0].document_entry_count;
	}
	return associations_ask(t, uuids, page->count, around);
}

static bool page_write(const struct transaction *t, const struct search *search, const struct document_page *page,
		       const struct neighbourhood *around, struct searchset *set, struct json_writer *writer)
{
	bool counting = search->view.summary == SUMMARY_COUNT;
	struct buf scratch;
	bool ok = true;

	searchset_begin(writer, set);
	buf_init(&scratch, RESOURCE_BYTES_MAX);
	for (size_t i = 0; ok && !counting && i < page->count; i++) {
		const struct document_entry *entry = page->entries[i];
		struct json_writer resource;

		buf_clear(&scratch);
		json_writer_init(&resource, &scratch);
		ok = document_reference_write(t, entry, around, &resource) &&
		     json_writer_finish(&resource, t->outcome) &&
		     search_entry_write(t, &search->view, "DocumentReference",
					resource_id(t, SEAL_DOCUMENT_REFERENCE, entry->logical_id, entry->entry_uuid),
					&scratch, writer);
	}
	buf_free(&scratch);
	searchset_outcome(writer, t->outcome);
	searchset_end(writer);
	return ok && json_writer_finish(writer, t->outcome);
}

/* The entries that answer the search, filtered, sorted, and cut to the page. */
static bool page_find(const struct transaction *t, const struct search *search, const struct search_resolved *resolved,
		      struct document_page *page, struct neighbourhood *around)
{
	struct stored_query *queries;
	size_t query_count;
	struct metadata *answers;
	const struct document_entry **entries;
	size_t entry_count;
	struct str *last_updated = NULL;

	if (!document_search_queries(search, resolved, t->south.arena, &queries, &query_count, t->outcome) ||
	    !search_ask(t, queries, query_count, &answers) ||
	    !entries_gather(t, answers, query_count, resolved->patient_id, &entries, &entry_count))
		return false;
	if (search->needs.last_updated && !last_updated_ask(t, entries, entry_count, &last_updated))
		return false;
	if (!document_search_select(search, resolved, entries, last_updated, entry_count, t->south.arena, page,
				    t->outcome))
		return false;
	if (search->view.summary == SUMMARY_COUNT)
		return true;
	return page_surroundings(t, page, answers, query_count, around);
}

bool find_document_references(const struct transaction *t, const struct search_request *request, struct buf *answer)
{
	struct transaction about = *t;
	struct search_opening opening;
	struct search search;
	struct search_resolved resolved;
	struct document_page page = { 0 };
	struct neighbourhood around = { 0 };
	struct searchset set = { 0 };
	struct json_writer writer;
	char instant[FHIR_INSTANT_SIZE];

	if (!search_open(t, request, &opening) ||
	    !document_search_read(&opening.params, &opening.rules, t->south.arena, &search, t->outcome))
		return false;
	search.after = opening.after;
	search.has_after = opening.has_after;
	if (!search_resolve(t, &search.needs, SEAL_DOCUMENT_REFERENCE, &resolved))
		return false;
	about.south.patient_id = resolved.patient_id; /* for who is told about whom is asked */
	if (!resolved.nobody && !page_find(&about, &search, &resolved, &page, &around))
		return false;
	set.total = page.total;
	fhir_instant_from_unix(t->now_s, instant);
	set.timestamp = str_from_c(instant);
	if (!search_links(t, "DocumentReference", search.honoured, page.more ? &page.last : NULL, &set))
		return false;
	json_writer_init(&writer, answer);
	return page_write(t, &search, &page, &around, &set, &writer);
}
