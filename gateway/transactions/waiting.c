#include "gateway/transactions/waiting.h"

#include <assert.h>

#include "gateway/access/visible_waiting.h"
#include "gateway/state/outbox_manage.h"
#include "gateway/state/outbox_reader.h"
#include "gateway/transactions/elsewhere.h"
#include "gateway/transactions/resources.h"
#include "mappers/base/hex.h"
#include "mappers/metadata_rim.h"
#include "mappers/publication_parts.h"

#define PAGE_ITEMS 100

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

/* An outbox on another machine may be away while all else is there. */
static bool missed(const struct transaction *t, const struct outcome *reading, struct waiting *waiting)
{
	enum error_code code = reading->count ? reading->issues[0].code : ERR_NO_MEMORY;

	waiting->is_unknown = code == ERR_STORAGE || code == ERR_BUSY;
	return waiting->is_unknown ||
	       outcome_add(t->outcome, code, "", "What waits cannot be read now; try again later.");
}

/* One that was settled since it was listed is with the registry, or nowhere: it does not wait. */
static bool one_read(const struct transaction *t, const struct outbox_item *item, struct waiting *waiting)
{
	struct waiting_one *one = &waiting->items[waiting->count];
	struct outcome reading;
	struct str text;

	outcome_init(&reading);
	*one = (struct waiting_one) { .id = arena_copy(t->south.arena, str_from_c(item->id)) };
	if (!one->id.data)
		return no_memory(t);
	if (!outbox_part(delivery_outbox(t->gateway->delivery), one->id, PUBLICATION_METADATA,
			 PUBLICATION_METADATA_BYTES_MAX, t->south.arena, &text, &reading)) {
		return (reading.count && reading.issues[0].code == ERR_NOT_FOUND) || missed(t, &reading, waiting);
	}
	if (!publication_metadata_read(text, t->south.arena, &one->metadata, t->outcome) || !documents_keep(t, one))
		return false;
	status_set(&one->metadata);
	visible_waiting(t->visit, CONSENT_FIND, &one->metadata);
	waiting->count +=
		one->metadata.document_entry_count + one->metadata.submission_set_count + one->metadata.folder_count >
		0;
	return true;
}

static bool items_read(const struct transaction *t, const struct outbox_filter *filter, struct waiting *waiting)
{
	struct outbox_filter page = *filter;
	size_t capacity = waiting->count;

	do {
		struct outbox_item *items;
		struct outcome reading;
		size_t count;

		outcome_init(&reading);
		if (!outbox_list(delivery_outbox(t->gateway->delivery), &page, t->south.arena, &items, &count,
				 &page.after, &reading))
			return missed(t, &reading, waiting);
		if (waiting->count + count > t->gateway->config->search_results_max)
			return outcome_add(t->outcome, ERR_TOO_COSTLY, "", "Narrow the search: too much waits.");
		for (size_t i = 0; i < count; i++) {
			/* What changes a document brings none into being. */
			if (str_equal(items[i].kind, STR(PUBLICATION_UPDATE)))
				continue;
			if (!arena_grow(t->south.arena, &waiting->items, waiting->count, &capacity,
					sizeof(*waiting->items)))
				return no_memory(t);
			if (!one_read(t, &items[i], waiting))
				return false;
		}
	} while (page.after && !waiting->is_unknown);
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
	struct outbox_filter filter = { .patient = patient_id,
					.target = t->gateway->sources[0].backend.name,
					.states = OUTBOX_UNDELIVERED,
					.limit = PAGE_ITEMS };

	*waiting = (struct waiting) { 0 };
	if (!t->gateway->delivery || t->source != t->gateway->sources)
		return true;
	if (!str_is_empty(patient_id))
		return items_read(t, &filter, waiting);
	for (size_t i = 0; i < uuids->count; i++) {
		filter.makes = uuids->items[i];
		filter.after = 0;
		if (!items_read(t, &filter, waiting))
			return false;
	}
	return true;
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
	const struct strs none = { 0 };

	if (!waiting_here(t, urn, waiting))
		return false;
	*entry = waiting_entry(waiting, urn);
	if (!*entry && !document_entry_shown(t, urn, entry))
		return false;
	return !*entry || waiting_find(t, (*entry)->patient_id, &none, waiting);
}

const struct waiting_one *waiting_list(const struct waiting *waiting, struct str uuid)
{
	for (size_t i = 0; i < waiting->count; i++) {
		if (submission_has_list(&waiting->items[i].metadata, uuid))
			return &waiting->items[i];
	}
	return NULL;
}

static bool supersedes(const struct association *association, struct str uuid)
{
	return (association->type == ASSOCIATION_REPLACE || association->type == ASSOCIATION_TRANSFORM_REPLACE) &&
	       str_equal_nocase(association->target, uuid);
}

struct code waiting_tag(const struct waiting *waiting, struct str uuid)
{
	const struct str system = STR("urn:passerelle:publication");

	assert(waiting->count == 0 || waiting->items);
	if (waiting_entry(waiting, uuid) || waiting_list(waiting, uuid))
		return (struct code) { STR("not-registered"), system, STR("Accepted, not yet registered") };
	return (struct code) { 0 };
}

struct code waiting_superseded_tag(const struct waiting *waiting, struct str uuid)
{
	const struct str system = STR("urn:passerelle:publication");

	for (size_t i = 0; i < waiting->count; i++) {
		const struct metadata *metadata = &waiting->items[i].metadata;

		for (size_t k = 0; k < metadata->association_count; k++) {
			if (supersedes(&metadata->associations[k], uuid))
				return (struct code) { STR("to-be-superseded"), system,
						       STR("A document that waits will supersede it") };
		}
	}
	return (struct code) { 0 };
}

bool waiting_around(const struct transaction *t, const struct waiting *waiting, struct neighbourhood *around)
{
	around->waiting = waiting;
	for (size_t i = 0; i < waiting->count; i++) {
		struct metadata metadata = waiting->items[i].metadata;

		visible_everywhere(t->visit, &metadata);
		if (!neighbourhood_add(t, around, &metadata))
			return false;
	}
	return true;
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
