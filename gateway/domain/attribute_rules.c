#include "gateway/domain/attribute_rules.h"

#include "gateway/domain/datatype_rules.h"
#include "gateway/domain/refusal.h"
#include "mappers/base/xds_time.h"

#define METADATA_ERROR       "XDSRegistryMetadataError"
#define SLOT_CHARACTERS_MAX  256 /* TF-3 4.2.3.1.5, ebRIM LongName */
#define SLOTS_MAX            1000
#define TITLE_CHARACTERS_MAX 128
#define UNIQUE_ID_BYTES_MAX  128

enum place { ATTRIBUTE, SLOT, CLASSIFICATION, EXTERNAL_ID, NAME, DESCRIPTION, VERSION };
enum need { R, R2, O };

struct attribute_rule {
	const char *name; /* of the attribute in XDS */
	enum place place;
	const char *key;
	enum datatype type;
	bool many;
	enum need need;
};

#define MANY_ONE  false
#define MANY_MANY true
#define ATTR(field, type, many, name, place, key, fhir, form, mhd, need, ...) \
	{ name, place, key, DATATYPE_##type, MANY_##many, need },

static const struct attribute_rule entry_rules[] = {
#include "profiles/xds/document_entry.def"
};
static const struct attribute_rule set_rules[] = {
#include "profiles/xds/submission_set.def"
};
static const struct attribute_rule folder_rules[] = {
#include "profiles/xds/folder.def"
};
#undef ATTR

struct rule_set {
	const struct attribute_rule *rules;
	size_t count;
	const char *name; /* in front of attribute names in ExternalIdentifier/Name */
};

static const struct rule_set rule_sets[] = {
	[OBJECT_ENTRY] = { entry_rules, COUNT_OF(entry_rules), "XDSDocumentEntry" },
	[OBJECT_SET] = { set_rules, COUNT_OF(set_rules), "XDSSubmissionSet" },
	[OBJECT_FOLDER] = { folder_rules, COUNT_OF(folder_rules), "XDSFolder" },
};

/* What a stable entry must have in a registry beside what its source must send. TF-3 4.3.1, ITI TF-2 3.42.4.1.2 */
static const char *const required_in_registry[] = { "hash", "size", "repositoryUniqueId" };

struct str slot_value(const struct rim_slots *slots, struct str name)
{
	const struct rim_slot *slot = rim_slot_find(slots, name);

	return slot && slot->values.count ? slot->values.items[0] : STR_NONE;
}

static bool is_required(const struct attribute_rule *rule, enum object_kind kind)
{
	if (rule->need == R)
		return true;
	for (size_t i = 0; kind == OBJECT_ENTRY && i < COUNT_OF(required_in_registry); i++) {
		if (strcmp(rule->name, required_in_registry[i]) == 0)
			return true;
	}
	return false;
}

static size_t characters(struct str text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.size; i++)
		count += ((unsigned char)text.data[i] & 0xC0) != 0x80;
	return count;
}

static bool value_check(const struct rim_object *object, const char *name, enum datatype type, struct str value,
			struct arena *arena, struct outcome *outcome)
{
	const char *fault = datatype_check(type, value, arena);

	if (!fault)
		return true;
	return refuse(outcome, METADATA_ERROR, object->id, "Correct %s: %s", name, fault);
}

/* Every Slot: one of its name, with values, none too long, and a name that XDS or a URN gives. TF-3 4.2.3.1.5 */
static bool slots_check(const struct rim_object *object, const struct rule_set *set, struct outcome *outcome)
{
	bool ok = true;

	/* each is compared with all the others */
	if (object->slots.count > SLOTS_MAX)
		return refuse(outcome, METADATA_ERROR, object->id, "Send at most %d slots with one object.", SLOTS_MAX);
	for (size_t i = 0; i < object->slots.count; i++) {
		const struct rim_slot *slot = &object->slots.items[i];
		bool known = str_starts_with(slot->name, STR("urn:"));

		for (size_t k = 0; k < set->count && !known; k++)
			known = set->rules[k].place == SLOT && str_equal(slot->name, str_from_c(set->rules[k].key));
		if (!known)
			ok = refuse(outcome, METADATA_ERROR, object->id,
				    "Remove slot %zu: its name is no attribute of the object and does not begin with "
				    "urn:.",
				    i + 1);
		if (rim_slot_find(&object->slots, slot->name) != slot)
			ok = refuse(outcome, METADATA_ERROR, object->id, "Send slot %zu once: its name occurs twice.",
				    i + 1);
		if (slot->values.count == 0)
			ok = refuse(outcome, METADATA_ERROR, object->id, "Give slot %zu a value, or leave it out.",
				    i + 1);
		for (size_t k = 0; k < slot->values.count; k++) {
			if (characters(slot->values.items[k]) > SLOT_CHARACTERS_MAX)
				ok = refuse(outcome, METADATA_ERROR, object->id,
					    "Shorten value %zu of slot %zu to 256 characters.", k + 1, i + 1);
		}
	}
	return ok;
}

static bool slot_rule_check(const struct rim_object *object, const struct attribute_rule *rule, bool required,
			    struct arena *arena, struct outcome *outcome)
{
	const struct rim_slot *slot = rim_slot_find(&object->slots, str_from_c(rule->key));
	bool ok = true;

	if (!slot)
		return !required || refuse(outcome, METADATA_ERROR, object->id, "Add the slot %s.", rule->key);
	if (!rule->many && slot->values.count > 1)
		return refuse(outcome, METADATA_ERROR, object->id, "Give the slot %s one value.", rule->key);
	for (size_t i = 0; i < slot->values.count; i++)
		ok = value_check(object, rule->name, rule->type, slot->values.items[i], arena, outcome) && ok;
	return ok;
}

/* A coded attribute: code, scheme and name. TF-3 4.2.3.1.2 */
static bool code_check(const struct rim_object *object, const struct rim_classification *classification,
		       const char *name, const struct code_sets *code_sets, struct outcome *outcome)
{
	const struct rim_slot *scheme = rim_slot_find(&classification->slots, STR("codingScheme"));

	if (str_is_empty(classification->node_representation))
		return refuse(outcome, METADATA_ERROR, object->id, "Give %s its code in nodeRepresentation.", name);
	if (!scheme || scheme->values.count != 1 || str_is_empty(scheme->values.items[0]))
		return refuse(outcome, METADATA_ERROR, object->id, "Give %s one codingScheme.", name);
	if (classification->name.count == 0 || str_is_empty(classification->name.items[0].value))
		return refuse(outcome, METADATA_ERROR, object->id, "Give %s its display name in Name.", name);
	if (!code_sets_allow(code_sets, str_from_c(name), classification->node_representation, scheme->values.items[0]))
		return refuse(outcome, METADATA_ERROR, object->id, "Use a code of the affinity domain for %s.", name);
	return true;
}

struct author_rule {
	const char *slot;
	bool many;
	enum datatype type;
	bool names_someone; /* at least one of these must be there */
};

static const struct author_rule author_rules[] = {
	{ "authorPerson", false, DATATYPE_XCN, true },           { "authorInstitution", true, DATATYPE_XON, true },
	{ "authorTelecommunication", true, DATATYPE_XTN, true }, { "authorRole", true, DATATYPE_STRING, false },
	{ "authorSpecialty", true, DATATYPE_STRING, false },
};

/* One author Classification. TF-3 4.2.3.1.4 */
static bool author_check(const struct rim_object *object, const struct rim_classification *author, struct arena *arena,
			 struct outcome *outcome)
{
	bool named = false;
	bool ok = true;

	if (!str_is_empty(author->node_representation))
		ok = refuse(outcome, METADATA_ERROR, object->id, "Leave nodeRepresentation of author empty.");
	for (size_t i = 0; i < COUNT_OF(author_rules); i++) {
		const struct author_rule *rule = &author_rules[i];
		const struct rim_slot *slot = rim_slot_find(&author->slots, str_from_c(rule->slot));

		if (!slot)
			continue;
		named = named || rule->names_someone;
		if (!rule->many && slot->values.count > 1)
			ok = refuse(outcome, METADATA_ERROR, object->id, "Send one %s per author.", rule->slot);
		for (size_t k = 0; k < slot->values.count; k++) {
			if (characters(slot->values.items[k]) > SLOT_CHARACTERS_MAX)
				ok = refuse(outcome, METADATA_ERROR, object->id, "Shorten %s to 256 characters.",
					    rule->slot);
			ok = value_check(object, rule->slot, rule->type, slot->values.items[k], arena, outcome) && ok;
		}
	}
	if (!named)
		ok = refuse(outcome, METADATA_ERROR, object->id,
			    "Give author an authorPerson, authorInstitution or authorTelecommunication.");
	return ok;
}

static bool classification_rule_check(const struct rim_object *object, const struct attribute_rule *rule, bool required,
				      const struct code_sets *code_sets, struct arena *arena, struct outcome *outcome)
{
	size_t count = 0;
	bool ok = true;

	for (size_t i = 0; i < object->classification_count; i++) {
		const struct rim_classification *classification = &object->classifications[i];

		if (!str_equal_nocase(classification->scheme, str_from_c(rule->key)))
			continue;
		count++;
		if (rule->type == DATATYPE_AUTHOR)
			ok = author_check(object, classification, arena, outcome) && ok;
		else
			ok = code_check(object, classification, rule->name, code_sets, outcome) && ok;
	}
	if (required && count == 0)
		ok = refuse(outcome, METADATA_ERROR, object->id, "Add a Classification for %s.", rule->name);
	if (!rule->many && count > 1)
		ok = refuse(outcome, METADATA_ERROR, object->id, "Send one Classification for %s.", rule->name);
	return ok;
}

static bool external_id_rule_check(const struct rim_object *object, const struct rule_set *set,
				   const struct attribute_rule *rule, bool required, struct arena *arena,
				   struct outcome *outcome)
{
	const struct rim_external_identifier *found = NULL;
	size_t count = 0;

	for (size_t i = 0; i < object->external_identifier_count; i++) {
		if (str_equal_nocase(object->external_identifiers[i].scheme, str_from_c(rule->key))) {
			found = &object->external_identifiers[i];
			count++;
		}
	}
	if (count == 0)
		return !required ||
		       refuse(outcome, METADATA_ERROR, object->id, "Add an ExternalIdentifier for %s.", rule->name);
	if (count > 1)
		return refuse(outcome, METADATA_ERROR, object->id, "Send one ExternalIdentifier for %s.", rule->name);
	/* The Name is fixed text, for instance XDSDocumentEntry.uniqueId. TF-3 4.2.3.1.3 */
	if (found->name.count > 0) {
		struct str name = found->name.items[0].value;
		struct str prefix = str_from_c(set->name);

		if (!str_starts_with(name, prefix) || name.size <= prefix.size + 1 ||
		    !str_equal(str_from(name, prefix.size + 1), str_from_c(rule->name)))
			return refuse(outcome, METADATA_ERROR, object->id, "Name the ExternalIdentifier %s.%s.",
				      set->name, rule->name);
	}
	return value_check(object, rule->name, rule->type, found->value, arena, outcome);
}

static struct str attribute_value(const struct rim_object *object, struct str key)
{
	if (str_equal(key, STR("objectType")))
		return object->object_type;
	if (str_equal(key, STR("mimeType")))
		return object->mime_type;
	if (str_equal(key, STR("home")))
		return object->home;
	return STR_NONE; /* id, lid, status: the registry's own business */
}

static bool attribute_rule_check(const struct rim_object *object, const struct attribute_rule *rule,
				 const struct code_sets *code_sets, struct outcome *outcome)
{
	struct str value = attribute_value(object, str_from_c(rule->key));

	if (strcmp(rule->key, "mimeType") == 0) {
		const char *fault = datatype_check_media_type(value);

		if (fault)
			return refuse(outcome, METADATA_ERROR, object->id, "Correct mimeType: %s", fault);
		if (!code_sets_allow(code_sets, STR("mimeType"), value, STR_NONE))
			return refuse(outcome, METADATA_ERROR, object->id, "Use a mimeType of the affinity domain.");
	}
	if (strcmp(rule->key, "home") == 0 && !str_is_empty(value) && datatype_check_home(value))
		return refuse(outcome, METADATA_ERROR, object->id, "Correct home: %s", datatype_check_home(value));
	return true;
}

/* Classifications and ExternalIdentifiers must point back at their object, and carry a scheme or a node. */
static bool back_pointers_check(const struct rim_object *object, struct outcome *outcome)
{
	bool ok = true;

	for (size_t i = 0; i < object->classification_count; i++) {
		const struct rim_classification *classification = &object->classifications[i];

		if (!str_equal(classification->classified_object, object->id))
			ok = refuse(outcome, METADATA_ERROR, object->id,
				    "Set classifiedObject of Classification %zu to the id of its object.", i + 1);
		if (str_is_empty(classification->scheme) == str_is_empty(classification->node))
			ok = refuse(outcome, METADATA_ERROR, object->id,
				    "Give Classification %zu either classificationScheme or classificationNode.",
				    i + 1);
	}
	for (size_t i = 0; i < object->external_identifier_count; i++) {
		if (!str_equal(object->external_identifiers[i].registry_object, object->id))
			ok = refuse(outcome, METADATA_ERROR, object->id,
				    "Set registryObject of ExternalIdentifier %zu to the id of its object.", i + 1);
	}
	return ok;
}

/* A scheme of XDS may stand only in the kind of object it belongs to. */
static bool schemes_check(const struct rim_object *object, enum object_kind kind, struct outcome *outcome)
{
	bool ok = true;

	for (size_t other = OBJECT_ENTRY; other <= OBJECT_FOLDER; other++) {
		for (size_t k = 0; other != (size_t)kind && k < rule_sets[other].count; k++) {
			const struct attribute_rule *rule = &rule_sets[other].rules[k];

			if ((rule->place == CLASSIFICATION &&
			     rim_classification_find(object, str_from_c(rule->key)) != NULL) ||
			    (rule->place == EXTERNAL_ID &&
			     rim_external_identifier_find(object, str_from_c(rule->key)) != NULL))
				ok = refuse(outcome, METADATA_ERROR, object->id, "Remove %s: it belongs to %s.",
					    rule->name, rule_sets[other].name);
		}
	}
	return ok;
}

/* What no row says. */
static bool whole_object_check(const struct rim_object *object, enum object_kind kind, struct outcome *outcome)
{
	static const char *const limited_nodes[] = { "urn:uuid:ab9b591b-83ab-4d03-8f5d-f93b1fb92e85",
						     "urn:uuid:5003a9db-8d8d-49e6-bf0c-990e34ac7707",
						     "urn:uuid:2c144a76-29a9-4b7c-af54-b25409fe7d03" };
	bool ok = true;

	/* TF-3 table 4.3.1-3: prohibited for an XDS Document Source. */
	for (size_t i = 0; i < COUNT_OF(limited_nodes); i++) {
		if (rim_has_node(object, str_from_c(limited_nodes[i])))
			ok = refuse(outcome, METADATA_ERROR, object->id,
				    "Send complete metadata without limitedMetadata: an XDS registry does not take "
				    "it.");
	}
	if (object->name.count > 0 && characters(object->name.items[0].value) > TITLE_CHARACTERS_MAX)
		ok = refuse(outcome, METADATA_ERROR, object->id, "Shorten title to 128 characters.");
	if (kind != OBJECT_ENTRY)
		return ok;
	struct str language = slot_value(&object->slots, STR("languageCode"));
	const struct rim_external_identifier *unique_id =
		rim_external_identifier_find(object, STR(SCHEME_ENTRY_UNIQUE_ID));
	struct str start = slot_value(&object->slots, STR("serviceStartTime"));
	struct str stop = slot_value(&object->slots, STR("serviceStopTime"));
	char low[XDS_TIME_SIZE];
	char high[XDS_TIME_SIZE];
	char unused[XDS_TIME_SIZE];

	if (language.data && datatype_check_language(language))
		ok = refuse(outcome, METADATA_ERROR, object->id, "Correct languageCode: %s",
			    datatype_check_language(language));
	if (unique_id && unique_id->value.size > UNIQUE_ID_BYTES_MAX)
		ok = refuse(outcome, METADATA_ERROR, object->id, "Shorten uniqueId to 128 characters.");
	if (start.data && stop.data && xds_time_range(start, low, unused) && xds_time_range(stop, unused, high) &&
	    strcmp(low, high) >= 0)
		ok = refuse(outcome, METADATA_ERROR, object->id, "Let serviceStopTime not be before serviceStartTime.");
	return ok;
}

bool attribute_rules_check(const struct rim_object *object, enum object_kind kind, const struct code_sets *code_sets,
			   struct arena *arena, struct outcome *outcome)
{
	const struct rule_set *set = &rule_sets[kind];
	bool ok = slots_check(object, set, outcome);

	ok = back_pointers_check(object, outcome) && ok;
	ok = schemes_check(object, kind, outcome) && ok;
	for (size_t i = 0; i < set->count; i++) {
		const struct attribute_rule *rule = &set->rules[i];
		bool required = is_required(rule, kind);

		switch (rule->place) {
		case ATTRIBUTE:
			ok = attribute_rule_check(object, rule, code_sets, outcome) && ok;
			break;
		case SLOT:
			ok = slot_rule_check(object, rule, required, arena, outcome) && ok;
			break;
		case CLASSIFICATION:
			ok = classification_rule_check(object, rule, required, code_sets, arena, outcome) && ok;
			break;
		case EXTERNAL_ID:
			ok = external_id_rule_check(object, set, rule, required, arena, outcome) && ok;
			break;
		case NAME:
			if (required && (object->name.count == 0 || str_is_empty(object->name.items[0].value)))
				ok = refuse(outcome, METADATA_ERROR, object->id, "Add a Name: %s is required.",
					    rule->name);
			break;
		case DESCRIPTION:
		case VERSION:
			break;
		}
	}
	return whole_object_check(object, kind, outcome) && ok;
}

bool association_attributes_check(const struct rim_object *association, bool is_update, struct outcome *outcome)
{
	static const struct attribute_rule rules[] = {
		{ "SubmissionSetStatus", SLOT, "SubmissionSetStatus", DATATYPE_STRING, false, O },
		/* ITI TF-2 3.57.4.1.3.3 */
		{ "PreviousVersion", SLOT, "PreviousVersion", DATATYPE_STRING, false, O },
		{ "AssociationPropagation", SLOT, "AssociationPropagation", DATATYPE_STRING, false, O },
		{ "OriginalStatus", SLOT, "OriginalStatus", DATATYPE_STRING, false, O },
		{ "NewStatus", SLOT, "NewStatus", DATATYPE_STRING, false, O },
	};
	const struct rule_set set = { rules, is_update ? COUNT_OF(rules) : 1, "Association" };
	bool ok = slots_check(association, &set, outcome);

	ok = back_pointers_check(association, outcome) && ok;
	for (size_t i = 0; i < association->classification_count; i++) {
		const struct rim_classification *classification = &association->classifications[i];

		if (str_equal(classification->scheme, STR(SCHEME_ASSOCIATION_DOCUMENTATION)))
			ok = code_check(association, classification, "associationDocumentation", NULL, outcome) && ok;
	}
	return ok;
}
