/* Find Document Lists [ITI-66]: SubmissionSets and Folders, with their members. Source: MHD 4.2.4 3.66, ITI TF-2 3.18. */
#include "mappers/list_search.h"

#include "gateway/run/log.h"
#include "gateway/transactions/search_answer.h"
#include "mappers/document_search.h"

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
	const struct searching *searching = ctx;
	struct search_resolved there;
	struct search search;
	struct stored_query *queries;
	size_t count;
	bool nobody;

	if (!search_at(leg, &searching->resolved, &there, &nobody) ||
	    !search_changes(leg, searching->resolved.patient_id, NULL))
		return false;
	search = search_widened(leg, &searching->search, &searching->resolved);
	if (!queries_make(leg, &search, &there, &queries, &count))
		return false;
	if (nobody)
		return true;
	if (!search_ask(leg, queries, count))
		return false;
	for (size_t i = 0; i < leg->answer_count; i++)
		strangers_drop(&leg->t, searching->resolved.patient_id, &leg->answers[i]);
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

static bool page_find(struct searching *searching, struct list_page *page)
{
	struct legs *legs = &searching->legs;
	const struct transaction *t = legs->t;
	struct list_answer *answers;
	size_t count;

	return legs_run(legs, lists_read, searching) && search_hide(legs) && answers_join(legs, &answers, &count) &&
	       list_search_select(&searching->search, &searching->resolved, answers, count, t->south.arena, page,
				  t->outcome);
}

/* The members of a source's lists on the page. */
static bool around_read(struct leg *leg, const void *ctx)
{
	(void)ctx;
	return leg->is_away || (associations_ask(&leg->t, leg->page.items, leg->page.count, &leg->around) &&
				members_ask(&leg->t, &leg->around));
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

		leg->page.items = arena_array(t->south.arena, page->count, sizeof(*leg->page.items));
		if (!leg->page.items)
			return no_memory(t);
		for (size_t k = 0; k < page->count; k++) {
			if (page->entries[k].source == leg->t.source->config->source)
				leg->page.items[leg->page.count++] = entry_uuid(&page->entries[k]);
		}
		if (!waiting_around(&leg->t, &leg->waiting, &leg->around))
			return false;
		leg->wanted = leg->wanted && leg->page.count > 0;
	}
	if (!searching_around(legs, around_read))
		return false;
	page_look_again(legs, page);
	return true;
}

static bool entry_write(const struct legs *legs, const void *page, size_t index, struct str *id,
			struct json_writer *resource)
{
	const struct list_entry *entry = &((const struct list_page *)page)->entries[index];
	const struct leg *leg = search_leg(legs, entry->source);

	*id = entry_id(&leg->t, entry);
	return entry->submission_set ? submission_set_write(&leg->t, entry->submission_set, &leg->around, resource)
				     : folder_write(&leg->t, entry->folder, &leg->around, resource);
}

bool find_document_lists(const struct transaction *t, const struct search_request *request, struct buf *answer)
{
	struct searching searching;
	struct list_page page;
	struct search_shown shown = { .page = &page, .write = entry_write };
	struct searchset set;

	if (!searching_begin(t, request, list_search_read, SEAL_LIST, &searching) || !page_find(&searching, &page) ||
	    !searching_links(&searching, "List", page.more ? &page.last : NULL, &set) ||
	    (page.count > 0 && !page_surroundings(&searching.legs, &page)))
		return false;
	shown.count = page.count;
	shown.total = page.total;
	return searching_write(&searching, "List", &shown, &set, answer);
}
