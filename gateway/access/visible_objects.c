/* Answers that are passed on object by object: what associations lead to must be there for the reader, too. */
#include <stdlib.h>

#include "gateway/access/visible_objects.h"
#include "mappers/document_search.h"
#include "mappers/list_search.h"

/* Ids in order, in any case. */
struct ids {
	struct str *items;
	size_t count;
};

static int id_compare(const void *left, const void *right)
{
	const struct str *a = left;
	const struct str *b = right;
	size_t size = a->size < b->size ? a->size : b->size;
	int order = size ? strncasecmp(a->data, b->data, size) : 0;

	return order ? order : (a->size > b->size) - (a->size < b->size);
}

static bool ids_hold(const struct ids *ids, struct str id)
{
	return ids->count && bsearch(&id, ids->items, ids->count, sizeof(id), id_compare);
}

static void ids_sort(struct ids *ids)
{
	size_t kept = 0;

	if (ids->count)
		qsort(ids->items, ids->count, sizeof(*ids->items), id_compare);
	for (size_t i = 0; i < ids->count; i++) {
		if (kept == 0 || id_compare(&ids->items[kept - 1], &ids->items[i]) != 0)
			ids->items[kept++] = ids->items[i];
	}
	ids->count = kept;
}

struct answer {
	struct visit *visit;
	enum consent_action action;
	const struct south *south;
	struct str home;
	const struct visible_elsewhere *elsewhere;
	struct metadata *metadata;
	struct ids seen;  /* objects that the reader may see */
	struct ids asked; /* ends that are not among them, to be asked for */
	struct outcome *outcome;
};

static bool no_memory(const struct answer *answer)
{
	return outcome_add(answer->outcome, ERR_NO_MEMORY, "", "Try again later.");
}

static void seen_add(struct answer *answer, const struct metadata *found)
{
	struct ids *seen = &answer->seen;

	for (size_t i = 0; i < found->document_entry_count; i++)
		seen->items[seen->count++] = found->document_entries[i].entry_uuid;
	for (size_t i = 0; i < found->folder_count; i++)
		seen->items[seen->count++] = found->folders[i].entry_uuid;
	for (size_t i = 0; i < found->submission_set_count; i++)
		seen->items[seen->count++] = found->submission_sets[i].entry_uuid;
}

/* Who else is at the ends of associations: documents first, then those that are none and may be Folders. */
static bool ends_ask(struct answer *answer,
		     bool (*make)(const struct str *, size_t, struct str, struct arena *, struct stored_query *))
{
	const struct ids *asked = &answer->asked;

	for (size_t begin = 0; begin < asked->count; begin += SEARCH_BATCH) {
		size_t left = asked->count - begin;
		struct stored_query query;
		struct metadata found;
		struct ids *seen = &answer->seen;
		struct str *grown;

		if (!make(asked->items + begin, left < SEARCH_BATCH ? left : SEARCH_BATCH, answer->home,
			  answer->south->arena, &query))
			return no_memory(answer);
		if (!visible_query(answer->visit, answer->action, answer->south, &query, &found, answer->outcome) ||
		    !answer->elsewhere->drop(answer->elsewhere->ctx, &found))
			return false;
		grown = arena_array(answer->south->arena,
				    seen->count + found.document_entry_count + found.folder_count +
					    found.submission_set_count,
				    sizeof(*grown));
		if (!grown)
			return no_memory(answer);
		memcpy(grown, seen->items, seen->count * sizeof(*grown));
		seen->items = grown;
		seen_add(answer, &found);
	}
	ids_sort(&answer->seen);
	return true;
}

static bool unseen_gather(struct answer *answer)
{
	const struct metadata *metadata = answer->metadata;
	struct ids *asked = &answer->asked;

	asked->items = arena_array(answer->south->arena, 2 * metadata->association_count, sizeof(*asked->items));
	asked->count = 0;
	if (!asked->items)
		return no_memory(answer);
	for (size_t i = 0; i < metadata->association_count; i++) {
		const struct association *association = &metadata->associations[i];

		if (!ids_hold(&answer->seen, association->source))
			asked->items[asked->count++] = association->source;
		if (!ids_hold(&answer->seen, association->target))
			asked->items[asked->count++] = association->target;
	}
	ids_sort(asked);
	return true;
}

/* SubmissionSets cannot be asked for in numbers. One that holds what may be seen may be seen itself; so may a Folder. */
static bool is_by_set(const struct association *association)
{
	return association->type == ASSOCIATION_HAS_MEMBER || association->type == ASSOCIATION_UPDATE_STATUS ||
	       association->type == ASSOCIATION_SUBMIT_ASSOCIATION;
}

/* Keeps associations of what is seen, and then those of the associations kept. */
static bool associations_filter(struct answer *answer)
{
	struct metadata *metadata = answer->metadata;
	size_t count = metadata->association_count;
	bool *keep = arena_array(answer->south->arena, count, sizeof(*keep));
	struct ids kept = { arena_array(answer->south->arena, count, sizeof(*kept.items)), 0 };
	size_t place = 0;

	if (!keep || !kept.items)
		return no_memory(answer);
	for (size_t i = 0; i < count; i++) {
		const struct association *association = &metadata->associations[i];

		keep[i] = ids_hold(&answer->seen, association->target) &&
			  (is_by_set(association) || ids_hold(&answer->seen, association->source));
		if (keep[i])
			kept.items[kept.count++] = association->id;
	}
	ids_sort(&kept);
	for (size_t i = 0; i < count; i++) {
		const struct association *association = &metadata->associations[i];

		if (keep[i] || (is_by_set(association) && ids_hold(&kept, association->target)))
			metadata->associations[place++] = *association;
	}
	metadata->association_count = place;
	return true;
}

bool visible_objects(struct visit *visit, enum consent_action action, const struct south *south,
		     const struct stored_query *query, const struct visible_elsewhere *elsewhere,
		     struct metadata *metadata, struct outcome *outcome)
{
	struct answer answer = { .visit = visit,
				 .action = action,
				 .south = south,
				 .home = query->home,
				 .elsewhere = elsewhere,
				 .metadata = metadata,
				 .outcome = outcome };

	if (!visible_query(visit, action, south, query, metadata, outcome) ||
	    !elsewhere->drop(elsewhere->ctx, metadata))
		return false;
	metadata->object_refs.count = 0;
	metadata->other_count = 0;
	metadata->loose_count = 0;
	if (metadata->association_count == 0)
		return true;
	answer.seen.items =
		arena_array(south->arena,
			    metadata->document_entry_count + metadata->folder_count + metadata->submission_set_count,
			    sizeof(struct str));
	if (!answer.seen.items)
		return no_memory(&answer);
	seen_add(&answer, metadata);
	ids_sort(&answer.seen);
	return unseen_gather(&answer) && ends_ask(&answer, get_documents) && unseen_gather(&answer) &&
	       ends_ask(&answer, get_folders) && associations_filter(&answer);
}
