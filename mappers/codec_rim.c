#include "mappers/codec_rim.h"

struct str slot_first(const struct rim_slots *slots, struct str name)
{
	const struct rim_slot *slot = rim_slot_find(slots, name);

	return slot && slot->values.count ? slot->values.items[0] : STR_NONE;
}

static struct strs slot_values(const struct rim_slots *slots, struct str name)
{
	const struct rim_slot *slot = rim_slot_find(slots, name);

	return slot ? slot->values : (struct strs) { 0 };
}

bool slot_make(struct str name, struct str value, struct arena *arena, struct rim_slot *slot)
{
	struct str *values = arena_array(arena, 1, sizeof *values);

	if (!values)
		return false;
	values[0] = value;
	*slot = (struct rim_slot) { .name = name, .values = { values, 1 } };
	return true;
}

struct code code_from_classification(const struct rim_classification *classification)
{
	return (struct code) {
		.code = classification->node_representation,
		.scheme = slot_first(&classification->slots, STR("codingScheme")),
		.display = classification->name.count ? classification->name.items[0].value : STR_NONE,
	};
}

bool code_to_classification(const struct code *code, struct str scheme, struct arena *arena,
			    struct rim_classification *classification)
{
	struct rim_slot *slot = arena_array(arena, 1, sizeof *slot);
	struct rim_text *name = arena_array(arena, 1, sizeof *name);

	if (!slot || !name || !slot_make(STR("codingScheme"), code->scheme, arena, slot))
		return false;
	/* A registry wants a name: without one the code stands for itself. TF-3 4.2.3.1.2 */
	name->value = code->display.size ? code->display : code->code;
	*classification = (struct rim_classification) {
		.scheme = scheme,
		.node_representation = code->code,
		.slots = { slot, code->scheme.size ? 1 : 0 },
		.name = { name, 1 },
	};
	return true;
}

/* The slots of an author Classification, with the place of each in struct author. TF-3 4.2.3.1.4 */
struct author_slot {
	struct str name;
	size_t offset;
	bool many;
};

static const struct author_slot author_slots[] = {
	{ STR_INIT("authorPerson"), offsetof(struct author, person), false },
	{ STR_INIT("authorInstitution"), offsetof(struct author, institutions), true },
	{ STR_INIT("authorRole"), offsetof(struct author, roles), true },
	{ STR_INIT("authorSpecialty"), offsetof(struct author, specialties), true },
	{ STR_INIT("authorTelecommunication"), offsetof(struct author, telecommunications), true },
};

static struct author author_from_classification(const struct rim_classification *classification)
{
	struct author author = { 0 };

	for (size_t i = 0; i < COUNT_OF(author_slots); i++) {
		char *field = (char *)&author + author_slots[i].offset;

		if (author_slots[i].many)
			*(struct strs *)field = slot_values(&classification->slots, author_slots[i].name);
		else
			*(struct str *)field = slot_first(&classification->slots, author_slots[i].name);
	}
	return author;
}

static bool author_to_classification(const struct author *author, struct str scheme, struct arena *arena,
				     struct rim_classification *classification)
{
	struct rim_slot *slots = arena_array(arena, COUNT_OF(author_slots), sizeof *slots);
	size_t count = 0;

	if (!slots)
		return false;
	for (size_t i = 0; i < COUNT_OF(author_slots); i++) {
		const char *field = (const char *)author + author_slots[i].offset;

		if (author_slots[i].many) {
			const struct strs *values = (const struct strs *)field;

			if (values->count)
				slots[count++] = (struct rim_slot) { .name = author_slots[i].name, .values = *values };
			continue;
		}
		struct str value = *(const struct str *)field;

		if (value.size && !slot_make(author_slots[i].name, value, arena, &slots[count++]))
			return false;
	}
	/* Present and empty: TF-3 4.2.3.1.4 forbids a value, and the schema's receivers want the attribute. */
	*classification = (struct rim_classification) {
		.scheme = scheme,
		.node_representation = STR(""),
		.slots = { slots, count },
	};
	return true;
}

/* The member of rim_object that an XML attribute is kept in. */
static struct str *xml_attribute_of(struct rim_object *object, struct str key)
{
	const struct {
		struct str key;
		struct str *member;
	} members[] = {
		{ STR("id"), &object->id },         { STR("lid"), &object->lid },
		{ STR("home"), &object->home },     { STR("objectType"), &object->object_type },
		{ STR("status"), &object->status }, { STR("mimeType"), &object->mime_type },
	};

	for (size_t i = 0; i < COUNT_OF(members); i++) {
		if (str_equal(members[i].key, key))
			return members[i].member;
	}
	return NULL;
}

/* The one value that stands at the place of a row; STR_NONE when there is none. */
static struct str string_at(const struct attribute *row, const struct rim_object *object)
{
	const struct rim_external_identifier *identifier;
	const struct str *member;

	switch (row->place) {
	case PLACE_ATTRIBUTE:
		member = xml_attribute_of((struct rim_object *)object, row->key);
		return member ? *member : STR_NONE;
	case PLACE_SLOT:
		return slot_first(&object->slots, row->key);
	case PLACE_EXTERNAL_ID:
		identifier = rim_external_identifier_find(object, row->key);
		return identifier ? identifier->value : STR_NONE;
	case PLACE_NAME:
		return object->name.count ? object->name.items[0].value : STR_NONE;
	case PLACE_DESCRIPTION:
		return object->description.count ? object->description.items[0].value : STR_NONE;
	case PLACE_VERSION:
		return object->version_name;
	case PLACE_CLASSIFICATION:
		break;
	}
	return STR_NONE;
}

/* The next Classification of a scheme from *at on; NULL at the end. */
static const struct rim_classification *next_classification(const struct rim_object *object, struct str scheme,
							    size_t *at)
{
	while (object && *at < object->classification_count) {
		const struct rim_classification *classification = &object->classifications[(*at)++];

		if (str_equal(classification->scheme, scheme))
			return classification;
	}
	return NULL;
}

static size_t classifications_of(const struct rim_object *object, struct str scheme)
{
	size_t count = 0;
	size_t at = 0;

	while (next_classification(object, scheme, &at))
		count++;
	return count;
}

static bool row_from_rim(const struct attribute *row, const struct rim_object *registry_object, struct arena *arena,
			 void *field)
{
	const struct rim_classification *classification;
	size_t at = 0;
	size_t i = 0;
	size_t count;

	switch (row->shape) {
	case SHAPE_STRING:
		*(struct str *)field = string_at(row, registry_object);
		return true;
	case SHAPE_STRINGS:
		*(struct strs *)field = slot_values(&registry_object->slots, row->key);
		return true;
	case SHAPE_CODE:
		classification = next_classification(registry_object, row->key, &at);
		if (classification)
			*(struct code *)field = code_from_classification(classification);
		return true;
	case SHAPE_CODES:
		count = classifications_of(registry_object, row->key);
		struct codes *codes = field;

		codes->items = count ? arena_array(arena, count, sizeof *codes->items) : NULL;
		if (count && !codes->items)
			return false;
		for (codes->count = count; i < count; i++)
			codes->items[i] = code_from_classification(next_classification(registry_object, row->key, &at));
		return true;
	case SHAPE_AUTHORS:
		count = classifications_of(registry_object, row->key);
		struct authors *authors = field;

		authors->items = count ? arena_array(arena, count, sizeof *authors->items) : NULL;
		if (count && !authors->items)
			return false;
		for (authors->count = count; i < count; i++)
			authors->items[i] =
				author_from_classification(next_classification(registry_object, row->key, &at));
		return true;
	}
	return true;
}

/* The row that takes values of this place and key; table->count when none does. */
static size_t row_at(const struct attribute_table *table, enum place place, struct str key)
{
	size_t i = 0;

	while (i < table->count && !(table->rows[i].place == place && str_equal(table->rows[i].key, key)))
		i++;
	return i;
}

/* Slots that no row names, and the second one of a name that a row took already. */
static bool extra_from_rim(const struct attribute_table *table, const struct rim_slots *slots, struct arena *arena,
			   struct rim_slots *extra)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < slots->count; i++) {
		size_t row = row_at(table, PLACE_SLOT, slots->items[i].name);
		uint64_t bit = row < table->count ? (uint64_t)1 << row : 0;

		if (bit & ~seen) {
			seen |= bit;
			continue;
		}
		if (!extra->items)
			extra->items = arena_array(arena, slots->count - i, sizeof *extra->items);
		if (!extra->items)
			return false;
		extra->items[extra->count++] = slots->items[i];
	}
	return true;
}

bool object_from_rim(const struct attribute_table *table, const struct rim_object *registry_object, struct arena *arena,
		     void *object)
{
	char *base = object;

	for (size_t i = 0; i < table->count; i++) {
		if (!row_from_rim(&table->rows[i], registry_object, arena, base + table->rows[i].offset))
			return false;
	}
	*(bool *)(base + table->limited_offset) = rim_has_node(registry_object, table->limited_node);
	*(const struct rim_object **)(base + table->origin_offset) = registry_object;
	return extra_from_rim(table, &registry_object->slots, arena, (struct rim_slots *)(base + table->extra_offset));
}

/* An object in the making. The arrays were made large enough before. */
struct rim_builder {
	const struct attribute_table *table;
	const struct rim_object *origin; /* may be NULL */
	struct rim_object *object;
	struct arena *arena;
};

static void add_classification(struct rim_builder *builder, const struct rim_classification *classification)
{
	struct rim_object *object = builder->object;
	struct rim_classification *copy = &object->classifications[object->classification_count++];

	*copy = *classification;
	copy->classified_object = object->id;
	if (!copy->object_type.size)
		copy->object_type = STR(RIM_OBJECT_TYPE "Classification");
}

static bool add_external_identifier(struct rim_builder *builder, const struct rim_external_identifier *identifier,
				    const struct attribute *row)
{
	struct rim_object *object = builder->object;
	struct rim_external_identifier *copy = &object->external_identifiers[object->external_identifier_count++];

	*copy = *identifier;
	copy->registry_object = object->id;
	if (!copy->object_type.size)
		copy->object_type = STR(RIM_OBJECT_TYPE "ExternalIdentifier");
	if (copy->name.count || !row)
		return true;
	copy->name.items = arena_array(builder->arena, 1, sizeof *copy->name.items);
	if (!copy->name.items)
		return false;
	copy->name.count = 1;
	copy->name.items[0].value =
		arena_printf(builder->arena, "%.*s.%.*s", STR_ARG(builder->table->name), STR_ARG(row->name));
	return copy->name.items[0].value.data != NULL;
}

static bool set_texts(struct rim_builder *builder, struct str value, struct rim_texts *texts)
{
	if (!value.size)
		return true;
	texts->items = arena_array(builder->arena, 1, sizeof *texts->items);
	if (!texts->items)
		return false;
	texts->items[0].value = value;
	texts->count = 1;
	return true;
}

static bool add_slot(struct rim_builder *builder, const struct attribute *row, struct str value)
{
	struct rim_slots *slots = &builder->object->slots;

	return !value.size || slot_make(row->key, value, builder->arena, &slots->items[slots->count++]);
}

/* A single value. What origin has at that place is used again, whole, as long as it still says the same. */
static bool string_to_rim(struct rim_builder *builder, const struct attribute *row, struct str value)
{
	static const struct rim_object nothing;
	const struct rim_object *origin = builder->origin ? builder->origin : &nothing;
	struct rim_object *object = builder->object;
	bool same = str_equal(string_at(row, origin), value);
	const struct rim_slot *slot;
	const struct rim_external_identifier *identifier;

	switch (row->place) {
	case PLACE_ATTRIBUTE:
		*xml_attribute_of(object, row->key) = value;
		return true;
	case PLACE_VERSION:
		object->version_name = value;
		return true;
	case PLACE_SLOT:
		slot = same ? rim_slot_find(&origin->slots, row->key) : NULL;
		if (!slot)
			return add_slot(builder, row, value);
		object->slots.items[object->slots.count++] = *slot;
		return true;
	case PLACE_NAME:
		if (!same)
			return set_texts(builder, value, &object->name);
		object->name = origin->name;
		return true;
	case PLACE_DESCRIPTION:
		if (!same)
			return set_texts(builder, value, &object->description);
		object->description = origin->description;
		return true;
	case PLACE_EXTERNAL_ID:
		identifier = same ? rim_external_identifier_find(origin, row->key) : NULL;
		if (identifier)
			return add_external_identifier(builder, identifier, row);
		struct rim_external_identifier fresh = { .scheme = row->key, .value = value };

		return !value.size || add_external_identifier(builder, &fresh, row);
	case PLACE_CLASSIFICATION:
		break;
	}
	return true;
}

static void strings_to_rim(struct rim_builder *builder, const struct attribute *row, const struct strs *values)
{
	struct rim_slots *slots = &builder->object->slots;
	const struct rim_slot *slot = builder->origin ? rim_slot_find(&builder->origin->slots, row->key) : NULL;

	if (slot && strs_equal(&slot->values, values))
		slots->items[slots->count++] = *slot;
	else if (values->count)
		slots->items[slots->count++] = (struct rim_slot) { .name = row->key, .values = *values };
}

static bool codes_to_rim(struct rim_builder *builder, const struct attribute *row, const struct code *codes,
			 size_t count)
{
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		const struct rim_classification *old = next_classification(builder->origin, row->key, &at);
		struct code old_code = old ? code_from_classification(old) : (struct code) { 0 };
		struct rim_classification fresh;

		if (old && code_equal(&old_code, &codes[i])) {
			add_classification(builder, old);
			continue;
		}
		if (row->shape == SHAPE_CODE && !codes[i].code.size)
			continue;
		if (!code_to_classification(&codes[i], row->key, builder->arena, &fresh))
			return false;
		add_classification(builder, &fresh);
	}
	return true;
}

static bool authors_to_rim(struct rim_builder *builder, const struct attribute *row, const struct authors *authors)
{
	size_t at = 0;

	for (size_t i = 0; i < authors->count; i++) {
		const struct rim_classification *old = next_classification(builder->origin, row->key, &at);
		struct author old_author = old ? author_from_classification(old) : (struct author) { 0 };
		struct rim_classification fresh;

		if (old && author_equal(&old_author, &authors->items[i])) {
			add_classification(builder, old);
			continue;
		}
		if (!author_to_classification(&authors->items[i], row->key, builder->arena, &fresh))
			return false;
		add_classification(builder, &fresh);
	}
	return true;
}

static bool row_to_rim(struct rim_builder *builder, const struct attribute *row, const void *field)
{
	switch (row->shape) {
	case SHAPE_STRING:
		return string_to_rim(builder, row, *(const struct str *)field);
	case SHAPE_STRINGS:
		strings_to_rim(builder, row, field);
		return true;
	case SHAPE_CODE:
		return codes_to_rim(builder, row, field, 1);
	case SHAPE_CODES:
		return codes_to_rim(builder, row, ((const struct codes *)field)->items,
				    ((const struct codes *)field)->count);
	case SHAPE_AUTHORS:
		return authors_to_rim(builder, row, field);
	}
	return true;
}

/* The Classification that says what a package is, or that its metadata is limited. */
static void node_to_rim(struct rim_builder *builder, struct str node)
{
	struct rim_classification fresh = { .node = node };

	for (size_t i = 0; builder->origin && i < builder->origin->classification_count; i++) {
		if (str_equal(builder->origin->classifications[i].node, node)) {
			add_classification(builder, &builder->origin->classifications[i]);
			return;
		}
	}
	add_classification(builder, &fresh);
}

/* What origin has and no row speaks for: schemes of other standards, a second value where XDS knows one. */
static bool rest_to_rim(struct rim_builder *builder)
{
	const struct attribute_table *table = builder->table;
	const struct rim_object *origin = builder->origin;
	uint64_t seen = 0;

	for (size_t i = 0; i < origin->classification_count; i++) {
		const struct rim_classification *classification = &origin->classifications[i];
		struct str node = classification->node;
		size_t row = row_at(table, PLACE_CLASSIFICATION, classification->scheme);

		if (classification->scheme.size && row < table->count) {
			uint64_t bit = (uint64_t)1 << row;

			if (table->rows[row].shape != SHAPE_CODE || bit & ~seen) {
				seen |= bit;
				continue;
			}
		} else if (node.size && (str_equal(node, table->node) || str_equal(node, table->limited_node))) {
			continue;
		}
		add_classification(builder, classification);
	}
	for (size_t i = 0; i < origin->external_identifier_count; i++) {
		const struct rim_external_identifier *identifier = &origin->external_identifiers[i];
		size_t row = row_at(table, PLACE_EXTERNAL_ID, identifier->scheme);
		uint64_t bit = row < table->count ? (uint64_t)1 << row : 0;

		if (bit & ~seen) {
			seen |= bit;
			continue;
		}
		if (!add_external_identifier(builder, identifier, NULL))
			return false;
	}
	builder->object->is_opaque = origin->is_opaque;
	builder->object->version_comment = origin->version_comment;
	builder->object->content_version = origin->content_version;
	return true;
}

/* Room for all that may be added. */
static bool make_room(struct rim_builder *builder, const char *base, const struct rim_slots *extra)
{
	struct rim_object *object = builder->object;
	size_t classifications = 2 + (builder->origin ? builder->origin->classification_count : 0);
	size_t identifiers = builder->origin ? builder->origin->external_identifier_count : 0;
	size_t slots = extra->count;

	for (size_t i = 0; i < builder->table->count; i++) {
		const struct attribute *row = &builder->table->rows[i];
		const char *field = base + row->offset;

		slots += row->place == PLACE_SLOT;
		identifiers += row->place == PLACE_EXTERNAL_ID;
		if (row->shape == SHAPE_CODES)
			classifications += ((const struct codes *)field)->count;
		else if (row->shape == SHAPE_AUTHORS)
			classifications += ((const struct authors *)field)->count;
		else
			classifications += row->shape == SHAPE_CODE;
	}
	object->slots.items = arena_array(builder->arena, slots, sizeof *object->slots.items);
	object->classifications = arena_array(builder->arena, classifications, sizeof *object->classifications);
	object->external_identifiers = arena_array(builder->arena, identifiers, sizeof *object->external_identifiers);
	return object->slots.items && object->classifications && object->external_identifiers;
}

bool object_to_rim(const struct attribute_table *table, const void *object, struct arena *arena,
		   struct rim_object *registry_object)
{
	const char *base = object;
	const struct rim_slots *extra = (const struct rim_slots *)(base + table->extra_offset);
	struct rim_builder builder = {
		.table = table,
		.origin = *(const struct rim_object *const *)(base + table->origin_offset),
		.object = registry_object,
		.arena = arena,
	};

	*registry_object = (struct rim_object) { .kind = table->kind };
	if (table->kind == RIM_REGISTRY_PACKAGE)
		registry_object->object_type = builder.origin && builder.origin->object_type.size
						       ? builder.origin->object_type
						       : STR(RIM_OBJECT_TYPE "RegistryPackage");
	if (!make_room(&builder, base, extra))
		return false;
	/* The id comes first: Classifications and ExternalIdentifiers point back to it. */
	registry_object->id =
		*(const struct str *)(base + table->rows[row_at(table, PLACE_ATTRIBUTE, STR("id"))].offset);
	for (size_t i = 0; i < table->count; i++) {
		if (!row_to_rim(&builder, &table->rows[i], base + table->rows[i].offset))
			return false;
	}
	if (table->node.size)
		node_to_rim(&builder, table->node);
	if (*(const bool *)(base + table->limited_offset))
		node_to_rim(&builder, table->limited_node);
	for (size_t i = 0; i < extra->count; i++)
		registry_object->slots.items[registry_object->slots.count++] = extra->items[i];
	return !builder.origin || rest_to_rim(&builder);
}
