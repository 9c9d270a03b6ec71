/* Find Document References [ITI-67] over Registry Stored Query [ITI-18]. What the registry cannot filter is filtered
 * here, exactly; every page asks anew. Source: MHD 4.2.4 3.67, ITI TF-2 3.18. */
#include "mappers/document_search.h"

#include "gateway/run/log.h"
#include "gateway/transactions/copies.h"
#include "gateway/transactions/search_answer.h"

/* What waits at the first source, by whose it is: searches of one patient have one. */
struct patient_copies {
	struct str patient_id;
	struct copies copies;
	struct patient_copies *next;
};

/* What one source has of what is looked for. */
struct found {
	struct document_found *items;
	size_t count;
	struct patient_copies *copies; /* of the first source's documents; NULL: it is that one, or has none */
};

struct matching {
	const struct searching *searching;
	struct arena *arena;
};

/* Whether a document answers as it will be. When it was submitted last is asked later. */
static bool matches(const void *ctx, const struct document_entry *entry)
{
	const struct matching *matching = ctx;
	const struct searching *searching = matching->searching;

	return searching->search.needs.last_updated ||
	       document_search_matches(&searching->search, &searching->resolved, entry, STR_NONE, matching->arena);
}

static bool entries_read(struct leg *leg, const void *ctx)
{
	const struct searching *searching = ctx;
	struct search_resolved there;
	struct search search;
	struct stored_query *queries;
	size_t count;
	struct matching matching = { searching, leg->t.south.arena };
	bool nobody;

	if (!search_at(leg, &searching->resolved, &there, &nobody) ||
	    !search_changes(leg, searching->resolved.patient_id, &(struct changes_wanted) { matches, &matching }))
		return false;
	search = search_widened(leg, &searching->search, &searching->resolved);
	if (!document_search_queries(&search, &there, leg->t.south.arena, &queries, &count, leg->t.outcome))
		return false;
	return nobody || (search_ask(leg, queries, count) && search_ask_changed(leg));
}

static const struct copies *copies_of(const struct found *found, const struct document_entry *entry)
{
	const struct patient_copies *one = found->copies;

	while (one && !str_equal(one->patient_id, entry->patient_id))
		one = one->next;
	return one ? &one->copies : NULL;
}

/* Reads what waits of a copy's patient, once. */
static bool copies_know(const struct legs *legs, struct found *found, const struct document_entry *entry)
{
	struct leg *first = legs->items;
	const struct transaction *t = &first->t;
	const struct strs none = { 0 };
	struct patient_copies *one;
	struct waiting waiting;

	if (copies_of(found, entry))
		return true;
	one = arena_alloc(t->south.arena, sizeof(*one));
	if (!one)
		return no_memory(t);
	*one = (struct patient_copies) { .patient_id = entry->patient_id, .next = found->copies };
	found->copies = one;
	return (first->has_waiting || waiting_find(t, entry->patient_id, &none, &waiting)) &&
	       copies_take(t, entry->patient_id, first->has_waiting ? &first->waiting : &waiting, &one->copies);
}

static const struct visible_change *change_of(const struct leg *leg, const struct found *found,
					      const struct document_entry *entry)
{
	const struct copies *copies = copies_of(found, entry);

	return copies ? visible_change_of_copy(copies->visit, entry) : visible_change(leg->t.visit, entry);
}

/* A document that changes wait for answers as it will be, and no more as it is. */
static struct document_found found_make(const struct leg *leg, const struct found *found,
					const struct document_entry *entry)
{
	const struct visible_change *change = change_of(leg, found, entry);

	return (struct document_found) { .entry = change ? &change->entry : entry,
					 .registered = change ? entry : NULL,
					 .source = (uint8_t)leg->t.source->config->source };
}

static const struct document_entry *registered_of(const struct document_found *one)
{
	return one->registered ? one->registered : one->entry;
}

/* All entries of a source, but for those of another patient: a registry that sends such is wrong, and nobody who asked for
 * one patient may see another's. */
static bool entries_gather(const struct legs *legs, struct leg *leg, struct str patient_id)
{
	const struct transaction *t = legs->t;
	struct found *found = arena_alloc(t->south.arena, sizeof(*found));
	size_t room = 0;
	size_t strangers = 0;
	bool is_first = leg == legs->items;

	for (size_t i = 0; i < leg->answer_count; i++)
		room += leg->answers[i].document_entry_count;
	if (found)
		found->items = arena_array(t->south.arena, room, sizeof(*found->items));
	if (!found || !found->items)
		return no_memory(t);
	for (size_t i = 0; i < leg->answer_count; i++) {
		for (size_t k = 0; k < leg->answers[i].document_entry_count; k++) {
			const struct document_entry *entry = &leg->answers[i].document_entries[k];

			if (patient_id.data && !patient_same(t, entry->patient_id, patient_id))
				strangers++;
			else if (!is_first && t->gateway->delivery && !copies_know(legs, found, entry))
				return false;
			else
				found->items[found->count++] = found_make(leg, found, entry);
		}
	}
	if (strangers > 0)
		LOG(ERROR, LOG_SOUTH_ERROR, t->south.request_id, LOG_TEXT("backend", leg->t.source->backend.name),
		    LOG_NUMBER("entries_of_other_patients_dropped", strangers));
	leg->found = found;
	return true;
}

/* The submission time of the set that brought each entry. */
static void times_take(const struct metadata *answer, struct document_found *items, size_t count)
{
	for (size_t i = 0; i < answer->association_count; i++) {
		const struct association *association = &answer->associations[i];

		for (size_t k = 0; k < count; k++) {
			if (!str_equal(association->target, registered_of(&items[k])->entry_uuid))
				continue;
			for (size_t s = 0; s < answer->submission_set_count; s++) {
				if (str_equal(answer->submission_sets[s].entry_uuid, association->source))
					items[k].last_updated = answer->submission_sets[s].submission_time;
			}
		}
	}
}

/* _lastUpdated. */
static bool times_read(struct leg *leg, const void *ctx)
{
	const struct transaction *t = &leg->t;
	struct found *found = leg->found;

	(void)ctx;
	for (size_t i = 0; i < leg->waiting.count; i++)
		times_take(&leg->waiting.items[i].metadata, found->items, found->count);
	for (size_t begin = 0; !leg->is_away && begin < found->count; begin += SEARCH_BATCH) {
		size_t batch = found->count - begin < SEARCH_BATCH ? found->count - begin : SEARCH_BATCH;
		struct str uuids[SEARCH_BATCH];
		struct stored_query query;
		struct metadata answer;

		for (size_t i = 0; i < batch; i++)
			uuids[i] = registered_of(&found->items[begin + i])->entry_uuid;
		if (!get_submission_sets(uuids, batch, registry_home(t), t->south.arena, &query))
			return no_memory(t);
		if (!registry_ask(t, &query, &answer))
			return false;
		times_take(&answer, found->items + begin, batch);
	}
	return true;
}

/* What will be changed is so by then. After the threads of all legs: copies have it of the first. */
static void times_change(const struct leg *leg)
{
	const struct found *found = leg->found;

	for (size_t i = 0; i < found->count; i++) {
		const struct document_entry *entry = found->items[i].registered;
		const struct visible_change *change = entry ? change_of(leg, found, entry) : NULL;

		if (change && change->submission_time.size)
			found->items[i].last_updated = change->submission_time;
	}
}

/* What all sources have, in their order. */
static bool entries_join(const struct legs *legs, struct document_found **items, size_t *count)
{
	const struct transaction *t = legs->t;
	size_t room = 0;

	for (size_t i = 0; i < legs->count; i++)
		room += legs->items[i].wanted ? ((const struct found *)legs->items[i].found)->count : 0;
	*count = 0;
	*items = arena_array(t->south.arena, room, sizeof(**items));
	if (!*items)
		return no_memory(t);
	for (size_t i = 0; i < legs->count; i++) {
		const struct found *found = legs->items[i].found;

		for (size_t k = 0; legs->items[i].wanted && k < found->count; k++)
			(*items)[(*count)++] = found->items[k];
	}
	return true;
}

/* The entries that answer the search, filtered, sorted, and cut to the page. */
static bool page_find(struct searching *searching, struct document_page *page)
{
	struct legs *legs = &searching->legs;
	const struct transaction *t = legs->t;
	struct document_found *items;
	size_t count;

	if (!legs_run(legs, entries_read, searching) || !search_hide(legs))
		return false;
	for (size_t i = 0; i < legs->count; i++) {
		if (legs->items[i].wanted && !entries_gather(legs, &legs->items[i], searching->resolved.patient_id))
			return false;
	}
	if (searching->search.needs.last_updated && !legs_run(legs, times_read, NULL))
		return false;
	for (size_t i = 0; i < legs->count; i++) {
		if (searching->search.needs.last_updated && legs->items[i].wanted)
			times_change(&legs->items[i]);
	}
	return entries_join(legs, &items, &count) &&
	       document_search_select(&searching->search, &searching->resolved, items, count, t->south.arena, page,
				      t->outcome);
}

/* The associations of a source's entries on the page; entries that are there tell the ids of those they name. */
static bool around_read(struct leg *leg, const void *ctx)
{
	(void)ctx;
	return leg->is_away ? waiting_relations_ask(&leg->t, leg->page.items, leg->page.count, true, &leg->around)
			    : associations_ask(&leg->t, leg->page.items, leg->page.count, &leg->around);
}

static bool is_visible(const struct legs *legs, const struct document_found *one)
{
	struct document_entry entry = *one->entry;
	struct metadata found = { .document_entries = &entry, .document_entry_count = 1 };

	visible_everywhere(search_leg(legs, one->source)->t.visit, &found);
	return found.document_entry_count > 0;
}

/* What became known as hidden only while the surroundings were asked is not on the page either. */
static void page_look_again(const struct legs *legs, struct document_page *page)
{
	size_t kept = 0;

	for (size_t i = 0; i < page->count; i++) {
		if (is_visible(legs, &page->items[i]))
			page->items[kept++] = page->items[i];
	}
	page->total -= page->count - kept;
	page->count = kept;
}

/* Entries that are at hand anyway: around gets copies, since what is hidden in it goes. */
static bool around_begin(struct leg *leg)
{
	struct metadata at_hand = { 0 };

	if (leg->answer_count > 0) {
		at_hand.document_entries = leg->answers[0].document_entries;
		at_hand.document_entry_count = leg->answers[0].document_entry_count;
	}
	return neighbourhood_add(&leg->t, &leg->around, &at_hand) &&
	       waiting_around(&leg->t, &leg->waiting, &leg->around);
}

static bool page_surroundings(struct legs *legs, struct document_page *page)
{
	const struct transaction *t = legs->t;

	for (size_t i = 0; i < legs->count; i++) {
		struct leg *leg = &legs->items[i];

		if (!leg->wanted)
			continue;
		leg->page.items = arena_array(t->south.arena, page->count, sizeof(*leg->page.items));
		if (!leg->page.items)
			return no_memory(t);
		for (size_t k = 0; k < page->count; k++) {
			if (page->items[k].source == leg->t.source->config->source)
				leg->page.items[leg->page.count++] = registered_of(&page->items[k])->entry_uuid;
		}
		if (!around_begin(leg))
			return false;
		leg->wanted = leg->page.count > 0;
	}
	if (!searching_around(legs, around_read))
		return false;
	page_look_again(legs, page);
	return true;
}

static struct str found_id(const struct legs *legs, const struct document_found *one)
{
	return resource_id(&search_leg(legs, one->source)->t, SEAL_DOCUMENT_REFERENCE, one->entry->logical_id,
			   one->entry->entry_uuid);
}

/* Different documents under one identifier: who reads must know. */
static void twins_tell(const struct legs *legs, const struct document_page *page)
{
	const struct transaction *t = legs->t;

	for (size_t i = 0; i < page->count; i++) {
		const struct document_found *one = &page->items[i];
		const struct document_found *twin = one->twin;

		if (!twin || !is_visible(legs, twin))
			continue;
		outcome_warn(t->outcome, ERR_CONFLICT, "",
			     "DocumentReference/%.*s of %.*s and DocumentReference/%.*s of %.*s have the same "
			     "identifier and %s: compare both.",
			     STR_ARG(found_id(legs, one)),
			     STR_ARG(search_leg(legs, one->source)->t.source->backend.name),
			     STR_ARG(found_id(legs, twin)),
			     STR_ARG(search_leg(legs, twin->source)->t.source->backend.name),
			     patient_same(t, one->entry->patient_id, twin->entry->patient_id) ? "different content"
											      : "different patients");
	}
}

static bool entry_write(const struct legs *legs, const void *page, size_t index, struct str *id,
			struct json_writer *resource)
{
	const struct document_found *one = &((const struct document_page *)page)->items[index];
	const struct document_entry *entry = registered_of(one);
	const struct leg *leg = search_leg(legs, one->source);
	const struct found *found = leg->found;
	struct neighbourhood around = leg->around;

	around.copies = copies_of(found, entry);
	*id = found_id(legs, one);
	return document_reference_write(&leg->t, entry, change_of(leg, found, entry), &around, resource);
}

bool find_document_references(const struct transaction *t, const struct search_request *request, struct buf *answer)
{
	struct searching searching;
	struct document_page page;
	struct search_shown shown = { .page = &page, .write = entry_write };
	struct searchset set;

	if (!searching_begin(t, request, document_search_read, SEAL_DOCUMENT_REFERENCE, &searching) ||
	    !page_find(&searching, &page) ||
	    !searching_links(&searching, "DocumentReference", page.more ? &page.last : NULL, &set) ||
	    (page.count > 0 && !page_surroundings(&searching.legs, &page)))
		return false;
	twins_tell(&searching.legs, &page);
	shown.count = page.count;
	shown.total = page.total;
	return searching_write(&searching, "DocumentReference", &shown, &set, answer);
}
