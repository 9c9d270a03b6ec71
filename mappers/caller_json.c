#include "mappers/caller_json.h"

#define LIST_MAX 256 /* roles and patients of one caller */

static const struct {
	struct str name;
	size_t offset;
} texts[] = {
#define CALLER_TEXT(member)                                        \
	{                                                          \
		STR_INIT(#member), offsetof(struct caller, member) \
	}
	CALLER_TEXT(tenant),        CALLER_TEXT(issuer),     CALLER_TEXT(subject),      CALLER_TEXT(client_id),
	CALLER_TEXT(token_id),      CALLER_TEXT(name),       CALLER_TEXT(organization), CALLER_TEXT(organization_id),
	CALLER_TEXT(person_id),     CALLER_TEXT(acting_for), CALLER_TEXT(provider_id),  CALLER_TEXT(home_community_id),
	CALLER_TEXT(scopes),        CALLER_TEXT(reason),     CALLER_TEXT(certificate),  CALLER_TEXT(address),
	CALLER_TEXT(authentication)
#undef CALLER_TEXT
};

static struct str text_of(const struct caller *caller, size_t i)
{
	struct str text;

	memcpy(&text, (const char *)caller + texts[i].offset, sizeof(text));
	return text;
}

static void code_write(struct json_writer *writer, const struct code *code)
{
	json_begin_object(writer);
	json_member(writer, STR("code"), code->code);
	json_member(writer, STR("scheme"), code->scheme);
	json_member(writer, STR("display"), code->display);
	json_end_object(writer);
}

void caller_json_write(const struct caller *caller, struct json_writer *writer)
{
	json_begin_object(writer);
	json_key(writer, STR("kind"));
	json_u64(writer, caller->kind);
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		json_member(writer, texts[i].name, text_of(caller, i));
	json_key(writer, STR("purpose"));
	code_write(writer, &caller->purpose);
	json_member_array(writer, STR("roles"));
	for (size_t i = 0; i < caller->roles.count && i < LIST_MAX; i++)
		code_write(writer, &caller->roles.items[i]);
	json_end_array(writer);
	json_member_array(writer, STR("care_of"));
	for (size_t i = 0; i < caller->care_of.count && i < LIST_MAX; i++)
		json_text(writer, caller->care_of.items[i]);
	json_end_array(writer);
	json_key(writer, STR("authenticated_s"));
	json_u64(writer, (uint64_t)caller->authenticated_s);
	json_key(writer, STR("is_opaque"));
	json_bool(writer, caller->is_opaque);
	json_end_object(writer);
}

static bool text_read(const json_t *value, struct arena *arena, struct str *text)
{
	*text = STR_NONE;
	if (!json_is_string(value))
		return !value;
	*text = arena_copy(arena, (struct str) { json_string_value(value), json_string_length(value) });
	return text->data != NULL;
}

static bool code_read(const json_t *object, struct arena *arena, struct code *code)
{
	return json_is_object(object) && text_read(json_object_get(object, "code"), arena, &code->code) &&
	       text_read(json_object_get(object, "scheme"), arena, &code->scheme) &&
	       text_read(json_object_get(object, "display"), arena, &code->display);
}

static bool lists_read(const json_t *object, struct arena *arena, struct caller *caller)
{
	const json_t *roles = json_object_get(object, "roles");
	const json_t *care_of = json_object_get(object, "care_of");

	caller->roles.count = json_array_size(roles);
	caller->care_of.count = json_array_size(care_of);
	caller->roles.items = arena_array(arena, caller->roles.count, sizeof(struct code));
	caller->care_of.items = arena_array(arena, caller->care_of.count, sizeof(struct str));
	if (!caller->roles.items || !caller->care_of.items)
		return false;
	for (size_t i = 0; i < caller->roles.count; i++) {
		if (!code_read(json_array_get(roles, i), arena, &caller->roles.items[i]))
			return false;
	}
	for (size_t i = 0; i < caller->care_of.count; i++) {
		if (!text_read(json_array_get(care_of, i), arena, &caller->care_of.items[i]))
			return false;
	}
	return true;
}

bool caller_json_read(const json_t *object, struct arena *arena, struct caller *caller)
{
	json_int_t kind = json_integer_value(json_object_get(object, "kind"));

	*caller = (struct caller) { .kind = (enum caller_kind)kind };
	if (!json_is_object(object) || kind < CALLER_ANONYMOUS || kind > CALLER_SYSTEM)
		return false;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct str text;

		if (!text_read(json_object_get(object, texts[i].name.data), arena, &text))
			return false;
		memcpy((char *)caller + texts[i].offset, &text, sizeof(text));
	}
	caller->authenticated_s = json_integer_value(json_object_get(object, "authenticated_s"));
	caller->is_opaque = json_is_true(json_object_get(object, "is_opaque"));
	return code_read(json_object_get(object, "purpose"), arena, &caller->purpose) &&
	       lists_read(object, arena, caller);
}

bool caller_is_same(const struct caller *a, const struct caller *b)
{
	return a->kind == b->kind && str_equal(a->issuer, b->issuer) && str_equal(a->subject, b->subject) &&
	       str_equal(a->client_id, b->client_id) && str_equal(a->acting_for, b->acting_for);
}
