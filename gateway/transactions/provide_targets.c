#include "gateway/transactions/provide_targets.h"

#include "gateway/transactions/publication_items.h"
#include "gateway/transactions/copies.h"
#include "gateway/transactions/document_waiting.h"
#include "gateway/transactions/entries.h"
#include "gateway/transactions/publication.h"
#include "mappers/list_search.h"
#include "mappers/metadata_rim.h"
#include "mappers/publication_target.h"
#include "mappers/search_query.h"
#include "mappers/submission_match.h"

#define MAKERS_MAX 64 /* that one name is looked for among */

static bool unresolved(const struct transaction *t, const struct provide_target *target)
{
	return outcome_add(t->outcome, ERR_REFERENCE_UNRESOLVED, target->path,
			   target->is_folder ? "Refer to a folder that is registered here."
					     : "Refer to a document that is registered here.");
}

/* What the registry says of a target. */
struct target_found {
	struct str uuid;
	struct str document; /* of a document: by what changes of it are known */
	const struct document_entry *entry;
};

static void document_take(const struct document_entry *entry, struct target_found *found)
{
	found->entry = entry;
	found->uuid = entry->entry_uuid;
	found->document = str_is_empty(entry->logical_id) ? entry->entry_uuid : entry->logical_id;
}

/* One uniqueId may have several entries: the one that is valid now is meant. ITI TF-3 4.2.3.2.26 */
static bool document_by_unique_id(const struct transaction *t, const struct provide_target *target,
				  struct target_found *found)
{
	struct stored_query query = { .id = STR(QUERY_GET_DOCUMENTS), .home = registry_home(t) };
	struct metadata metadata;

	if (!stored_query_add_one(&query, t->south.arena, STR("$XDSDocumentEntryUniqueId"), QUERY_STRING_LIST,
				  target->value))
		return no_memory(t);
	if (!registry_ask(t, &query, &metadata))
		return false;
	for (size_t i = 0; i < metadata.document_entry_count; i++) {
		const struct document_entry *entry = &metadata.document_entries[i];

		if (!found->uuid.data || !status_is_deprecated(entry->availability_status))
			document_take(entry, found);
	}
	return found->uuid.data || unresolved(t, target);
}

static bool document_by_uuid(const struct transaction *t, const struct provide_target *target, struct str urn,
			     struct target_found *found)
{
	const struct document_entry *entry;

	if (!document_entry_current(t, urn, &entry))
		return false;
	if (!entry)
		return unresolved(t, target);
	document_take(entry, found);
	return true;
}

static bool folder_find(const struct transaction *t, const struct provide_target *target, struct str urn,
			struct target_found *found)
{
	bool by_unique_id = target->kind == TARGET_UNIQUE_ID;
	struct stored_query query = { .id = STR(QUERY_GET_FOLDERS), .home = registry_home(t) };
	struct metadata metadata;

	if (!stored_query_add_one(&query, t->south.arena,
				  by_unique_id ? STR("$XDSFolderUniqueId") : STR("$XDSFolderEntryUUID"),
				  QUERY_STRING_LIST, by_unique_id ? target->value : urn))
		return no_memory(t);
	if (!registry_ask(t, &query, &metadata))
		return false;
	if (metadata.folder_count == 0)
		return unresolved(t, target);
	found->uuid = metadata.folders[0].entry_uuid;
	return true;
}

static bool target_resolve(const struct transaction *t, const struct provide_target *target, struct target_found *found)
{
	struct str urn = target->value;
	struct source *source = t->source;

	if (target->kind == TARGET_OWN_ID &&
	    !resource_id_find(t, target->is_folder ? SEAL_LIST : SEAL_DOCUMENT_REFERENCE, target->value, &source, &urn))
		return unresolved(t, target);
	if (source != t->source)
		return outcome_add(t->outcome, ERR_REFERENCE_UNRESOLVED, target->path,
				   "Refer to what is registered in %.*s, where publications go: this is in %.*s, which "
				   "changes its own.",
				   STR_ARG(t->source->backend.name), STR_ARG(source->backend.name));
	if (target->is_folder)
		return folder_find(t, target, urn, found);
	if (target->kind == TARGET_UNIQUE_ID)
		return document_by_unique_id(t, target, found);
	return document_by_uuid(t, target, urn, found);
}

/* What an existing folder holds already: members are only added, so the difference is what is sent. */
static bool members_read(const struct transaction *t, struct str folder_uuid, struct strs *members)
{
	struct stored_query query;
	struct metadata found;

	if (!get_folder_and_contents(folder_uuid, registry_home(t), t->south.arena, &query))
		return no_memory(t);
	if (!registry_ask(t, &query, &found))
		return false;
	members->items = arena_array(t->south.arena, found.document_entry_count, sizeof(*members->items));
	if (!members->items)
		return no_memory(t);
	for (size_t i = 0; i < found.document_entry_count; i++)
		members->items[members->count++] = found.document_entries[i].entry_uuid;
	return true;
}

/* What waits itself is not registered, and will be before what builds upon it. */
static bool waits(const struct transaction *t, struct str name, unsigned states, bool *found)
{
	const struct outbox_filter filter = { .makes = name, .states = states, .limit = 1 };
	struct outbox_item *items;
	size_t count;

	*found = false;
	if (!publications_may_wait(t))
		return true;
	if (!publication_items_list(t, &filter, &items, &count))
		return false;
	*found = count > 0;
	return true;
}

/* The same, of what the caller may know of: what others have sent, and nobody is shown, is not there to them. */
static bool waits_visibly(const struct transaction *t, struct str name, bool *found)
{
	const struct outbox_filter filter = { .makes = name, .states = OUTBOX_UNDELIVERED, .limit = MAKERS_MAX };
	struct outbox_item *items;
	size_t count = 0;

	*found = false;
	if (!publications_may_wait(t))
		return true;
	if (!publication_items_list(t, &filter, &items, &count))
		return false;
	for (size_t i = 0; i < count && !*found; i++) {
		struct publication_item opened;

		if (!publication_item_read(t, &items[i], STR_NONE, &opened, found))
			return false;
	}
	return true;
}

/* The urn by which a target is named that is not named by its uniqueId; STR_NONE when we gave no such id, or it is in
 * another source. */
static struct str target_urn(const struct transaction *t, const struct provide_target *target)
{
	enum seal_kind kind = target->is_folder ? SEAL_LIST : SEAL_DOCUMENT_REFERENCE;
	struct source *source = NULL;
	struct str urn = STR_NONE;

	if (target->kind == TARGET_ENTRY_UUID)
		return target->value;
	if (target->kind != TARGET_OWN_ID || !resource_id_find(t, kind, target->value, &source, &urn) ||
	    source != t->source)
		return STR_NONE;
	return urn;
}

/* A document of which changes wait: its current version is another one when they are made. */
static bool changes(const struct transaction *t, struct str urn, bool *found)
{
	struct str name = document_waiting_name(t, urn);

	return (name.data || no_memory(t)) &&
	       waits(t, name, OUTBOX_STATE_BIT(OUTBOX_WAITING) | OUTBOX_STATE_BIT(OUTBOX_SENDING), found);
}

/* By what a target is known here and in the outbox: its urn or its uniqueId; STR_NONE for one that can only be refused. */
static struct str target_id(const struct transaction *t, const struct provide_target *target)
{
	return target->kind == TARGET_UNIQUE_ID ? target->value : target_urn(t, target);
}

static bool is_plain(const struct provide_target *target)
{
	return !target->is_folder && target->kind != TARGET_UNIQUE_ID;
}

static bool take_unverified(const struct transaction *t, const struct provide_target *target, struct str id,
			    struct str *uuid, struct strs *unverified)
{
	const struct publication_target named = { target->is_folder, id };

	*uuid = is_plain(target) ? id : publication_target_name(&named, t->south.arena);
	if (!uuid->data)
		return no_memory(t);
	unverified->items[unverified->count++] = *uuid;
	return true;
}

/* *may_wait: nobody said whether it is there. */
static bool target_ask(const struct transaction *t, const struct provide_target *target, struct target_found *found,
		       bool *may_wait)
{
	struct transaction asking = *t;
	struct outcome outcome = *t->outcome;
	bool ok;

	asking.outcome = &outcome;
	*found = (struct target_found) { .uuid = STR_NONE };
	ok = target_resolve(&asking, target, found);
	*may_wait = !ok && publications_may_wait(t) && submission_may_pass(&outcome);
	if (!*may_wait)
		*t->outcome = outcome;
	return ok;
}

/* *may_wait: nobody says now what its patient consents to. */
static bool may_supersede(const struct transaction *t, const struct provide_target *target,
			  const struct document_entry *entry, bool *may_wait)
{
	struct outcome outcome = *t->outcome;
	bool ok = visible_may_supersede(t->visit, entry, target->path, &outcome);

	*may_wait = !ok && publications_may_wait(t) && outcome_http_status(&outcome) >= 500;
	if (!*may_wait)
		*t->outcome = outcome;
	return ok;
}

/* The registry alone tells whether something waits by another name of the document than this: by its logicalID, or, of who
 * named a copy of it, by its uniqueId. */
static bool changes_otherwise(const struct transaction *t, const struct target_found *target, struct str id,
			      bool *found)
{
	const struct publication_target named = { .id = target->entry->unique_id };
	struct str name = publication_target_name(&named, t->south.arena);

	*found = false;
	if (!name.data)
		return no_memory(t);
	return (str_equal(target->document, id) || changes(t, target->document, found)) &&
	       (*found || changes(t, name, found));
}

/* The registry's word. */
static bool registry_find(const struct transaction *t, const struct provide_target *target, struct str id,
			  struct str *uuid, struct strs *unverified)
{
	struct target_found found;
	bool may_wait;
	bool waits = false;

	if (!target_ask(t, target, &found, &may_wait))
		return may_wait && take_unverified(t, target, id, uuid, unverified);
	if (target->is_superseded && !may_supersede(t, target, found.entry, &may_wait))
		return may_wait && take_unverified(t, target, id, uuid, unverified);
	if (found.entry && !changes_otherwise(t, &found, id, &waits))
		return false;
	if (waits)
		return take_unverified(t, target, is_plain(target) ? found.document : id, uuid, unverified);
	*uuid = found.uuid;
	return true;
}

/* Whether the registry has, for this caller, what something that waits calls itself as well. */
static bool is_there(const struct transaction *t, const struct provide_target *target)
{
	struct transaction quiet = *t;
	struct target_found found;
	struct outcome asking;
	bool may_wait;

	outcome_init(&asking);
	quiet.outcome = &asking;
	return !delivery_target_is_away(t->gateway->delivery, t->gateway->sources[0].backend.name) &&
	       target_ask(&quiet, target, &found, &may_wait);
}

/* Who names another source's copy of a document means that. */
static bool copy_take(const struct transaction *t, struct provide_target *target)
{
	struct source *source;
	struct copy_meant meant;
	struct str urn;

	if (target->kind != TARGET_OWN_ID || target->is_folder ||
	    !resource_id_find(t, SEAL_DOCUMENT_REFERENCE, target->value, &source, &urn) || source == t->source)
		return true;
	if (!copy_meant_find(t, source, urn, publications_may_wait(t), &meant))
		return false;
	if (!meant.copy)
		return unresolved(t, target);
	if (meant.is_missing)
		return copy_refuse(t, &meant, ERR_REFERENCE_UNRESOLVED, target->path);
	target->kind = meant.urn.data ? TARGET_ENTRY_UUID : TARGET_UNIQUE_ID;
	target->value = meant.urn.data ? meant.urn : meant.copy->unique_id;
	return true;
}

/* The registry's word where it can be had; else, for what can wait, the name as it stands: who delivers it looks it up. */
static bool target_find(const struct transaction *t, const struct provide_target *named, struct str *uuid,
			struct strs *unverified)
{
	struct provide_target meant = *named;
	const struct provide_target *target = &meant;
	bool found = false;
	struct str id;

	if ((meant.kind == TARGET_ENTRY_UUID && !publication_chosen_find(t, &meant.value)) || !copy_take(t, &meant))
		return false;
	id = target_id(t, target);
	if (id.data && is_plain(target) && !changes(t, id, &found))
		return false;
	if (found)
		return take_unverified(t, target, id, uuid, unverified);
	if (id.data && !waits_visibly(t, id, &found))
		return false;
	return found && !is_there(t, target) ? take_unverified(t, target, id, uuid, unverified)
					     : registry_find(t, target, id, uuid, unverified);
}

/* What goes out later is compared with what its folders hold then. */
static bool folders_read(const struct transaction *t, const struct provide_bundle *bundle, const struct str *uuids,
			 struct strs *members)
{
	for (size_t i = 0; i < bundle->folder_count; i++) {
		if (bundle->folders[i].exists && !members_read(t, uuids[bundle->folders[i].target], &members[i]))
			return false;
	}
	return true;
}

static bool targets_find(const struct transaction *t, const struct provide_bundle *bundle,
			 struct provide_resolved *resolved, struct strs *unverified)
{
	struct str *uuids = arena_array(t->south.arena, bundle->target_count, sizeof(*uuids));
	struct strs *members = arena_array(t->south.arena, bundle->folder_count, sizeof(*members));

	unverified->items = arena_array(t->south.arena, bundle->target_count, sizeof(struct str));
	if (!uuids || !members || !unverified->items)
		return no_memory(t);
	for (size_t i = 0; i < bundle->target_count; i++) {
		/* An error of the registry ends it; a target that is not there is told with the others. */
		if (!target_find(t, &bundle->targets[i], &uuids[i], unverified) && uuids[i].data == NULL &&
		    outcome_http_status(t->outcome) >= 500)
			return false;
	}
	if (t->outcome->has_error)
		return false;
	resolved->target_uuids = uuids;
	resolved->folder_members = members;
	return unverified->count > 0 || folders_read(t, bundle, uuids, members);
}

bool targets_resolve(const struct transaction *t, const struct provide_bundle *bundle,
		     struct provide_resolved *resolved, struct strs *unverified)
{
	struct transaction asking = *t;
	bool ok;

	asking.south.deadline = publication_question_deadline(t);
	visit_until(t->visit, asking.south.deadline);
	ok = targets_find(&asking, bundle, resolved, unverified);
	visit_until(t->visit, t->south.deadline);
	return ok;
}
