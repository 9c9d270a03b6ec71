#include "gateway/transactions/publication_items.h"

#include "gateway/access/authorize.h"
#include "gateway/access/kept_item.h"
#include "gateway/access/visible_waiting.h"
#include "mappers/base/uuid.h"
#include "mappers/caller_json.h"

#define LOOKS_MAX 4 /* at an item that is settled or corrected at each look */

bool publication_operator(const struct transaction *t)
{
	return t->caller->kind != CALLER_PATIENT &&
	       (t->caller->kind == CALLER_ANONYMOUS ||
		caller_is_entitled(t->caller, &t->gateway->config->publication_operators));
}

struct str publication_item_id(const struct transaction *t, const char *id)
{
	uint8_t uuid[16];
	char sealed[SEAL_ID_SIZE];

	if (!uuid_read(str_from_c(id), uuid) || !seal_id(t->gateway->seal, SEAL_TASK, 0, uuid, sealed))
		return STR_NONE;
	return arena_copy(t->south.arena, str_from_c(sealed));
}

bool publication_items_list(const struct transaction *t, const struct outbox_filter *filter, struct outbox_item **items,
			    size_t *count)
{
	struct outbox_filter there = *filter;
	uint64_t next;

	*count = 0;
	there.target = t->gateway->sources[0].backend.name;
	return outbox_list(delivery_outbox(t->gateway->delivery), &there, t->south.arena, items, count, &next,
			   t->outcome);
}

static bool unknown(const struct transaction *t)
{
	return outcome_add(t->outcome, ERR_NOT_FOUND, "", "There is no such publication, or it was settled long ago.");
}

/* What is settled has only its result; the parts of the others say more. */
static bool has_parts(const struct publication_item *opened)
{
	return opened->item.part_count > 0 && !opened->has_moved;
}

static bool part_missed(const struct transaction *t, struct publication_item *opened, enum kept kept)
{
	opened->has_moved = kept == KEPT_GONE;
	opened->is_locked = kept == KEPT_LOCKED;
	if (kept == KEPT_NO_MEMORY)
		return no_memory(t);
	/* What can never be read again says nothing; the item is there all the same, and must be decided about. */
	return kept != KEPT_AWAY ||
	       outcome_add(t->outcome, ERR_STORAGE, "", "What waits cannot be read now; try again later.");
}

/* Who sent it, and what it does to a document. */
static bool head_read(const struct transaction *t, struct publication_item *opened)
{
	struct publication_head head;
	enum kept kept;

	if (!has_parts(opened))
		return true;
	kept = kept_head_read(delivery_outbox(t->gateway->delivery), &opened->item, t->south.arena, &head);
	if (kept != KEPT_READ)
		return part_missed(t, opened, kept);
	opened->caller = head.caller;
	opened->chosen = head.chosen;
	opened->change = head.change;
	opened->request = head.request;
	return true;
}

static bool metadata_read(const struct transaction *t, struct publication_item *opened)
{
	struct metadata metadata;
	enum kept kept;

	if (!has_parts(opened) || !publication_kind_facts(publication_kind_of(opened->item.kind))->has_metadata)
		return true;
	kept = kept_metadata_read(delivery_outbox(t->gateway->delivery), &opened->item, PUBLICATION_METADATA_BYTES_MAX,
				  t->south.arena, &metadata);
	if (kept != KEPT_READ)
		return part_missed(t, opened, kept);
	opened->metadata = metadata;
	opened->patient_id = metadata.submission_sets[0].patient_id;
	return true;
}

/* Who may read of the patient: of what waits, one document of it at least. What is undecided is its sender's. */
static bool reader_may_see(const struct transaction *t, const struct publication_item *opened)
{
	bool is_shown = opened->item.part_count == 0 ||
			publication_kind_facts(publication_kind_of(opened->item.kind))->is_shown;

	return !str_is_empty(opened->patient_id) && is_shown &&
	       visible_waiting_any(t->visit, CONSENT_FIND, opened->patient_id, opened->metadata.document_entries,
				   opened->metadata.document_entry_count);
}

bool publication_item_read(const struct transaction *t, const struct outbox_item *item, struct str result,
			   struct publication_item *opened, bool *visible)
{
	*opened = (struct publication_item) { .item = *item };
	if (result.data && publication_result_read(result, t->south.arena, &opened->result)) {
		opened->caller = opened->result.caller;
		opened->patient_id = opened->result.patient_id;
	}
	if (!head_read(t, opened))
		return false;
	opened->is_own = caller_is_same(t->caller, &opened->caller) || publication_operator(t);
	if (!visible && !opened->is_own)
		return true;
	if (!metadata_read(t, opened))
		return false;
	if (visible)
		*visible = opened->is_own || reader_may_see(t, opened);
	return true;
}

bool publication_item_open(const struct transaction *t, struct str sealed, struct publication_item *opened)
{
	uint8_t uuid[16];
	uint8_t source;
	char urn[UUID_URN_SIZE];
	bool visible = false;

	if (!seal_id_open(t->gateway->seal, SEAL_TASK, sealed, &source, uuid))
		return unknown(t);
	if (!t->gateway->delivery)
		return t->gateway->outbox_is_lost
			       ? outcome_add(t->outcome, ERR_STORAGE, "",
					     "Retry later: what waited from before cannot be read until the outbox is "
					     "mended.")
			       : unknown(t);
	uuid_write(uuid, urn);
	*opened = (struct publication_item) { .has_moved = true };
	for (unsigned look = 0; look < LOOKS_MAX && opened->has_moved; look++) {
		struct str id = str_from(str_from_c(urn), sizeof("urn:uuid:") - 1);
		struct str result = STR_NONE;
		struct outbox_item item;
		struct outcome asking;

		outcome_init(&asking);
		if (!outbox_get(delivery_outbox(t->gateway->delivery), id, t->south.arena, &item, &result, &asking))
			return asking.count && asking.issues[0].code != ERR_NOT_FOUND
				       ? outcome_add(t->outcome, asking.issues[0].code, "", "%s", asking.issues[0].text)
				       : unknown(t);
		if (!publication_item_read(t, &item, result, opened, &visible))
			return false;
	}
	/* Whose it is nobody can say here: a client that is told that there is none gives up what waits. */
	if (!visible && opened->is_locked)
		return outcome_add(t->outcome, ERR_KEY_MISSING, "",
				   "What waits cannot be read here until the operator puts its key back; try again "
				   "later.");
	return visible || unknown(t);
}

struct str publication_item_reason(const struct transaction *t, const struct outbox_item *item)
{
	if (item->state != OUTBOX_WITHDRAWN || !item->is_unclear)
		return item->reason;
	return arena_printf(t->south.arena, "%.*s%s%s", STR_ARG(item->reason), item->reason.size ? " " : "",
			    PUBLICATION_MAY_BE_THERE);
}

bool publication_item_decide(const struct transaction *t, struct publication_item *opened,
			     enum publication_decision decision)
{
	struct outbox *outbox = delivery_outbox(t->gateway->delivery);
	struct outbox_item *item = &opened->item;
	bool is_retry = decision == PUBLICATION_RETRY;
	const struct kept_end end = { .reason = STR("Withdrawn by request."),
				      .is_given_up = decision == PUBLICATION_GIVE_UP &&
						     caller_is_same(t->caller, &opened->caller) };

	if (!opened->is_own)
		return outcome_add(t->outcome, ERR_FORBIDDEN, "",
				   "Only who sent a publication, or an operator, may decide about it.");
	if (is_retry ? !outbox_retry(outbox, str_from_c(item->id), t->outcome)
		     : !kept_withdraw(outbox, item, &end, &item->is_unclear, t->outcome))
		return false;
	item->state = is_retry ? OUTBOX_WAITING : OUTBOX_WITHDRAWN;
	item->is_held = false;
	item->changed_ms = t->now_s * 1000;
	return true;
}
