#include "mappers/code_system.h"
#include "mappers/consent_reference.h"
#include "mappers/fhir_mark.h"

#define PROVISIONS_MAX 100 /* nested ones of one Consent */
#define ITEMS_MAX      500 /* of one selector */

struct compiler {
	struct arena *arena;
	int offset_minutes;
	const json_t *consent;
	bool failed; /* no memory */
};

static struct str keep(struct compiler *compiler, struct str text)
{
	struct str copy = text.data ? arena_copy(compiler->arena, text) : STR_NONE;

	compiler->failed = compiler->failed || (text.data && !copy.data);
	return copy;
}

static void *array(struct compiler *compiler, size_t count, size_t size)
{
	void *items = arena_array(compiler->arena, count, size);

	compiler->failed = compiler->failed || !items;
	return items;
}

/* The items of a selector, which is there: NULL, marked unclear, when it is no array of a bearable size. */
static const json_t *selector_items(const json_t *provision, const char *name, unsigned selector,
				    struct consent_provision *to)
{
	const json_t *items = json_object_get(provision, name);

	if (!items)
		return NULL;
	to->present |= (uint8_t)selector;
	if (json_is_array(items) && json_array_size(items) > 0 && json_array_size(items) <= ITEMS_MAX)
		return items;
	to->unclear |= (uint8_t)selector;
	return NULL;
}

static bool coding_read(struct compiler *compiler, const json_t *coding, struct code *code)
{
	code->code = keep(compiler, fhir_text(json_object_get(coding, "code")));
	code->scheme = keep(compiler, code_system_scheme(fhir_text(json_object_get(coding, "system"))));
	return code->code.size > 0;
}

/* Codings, or the codings of CodeableConcepts: any of them may match. */
static void codes_read(struct compiler *compiler, const json_t *provision, const char *name, unsigned selector,
		       struct consent_provision *to, struct codes *codes)
{
	const json_t *items = selector_items(provision, name, selector, to);
	size_t capacity = 0;
	size_t i;
	json_t *item;

	json_array_foreach(items, i, item)
	{
		const json_t *codings = json_object_get(item, "coding");
		size_t count = codings ? json_array_size(codings) : 1;

		if (count == 0 || count > ITEMS_MAX)
			to->unclear |= (uint8_t)selector;
		for (size_t k = 0; k < count && count <= ITEMS_MAX; k++) {
			if (!arena_grow(compiler->arena, &codes->items, codes->count, &capacity, sizeof(struct code))) {
				compiler->failed = true;
				return;
			}
			if (coding_read(compiler, codings ? json_array_get(codings, k) : item,
					&codes->items[codes->count]))
				codes->count++;
			else
				to->unclear |= (uint8_t)selector;
		}
	}
}

/* Everything of FHIR is either a document here (DocumentReference, Binary) or is not; a media type is the document's. */
static bool class_understood(const struct code *class)
{
	if (consent_scheme_is(class->scheme, STR(MEDIA_SYSTEM)))
		return true;
	return consent_scheme_is(class->scheme, STR(CLASS_SYSTEM)) &&
	       (str_equal(class->code, STR("Resource")) || str_equal(class->code, STR("DomainResource")) ||
		str_equal(class->code, STR("Binary")) || consent_type_of(class->code) != TYPE_UNCLEAR);
}

static uint8_t action_of(const struct code *action)
{
	static const struct {
		struct str code;
		uint8_t action;
	} actions[] = {
		{ STR_INIT("access"), ACTION_ACCESS },   { STR_INIT("collect"), ACTION_COLLECT },
		{ STR_INIT("use"), ACTION_USE },         { STR_INIT("disclose"), ACTION_DISCLOSE },
		{ STR_INIT("correct"), ACTION_CORRECT },
	};

	if (!consent_scheme_is(action->scheme, STR("http://terminology.hl7.org/CodeSystem/consentaction")))
		return 0;
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		if (str_equal(actions[i].code, action->code))
			return actions[i].action;
	}
	return 0;
}

static void actions_read(struct compiler *compiler, const json_t *provision, struct consent_provision *to)
{
	struct codes actions = { 0 };

	codes_read(compiler, provision, "action", SELECTOR_ACTION, to, &actions);
	for (size_t i = 0; i < actions.count; i++) {
		uint8_t action = action_of(&actions.items[i]);

		to->actions |= action;
		if (!action)
			to->unclear |= SELECTOR_ACTION;
	}
}

/* A role of participation says how the actor takes part, which must be as a recipient; other codes are roles that a
 * caller has. False when it is not understood. */
static bool role_read(struct compiler *compiler, const json_t *role, struct consent_actor *actor, bool *recipient)
{
	const json_t *codings = json_object_get(role, "coding");
	size_t count = json_array_size(codings);

	if (count == 0 || count > ITEMS_MAX)
		return false;
	actor->roles.items = array(compiler, count, sizeof(struct code));
	for (size_t i = 0; i < count && actor->roles.items; i++) {
		struct code *code = &actor->roles.items[actor->roles.count];

		if (!coding_read(compiler, json_array_get(codings, i), code))
			return false;
		if (!str_equal(code->scheme, STR("2.16.840.1.113883.5.90"))) {
			actor->roles.count++;
			continue;
		}
		if (!str_equal(code->code, STR("IRCP")) && !str_equal(code->code, STR("PRCP")))
			return false;
		*recipient = true;
	}
	return !*recipient || actor->roles.count == 0;
}

static bool actor_read(struct compiler *compiler, const json_t *item, struct consent_actor *actor)
{
	struct consent_reference reference;
	bool recipient = false;

	if (json_object_get(item, "modifierExtension") ||
	    !role_read(compiler, json_object_get(item, "role"), actor, &recipient))
		return false;
	if (!consent_reference_read(compiler->consent, json_object_get(item, "reference"), compiler->arena,
				    &reference)) {
		compiler->failed = true;
		return false;
	}
	actor->party = (uint8_t)reference.party;
	actor->identifiers = reference.identifiers;
	if (reference.state == REFERENCE_NOBODY)
		return !recipient;
	return reference.state == REFERENCE_NAMED && (reference.type == TYPE_PARTY || reference.type == TYPE_UNKNOWN);
}

static void actors_read(struct compiler *compiler, const json_t *provision, struct consent_provision *to)
{
	const json_t *items = selector_items(provision, "actor", SELECTOR_ACTOR, to);

	to->actors.items = array(compiler, json_array_size(items), sizeof(struct consent_actor));
	for (size_t i = 0; i < json_array_size(items) && to->actors.items; i++) {
		struct consent_actor actor = { 0 };

		if (actor_read(compiler, json_array_get(items, i), &actor))
			to->actors.items[to->actors.count++] = actor;
		else
			to->unclear |= SELECTOR_ACTOR;
	}
}

/* FHIR R4 consent-data-meaning; what is related to a document is known to the registry only. */
static bool datum_read(struct compiler *compiler, const json_t *item, struct consent_datum *datum)
{
	struct str meaning = fhir_text(json_object_get(item, "meaning"));
	struct consent_reference reference;

	if (!consent_reference_read(compiler->consent, json_object_get(item, "reference"), compiler->arena,
				    &reference)) {
		compiler->failed = true;
		return false;
	}
	datum->identifiers = reference.identifiers;
	datum->party = (uint8_t)reference.party;
	if (json_object_get(item, "modifierExtension"))
		return false;
	if (str_equal(meaning, STR("instance"))) {
		datum->meaning = reference.type == TYPE_OTHER || reference.type == TYPE_PARTY ? MEANING_ELSEWHERE
											      : MEANING_DOCUMENT;
		return datum->meaning == MEANING_ELSEWHERE ||
		       (reference.state == REFERENCE_NAMED && reference.type != TYPE_UNCLEAR);
	}
	if (reference.state != REFERENCE_NAMED)
		return false;
	if (str_equal(meaning, STR("related")) || str_equal(meaning, STR("dependents"))) {
		datum->meaning = MEANING_RELATED;
		return reference.type == TYPE_OTHER;
	}
	datum->meaning = MEANING_AUTHOR;
	return str_equal(meaning, STR("authoredby")) && datum->party != PARTY_DEVICE &&
	       (reference.type == TYPE_PARTY || reference.type == TYPE_UNKNOWN);
}

static void data_read(struct compiler *compiler, const json_t *provision, struct consent_provision *to)
{
	const json_t *items = selector_items(provision, "data", SELECTOR_DATA, to);

	to->data.items = array(compiler, json_array_size(items), sizeof(struct consent_datum));
	for (size_t i = 0; i < json_array_size(items) && to->data.items; i++) {
		struct consent_datum datum = { 0 };

		if (datum_read(compiler, json_array_get(items, i), &datum))
			to->data.items[to->data.count++] = datum;
		else
			to->unclear |= SELECTOR_DATA;
	}
}

/* The kinds of element of a provision that are understood, and that FHIR lets be ignored. */
static bool keys_understood(const json_t *object, const char *const *names, size_t count)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
	{
		struct str name = str_without_prefix(str_from_c(key), STR("_"));
		bool known = false;

		for (size_t i = 0; i < count && !known; i++)
			known = str_equal(name, str_from_c(names[i]));
		if (!known)
			return false;
	}
	return true;
}

static void provision_read(struct compiler *compiler, const json_t *provision, bool is_root,
			   struct consent_provision *to)
{
	static const char *const names[] = { "id",         "extension",     "type",     "period", "actor",
					     "action",     "securityLabel", "purpose",  "class",  "code",
					     "dataPeriod", "data",          "provision" };
	struct str type = fhir_text(json_object_get(provision, "type"));

	*to = (struct consent_provision) { .permit = str_equal(type, STR("permit")),
					   .period = { INT64_MIN, INT64_MAX },
					   .data_period = { INT64_MIN, INT64_MAX },
					   .zone_s = (int64_t)compiler->offset_minutes * 60 };
	if (!json_is_object(provision) || !keys_understood(provision, names, COUNT_OF(names))) {
		to->clarity = CLARITY_NONE;
		return;
	}
	if ((!to->permit && !str_equal(type, STR("deny"))) || (!is_root && json_object_get(provision, "provision")) ||
	    !consent_period_read(json_object_get(provision, "period"), compiler->offset_minutes, &to->period))
		to->clarity = CLARITY_PARTLY;
	actors_read(compiler, provision, to);
	actions_read(compiler, provision, to);
	codes_read(compiler, provision, "purpose", SELECTOR_PURPOSE, to, &to->purposes);
	codes_read(compiler, provision, "securityLabel", SELECTOR_LABEL, to, &to->labels);
	codes_read(compiler, provision, "class", SELECTOR_CLASS, to, &to->classes);
	codes_read(compiler, provision, "code", SELECTOR_CODE, to, &to->codes);
	data_read(compiler, provision, to);
	for (size_t i = 0; i < to->classes.count; i++) {
		if (!class_understood(&to->classes.items[i]))
			to->unclear |= SELECTOR_CLASS;
	}
	if (json_object_get(provision, "dataPeriod")) {
		to->present |= SELECTOR_DATA_PERIOD;
		if (!consent_period_read(json_object_get(provision, "dataPeriod"), compiler->offset_minutes,
					 &to->data_period))
			to->unclear |= SELECTOR_DATA_PERIOD;
	}
}

static bool concept_has(const json_t *concept, struct str system, struct str code)
{
	const json_t *codings = json_object_get(concept, "coding");
	size_t i;
	json_t *coding;

	json_array_foreach(codings, i, coding)
	{
		if (consent_scheme_is(fhir_text(json_object_get(coding, "system")), system) &&
		    str_equal(fhir_text(json_object_get(coding, "code")), code))
			return true;
	}
	return false;
}

static bool is_about_something_else(const json_t *scope)
{
	const struct str system = STR("http://terminology.hl7.org/CodeSystem/consentscope");

	return !concept_has(scope, system, STR("patient-privacy")) &&
	       (concept_has(scope, system, STR("research")) || concept_has(scope, system, STR("treatment")) ||
		concept_has(scope, system, STR("adr")));
}

static bool backbones_understood(const json_t *consent, const char *name)
{
	const json_t *items = json_object_get(consent, name);
	size_t i;
	json_t *item;

	json_array_foreach(items, i, item)
	{
		if (json_object_get(item, "modifierExtension"))
			return false;
		if (strcmp(name, "verification") == 0 && !json_is_true(json_object_get(item, "verified")))
			return false;
	}
	return true;
}

/* Whether the Consent around its provision is understood. implicitRules and modifierExtension may turn everything round
 * (FHIR R4 2.4.1); a Consent that was not verified cannot be relied on. */
static bool consent_understood(const json_t *consent)
{
	static const char *const names[] = { "resourceType",
					     "id",
					     "meta",
					     "language",
					     "text",
					     "contained",
					     "extension",
					     "identifier",
					     "status",
					     "scope",
					     "category",
					     "patient",
					     "dateTime",
					     "performer",
					     "organization",
					     "sourceAttachment",
					     "sourceReference",
					     "policy",
					     "policyRule",
					     "verification",
					     "provision" };
	const struct str system = STR("http://terminology.hl7.org/CodeSystem/consentscope");

	return keys_understood(consent, names, COUNT_OF(names)) && backbones_understood(consent, "policy") &&
	       backbones_understood(consent, "verification") &&
	       concept_has(json_object_get(consent, "scope"), system, STR("patient-privacy"));
}

/* R4 lets the root have no type: then the policy that it rests on says what holds without exceptions. */
static void root_type_read(const json_t *consent, struct consent_provision *root)
{
	const struct str act_code = STR("2.16.840.1.113883.5.4");
	const json_t *rule = json_object_get(consent, "policyRule");
	bool opted_in = concept_has(rule, act_code, STR("OPTIN"));
	bool opted_out = concept_has(rule, act_code, STR("OPTOUT"));

	if (json_object_get(json_object_get(consent, "provision"), "type") || opted_in == opted_out)
		return;
	root->permit = opted_in;
	if (root->clarity == CLARITY_PARTLY)
		root->clarity = CLARITY_CLEAR;
}

static void rule_read(struct compiler *compiler, struct consent_rule *rule)
{
	const json_t *consent = compiler->consent;
	const json_t *root = json_object_get(consent, "provision");
	const json_t *nested = json_object_get(root, "provision");
	struct str id = fhir_text(json_object_get(consent, "id"));
	size_t count = json_array_size(nested);
	struct consent_provision absent = { .clarity = CLARITY_PARTLY,
					    .period = { INT64_MIN, INT64_MAX },
					    .data_period = { INT64_MIN, INT64_MAX } };

	if (id.size)
		rule->consent_id = arena_printf(compiler->arena, "Consent/%.*s", STR_ARG(id));
	rule->provisions = array(compiler, count > PROVISIONS_MAX ? 1 : count + 1, sizeof(*rule->provisions));
	if (!rule->provisions || (id.size && !rule->consent_id.data)) {
		compiler->failed = true;
		return;
	}
	rule->provision_count = 1;
	rule->provisions[0] = absent;
	if (root)
		provision_read(compiler, root, true, &rule->provisions[0]);
	root_type_read(consent, &rule->provisions[0]);
	if (!json_is_object(consent) || !consent_understood(consent) || count > PROVISIONS_MAX ||
	    (nested && count == 0)) {
		rule->provisions[0].clarity = CLARITY_NONE;
		return;
	}
	for (size_t i = 0; i < count; i++)
		provision_read(compiler, json_array_get(nested, i), false, &rule->provisions[rule->provision_count++]);
}

/* Only an active Consent holds, one whose status is no status of FHIR is not understood. */
static bool is_in_force(const json_t *consent)
{
	static const char *const others[] = { "draft", "proposed", "rejected", "inactive", "entered-in-error" };
	struct str status = fhir_text(json_object_get(consent, "status"));

	for (size_t i = 0; i < COUNT_OF(others); i++) {
		if (str_equal(status, str_from_c(others[i])))
			return false;
	}
	return !is_about_something_else(json_object_get(consent, "scope"));
}

bool consent_set_read(const json_t *consents, int default_offset_minutes, struct arena *arena,
		      const struct consent_set **set, struct outcome *outcome)
{
	struct compiler compiler = { .arena = arena, .offset_minutes = default_offset_minutes };
	size_t count = json_is_array(consents) ? json_array_size(consents) : 1;
	struct consent_set *made = arena_alloc(arena, sizeof(*made));

	if (made)
		made->rules = array(&compiler, count, sizeof(*made->rules));
	for (size_t i = 0; made && made->rules && i < count; i++) {
		compiler.consent = json_is_array(consents) ? json_array_get(consents, i) : consents;
		if (is_in_force(compiler.consent))
			rule_read(&compiler, &made->rules[made->count++]);
	}
	if (!made || compiler.failed)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	*set = made;
	return true;
}
