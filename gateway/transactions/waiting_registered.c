#include "gateway/transactions/waiting_registered.h"

#include "gateway/access/known_document.h"
#include "gateway/access/registered_names.h"
#include "gateway/transactions/entries.h"

static bool is_listed(const struct strs *names, struct str name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (str_equal_nocase(names->items[i], name))
			return true;
	}
	return false;
}

/* What the registry has, or is known to have had. */
static bool registered_find(const struct transaction *t, const struct registered_asked *asked, struct strs *found)
{
	struct south south = t->south;
	struct outcome asking;

	outcome_init(&asking);
	south.deadline = deadline_part(south.deadline, t->gateway->config->publication_deadline_ms);
	if (registered_uuids(&south, registry_home(t), asked, found, &asking))
		return true;
	*found = (struct strs) { arena_array(t->south.arena, asked->documents.count, sizeof(struct str)), 0 };
	if (!found->items || arena_failed(t->south.arena))
		return no_memory(t);
	for (size_t i = 0; i < asked->documents.count; i++) {
		if (known_document_is_there(t->gateway->access, t->source->backend.name, asked->documents.items[i],
					    t->now_s, t->south.arena))
			found->items[found->count++] = asked->documents.items[i];
	}
	return true;
}

static bool asked_init(const struct transaction *t, const struct waiting *waiting, struct registered_asked *asked)
{
	struct arena *arena = t->south.arena;
	size_t documents = 0;
	size_t folders = 0;

	for (size_t i = 0; i < waiting->count; i++) {
		documents += waiting->items[i].metadata.document_entry_count;
		folders += waiting->items[i].metadata.folder_count;
	}
	*asked = (struct registered_asked) { .documents = { arena_array(arena, documents, sizeof(struct str)), 0 },
					     .folders = { arena_array(arena, folders, sizeof(struct str)), 0 },
					     .sets = { arena_array(arena, waiting->count, sizeof(struct str)), 0 } };
	return (asked->documents.items && asked->folders.items && asked->sets.items) || no_memory(t);
}

/* The set of a dead letter is asked after only by its id: each would be a question. */
static void asked_add(const struct waiting_one *one, const struct strs *uuids, struct registered_asked *asked)
{
	const struct metadata *metadata = &one->metadata;

	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		struct str uuid = metadata->document_entries[i].entry_uuid;

		if (one->is_refused || is_listed(uuids, uuid))
			asked->documents.items[asked->documents.count++] = uuid;
	}
	for (size_t i = 0; i < metadata->folder_count; i++) {
		struct str uuid = metadata->folders[i].entry_uuid;

		if (one->is_refused || is_listed(uuids, uuid))
			asked->folders.items[asked->folders.count++] = uuid;
	}
	if (metadata->submission_set_count > 0 && is_listed(uuids, metadata->submission_sets[0].entry_uuid))
		asked->sets.items[asked->sets.count++] = metadata->submission_sets[0].entry_uuid;
}

static void objects_drop(const struct strs *registered, struct metadata *metadata)
{
	size_t kept = 0;

	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		if (!is_listed(registered, metadata->document_entries[i].entry_uuid))
			metadata->document_entries[kept++] = metadata->document_entries[i];
	}
	metadata->document_entry_count = kept;
	kept = 0;
	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (!is_listed(registered, metadata->folders[i].entry_uuid))
			metadata->folders[kept++] = metadata->folders[i];
	}
	metadata->folder_count = kept;
	if (metadata->submission_set_count > 0 && is_listed(registered, metadata->submission_sets[0].entry_uuid))
		metadata->submission_set_count = 0;
}

bool waiting_registered_drop(const struct transaction *t, const struct strs *uuids, struct waiting *waiting)
{
	struct registered_asked asked;
	struct strs registered;

	if (waiting->count == 0)
		return true;
	if (!asked_init(t, waiting, &asked))
		return false;
	for (size_t i = 0; i < waiting->count; i++)
		asked_add(&waiting->items[i], uuids, &asked);
	if (asked.documents.count + asked.folders.count + asked.sets.count == 0)
		return true;
	if (!registered_find(t, &asked, &registered))
		return false;
	for (size_t i = 0; registered.count > 0 && i < waiting->count; i++)
		objects_drop(&registered, &waiting->items[i].metadata);
	return true;
}

bool document_is_registered(const struct transaction *t, struct str urn, bool *is_registered)
{
	const struct registered_asked asked = { .documents = { &urn, 1 } };
	struct strs registered;

	if (!registered_find(t, &asked, &registered))
		return false;
	*is_registered = registered.count > 0;
	return true;
}
