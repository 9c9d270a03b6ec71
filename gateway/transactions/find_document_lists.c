/* Find Document Lists [ITI-66]: SubmissionSets and Folders, with their members. Source: MHD 4.2.4 3.66, ITI TF-2 3.18. */
#include "mappers/list_search.h"

#include "gateway/run/log.h"
#include "gateway/transactions/search.h"
#include "mappers/document_search.h"
#include "mappers/base/xds_time.h"
#include "mappers/json_writer.h"

#define RESOURCE_BYTES_MAX (4u * 1024 * 1024)

/* What is looked for. */
struct finding {
	const struct search *search;
	const struct search_resolved *resolved;
};

/* What one source has on the page. */
struct found {
	struct str *page; /* entryUUIDs */
	size_t page_count;
	struct neighbourhood around; /* members */
};

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

/* Which documents are hidden is seen only by who asks for them. */
static bool queries_make(const struct leg *leg, const struct search *search, const struct search_resolved *there,
			 struct stored_query **queries, size_t *count)
{
	struct arena *arena = leg->t.south.arena;
	struct outcome *outcome = leg->t.outcome;
	struct stored_query *lists;
	struct stored_query *documents;
	size_t list_count;
	size_t document_count = 0;

	if (!list_search_queries(search, there, arena, &lists, &list_count, outcome) ||
	    (leg->widened && !document_search_queries(search, there, arena, &documents, &document_count, outcome)))
		return false;
	*count = list_count + document_count;
	*queries = arena_array(arena, *count, sizeof(**queries));
	if (!*queries)
		return no_memory(&leg->t);
	for (size_t i = 0; i < *count; i++)
		(*queries)[i] = i < list_count ? lists[i] : documents[i - list_count];
	return true;
}

static bool lists_read(struct leg *leg, const void *ctx)
{
	const struct finding *finding = ctx;
	struct search_resolved there;
	struct search search;
	struct stored_query *queries;
	size_t count;
	bool nobody;

	if (!search_at(leg, finding->resolved, &there, &nobody) ||
	    !search_changes(leg, finding->resolved->patient_id, NULL))
		return false;
	search = search_widened(leg, finding->search, finding->resolved);
	if (!queries_make(leg, &search, &there, &queries, &count))
		return false;
	if (nobody)
		return true;
	if (!search_ask(leg, queries, count))
		return false;
	for (size_t i = 0; i < leg->answer_count; i++)
		strangers_drop(&leg->t, finding->resolved->patient_id, &leg->answers[i]);
	return true;
}

/* What all sources have, in their order. */
static bool answers_join(const struct legs *legs, struct list_answer **answers, size_t *count)
{
	size_t room = 0;

	for (size_t i = 0; i < legs->count; i++)
		room += legs->items[i].answer_count;
	*count = 0;
	*answers = arena_array(legs->t->south.arena, room, sizeof(**answers));
	if (!*answers)
		return no_memory(legs->t);
	for (size_t i = 0; i < legs->count; i++) {
		const struct leg *leg = &legs->items[i];

		for (size_t k = 0; leg->wanted && k < leg->answer_count; k++)
			(*answers)[(*count)++] =
				(struct list_answer) { &leg->answers[k], (uint8_t)leg->t.source->config->source };
	}
	return true;
}

static bool page_find(struct legs *legs, const struct finding *finding, struct list_page *page)
{
	const struct transaction *t = legs->t;
	struct list_answer *answers;
	size_t count;

	return legs_run(legs, lists_read, finding) && search_hide(legs) && answers_join(legs, &answers, &count) &&
	       list_search_select(finding->search, finding->resolved, answers, count, t->south.arena, page, t->outcome);
}

/* The members of a source's lists on the page. */
static bool around_read(struct leg *leg, const void *ctx)
{
	struct found *found = leg->found;

	(void)ctx;
	return leg->is_away || (associations_ask(&leg->t, found->page, found->page_count, &found->around) &&
				members_ask(&leg->t, &found->around));
}

/* What became known as hidden only while the members were asked is not on the page either. */
static void page_look_again(const struct legs *legs, struct list_page *page)
{
	size_t kept = 0;

	for (size_t i = 0; i < page->count; i++) {
		const struct list_entry *entry = &page->entries[i];
		struct submission_set set =
			entry->submission_set ? *entry->submission_set : (struct submission_set) { 0 };
		struct folder folder = entry->folder ? *entry->folder : (struct folder) { 0 };
		struct metadata found = { .submission_sets = &set,
					  .submission_set_count = entry->submission_set != NULL,
					  .folders = &folder,
					  .folder_count = entry->folder != NULL };

		visible_everywhere(search_leg(legs, entry->source)->t.visit, &found);
		if (found.submission_set_count + found.folder_count > 0)
			page->entries[kept++] = *entry;
	}
	page->total -= page->count - kept;
	page->count = kept;
}

static bool page_surroundings(struct legs *legs, struct list_page *page)
{
	const struct transaction *t = legs->t;

	for (size_t i = 0; i < legs->count; i++) {
		struct leg *leg = &legs->items[i];
		struct found *found = arena_alloc(t->south.arena, sizeof(*found));

		if (found)
			found->page = arena_array(t->south.arena, page->count, sizeof(*found->page));
		if (!found || !found->page)
			return no_memory(t);
		for (size_t k = 0; k < page->count; k++) {
			if (page->entries[k].source == leg->t.source->config->source)
				found->page[found->page_count++] = entry_uuid(&page->entries[k]);
		}
		if (!waiting_around(&leg->t, &leg->waiting, &found->around))
			return false;
		leg->found = found;
		leg->wanted = leg->wanted && found->page_count > 0;
	}
	if (!legs_run(legs, around_read, NULL))
		return false;
	for (size_t i = 0; i < legs->count; i++) {
		const struct leg *leg = &legs->items[i];

		if (leg->wanted && !around_drop(&leg->t, &((struct found *)leg->found)->around))
			return false;
	}
	page_look_again(legs, page);
	return true;
}

static bool entry_write(const struct legs *legs, const struct search *search, const struct list_entry *entry,
			struct buf *scratch, struct json_writer *writer)
{
	const struct leg *leg = search_leg(legs, entry->source);
	const struct neighbourhood *around = &((const struct found *)leg->found)->around;
	struct json_writer resource;

	buf_clear(scratch);
	json_writer_init(&resource, scratch);
	return (entry->submission_set ? submission_set_write(&leg->t, entry->submission_set, around, &resource)
				      : folder_write(&leg->t, entry->folder, around, &resource)) &&
	       json_writer_finish(&resource, legs->t->outcome) &&
	       search_entry_write(legs->t, &search->view, "List", entry_id(&leg->t, entry), scratch, writer);
}

static bool page_write(const struct legs *legs, const struct search *search, const struct list_page *page,
		       const struct searchset *set, struct json_writer *writer)
{
	const struct transaction *t = legs->t;
	bool counting = search->view.summary == SUMMARY_COUNT;
	struct buf scratch;
	bool ok = true;

	searchset_begin(writer, set);
	buf_init(&scratch, RESOURCE_BYTES_MAX);
	for (size_t i = 0; ok && !counting && i < page->count; i++)
		ok = entry_write(legs, search, &page->entries[i], &scratch, writer);
	buf_free(&scratch);
	searchset_outcome(writer, t->outcome);
	searchset_end(writer);
	return ok && json_writer_finish(writer, t->outcome);
}

bool find_document_lists(const struct transaction *t, const struct search_request *request, struct buf *answer)
{
	struct search_opening opening;
	struct search search;
	struct search_resolved resolved;
	struct finding finding = { &search, &resolved };
	struct legs legs;
	struct search_sources sources;
	struct list_page page = { 0 };
	struct searchset set = { 0 };
	struct json_writer writer;
	char instant[FHIR_INSTANT_SIZE];

	if (!search_open(t, request, &opening) ||
	    !list_search_read(&opening.params, &opening.rules, t->south.arena, &search, t->outcome))
		return false;
	search.after = opening.after;
	search.has_after = opening.has_after;
	if (!search_resolve(t, &search.needs, SEAL_LIST, &resolved) ||
	    !search_legs(t, &opening, &search, &resolved, &legs) || !page_find(&legs, &finding, &page))
		return false;
	sources = legs_sources(&legs);
	fhir_instant_from_unix(t->now_s, instant);
	set.timestamp = str_from_c(instant);
	if (!search_links(t, "List", search.honoured, page.more ? &page.last : NULL, &sources, &set) ||
	    (search.view.summary != SUMMARY_COUNT && !page_surroundings(&legs, &page)))
		return false;
	set.total = page.total;
	set.is_incomplete = search_waiting_tell(&legs) || legs.is_incomplete || legs.items[0].is_away;
	json_writer_init(&writer, answer);
	return page_write(&legs, &search, &page, &set, &writer);
}
