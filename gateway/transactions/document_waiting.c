#include "gateway/transactions/document_waiting.h"

#include "gateway/access/kept_item.h"
#include "gateway/state/outbox_manage.h"
#include "gateway/transactions/publication_items.h"
#include "gateway/transactions/transactions.h"
#include "gateway/transactions/waiting_registered.h"
#include "mappers/metadata_rim.h"

struct str document_waiting_name(const struct transaction *t, struct str urn)
{
	return publication_changes_name(urn, t->south.arena);
}

/* The entry of the document in an item; NULL when it has none, or the caller may not see it. */
static bool entry_read(const struct transaction *t, const struct outbox_item *item, struct str urn,
		       struct publication_item *opened, struct document_entry **entry)
{
	bool visible;

	*entry = NULL;
	if (!publication_item_read(t, item, STR_NONE, opened, &visible))
		return false;
	for (size_t i = 0; visible && i < opened->metadata.document_entry_count; i++) {
		struct document_entry *one = &opened->metadata.document_entries[i];

		if (str_equal_nocase(one->entry_uuid, urn) || str_equal_nocase(one->logical_id, urn))
			*entry = one;
	}
	return true;
}

static void arena_release(void *arena)
{
	arena_free(arena);
}

/* Of thousands of changes the last one counts: what the others take is given back. */
static bool change_take(const struct transaction *t, const struct outbox_item *item, struct str urn,
			struct document_waiting *waiting, struct document_entry **entry)
{
	struct transaction apart = *t;
	struct publication_item opened;
	bool ok;

	*entry = NULL;
	apart.south.arena = arena_new(t->gateway->config->limits_request_memory / 2);
	if (!apart.south.arena)
		return no_memory(t);
	ok = entry_read(&apart, item, urn, &opened, entry);
	if (!*entry) {
		arena_free(apart.south.arena);
		return ok;
	}
	arena_free(waiting->last);
	waiting->last = apart.south.arena;
	waiting->is_removed = opened.change.is_removal;
	return ok;
}

static bool item_take(const struct transaction *t, const struct outbox_item *item, struct str urn,
		      struct document_waiting *waiting)
{
	bool is_change = str_equal(item->kind, STR(PUBLICATION_CHANGE));
	struct publication_item opened;
	struct document_entry *entry;

	/* What builds upon a version that was refused is no more than that. */
	if (is_change && item->is_held && !waiting->is_publication)
		return true;
	if (is_change ? !change_take(t, item, urn, waiting, &entry) : !entry_read(t, item, urn, &opened, &entry))
		return false;
	if (!entry)
		return true;
	if (!is_change) {
		waiting->is_publication = true;
		waiting->is_own = opened.is_own;
		waiting->metadata = opened.metadata;
		waiting->is_removed = opened.change.is_removal;
	}
	if (str_is_empty(entry->availability_status))
		entry->availability_status = STR(STATUS_APPROVED);
	waiting->entry = entry;
	waiting->items[waiting->count++] = *item;
	return true;
}

static bool items_take(const struct transaction *t, struct str name, struct str kind, unsigned states, struct str urn,
		       struct document_waiting *waiting)
{
	struct outbox_filter filter = {
		.target = t->source->backend.name, .makes = name, .states = states, .limit = OUTBOX_NAMES_MAX / 4
	};

	do {
		struct outbox_item *items;
		struct outbox_item *more;
		size_t count = 0;

		if (!outbox_list(delivery_outbox(t->gateway->delivery), &filter, t->south.arena, &items, &count,
				 &filter.after, t->outcome))
			return false;
		more = arena_array(t->south.arena, waiting->count + count, sizeof(*more));
		if (!more)
			return no_memory(t);
		if (waiting->count)
			memcpy(more, waiting->items, waiting->count * sizeof(*more));
		waiting->items = more;
		for (size_t i = 0; i < count; i++) {
			if (str_equal(items[i].kind, STR(PUBLICATION_REQUEST)))
				waiting->has_requests = true;
			if (str_equal(items[i].kind, kind) && !item_take(t, &items[i], urn, waiting))
				return false;
		}
	} while (filter.after);
	return true;
}

/* What waits as the document itself, unless that is registered and somebody else's. */
static bool publication_take(const struct transaction *t, struct str urn, struct document_waiting *waiting)
{
	bool is_registered = false;

	if (!items_take(t, urn, STR(PUBLICATION_PROVIDE), OUTBOX_UNDELIVERED, urn, waiting))
		return false;
	if (waiting->is_publication && !document_is_registered(t, urn, &is_registered))
		return false;
	if (is_registered)
		*waiting = (struct document_waiting) { .has_requests = waiting->has_requests };
	return true;
}

bool document_waiting_find(const struct transaction *t, struct str urn, struct document_waiting *waiting)
{
	struct str name = document_waiting_name(t, urn);
	bool ok;

	*waiting = (struct document_waiting) { 0 };
	if (!t->gateway->delivery)
		return true;
	if (!name.data)
		return no_memory(t);
	/* A change that was refused is none: who changes the document anew, changes what is registered. */
	ok = publication_take(t, urn, waiting) &&
	     items_take(t, name, STR(PUBLICATION_CHANGE),
			OUTBOX_STATE_BIT(OUTBOX_WAITING) | OUTBOX_STATE_BIT(OUTBOX_SENDING), urn, waiting);
	return (!waiting->last || arena_defer(t->south.arena, arena_release, waiting->last) || no_memory(t)) && ok;
}

bool document_requests_find(const struct transaction *t, struct str urn, int64_t before, bool *found)
{
	const struct outbox_filter filter = { .target = t->source->backend.name,
					      .kind = STR(PUBLICATION_REQUEST),
					      .makes = document_waiting_name(t, urn),
					      .states = OUTBOX_STATE_BIT(OUTBOX_WAITING) |
							OUTBOX_STATE_BIT(OUTBOX_SENDING),
					      .limit = 1 };
	struct outbox_item *items;
	size_t count = 0;
	uint64_t next;

	if (!filter.makes.data)
		return no_memory(t);
	/* In the order they came. */
	if (!outbox_list(delivery_outbox(t->gateway->delivery), &filter, t->south.arena, &items, &count, &next,
			 t->outcome))
		return false;
	*found = count > 0 && items[0].seq < before;
	return true;
}

bool document_waiting_withdraw(const struct transaction *t, const struct document_waiting *waiting)
{
	const struct kept_end deleted = { .reason = STR("Its document was deleted.") };
	struct outcome ignored;
	struct outbox *outbox;

	outcome_init(&ignored);
	if (!waiting->is_own || waiting->metadata.document_entry_count != 1 || waiting->metadata.folder_count > 0)
		return false;
	outbox = delivery_outbox(t->gateway->delivery);
	/* The publication first: once it is not to be sent any more, what builds upon it is not either. */
	if (!kept_withdraw(outbox, &waiting->items[0], &deleted, NULL, &ignored))
		return false;
	for (size_t i = 1; i < waiting->count; i++) {
		if (!kept_withdraw(outbox, &waiting->items[i], &deleted, NULL, &ignored))
			break;
	}
	return true;
}
