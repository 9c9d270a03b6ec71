#include "gateway/access/known_document.h"

#include "gateway/access/access_state.h"
#include "gateway/access/visible_waiting.h"
#include "gateway/state/last_known.h"
#include "mappers/metadata_rim.h"
#include "mappers/publication_parts.h"

#define KEPT_S (UINT64_C(24) * 3600)

struct known_name {
	struct cache_name name;
	struct str parts[2];
};

/* A uniqueId may be a urn:uuid:, and so also what is another document's entryUUID. */
static const char by_urn[] = "document";
static const char by_unique_id[] = "document-unique-id";

static void name_make(const struct access *access, struct str source, const char *kind, struct str id,
		      struct known_name *made)
{
	made->parts[0] = source;
	made->parts[1] = id;
	made->name = (struct cache_name) {
		.tenant = access->config->tenant, .kind = kind, .parts = made->parts, .part_count = 2
	};
}

static struct str urn_of(const struct document_entry *entry)
{
	return str_is_empty(entry->logical_id) ? entry->entry_uuid : entry->logical_id;
}

void known_document_keep(struct access *access, struct str source, const struct document_entry *entry, int64_t now_s,
			 struct arena *arena)
{
	struct document_entry kept = *entry;
	/* What the text is read by wants a submission set. */
	struct submission_set set = { .entry_uuid = STR("urn:uuid:00000000-0000-4000-8000-000000000000"),
				      .patient_id = entry->patient_id };
	const struct metadata metadata = {
		.submission_sets = &set, .submission_set_count = 1, .document_entries = &kept, .document_entry_count = 1
	};
	struct known_name name;
	struct outcome ignored;
	struct buf text;

	outcome_init(&ignored);
	buf_init(&text, LAST_KNOWN_VALUE_BYTES_MAX);
	if (publication_metadata_write(&metadata, arena, &text, &ignored) && !text.failed) {
		name_make(access, source, by_urn, urn_of(entry), &name);
		last_known_put(access->last_known, &name.name, buf_str(&text), now_s, KEPT_S);
		name_make(access, source, by_unique_id, entry->unique_id, &name);
		last_known_put(access->last_known, &name.name, buf_str(&text), now_s, KEPT_S);
	}
	buf_free(&text);
}

void known_documents_keep_new(struct access *access, struct str source, const struct metadata *metadata, int64_t now_s,
			      struct arena *arena)
{
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		struct document_entry entry = metadata->document_entries[i];

		if (known_document_is_there(access, source, urn_of(&entry), now_s, arena))
			continue;
		entry.availability_status = STR(STATUS_APPROVED);
		entry.version = STR("1");
		known_document_keep(access, source, &entry, now_s, arena);
	}
}

void known_document_drop(struct access *access, struct str source, const struct document_entry *entry)
{
	struct known_name name;

	name_make(access, source, by_urn, urn_of(entry), &name);
	last_known_drop(access->last_known, &name.name, KEPT_S);
	name_make(access, source, by_unique_id, entry->unique_id, &name);
	last_known_drop(access->last_known, &name.name, KEPT_S);
}

static bool is_called(const struct document_entry *entry, const char *kind, struct str id)
{
	return kind == by_urn ? str_equal_nocase(urn_of(entry), id) : str_equal(entry->unique_id, id);
}

/* NULL also when what is kept under the name does not call itself so. */
static const struct document_entry *kept_read(struct access *access, struct str source, const char *kind, struct str id,
					      int64_t now_s, struct arena *arena)
{
	struct known_name name;
	struct metadata metadata;
	struct outcome ignored;
	struct str text;
	uint64_t age_s;

	outcome_init(&ignored);
	name_make(access, source, kind, id, &name);
	if (!last_known_get(access->last_known, &name.name, now_s, KEPT_S, arena, &text, &age_s) ||
	    !publication_metadata_read(text, arena, &metadata, &ignored) || metadata.document_entry_count != 1)
		return NULL;
	return is_called(&metadata.document_entries[0], kind, id) ? &metadata.document_entries[0] : NULL;
}

static const struct document_entry *seen(struct visit *visit, const struct document_entry *entry)
{
	return entry && visible_waiting_any(visit, CONSENT_FIND, entry->patient_id, entry, 1) ? entry : NULL;
}

const struct document_entry *known_document_find(struct access *access, struct visit *visit, struct str source,
						 struct str urn, int64_t now_s, struct arena *arena)
{
	return seen(visit, kept_read(access, source, by_urn, urn, now_s, arena));
}

const struct document_entry *known_document_find_by_unique_id(struct access *access, struct visit *visit,
							      struct str source, struct str unique_id, int64_t now_s,
							      struct arena *arena)
{
	return seen(visit, kept_read(access, source, by_unique_id, unique_id, now_s, arena));
}

bool known_document_is_there(struct access *access, struct str source, struct str urn, int64_t now_s,
			     struct arena *arena)
{
	return kept_read(access, source, by_urn, urn, now_s, arena) != NULL;
}
