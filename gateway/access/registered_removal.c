/* The plan of a removal: everything that must go with a document, as its registry holds it. */
#include "gateway/access/registered_ask.h"
#include "gateway/access/registered_document.h"
#include "gateway/south/unchecked.h"
#include "gateway/south/update_client.h"
#include "mappers/document_search.h"
#include "mappers/search_plan.h"
#include "mappers/search_query.h"

#define REMOVED_IDS_MAX 1000

/* What an ITI-62 must name: nothing that stays may lead to what goes, or be led to by nothing. TF-2 3.62.4.1.3 */
struct removal {
	const struct south *south;
	struct str home;
	struct outcome *outcome;
	struct strs ids;                  /* versions of the document first */
	struct association *associations; /* all that were met at them */
	size_t association_count;
};

static bool no_memory(const struct removal *removal)
{
	return outcome_add(removal->outcome, ERR_NO_MEMORY, "", "Try again later.");
}

static bool holds(const struct strs *ids, struct str id)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (str_equal_nocase(ids->items[i], id))
			return true;
	}
	return false;
}

static bool id_add(struct removal *removal, struct str id)
{
	if (holds(&removal->ids, id))
		return true;
	if (removal->ids.count >= REMOVED_IDS_MAX)
		return outcome_add(removal->outcome, ERR_TOO_COSTLY, "",
				   "Too much is linked to this document: its registry's operator must remove it.");
	removal->ids.items[removal->ids.count++] = id;
	return true;
}

static bool refs_ask(const struct removal *removal, struct stored_query *query, struct strs *found)
{
	struct outcome ignored;
	struct rim_list objects;

	outcome_init(&ignored);
	query->object_ref = true;
	return xds_query(removal->south, query, &objects, found, &ignored);
}

/* Every version: what is removed is removed whole. */
static bool versions_add(struct removal *removal, const struct document_entry *entry)
{
	struct metadata found;

	if (!id_add(removal, entry->entry_uuid) ||
	    !registered_versions(removal->south, removal->home,
				 entry->logical_id.size ? entry->logical_id : entry->entry_uuid, &found,
				 removal->outcome))
		return false;
	for (size_t i = 0; i < found.document_entry_count; i++) {
		if (!id_add(removal, found.document_entries[i].entry_uuid))
			return false;
	}
	return true;
}

/* The associations at these objects, added to the list. */
static bool associations_ask(const struct removal *removal, const struct str *ids, size_t id_count,
			     struct association **list, size_t *count)
{
	size_t capacity = *count;

	for (size_t begin = 0; begin < id_count; begin += SEARCH_BATCH) {
		size_t batch = id_count - begin < SEARCH_BATCH ? id_count - begin : SEARCH_BATCH;
		struct stored_query query;
		struct metadata found;

		if (!get_associations(ids + begin, batch, removal->home, removal->south->arena, &query))
			return no_memory(removal);
		if (!registered_ask(removal->south, &query, &found, removal->outcome))
			return false;
		for (size_t i = 0; i < found.association_count; i++) {
			if (!arena_grow(removal->south->arena, list, *count, &capacity, sizeof(**list)))
				return no_memory(removal);
			(*list)[(*count)++] = found.associations[i];
		}
	}
	return true;
}

/* The associations at these objects, and theirs: a folder's HasMember is held by a submission set. */
static bool associations_add(struct removal *removal)
{
	for (size_t begin = 0; begin < removal->ids.count;) {
		size_t end = removal->ids.count;
		size_t seen = removal->association_count;

		if (!associations_ask(removal, removal->ids.items + begin, end - begin, &removal->associations,
				      &removal->association_count))
			return false;
		for (size_t i = seen; i < removal->association_count; i++) {
			if (!id_add(removal, removal->associations[i].id))
				return false;
		}
		begin = end;
	}
	return true;
}

static bool stays(const struct removal *removal, struct str set, const struct association *theirs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if ((str_equal(theirs[i].source, set) || str_equal(theirs[i].target, set)) &&
		    !holds(&removal->ids, theirs[i].id))
			return true;
	}
	return false;
}

/* A submission set of which nothing is left goes too. The sources of what leads to the versions and associations are
 * submission sets or folders; a folder is held by its own submission set, so that it is never left alone. */
static bool sets_add(struct removal *removal)
{
	struct association *theirs = NULL;
	size_t their_count = 0;
	struct strs sources = { arena_array(removal->south->arena, removal->association_count, sizeof(struct str)), 0 };

	if (!sources.items)
		return no_memory(removal);
	for (size_t i = 0; i < removal->association_count; i++) {
		struct str source = removal->associations[i].source;

		if (!holds(&sources, source) && !holds(&removal->ids, source))
			sources.items[sources.count++] = source;
	}
	if (!associations_ask(removal, sources.items, sources.count, &theirs, &their_count))
		return false;
	for (size_t i = 0; i < sources.count; i++) {
		if (!stays(removal, sources.items[i], theirs, their_count) && !id_add(removal, sources.items[i]))
			return false;
	}
	return true;
}

/* Whether another entry has the same document: then its bytes stay; so they do when nobody says. */
static bool bytes_are_shared(const struct removal *removal, const struct document_entry *entry)
{
	struct stored_query query;
	struct strs found = { 0 };

	if (!get_query(STR(QUERY_GET_DOCUMENTS), STR("$XDSDocumentEntryUniqueId"), true, &entry->unique_id, 1,
		       removal->home, removal->south->arena, &query) ||
	    !refs_ask(removal, &query, &found))
		return true;
	for (size_t i = 0; i < found.count; i++) {
		if (!holds(&removal->ids, found.items[i]))
			return true;
	}
	return false;
}

bool registered_removal(const struct south *south, struct str home, const struct document_entry *entry,
			struct update_plan *plan, struct outcome *outcome)
{
	struct removal removal = { .south = south, .home = home, .outcome = outcome };
	const struct document_request document = { .home = home,
						   .repository_unique_id = entry->repository_unique_id,
						   .document_unique_id = entry->unique_id };
	bool with_bytes;

	removal.ids.items = arena_array(south->arena, REMOVED_IDS_MAX, sizeof(struct str));
	if (!removal.ids.items)
		return no_memory(&removal);
	if (!versions_add(&removal, entry) || !associations_add(&removal) || !sets_add(&removal))
		return false;
	with_bytes = update_offered(south->backend, REMOVE_DOCUMENTS, entry->repository_unique_id) &&
		     !bytes_are_shared(&removal, entry);
	return update_plan_removal(entry->patient_id, &removal.ids, with_bytes ? &document : NULL, south->arena, plan,
				   outcome);
}
