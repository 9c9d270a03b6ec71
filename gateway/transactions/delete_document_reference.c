/* Deletion of a DocumentReference, as far as the configuration lets it go: the document is deprecated [ITI-57], or its
 * metadata are removed [ITI-62] and then its bytes [ITI-86]. Source: FHIR R4 http delete, ITI TF-2 3.57, 3.62, 3.86. */
#include "gateway/run/log.h"
#include "gateway/transactions/change_document.h"
#include "gateway/transactions/document_change.h"
#include "mappers/document_search.h"
#include "mappers/metadata_rim.h"
#include "mappers/search_query.h"

#define REMOVED_IDS_MAX 1000

/* What an ITI-62 must name: nothing that stays may lead to what goes, or be led to by nothing. TF-2 3.62.4.1.3 */
struct removal {
	struct strs ids; /* versions of the document first */
	size_t version_count;
	struct neighbourhood around; /* all associations that were met */
};

static bool holds(const struct strs *ids, struct str id)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (str_equal_nocase(ids->items[i], id))
			return true;
	}
	return false;
}

static bool id_add(const struct transaction *t, struct removal *removal, struct str id)
{
	if (holds(&removal->ids, id))
		return true;
	if (removal->ids.count >= REMOVED_IDS_MAX)
		return outcome_add(t->outcome, ERR_TOO_COSTLY, "",
				   "Too much is linked to this document: its registry's operator must remove it.");
	removal->ids.items[removal->ids.count++] = id;
	return true;
}

/* Every version, seen or not: what is removed is removed whole. A registry that knows no versions has the one. */
static bool versions_add(const struct transaction *t, const struct document_entry *entry, struct removal *removal)
{
	const struct str *logical_id = entry->logical_id.size ? &entry->logical_id : &entry->entry_uuid;
	struct stored_query query;
	struct outcome ignored;
	struct strs found = { 0 };

	outcome_init(&ignored);
	if (!id_add(t, removal, entry->entry_uuid))
		return false;
	if (!get_documents_by_logical_id(logical_id, 1, registry_home(t), t->south.arena, &query))
		return no_memory(t);
	query.object_ref = true;
	if (visible_refs(&t->south, &query, &found, &ignored)) {
		for (size_t i = 0; i < found.count; i++) {
			if (!id_add(t, removal, found.items[i]))
				return false;
		}
	}
	removal->version_count = removal->ids.count;
	return true;
}

/* The associations at these objects, from a certain id on, and theirs: a folder's HasMember is held by a submission set. */
static bool associations_add(const struct transaction *t, struct removal *removal)
{
	for (size_t begin = 0; begin < removal->ids.count;) {
		size_t end = removal->ids.count;
		size_t seen = removal->around.association_count;

		if (!associations_ask(t, removal->ids.items + begin, end - begin, &removal->around))
			return false;
		for (size_t i = seen; i < removal->around.association_count; i++) {
			if (!id_add(t, removal, removal->around.associations[i].id))
				return false;
		}
		begin = end;
	}
	return true;
}

/* A submission set of which nothing is left goes too. The sources of what leads to the versions and associations are
 * submission sets or folders; a folder is held by its own submission set, so that it is never left alone. */
static bool sets_add(const struct transaction *t, struct removal *removal)
{
	struct neighbourhood theirs = { .asked_id = STR_NONE };
	struct strs sources = { arena_array(t->south.arena, removal->around.association_count, sizeof(struct str)), 0 };

	if (!sources.items)
		return no_memory(t);
	for (size_t i = 0; i < removal->around.association_count; i++) {
		struct str source = removal->around.associations[i].source;

		if (!holds(&sources, source) && !holds(&removal->ids, source))
			sources.items[sources.count++] = source;
	}
	if (!associations_ask(t, sources.items, sources.count, &theirs))
		return false;
	for (size_t i = 0; i < sources.count; i++) {
		bool stays = false;

		for (size_t k = 0; k < theirs.association_count && !stays; k++)
			stays = (str_equal(theirs.associations[k].source, sources.items[i]) ||
				 str_equal(theirs.associations[k].target, sources.items[i])) &&
				!holds(&removal->ids, theirs.associations[k].id);
		if (!stays && !id_add(t, removal, sources.items[i]))
			return false;
	}
	return true;
}

/* Whether another entry has the same document: then its bytes stay. */
static bool bytes_are_shared(const struct transaction *t, const struct document_entry *entry,
			     const struct removal *removal)
{
	struct stored_query query;
	struct outcome ignored;
	struct strs found = { 0 };

	outcome_init(&ignored);
	if (!get_query(STR(QUERY_GET_DOCUMENTS), STR("$XDSDocumentEntryUniqueId"), true, &entry->unique_id, 1,
		       registry_home(t), t->south.arena, &query))
		return true;
	query.object_ref = true;
	if (!visible_refs(&t->south, &query, &found, &ignored))
		return true;
	for (size_t i = 0; i < found.count; i++) {
		if (!holds(&removal->ids, found.items[i]))
			return true;
	}
	return false;
}

static bool metadata_remove(const struct transaction *t, const struct document_entry *entry)
{
	struct removal removal = { .around = { .asked_id = STR_NONE } };
	const struct document_request document = { .home = registry_home(t),
						   .repository_unique_id = entry->repository_unique_id,
						   .document_unique_id = entry->unique_id };
	struct update_plan plan;
	size_t done = 0;
	bool with_bytes;

	removal.ids.items = arena_array(t->south.arena, REMOVED_IDS_MAX, sizeof(struct str));
	if (!removal.ids.items)
		return no_memory(t);
	if (!versions_add(t, entry, &removal) || !associations_add(t, &removal) || !sets_add(t, &removal))
		return false;
	with_bytes = update_offered(&t->source->backend, REMOVE_DOCUMENTS, entry->repository_unique_id) &&
		     !bytes_are_shared(t, entry, &removal);
	if (!update_plan_removal(entry->patient_id, &removal.ids, with_bytes ? &document : NULL, t->south.arena, &plan,
				 t->outcome))
		return false;
	if (document_change_apply(t, &plan, &done))
		return true;
	if (done == 0)
		return false;
	/* Nobody finds the document any more; that its bytes are still there is for the operator to know. */
	LOG(ERROR, LOG_REQUEST_ERROR, t->south.request_id, LOG_C("document", "bytes are not removed"),
	    LOG_TEXT("repository", entry->repository_unique_id));
	outcome_init(t->outcome);
	return true;
}

static bool deprecate(const struct transaction *t, const struct present_document *present)
{
	struct document_entry entry;
	struct str etag;

	return status_is_deprecated(present->entry->availability_status) ||
	       document_change_send(t, present, NULL, STR(STATUS_DEPRECATED), &entry, &etag);
}

bool delete_document_reference(const struct transaction *t, struct str id, struct str if_match)
{
	struct present_document present;

	if (!document_change_begin(t, id, if_match, &present))
		return false;
	if (t->gateway->config->publication_delete == CONFIG_DELETE_REMOVE &&
	    update_offered(&t->source->backend, REMOVE_METADATA, STR_NONE))
		return metadata_remove(t, present.entry);
	return deprecate(t, &present);
}
