#include "gateway/transactions/publication_store.h"

#include "gateway/state/outbox.h"
#include "gateway/transactions/publication_items.h"
#include "mappers/base/uuid.h"
#include "mappers/json_writer.h"
#include "mappers/operation_outcome.h"
#include "mappers/publication_parts.h"

bool publication_keep(const struct transaction *t, const struct publication *publication,
		      struct publication_kept *parts)
{
	const struct metadata *metadata = &publication->metadata;
	const struct publication_head head = { .caller = *t->caller,
					       .unverified = publication->unverified,
					       .unresolved = publication->unresolved,
					       .chosen = publication->chosen,
					       .is_unclear = publication->is_unclear };

	buf_init(&parts->head, PUBLICATION_HEAD_BYTES_MAX);
	buf_init(&parts->metadata, PUBLICATION_METADATA_BYTES_MAX);
	buf_init(&parts->answer, PUBLICATION_METADATA_BYTES_MAX);
	parts->count = PUBLICATION_DOCUMENTS + metadata->document_entry_count;
	parts->items = arena_array(t->south.arena, parts->count, sizeof(struct str));
	if (!parts->items)
		return no_memory(t);
	if (parts->count > OUTBOX_PARTS_MAX)
		return outcome_add(t->outcome, ERR_TOO_COSTLY, "", "Publish fewer documents at once.");
	publication_head_write(&head, &parts->head);
	if (!publication_metadata_write(metadata, t->south.arena, &parts->metadata, t->outcome) ||
	    !publication_answer_write(t, publication, &parts->answer))
		return false;
	if (parts->head.failed || parts->metadata.failed)
		return outcome_add(t->outcome, ERR_TOO_LONG, "", "Send less metadata in one submission.");
	parts->items[PUBLICATION_HEAD] = buf_str(&parts->head);
	parts->items[PUBLICATION_METADATA] = buf_str(&parts->metadata);
	parts->items[PUBLICATION_ANSWER] = buf_str(&parts->answer);
	for (size_t i = 0; i < metadata->document_entry_count; i++)
		parts->items[PUBLICATION_DOCUMENTS + i] = spool_view(publication->documents[i].spool);
	return true;
}

void publication_kept_free(struct publication_kept *parts)
{
	buf_free(&parts->head);
	buf_free(&parts->metadata);
	buf_free(&parts->answer);
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
