#include "gateway/access/visible_changes.h"

#include "gateway/access/access_state.h"
#include "gateway/access/kept_item.h"
#include "gateway/access/visit_state.h"
#include "gateway/state/outbox_manage.h"

#define ITEMS_MAX            1000
#define ITEMS_OF_ONE_MAX     256 /* changes of one document: with more, nobody sees it until some of them are made */
#define ITEMS_BYTES(most)    ((most) / 8)     /* of the request's memory */
#define ACCEPTED(most)       ((most) / 4 * 3) /* of either, before no more is accepted */
#define TEXT_BYTES_MAX(left) ((left) / 4)     /* of one change: it takes a part of what it becomes when it is read */

struct pending_change {
	struct publication_change change;
	const struct document_entry *entry; /* as it shall be */
	struct str submission_time;
};

struct pending_document {
	struct str urn;
	struct pending_change *changes; /* in their order */
	size_t count;
	size_t capacity;
	bool is_too_much; /* or nobody can say what it is */
};

void access_changes_set(struct access *access, struct outbox *outbox, struct str source)
{
	access->changes = outbox;
	access->changes_source = source;
}

static bool may_have_changes(const struct visit *visit)
{
	return visit->access->changes && visit->south.backend &&
	       str_equal(visit->south.backend->name, visit->access->changes_source);
}

static struct str urn_of(const struct document_entry *entry)
{
	return str_is_empty(entry->logical_id) ? entry->entry_uuid : entry->logical_id;
}

static size_t bytes_max(const struct visit *visit)
{
	return ITEMS_BYTES(visit->access->config->limits_request_memory);
}

/* --- reading --- */

/* Changes as they come out of the outbox. */
struct reading {
	const struct visit *visit;
	struct arena *arena;
	struct pending_change *changes; /* in their order */
	size_t count;
	size_t capacity;
	struct str *dead; /* entryUUIDs that no registry will have */
	size_t dead_count;
	size_t dead_capacity;
	size_t bytes_max;
	bool is_cut;
};

static bool is_dead(const struct reading *reading, struct str uuid)
{
	for (size_t i = 0; i < reading->dead_count; i++) {
		if (str_equal_nocase(reading->dead[i], uuid))
			return true;
	}
	return false;
}

static enum kept item_open(struct reading *reading, const struct outbox_item *item, size_t bytes_left,
			   struct pending_change *change)
{
	struct outbox *outbox = reading->visit->access->changes;
	struct publication_head head;
	struct metadata metadata;
	enum kept kept = kept_head_read(outbox, item, reading->arena, &head);

	if (kept == KEPT_READ)
		kept = kept_metadata_read(outbox, item, TEXT_BYTES_MAX(bytes_left), reading->arena, &metadata);
	if (kept != KEPT_READ)
		return kept;
	if (metadata.document_entry_count != 1)
		return KEPT_LOST;
	*change = (struct pending_change) { .change = head.change,
					    .entry = &metadata.document_entries[0],
					    .submission_time = metadata.submission_sets[0].submission_time };
	return KEPT_READ;
}

/* A change that was refused, or builds upon such a version, is none. */
static bool change_add(struct reading *reading, const struct outbox_item *item, const struct pending_change *change)
{
	if (item->state == OUTBOX_REFUSED || is_dead(reading, change->change.base)) {
		if (!change->change.is_new_version)
			return true;
		if (!arena_grow(reading->arena, &reading->dead, reading->dead_count, &reading->dead_capacity,
				sizeof(*reading->dead)))
			return false;
		reading->dead[reading->dead_count++] = change->entry->entry_uuid;
		return true;
	}
	if (!arena_grow(reading->arena, &reading->changes, reading->count, &reading->capacity,
			sizeof(*reading->changes)))
		return false;
	reading->changes[reading->count++] = *change;
	return true;
}

static bool item_read(struct reading *reading, const struct outbox_item *item, size_t bytes_end)
{
	size_t used = arena_used(reading->arena);
	struct pending_change change;

	switch (item_open(reading, item, used < bytes_end ? bytes_end - used : 0, &change)) {
	case KEPT_READ:
		reading->is_cut = !change_add(reading, item, &change) || arena_used(reading->arena) > bytes_end;
		return true;
	case KEPT_GONE: /* it does not wait */
		return true;
	case KEPT_AWAY:
		return false;
	case KEPT_TOO_LONG:
	case KEPT_LOST:
	case KEPT_NO_MEMORY:
		break;
	}
	/* Nobody can say what it closes; one that was refused closes nothing. */
	reading->is_cut = item->state != OUTBOX_REFUSED;
	return true;
}

/* False when the outbox is away. is_cut: there is more than was read. */
static bool items_read(struct reading *reading, struct outbox_filter *filter)
{
	const struct access *access = reading->visit->access;
	size_t bytes_end = arena_used(reading->arena) + reading->bytes_max;
	struct outbox_item *items;
	struct outcome listing;
	uint64_t next;
	size_t count;

	filter->target = access->changes_source;
	filter->kind = STR(PUBLICATION_UPDATE);
	filter->states = OUTBOX_UNDELIVERED;
	outcome_init(&listing);
	if (!outbox_list(access->changes, filter, reading->arena, &items, &count, &next, &listing)) {
		reading->is_cut = kept_failure(&listing) != KEPT_AWAY;
		return reading->is_cut;
	}
	reading->is_cut = next > 0;
	for (size_t i = 0; i < count && !reading->is_cut; i++) {
		if (!item_read(reading, &items[i], bytes_end))
			return false;
	}
	return true;
}

/* --- by document --- */

static struct pending_document *document_known(const struct visit *visit, struct str urn)
{
	for (size_t i = 0; i < visit->pending_count; i++) {
		if (str_equal_nocase(visit->pending[i].urn, urn))
			return &visit->pending[i];
	}
	return NULL;
}

static struct pending_document *document_keep(struct visit *visit, struct str urn)
{
	if (!arena_grow(visit->south.arena, &visit->pending, visit->pending_count, &visit->pending_capacity,
			sizeof(*visit->pending)))
		return NULL;
	visit->pending[visit->pending_count] = (struct pending_document) { .urn = urn };
	return &visit->pending[visit->pending_count++];
}

/* What waits for one document, in the arena. */
static void document_read(const struct visit *visit, struct str urn, struct arena *arena,
			  struct pending_document *document)
{
	struct str name = publication_changes_name(urn, arena);
	struct outbox_filter filter = { .makes = name, .limit = ITEMS_OF_ONE_MAX };
	struct reading reading = { .visit = visit, .arena = arena, .bytes_max = bytes_max(visit) };

	*document = (struct pending_document) { .urn = urn, .is_too_much = !name.data };
	/* While the outbox is away, what is registered is as good as ever. */
	if (!name.data || !items_read(&reading, &filter))
		return;
	document->changes = reading.changes;
	document->count = reading.count;
	document->is_too_much = reading.is_cut;
}

/* Shares what was read of a patient out to the documents that are not known yet. False without memory. */
static bool documents_keep(struct visit *visit, const struct reading *reading, size_t known)
{

	for (size_t i = 0; i < reading->count; i++) {
		struct str urn = urn_of(reading->changes[i].entry);
		struct pending_document *document = document_known(visit, urn);

		if (!document)
			document = document_keep(visit, urn);
		else if ((size_t)(document - visit->pending) < known)
			continue;
		if (!document)
			return false;
		if (!arena_grow(visit->south.arena, &document->changes, document->count, &document->capacity,
				sizeof(*document->changes)))
			return false;
		document->changes[document->count++] = reading->changes[i];
		document->is_too_much = document->count > ITEMS_OF_ONE_MAX;
	}
	return true;
}

/* All that waits of a patient, once; where that is too much at once, or cannot be read, each document is asked after by its
 * name. */
static void patient_read(struct visit *visit, struct seen *seen)
{
	struct outbox_filter filter = { .limit = ITEMS_MAX };
	struct reading reading = { .visit = visit, .arena = visit->south.arena, .bytes_max = bytes_max(visit) };
	size_t known = visit->pending_count;

	if (seen->changes != CHANGES_NOT_READ)
		return;
	filter.patient = publication_line(seen->public.patient_id, visit->south.arena);
	seen->changes = CHANGES_WHOLE;
	if (!filter.patient.data ||
	    (items_read(&reading, &filter) && (reading.is_cut || !documents_keep(visit, &reading, known)))) {
		seen->changes = CHANGES_CUT;
		visit->pending_count = known; /* of the others some may be kept in part */
	}
	visit->pending_bytes_end = arena_used(visit->south.arena) + bytes_max(visit);
}

static bool is_closed(const struct pending_document *document, const struct consent *consent,
		      struct consent_decision *decision)
{
	if (document->is_too_much)
		*decision = (struct consent_decision) { .reason = CONSENT_NOT_UNDERSTOOD };
	for (size_t i = 0; i < document->count && decision->permit; i++)
		consent_decide_entry(consent, document->changes[i].entry, decision);
	return !decision->permit;
}

/* One of very many: what waits for it is looked at and not kept. */
static void decide_apart(struct visit *visit, struct str urn, const struct consent *consent,
			 struct consent_decision *decision)
{
	struct arena *apart = arena_new(2 * bytes_max(visit));
	struct pending_document document = { .is_too_much = true };

	if (apart)
		document_read(visit, urn, apart, &document);
	/* What was decided says nothing of what is gone with the arena. */
	if (is_closed(&document, consent, decision))
		*decision = (struct consent_decision) { .reason = decision->reason };
	arena_free(apart);
}

void visit_changes_decide(struct visit *visit, struct seen *seen, const struct consent *consent,
			  const struct document_entry *entry, struct consent_decision *decision)
{
	struct str urn = urn_of(entry);
	struct pending_document *document;

	if (!may_have_changes(visit))
		return;
	patient_read(visit, seen);
	document = document_known(visit, urn);
	if (!document && seen->changes == CHANGES_CUT) {
		if (arena_used(visit->south.arena) > visit->pending_bytes_end) {
			decide_apart(visit, urn, consent, decision);
			return;
		}
		document = document_keep(visit, urn);
		if (document)
			document_read(visit, urn, visit->south.arena, document);
		else
			decision->permit = false;
	}
	if (document)
		(void)is_closed(document, consent, decision);
}

/* --- what may wait --- */

/* Requests that nobody has decided become changes. */
static bool items_have_room(const struct visit *visit, struct str name, struct arena *arena)
{
	const struct outbox_filter filter = { .target = visit->access->changes_source,
					      .makes = name,
					      .states = OUTBOX_UNDELIVERED,
					      .limit = ACCEPTED(ITEMS_OF_ONE_MAX) };
	struct outbox_item *items;
	struct outcome listing;
	uint64_t next;
	size_t count;

	outcome_init(&listing);
	return !outbox_list(visit->access->changes, &filter, arena, &items, &count, &next, &listing) ||
	       count < filter.limit;
}

static bool bytes_have_room(const struct visit *visit, struct str name, size_t size, struct arena *arena)
{
	struct outbox_filter filter = { .makes = name, .limit = ITEMS_OF_ONE_MAX };
	struct reading reading = { .visit = visit, .arena = arena, .bytes_max = ACCEPTED(bytes_max(visit)) };
	size_t before = arena_used(arena);

	return !items_read(&reading, &filter) ||
	       (!reading.is_cut && size <= TEXT_BYTES_MAX(bytes_max(visit) - (arena_used(arena) - before)));
}

bool visible_changes_have_room(const struct visit *visit, struct str urn, size_t size)
{
	struct arena *apart;
	struct str name;
	bool has_room;

	if (!may_have_changes(visit))
		return true;
	apart = arena_new(2 * bytes_max(visit));
	name = apart ? publication_changes_name(urn, apart) : STR_NONE;
	has_room = name.data && items_have_room(visit, name, apart) && bytes_have_room(visit, name, size, apart) &&
		   !arena_failed(apart);
	arena_free(apart);
	return has_room;
}

/* --- what is shown --- */

void visible_changes_read(struct visit *visit, struct str urn)
{
	struct pending_document *document;

	if (!may_have_changes(visit) || document_known(visit, urn))
		return;
	document = document_keep(visit, urn);
	if (document)
		document_read(visit, urn, visit->south.arena, document);
}

/* The first change that is still to be made of this version; the count when none is. */
static size_t chain_begin(const struct pending_document *document, const struct document_entry *entry)
{
	size_t begin = 0;

	while (begin < document->count && !str_equal_nocase(document->changes[begin].change.base, entry->entry_uuid))
		begin++;
	return begin;
}

const struct visible_change *visible_change(struct visit *visit, const struct document_entry *entry)
{
	const struct pending_document *document = document_known(visit, urn_of(entry));
	size_t begin = document ? chain_begin(document, entry) : 0;
	struct visible_change *shown;

	if (!document || begin == document->count)
		return NULL;
	shown = arena_alloc(visit->south.arena, sizeof(*shown));
	if (!shown)
		return NULL;
	*shown = (struct visible_change) { .entry = *document->changes[document->count - 1].entry };
	shown->entry.availability_status = entry->availability_status;
	for (size_t i = begin; i < document->count; i++) {
		const struct pending_change *one = &document->changes[i];

		if (one->change.new_status.size)
			shown->entry.availability_status = one->change.new_status;
		if (one->change.is_new_version)
			shown->submission_time = one->submission_time;
		shown->is_changed = shown->is_changed || !one->change.is_removal;
		shown->is_removed = one->change.is_removal;
	}
	return shown;
}

static bool uuids_add(struct visit *visit, const struct pending_document *document, struct strs *uuids,
		      size_t *capacity)
{
	for (size_t i = 0; i < document->count; i++) {
		const struct pending_change *one = &document->changes[i];

		/* What was made by the change before it may be registered meanwhile. */
		if (i > 0 && !document->changes[i - 1].change.is_new_version)
			continue;
		if (!arena_grow(visit->south.arena, &uuids->items, uuids->count, capacity, sizeof(*uuids->items)))
			return false;
		uuids->items[uuids->count++] = one->change.base;
	}
	return true;
}

bool visible_changes_of(struct visit *visit, struct str patient_id, const struct changes_wanted *wanted,
			struct strs *uuids, bool *is_cut)
{
	struct strs found = { 0 };
	size_t capacity = 0;
	struct seen *seen;

	*is_cut = false;
	*uuids = found;
	if (!may_have_changes(visit) || str_is_empty(patient_id))
		return true;
	seen = visit_seen(visit, patient_id);
	if (!seen)
		return false;
	patient_read(visit, seen);
	*is_cut = seen->changes == CHANGES_CUT;
	for (size_t i = 0; i < visit->pending_count; i++) {
		const struct pending_document *document = &visit->pending[i];
		const struct document_entry *last;

		if (document->count == 0)
			continue;
		last = document->changes[document->count - 1].entry;
		if (!visit_same_patient(visit, last->patient_id, patient_id) ||
		    !visit_permits(visit, last, CONSENT_FIND) || !wanted || !wanted->is_wanted(wanted->ctx, last))
			continue;
		if (!uuids_add(visit, document, &found, &capacity))
			return false;
	}
	*uuids = found;
	return true;
}
