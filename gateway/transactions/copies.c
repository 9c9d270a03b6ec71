#include "gateway/transactions/copies.h"

#include "gateway/access/known_document.h"
#include "gateway/transactions/elsewhere.h"
#include "gateway/transactions/entries.h"
#include "mappers/association.h"
#include "mappers/base/uuid.h"
#include "mappers/publication_target.h"

/* The waiting document that an association comes from; NULL where the caller may not see it, here or in another source. */
static const struct document_entry *replacement_find(const struct transaction *first, const struct waiting *waiting,
						     const struct association *association)
{
	const struct document_entry *entry = waiting_entry(waiting, association->source);
	struct document_entry one;
	struct metadata found = { .document_entries = &one, .document_entry_count = 1 };

	if (!association_replaces(association->type) || !entry)
		return NULL;
	one = *entry;
	visible_everywhere(first->visit, &found);
	return found.document_entry_count > 0 ? entry : NULL;
}

/* A uniqueId is the same everywhere. Where nobody can tell that of an entryUUID, it may do itself: a copy that was shared from
 * here has the ids that it has at the first source, as far as its registry kept them. */
static void superseded_add(const struct transaction *first, struct str end, struct strs *superseded)
{
	struct publication_target target = { .id = end };
	const struct document_entry *known = NULL;

	if (!publication_target_read(end, &target))
		known = known_document_find(first->gateway->access, first->visit, first->source->backend.name, end,
					    first->now_s, first->south.arena);
	superseded->items[superseded->count++] = target.id;
	if (known)
		superseded->items[superseded->count++] = known->unique_id;
}

bool copies_take(const struct transaction *first, struct str patient_id, const struct waiting *waiting,
		 struct copies *copies)
{
	size_t count = 0;
	struct strs uuids;
	bool is_cut;

	*copies = (struct copies) { .visit = first->visit };
	if (!visible_changes_of(first->visit, patient_id, NULL, &uuids, &is_cut))
		return no_memory(first);
	for (size_t i = 0; i < waiting->count; i++)
		count += waiting->items[i].metadata.association_count;
	copies->superseded.items = arena_array(first->south.arena, 2 * count, sizeof(struct str));
	if (!copies->superseded.items)
		return no_memory(first);
	for (size_t i = 0; i < waiting->count; i++) {
		const struct metadata *metadata = &waiting->items[i].metadata;

		for (size_t k = 0; k < metadata->association_count; k++) {
			if (replacement_find(first, waiting, &metadata->associations[k]))
				superseded_add(first, metadata->associations[k].target, &copies->superseded);
		}
	}
	return true;
}

bool copies_look(const struct transaction *t, const struct document_entry *entry, struct copies *copies)
{
	const struct strs none = { 0 };
	struct waiting waiting;
	struct errand errand;

	*copies = (struct copies) { 0 };
	if (!t->gateway->delivery)
		return true;
	if (!errand_begin(t, t->gateway->sources, &errand))
		return false;
	return errand_end(&errand, waiting_find(&errand.t, entry->patient_id, &none, &waiting) &&
					   copies_take(&errand.t, entry->patient_id, &waiting, copies));
}

struct code copy_superseded_tag(const struct copies *copies, const struct document_entry *entry)
{
	for (size_t i = 0; copies && i < copies->superseded.count; i++) {
		struct str name = copies->superseded.items[i];

		if (str_equal(name, entry->unique_id) ||
		    (uuid_valid(name) &&
		     (str_equal_nocase(name, entry->entry_uuid) || str_equal_nocase(name, entry->logical_id))))
			return waiting_superseding_tag();
	}
	return (struct code) { 0 };
}
