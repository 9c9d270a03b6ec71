#include "gateway/delivery/change_share.h"

#include "gateway/delivery/delivery_state.h"
#include "gateway/delivery/share.h"
#include "gateway/south/update_client.h"
#include "mappers/submission_match.h"

/* Whatever the class is: it may have been another one when the document was shared. */
static bool is_shared_with(const struct config *config, struct str name)
{
	for (size_t i = 0; i < config->publication_share.count; i++) {
		struct share_rule rule;

		if (share_rule_read(config->publication_share.items[i], &rule) && str_equal(rule.target, name))
			return true;
	}
	return false;
}

static bool parts_write(const struct publication_head *head, const struct metadata *metadata, struct arena *arena,
			struct buf *head_text, struct buf *text, struct outcome *outcome)
{
	struct publication_head there = *head;

	there.change.base = STR_NONE;
	there.is_unclear = false;
	publication_head_write(&there, head_text);
	return publication_metadata_write(metadata, arena, text, outcome) &&
	       ((!head_text->failed && !text->failed) || outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later."));
}

/* The other network must learn of a change, however much its sender has waiting. */
static bool item_put(const struct delivery *delivery, struct str target, const struct shared_change *change,
		     const struct str *parts, struct arena *arena, char stored[OUTBOX_ID_SIZE], struct outcome *outcome)
{
	const struct document_entry *entry = &change->metadata->document_entries[0];
	struct outbox_new item = { .kind = STR(PUBLICATION_CHANGE),
				   .target = target,
				   .patient = publication_line(entry->patient_id, arena),
				   .caller = caller_client(&change->head->caller, arena),
				   .bound = change->is_owed ? OUTBOX_BOUND_NONE : OUTBOX_BOUND_ALL,
				   .needs = &entry->unique_id,
				   .need_count = 1,
				   .parts = parts,
				   .part_count = PUBLICATION_DOCUMENTS,
				   .is_announced = change->is_announced };
	char id[SUBMISSION_NAME_SIZE];

	if (!item.patient.data || !submission_name(change->metadata, delivery->options.config->tenant, target, 0, id))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	item.id = str_from_c(id);
	return outbox_put(delivery->outbox, &item, stored, outcome);
}

bool change_share(const struct delivery *delivery, const struct shared_change *change, struct arena *arena,
		  struct strs *ids, struct outcome *outcome)
{
	struct str parts[PUBLICATION_DOCUMENTS] = { [PUBLICATION_ANSWER] = change->answer };
	char id[OUTBOX_ID_SIZE];
	struct buf head_text;
	struct buf text;
	bool ok;

	*ids = (struct strs) { arena_array(arena, delivery->gate_count, sizeof(struct str)), 0 };
	ok = ids->items || outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");

	buf_init(&head_text, PUBLICATION_HEAD_BYTES_MAX);
	buf_init(&text, PUBLICATION_METADATA_BYTES_MAX);
	for (size_t i = 1; ok && i < delivery->gate_count; i++) {
		const struct delivery_target *target = &delivery->gates[i].target;

		if (!is_shared_with(delivery->options.config, target->name) ||
		    !update_offered(target->backend, UPDATE_METADATA, STR_NONE))
			continue;
		if (!parts[PUBLICATION_METADATA].data) {
			ok = parts_write(change->head, change->metadata, arena, &head_text, &text, outcome);
			parts[PUBLICATION_HEAD] = buf_str(&head_text);
			parts[PUBLICATION_METADATA] = buf_str(&text);
		}
		ok = ok && item_put(delivery, target->name, change, parts, arena, id, outcome);
		if (ok)
			ids->items[ids->count++] = arena_copy(arena, str_from_c(id));
	}
	buf_free(&head_text);
	buf_free(&text);
	return ok;
}
