#include "gateway/domain/submission.h"

#include "gateway/domain/refusal.h"
#include "gateway/domain/update_rules.h"
#include "gateway/run/random.h"
#include "mappers/base/uuid.h"

#define METADATA_ERROR     "XDSRegistryMetadataError"
#define OBJECT_TYPE_PREFIX "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:"
#define UNIQUE_IN_MESSAGE  "XDSRegistryDuplicateUniqueIdInMessage"

static const char *const association_urns[] = {
#define ASSOCIATION(name, urn, ...) urn,
#include "profiles/xds/association.def"
#undef ASSOCIATION
};

/* Where uniqueId and patientId of a kind stand. */
static const char *const unique_id_schemes[] = {
	[OBJECT_ENTRY] = SCHEME_ENTRY_UNIQUE_ID,
	[OBJECT_SET] = SCHEME_SET_UNIQUE_ID,
	[OBJECT_FOLDER] = SCHEME_FOLDER_UNIQUE_ID,
};
static const char *const patient_id_schemes[] = {
	[OBJECT_ENTRY] = SCHEME_ENTRY_PATIENT_ID,
	[OBJECT_SET] = SCHEME_SET_PATIENT_ID,
	[OBJECT_FOLDER] = SCHEME_FOLDER_PATIENT_ID,
};

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later, or send fewer objects at once.");
}

bool slot_set(struct rim_slots *slots, struct str name, struct str value, struct arena *arena)
{
	struct rim_slot *items = arena_array(arena, slots->count + 1, sizeof *items);
	struct str *values = arena_array(arena, 1, sizeof *values);
	size_t at = 0;

	if (!items || !values)
		return false;
	values[0] = value;
	if (slots->count)
		memcpy(items, slots->items, slots->count * sizeof *items);
	while (at < slots->count && !str_equal(items[at].name, name))
		at++;
	items[at] = (struct rim_slot) { .name = name, .values = { .items = values, .count = 1 } };
	slots->items = items;
	if (at == slots->count)
		slots->count++;
	return true;
}

struct rim_object *association_new(struct arena *arena, const char *type, struct str source, struct str target,
				   struct str home)
{
	struct rim_object *association = arena_alloc(arena, sizeof *association);

	if (!association)
		return NULL;
	*association = (struct rim_object) {
		.kind = RIM_ASSOCIATION,
		.id = random_uuid(arena),
		.home = home,
		.object_type = STR(OBJECT_TYPE_PREFIX "Association"),
		.status = STR(STATUS_APPROVED),
		.association_type = str_from_c(type),
		.source_object = source,
		.target_object = target,
		.version_name = STR("1"),
	};
	association->lid = association->id;
	return association->id.data ? association : NULL;
}

static enum association_type association_type_of(struct str urn)
{
	for (size_t i = 0; i < COUNT_OF(association_urns); i++) {
		if (str_equal(urn, str_from_c(association_urns[i])))
			return (enum association_type)i;
	}
	return ASSOCIATION_UNKNOWN;
}

/* Says what the object is, by its element and its objectType or node. */
static bool kind_read(struct submitted *object, bool is_update, struct outcome *outcome)
{
	const struct rim_object *rim = object->rim;

	switch (rim->kind) {
	case RIM_EXTRINSIC_OBJECT:
		object->kind = OBJECT_ENTRY;
		if (str_equal_nocase(rim->object_type, STR(OBJECT_TYPE_STABLE)))
			return true;
		return refuse(outcome, METADATA_ERROR, rim->id,
			      "Set objectType to that of a stable document entry: nothing else is registered here.");
	case RIM_REGISTRY_PACKAGE:
		object->kind = rim_has_node(rim, STR(NODE_SET)) ? OBJECT_SET : OBJECT_FOLDER;
		if (rim_has_node(rim, STR(NODE_SET)) != rim_has_node(rim, STR(NODE_FOLDER)))
			return true;
		return refuse(outcome, METADATA_ERROR, rim->id,
			      "Classify the RegistryPackage either as a submission set or as a folder.");
	case RIM_ASSOCIATION:
		object->kind = OBJECT_ASSOCIATION;
		object->type = association_type_of(rim->association_type);
		if (is_update || object->type < ASSOCIATION_UPDATE_STATUS)
			return true;
		return refuse(outcome, METADATA_ERROR, rim->id, "Use an associationType that a submission may carry.");
	case RIM_OBJECT_REF:
	case RIM_KIND_COUNT:
		break;
	}
	return refuse(outcome, METADATA_ERROR, rim->id, "Remove the element: it is no object of XDS.");
}

/* Copies the objects, so that they can be changed; ObjectRefs only announce ids and are left out. */
static bool objects_copy(const struct rim_list *list, bool is_update, struct arena *arena,
			 struct submission *submission, struct outcome *outcome)
{
	bool ok = true;

	if (list->count > SUBMISSION_OBJECTS_MAX)
		return refuse(outcome, "XDSRegistryOutOfResources", STR_NONE, "Send at most %d objects at once.",
			      SUBMISSION_OBJECTS_MAX);
	if (list->loose_count > 0)
		ok = refuse(outcome, METADATA_ERROR, STR_NONE,
			    "Let every Classification name an object of the message in classifiedObject.");
	submission->objects = arena_array(arena, list->count, sizeof *submission->objects);
	if (!submission->objects)
		return no_memory(outcome);
	for (size_t i = 0; i < list->count; i++) {
		struct submitted *object = &submission->objects[submission->count];

		if (list->objects[i].kind == RIM_OBJECT_REF)
			continue;
		object->rim = arena_alloc(arena, sizeof *object->rim);
		if (!object->rim)
			return no_memory(outcome);
		*object->rim = list->objects[i];
		object->sent_id = object->rim->id;
		object->version = 1;
		submission->count++;
		ok = kind_read(object, is_update, outcome) && (!is_update || update_kind_check(object, outcome)) && ok;
	}
	return ok;
}

static struct str identifier_value(const struct rim_object *rim, const char *scheme)
{
	const struct rim_external_identifier *found = rim_external_identifier_find(rim, str_from_c(scheme));

	return found ? found->value : STR_NONE;
}

static struct str lower_copy(struct str text, struct arena *arena)
{
	char *copy = text.data ? arena_alloc(arena, text.size + 1) : NULL;

	for (size_t i = 0; copy && i < text.size; i++) {
		char c = text.data[i];

		copy[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	return (struct str) { copy, copy ? text.size : 0 };
}

/* Checks the object by itself and takes out what the rules between objects need. */
static bool object_read(struct submitted *object, const struct submission_rules *rules, struct arena *arena,
			struct outcome *outcome)
{
	if (object->kind == OBJECT_ASSOCIATION)
		return association_attributes_check(object->rim, rules->is_update, outcome);
	if (!attribute_rules_check(object->rim, object->kind, rules->code_sets, arena, outcome))
		return false;
	object->unique_id = identifier_value(object->rim, unique_id_schemes[object->kind]);
	if (!patient_id_normalise(identifier_value(object->rim, patient_id_schemes[object->kind]), arena,
				  &object->patient_id, &object->patient_value, &object->patient_authority))
		return no_memory(outcome);
	if (object->kind == OBJECT_ENTRY) {
		object->hash = lower_copy(slot_value(&object->rim->slots, STR("hash")), arena);
		object->size = slot_value(&object->rim->slots, STR("size"));
		if (!object->hash.data)
			return no_memory(outcome);
	}
	return true;
}

/* Symbolic ids are compared as they stand, UUIDs in any case. */
static bool id_equal(struct str a, struct str b)
{
	return str_equal(a, b) || (str_equal_nocase(a, b) && uuid_valid(a));
}

static struct submitted *object_find(const struct submission *submission, struct str id)
{
	for (size_t i = 0; i < submission->count; i++) {
		if (id_equal(submission->objects[i].sent_id, id))
			return &submission->objects[i];
	}
	return NULL;
}

/* Rules between the objects, those about associations apart. */
static bool whole_check(struct submission *submission, struct outcome *outcome)
{
	bool ok = true;

	for (size_t i = 0; i < submission->count; i++) {
		struct submitted *object = &submission->objects[i];

		if (object->kind == OBJECT_SET && submission->set)
			return refuse(outcome, METADATA_ERROR, object->sent_id, "Send exactly one submission set.");
		if (object->kind == OBJECT_SET)
			submission->set = object;
	}
	if (!submission->set)
		return refuse(outcome, METADATA_ERROR, STR_NONE, "Send exactly one submission set.");
	for (size_t i = 0; i < submission->count; i++) {
		struct submitted *object = &submission->objects[i];

		if (!str_is_empty(object->sent_id) && object_find(submission, object->sent_id) != object)
			ok = refuse(outcome, METADATA_ERROR, object->sent_id, "Give every object an id of its own.");
		if (object->kind == OBJECT_ASSOCIATION)
			continue;
		if (str_is_empty(object->sent_id))
			ok = refuse(outcome, METADATA_ERROR, STR_NONE, "Give every object an id.");
		if (!str_equal(object->patient_id, submission->set->patient_id))
			ok = refuse(outcome, "XDSPatientIdDoesNotMatch", object->sent_id,
				    "Give it the patient id of the submission set.");
		for (size_t k = 0; k < i; k++) {
			if (submission->objects[k].kind != OBJECT_ASSOCIATION &&
			    str_equal(submission->objects[k].unique_id, object->unique_id))
				ok = refuse(outcome, UNIQUE_IN_MESSAGE, object->sent_id,
					    "Give it a uniqueId of its own.");
		}
	}
	return ok;
}

/* A set that holds an entry says whether the entry is new. TF-3 4.2.2.1.1 */
static bool set_member_check(const struct submitted *association, struct outcome *outcome)
{
	struct str status = slot_value(&association->rim->slots, STR("SubmissionSetStatus"));
	bool original = str_equal(status, STR("Original"));

	if (association->target && association->target->kind == OBJECT_ENTRY && !original)
		return refuse(outcome, METADATA_ERROR, association->sent_id,
			      "Set SubmissionSetStatus to Original: the entry is in this message.");
	if (!association->target && original)
		return refuse(outcome, METADATA_ERROR, association->sent_id,
			      "Set SubmissionSetStatus to Reference: the object is not in this message.");
	if (status.data && !original && !str_equal(status, STR("Reference")))
		return refuse(outcome, METADATA_ERROR, association->sent_id,
			      "Set SubmissionSetStatus to Original or Reference.");
	return true;
}

/* HasMember: a set holds everything, a folder holds entries. TF-3 4.2.2.1 */
static bool has_member_check(const struct submission *submission, const struct submitted *association,
			     struct outcome *outcome)
{
	if (association->source == submission->set)
		return set_member_check(association, outcome);
	if (association->source && association->source->kind != OBJECT_FOLDER)
		return refuse(outcome, METADATA_ERROR, association->sent_id,
			      "Let a submission set or a folder be the source of HasMember.");
	if (association->target && association->target->kind != OBJECT_ENTRY)
		return refuse(outcome, METADATA_ERROR, association->sent_id,
			      "Let a document entry be the target of a folder's HasMember.");
	return true;
}

/* Relations between documents: the new one is the source. TF-3 4.2.2.2 */
static bool relation_check(const struct submitted *association, struct outcome *outcome)
{
	bool target_registered = association->type == ASSOCIATION_REPLACE ||
				 association->type == ASSOCIATION_TRANSFORM_REPLACE ||
				 association->type == ASSOCIATION_IS_SNAPSHOT_OF;

	if (!association->source || association->source->kind != OBJECT_ENTRY)
		return refuse(outcome, METADATA_ERROR, association->sent_id,
			      "Let a document entry of this message be the source.");
	if (association->target && association->target->kind != OBJECT_ENTRY)
		return refuse(outcome, METADATA_ERROR, association->sent_id, "Let a document entry be the target.");
	if (association->target && target_registered)
		return refuse(outcome, METADATA_ERROR, association->sent_id,
			      "Let the target be registered already: it is in this message.");
	return true;
}

/* An end that is no object of the message must be the UUID of a registered one. */
static bool end_resolve(const struct submission *submission, const struct submitted *association, struct str id,
			const char *which, struct submitted **end, struct outcome *outcome)
{
	*end = object_find(submission, id);
	if (*end || uuid_valid(id))
		return true;
	return refuse(outcome, "UnresolvedReferenceException", association->sent_id,
		      "Let %s name an object of the message, or a registered one by its UUID.", which);
}

static bool association_check(const struct submission *submission, bool is_update, struct submitted *association,
			      struct outcome *outcome)
{
	if (is_update)
		return update_association_check(submission, association, outcome);
	return association->type == ASSOCIATION_HAS_MEMBER ? has_member_check(submission, association, outcome)
							   : relation_check(association, outcome);
}

static bool associations_check(const struct submission *submission, bool is_update, struct outcome *outcome)
{
	bool ok = true;

	for (size_t i = 0; i < submission->count; i++) {
		struct submitted *association = &submission->objects[i];

		if (association->kind != OBJECT_ASSOCIATION)
			continue;
		const struct rim_object *rim = association->rim;

		if (str_equal(rim->source_object, rim->target_object)) {
			ok = refuse(outcome, METADATA_ERROR, association->sent_id,
				    "Let source and target be different objects.");
			continue;
		}
		if (!end_resolve(submission, association, rim->source_object, "sourceObject", &association->source,
				 outcome) ||
		    !end_resolve(submission, association, rim->target_object, "targetObject", &association->target,
				 outcome)) {
			ok = false;
			continue;
		}
		ok = association_check(submission, is_update, association, outcome) && ok;
	}
	return ok;
}

/* Every entry and folder is a member of the set, once. TF-3 4.2.2.1 */
static bool membership_check(const struct submission *submission, struct outcome *outcome)
{
	bool ok = true;

	for (size_t i = 0; i < submission->count; i++) {
		const struct submitted *object = &submission->objects[i];
		size_t count = 0;

		if (object->kind != OBJECT_ENTRY && object->kind != OBJECT_FOLDER)
			continue;
		for (size_t k = 0; k < submission->count; k++) {
			const struct submitted *association = &submission->objects[k];

			count += association->kind == OBJECT_ASSOCIATION &&
				 association->type == ASSOCIATION_HAS_MEMBER &&
				 association->source == submission->set && association->target == object;
		}
		if (count != 1)
			ok = refuse(outcome, METADATA_ERROR, object->sent_id,
				    "Make it the target of exactly one HasMember of the submission set.");
	}
	return ok;
}

/* The UUID that replaces a sent id: itself in lower case, or a fresh one. */
static struct str registered_id(struct str sent_id, struct arena *arena)
{
	return uuid_valid(sent_id) ? lower_copy(sent_id, arena) : random_uuid(arena);
}

/* Classifications and ExternalIdentifiers get ids of their own and point to the object's new id. */
static bool parts_settle(struct rim_object *rim, struct arena *arena)
{
	struct rim_classification *classifications =
		arena_array(arena, rim->classification_count, sizeof *classifications);
	struct rim_external_identifier *identifiers =
		arena_array(arena, rim->external_identifier_count, sizeof *identifiers);

	if (!classifications || !identifiers)
		return false;
	for (size_t i = 0; i < rim->classification_count; i++) {
		classifications[i] = rim->classifications[i];
		classifications[i].id = registered_id(classifications[i].id, arena);
		classifications[i].lid = STR_NONE;
		classifications[i].home = STR_NONE;
		classifications[i].status = STR_NONE;
		classifications[i].classified_object = rim->id;
		classifications[i].object_type = STR(OBJECT_TYPE_PREFIX "Classification");
		if (!classifications[i].id.data)
			return false;
	}
	for (size_t i = 0; i < rim->external_identifier_count; i++) {
		identifiers[i] = rim->external_identifiers[i];
		identifiers[i].id = registered_id(identifiers[i].id, arena);
		identifiers[i].lid = STR_NONE;
		identifiers[i].home = STR_NONE;
		identifiers[i].status = STR_NONE;
		identifiers[i].registry_object = rim->id;
		identifiers[i].object_type = STR(OBJECT_TYPE_PREFIX "ExternalIdentifier");
		if (!identifiers[i].id.data)
			return false;
	}
	rim->classifications = classifications;
	rim->external_identifiers = identifiers;
	return true;
}

/* Gives the objects what the registry gives: UUID, logical id, version, status. ITI TF-2 3.42.4.1.3, 3.57.4.1.3.1 */
static bool objects_settle(struct submission *submission, const struct submission_rules *rules, struct arena *arena)
{
	for (size_t i = 0; i < submission->count; i++) {
		struct rim_object *rim = submission->objects[i].rim;

		rim->id = registered_id(rim->id, arena);
		/* A new version keeps the logical id of the first one, which is a UUID: update_rules.h. */
		rim->lid =
			rules->is_update && rim->kind == RIM_EXTRINSIC_OBJECT ? lower_copy(rim->lid, arena) : rim->id;
		rim->version_name = arena_printf(arena, "%lld", (long long)submission->objects[i].version);
		rim->status = STR(STATUS_APPROVED);
		if (rules->home_community_id.data)
			rim->home = rules->home_community_id;
		if (rim->kind == RIM_REGISTRY_PACKAGE)
			rim->object_type = STR(OBJECT_TYPE_PREFIX "RegistryPackage");
		if (rim->kind == RIM_ASSOCIATION)
			rim->object_type = STR(OBJECT_TYPE_PREFIX "Association");
		if (!rim->id.data || !rim->lid.data || !rim->version_name.data || !parts_settle(rim, arena))
			return false;
		if (submission->objects[i].kind == OBJECT_FOLDER &&
		    !slot_set(&rim->slots, STR("lastUpdateTime"), submission->now, arena))
			return false;
	}
	for (size_t i = 0; i < submission->count; i++) {
		struct submitted *association = &submission->objects[i];

		if (association->kind != OBJECT_ASSOCIATION)
			continue;
		struct rim_object *rim = association->rim;

		rim->source_object =
			association->source ? association->source->rim->id : lower_copy(rim->source_object, arena);
		rim->target_object =
			association->target ? association->target->rim->id : lower_copy(rim->target_object, arena);
		if (!rim->source_object.data || !rim->target_object.data)
			return false;
	}
	return true;
}

bool submission_read(const struct rim_list *list, const struct submission_rules *rules, struct str now,
		     struct arena *arena, struct submission *submission, struct outcome *outcome)
{
	bool ok;

	*submission = (struct submission) { .now = now, .patients = rules->patients };
	if (!objects_copy(list, rules->is_update, arena, submission, outcome))
		return false;
	ok = true;
	for (size_t i = 0; i < submission->count; i++)
		ok = object_read(&submission->objects[i], rules, arena, outcome) && ok;
	if (!ok || !whole_check(submission, outcome))
		return false;
	ok = associations_check(submission, rules->is_update, outcome);
	if (!ok || !membership_check(submission, outcome))
		return false;
	return objects_settle(submission, rules, arena) || no_memory(outcome);
}
