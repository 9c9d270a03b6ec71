/* Reads one DocumentReference by its id. Source: FHIR R4 http read; MHD 4.2.4 3.67 (the id of a found entry). */
#include "gateway/access/known_document.h"
#include "gateway/transactions/copies.h"
#include "gateway/transactions/elsewhere.h"
#include "gateway/transactions/resources.h"
#include "mappers/json_writer.h"

#define NOT_THERE "There is no such DocumentReference; search for it."

static bool around_registered(const struct transaction *t, const struct document_entry *entry,
			      struct neighbourhood *around)
{
	return associations_ask(t, &entry->entry_uuid, 1, around) && around_drop(t, around);
}

/* What waits itself has been held against other sources. */
static bool around_waiting(const struct transaction *t, const struct document_entry *entry,
			   struct neighbourhood *around)
{
	bool is_away = delivery_target_is_away(t->gateway->delivery, t->source->backend.name);
	size_t at_hand = around->entry_count;

	return waiting_relations_ask(t, &entry->entry_uuid, 1, is_away, around) &&
	       (around->entry_count == at_hand || around_drop(t, around));
}

/* At its source. */
static bool reference_read(const struct transaction *t, struct str id, struct str urn, struct buf *answer,
			   struct str *etag)
{
	const struct visible_change *change;
	const struct document_entry *entry;
	const struct document_entry *shown;
	struct neighbourhood around = { .asked_id = id };
	struct waiting waiting;
	struct json_writer writer;
	struct copies copies;
	bool waits;

	visible_changes_read(t->visit, urn);
	if (!document_entry_here(t, urn, &waiting, &entry))
		return false;
	if (!entry)
		return waiting_not_there(t, &waiting, NOT_THERE);
	waits = waiting_entry(&waiting, entry->entry_uuid) != NULL;
	if (!waiting_around(t, &waiting, &around) ||
	    !(waits ? around_waiting(t, entry, &around) : around_registered(t, entry, &around)))
		return false;
	if (t->gateway->delivery && !waits)
		known_document_keep(t->gateway->access, t->source->backend.name, entry, t->now_s, t->south.arena);
	change = visible_change(t->visit, entry);
	if (t->source != t->gateway->sources) {
		if (!copies_look(t, entry, &copies))
			return false;
		around.copies = &copies;
		change = copies.visit ? visible_change_of_copy(copies.visit, entry) : NULL;
	}
	shown = change ? &change->entry : entry;
	*etag = version_etag(t, shown->entry_uuid, shown->version, shown->availability_status);
	json_writer_init(&writer, answer);
	return document_reference_write(t, entry, change, &around, &writer) && json_writer_finish(&writer, t->outcome);
}

bool read_document_reference(const struct transaction *t, struct str id, struct buf *answer, struct str *etag)
{
	struct source *source;
	struct errand errand;
	struct str urn;

	if (!resource_id_find(t, SEAL_DOCUMENT_REFERENCE, id, &source, &urn))
		return outcome_add(t->outcome, ERR_NOT_FOUND, "", NOT_THERE);
	return errand_begin(t, source, &errand) &&
	       errand_end(&errand, reference_read(&errand.t, id, urn, answer, etag));
}
