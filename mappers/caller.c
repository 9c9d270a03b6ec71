#include "mappers/caller.h"

/* Lays pieces out one behind the other; block NULL: only counts. */
struct packer {
	char *block;
	size_t used;
};

static void *pack_bytes(struct packer *packer, const void *bytes, size_t size)
{
	char *at = packer->block ? packer->block + packer->used : NULL;

	packer->used += size;
	if (at && size)
		memcpy(at, bytes, size);
	return at;
}

static void pack_str(struct packer *packer, struct str *text)
{
	char *at;

	if (!text->data)
		return;
	at = pack_bytes(packer, text->data, text->size);
	pack_bytes(packer, "", 1);
	if (at)
		text->data = at;
}

static void pack_code(struct packer *packer, struct code *code)
{
	pack_str(packer, &code->code);
	pack_str(packer, &code->scheme);
	pack_str(packer, &code->display);
}

/* caller is a copy of its own, whose pointers are turned to the block. Arrays come first: they are aligned alike. */
static void pack(struct packer *packer, struct caller *caller, struct code *roles, struct str *care_of)
{
	struct str *texts[] = { &caller->tenant,       &caller->issuer,          &caller->subject,
				&caller->client_id,    &caller->token_id,        &caller->name,
				&caller->organization, &caller->organization_id, &caller->person_id,
				&caller->acting_for,   &caller->provider_id,     &caller->home_community_id,
				&caller->scopes,       &caller->reason,          &caller->certificate,
				&caller->address,      &caller->authentication };

	for (size_t i = 0; i < COUNT_OF(texts); i++)
		pack_str(packer, texts[i]);
	pack_code(packer, &caller->purpose);
	for (size_t i = 0; i < caller->roles.count; i++)
		pack_code(packer, &roles[i]);
	for (size_t i = 0; i < caller->care_of.count; i++)
		pack_str(packer, &care_of[i]);
}

size_t caller_pack(const struct caller *caller, void *block)
{
	struct packer packer = { .block = block };
	struct caller copy = *caller;
	struct code *roles;
	struct str *care_of;

	pack_bytes(&packer, caller, sizeof(*caller));
	roles = pack_bytes(&packer, caller->roles.items, caller->roles.count * sizeof(*roles));
	care_of = pack_bytes(&packer, caller->care_of.items, caller->care_of.count * sizeof(*care_of));
	if (block) {
		copy.roles.items = roles;
		copy.care_of.items = care_of;
	}
	pack(&packer, &copy, block ? roles : caller->roles.items, block ? care_of : caller->care_of.items);
	if (block)
		memcpy(block, &copy, sizeof(copy));
	return packer.used;
}

struct str caller_client(const struct caller *caller, struct arena *arena)
{
	return arena_printf(arena, "%.*s\n%.*s", STR_ARG(caller->issuer), STR_ARG(caller->client_id));
}
