#include "mappers/fhir_read.h"

#include "mappers/fhir_mark.h"

#define PLACE_DEPTH_MAX 12

/* Adds text as far as it fits. */
static void add(char text[FHIR_PLACE_SIZE], size_t *size, struct str part)
{
	size_t room = FHIR_PLACE_SIZE - 1 - *size;
	size_t count = part.size < room ? part.size : room;

	if (count)
		memcpy(text + *size, part.data, count);
	*size += count;
	text[*size] = '\0';
}

static void add_index(char text[FHIR_PLACE_SIZE], size_t *size, size_t index)
{
	char digits[24];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + index % 10);
		index /= 10;
	} while (index);
	add(text, size, (struct str) { digits + at, sizeof digits - at });
}

/* A step with the index in its brackets. */
static void add_step(char text[FHIR_PLACE_SIZE], size_t *size, const struct fhir_place *place)
{
	size_t open = str_find(place->step, '[');
	size_t close = str_find(place->step, ']');

	add(text, size, (struct str) { place->step.data, open });
	if (close == place->step.size && !place->is_item)
		return;
	add(text, size, STR("["));
	add_index(text, size, place->index);
	add(text, size, place->is_item ? STR("]") : str_from(place->step, close));
}

const char *fhir_place_text(const struct fhir_reader *reader, const struct fhir_place *place,
			    char text[FHIR_PLACE_SIZE])
{
	const struct fhir_place *chain[PLACE_DEPTH_MAX];
	size_t depth = 0;
	size_t size = 0;

	add(text, &size, str_from_c(reader->context->path));
	for (; place && depth < PLACE_DEPTH_MAX; place = place->up)
		chain[depth++] = place;
	while (depth) {
		if (size)
			add(text, &size, STR("."));
		add_step(text, &size, chain[--depth]);
	}
	return text;
}

struct str fhir_string(const json_t *object, const char *name)
{
	struct str text = fhir_text(json_object_get(object, name));

	return text.size ? text : STR_NONE;
}

const json_t *fhir_item(const json_t *object, const char *name, size_t n)
{
	return json_array_get(json_object_get(object, name), n);
}

/* Member by a slice; paths are short. */
static const json_t *member_of(const json_t *object, struct str name)
{
	char text[64];

	if (name.size >= sizeof text)
		return NULL;
	memcpy(text, name.data, name.size);
	text[name.size] = '\0';
	return json_object_get(object, text);
}

/* Down a path of plain members. */
static const json_t *descend(const json_t *value, struct str path)
{
	struct str name;

	if (path.data && path.size)
		while (value && str_next(&path, '.', &name))
			value = member_of(value, name);
	return value;
}

void fhir_cursor_init(struct fhir_cursor *cursor, const json_t *resource, struct str path)
{
	size_t open = str_find(path, '[');
	size_t close = str_find(path, ']');
	struct str front = { path.data, open };

	*cursor = (struct fhir_cursor) { .value = resource, .place = { .step = path } };
	if (close >= path.size) {
		cursor->rest = path;
		return;
	}
	cursor->array = descend(resource, front);
	cursor->url = (struct str) { path.data + open + 1, close - open - 1 };
	cursor->rest = str_from(path, close + 1);
	if (cursor->rest.size)
		cursor->rest = str_from(cursor->rest, 1); /* the dot */
	if (!json_is_array(cursor->array))
		cursor->next = SIZE_MAX;
}

/* An extension is meant by its whole URL, or by the tail of a URL of MHD, which older senders begin with http. */
static bool url_matches(const json_t *extension, struct str name)
{
	struct str url = fhir_text(json_object_get(extension, "url"));
	struct str base = str_without_prefix(url, STR("https:"));

	if (str_find(name, ':') < name.size)
		return str_equal(url, name);
	if (base.size == url.size)
		base = str_without_prefix(url, STR("http:"));
	base = str_without_prefix(base, STR("//profiles.ihe.net/ITI/MHD/StructureDefinition/"));
	return base.size < url.size && str_equal(base, name);
}

bool fhir_next(struct fhir_cursor *cursor)
{
	if (cursor->next == SIZE_MAX)
		return false;
	if (!cursor->array) {
		cursor->next = SIZE_MAX;
		cursor->value = descend(cursor->value, cursor->rest);
		return cursor->value != NULL;
	}
	while (cursor->next < json_array_size(cursor->array)) {
		const json_t *item = json_array_get(cursor->array, cursor->next);

		cursor->place.index = cursor->next++;
		if (cursor->url.size && !url_matches(item, cursor->url))
			continue;
		cursor->value = descend(item, cursor->rest);
		/* of an element that occurs once, like content, only the first is meant */
		if (!cursor->url.size && cursor->rest.size)
			cursor->next = SIZE_MAX;
		if (cursor->value)
			return true;
	}
	cursor->next = SIZE_MAX;
	return false;
}

struct identifier fhir_identifier(const json_t *identifier)
{
	return (struct identifier) { fhir_string(identifier, "system"), fhir_string(identifier, "value") };
}

struct identifier fhir_first_identifier(const json_t *object)
{
	const json_t *member = json_object_get(object, "identifier");
	size_t count = json_is_array(member) ? json_array_size(member) : 0;

	for (size_t i = 0; i < count; i++) {
		struct identifier identifier = fhir_identifier(json_array_get(member, i));

		if (identifier.value.size)
			return identifier;
	}
	return fhir_identifier(member);
}

bool fhir_has_reference(const json_t *reference)
{
	return fhir_string(reference, "reference").size > 0;
}

const json_t *fhir_contained(const json_t *container, struct str id)
{
	const json_t *contained = json_object_get(container, "contained");

	for (size_t i = 0; i < json_array_size(contained); i++) {
		const json_t *resource = json_array_get(contained, i);

		if (str_equal(fhir_string(resource, "id"), id))
			return resource;
	}
	return NULL;
}

struct fhir_resolved fhir_resolve(const struct fhir_reader *reader, const json_t *container, const json_t *reference)
{
	struct str text = fhir_string(reference, "reference");
	struct fhir_resolved resolved = { .container = container };

	if (text.size > 1 && text.data[0] == '#') {
		resolved.resource = fhir_contained(container, str_from(text, 1));
	} else if (text.size && reader->context->resolve) {
		resolved.resource = reader->context->resolve(reader->context->resolver, text);
		resolved.container = resolved.resource;
	}
	return resolved;
}

bool fhir_no_memory(const struct fhir_reader *reader)
{
	return outcome_add(reader->outcome, ERR_NO_MEMORY, "", "There is no memory for this request; try again later.");
}
