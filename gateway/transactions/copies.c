#include "gateway/transactions/copies.h"

#include "gateway/access/known_document.h"
#include "gateway/transactions/elsewhere.h"
#include "gateway/transactions/entries.h"
#include "mappers/association.h"
#include "mappers/base/uuid.h"
#include "mappers/metadata_rim.h"
#include "mappers/publication_target.h"
#include "mappers/search_query.h"
#include "mappers/submission_match.h"
#include "mappers/update_plan.h"

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

bool copied_document(const struct transaction *t, struct str unique_id, struct str hash,
		     const struct document_entry **entry)
{
	struct stored_query query;
	struct metadata found;

	*entry = NULL;
	if (!get_query(STR(QUERY_GET_DOCUMENTS), STR("$XDSDocumentEntryUniqueId"), true, &unique_id, 1,
		       registry_home(t), t->south.arena, &query))
		return no_memory(t);
	if (!registry_ask(t, &query, &found))
		return false;
	for (size_t i = 0; i < found.document_entry_count; i++) {
		const struct document_entry *one = &found.document_entries[i];

		if (str_equal_nocase(one->hash, hash) && (!*entry || update_version_is_newer(one, *entry)))
			*entry = one;
	}
	return true;
}

/* Where its source does not answer, what is known of it. */
static bool copy_find(const struct transaction *t, struct str urn, bool may_wait, struct copy_meant *meant)
{
	struct outcome before = *t->outcome;
	struct errand errand;
	bool ok;

	if (!errand_begin(t, meant->source, &errand))
		return false;
	if (may_wait)
		errand.t.south.deadline = deadline_part(t->south.deadline, t->gateway->config->publication_deadline_ms);
	ok = errand_end(&errand, document_entry_shown(&errand.t, urn, &meant->copy));
	if (ok || !may_wait || !submission_may_pass(t->outcome))
		return ok;
	meant->copy = known_document_find(t->gateway->access, errand.t.visit, meant->source->backend.name, urn,
					  t->now_s, t->south.arena);
	if (meant->copy)
		*t->outcome = before;
	return meant->copy != NULL;
}

static void meant_take(const struct transaction *t, const struct document_entry *entry, struct copy_meant *meant)
{
	meant->is_missing = !entry || !patient_same(t, entry->patient_id, meant->copy->patient_id);
	if (!meant->is_missing)
		meant->urn = str_is_empty(entry->logical_id) ? entry->entry_uuid : entry->logical_id;
}

bool copy_meant_find(const struct transaction *t, struct source *source, struct str urn, bool may_wait,
		     struct copy_meant *meant)
{
	struct transaction asking = *t;
	struct outcome outcome = *t->outcome;
	const struct document_entry *entry;

	*meant = (struct copy_meant) { .source = source };
	if (!copy_find(t, urn, may_wait, meant))
		return false;
	if (!meant->copy)
		return true;
	asking.outcome = &outcome;
	if (may_wait)
		asking.south.deadline = deadline_part(t->south.deadline, t->gateway->config->publication_deadline_ms);
	if (copied_document(&asking, meant->copy->unique_id, meant->copy->hash, &entry)) {
		*t->outcome = outcome;
		meant_take(t, entry, meant);
		return true;
	}
	if (!may_wait || !submission_may_pass(&outcome)) {
		*t->outcome = outcome;
		return false;
	}
	entry = known_document_find_by_unique_id(t->gateway->access, t->visit, t->source->backend.name,
						 meant->copy->unique_id, t->now_s, t->south.arena);
	if (entry && str_equal_nocase(entry->hash, meant->copy->hash))
		meant_take(t, entry, meant);
	meant->is_missing = false;
	return true;
}

bool copy_refuse(const struct transaction *t, const struct copy_meant *meant, enum error_code code, const char *path)
{
	return outcome_add(t->outcome, code, path,
			   "This is in %.*s, which changes its own, and %.*s has no copy of it with the same content "
			   "that "
			   "you may see: refer to a document that is registered in %.*s, where publications go.",
			   STR_ARG(meant->source->backend.name), STR_ARG(t->source->backend.name),
			   STR_ARG(t->source->backend.name));
}
