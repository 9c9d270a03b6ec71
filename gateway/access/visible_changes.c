#include "gateway/access/visible_changes.h"

#include "gateway/access/access_state.h"
#include "gateway/access/kept_item.h"
#include "gateway/access/visit_state.h"
#include "gateway/state/outbox_manage.h"

#define ITEMS_MAX        1000
#define ITEMS_OF_ONE_MAX 4096 /* changes of one document: with more, nobody sees it until some of them are made */
/* What was refused changes nothing, nor what builds upon that: it is held until a person has decided. */
#define STATES_THAT_CHANGE   (OUTBOX_STATE_BIT(OUTBOX_WAITING) | OUTBOX_STATE_BIT(OUTBOX_SENDING))
#define PAGE_ITEMS           256
#define PAGE_BYTES           (512u * 1024)
#define HEAD_BYTES           (2 * PUBLICATION_HEAD_BYTES_MAX + 65536)
#define ITEMS_BYTES(most)    ((most) / 8)     /* of the request's memory */
#define ACCEPTED(most)       ((most) / 4 * 3) /* of either, before no more is accepted */
#define SHORT_BYTES(most)    ((most) / 4)     /* of that, for entries of one document that are kept */
#define ENTRY_BYTES(most)    ((most)*4)       /* for one that is not, at most */
#define SUMMARY_BYTES        512              /* what is kept instead of it */
#define TEXT_BYTES_MAX(left) ((left) / 4)     /* of one change: it takes a part of what it becomes when it is read */

struct pending_change {
	struct publication_change change;
	const struct document_entry *entry; /* as it shall be; NULL: it is not kept, and others follow */
	struct str submission_time;
};

struct pending_document {
	struct str urn;
	struct pending_change *changes; /* in their order */
	size_t count;
	size_t capacity;
	bool is_long;     /* of the entries, only the last is kept: they are read again when they decide */
	bool is_too_much; /* or nobody can say what it is */
	const struct consent *decided_by; /* of a long one; NULL: nothing is decided yet */
	struct consent_decision decided;
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
	size_t bytes_max;
	bool is_cut;
	bool is_long;
	struct arena *last; /* of a long one: where its last entry is */
	const struct consent
		*consent; /* of a long one: it decides as they are read, and nothing is kept; NULL: it does not */
	struct consent_decision *decision;
};

/* Of the head a change needs little, and there may be thousands of them. */
static enum kept head_open(struct reading *reading, const struct outbox_item *item, struct publication_change *change)
{
	struct arena *apart = arena_new(HEAD_BYTES);
	struct publication_head head;
	enum kept kept = apart ? kept_head_read(reading->visit->access->changes, item, apart, &head) : KEPT_NO_MEMORY;

	if (kept == KEPT_READ) {
		*change = head.change;
		change->base = arena_copy(reading->arena, head.change.base);
		change->new_status = arena_copy(reading->arena, head.change.new_status);
		if (!change->base.data || !change->new_status.data)
			kept = KEPT_NO_MEMORY;
	}
	arena_free(apart);
	return kept;
}

static enum kept entry_open(const struct reading *reading, const struct outbox_item *item, size_t bytes_left,
			    struct arena *arena, struct pending_change *change)
{
	struct metadata metadata;
	enum kept kept =
		kept_metadata_read(reading->visit->access->changes, item, TEXT_BYTES_MAX(bytes_left), arena, &metadata);

	if (kept != KEPT_READ)
		return kept;
	if (metadata.document_entry_count != 1)
		return KEPT_LOST;
	change->entry = &metadata.document_entries[0];
	change->submission_time = metadata.submission_sets[0].submission_time;
	return KEPT_READ;
}

static bool change_add(struct reading *reading, const struct pending_change *change)
{
	if (!arena_grow(reading->arena, &reading->changes, reading->count, &reading->capacity,
			sizeof(*reading->changes)))
		return false;
	reading->changes[reading->count++] = *change;
	return true;
}

static enum kept short_read(struct reading *reading, const struct outbox_item *item, size_t bytes_end)
{
	size_t used = arena_used(reading->arena);
	struct pending_change change = { 0 };
	enum kept kept = head_open(reading, item, &change.change);

	if (kept == KEPT_READ)
		kept = entry_open(reading, item, used < bytes_end ? bytes_end - used : 0, reading->arena, &change);
	if (kept == KEPT_READ && (!change_add(reading, &change) || arena_used(reading->arena) > bytes_end))
		kept = KEPT_NO_MEMORY;
	return kept;
}

/* Takes the place of the entry before it. */
static enum kept long_keep(struct reading *reading, struct pending_change *change, struct arena *arena)
{
	change->submission_time = arena_copy(reading->arena, change->submission_time);
	if (!change->submission_time.data || !change_add(reading, change))
		return KEPT_NO_MEMORY;
	if (reading->count > 1)
		reading->changes[reading->count - 2].entry = NULL;
	arena_free(reading->last);
	reading->last = arena;
	return KEPT_READ;
}

static enum kept long_read(struct reading *reading, const struct outbox_item *item)
{
	size_t most = bytes_max(reading->visit);
	struct arena *apart = arena_new(ENTRY_BYTES(most));
	struct pending_change change = { 0 };
	enum kept kept = apart ? entry_open(reading, item, most, apart, &change) : KEPT_NO_MEMORY;

	if (kept == KEPT_READ && reading->consent) {
		consent_decide_entry(reading->consent, change.entry, reading->decision);
	} else if (kept == KEPT_READ) {
		kept = head_open(reading, item, &change.change);
		if (kept == KEPT_READ)
			kept = long_keep(reading, &change, apart);
	}
	if (reading->last != apart)
		arena_free(apart);
	return kept;
}

/* False when the outbox is away. */
static bool item_read(struct reading *reading, const struct outbox_item *item, size_t bytes_end)
{
	switch (reading->is_long ? long_read(reading, item) : short_read(reading, item, bytes_end)) {
	case KEPT_READ:
	case KEPT_GONE: /* it does not wait */
		return true;
	case KEPT_AWAY:
		return false;
	case KEPT_LOCKED:
	case KEPT_TOO_LONG:
	case KEPT_LOST:
	case KEPT_NO_MEMORY:
		break;
	}
	reading->is_cut = true; /* nobody can say what it closes */
	return true;
}

static bool is_denied(const struct reading *reading)
{
	return reading->consent && !reading->decision->permit;
}

/* The next items of filter; *next: 0 when they are the last. False when the outbox is away. */
static bool page_read(struct reading *reading, const struct outbox_filter *filter, size_t bytes_end, uint64_t *next)
{
	struct arena *apart = arena_new(PAGE_BYTES);
	struct outbox_item *items;
	struct outcome listing;
	size_t count = 0;
	bool is_there = true;

	outcome_init(&listing);
	*next = 0;
	if (!apart || !outbox_list(reading->visit->access->changes, filter, apart, &items, &count, next, &listing)) {
		is_there = !apart || kept_failure(&listing) != KEPT_AWAY;
		reading->is_cut = is_there;
	}
	for (size_t i = 0; is_there && i < count && !reading->is_cut && !is_denied(reading); i++)
		is_there = item_read(reading, &items[i], bytes_end);
	arena_free(apart);
	return is_there;
}

/* False when the outbox is away. is_cut: there is more than was read. */
static bool items_read(struct reading *reading, struct outbox_filter *filter)
{
	size_t bytes_end = arena_used(reading->arena) + reading->bytes_max;
	size_t left = filter->limit;
	uint64_t next = 0;

	filter->target = reading->visit->access->changes_source;
	filter->kind = STR(PUBLICATION_CHANGE);
	filter->states = STATES_THAT_CHANGE;
	filter->unheld = true;
	reading->is_cut = false;
	do {
		filter->limit = left < PAGE_ITEMS ? left : PAGE_ITEMS;
		filter->after = next;
		left -= filter->limit;
		if (!page_read(reading, filter, bytes_end, &next))
			return false;
	} while (next > 0 && left > 0 && !reading->is_cut && !is_denied(reading));
	reading->is_cut = reading->is_cut || (next > 0 && !is_denied(reading));
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
	urn = arena_copy(visit->south.arena, urn);
	if (!urn.data || !arena_grow(visit->south.arena, &visit->pending, visit->pending_count,
				     &visit->pending_capacity, sizeof(*visit->pending)))
		return NULL;
	visit->pending[visit->pending_count] = (struct pending_document) { .urn = urn };
	return &visit->pending[visit->pending_count++];
}

static size_t items_max(const struct visit *visit)
{
	size_t most = bytes_max(visit) / SUMMARY_BYTES;

	return most < ITEMS_OF_ONE_MAX ? most : ITEMS_OF_ONE_MAX;
}

static void arena_release(void *arena)
{
	arena_free(arena);
}

/* One whose entries are too much to be kept. False when the outbox is away. */
static bool long_document_read(struct reading *reading, struct str name)
{
	struct outbox_filter filter = { .makes = name, .limit = items_max(reading->visit) };
	bool is_there;

	*reading = (struct reading) { .visit = reading->visit,
				      .arena = reading->arena,
				      .bytes_max = bytes_max(reading->visit),
				      .is_long = true };
	is_there = items_read(reading, &filter);
	if (reading->last && !arena_defer(reading->arena, arena_release, reading->last))
		reading->is_cut = true;
	return is_there;
}

/* What waits for one document, in the arena. */
static void document_read(const struct visit *visit, struct str urn, struct arena *arena,
			  struct pending_document *document)
{
	struct str name = publication_changes_name(urn, arena);
	struct outbox_filter filter = { .makes = name, .limit = items_max(visit) };
	struct reading reading = { .visit = visit, .arena = arena, .bytes_max = SHORT_BYTES(bytes_max(visit)) };

	*document = (struct pending_document) { .urn = urn, .is_too_much = !name.data };
	/* While the outbox is away, what is registered is as good as ever. */
	if (!name.data || !items_read(&reading, &filter) || (reading.is_cut && !long_document_read(&reading, name)))
		return;
	document->changes = reading.changes;
	document->count = reading.count;
	document->is_long = reading.is_long;
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

/* By all changes of a document, none of which is kept. */
static void long_decide(const struct visit *visit, struct str urn, const struct consent *consent,
			struct consent_decision *decision)
{
	struct arena *arena = arena_new(PAGE_BYTES);
	struct str name = arena ? publication_changes_name(urn, arena) : STR_NONE;
	struct outbox_filter filter = { .makes = name, .limit = items_max(visit) };
	struct reading reading = { .visit = visit,
				   .arena = arena,
				   .bytes_max = bytes_max(visit),
				   .is_long = true,
				   .consent = consent,
				   .decision = decision };

	if (!name.data || (items_read(&reading, &filter) && reading.is_cut))
		*decision = (struct consent_decision) { .reason = CONSENT_NOT_UNDERSTOOD };
	arena_free(arena);
}

static void document_decide(const struct visit *visit, struct pending_document *document, const struct consent *consent,
			    struct consent_decision *decision)
{
	if (document->is_too_much)
		*decision = (struct consent_decision) { .reason = CONSENT_NOT_UNDERSTOOD };
	if (!decision->permit)
		return;
	if (!document->is_long) {
		for (size_t i = 0; i < document->count && decision->permit; i++)
			consent_decide_entry(consent, document->changes[i].entry, decision);
		return;
	}
	if (document->decided_by != consent) {
		document->decided = *decision;
		long_decide(visit, document->urn, consent, &document->decided);
		document->decided_by = consent;
	}
	*decision = document->decided;
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
			long_decide(visit, urn, consent, decision);
			return;
		}
		document = document_keep(visit, urn);
		if (document)
			document_read(visit, urn, visit->south.arena, document);
		else
			decision->permit = false;
	}
	if (document)
		document_decide(visit, document, consent, decision);
}

/* --- what may wait --- */

size_t visible_changes_max(const struct visit *visit)
{
	return may_have_changes(visit) ? ACCEPTED(items_max(visit)) : 0;
}

bool visible_change_fits(const struct visit *visit, size_t size)
{
	return !may_have_changes(visit) || size <= ACCEPTED(TEXT_BYTES_MAX(bytes_max(visit)));
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

static struct visible_change *change_make(struct visit *visit, const struct pending_document *document, size_t begin,
					  const struct document_entry *entry)
{
	struct visible_change *shown = arena_alloc(visit->south.arena, sizeof(*shown));

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

const struct visible_change *visible_change(struct visit *visit, const struct document_entry *entry)
{
	const struct pending_document *document = document_known(visit, urn_of(entry));
	size_t begin = document ? chain_begin(document, entry) : 0;

	return document && begin < document->count ? change_make(visit, document, begin, entry) : NULL;
}

static bool is_copy(const struct visit *visit, const struct pending_document *document,
		    const struct document_entry *entry)
{
	const struct document_entry *last;

	if (document->count == 0)
		return false;
	last = document->changes[document->count - 1].entry;
	return str_equal(last->unique_id, entry->unique_id) && str_equal_nocase(last->hash, entry->hash) &&
	       visit_same_patient(visit, last->patient_id, entry->patient_id);
}

const struct visible_change *visible_change_of_copy(struct visit *visit, const struct document_entry *entry)
{
	struct visible_change *shown;
	size_t i = 0;

	while (i < visit->pending_count && !is_copy(visit, &visit->pending[i], entry))
		i++;
	/* It gets changes when the first source has made them: all that wait are still to be made of it. */
	shown = i < visit->pending_count ? change_make(visit, &visit->pending[i], 0, entry) : NULL;
	if (!shown)
		return NULL;
	shown->entry.entry_uuid = entry->entry_uuid;
	shown->entry.logical_id = entry->logical_id;
	shown->entry.version = entry->version;
	shown->entry.patient_id = entry->patient_id;
	shown->entry.repository_unique_id = entry->repository_unique_id;
	shown->entry.home_community_id = entry->home_community_id;
	shown->entry.uri = entry->uri;
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
