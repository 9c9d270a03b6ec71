#include "gateway/access/claims_write.h"

#include "gateway/run/random.h"
#include "mappers/base/hex.h"
#include "mappers/caller.h"
#include "mappers/code_system.h"
#include "mappers/json_writer.h"

#define CLAIMS_BYTES_MAX ((size_t)32 * 1024)

static void number_write(struct json_writer *writer, struct str key, int64_t value)
{
	json_key(writer, key);
	json_u64(writer, (uint64_t)value);
}

static void coding_write(struct json_writer *writer, struct str system, const struct code *code)
{
	json_begin_object(writer);
	json_member(writer, STR("system"), system);
	json_member(writer, STR("code"), code->code);
	json_member(writer, STR("display"), code->display);
	json_end_object(writer);
}

static void roles_write(struct json_writer *writer, const struct claims_text *claims, struct arena *arena)
{
	if (!claims->role.code.size && !(claims->roles && claims->roles->count))
		return;
	json_member_array(writer, STR("subject_role"));
	if (claims->role.code.size)
		coding_write(writer, claims->role.scheme, &claims->role);
	for (size_t i = 0; claims->roles && i < claims->roles->count; i++)
		coding_write(writer, code_system_uri(claims->roles->items[i].scheme, arena), &claims->roles->items[i]);
	json_end_array(writer);
}

static void extensions_write(struct json_writer *writer, const struct claims_text *claims, struct arena *arena)
{
	struct code purpose = { .code = claims->purpose };

	json_member_object(writer, STR("extensions"));
	json_member_object(writer, STR("ihe_iua"));
	json_member(writer, STR("subject_name"), claims->name);
	json_member(writer, STR("subject_organization"), claims->organization);
	json_member(writer, STR("subject_organization_id"), claims->organization_id);
	json_member(writer, STR("person_id"), claims->person_id);
	roles_write(writer, claims, arena);
	json_member_array(writer, STR("purpose_of_use"));
	coding_write(writer, STR(PURPOSE_SYSTEM_URI), &purpose);
	json_end_array(writer);
	json_end_object(writer);
	json_member_object(writer, STR("passerelle"));
	json_member(writer, STR("tenant"), claims->tenant);
	json_member(writer, STR("reason"), claims->reason);
	json_end_object(writer);
	json_end_object(writer);
}

static void claims_write(struct json_writer *writer, const struct claims_text *claims, struct arena *arena)
{
	unsigned char bytes[16];
	char id[2 * sizeof(bytes)];

	random_bytes(bytes, sizeof(bytes));
	hex_write(bytes, sizeof(bytes), id);
	json_begin_object(writer);
	json_member(writer, STR("iss"), claims->issuer);
	json_member(writer, STR("sub"), claims->subject);
	json_member(writer, STR("client_id"), claims->client_id);
	json_member(writer, STR("aud"), claims->audience);
	json_member(writer, STR("jti"), (struct str) { id, sizeof(id) });
	number_write(writer, STR("iat"), claims->issued_s);
	number_write(writer, STR("exp"), claims->expires_s);
	json_member(writer, STR("scope"), claims->scopes);
	extensions_write(writer, claims, arena);
	json_end_object(writer);
}

struct str claims_sign(const struct claims_text *claims, const struct signing_key *key, struct arena *arena)
{
	struct str token = STR_NONE;
	struct json_writer writer;
	struct outcome writing;
	struct buf text;

	outcome_init(&writing);
	buf_init(&text, CLAIMS_BYTES_MAX);
	json_writer_init(&writer, &text);
	claims_write(&writer, claims, arena);
	if (json_writer_finish(&writer, &writing))
		token = signing_key_sign(key, "at+jwt", buf_str(&text), arena);
	buf_free(&text);
	return token;
}
