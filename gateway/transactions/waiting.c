#include "gateway/transactions/waiting.h"

#include <assert.h>

#include "gateway/access/kept_item.h"
#include "gateway/access/visible_waiting.h"
#include "gateway/state/outbox_manage.h"
#include "gateway/state/outbox_reader.h"
#include "gateway/transactions/elsewhere.h"
#include "gateway/transactions/resources.h"
#include "gateway/transactions/waiting_registered.h"
#include "mappers/association.h"
#include "mappers/base/hex.h"
#include "mappers/metadata_rim.h"
#include "mappers/publication_target.h"

#define TAG_SYSTEM "urn:passerelle:publication"

/* What is read for one request of one patient: whoever lets more wait does not keep others from reading. */
#define ITEMS_MAX         1000
#define ITEMS_BYTES(most) ((most) / 4) /* of the request's memory */

/* Everything that waits is approved as soon as it is registered. TF-3 4.2.3.2.2 */
static void status_set(struct metadata *metadata)
{
	for (size_t i = 0; i < metadata->document_entry_count; i++)
		metadata->document_entries[i].availability_status = STR(STATUS_APPROVED);
	for (size_t i = 0; i < metadata->submission_set_count; i++)
		metadata->submission_sets[i].availability_status = STR(STATUS_APPROVED);
	for (size_t i = 0; i < metadata->folder_count; i++)
		metadata->folders[i].availability_status = STR(STATUS_APPROVED);
}

static bool documents_keep(const struct transaction *t, struct waiting_one *one)
{
	one->document_count = one->metadata.document_entry_count;
	one->documents = arena_array(t->south.arena, one->document_count, sizeof(struct str));
	for (size_t i = 0; one->documents && i < one->document_count; i++)
		one->documents[i] = one->metadata.document_entries[i].unique_id;
	return one->documents || no_memory(t);
}

/* What was read of the outbox in one go, and how much memory is left for more. */
struct reading {
	const struct transaction *t;
	struct waiting *waiting;
	size_t capacity;
	size_t bytes_max;
	size_t bytes_end; /* arena_used at which no more is read */
	bool is_full;
};

static bool is_read(const struct waiting *waiting, struct str id)
{
	for (size_t i = 0; i < waiting->count; i++) {
		if (str_equal(waiting->items[i].id, id))
			return true;
	}
	return false;
}

/* The text takes a part of what it becomes when it is read. One that was settled since it was listed is with the registry,
 * or nowhere: it does not wait. */
static bool metadata_read(struct reading *reading, const struct outbox_item *item, struct metadata *metadata,
			  bool *is_there)
{
	const struct transaction *t = reading->t;
	struct waiting *waiting = reading->waiting;
	size_t used = arena_used(t->south.arena);
	size_t left = used < reading->bytes_end ? reading->bytes_end - used : 0;
	enum kept kept =
		kept_metadata_read(delivery_outbox(t->gateway->delivery), item, left / 4, t->south.arena, metadata);

	*is_there = kept == KEPT_READ;
	if (kept == KEPT_NO_MEMORY)
		return no_memory(t);
	waiting->is_unknown = kept == KEPT_AWAY;
	waiting->is_lost = waiting->is_lost || kept == KEPT_LOST || kept == KEPT_LOCKED;
	waiting->is_cut = waiting->is_cut || kept == KEPT_TOO_LONG;
	reading->is_full = kept == KEPT_TOO_LONG && left < reading->bytes_max / 4;
	return true;
}

static bool one_read(struct reading *reading, const struct outbox_item *item)
{
	const struct transaction *t = reading->t;
	struct waiting *waiting = reading->waiting;
	struct waiting_one one = { .id = str_from_c(item->id), .is_refused = item->state == OUTBOX_REFUSED };
	bool is_there;

	if (is_read(waiting, one.id))
		return true;
	if (!metadata_read(reading, item, &one.metadata, &is_there))
		return false;
	if (!is_there)
		return true;
	one.id = arena_copy(t->south.arena, one.id);
	if (!one.id.data ||
	    !arena_grow(t->south.arena, &waiting->items, waiting->count, &reading->capacity, sizeof(*waiting->items)))
		return no_memory(t);
	if (!documents_keep(t, &one))
		return false;
	status_set(&one.metadata);
	visible_waiting(t->visit, CONSENT_FIND, &one.metadata);
	if (one.metadata.document_entry_count + one.metadata.submission_set_count + one.metadata.folder_count > 0)
		waiting->items[waiting->count++] = one;
	return true;
}

/* An outbox on another machine may be away while all else is there. */
static bool list_missed(struct reading *reading, const struct outcome *listing)
{
	reading->waiting->is_unknown = kept_failure(listing) == KEPT_AWAY;
	return reading->waiting->is_unknown ||
	       outcome_add(reading->t->outcome, listing->count ? listing->issues[0].code : ERR_NO_MEMORY, "",
			   "What waits cannot be read now; try again later.");
}

static bool items_read(struct reading *reading, const struct outbox_filter *filter)
{
	const struct transaction *t = reading->t;
	struct outbox_item *items;
	struct outcome listing;
	uint64_t next;
	size_t count;

	outcome_init(&listing);
	if (!outbox_list(delivery_outbox(t->gateway->delivery), filter, t->south.arena, &items, &count, &next,
			 &listing))
		return list_missed(reading, &listing);
	reading->waiting->is_cut = reading->waiting->is_cut || next > 0;
	for (size_t i = 0; i < count && !reading->waiting->is_unknown && !reading->is_full; i++) {
		if (!one_read(reading, &items[i]))
			return false;
	}
	return true;
}

bool waiting_not_there(const struct transaction *t, const struct waiting *waiting, const char *text)
{
	if (waiting->is_unknown)
		return outcome_add(t->outcome, ERR_STORAGE, "",
				   "It is not registered, and what waits cannot be read now; try again later.");
	return outcome_add(t->outcome, ERR_NOT_FOUND, "", "%s", text);
}

bool waiting_find(const struct transaction *t, struct str patient_id, const struct strs *uuids, struct waiting *waiting)
{
	/* What changes a document brings none into being. */
	struct outbox_filter filter = { .target = t->gateway->sources[0].backend.name,
					.kind = STR(PUBLICATION_PROVIDE),
					.states = OUTBOX_UNDELIVERED,
					.newest = true,
					.limit = ITEMS_MAX };
	size_t bytes_max = ITEMS_BYTES(t->gateway->config->limits_request_memory);
	struct reading reading = {
		.t = t, .waiting = waiting, .bytes_max = bytes_max, .bytes_end = arena_used(t->south.arena) + bytes_max
	};

	*waiting = (struct waiting) { 0 };
	if (!t->gateway->delivery || t->source != t->gateway->sources)
		return true;
	for (size_t i = 0; i < uuids->count && !waiting->is_unknown; i++) {
		filter.makes = uuids->items[i];
		if (!items_read(&reading, &filter))
			return false;
	}
	if (!str_is_empty(patient_id) && !waiting->is_unknown) {
		filter.makes = STR_NONE;
		filter.patient = publication_line(patient_id, t->south.arena);
		if (!filter.patient.data)
			return no_memory(t);
		if (!items_read(&reading, &filter))
			return false;
	}
	return waiting_registered_drop(t, uuids, waiting);
}

const struct document_entry *waiting_entry(const struct waiting *waiting, struct str uuid)
{
	for (size_t i = 0; i < waiting->count; i++) {
		const struct metadata *metadata = &waiting->items[i].metadata;

		for (size_t k = 0; k < metadata->document_entry_count; k++) {
			if (str_equal_nocase(metadata->document_entries[k].entry_uuid, uuid))
				return &metadata->document_entries[k];
		}
	}
	return NULL;
}

bool waiting_here(const struct transaction *t, struct str urn, struct waiting *waiting)
{
	const struct strs uuids = { &urn, 1 };

	if (!waiting_find(t, STR_NONE, &uuids, waiting))
		return false;
	for (size_t i = 0; i < waiting->count; i++) {
		if (!hidden_elsewhere_drop(t, &waiting->items[i].metadata))
			return false;
	}
	return true;
}

bool document_entry_here(const struct transaction *t, struct str urn, struct waiting *waiting,
			 const struct document_entry **entry)
{
	const struct strs one = { &urn, 1 };

	if (!waiting_here(t, urn, waiting))
		return false;
	*entry = waiting_entry(waiting, urn);
	if (!*entry && !document_entry_shown(t, urn, entry))
		return false;
	return !*entry || waiting_find(t, (*entry)->patient_id, &one, waiting);
}

const struct waiting_one *waiting_list(const struct waiting *waiting, struct str uuid)
{
	for (size_t i = 0; i < waiting->count; i++) {
		if (submission_has_list(&waiting->items[i].metadata, uuid))
			return &waiting->items[i];
	}
	return NULL;
}

static bool supersedes(const struct association *association, const struct document_entry *entry)
{
	return association_replaces(association->type) &&
	       publication_target_is(association->target, false, entry->entry_uuid, entry->unique_id);
}

struct code waiting_tag(const struct waiting *waiting, struct str uuid)
{
	assert(waiting->count == 0 || waiting->items);
	if (waiting_entry(waiting, uuid) || waiting_list(waiting, uuid))
		return (struct code) { STR("not-registered"), STR(TAG_SYSTEM), STR("Accepted, not yet registered") };
	return (struct code) { 0 };
}

struct code waiting_superseding_tag(void)
{
	return (struct code) { STR("to-be-superseded"), STR(TAG_SYSTEM),
			       STR("A document that waits will supersede it") };
}

struct code waiting_superseded_tag(const struct waiting *waiting, const struct document_entry *entry)
{
	for (size_t i = 0; i < waiting->count; i++) {
		const struct metadata *metadata = &waiting->items[i].metadata;

		for (size_t k = 0; k < metadata->association_count; k++) {
			if (supersedes(&metadata->associations[k], entry))
				return waiting_superseding_tag();
		}
	}
	return (struct code) { 0 };
}

struct code waiting_change_tag(const struct visible_change *change)
{
	if (!change || !change->is_changed)
		return (struct code) { 0 };
	return (struct code) { STR("change-not-registered"), STR(TAG_SYSTEM),
			       STR("Shown as it will be: a change is accepted, not yet registered") };
}

struct code waiting_removal_tag(const struct visible_change *change)
{
	if (!change || !change->is_removed)
		return (struct code) { 0 };
	return (struct code) { STR("to-be-removed"), STR(TAG_SYSTEM), STR("Its removal is accepted, not yet done") };
}

/* All that waits as one. */
static bool joined_make(const struct transaction *t, const struct waiting *waiting, struct metadata *joined)
{
	struct arena *arena = t->south.arena;
	size_t associations = 0;
	size_t entries = 0;
	size_t folders = 0;

	for (size_t i = 0; i < waiting->count; i++) {
		associations += waiting->items[i].metadata.association_count;
		entries += waiting->items[i].metadata.document_entry_count;
		folders += waiting->items[i].metadata.folder_count;
	}
	*joined =
		(struct metadata) { .associations = arena_array(arena, associations, sizeof(*joined->associations)),
				    .document_entries = arena_array(arena, entries, sizeof(*joined->document_entries)),
				    .folders = arena_array(arena, folders, sizeof(*joined->folders)) };
	if (!joined->associations || !joined->document_entries || !joined->folders)
		return no_memory(t);
	for (size_t i = 0; i < waiting->count; i++) {
		const struct metadata *metadata = &waiting->items[i].metadata;

		for (size_t k = 0; k < metadata->association_count; k++)
			joined->associations[joined->association_count++] = metadata->associations[k];
		for (size_t k = 0; k < metadata->document_entry_count; k++)
			joined->document_entries[joined->document_entry_count++] = metadata->document_entries[k];
		for (size_t k = 0; k < metadata->folder_count; k++)
			joined->folders[joined->folder_count++] = metadata->folders[k];
	}
	return true;
}

bool waiting_around(const struct transaction *t, const struct waiting *waiting, struct neighbourhood *around)
{
	struct metadata joined;

	around->waiting = waiting;
	if (!joined_make(t, waiting, &joined))
		return false;
	visible_everywhere(t->visit, &joined);
	return neighbourhood_add(t, around, &joined);
}

/* The part of the item that holds this document. */
static const struct waiting_one *part_find(const struct waiting *waiting, const struct document_entry *entry,
					   size_t *part)
{
	for (size_t i = 0; i < waiting->count; i++) {
		const struct waiting_one *one = &waiting->items[i];

		for (size_t k = 0; k < one->document_count; k++) {
			if (str_equal(one->documents[k], entry->unique_id)) {
				*part = PUBLICATION_DOCUMENTS + k;
				return one;
			}
		}
	}
	return NULL;
}

static bool document_copy(const struct transaction *t, struct outbox_reader *reader, struct spool *spool)
{
	struct str piece;

	do {
		if (!outbox_reader_next(reader, &piece, t->outcome))
			return false;
		if (spool_write(spool, piece.data, piece.size) != SPOOL_OK)
			return outcome_add(t->outcome, ERR_STORAGE, "",
					   "There is no room for the document now; try again later.");
	} while (piece.size > 0);
	return spool_finish(spool) || outcome_add(t->outcome, ERR_STORAGE, "", "Try again later.");
}

struct spool *waiting_document(const struct transaction *t, const struct waiting *waiting,
			       const struct document_entry *entry)
{
	size_t part = 0;
	const struct waiting_one *one = part_find(waiting, entry, &part);
	struct spool *spool = spool_new(t->gateway->spools, t->gateway->config->limits_spool_bytes, true);
	struct outbox_reader *reader = NULL;
	char hash[2 * SPOOL_SHA1_SIZE];
	bool ok;

	if (!spool || !one) {
		spool_free(spool);
		no_memory(t);
		return NULL;
	}
	reader = outbox_reader_new(delivery_outbox(t->gateway->delivery), one->id, part, t->outcome);
	ok = reader && document_copy(t, reader, spool);
	outbox_reader_free(reader);
	if (ok) {
		hex_write(spool_sha1(spool), SPOOL_SHA1_SIZE, hash);
		ok = str_equal_nocase(entry->hash, (struct str) { hash, sizeof(hash) }) ||
		     outcome_add(t->outcome, ERR_DOCUMENT_CORRUPT, "", "Report this to the operator.");
	}
	if (ok)
		return spool;
	spool_free(spool);
	return NULL;
}
