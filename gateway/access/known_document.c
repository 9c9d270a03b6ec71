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

static void name_make(const struct access *access, struct str source, struct str urn, struct known_name *made)
{
	made->parts[0] = source;
	made->parts[1] = urn;
	made->name = (struct cache_name) {
		.tenant = access->config->tenant, .kind = "document", .parts = made->parts, .part_count = 2
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
		name_make(access, source, urn_of(entry), &name);
		last_known_put(access->last_known, &name.name, buf_str(&text), now_s, KEPT_S);
		name_make(access, source, entry->unique_id, &name);
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

	name_make(access, source, urn_of(entry), &name);
	last_known_drop(access->last_known, &name.name, KEPT_S);
	name_make(access, source, entry->unique_id, &name);
	last_known_drop(access->last_known, &name.name, KEPT_S);
}

const struct document_entry *known_document_find(struct access *access, struct visit *visit, struct str source,
						 struct str urn, int64_t now_s, struct arena *arena)
{
	struct known_name name;
	struct metadata metadata;
	struct outcome ignored;
	struct str text;
	uint64_t age_s;

	outcome_init(&ignored);
	name_make(access, source, urn, &name);
	if (!last_known_get(access->last_known, &name.name, now_s, KEPT_S, arena, &text, &age_s) ||
	    !publication_metadata_read(text, arena, &metadata, &ignored) || metadata.document_entry_count != 1 ||
	    !visible_waiting_any(visit, CONSENT_FIND, metadata.document_entries[0].patient_id,
				 metadata.document_entries, 1))
		return NULL;
	return &metadata.document_entries[0];
}

bool known_document_is_there(struct access *access, struct str source, struct str urn, int64_t now_s,
			     struct arena *arena)
{
	struct known_name name;
	struct str text;
	uint64_t age_s;

	name_make(access, source, urn, &name);
	return last_known_get(access->last_known, &name.name, now_s, KEPT_S, arena, &text, &age_s);
}
