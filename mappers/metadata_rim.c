#include "mappers/metadata_rim.h"

#include "mappers/association.h"
#include "mappers/codec_rim.h"

#define ASSOCIATION_DOCUMENTATION "urn:uuid:abd807a3-4432-4053-87b4-fd82c643d1f3"

/* Slots of an Association, with the member of each. TF-3 4.2.2.1, ITI TF-2 3.57.4.1.3 */
struct association_slot {
	struct str name;
	size_t offset;
};

static const struct association_slot association_slots[] = {
	{ STR_INIT("SubmissionSetStatus"), offsetof(struct association, submission_set_status) },
	{ STR_INIT("PreviousVersion"), offsetof(struct association, previous_version) },
	{ STR_INIT("OriginalStatus"), offsetof(struct association, original_status) },
	{ STR_INIT("NewStatus"), offsetof(struct association, new_status) },
};

static bool rim_is_submission_set(const struct rim_object *object)
{
	return object->kind == RIM_REGISTRY_PACKAGE && rim_has_node(object, submission_set_table.node);
}

static bool rim_is_folder(const struct rim_object *object)
{
	return object->kind == RIM_REGISTRY_PACKAGE && rim_has_node(object, folder_table.node);
}

bool status_is_approved(struct str status)
{
	return str_equal(status, STR("Approved")) || str_ends_with(status, STR(":Approved"));
}

bool status_is_deprecated(struct str status)
{
	return str_equal(status, STR("Deprecated")) || str_ends_with(status, STR(":Deprecated"));
}

bool document_entry_from_rim(const struct rim_object *object, struct arena *arena, struct document_entry *entry)
{
	*entry = (struct document_entry) { 0 };
	return object_from_rim(&document_entry_table, object, arena, entry);
}

bool submission_set_from_rim(const struct rim_object *object, struct arena *arena, struct submission_set *set)
{
	*set = (struct submission_set) { 0 };
	return object_from_rim(&submission_set_table, object, arena, set);
}

bool folder_from_rim(const struct rim_object *object, struct arena *arena, struct folder *folder)
{
	*folder = (struct folder) { 0 };
	return object_from_rim(&folder_table, object, arena, folder);
}

bool document_entry_to_rim(const struct document_entry *entry, struct arena *arena, struct rim_object *object)
{
	return object_to_rim(&document_entry_table, entry, arena, object);
}

bool submission_set_to_rim(const struct submission_set *set, struct arena *arena, struct rim_object *object)
{
	return object_to_rim(&submission_set_table, set, arena, object);
}

bool folder_to_rim(const struct folder *folder, struct arena *arena, struct rim_object *object)
{
	return object_to_rim(&folder_table, folder, arena, object);
}

/* True when slot i is the first of its name and has a member. */
static const struct association_slot *association_slot_of(const struct rim_slots *slots, size_t i)
{
	for (size_t k = 0; k < COUNT_OF(association_slots); k++) {
		if (str_equal(slots->items[i].name, association_slots[k].name))
			return rim_slot_find(slots, slots->items[i].name) == &slots->items[i] ? &association_slots[k]
											      : NULL;
	}
	return NULL;
}

static bool association_from_rim(const struct rim_object *object, struct arena *arena, struct association *association)
{
	const struct rim_classification *documentation =
		rim_classification_find(object, STR(ASSOCIATION_DOCUMENTATION));

	*association = (struct association) {
		.id = object->id,
		.type = association_type_of(object->association_type),
		.type_urn = object->association_type,
		.source = object->source_object,
		.target = object->target_object,
		.availability_status = object->status,
		.home_community_id = object->home,
		.origin = object,
	};
	if (documentation)
		association->documentation = code_from_classification(documentation);
	for (size_t i = 0; i < object->slots.count; i++) {
		const struct association_slot *slot = association_slot_of(&object->slots, i);
		struct rim_slots *extra = &association->extra;

		if (slot) {
			*(struct str *)((char *)association + slot->offset) = slot_first(&object->slots, slot->name);
			continue;
		}
		if (!extra->items)
			extra->items = arena_array(arena, object->slots.count - i, sizeof *extra->items);
		if (!extra->items)
			return false;
		extra->items[extra->count++] = object->slots.items[i];
	}
	return true;
}

static bool association_slots_to_rim(const struct association *association, struct arena *arena,
				     struct rim_object *object)
{
	struct rim_slots *slots = &object->slots;

	slots->items = arena_array(arena, COUNT_OF(association_slots) + association->extra.count, sizeof *slots->items);
	if (!slots->items)
		return false;
	for (size_t i = 0; i < COUNT_OF(association_slots); i++) {
		struct str value = *(const struct str *)((const char *)association + association_slots[i].offset);
		const struct rim_slot *old =
			association->origin ? rim_slot_find(&association->origin->slots, association_slots[i].name)
					    : NULL;

		if (old && str_equal(slot_first(&association->origin->slots, old->name), value))
			slots->items[slots->count++] = *old;
		else if (value.size &&
			 !slot_make(association_slots[i].name, value, arena, &slots->items[slots->count++]))
			return false;
	}
	for (size_t i = 0; i < association->extra.count; i++)
		slots->items[slots->count++] = association->extra.items[i];
	return true;
}

/* The documentation code, and any other Classification that origin has. */
static bool association_codes_to_rim(const struct association *association, struct arena *arena,
				     struct rim_object *object)
{
	static const struct rim_object nothing;
	const struct rim_object *origin = association->origin ? association->origin : &nothing;
	const struct rim_classification *old = rim_classification_find(origin, STR(ASSOCIATION_DOCUMENTATION));
	struct code old_code = old ? code_from_classification(old) : (struct code) { 0 };
	struct rim_classification *to = arena_array(arena, origin->classification_count + 1, sizeof *to);
	bool same = old && code_equal(&old_code, &association->documentation);

	if (!to)
		return false;
	object->classifications = to;
	for (size_t i = 0; i < origin->classification_count; i++) {
		if (&origin->classifications[i] != old || same)
			*to++ = origin->classifications[i];
	}
	if (!same && association->documentation.code.size &&
	    !code_to_classification(&association->documentation, STR(ASSOCIATION_DOCUMENTATION), arena, to++))
		return false;
	object->classification_count = (size_t)(to - object->classifications);
	for (size_t i = 0; i < object->classification_count; i++) {
		object->classifications[i].classified_object = object->id;
		if (!object->classifications[i].object_type.size)
			object->classifications[i].object_type = STR(RIM_OBJECT_TYPE "Classification");
	}
	return true;
}

static bool association_to_rim(const struct association *association, struct arena *arena, struct rim_object *object)
{
	static const struct rim_object nothing;
	const struct rim_object *origin = association->origin ? association->origin : &nothing;

	*object = (struct rim_object) {
		.kind = RIM_ASSOCIATION,
		.id = association->id,
		.lid = origin->lid,
		.home = association->home_community_id,
		.object_type = origin->object_type.size ? origin->object_type : STR(RIM_OBJECT_TYPE "Association"),
		.status = association->availability_status,
		.association_type =
			association->type_urn.size ? association->type_urn : association_urn(association->type),
		.source_object = association->source,
		.target_object = association->target,
		.version_name = origin->version_name,
		.version_comment = origin->version_comment,
		.name = origin->name,
		.description = origin->description,
		.external_identifiers = origin->external_identifiers,
		.external_identifier_count = origin->external_identifier_count,
	};
	return association_slots_to_rim(association, arena, object) &&
	       association_codes_to_rim(association, arena, object);
}

enum object_kind { KIND_ENTRY, KIND_SET, KIND_FOLDER, KIND_ASSOCIATION, KIND_OTHER, KIND_COUNT };

static enum object_kind object_kind_of(const struct rim_object *object)
{
	if (object->kind == RIM_EXTRINSIC_OBJECT)
		return KIND_ENTRY;
	if (object->kind == RIM_ASSOCIATION)
		return KIND_ASSOCIATION;
	if (rim_is_submission_set(object))
		return KIND_SET;
	return rim_is_folder(object) ? KIND_FOLDER : KIND_OTHER;
}

static bool make_arrays(const struct rim_list *list, struct arena *arena, struct metadata *metadata)
{
	size_t counts[KIND_COUNT] = { 0 };
	size_t refs = 0;

	for (size_t i = 0; i < list->count; i++) {
		counts[object_kind_of(&list->objects[i])]++;
		refs += list->objects[i].kind == RIM_OBJECT_REF;
	}
	metadata->document_entries = arena_array(arena, counts[KIND_ENTRY], sizeof *metadata->document_entries);
	metadata->submission_sets = arena_array(arena, counts[KIND_SET], sizeof *metadata->submission_sets);
	metadata->folders = arena_array(arena, counts[KIND_FOLDER], sizeof *metadata->folders);
	metadata->associations = arena_array(arena, counts[KIND_ASSOCIATION], sizeof *metadata->associations);
	metadata->others = arena_array(arena, counts[KIND_OTHER], sizeof *metadata->others);
	metadata->object_refs.items = arena_array(arena, refs, sizeof *metadata->object_refs.items);
	return metadata->document_entries && metadata->submission_sets && metadata->folders && metadata->associations &&
	       metadata->others && metadata->object_refs.items;
}

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "There is no memory for this request; try again later.");
}

bool metadata_from_rim(const struct rim_list *list, struct arena *arena, struct metadata *metadata,
		       struct outcome *outcome)
{
	bool ok;

	*metadata = (struct metadata) { .loose = list->loose, .loose_count = list->loose_count };
	ok = make_arrays(list, arena, metadata);
	for (size_t i = 0; i < list->count && ok; i++) {
		const struct rim_object *object = &list->objects[i];

		switch (object_kind_of(object)) {
		case KIND_ENTRY:
			ok = document_entry_from_rim(object, arena,
						     &metadata->document_entries[metadata->document_entry_count++]);
			break;
		case KIND_SET:
			ok = submission_set_from_rim(object, arena,
						     &metadata->submission_sets[metadata->submission_set_count++]);
			break;
		case KIND_FOLDER:
			ok = folder_from_rim(object, arena, &metadata->folders[metadata->folder_count++]);
			break;
		case KIND_ASSOCIATION:
			ok = association_from_rim(object, arena,
						  &metadata->associations[metadata->association_count++]);
			break;
		default:
			metadata->others[metadata->other_count++] = object;
			if (object->kind == RIM_OBJECT_REF)
				metadata->object_refs.items[metadata->object_refs.count++] = object->id;
		}
	}
	return ok || no_memory(outcome);
}

bool metadata_to_rim(const struct metadata *metadata, struct arena *arena, struct rim_list *list,
		     struct outcome *outcome)
{
	struct rim_object *to =
		arena_array(arena,
			    metadata->document_entry_count + metadata->submission_set_count + metadata->folder_count +
				    metadata->association_count + metadata->other_count,
			    sizeof *to);
	bool ok = to != NULL;

	*list = (struct rim_list) { .objects = to, .loose_count = metadata->loose_count };
	list->loose = arena_array(arena, metadata->loose_count, sizeof *list->loose);
	if (!ok || !list->loose)
		return no_memory(outcome);
	for (size_t i = 0; i < metadata->document_entry_count && ok; i++)
		ok = document_entry_to_rim(&metadata->document_entries[i], arena, to++);
	for (size_t i = 0; i < metadata->submission_set_count && ok; i++)
		ok = submission_set_to_rim(&metadata->submission_sets[i], arena, to++);
	for (size_t i = 0; i < metadata->folder_count && ok; i++)
		ok = folder_to_rim(&metadata->folders[i], arena, to++);
	for (size_t i = 0; i < metadata->association_count && ok; i++)
		ok = association_to_rim(&metadata->associations[i], arena, to++);
	for (size_t i = 0; i < metadata->other_count; i++)
		*to++ = *metadata->others[i];
	for (size_t i = 0; i < metadata->loose_count; i++)
		list->loose[i] = metadata->loose[i];
	list->count = (size_t)(to - list->objects);
	return ok || no_memory(outcome);
}
