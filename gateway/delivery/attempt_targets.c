/* What a publication builds upon, as the registry has it when it is delivered: documents that it replaces or relates to, and
 * folders that it adds to. When it was accepted nobody may have been able to look them up, or they waited themselves. */
#include "gateway/access/registered.h"
#include "gateway/access/registered_document.h"
#include "gateway/access/visible.h"
#include "gateway/access/visible_waiting.h"
#include "gateway/delivery/attempt_permit.h"
#include "mappers/association.h"
#include "mappers/publication_target.h"

/* The registry does not answer. */
static enum stand away(struct attempt *attempt)
{
	attempt->end = DELIVERY_AWAY;
	return STAND_LATER;
}

static bool no_memory(struct attempt *attempt)
{
	return outcome_add(&attempt->outcome, ERR_NO_MEMORY, "", "Try again later.");
}

static enum stand later(struct attempt *attempt)
{
	no_memory(attempt);
	return STAND_LATER;
}

/* Another network may not have it. */
static void relation_drop(struct attempt *attempt, struct str target)
{
	struct metadata *metadata = &attempt->metadata;
	size_t kept = 0;

	for (size_t i = 0; i < metadata->association_count; i++) {
		if (!str_equal_nocase(metadata->associations[i].target, target))
			metadata->associations[kept++] = metadata->associations[i];
	}
	metadata->association_count = kept;
}

/* Whether who sent it may find this; what is hidden from them is not there, as when it is asked for at once. False when
 * nobody says now what its patient consents to. */
static bool entry_see(struct attempt *attempt, struct visit *visit, const struct document_entry **entry)
{
	if (!*entry || !visit)
		return true;
	if (!visit_consent(visit, CONSENT_FIND, (*entry)->patient_id, &attempt->outcome))
		return false;
	if (!visible_waiting_any(visit, CONSENT_FIND, (*entry)->patient_id, *entry, 1))
		*entry = NULL;
	return true;
}

/* Nobody says what a patient consents to; of that the registry is innocent. */
static bool is_undecidable(const struct attempt *attempt)
{
	const struct outcome *outcome = &attempt->outcome;

	return outcome->count > 0 && outcome->issues[outcome->count - 1].code == ERR_TRUST_UNAVAILABLE;
}

/* What is named is named by its uniqueId, else by its urn. */
static bool document_ask(struct attempt *attempt, const struct publication_target *target, bool is_named,
			 const struct document_entry **entry)
{
	struct str home = attempt->target->home;

	return is_named ? registered_document_by_unique_id(&attempt->south, home, target->id, entry, &attempt->outcome)
			: registered_document(&attempt->south, home, target->id, entry, &attempt->outcome);
}

/* visit: of its sender; NULL for another network. *document: NULL where it is a folder, or there is none. */
static bool target_ask(struct attempt *attempt, struct visit *visit, struct str name, struct str *uuid,
		       const struct document_entry **document)
{
	const struct south *south = &attempt->south;
	struct str home = attempt->target->home;
	struct publication_target target = { .id = name };
	bool is_named = publication_target_read(name, &target);

	*uuid = STR_NONE;
	*document = NULL;
	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	if (!target.is_folder &&
	    (!document_ask(attempt, &target, is_named, document) || !entry_see(attempt, visit, document)))
		return false;
	if (*document) {
		*uuid = (*document)->entry_uuid;
		return true;
	}
	return (is_named && !target.is_folder) ||
	       registered_folder_uuid(visit, south, home, target.id, uuid, &attempt->outcome);
}

/* By its logicalID, and by its uniqueId for who named a copy. */
static bool built_upon_add(struct attempt *attempt, const struct document_entry *document)
{
	const struct publication_target target = { .id = document->unique_id };
	struct strs *names = &attempt->built_upon;

	names->items[names->count++] = str_is_empty(document->logical_id) ? document->entry_uuid : document->logical_id;
	names->items[names->count] = publication_target_name(&target, attempt->arena);
	return names->items[names->count++].data || no_memory(attempt);
}

/* Another network may have it under another id: it was shared by who published it, and registered by who published it once
 * more after a kill. Where it was published first they know its uniqueId, which is the same everywhere. */
static bool shared_ask(struct attempt *attempt, struct str name, struct str *uuid)
{
	const struct delivery_target *first = &attempt->delivery->gates[0].target;
	const struct document_entry *entry;
	struct publication_target target;
	struct south south = attempt->south;

	if (!attempt_is_shared(attempt) || publication_target_read(name, &target))
		return true;
	south.backend = first->backend;
	south.patient_id = attempt->planned.submission_sets[0].patient_id;
	south.deadline = deadline_in(ATTEMPT_ASK_MS);
	if (!registered_document(&south, first->home, name, &entry, &attempt->outcome))
		return false;
	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	if (entry && !registered_document_by_unique_id(&attempt->south, attempt->target->home, entry->unique_id, &entry,
						       &attempt->outcome))
		return false;
	if (entry)
		*uuid = entry->entry_uuid;
	return true;
}

/* Everything that said the name says the entryUUID; *count: how many associations did. */
static bool target_put(struct attempt *attempt, struct str name, struct str uuid, size_t *count)
{
	struct metadata *metadata = &attempt->metadata;
	struct publication_target target;

	*count = 0;
	for (size_t i = 0; i < metadata->association_count; i++) {
		struct association *association = &metadata->associations[i];

		*count += str_equal_nocase(association->source, name) || str_equal_nocase(association->target, name);
		if (str_equal_nocase(association->source, name))
			association->source = uuid;
		if (str_equal_nocase(association->target, name))
			association->target = uuid;
	}
	return !publication_target_read(name, &target) ||
	       attempt_id_rename(attempt, target.is_folder ? SEAL_LIST : SEAL_DOCUMENT_REFERENCE,
				 publication_target_urn(name, attempt->arena), uuid) ||
	       no_memory(attempt);
}

static enum stand missing(struct attempt *attempt, struct str name)
{
	struct publication_target target = { 0 };

	if (attempt_is_shared(attempt)) {
		relation_drop(attempt, name); /* it was not shared */
		return STAND_GO_ON;
	}
	if (publication_target_read(name, &target) && target.is_folder)
		return attempt_refuse(attempt, ERR_REFERENCE_UNRESOLVED,
				      "It adds to a folder that is not registered: publish the folder first, then "
				      "retry this, "
				      "or correct it to name one that is.");
	return attempt_refuse(attempt, ERR_REFERENCE_UNRESOLVED,
			      "It replaces, adds to or refers to a document that is not registered: publish that "
			      "first, then "
			      "retry this, or correct it to name one that is.");
}

static bool is_replaced(const struct metadata *metadata, struct str uuid)
{
	for (size_t i = 0; i < metadata->association_count; i++) {
		if (association_replaces(metadata->associations[i].type) &&
		    str_equal_nocase(metadata->associations[i].target, uuid))
			return true;
	}
	return false;
}

/* Looks one name up. *patched: STR_NONE, or the document that no association says: that of a PATCH, if anything is. */
static enum stand target_verify(struct attempt *attempt, struct visit *visit, struct str name, struct str *patched)
{
	struct publication_target target = { 0 };
	const struct document_entry *document;
	struct str uuid;
	size_t count;

	*patched = STR_NONE;
	if (!target_ask(attempt, visit, name, &uuid, &document))
		return is_undecidable(attempt) ? STAND_LATER : away(attempt);
	attempt->end = DELIVERY_TAKEN;
	if (!uuid.data && !shared_ask(attempt, name, &uuid))
		return STAND_LATER;
	if (!uuid.data)
		return missing(attempt, name);
	if (!target_put(attempt, name, uuid, &count))
		return STAND_LATER;
	if (document && !built_upon_add(attempt, document))
		return STAND_LATER;
	if (count == 0 && !(publication_target_read(name, &target) && target.is_folder))
		*patched = uuid;
	return STAND_GO_ON;
}

/* A PATCH and the replacement that it belongs to may name the document in two ways, of which one is its uniqueId. */
static enum stand targets_verify(struct attempt *attempt)
{
	const struct strs *names = &attempt->head.unverified;
	struct str *patched = arena_array(attempt->arena, names->count, sizeof(*patched));
	bool is_seen = names->count > 0 && !attempt_is_shared(attempt);
	struct visit *visit = is_seen ? attempt_visit(attempt) : NULL;
	enum stand stand = STAND_GO_ON;
	bool is_mixed = false;

	attempt->built_upon = (struct strs) { arena_array(attempt->arena, 2 * names->count, sizeof(struct str)), 0 };
	if (!patched || !attempt->built_upon.items || (is_seen && !visit))
		return later(attempt);
	for (size_t i = 0; i < names->count && stand == STAND_GO_ON; i++) {
		struct publication_target target;

		is_mixed = is_mixed || (publication_target_read(names->items[i], &target) && !target.is_folder);
		stand = target_verify(attempt, visit, names->items[i], &patched[i]);
	}
	for (size_t i = 0; i < names->count && stand == STAND_GO_ON && is_mixed; i++) {
		if (patched[i].data && !is_replaced(&attempt->metadata, patched[i]))
			stand = attempt_refuse(attempt, ERR_RULE,
					       "Supersede a document only together with one that replaces it "
					       "(relatesTo).");
	}
	return stand;
}

/* Whether its sender may still change what it replaces, which may have been found when it was accepted. */
static enum stand supersede_permitted(struct attempt *attempt)
{
	const struct metadata *metadata = &attempt->metadata;
	struct visit *visit = NULL;

	for (size_t i = 0; i < metadata->association_count; i++) {
		const struct document_entry *entry;
		struct outcome asking;

		if (!association_replaces(metadata->associations[i].type))
			continue;
		outcome_init(&asking);
		visit = visit ? visit : attempt_visit(attempt);
		attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
		if (!registered_document(&attempt->south, attempt->target->home, metadata->associations[i].target,
					 &entry, &attempt->outcome))
			return away(attempt);
		if (entry && (!visit || !visible_may_supersede(visit, entry, "", &asking)))
			return attempt_denied(attempt, visit, &asking);
	}
	return STAND_GO_ON;
}

static bool is_listed(const struct strs *uuids, struct str uuid)
{
	for (size_t i = 0; i < uuids->count; i++) {
		if (str_equal_nocase(uuids->items[i], uuid))
			return true;
	}
	return false;
}

/* Members that the folder has go out, and with them what says who put them there. */
static bool members_drop(struct attempt *attempt, struct str folder, struct strs *members)
{
	struct metadata *metadata = &attempt->metadata;
	struct strs dropped = { arena_array(attempt->arena, metadata->association_count, sizeof(struct str)), 0 };
	size_t kept = 0;

	if (!dropped.items)
		return no_memory(attempt);
	for (size_t i = 0; i < metadata->association_count; i++) {
		const struct association *association = &metadata->associations[i];

		if (association->type != ASSOCIATION_HAS_MEMBER || !str_equal_nocase(association->source, folder))
			continue;
		if (is_listed(members, association->target))
			dropped.items[dropped.count++] = association->id;
		else
			members->items[members->count++] = association->target;
	}
	for (size_t i = 0; i < metadata->association_count; i++) {
		const struct association *association = &metadata->associations[i];

		if (!is_listed(&dropped, association->id) && !is_listed(&dropped, association->target))
			metadata->associations[kept++] = *association;
	}
	metadata->association_count = kept;
	return true;
}

/* Members are only added, and each once. */
static bool folder_trim(struct attempt *attempt, struct str folder)
{
	struct strs present;
	struct strs members;

	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	if (!registered_members(&attempt->south, attempt->target->home, folder, &present, &attempt->outcome))
		return false;
	members.count = present.count;
	members.items =
		arena_array(attempt->arena, present.count + attempt->metadata.association_count, sizeof(struct str));
	if (!members.items)
		return no_memory(attempt);
	for (size_t i = 0; i < present.count; i++)
		members.items[i] = present.items[i];
	return members_drop(attempt, folder, &members);
}

static bool is_new(const struct metadata *metadata, struct str uuid)
{
	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (str_equal_nocase(metadata->folders[i].entry_uuid, uuid))
			return true;
	}
	return str_equal_nocase(metadata->submission_sets[0].entry_uuid, uuid);
}

/* Folders that were there before: what they hold may have changed since the publication was accepted. */
static enum stand folders_trim(struct attempt *attempt)
{
	const struct metadata *metadata = &attempt->metadata;
	struct strs folders = { arena_array(attempt->arena, metadata->association_count, sizeof(struct str)), 0 };

	if (!folders.items)
		return later(attempt);
	for (size_t i = 0; i < metadata->association_count; i++) {
		const struct association *association = &metadata->associations[i];

		if (association->type == ASSOCIATION_HAS_MEMBER && !is_new(metadata, association->source) &&
		    !is_listed(&folders, association->source))
			folders.items[folders.count++] = association->source;
	}
	for (size_t i = 0; i < folders.count; i++) {
		if (!folder_trim(attempt, folders.items[i]))
			return away(attempt);
	}
	return STAND_GO_ON;
}

enum stand attempt_targets(struct attempt *attempt)
{
	/* They lie in lines of their own. Named by its id, a document need not be asked after to know of them. */
	enum stand stand = attempt_requests_first(attempt, &attempt->head.unverified);

	if (stand == STAND_GO_ON)
		stand = targets_verify(attempt);
	if (stand != STAND_GO_ON || attempt_is_shared(attempt))
		return stand;
	stand = attempt_requests_first(attempt, &attempt->built_upon);
	if (stand == STAND_GO_ON && attempt->built_upon.count > 0)
		stand = attempt_is_next(attempt);
	if (stand == STAND_GO_ON)
		stand = supersede_permitted(attempt);
	return stand == STAND_GO_ON ? folders_trim(attempt) : stand;
}

enum stand attempt_targets_name(struct attempt *attempt)
{
	struct outcome before = attempt->outcome;
	enum stand stand = targets_verify(attempt);

	attempt->outcome = before;
	return stand == STAND_LATER ? STAND_UNCLEAR : STAND_DELIVERED;
}
