#include "gateway/transactions/publication_store.h"

#include "gateway/state/outbox.h"
#include "gateway/transactions/publication_items.h"
#include "mappers/base/uuid.h"
#include "mappers/json_writer.h"
#include "mappers/operation_outcome.h"
#include "mappers/publication_parts.h"
#include "mappers/publication_target.h"

static bool is_unverified(const struct publication *publication, struct str need)
{
	for (size_t i = 0; i < publication->unverified.count; i++) {
		struct publication_target target = { .id = publication->unverified.items[i] };

		if (!publication_target_read(publication->unverified.items[i], &target))
			target.id = publication->unverified.items[i];
		if (str_equal_nocase(target.id, need))
			return true;
	}
	return false;
}

bool publication_order(const struct transaction *t, const struct publication *publication, struct strs *makes,
		       struct strs *needs)
{
	size_t kept = 0;

	if (!publication_names(&publication->metadata, t->south.arena, makes, needs))
		return no_memory(t);
	for (size_t i = 0; i < needs->count; i++) {
		if (is_unverified(publication, needs->items[i]))
			needs->items[kept++] = needs->items[i];
	}
	needs->count = kept;
	return true;
}

/* Also those that its sender chose. */
static bool names_keep(const struct transaction *t, const struct publication *publication,
		       const struct publication_head *head, struct outbox_new *item)
{
	struct strs makes = { 0 };
	struct strs needs = { 0 };

	if (!publication_order(t, publication, &makes, &needs))
		return false;
	if (!publication_chosen_names(head, t->south.arena, &makes))
		return no_memory(t);
	if (makes.count > OUTBOX_NAMES_MAX || needs.count > OUTBOX_NAMES_MAX)
		return outcome_add(t->outcome, ERR_TOO_COSTLY, "", "Publish fewer documents at once.");
	item->makes = makes.items;
	item->make_count = makes.count;
	item->needs = needs.items;
	item->need_count = needs.count;
	return true;
}

bool publication_keep(const struct transaction *t, const struct publication *publication, struct publication_kept *kept)
{
	const struct metadata *metadata = &publication->metadata;
	struct publication_head head = { .caller = *t->caller,
					 .unverified = publication->unverified,
					 .unresolved = publication->unresolved,
					 .chosen = publication->chosen,
					 .is_unclear = publication->is_unclear };
	size_t count = PUBLICATION_DOCUMENTS + metadata->document_entry_count;
	struct str *parts;

	buf_init(&kept->head, PUBLICATION_HEAD_BYTES_MAX);
	buf_init(&kept->metadata, PUBLICATION_METADATA_BYTES_MAX);
	buf_init(&kept->answer, PUBLICATION_METADATA_BYTES_MAX);
	parts = arena_array(t->south.arena, count, sizeof(*parts));
	if (!parts || !provide_places(publication->bundle, metadata, t->south.arena, &head.places))
		return no_memory(t);
	if (count > OUTBOX_PARTS_MAX)
		return outcome_add(t->outcome, ERR_TOO_COSTLY, "", "Publish fewer documents at once.");
	publication_head_write(&head, &kept->head);
	if (!names_keep(t, publication, &head, &kept->item) ||
	    !publication_metadata_write(metadata, t->south.arena, &kept->metadata, t->outcome) ||
	    !publication_answer_write(t, publication, &kept->answer))
		return false;
	if (kept->head.failed || kept->metadata.failed)
		return outcome_add(t->outcome, ERR_TOO_LONG, "", "Send less metadata in one submission.");
	parts[PUBLICATION_HEAD] = buf_str(&kept->head);
	parts[PUBLICATION_METADATA] = buf_str(&kept->metadata);
	parts[PUBLICATION_ANSWER] = buf_str(&kept->answer);
	for (size_t i = 0; i < metadata->document_entry_count; i++)
		parts[PUBLICATION_DOCUMENTS + i] = spool_view(publication->documents[i].spool);
	kept->item.parts = parts;
	kept->item.part_count = count;
	return true;
}

void publication_kept_free(struct publication_kept *kept)
{
	buf_free(&kept->head);
	buf_free(&kept->metadata);
	buf_free(&kept->answer);
}

static bool status_url_make(const struct transaction *t, const char *id, struct provided *provided)
{
	struct str sealed = publication_item_id(t, id);

	if (sealed.data)
		provided->status_url =
			arena_printf(t->south.arena, "%.*s/_async/%.*s", STR_ARG(t->gateway->base), STR_ARG(sealed));
	return provided->status_url.data || no_memory(t);
}

static bool accepted_write(const struct transaction *t, struct buf *answer)
{
	struct json_writer writer;
	struct outcome told;

	outcome_init(&told);
	outcome_inform(&told, ERR_NONE, "",
		       "This is accepted and kept durably; it is not registered yet. Content-Location says where its "
		       "end can be asked.");
	for (size_t i = 0; i < t->outcome->count; i++)
		outcome_take(&told, &t->outcome->issues[i]);
	json_writer_init(&writer, answer);
	operation_outcome_write(&told, &writer);
	return json_writer_finish(&writer, t->outcome);
}

bool publication_accepted(const struct transaction *t, const char *id, struct provided *provided, struct buf *answer)
{
	return status_url_make(t, id, provided) && accepted_write(t, answer);
}
