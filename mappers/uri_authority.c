#include "mappers/uri_authority.h"

#include "mappers/base/hl7v2.h"
#include "mappers/base/sha1.h"

/* RFC 9562 6.6: the namespace of URLs, 6ba7b811-9dad-11d1-80b4-00c04fd430c8. */
static const char url_namespace[] = "\x6b\xa7\xb8\x11\x9d\xad\x11\xd1\x80\xb4\x00\xc0\x4f\xd4\x30\xc8";

#define URI_TYPE "&URI"
#define OID_TYPE "&ISO"

/* One walk over the identifiers of an object. */
struct walk {
	struct arena *arena;
	bool show;         /* OIDs to URIs; otherwise URIs to OIDs */
	struct strs pairs; /* "2.25.x URI", the URI as it stands in HL7 text */
	size_t capacity;
	bool no_memory;
};

void uri_authority_oid(struct str uri, char oid[UUID_OID_SIZE])
{
	unsigned char digest[SHA1_SIZE];
	char urn[UUID_URN_SIZE];

	sha1_of((struct str) { url_namespace, 16 }, uri, digest);
	digest[6] = (unsigned char)((digest[6] & 0x0F) | 0x50);
	digest[8] = (unsigned char)((digest[8] & 0x3F) | 0x80);
	uuid_write(digest, urn);
	if (!uuid_to_oid(str_from_c(urn), oid))
		oid[0] = 0;
}

/* The OID of a pair for this URI, added when new; STR_NONE without memory. */
static struct str oid_of(struct walk *walk, struct str uri)
{
	char text[UUID_OID_SIZE];
	struct str oid;
	struct str plain = hl7_unescape(uri, walk->arena);

	for (size_t i = 0; i < walk->pairs.count; i++) {
		size_t blank = str_find(walk->pairs.items[i], ' ');

		if (str_equal(str_from(walk->pairs.items[i], blank + 1), uri))
			return (struct str) { walk->pairs.items[i].data, blank };
	}
	if (!plain.data || !arena_grow(walk->arena, &walk->pairs.items, walk->pairs.count, &walk->capacity, sizeof oid))
		return STR_NONE;
	uri_authority_oid(plain, text);
	oid = arena_printf(walk->arena, "%s %.*s", text, STR_ARG(uri));
	if (!oid.data)
		return STR_NONE;
	walk->pairs.items[walk->pairs.count++] = oid;
	return (struct str) { oid.data, str_find(oid, ' ') };
}

/* The URI of a pair for this OID; STR_NONE when there is none. */
static struct str uri_of(const struct walk *walk, struct str oid)
{
	for (size_t i = 0; i < walk->pairs.count; i++) {
		size_t blank = str_find(walk->pairs.items[i], ' ');

		if (blank < walk->pairs.items[i].size &&
		    str_equal((struct str) { walk->pairs.items[i].data, blank }, oid))
			return str_from(walk->pairs.items[i], blank + 1);
	}
	return STR_NONE;
}

static bool is_separator(char c)
{
	return c == '^' || c == '~' || c == '|' || c == '&';
}

/* Finds the next &name&TYPE at or after *at: name, and where TYPE begins. */
static bool next_authority(struct str text, struct str type, size_t *at, struct str *name)
{
	for (size_t i = *at; i + type.size <= text.size; i++) {
		size_t end = i + type.size;
		size_t begin = i;

		if (!str_starts_with(str_from(text, i), type) || (end < text.size && !is_separator(text.data[end])))
			continue;
		while (begin > 0 && !is_separator(text.data[begin - 1]))
			begin--;
		if (begin == i || begin == 0 || text.data[begin - 1] != '&')
			continue;
		*name = (struct str) { text.data + begin, i - begin };
		*at = i;
		return true;
	}
	return false;
}

/* Replaces every authority of the one kind that has a partner of the other kind. */
static void change_text(struct walk *walk, struct str *text)
{
	struct str from = walk->show ? STR(OID_TYPE) : STR(URI_TYPE);
	struct str to = walk->show ? STR(URI_TYPE) : STR(OID_TYPE);
	size_t at = 0;
	struct str name;

	while (!walk->no_memory && next_authority(*text, from, &at, &name)) {
		struct str other = walk->show ? uri_of(walk, name) : oid_of(walk, name);
		size_t begin = (size_t)(name.data - text->data);

		at += from.size;
		if (!other.data) {
			walk->no_memory = !walk->show;
			continue;
		}
		struct str changed = arena_printf(walk->arena, "%.*s%.*s%.*s%.*s", (int)begin, text->data,
						  STR_ARG(other), STR_ARG(to), STR_ARG(str_from(*text, at)));

		walk->no_memory = !changed.data;
		if (changed.data) {
			at = begin + other.size + to.size;
			*text = changed;
		}
	}
}

static void change_texts(struct walk *walk, struct strs *texts)
{
	struct str *items = arena_array(walk->arena, texts->count, sizeof *items);

	walk->no_memory = walk->no_memory || !items;
	for (size_t i = 0; !walk->no_memory && i < texts->count; i++) {
		items[i] = texts->items[i];
		change_text(walk, &items[i]);
	}
	if (!walk->no_memory)
		texts->items = items;
}

static void change_authors(struct walk *walk, struct authors *authors)
{
	struct author *items = arena_array(walk->arena, authors->count, sizeof *items);

	walk->no_memory = walk->no_memory || !items;
	for (size_t i = 0; !walk->no_memory && i < authors->count; i++) {
		items[i] = authors->items[i];
		change_text(walk, &items[i].person);
		change_texts(walk, &items[i].institutions);
		change_texts(walk, &items[i].roles);
		change_texts(walk, &items[i].specialties);
	}
	if (!walk->no_memory)
		authors->items = items;
}

static bool has_authority(enum datatype type)
{
	return type == TYPE_CX || type == TYPE_XCN || type == TYPE_AUTHOR || type == TYPE_PID || type == TYPE_CXI ||
	       type == TYPE_RECIPIENT;
}

static bool change_object(struct walk *walk, const struct attribute_table *table, void *object)
{
	for (size_t i = 0; i < table->count && !walk->no_memory; i++) {
		void *member = (char *)object + table->rows[i].offset;

		if (!has_authority(table->rows[i].type))
			continue;
		switch (table->rows[i].shape) {
		case SHAPE_STRING:
			change_text(walk, member);
			break;
		case SHAPE_STRINGS:
			change_texts(walk, member);
			break;
		case SHAPE_AUTHORS:
			change_authors(walk, member);
			break;
		case SHAPE_CODE:
		case SHAPE_CODES:
			break;
		}
	}
	return !walk->no_memory;
}

bool uri_authority_hide(const struct attribute_table *table, void *object, struct arena *arena)
{
	struct rim_slots *extra = (struct rim_slots *)(void *)((char *)object + table->extra_offset);
	struct walk walk = { .arena = arena };
	struct rim_slot *slots;

	if (!change_object(&walk, table, object))
		return false;
	if (walk.pairs.count == 0)
		return true;
	slots = arena_array(arena, extra->count + 1, sizeof *slots);
	if (!slots)
		return false;
	for (size_t i = 0; i < extra->count; i++)
		slots[i] = extra->items[i];
	slots[extra->count] = (struct rim_slot) { .name = STR(URI_AUTHORITY_SLOT), .values = walk.pairs };
	*extra = (struct rim_slots) { slots, extra->count + 1 };
	return true;
}

bool uri_authority_show(const struct attribute_table *table, void *object, struct arena *arena)
{
	const struct rim_slots *extra = (const struct rim_slots *)(void *)((char *)object + table->extra_offset);
	const struct rim_slot *slot = rim_slot_find(extra, STR(URI_AUTHORITY_SLOT));
	struct walk walk = { .arena = arena, .show = true };

	if (!slot)
		return true;
	walk.pairs = slot->values;
	return change_object(&walk, table, object);
}
