#include "gateway/transactions/change_accept.h"

#include "gateway/access/known_document.h"
#include "gateway/delivery/change_share.h"
#include "gateway/run/log.h"
#include "gateway/transactions/publication_store.h"
#include "mappers/submission_match.h"

bool change_must_wait(const struct transaction *t, const struct present_document *present,
		      const struct intended_change *intended, bool *must_wait)
{
	const struct delivery *delivery = t->gateway->delivery;
	struct str target = t->source->backend.name;

	*must_wait = false;
	if (!publications_may_wait(t))
		return true;
	if (present->waiting.entry || present->is_remembered || intended->respond_async ||
	    delivery_target_is_away(delivery, target)) {
		*must_wait = true;
		return true;
	}
	return outbox_must_wait(delivery_outbox(delivery), present->entry->patient_id, target, &intended->change.base,
				1, must_wait, t->outcome);
}

bool change_may_wait(const struct transaction *t, const struct intended_change *intended)
{
	return publications_may_wait(t) && (intended->is_unclear || submission_may_pass(t->outcome));
}

/* The same struct for what is kept and what is passed on; the copies in it are for metadata's pointers. */
struct kept_change {
	struct publication_head head;
	struct metadata metadata;
	struct submission_set set;
	struct document_entry entry;
};

static void kept_make(const struct transaction *t, const struct intended_change *intended, struct kept_change *kept)
{
	*kept = (struct kept_change) {
		.head = { .caller = *t->caller, .change = intended->change, .is_unclear = intended->is_unclear },
		.set = intended->set,
		.entry = intended->entry
	};
	kept->metadata = (struct metadata) { .submission_sets = &kept->set,
					     .submission_set_count = 1,
					     .document_entries = &kept->entry,
					     .document_entry_count = 1 };
}

static bool parts_write(const struct transaction *t, const struct intended_change *intended, struct buf *head,
			struct buf *text)
{
	struct kept_change kept;

	kept_make(t, intended, &kept);
	publication_head_write(&kept.head, head);
	if (!publication_metadata_write(&kept.metadata, t->south.arena, text, t->outcome))
		return false;
	return !(head->failed || text->failed) || no_memory(t);
}

bool change_pass_on(const struct transaction *t, const struct intended_change *intended, struct str answer)
{
	struct kept_change kept;

	kept_make(t, intended, &kept);
	return !t->gateway->delivery ||
	       change_share(t->gateway->delivery, &kept.head, &kept.metadata, answer, t->south.arena, t->outcome);
}

bool change_made(const struct transaction *t, const struct intended_change *intended, struct str answer)
{
	struct access *access = t->gateway->access;
	struct str source = t->source->backend.name;

	if (t->gateway->delivery && intended->change.is_removal)
		known_document_drop(access, source, &intended->entry);
	else if (t->gateway->delivery)
		known_document_keep(access, source, &intended->entry, t->now_s, t->south.arena);
	return change_pass_on(t, intended, answer);
}

/* A change builds upon the version that it was made from, and makes the next one. */
static bool item_put(const struct transaction *t, const struct intended_change *intended, struct str answer,
		     char id[OUTBOX_ID_SIZE])
{
	const struct document_entry *entry = &intended->entry;
	struct str urn = entry->logical_id.size ? entry->logical_id : entry->entry_uuid;
	const struct str makes[] = { document_waiting_name(t, urn), entry->entry_uuid };
	struct str parts[PUBLICATION_DOCUMENTS];
	struct buf head;
	struct buf metadata;
	bool ok;

	buf_init(&head, PUBLICATION_HEAD_BYTES_MAX);
	buf_init(&metadata, PUBLICATION_METADATA_BYTES_MAX);
	ok = (makes[0].data || no_memory(t)) && parts_write(t, intended, &head, &metadata);
	if (ok) {
		parts[PUBLICATION_HEAD] = buf_str(&head);
		parts[PUBLICATION_METADATA] = buf_str(&metadata);
		parts[PUBLICATION_ANSWER] = answer;
		const struct outbox_new item = { .kind = STR(PUBLICATION_UPDATE),
						 .target = t->source->backend.name,
						 .patient = intended->entry.patient_id,
						 .makes = makes,
						 .make_count = intended->change.is_new_version ? 2 : 1,
						 .needs = &intended->change.base,
						 .need_count = 1,
						 .is_unclear = intended->is_unclear,
						 .parts = parts,
						 .part_count = PUBLICATION_DOCUMENTS };

		ok = outbox_put(delivery_outbox(t->gateway->delivery), &item, id, t->outcome);
	}
	buf_free(&head);
	buf_free(&metadata);
	return ok;
}

bool change_accept(const struct transaction *t, const struct intended_change *intended, struct provided *provided,
		   struct buf *answer)
{
	char id[OUTBOX_ID_SIZE];

	if (!item_put(t, intended, buf_str(answer), id))
		return false;
	buf_clear(answer);
	return publication_accepted(t, id, provided, answer);
}

bool change_rest(const struct transaction *t, struct intended_change *intended, const struct outcome *before)
{
	char id[OUTBOX_ID_SIZE];

	*t->outcome = *before;
	intended->is_unclear = true;
	if (t->gateway->delivery && item_put(t, intended, STR_NONE, id))
		return true;
	LOG(ERROR, LOG_REQUEST_ERROR, t->south.request_id, LOG_C("document", "bytes are not removed"),
	    LOG_TEXT("repository", intended->entry.repository_unique_id));
	*t->outcome = *before;
	return true;
}
