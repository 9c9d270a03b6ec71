#include "gateway/transactions/change_accept.h"

#include "gateway/access/known_document.h"
#include "gateway/access/visible_changes.h"
#include "gateway/delivery/change_share.h"
#include "gateway/delivery/share.h"
#include "gateway/run/log.h"
#include "gateway/state/outbox_manage.h"
#include "gateway/transactions/publication_store.h"
#include "mappers/submission_match.h"

bool change_must_wait(const struct transaction *t, const struct present_document *present,
		      const struct intended_change *intended, bool *must_wait)
{
	const struct delivery *delivery = t->gateway->delivery;
	struct str target = t->source->backend.name;
	struct str line;

	*must_wait = false;
	if (!publications_may_wait(t))
		return true;
	if (present->waiting.entry || present->is_remembered || delivery_target_is_away(delivery, target) ||
	    publication_waits_by_wish(t, intended->respond_async)) {
		*must_wait = true;
		return true;
	}
	line = publication_line(present->entry->patient_id, t->south.arena);
	return (line.data || no_memory(t)) && outbox_must_wait(delivery_outbox(delivery), line, target,
							       &intended->change.base, 1, must_wait, t->outcome);
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

/* The head and the metadata, in the arena. */
static bool parts_write(const struct transaction *t, const struct intended_change *intended, struct str *parts)
{
	struct kept_change kept;
	struct buf head;
	struct buf text;
	bool ok;

	kept_make(t, intended, &kept);
	buf_init(&head, PUBLICATION_HEAD_BYTES_MAX);
	buf_init(&text, PUBLICATION_METADATA_BYTES_MAX);
	publication_head_write(&kept.head, &head);
	ok = publication_metadata_write(&kept.metadata, t->south.arena, &text, t->outcome);
	if (ok && !head.failed && !text.failed) {
		parts[PUBLICATION_HEAD] = arena_copy(t->south.arena, buf_str(&head));
		parts[PUBLICATION_METADATA] = arena_copy(t->south.arena, buf_str(&text));
	}
	buf_free(&head);
	buf_free(&text);
	return ok && ((parts[PUBLICATION_HEAD].data && parts[PUBLICATION_METADATA].data) || no_memory(t));
}

static bool pass_on(const struct transaction *t, const struct intended_change *intended, struct str answer,
		    bool is_announced, struct strs *ids, struct outcome *outcome)
{
	struct kept_change kept;
	const struct shared_change change = {
		.head = &kept.head, .metadata = &kept.metadata, .answer = answer, .is_announced = is_announced
	};

	kept_make(t, intended, &kept);
	*ids = (struct strs) { 0 };
	return !t->gateway->delivery || change_share(t->gateway->delivery, &change, t->south.arena, ids, outcome);
}

bool change_announce(const struct transaction *t, const struct intended_change *intended, struct str answer,
		     struct strs *announced)
{
	return pass_on(t, intended, answer, true, announced, t->outcome);
}

void change_made(const struct transaction *t, const struct intended_change *intended, struct str answer)
{
	struct access *access = t->gateway->access;
	struct str source = t->source->backend.name;
	struct outcome ignored;
	struct strs ids;

	if (t->gateway->delivery && intended->change.is_removal)
		known_document_drop(access, source, &intended->entry);
	else if (t->gateway->delivery)
		known_document_keep(access, source, &intended->entry, t->now_s, t->south.arena);
	/* It is kept: where this fails, it is found out later that the change was made. */
	outcome_init(&ignored);
	(void)!pass_on(t, intended, answer, false, &ids, &ignored);
}

void change_unmade(const struct transaction *t, const struct strs *announced)
{
	if (announced->count > 0)
		delivery_forget(t->gateway->delivery, announced);
}

#define CHANGES_FULL                                                                                               \
	"Retry later: no more or larger changes of this document may wait, until its registry takes them or they " \
	"are withdrawn."

/* What may have reached the registry is kept in any case, until that is known.
 * A change builds upon the version that it was made from, and makes the next one. */
bool change_item_make(const struct transaction *t, const struct intended_change *intended, struct str answer,
		      struct outbox_new *item)
{
	const struct document_entry *entry = &intended->entry;
	struct str *names = arena_array(t->south.arena, 3, sizeof(*names));
	struct str *parts = arena_array(t->south.arena, PUBLICATION_DOCUMENTS, sizeof(*parts));

	if (!names || !parts) {
		no_memory(t);
		return false;
	}
	names[0] = document_waiting_name(t, entry->logical_id.size ? entry->logical_id : entry->entry_uuid);
	names[1] = entry->entry_uuid;
	names[2] = intended->change.base;
	parts[PUBLICATION_ANSWER] = answer;
	*item = (struct outbox_new) { .kind = STR(PUBLICATION_CHANGE),
				      .target = t->source->backend.name,
				      .patient = publication_line(entry->patient_id, t->south.arena),
				      .caller = caller_client(t->caller, t->south.arena),
				      .makes = names,
				      .make_count = intended->change.is_new_version ? 2 : 1,
				      .makes_max = intended->is_unclear ? 0 : visible_changes_max(t->visit),
				      .makes_full = CHANGES_FULL,
				      .needs = &names[2],
				      .need_count = 1,
				      .is_unclear = intended->is_unclear,
				      .parts = parts,
				      .part_count = PUBLICATION_DOCUMENTS };
	return ((names[0].data && item->patient.data) || no_memory(t)) && parts_write(t, intended, parts);
}

bool change_fits(const struct transaction *t, size_t size)
{
	return visible_change_fits(t->visit, size) || outcome_add(t->outcome, ERR_BUSY, "", CHANGES_FULL);
}

bool change_accept(const struct transaction *t, const struct intended_change *intended, struct provided *provided,
		   struct buf *answer)
{
	char id[OUTBOX_ID_SIZE];
	struct outbox_new item;

	if (!change_item_make(t, intended, buf_str(answer), &item) ||
	    (!intended->is_unclear && !change_fits(t, item.parts[PUBLICATION_METADATA].size)) ||
	    !outbox_put(delivery_outbox(t->gateway->delivery), &item, id, t->outcome))
		return false;
	buf_clear(answer);
	return publication_accepted(t, id, provided, answer);
}

bool change_rest_announce(const struct transaction *t, struct intended_change *intended)
{
	struct intended_change rest = *intended;
	char id[OUTBOX_ID_SIZE];
	struct outbox_new item;

	if (!t->gateway->delivery)
		return true;
	rest.is_unclear = true;
	if (!change_item_make(t, &rest, STR_NONE, &item))
		return false;
	item.bound = OUTBOX_BOUND_ALL;
	item.is_announced = true;
	if (!outbox_put(delivery_outbox(t->gateway->delivery), &item, id, t->outcome))
		return false;
	intended->rest = arena_copy(t->south.arena, str_from_c(id));
	return intended->rest.data || no_memory(t);
}

void change_rest_forget(const struct transaction *t, const struct intended_change *intended)
{
	const struct strs one = { (struct str *)&intended->rest, 1 };

	if (intended->rest.data)
		change_unmade(t, &one);
}

void change_rest(const struct transaction *t, const struct intended_change *intended, const struct outcome *before)
{
	*t->outcome = *before;
	if (intended->rest.data && outbox_release(delivery_outbox(t->gateway->delivery), intended->rest, t->outcome))
		return;
	LOG(ERROR, LOG_REQUEST_ERROR, t->south.request_id,
	    LOG_C("document", intended->rest.data ? "bytes are not removed yet" : "bytes are not removed"),
	    LOG_TEXT("repository", intended->entry.repository_unique_id));
	*t->outcome = *before;
}
