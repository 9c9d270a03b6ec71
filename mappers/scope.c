#include "mappers/scope.h"

#define SCOPES_BYTES_MAX 4096
#define SCOPES_MAX       200

/* The words of SMART v1 and of the European API in the letters of SMART v2. A v1 "read" also searches (SMART App Launch
 * 2.2, "Scopes for requesting FHIR Resources", v1 compatibility). */
static const struct {
	struct str word;
	struct str letters;
} words[] = {
	{ STR_INIT("read"), STR_INIT("rs") },  { STR_INIT("search"), STR_INIT("s") },
	{ STR_INIT("create"), STR_INIT("c") }, { STR_INIT("update"), STR_INIT("u") },
	{ STR_INIT("delete"), STR_INIT("d") }, { STR_INIT("write"), STR_INIT("cud") },
	{ STR_INIT("*"), STR_INIT("cruds") },
};

/* One SMART scope in its parts. */
struct smart_scope {
	enum caller_kind kind;
	struct str resource;
	struct str letters;
};

/* Letters of SMART v2: some of c r u d s, in this order, each once. */
static bool letters_valid(struct str letters)
{
	const struct str order = STR("cruds");
	size_t next = 0;

	for (size_t i = 0; i < letters.size; i++) {
		size_t at = str_find(order, letters.data[i]);

		if (at == order.size || at < next)
			return false;
		next = at + 1;
	}
	return letters.size > 0;
}

static bool class_read(struct str scope, enum caller_kind *kind, struct str *rest)
{
	static const struct {
		struct str prefix;
		enum caller_kind kind;
	} classes[] = { { STR_INIT("patient/"), CALLER_PATIENT },
			{ STR_INIT("user/"), CALLER_USER },
			{ STR_INIT("system/"), CALLER_SYSTEM } };

	for (size_t i = 0; i < COUNT_OF(classes); i++) {
		if (!str_starts_with(scope, classes[i].prefix))
			continue;
		*kind = classes[i].kind;
		*rest = str_from(scope, classes[i].prefix.size);
		return true;
	}
	return false;
}

/* False for what is no SMART scope, or one with a query part. */
static bool smart_read(struct str scope, struct smart_scope *read)
{
	struct str rest;

	if (!class_read(scope, &read->kind, &rest))
		return false;
	size_t dot = str_find(rest, '.');

	read->resource = (struct str) { rest.data, dot };
	read->letters = str_from(rest, dot + 1);
	if (dot == 0 || str_find(rest, '?') < rest.size)
		return false;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (str_equal(read->letters, words[i].word)) {
			read->letters = words[i].letters;
			return true;
		}
	}
	return letters_valid(read->letters);
}

enum caller_kind scope_kind(struct str scopes)
{
	bool seen[CALLER_SYSTEM + 1] = { false };
	struct str rest = scopes;
	struct str scope;

	while (rest.data && str_next(&rest, ' ', &scope)) {
		enum caller_kind kind;
		struct str after;

		if (class_read(scope, &kind, &after))
			seen[kind] = true;
	}
	if (seen[CALLER_PATIENT])
		return CALLER_PATIENT;
	if (seen[CALLER_USER])
		return CALLER_USER;
	return seen[CALLER_SYSTEM] ? CALLER_SYSTEM : CALLER_ANONYMOUS;
}

static bool is_granted(struct str scopes, struct str wanted)
{
	struct str rest = scopes;
	struct str scope;

	while (rest.data && str_next(&rest, ' ', &scope)) {
		if (scope.size && str_equal(scope, wanted))
			return true;
	}
	return false;
}

/* wanted: "Resource.letter". */
static bool is_permitted(struct str scopes, enum caller_kind kind, struct str wanted)
{
	struct str resource = { wanted.data, str_find(wanted, '.') };
	struct str letter = str_from(wanted, resource.size + 1);
	struct str rest = scopes;
	struct str scope;

	while (rest.data && str_next(&rest, ' ', &scope)) {
		struct smart_scope smart;

		if (smart_read(scope, &smart) && smart.kind == kind && letter.size == 1 &&
		    (str_equal(smart.resource, STR("*")) || str_equal(smart.resource, resource)) &&
		    str_find(smart.letters, letter.data[0]) < smart.letters.size)
			return true;
	}
	return false;
}

/* Every permission of one alternative; an alternative without any opens nothing. */
static bool all_permitted(struct str scopes, enum caller_kind kind, struct str alternative)
{
	struct str rest = alternative;
	struct str wanted;
	bool any = false;

	while (rest.data && str_next(&rest, ' ', &wanted)) {
		if (wanted.size == 0)
			continue;
		if (!is_permitted(scopes, kind, wanted))
			return false;
		any = true;
	}
	return any;
}

bool scope_opens(struct str scopes, enum caller_kind kind, const struct scope_need *need)
{
	struct str rest = need->ihe;
	struct str part;

	if (need->is_open)
		return true;
	while (rest.data && str_next(&rest, ' ', &part)) {
		if (part.size && is_granted(scopes, part))
			return true;
	}
	rest = need->smart;
	while (rest.data && str_next(&rest, '|', &part)) {
		if (all_permitted(scopes, kind, part))
			return true;
	}
	return false;
}

struct str scope_wanted(const struct scope_need *need)
{
	struct str wanted = need->ihe.size ? need->ihe : need->smart;

	wanted.size = str_find(wanted, ' ');
	return wanted;
}

/* One scope: every letter of it must be there, and all resources only where all are granted. */
static bool is_covered(struct str wanted, struct str granted)
{
	struct smart_scope smart;

	if (is_granted(granted, wanted))
		return true;
	if (!smart_read(wanted, &smart))
		return false;
	for (size_t i = 0; i < smart.letters.size; i++) {
		struct str rest = granted;
		struct str scope;
		bool found = false;

		while (!found && rest.data && str_next(&rest, ' ', &scope)) {
			struct smart_scope other;

			found = smart_read(scope, &other) && other.kind == smart.kind &&
				(str_equal(other.resource, STR("*")) || str_equal(other.resource, smart.resource)) &&
				str_find(other.letters, smart.letters.data[i]) < other.letters.size;
		}
		if (!found)
			return false;
	}
	return true;
}

struct str scope_grant(struct str wanted, struct str granted, struct arena *arena)
{
	char *text = arena_alloc(arena, wanted.size + 1);
	struct str rest = wanted;
	struct str scope;
	size_t size = 0;

	if (!text)
		return STR_NONE;
	while (rest.data && str_next(&rest, ' ', &scope)) {
		if (scope.size == 0 || !is_covered(scope, granted))
			continue;
		if (size > 0)
			text[size++] = ' ';
		memcpy(text + size, scope.data, scope.size);
		size += scope.size;
	}
	return (struct str) { text, size };
}

/* scope-token = 1*( %x21 / %x23-5B / %x5D-7E ) */
bool scope_valid(struct str scopes)
{
	size_t count = 1;

	for (size_t i = 0; i < scopes.size; i++) {
		char c = scopes.data[i];

		count += c == ' ';
		if (c < 0x20 || c > 0x7E || c == '"' || c == '\\')
			return false;
	}
	return scopes.size <= SCOPES_BYTES_MAX && count <= SCOPES_MAX;
}
