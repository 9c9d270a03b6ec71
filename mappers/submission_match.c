#include "mappers/submission_match.h"

#include "mappers/base/buf.h"
#include "mappers/base/hl7v2.h"
#include "mappers/base/sha1.h"
#include "mappers/base/uuid.h"

#define NAME_BYTES_MAX ((size_t)1024 * 1024)

bool submission_query(struct str unique_id, struct str home, struct arena *arena, struct stored_query *query)
{
	*query = (struct stored_query) { .id = STR("urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83"), .home = home };
	return stored_query_add_one(query, arena, STR("$XDSSubmissionSetUniqueId"), QUERY_STRING, unique_id);
}

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

enum submission_found submission_match(const struct metadata *found, const struct metadata *submitted,
				       struct arena *arena)
{
	if (found->submission_set_count == 0)
		return SUBMISSION_ABSENT;
	if (!hl7_cx_same(found->submission_sets[0].patient_id, submitted->submission_sets[0].patient_id, arena))
		return SUBMISSION_OTHER;
	for (size_t i = 0; i < submitted->document_entry_count; i++) {
		if (!entry_match(found, &submitted->document_entries[i]))
			return SUBMISSION_OTHER;
	}
	for (size_t i = 0; i < submitted->folder_count; i++) {
		if (!folder_match(found, &submitted->folders[i]))
			return SUBMISSION_OTHER;
	}
	return SUBMISSION_SAME;
}

void submission_ids_take(const struct metadata *found, struct metadata *submitted)
{
	const struct submission_set *set = &found->submission_sets[0];

	submitted->submission_sets[0].entry_uuid = id_of(set->logical_id, set->entry_uuid);
	for (size_t i = 0; i < submitted->document_entry_count; i++) {
		const struct document_entry *entry = entry_match(found, &submitted->document_entries[i]);

		submitted->document_entries[i].entry_uuid = id_of(entry->logical_id, entry->entry_uuid);
	}
	for (size_t i = 0; i < submitted->folder_count; i++) {
		const struct folder *folder = folder_match(found, &submitted->folders[i]);

		submitted->folders[i].entry_uuid = id_of(folder->logical_id, folder->entry_uuid);
	}
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

/* "Internal error": TF-3 4.2.4.1 has them for what is wrong in the registry or repository itself. */
static bool is_their_own(const struct issue *issue)
{
	return strcmp(issue->xds_code, "XDSRegistryError") == 0 || strcmp(issue->xds_code, "XDSRepositoryError") == 0;
}

bool submission_may_pass(const struct outcome *refusal)
{
	if (!refusal->has_error || refusal->lost_count > 0)
		return false;
	for (size_t i = 0; i < refusal->count; i++) {
		const struct issue *issue = &refusal->issues[i];

		if (issue->severity == SEVERITY_ERROR && !error_info(issue->code)->may_retry && !is_their_own(issue))
			return false;
	}
	return true;
}

static void name_add(struct buf *text, struct str part)
{
	buf_add_u64(text, part.size);
	buf_add_char(text, ':');
	buf_add(text, part);
}

bool submission_name(const struct metadata *submitted, struct str tenant, struct str target, unsigned turn,
		     char name[SUBMISSION_NAME_SIZE])
{
	const struct submission_set *set = &submitted->submission_sets[0];
	unsigned char digest[SHA1_SIZE];
	char urn[UUID_URN_SIZE];
	struct buf text;
	bool ok;

	buf_init(&text, NAME_BYTES_MAX);
	name_add(&text, tenant);
	name_add(&text, target);
	buf_add_u64(&text, turn);
	name_add(&text, set->unique_id);
	name_add(&text, set->patient_id);
	for (size_t i = 0; i < submitted->document_entry_count; i++) {
		name_add(&text, submitted->document_entries[i].unique_id);
		name_add(&text, submitted->document_entries[i].hash);
	}
	for (size_t i = 0; i < submitted->folder_count; i++)
		name_add(&text, submitted->folders[i].unique_id);
	sha1_of(STR("passerelle submission 1"), buf_str(&text), digest);
	ok = !text.failed;
	buf_free(&text);
	digest[6] = (unsigned char)((digest[6] & 0x0f) | 0x50); /* RFC 9562 5.5 */
	digest[8] = (unsigned char)((digest[8] & 0x3f) | 0x80);
	uuid_write(digest, urn);
	memcpy(name, urn + sizeof("urn:uuid:") - 1, SUBMISSION_NAME_SIZE);
	return ok;
}
