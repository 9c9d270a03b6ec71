#include "mappers/code_system.h"

#include "mappers/base/oid.h"

struct code_system {
	struct str oid;
	struct str uri;
};

static const struct code_system code_systems[] = {
#define CODE_SYSTEM(oid, uri, name) { STR_INIT(oid), STR_INIT(uri) },
#include "profiles/code_systems.def"
#undef CODE_SYSTEM
};

/* OIDs begin alike and end differently, and so do URIs: the last byte rules out most. */
static bool is_same(struct str row, struct str text)
{
	return row.size == text.size && row.data[row.size - 1] == text.data[text.size - 1] && str_equal(row, text);
}

struct str code_system_scheme(struct str system)
{
	/* An OID, which is what most registries hold, is no URI. */
	if (system.size == 0 || (system.data[0] >= '0' && system.data[0] <= '9'))
		return system;
	for (size_t i = 0; i < COUNT_OF(code_systems); i++) {
		if (is_same(code_systems[i].uri, system))
			return code_systems[i].oid;
	}
	return str_starts_with_nocase(system, STR("urn:oid:")) ? str_from(system, 8) : system;
}

struct str code_system_known_uri(struct str scheme)
{
	struct str oid = code_system_scheme(scheme);

	for (size_t i = 0; i < COUNT_OF(code_systems); i++) {
		if (is_same(code_systems[i].oid, oid))
			return code_systems[i].uri;
	}
	return STR_NONE;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_uri(struct str text)
{
	size_t colon = str_find(text, ':');

	if (colon == 0 || colon == text.size || !is_letter(text.data[0]))
		return false;
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];

		if ((unsigned char)c <= ' ')
			return false;
		if (i < colon && !is_letter(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.')
			return false;
	}
	return true;
}

struct str oid_urn(struct str oid, struct arena *arena)
{
	static const char prefix[] = "urn:oid:";
	const size_t front = sizeof prefix - 1;
	char *text = arena_alloc(arena, front + oid.size);

	if (!text)
		return STR_NONE;
	memcpy(text, prefix, front);
	if (oid.size)
		memcpy(text + front, oid.data, oid.size);
	return (struct str) { text, front + oid.size };
}

struct str code_system_uri(struct str scheme, struct arena *arena)
{
	struct str known = code_system_known_uri(scheme);

	if (known.size)
		return known;
	if (oid_valid(scheme))
		return oid_urn(scheme, arena);
	return is_uri(scheme) ? scheme : STR_NONE;
}
