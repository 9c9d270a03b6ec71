#include "gateway/transactions/submission_lookup.h"

#include "gateway/run/log.h"
#include "gateway/transactions/entries.h"

static struct str id_of(struct str logical_id, struct str entry_uuid)
{
	return str_is_empty(logical_id) ? entry_uuid : logical_id;
}

/* The registered entry of the same document; NULL when there is none. */
static const struct document_entry *entry_match(const struct metadata *found, const struct document_entry *entry)
{
	for (size_t i = 0; i < found->document_entry_count; i++) {
		const struct document_entry *candidate = &found->document_entries[i];

		if (str_equal(candidate->unique_id, entry->unique_id) && str_equal_nocase(candidate->hash, entry->hash))
			return candidate;
	}
	return NULL;
}

static const struct folder *folder_match(const struct metadata *found, const struct folder *folder)
{
	for (size_t i = 0; i < found->folder_count; i++) {
		if (str_equal(found->folders[i].unique_id, folder->unique_id))
			return &found->folders[i];
	}
	return NULL;
}

static bool is_same(const struct transaction *t, const struct metadata *found, const struct metadata *metadata)
{
	if (!patient_same(t, found->submission_sets[0].patient_id, metadata->submission_sets[0].patient_id))
		return false;
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		if (!entry_match(found, &metadata->document_entries[i]))
			return false;
	}
	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (!folder_match(found, &metadata->folders[i]))
			return false;
	}
	return true;
}

static void ids_take(const struct metadata *found, struct metadata *metadata)
{
	const struct submission_set *set = &found->submission_sets[0];

	metadata->submission_sets[0].entry_uuid = id_of(set->logical_id, set->entry_uuid);
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		const struct document_entry *entry = entry_match(found, &metadata->document_entries[i]);

		metadata->document_entries[i].entry_uuid = id_of(entry->logical_id, entry->entry_uuid);
	}
	for (size_t i = 0; i < metadata->folder_count; i++) {
		const struct folder *folder = folder_match(found, &metadata->folders[i]);

		metadata->folders[i].entry_uuid = id_of(folder->logical_id, folder->entry_uuid);
	}
}

static enum submission_found submission_ask(const struct transaction *t, struct metadata *metadata)
{
	struct stored_query query = { .id = STR("urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83"),
				      .home = registry_home(t) };
	struct transaction asking = *t;
	struct outcome ignored;
	struct metadata found = { 0 };

	outcome_init(&ignored);
	asking.outcome = &ignored;
	asking.south.deadline = deadline_in(SUBMISSION_ASK_TIME_MS);
	if (!stored_query_add_one(&query, t->south.arena, STR("$XDSSubmissionSetUniqueId"), QUERY_STRING,
				  metadata->submission_sets[0].unique_id) ||
	    !visible_query(t->visit, CONSENT_PUBLISH, &asking.south, &query, &found, &ignored))
		return SUBMISSION_UNKNOWN;
	if (found.submission_set_count == 0)
		return SUBMISSION_ABSENT;
	if (!is_same(t, &found, metadata))
		return SUBMISSION_OTHER;
	ids_take(&found, metadata);
	return SUBMISSION_SAME;
}

enum submission_found submission_adopt(const struct transaction *t, struct metadata *metadata)
{
	static const char *const words[] = { "has it", "has another one", "has it not", "is silent" };
	enum submission_found found = submission_ask(t, metadata);

	LOG(WARN, LOG_PUBLISH_UNCLEAR, t->south.request_id,
	    LOG_TEXT("submission_set", metadata->submission_sets[0].unique_id), LOG_C("registry", words[found]));
	return found;
}

bool submission_may_be_there(const struct outcome *refusal)
{
	for (size_t i = 0; i < refusal->count; i++) {
		enum error_code code = refusal->issues[i].code;

		/* A known entryUUID is an XDSRegistryMetadataError to some registries. */
		if (refusal->issues[i].xds_code[0] &&
		    (code == ERR_DUPLICATE || code == ERR_CONFLICT || code == ERR_METADATA_INVALID))
			return true;
	}
	return false;
}
