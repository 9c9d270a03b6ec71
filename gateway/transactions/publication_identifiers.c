/* The identifiers that a client gives its objects: what everybody reads by an id must not become another thing by a
 * publication that gives itself the same. A registry refuses that (ITI TF-2 3.42.4.1.3); what is accepted before it is asked
 * is held against it, and against what waits, here. */
#include "gateway/access/registered.h"
#include "gateway/access/registered_names.h"
#include "gateway/state/outbox_reader.h"
#include "gateway/transactions/entries.h"
#include "gateway/transactions/publication.h"
#include "gateway/transactions/publication_items.h"
#include "mappers/caller_json.h"

#define ASK_MS      3000
#define CHOSEN_LOOK 16 /* items in which one sender may have chosen the same id */

static bool taken(const struct transaction *t)
{
	return outcome_add(t->outcome, ERR_DUPLICATE, "",
			   "Another object has an identifier that this submission gives to one of its own: give it "
			   "another one (DocumentReference.masterIdentifier, identifier).");
}

static bool is_fresh(const struct publication *publication, struct str uuid)
{
	for (size_t i = 0; i < publication->bundle->uuid_count; i++) {
		if (str_equal_nocase(publication->resolved.uuids[i], uuid))
			return true;
	}
	return false;
}

/* The entryUUIDs that the client gave: those that were made here are nobody else's. */
static bool own_uuids(const struct transaction *t, const struct publication *publication,
		      struct registered_asked *asked)
{
	const struct metadata *metadata = &publication->metadata;
	struct arena *arena = t->south.arena;

	*asked = (struct registered_asked) {
		.documents = { arena_array(arena, metadata->document_entry_count, sizeof(struct str)), 0 },
		.folders = { arena_array(arena, metadata->folder_count, sizeof(struct str)), 0 },
		.sets = { arena_array(arena, 1, sizeof(struct str)), 0 }
	};
	if (!asked->documents.items || !asked->folders.items || !asked->sets.items)
		return no_memory(t);
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		if (!is_fresh(publication, metadata->document_entries[i].entry_uuid))
			asked->documents.items[asked->documents.count++] = metadata->document_entries[i].entry_uuid;
	}
	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (!is_fresh(publication, metadata->folders[i].entry_uuid))
			asked->folders.items[asked->folders.count++] = metadata->folders[i].entry_uuid;
	}
	if (!is_fresh(publication, metadata->submission_sets[0].entry_uuid))
		asked->sets.items[asked->sets.count++] = metadata->submission_sets[0].entry_uuid;
	return true;
}

/* Copies, since who is found registered gets the ids that it has. */
static bool is_this_very_one(const struct transaction *t, const struct south *south, const struct metadata *metadata)
{
	struct arena *arena = south->arena;
	struct metadata copy = *metadata;

	copy.submission_sets = arena_array(arena, 1, sizeof(*copy.submission_sets));
	copy.document_entries = arena_array(arena, metadata->document_entry_count, sizeof(*copy.document_entries));
	copy.folders = arena_array(arena, metadata->folder_count, sizeof(*copy.folders));
	if (!copy.submission_sets || !copy.document_entries || !copy.folders)
		return false;
	copy.submission_sets[0] = metadata->submission_sets[0];
	for (size_t i = 0; i < metadata->document_entry_count; i++)
		copy.document_entries[i] = metadata->document_entries[i];
	for (size_t i = 0; i < metadata->folder_count; i++)
		copy.folders[i] = metadata->folders[i];
	return registered_submission(south, registry_home(t), &copy) == SUBMISSION_SAME;
}

static struct south south_for_a_while(const struct transaction *t)
{
	struct south south = t->south;

	south.deadline = deadline_part(publication_question_deadline(t), ASK_MS);
	return south;
}

/* Whether the registry has something else under its uniqueIds. Who cannot be asked says no: it is found out when it is
 * delivered. What is there may be this very submission, which is no harm. */
static bool registry_admits(const struct transaction *t, struct publication *publication)
{
	struct metadata *metadata = &publication->metadata;
	struct south south = south_for_a_while(t);
	struct strs unique_ids;
	struct outcome asking;
	bool is_other = false;

	outcome_init(&asking);
	if (publication->is_unclear ||
	    delivery_target_is_away(t->gateway->delivery, t->gateway->sources[0].backend.name))
		return true;
	if (!registered_unique_ids(&south, registry_home(t), metadata, &unique_ids, &is_other, &asking) || !is_other)
		return !arena_failed(t->south.arena) || no_memory(t);
	return registered_submission(&south, registry_home(t), metadata) == SUBMISSION_SAME || taken(t);
}

/* Whether the waiting item has the same document under this entry's uniqueId. */
static bool has_same(const struct transaction *t, const struct outbox_item *item, const struct document_entry *entry)
{
	struct metadata metadata;
	struct outcome reading;
	struct str text;
	bool is_same = false;

	outcome_init(&reading);
	if (!outbox_part(delivery_outbox(t->gateway->delivery), str_from_c(item->id), PUBLICATION_METADATA,
			 PUBLICATION_METADATA_BYTES_MAX, t->south.arena, &text, &reading) ||
	    !publication_metadata_read(text, t->south.arena, &metadata, &reading))
		return false;
	for (size_t i = 0; i < metadata.document_entry_count; i++)
		is_same = is_same || (str_equal(metadata.document_entries[i].unique_id, entry->unique_id) &&
				      str_equal_nocase(metadata.document_entries[i].hash, entry->hash));
	return is_same;
}

/* Whether what waits under this name is somebody else's. A dead letter keeps nobody from anything. entry: of the document
 * whose uniqueId the name is, which may be published more than once; or NULL. */
static bool waits_for_another(const struct transaction *t, struct str name, const struct document_entry *entry,
			      bool *is_anothers)
{
	const struct outbox_filter filter = {
		.makes = name,
		.states = OUTBOX_STATE_BIT(OUTBOX_WAITING) | OUTBOX_STATE_BIT(OUTBOX_SENDING),
		.limit = 1,
	};
	struct publication_item opened;
	struct outbox_item *items;
	size_t count;

	if (!publication_items_list(t, &filter, &items, &count))
		return false;
	if (count == 0)
		return true;
	if (!publication_item_read(t, &items[0], STR_NONE, &opened, NULL))
		return false;
	*is_anothers = *is_anothers || (!opened.has_moved && !caller_is_same(t->caller, &opened.caller) &&
					!(entry && has_same(t, &items[0], entry)));
	return true;
}

static bool uuids_admit(const struct transaction *t, const struct registered_asked *own)
{
	const struct strs *const lists[] = { &own->documents, &own->folders, &own->sets };
	bool is_anothers = false;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (size_t k = 0; k < lists[i]->count; k++) {
			if (!waits_for_another(t, lists[i]->items[k], NULL, &is_anothers))
				return false;
		}
	}
	return !is_anothers || taken(t);
}

static bool unique_ids_admit(const struct transaction *t, const struct metadata *metadata)
{
	bool is_anothers = false;

	if (!waits_for_another(t, metadata->submission_sets[0].unique_id, NULL, &is_anothers))
		return false;
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		const struct document_entry *entry = &metadata->document_entries[i];

		if (!waits_for_another(t, entry->unique_id, entry, &is_anothers))
			return false;
	}
	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (!waits_for_another(t, metadata->folders[i].unique_id, NULL, &is_anothers))
			return false;
	}
	return !is_anothers || taken(t);
}

/* Another submission waits under the uniqueId of this SubmissionSet. */
static bool is_set_taken(const struct transaction *t, const struct publication *publication, const char *corrected,
			 bool *taken)
{
	const struct outbox_filter filter = { .makes = publication->metadata.submission_sets[0].unique_id,
					      .states = OUTBOX_UNDELIVERED,
					      .limit = 2 };
	struct outbox_item *items;
	size_t count;

	if (!publication_items_list(t, &filter, &items, &count))
		return false;
	*taken = false;
	for (size_t i = 0; i < count; i++)
		*taken = *taken || !corrected || strcmp(items[i].id, corrected) != 0;
	return true;
}

bool publication_identifiers_admit(const struct transaction *t, struct publication *publication, const char *corrected)
{
	bool is_taken;

	if (!is_set_taken(t, publication, corrected, &is_taken))
		return false;
	if (is_taken)
		return outcome_add(t->outcome, ERR_DUPLICATE, "",
				   "Another submission waits under the uniqueId of this SubmissionSet: withdraw it, "
				   "correct it by its Task, or give this one another uniqueId.");
	return unique_ids_admit(t, &publication->metadata) && registry_admits(t, publication);
}

bool publication_chosen_admit(const struct transaction *t, const struct publication *publication, bool *is_known)
{
	struct south south = south_for_a_while(t);
	struct registered_asked own;
	struct strs uuids = { 0 };
	struct outcome asking;

	outcome_init(&asking);
	*is_known = true;
	if (!publications_may_wait(t))
		return true;
	if (!unique_ids_admit(t, &publication->metadata) || !own_uuids(t, publication, &own))
		return false;
	if (own.documents.count + own.folders.count + own.sets.count == 0)
		return true;
	if (!uuids_admit(t, &own))
		return false;
	*is_known = !delivery_target_is_away(t->gateway->delivery, t->gateway->sources[0].backend.name) &&
		    registered_uuids(&south, registry_home(t), &own, &uuids, &asking);
	if (!*is_known)
		return !arena_failed(t->south.arena) || no_memory(t);
	return uuids.count == 0 || is_this_very_one(t, &south, &publication->metadata) || taken(t);
}

static void pair_add(const struct publication *publication, struct str chosen, struct str has, struct strs *pairs)
{
	if (is_fresh(publication, chosen))
		return;
	pairs->items[pairs->count++] = chosen;
	pairs->items[pairs->count++] = has;
}

bool publication_chosen_note(const struct transaction *t, struct publication *publication, const struct metadata *was)
{
	const struct metadata *metadata = &publication->metadata;
	size_t room = 2 * (metadata->document_entry_count + metadata->folder_count + 1);
	struct strs pairs = { arena_array(t->south.arena, room, sizeof(struct str)), 0 };

	if (!pairs.items)
		return no_memory(t);
	pair_add(publication, was->submission_sets[0].entry_uuid, metadata->submission_sets[0].entry_uuid, &pairs);
	for (size_t i = 0; i < metadata->document_entry_count; i++)
		pair_add(publication, was->document_entries[i].entry_uuid, metadata->document_entries[i].entry_uuid,
			 &pairs);
	for (size_t i = 0; i < metadata->folder_count; i++)
		pair_add(publication, was->folders[i].entry_uuid, metadata->folders[i].entry_uuid, &pairs);
	publication->chosen = pairs;
	return outcome_inform(t->outcome, ERR_NONE, "",
			      "Nobody can tell now whether the entryUUID that was sent is free: in its place there is "
			      "another one, which stays. Refer to it by its id or its uniqueId.");
}

bool publication_chosen_find(const struct transaction *t, struct str *urn)
{
	const struct outbox_filter filter = { .makes = publication_chosen_name(t->caller, *urn, t->south.arena),
					      .states = OUTBOX_UNDELIVERED,
					      .newest = true,
					      .limit = CHOSEN_LOOK };
	struct outbox_item *items;
	size_t count;

	if (!publications_may_wait(t))
		return true;
	if (!filter.makes.data)
		return no_memory(t);
	if (!publication_items_list(t, &filter, &items, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct publication_item opened;

		if (!publication_item_read(t, &items[i], STR_NONE, &opened, NULL))
			return false;
		for (size_t k = 0; caller_is_same(t->caller, &opened.caller) && k < opened.chosen.count; k += 2) {
			if (str_equal_nocase(opened.chosen.items[k], *urn)) {
				*urn = opened.chosen.items[k + 1];
				return true;
			}
		}
	}
	return true;
}
