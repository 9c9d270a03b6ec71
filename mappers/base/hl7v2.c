#include "mappers/base/hl7v2.h"

#include "mappers/base/buf.h"

/* The escapes of HL7 2.5 chapter 2.7.1 that matter for XDS. */
static const struct {
	char plain;
	char letter;
} escapes[] = { { '\\', 'E' }, { '|', 'F' }, { '^', 'S' }, { '&', 'T' }, { '~', 'R' } };

struct str hl7_part(struct str text, char separator, size_t n)
{
	size_t start = 0;

	if (!text.data)
		return STR_NONE;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] != separator)
			continue;
		if (--n == 0)
			return (struct str) { text.data + start, i - start };
		start = i + 1;
	}
	return n == 1 ? str_from(text, start) : STR_NONE;
}

static char letter_of(char plain)
{
	for (size_t i = 0; i < COUNT_OF(escapes); i++) {
		if (escapes[i].plain == plain)
			return escapes[i].letter;
	}
	return '\0';
}

static char plain_of(char letter)
{
	for (size_t i = 0; i < COUNT_OF(escapes); i++) {
		if (escapes[i].letter == letter)
			return escapes[i].plain;
	}
	return '\0';
}

struct str hl7_unescape(struct str text, struct arena *arena)
{
	if (!text.data || str_find(text, '\\') == text.size)
		return text;
	char *out = arena_alloc(arena, text.size + 1);
	size_t size = 0;

	if (!out)
		return STR_NONE;
	for (size_t i = 0; i < text.size; i++) {
		char plain = '\0';

		if (text.data[i] == '\\' && i + 2 < text.size && text.data[i + 2] == '\\')
			plain = plain_of(text.data[i + 1]);
		out[size++] = plain ? plain : text.data[i];
		if (plain)
			i += 2;
	}
	return (struct str) { out, size };
}

struct str hl7_escape(struct str text, struct arena *arena)
{
	size_t extra = 0;

	for (size_t i = 0; i < text.size; i++)
		extra += letter_of(text.data[i]) ? 2 : 0;
	if (extra == 0)
		return text;
	char *out = arena_alloc(arena, text.size + extra + 1);
	size_t size = 0;

	if (!out)
		return STR_NONE;
	for (size_t i = 0; i < text.size; i++) {
		char letter = letter_of(text.data[i]);

		if (!letter) {
			out[size++] = text.data[i];
			continue;
		}
		out[size++] = '\\';
		out[size++] = letter;
		out[size++] = '\\';
	}
	return (struct str) { out, size };
}

struct str hl7_join(const struct str *parts, size_t count, char separator, struct arena *arena)
{
	size_t size = 0;

	while (count && parts[count - 1].size == 0)
		count--;
	for (size_t i = 0; i < count; i++)
		size += parts[i].size + 1;
	char *out = arena_alloc(arena, size + 1);
	char *to = out;

	if (!out)
		return STR_NONE;
	for (size_t i = 0; i < count; i++) {
		if (i)
			*to++ = separator;
		if (parts[i].size)
			memcpy(to, parts[i].data, parts[i].size);
		to += parts[i].size;
	}
	return (struct str) { out, (size_t)(to - out) };
}

#define COMPONENTS_MAX 12

/* The components of text, in one pass; those that are not there stay STR_NONE. */
static void components_of(struct str text, struct str parts[COMPONENTS_MAX])
{
	size_t count = 0;
	size_t start = 0;

	memset(parts, 0, COMPONENTS_MAX * sizeof *parts);
	for (size_t i = 0; i <= text.size && count < COMPONENTS_MAX && text.data; i++) {
		if (i < text.size && text.data[i] != '^')
			continue;
		parts[count++] = (struct str) { text.data + start, i - start };
		start = i + 1;
	}
}

/* A component unescaped; false only without memory. When a component that should be simple has subcomponents (family^
 * with own prefix&...), the first one is meant. */
static bool component(struct str raw, struct arena *arena, struct str *out)
{
	raw.size = str_find(raw, '&');
	*out = hl7_unescape(raw, arena);
	return out->data || !raw.data;
}

static bool authority_parse(struct str text, struct arena *arena, struct hl7_hd *hd)
{
	struct str *const members[] = { &hd->namespace_id, &hd->universal_id, &hd->universal_id_type };

	*hd = (struct hl7_hd) { 0 };
	for (size_t i = 0; text.size && i < COUNT_OF(members); i++) {
		struct str raw = hl7_part(text, '&', i + 1);

		*members[i] = hl7_unescape(raw, arena);
		if (raw.data && !members[i]->data)
			return false;
	}
	return true;
}

bool hl7_cx_parse(struct str text, struct arena *arena, struct hl7_cx *cx)
{
	struct str parts[COMPONENTS_MAX];

	components_of(text, parts);
	*cx = (struct hl7_cx) { .home = parts[5] };
	return component(parts[0], arena, &cx->id) && component(parts[4], arena, &cx->type_code) &&
	       authority_parse(parts[3], arena, &cx->authority);
}

bool hl7_xcn_parse(struct str text, struct arena *arena, struct hl7_xcn *xcn)
{
	struct str *const members[] = { &xcn->id,     &xcn->family, &xcn->given, &xcn->second,
					&xcn->suffix, &xcn->prefix, &xcn->degree };
	struct str parts[COMPONENTS_MAX];

	components_of(text, parts);
	*xcn = (struct hl7_xcn) { 0 };
	for (size_t i = 0; i < COUNT_OF(members); i++) {
		if (!component(parts[i], arena, members[i]))
			return false;
	}
	return authority_parse(parts[8], arena, &xcn->authority);
}

bool hl7_xon_parse(struct str text, struct arena *arena, struct hl7_xon *xon)
{
	struct str parts[COMPONENTS_MAX];

	components_of(text, parts);
	*xon = (struct hl7_xon) { 0 };
	return component(parts[0], arena, &xon->name) && component(parts[9], arena, &xon->id) &&
	       authority_parse(parts[5], arena, &xon->authority);
}

bool hl7_xtn_parse(struct str text, struct arena *arena, struct hl7_xtn *xtn)
{
	struct str *const members[] = { &xtn->number,  &xtn->use,  &xtn->equipment, &xtn->email,
					&xtn->country, &xtn->area, &xtn->local,     &xtn->extension };
	struct str parts[COMPONENTS_MAX];

	components_of(text, parts);
	*xtn = (struct hl7_xtn) { 0 };
	for (size_t i = 0; i < COUNT_OF(members); i++) {
		if (!component(parts[i], arena, members[i]))
			return false;
	}
	return component(parts[11], arena, &xtn->unformatted);
}

/* Escapes what is there; false without memory. */
static bool escape_all(struct str *parts, size_t count, struct arena *arena)
{
	for (size_t i = 0; i < count; i++) {
		bool there = parts[i].data;

		parts[i] = hl7_escape(parts[i], arena);
		if (there && !parts[i].data)
			return false;
	}
	return true;
}

static bool authority_write(const struct hl7_hd *hd, struct arena *arena, struct str *out)
{
	struct str parts[] = { hd->namespace_id, hd->universal_id, hd->universal_id_type };

	if (!escape_all(parts, COUNT_OF(parts), arena))
		return false;
	*out = hl7_join(parts, COUNT_OF(parts), '&', arena);
	return out->data;
}

/* parts[at] becomes the authority, which must not be escaped twice; the others are escaped. */
static struct str join_with_authority(struct str *parts, size_t count, size_t at, const struct hl7_hd *authority,
				      struct arena *arena)
{
	if (!escape_all(parts, count, arena) || !authority_write(authority, arena, &parts[at]))
		return STR_NONE;
	return hl7_join(parts, count, '^', arena);
}

bool hl7_cx_same(struct str a, struct str b, struct arena *arena)
{
	struct hl7_cx left;
	struct hl7_cx right;

	if (str_equal(a, b))
		return true;
	return hl7_cx_parse(a, arena, &left) && hl7_cx_parse(b, arena, &right) && str_equal(left.id, right.id) &&
	       str_equal(left.authority.universal_id, right.authority.universal_id);
}

struct str hl7_cx_write(const struct hl7_cx *cx, struct arena *arena)
{
	struct str parts[] = { cx->id, STR_NONE, STR_NONE, STR_NONE, cx->type_code, STR_NONE };

	if (!escape_all(parts, COUNT_OF(parts), arena) || !authority_write(&cx->authority, arena, &parts[3]))
		return STR_NONE;
	parts[5] = cx->home;
	return hl7_join(parts, COUNT_OF(parts), '^', arena);
}

bool hl7_cx_normalise(struct str text, struct arena *arena, struct str *normal)
{
	struct hl7_cx read;
	struct hl7_cx plain;

	if (!hl7_cx_parse(text, arena, &read) || str_is_empty(read.id) || str_is_empty(read.authority.universal_id))
		return false;
	plain = (struct hl7_cx) { .id = read.id,
				  .authority = { .universal_id = read.authority.universal_id,
						 .universal_id_type = STR("ISO") } };
	*normal = hl7_cx_write(&plain, arena);
	return normal->data != NULL;
}

struct str hl7_xcn_write(const struct hl7_xcn *xcn, struct arena *arena)
{
	struct str parts[] = { xcn->id,     xcn->family, xcn->given, xcn->second, xcn->suffix,
			       xcn->prefix, xcn->degree, STR_NONE,   STR_NONE };

	return join_with_authority(parts, COUNT_OF(parts), 8, &xcn->authority, arena);
}

struct str hl7_xon_write(const struct hl7_xon *xon, struct arena *arena)
{
	struct str parts[10] = { [0] = xon->name, [9] = xon->id };

	return join_with_authority(parts, COUNT_OF(parts), 5, &xon->authority, arena);
}

struct str hl7_xtn_write(const struct hl7_xtn *xtn, struct arena *arena)
{
	struct str parts[12] = { xtn->number,  xtn->use,  xtn->equipment, xtn->email,
				 xtn->country, xtn->area, xtn->local,     xtn->extension };

	parts[11] = xtn->unformatted;
	if (!escape_all(parts, COUNT_OF(parts), arena))
		return STR_NONE;
	return hl7_join(parts, COUNT_OF(parts), '^', arena);
}
