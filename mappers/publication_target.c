#include "mappers/publication_target.h"

#include "mappers/base/sha1.h"
#include "mappers/base/uuid.h"

static const struct str prefixes[] = { STR_INIT("urn:passerelle:document:"), STR_INIT("urn:passerelle:folder:") };

struct str publication_target_name(const struct publication_target *target, struct arena *arena)
{
	return arena_printf(arena, "%.*s%.*s", STR_ARG(prefixes[target->is_folder]), STR_ARG(target->id));
}

bool publication_target_read(struct str name, struct publication_target *target)
{
	for (unsigned is_folder = 0; is_folder < COUNT_OF(prefixes); is_folder++) {
		if (!str_starts_with(name, prefixes[is_folder]))
			continue;
		*target = (struct publication_target) { is_folder, str_from(name, prefixes[is_folder].size) };
		return true;
	}
	return false;
}

bool publication_target_is(struct str end, bool is_folder, struct str entry_uuid, struct str unique_id)
{
	struct publication_target target;

	if (!publication_target_read(end, &target))
		return str_equal_nocase(end, entry_uuid);
	return target.is_folder == is_folder &&
	       (str_equal(target.id, unique_id) || str_equal_nocase(target.id, entry_uuid));
}

struct str publication_target_urn(struct str end, struct arena *arena)
{
	struct publication_target target;
	unsigned char digest[SHA1_SIZE];
	char urn[UUID_URN_SIZE];

	if (!publication_target_read(end, &target))
		return end;
	if (uuid_valid(target.id))
		return target.id;
	sha1_of(STR("passerelle target"), end, digest);
	uuid_write(digest, urn);
	return arena_copy(arena, str_from_c(urn));
}
