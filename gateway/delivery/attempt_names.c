/* The names of what is refused: those that another has in the registry hold up nobody who builds upon that one. */
#include "gateway/access/registered_names.h"
#include "gateway/delivery/attempt_permit.h"

/* An id means one thing, whatever the submission makes of it. */
static bool asked_make(const struct attempt *attempt, struct registered_asked *asked)
{
	const struct metadata *planned = &attempt->planned;
	size_t entries = attempt->metadata.document_entry_count;
	size_t folders = attempt->metadata.folder_count;
	struct strs all = { arena_array(attempt->arena, entries + folders + 1, sizeof(struct str)), 0 };

	if (!all.items)
		return false;
	all.items[all.count++] = planned->submission_sets[0].entry_uuid;
	for (size_t i = 0; i < entries; i++)
		all.items[all.count++] = planned->document_entries[i].entry_uuid;
	for (size_t i = 0; i < folders; i++)
		all.items[all.count++] = planned->folders[i].entry_uuid;
	*asked = (struct registered_asked) { .documents = all, .folders = all, .sets = { all.items, 1 } };
	return true;
}

void attempt_names_give_up(struct attempt *attempt)
{
	struct str home = attempt->target->home;
	struct registered_asked asked;
	struct outcome asking;
	struct strs uuids;
	struct strs unique_ids;
	bool is_other;

	if (attempt->metadata.submission_set_count == 0 || !attempt->planned.submission_sets ||
	    attempt->target != &attempt->delivery->gates[0].target || !asked_make(attempt, &asked))
		return;
	outcome_init(&asking);
	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	if (!registered_uuids(&attempt->south, home, &asked, &uuids, &asking) ||
	    !registered_unique_ids(&attempt->south, home, &attempt->metadata, &unique_ids, &is_other, &asking))
		return;
	/* Where this fails, they are held until a person decides. */
	(void)!(outbox_disown(attempt->delivery->outbox, attempt->claim, uuids.items, uuids.count, &asking) &&
		outbox_disown(attempt->delivery->outbox, attempt->claim, unique_ids.items, unique_ids.count, &asking));
}
