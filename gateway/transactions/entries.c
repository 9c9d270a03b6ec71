#include "gateway/transactions/entries.h"

#include <assert.h>

#include "gateway/transactions/elsewhere.h"
#include "mappers/base/hl7v2.h"
#include "mappers/base/uuid.h"
#include "mappers/document_search.h"
#include "mappers/metadata_rim.h"
#include "mappers/update_plan.h"

bool no_memory(const struct transaction *t)
{
	return outcome_add(t->outcome, ERR_NO_MEMORY, "", "Try again later.");
}

bool patient_same(const struct transaction *t, struct str a, struct str b)
{
	return hl7_cx_same(a, b, t->south.arena);
}

struct str registry_home(const struct transaction *t)
{
	return t->source->home;
}

struct str source_uri(const struct transaction *t)
{
	return t->source->home.data ? t->source->home
				    : arena_printf(t->south.arena, "%.*s#%.*s", STR_ARG(t->gateway->base),
						   STR_ARG(t->source->backend.name));
}

bool registry_ask(const struct transaction *t, const struct stored_query *query, struct metadata *metadata)
{
	return visible_query(t->visit, CONSENT_FIND, &t->south, query, metadata, t->outcome);
}

struct str resource_id(const struct transaction *t, enum seal_kind kind, struct str logical_id, struct str entry_uuid)
{
	uint8_t uuid[16];
	char id[SEAL_ID_SIZE];

	if (!uuid_read(str_is_empty(logical_id) ? entry_uuid : logical_id, uuid) ||
	    !seal_id(t->gateway->seal, kind, (uint8_t)t->source->config->source, uuid, id))
		return STR_NONE;
	return arena_copy(t->south.arena, str_from_c(id));
}

struct str resource_reference(const struct transaction *t, enum seal_kind kind, struct str logical_id,
			      struct str entry_uuid)
{
	static const char *const types[SEAL_KIND_COUNT] = {
		[SEAL_DOCUMENT_REFERENCE] = "DocumentReference",
		[SEAL_LIST] = "List",
		[SEAL_BINARY] = "Binary",
		[SEAL_TASK] = "Task",
	};
	struct str id = resource_id(t, kind, logical_id, entry_uuid);

	assert(types[kind]);
	return id.data ? arena_printf(t->south.arena, "%s/%.*s", types[kind], STR_ARG(id)) : STR_NONE;
}

bool resource_id_find(const struct transaction *t, enum seal_kind kind, struct str id, struct source **source,
		      struct str *urn)
{
	uint8_t number;
	uint8_t uuid[16];
	char text[UUID_URN_SIZE];

	*source = NULL;
	if (!seal_id_open(t->gateway->seal, kind, id, &number, uuid))
		return false;
	for (size_t i = 0; i < t->gateway->source_count; i++) {
		if (t->gateway->sources[i].config->source == number)
			*source = &t->gateway->sources[i];
	}
	uuid_write(uuid, text);
	*urn = arena_copy(t->south.arena, str_from_c(text));
	return *source && urn->data;
}

static void entry_choose(const struct metadata *metadata, struct str urn, const struct document_entry **best)
{
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		const struct document_entry *entry = &metadata->document_entries[i];

		if (!str_equal_nocase(entry->entry_uuid, urn) && !str_equal_nocase(entry->logical_id, urn))
			continue;
		if (!*best || update_version_is_newer(entry, *best))
			*best = entry;
	}
}

/* All versions of a logical entry; where the registry keeps none, what the first question gave stands. */
static bool versions_ask(const struct transaction *t, struct str urn, const struct document_entry **best)
{
	struct stored_query query;
	struct outcome asking;
	struct transaction quiet = *t;
	struct metadata metadata;

	outcome_init(&asking);
	quiet.outcome = &asking;
	if (!get_documents_by_logical_id(&urn, 1, registry_home(t), t->south.arena, &query))
		return no_memory(t);
	if (registry_ask(&quiet, &query, &metadata)) {
		entry_choose(&metadata, urn, best);
		return true;
	}
	if (versions_are_unknown(&asking))
		return true;
	for (size_t i = 0; i < asking.count; i++)
		outcome_take(t->outcome, &asking.issues[i]);
	return false;
}

bool document_entry_current(const struct transaction *t, struct str urn, const struct document_entry **entry)
{
	struct stored_query query;
	struct metadata metadata;

	*entry = NULL;
	if (!get_documents(&urn, 1, registry_home(t), t->south.arena, &query))
		return no_memory(t);
	if (!registry_ask(t, &query, &metadata))
		return false;
	entry_choose(&metadata, urn, entry);
	return (*entry && !status_is_deprecated((*entry)->availability_status)) || versions_ask(t, urn, entry);
}

bool document_entry_shown(const struct transaction *t, struct str urn, const struct document_entry **entry)
{
	struct document_entry shown;
	struct metadata found;

	if (!document_entry_current(t, urn, entry) || !*entry)
		return *entry == NULL && !t->outcome->has_error;
	found = (struct metadata) { .document_entries = &shown, .document_entry_count = 1 };
	shown = **entry;
	return hidden_here_ask(t, &found) && hidden_elsewhere_entry(t, entry);
}
