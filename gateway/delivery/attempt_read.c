/* What was kept of an item is read for its delivery: each part, and the same bytes that came. */
#include "gateway/delivery/attempt_read.h"
#include "gateway/state/outbox_reader.h"
#include "mappers/base/hex.h"

static bool unreadable(struct attempt *attempt)
{
	return outcome_add(&attempt->outcome, ERR_INTERNAL, "", "What was kept of the publication cannot be read.");
}

enum stand attempt_unusable(const struct attempt *attempt)
{
	if (arena_failed(attempt->arena))
		return STAND_LATER;
	for (size_t i = 0; i < attempt->outcome.count; i++) {
		const struct issue *issue = &attempt->outcome.issues[i];

		if (issue->severity == SEVERITY_ERROR && !error_info(issue->code)->may_retry)
			return STAND_REFUSED;
	}
	return STAND_LATER;
}

static bool part_read(struct attempt *attempt, size_t part, size_t size_max, struct str *bytes)
{
	return outbox_part(attempt->delivery->outbox, str_from_c(attempt->claim->item.id), part, size_max,
			   attempt->arena, bytes, &attempt->outcome);
}

static bool planned_keep(struct attempt *attempt)
{
	struct metadata *planned = &attempt->planned;
	const struct metadata *metadata = &attempt->metadata;

	attempt->parts = arena_array(attempt->arena, metadata->document_entry_count, sizeof(*attempt->parts));
	if (!attempt->parts)
		return outcome_add(&attempt->outcome, ERR_NO_MEMORY, "", "Try again later.");
	for (size_t i = 0; i < metadata->document_entry_count; i++)
		attempt->parts[i] = PUBLICATION_DOCUMENTS + i;
	planned->submission_sets = arena_array(attempt->arena, 1, sizeof(struct submission_set));
	planned->document_entries =
		arena_array(attempt->arena, metadata->document_entry_count, sizeof(struct document_entry));
	planned->folders = arena_array(attempt->arena, metadata->folder_count, sizeof(struct folder));
	if (!planned->submission_sets || !planned->document_entries || !planned->folders)
		return outcome_add(&attempt->outcome, ERR_NO_MEMORY, "", "Try again later.");
	planned->submission_sets[0] = metadata->submission_sets[0];
	for (size_t i = 0; i < metadata->document_entry_count; i++)
		planned->document_entries[i] = metadata->document_entries[i];
	for (size_t i = 0; i < metadata->folder_count; i++)
		planned->folders[i] = metadata->folders[i];
	return true;
}

bool attempt_read(struct attempt *attempt)
{
	struct str head;
	struct str metadata;

	attempt->kind = publication_kind_of(attempt->claim->item.kind);
	if (attempt->kind == KIND_UNKNOWN)
		return outcome_add(&attempt->outcome, ERR_NOT_SUPPORTED, "",
				   "This version does not know what kind of item this is.");
	if (!part_read(attempt, PUBLICATION_HEAD, PUBLICATION_HEAD_BYTES_MAX, &head) ||
	    !part_read(attempt, PUBLICATION_METADATA, PUBLICATION_METADATA_BYTES_MAX, &metadata) ||
	    !part_read(attempt, PUBLICATION_ANSWER, PUBLICATION_METADATA_BYTES_MAX, &attempt->answer))
		return false;
	if (!publication_head_read(head, attempt->arena, &attempt->head))
		return unreadable(attempt);
	if (!publication_kind_facts(attempt->kind)->has_metadata) {
		attempt->body = metadata;
		return true;
	}
	return publication_metadata_read(metadata, attempt->arena, &attempt->metadata, &attempt->outcome) &&
	       planned_keep(attempt);
}

/* One document out of the outbox, and the same bytes that came. */
static bool document_read(struct attempt *attempt, size_t index, struct outbox_reader *reader, struct spool *spool,
			  struct xds_document *document)
{
	const struct document_entry *entry = &attempt->metadata.document_entries[index];
	char hash[2 * SPOOL_SHA1_SIZE];
	struct str piece;

	do {
		if (!outbox_reader_next(reader, &piece, &attempt->outcome))
			return false;
		if (spool_write(spool, piece.data, piece.size) != SPOOL_OK)
			return outcome_add(&attempt->outcome, ERR_STORAGE, "",
					   "There is no room for the document now.");
	} while (piece.size > 0);
	if (!spool_finish(spool))
		return outcome_add(&attempt->outcome, ERR_STORAGE, "", "There is no room for the document now.");
	hex_write(spool_sha1(spool), SPOOL_SHA1_SIZE, hash);
	if (!str_equal_nocase(entry->hash, (struct str) { hash, sizeof(hash) }))
		return unreadable(attempt);
	*document = (struct xds_document) { entry->entry_uuid, entry->mime_type, spool };
	attempt->bytes += spool_size(spool);
	return true;
}

bool attempt_documents(struct attempt *attempt)
{
	size_t count = attempt->metadata.document_entry_count;
	struct xds_document *documents;

	if (attempt->documents)
		return true;
	documents = arena_array(attempt->arena, count, sizeof(*documents));
	if (!documents)
		return outcome_add(&attempt->outcome, ERR_NO_MEMORY, "", "Try again later.");
	for (size_t i = 0; i < count; i++) {
		struct spool *spool = spool_new(attempt->delivery->options.spools, UINT32_MAX, true);
		struct outbox_reader *reader;
		bool ok;

		if (!spool || !arena_defer(attempt->arena, spool_release, spool))
			return outcome_add(&attempt->outcome, ERR_NO_MEMORY, "", "Try again later.");
		reader = outbox_reader_new(attempt->delivery->outbox, str_from_c(attempt->claim->item.id),
					   attempt->parts[i], &attempt->outcome);
		ok = reader && document_read(attempt, i, reader, spool, &documents[i]);
		outbox_reader_free(reader);
		if (!ok)
			return false;
	}
	attempt->documents = documents;
	return true;
}
