#include "gateway/transactions/resources.h"

#include "gateway/access/known_document.h"
#include "gateway/state/outbox_manage.h"
#include "gateway/transactions/copies.h"
#include "gateway/transactions/elsewhere.h"
#include "gateway/transactions/identify_patient.h"
#include "gateway/transactions/publication_items.h"
#include "mappers/association.h"
#include "mappers/base/uuid.h"
#include "mappers/caller_json.h"
#include "mappers/document_entry.h"
#include "mappers/document_search.h"
#include "mappers/json_writer.h"
#include "mappers/list_resource.h"
#include "mappers/list_search.h"
#include "mappers/metadata_rim.h"
#include "mappers/publication_target.h"
#include "mappers/search_query.h"

#define RELATIONS_ASK_MS 3000 /* for what a document relates to that waits, and is shown in any case */

/* Two arrays become one in the arena. */
static bool append(const struct transaction *t, void *array_pointer, size_t *count, const void *more, size_t more_count,
		   size_t size)
{
	const void *old = NULL;
	char *joined;

	if (more_count == 0)
		return true;
	joined = arena_array(t->south.arena, *count + more_count, size);
	if (!joined)
		return no_memory(t);
	memcpy(&old, array_pointer, sizeof(old));
	if (*count > 0)
		memcpy(joined, old, *count * size);
	memcpy(joined + *count * size, more, more_count * size);
	memcpy(array_pointer, &joined, sizeof(joined));
	*count += more_count;
	return true;
}

bool neighbourhood_add(const struct transaction *t, struct neighbourhood *around, const struct metadata *metadata)
{
	return append(t, &around->associations, &around->association_count, metadata->associations,
		      metadata->association_count, sizeof(struct association)) &&
	       append(t, &around->entries, &around->entry_count, metadata->document_entries,
		      metadata->document_entry_count, sizeof(struct document_entry)) &&
	       append(t, &around->folders, &around->folder_count, metadata->folders, metadata->folder_count,
		      sizeof(struct folder));
}

static struct code waits(const struct neighbourhood *around, struct str uuid)
{
	return around->waiting ? waiting_tag(around->waiting, uuid) : (struct code) { 0 };
}

static struct code ends_soon(const struct neighbourhood *around, const struct document_entry *entry,
			     const struct visible_change *change)
{
	struct code tag = copy_superseded_tag(around->copies, entry);

	if (around->waiting && !tag.code.size)
		tag = waiting_superseded_tag(around->waiting, entry);
	if (around->waiting && change && !tag.code.size)
		tag = waiting_superseded_tag(around->waiting, &change->entry);
	return tag;
}

typedef bool (*query_by_uuids)(const struct str *uuids, size_t count, struct str home, struct arena *arena,
			       struct stored_query *query);

/* Asks for objects by their ids, in batches; what comes is added to around. */
static bool around_ask(const struct transaction *t, query_by_uuids query_make, const struct str *uuids, size_t count,
		       struct neighbourhood *around)
{
	for (size_t begin = 0; begin < count; begin += SEARCH_BATCH) {
		size_t batch = count - begin < SEARCH_BATCH ? count - begin : SEARCH_BATCH;
		struct stored_query query;
		struct metadata found;

		if (!query_make(uuids + begin, batch, registry_home(t), t->south.arena, &query))
			return no_memory(t);
		if (!registry_ask(t, &query, &found) || !neighbourhood_add(t, around, &found))
			return false;
	}
	return true;
}

bool around_drop(const struct transaction *t, struct neighbourhood *around)
{
	struct metadata found = { .document_entries = around->entries,
				  .document_entry_count = around->entry_count,
				  .folders = around->folders,
				  .folder_count = around->folder_count };

	if (!hidden_elsewhere_drop(t, &found))
		return false;
	around->entry_count = found.document_entry_count;
	around->folder_count = found.folder_count;
	return true;
}

/* end: of an association, which may be one that waits. One uniqueId may have several entries: as in provide_targets.c. */
static const struct document_entry *entry_find(const struct neighbourhood *around, struct str end)
{
	const struct document_entry *found = NULL;

	for (size_t i = 0; i < around->entry_count; i++) {
		const struct document_entry *entry = &around->entries[i];

		if (str_equal(entry->entry_uuid, end))
			return entry;
		if (publication_target_is(end, false, entry->entry_uuid, entry->unique_id) &&
		    (!found || !status_is_deprecated(entry->availability_status)))
			found = entry;
	}
	return found;
}

static const struct folder *folder_find(const struct neighbourhood *around, struct str end)
{
	for (size_t i = 0; i < around->folder_count; i++) {
		const struct folder *folder = &around->folders[i];

		if (str_equal(folder->entry_uuid, end) ||
		    publication_target_is(end, true, folder->entry_uuid, folder->unique_id))
			return folder;
	}
	return NULL;
}

static bool is_member(const struct association *association)
{
	return association->type == ASSOCIATION_HAS_MEMBER;
}

static bool is_relation(const struct association *association)
{
	return association_relates_to(association->type).data != NULL;
}

/* The targets of such associations that are not known yet. */
static bool unknown_targets(const struct transaction *t, const struct neighbourhood *around,
			    bool (*is_meant)(const struct association *association), struct str **uuids, size_t *count)
{
	*uuids = arena_array(t->south.arena, around->association_count, sizeof(struct str));
	*count = 0;
	if (!*uuids)
		return no_memory(t);
	for (size_t i = 0; i < around->association_count; i++) {
		const struct association *association = &around->associations[i];

		if (is_meant(association) && uuid_valid(association->target) &&
		    !entry_find(around, association->target) && !folder_find(around, association->target))
			(*uuids)[(*count)++] = association->target;
	}
	return true;
}

static bool get_documents_by_unique_id(const struct str *unique_ids, size_t count, struct str home, struct arena *arena,
				       struct stored_query *query)
{
	return get_query(STR(QUERY_GET_DOCUMENTS), STR("$XDSDocumentEntryUniqueId"), true, unique_ids, count, home,
			 arena, query);
}

/* The uniqueIds by which waiting relations name their targets, of those that are not known yet. */
static bool unknown_unique_ids(const struct transaction *t, const struct neighbourhood *around, struct strs *unique_ids)
{
	*unique_ids = (struct strs) { arena_array(t->south.arena, around->association_count, sizeof(struct str)), 0 };
	for (size_t i = 0; unique_ids->items && i < around->association_count; i++) {
		const struct association *association = &around->associations[i];
		struct publication_target target;

		if (is_relation(association) && publication_target_read(association->target, &target) &&
		    !target.is_folder && !entry_find(around, association->target))
			unique_ids->items[unique_ids->count++] = target.id;
	}
	return unique_ids->items || no_memory(t);
}

static bool relations_ask(const struct transaction *t, struct neighbourhood *around)
{
	struct strs unique_ids;
	struct str *targets;
	size_t count;

	return unknown_targets(t, around, is_relation, &targets, &count) &&
	       around_ask(t, get_documents, targets, count, around) && unknown_unique_ids(t, around, &unique_ids) &&
	       around_ask(t, get_documents_by_unique_id, unique_ids.items, unique_ids.count, around);
}

bool associations_ask(const struct transaction *t, const struct str *uuids, size_t count, struct neighbourhood *around)
{
	return around_ask(t, get_associations, uuids, count, around) && relations_ask(t, around);
}

/* Who sent it has named what it relates to themselves. */
static bool is_senders(const struct transaction *t, const struct document_entry *entry)
{
	const struct outbox_filter filter = {
		.target = t->source->backend.name, .makes = entry->entry_uuid, .states = OUTBOX_UNDELIVERED, .limit = 1
	};
	struct transaction quiet = *t;
	struct publication_item opened;
	struct outbox_item *items;
	struct outcome ignored;
	size_t count = 0;
	uint64_t next;

	outcome_init(&ignored);
	quiet.outcome = &ignored;
	return outbox_list(delivery_outbox(t->gateway->delivery), &filter, t->south.arena, &items, &count, &next,
			   &ignored) &&
	       count > 0 && publication_item_read(&quiet, &items[0], STR_NONE, &opened, NULL) &&
	       caller_is_same(t->caller, &opened.caller);
}

/* A relation names the document that it leads to: one that may not be seen must not be named either. */
static bool relation_name(const struct transaction *t, const struct document_entry *entry, struct str target,
			  struct neighbourhood *around)
{
	struct str source = t->source->backend.name;
	const struct document_entry *known;

	if (uuid_valid(target)) {
		known = known_document_find(t->gateway->access, t->visit, source, target, t->now_s, t->south.arena);
		if (known)
			return append(t, &around->entries, &around->entry_count, known, 1, sizeof(*known));
		if (known_document_is_there(t->gateway->access, source, target, t->now_s, t->south.arena))
			return true;
	}
	if (!visible_by_document(t->visit, CONSENT_FIND, entry->patient_id) || is_senders(t, entry))
		around->named.items[around->named.count++] = target;
	return true;
}

static const struct document_entry *one_of(const struct neighbourhood *around, const struct str *uuids, size_t count,
					   struct str uuid)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equal_nocase(uuids[i], uuid))
			return around->waiting ? waiting_entry(around->waiting, uuid) : entry_find(around, uuid);
	}
	return NULL;
}

bool waiting_relations_ask(const struct transaction *t, const struct str *uuids, size_t count, bool is_away,
			   struct neighbourhood *around)
{
	struct transaction quiet = *t;
	struct outcome ignored;

	outcome_init(&ignored);
	quiet.outcome = &ignored;
	quiet.south.deadline = deadline_part(t->south.deadline, RELATIONS_ASK_MS);
	if (!is_away && relations_ask(&quiet, around))
		return true;
	around->named.items = arena_array(t->south.arena, around->association_count, sizeof(struct str));
	if (!around->named.items || arena_failed(t->south.arena))
		return no_memory(t);
	for (size_t i = 0; i < around->association_count; i++) {
		const struct association *association = &around->associations[i];
		const struct document_entry *entry = one_of(around, uuids, count, association->source);

		if (entry && is_relation(association) && !entry_find(around, association->target) &&
		    !relation_name(t, entry, association->target, around))
			return false;
	}
	return true;
}

/* What was a member as its first version is one as its current version: a registry names the latter by the id of the
 * former, and shows the former no more. One without versions refuses the question, and has shown all it has. */
static bool current_ask(const struct transaction *t, const struct str *uuids, size_t count,
			struct neighbourhood *around)
{
	struct neighbourhood found = { .asked_id = STR_NONE };
	struct outcome ignored;
	struct transaction quiet = *t;
	struct document_entry *entries;

	outcome_init(&ignored);
	quiet.outcome = &ignored;
	if (count == 0 || !around_ask(&quiet, get_current_documents, uuids, count, &found))
		return !arena_failed(t->south.arena) || no_memory(t);
	entries = arena_array(t->south.arena, found.entry_count, sizeof(*entries));
	if (!entries)
		return no_memory(t);
	for (size_t i = 0; i < found.entry_count; i++) {
		entries[i] = found.entries[i];
		entries[i].entry_uuid = entries[i].logical_id;
	}
	return append(t, &around->entries, &around->entry_count, entries, found.entry_count, sizeof(*entries));
}

bool members_ask(const struct transaction *t, struct neighbourhood *around)
{
	struct str *uuids;
	size_t count;

	return unknown_targets(t, around, is_member, &uuids, &count) &&
	       around_ask(t, get_documents, uuids, count, around) &&
	       unknown_targets(t, around, is_member, &uuids, &count) &&
	       around_ask(t, get_folders, uuids, count, around) &&
	       unknown_targets(t, around, is_member, &uuids, &count) && current_ask(t, uuids, count, around);
}

static struct str entry_reference(const struct transaction *t, const struct neighbourhood *around, struct str uuid)
{
	const struct document_entry *entry = entry_find(around, uuid);

	return entry ? resource_reference(t, SEAL_DOCUMENT_REFERENCE, entry->logical_id, entry->entry_uuid)
		     : resource_reference(t, SEAL_DOCUMENT_REFERENCE, STR_NONE, uuid);
}

/* A read by an id that an older key sealed answers with that id. FHIR R4 http 3.1.0.1.6 */
static struct str own_id(const struct transaction *t, enum seal_kind kind, struct str logical_id, struct str entry_uuid,
			 const struct neighbourhood *around)
{
	return around->asked_id.size ? around->asked_id : resource_id(t, kind, logical_id, entry_uuid);
}

/* A document has one relation to another, however many versions either has. */
static bool is_related(const struct fhir_links *links, const struct fhir_relation *relation)
{
	for (size_t i = 0; i < links->relation_count; i++) {
		const struct fhir_relation *other = &links->relations[i];

		if (str_equal(other->code, relation->code) && str_equal(other->reference, relation->reference) &&
		    str_equal(other->unique_id, relation->unique_id))
			return true;
	}
	return false;
}

/* Where it leads: to what is at hand, or to what may be named. False: it is not shown. */
static bool relation_target(const struct transaction *t, const struct neighbourhood *around, struct str end,
			    struct fhir_relation *relation)
{
	struct publication_target target;
	bool is_shown = entry_find(around, end) != NULL;

	for (size_t i = 0; i < around->named.count; i++)
		is_shown = is_shown || str_equal(around->named.items[i], end);
	if (!is_shown)
		return false;
	if (!entry_find(around, end) && publication_target_read(end, &target))
		relation->unique_id = target.id;
	else
		relation->reference = entry_reference(t, around, end);
	return relation->reference.data || relation->unique_id.data;
}

/* A registry need not say of what community its own objects are; who reads several must know. TF-3 4.2.3.2.12 */
static void home_show(const struct transaction *t, struct str *home)
{
	if (str_is_empty(*home))
		*home = t->source->home;
}

bool document_reference_write(const struct transaction *t, const struct document_entry *entry,
			      const struct visible_change *change, const struct neighbourhood *around,
			      struct json_writer *writer)
{
	struct str id = own_id(t, SEAL_DOCUMENT_REFERENCE, entry->logical_id, entry->entry_uuid, around);
	struct str binary = resource_reference(t, SEAL_BINARY, entry->logical_id, entry->entry_uuid);
	struct fhir_relation *relations = arena_array(t->south.arena, around->association_count, sizeof(*relations));
	struct document_entry shown = change ? change->entry : *entry;
	struct fhir_links links = { .id = id,
				    .subject = patient_reference(t, entry->patient_id),
				    .source = source_uri(t),
				    .tags = { waits(around, entry->entry_uuid), ends_soon(around, entry, change),
					      waiting_change_tag(change), waiting_removal_tag(change) },
				    .relations = relations };

	if (!relations)
		return no_memory(t);
	if (binary.data)
		links.attachment_url =
			arena_printf(t->south.arena, "%.*s/%.*s", STR_ARG(t->gateway->base), STR_ARG(binary));
	for (size_t i = 0; i < around->association_count; i++) {
		const struct association *association = &around->associations[i];
		struct fhir_relation relation = { .code = association_relates_to(association->type) };

		/* The edge reads "source type target"; what others say of this document is theirs. TF-3 4.2.2 */
		if (relation.code.data && str_equal(association->source, entry->entry_uuid) &&
		    relation_target(t, around, association->target, &relation) && !is_related(&links, &relation))
			relations[links.relation_count++] = relation;
	}
	home_show(t, &shown.home_community_id);
	document_entry_to_fhir(&shown, &links, t->south.arena, writer);
	return true;
}

/* A Folder holds a document once, however many versions it has. */
static bool is_linked(const struct str *members, size_t count, struct str member)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equal(members[i], member))
			return true;
	}
	return false;
}

/* The members of a List: where its HasMember associations lead, as far as that is a document or folder. */
static bool members_link(const struct transaction *t, struct str uuid, struct str unique_id,
			 const struct neighbourhood *around, struct fhir_links *links)
{
	struct str *members = arena_array(t->south.arena, around->association_count, sizeof(*members));

	if (!members)
		return no_memory(t);
	for (size_t i = 0; i < around->association_count; i++) {
		const struct association *association = &around->associations[i];
		const struct folder *folder;
		struct str member = STR_NONE;

		if (association->type != ASSOCIATION_HAS_MEMBER ||
		    !publication_target_is(association->source, true, uuid, unique_id))
			continue;
		folder = folder_find(around, association->target);
		if (folder)
			member = resource_reference(t, SEAL_LIST, folder->logical_id, folder->entry_uuid);
		else if (entry_find(around, association->target))
			member = entry_reference(t, around, association->target);
		if (member.data && !is_linked(members, links->member_count, member))
			members[links->member_count++] = member;
	}
	links->members = members;
	return true;
}

bool submission_set_write(const struct transaction *t, const struct submission_set *set,
			  const struct neighbourhood *around, struct json_writer *writer)
{
	struct fhir_links links = { .id = own_id(t, SEAL_LIST, set->logical_id, set->entry_uuid, around),
				    .subject = patient_reference(t, set->patient_id),
				    .source = source_uri(t),
				    .tags = { waits(around, set->entry_uuid) } };
	struct submission_set shown = *set;

	if (!members_link(t, set->entry_uuid, set->unique_id, around, &links))
		return false;
	home_show(t, &shown.home_community_id);
	submission_set_to_fhir(&shown, &links, t->south.arena, writer);
	return true;
}

bool folder_write(const struct transaction *t, const struct folder *folder, const struct neighbourhood *around,
		  struct json_writer *writer)
{
	struct fhir_links links = { .id = own_id(t, SEAL_LIST, folder->logical_id, folder->entry_uuid, around),
				    .subject = patient_reference(t, folder->patient_id),
				    .source = source_uri(t),
				    .tags = { waits(around, folder->entry_uuid) } };
	struct folder shown = *folder;

	if (!members_link(t, folder->entry_uuid, folder->unique_id, around, &links))
		return false;
	home_show(t, &shown.home_community_id);
	folder_to_fhir(&shown, &links, t->south.arena, writer);
	return true;
}

struct str version_etag(const struct transaction *t, struct str entry_uuid, struct str version, struct str status)
{
	/* Metadata update gives a new version a new entryUUID and number; a status changes in place. */
	struct str tag = resource_id(t, SEAL_CURSOR, STR_NONE, entry_uuid);

	return tag.data ? arena_printf(t->south.arena, "%.*s-%.*s-%c", STR_ARG(tag), STR_ARG(version),
				       status_is_deprecated(status) ? 'd' : 'a')
			: STR_NONE;
}
