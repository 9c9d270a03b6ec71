#include "mappers/base/buf.h"
#include "mappers/base/sha1.h"
#include "mappers/base/uuid.h"
#include "mappers/provide_bundle.h"
#include "mappers/provide_read.h"

#define NAME_BYTES_MAX ((size_t)1 << 20)

/* True for a name that phase 2 made of one of the fresh UUIDs. */
static bool is_fresh(const struct provide_bundle *bundle, const struct provide_resolved *resolved, struct str oid)
{
	char text[UUID_OID_SIZE];

	for (size_t i = 0; i < bundle->uuid_count; i++) {
		if (uuid_to_oid(resolved->uuids[i], text) && str_equal(oid, str_from_c(text)))
			return true;
	}
	return false;
}

static void part_add(struct buf *text, struct str part)
{
	buf_add_u64(text, part.size);
	buf_add_char(text, ':');
	buf_add(text, part);
}

/* "2.25." and a UUID of version 5, RFC 9562 5.5. */
static bool oid_of(const struct buf *text, struct arena *arena, struct str *oid)
{
	unsigned char digest[SHA1_SIZE];
	char urn[UUID_URN_SIZE];
	char decimal[UUID_OID_SIZE];

	if (text->failed)
		return false;
	sha1_of(STR("passerelle submission set 1"), buf_str(text), digest);
	digest[6] = (unsigned char)((digest[6] & 0x0f) | 0x50);
	digest[8] = (unsigned char)((digest[8] & 0x3f) | 0x80);
	uuid_write(digest, urn);
	if (!uuid_to_oid(str_from_c(urn), decimal))
		return false;
	*oid = arena_copy(arena, str_from_c(decimal));
	return oid->data;
}

static bool set_name(struct str tenant, struct arena *arena, struct metadata *metadata)
{
	struct submission_set *set = &metadata->submission_sets[0];
	struct buf text;
	bool ok;

	buf_init(&text, NAME_BYTES_MAX);
	part_add(&text, tenant);
	part_add(&text, set->patient_id);
	part_add(&text, set->source_id);
	part_add(&text, set->submission_time);
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		part_add(&text, metadata->document_entries[i].unique_id);
		part_add(&text, metadata->document_entries[i].hash);
	}
	ok = oid_of(&text, arena, &set->unique_id);
	buf_free(&text);
	return ok;
}

static bool folder_name(size_t index, struct arena *arena, struct metadata *metadata)
{
	struct buf text;
	bool ok;

	buf_init(&text, NAME_BYTES_MAX);
	part_add(&text, STR("folder"));
	part_add(&text, metadata->submission_sets[0].unique_id);
	buf_add_u64(&text, index);
	ok = oid_of(&text, arena, &metadata->folders[index].unique_id);
	buf_free(&text);
	return ok;
}

bool provide_name(const struct provide_bundle *bundle, const struct provide_resolved *resolved, struct str tenant,
		  struct arena *arena, struct metadata *metadata, struct outcome *outcome)
{
	if (metadata->document_entry_count > 0 && is_fresh(bundle, resolved, metadata->submission_sets[0].unique_id) &&
	    !set_name(tenant, arena, metadata))
		return provide_no_memory(outcome);
	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (is_fresh(bundle, resolved, metadata->folders[i].unique_id) && !folder_name(i, arena, metadata))
			return provide_no_memory(outcome);
	}
	return true;
}
