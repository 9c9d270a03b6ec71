#include "mappers/consent_resource.h"

#include "mappers/base/uuid.h"
#include "mappers/base/xds_time.h"
#include "mappers/codec_fhir.h"
#include "mappers/consent_reference.h"
#include "mappers/fhir_body.h"
#include "mappers/fhir_json_write.h"
#include "mappers/fhir_validate.h"
#include "mappers/json_tree.h"

#define CODES_MAX 8

/* Elements with a required binding. FHIR R4 Consent 6.2.2.1 */
struct binding {
	const char *element;
	const char *codes[CODES_MAX];
};

static bool code_bound(const json_t *object, const char *prefix, const struct binding *binding, struct outcome *outcome)
{
	const json_t *value = json_object_get(object, binding->element);
	char path[FHIR_PLACE_SIZE];

	if (!value)
		return true;
	for (size_t i = 0; i < CODES_MAX && binding->codes[i]; i++) {
		if (str_equal(fhir_text(value), str_from_c(binding->codes[i])))
			return true;
	}
	snprintf(path, sizeof(path), "%s.%s", prefix, binding->element);
	return outcome_add(outcome, ERR_METADATA_INVALID, path, "Use a code that FHIR R4 has for this element.");
}

static bool period_check(const json_t *object, const char *prefix, const char *name, struct outcome *outcome)
{
	const json_t *value = json_object_get(object, name);
	struct consent_period period;
	char path[FHIR_PLACE_SIZE];

	if (!value || consent_period_read(value, 0, &period))
		return true;
	snprintf(path, sizeof(path), "%s.%s", prefix, name);
	return outcome_add(outcome, ERR_METADATA_INVALID, path,
			   "Send a period with a start or an end, and no end before its start.");
}

/* Nested ones too; how deep a body may nest is bounded when it is read. */
static bool provision_check(const json_t *provision, const char *prefix, bool is_root, unsigned depth,
			    struct outcome *outcome)
{
	static const struct binding type = { "type", { "deny", "permit" } };
	static const struct binding meaning = { "meaning", { "instance", "related", "dependents", "authoredby" } };
	const json_t *nested = json_object_get(provision, "provision");
	const json_t *data = json_object_get(provision, "data");
	char path[FHIR_PLACE_SIZE];
	size_t i;
	json_t *item;
	bool good = code_bound(provision, prefix, &type, outcome);

	good = period_check(provision, prefix, "period", outcome) && good;
	good = period_check(provision, prefix, "dataPeriod", outcome) && good;
	snprintf(path, sizeof(path), "%s.type", prefix);
	/* FHIR R4 Consent.provision.type: required in all nested rules. */
	if (!is_root && !json_object_get(provision, "type"))
		good = outcome_add(outcome, ERR_METADATA_MISSING, path,
				   "Say permit or deny in every nested provision.");
	json_array_foreach(data, i, item)
	{
		snprintf(path, sizeof(path), "%s.data[%zu]", prefix, i);
		good = code_bound(item, path, &meaning, outcome) && good;
	}
	json_array_foreach(nested, i, item)
	{
		snprintf(path, sizeof(path), "%s.provision[%zu]", prefix, i);
		good = (depth == 0 || provision_check(item, path, false, depth - 1, outcome)) && good;
	}
	return good;
}

static bool required(const json_t *consent, const char *name, const char *sentence, struct outcome *outcome)
{
	char path[FHIR_PLACE_SIZE];

	if (json_object_get(consent, name))
		return true;
	snprintf(path, sizeof(path), "Consent.%s", name);
	return outcome_add(outcome, ERR_METADATA_MISSING, path, "%s", sentence);
}

bool consent_resource_check(const json_t *consent, struct arena *arena, struct outcome *outcome)
{
	static const struct binding status = {
		"status", { "draft", "proposed", "active", "rejected", "inactive", "entered-in-error" }
	};
	const struct fhir_context context = { .path = "Consent" };
	struct fhir_reader reader = { &context, consent, arena, outcome };
	bool good;

	if (!str_equal(fhir_string(consent, "resourceType"), STR("Consent")))
		return outcome_add(outcome, ERR_BODY_MALFORMED, "", "Send a Consent as the body.");
	if (!fhir_validate(consent, "Consent", outcome))
		return false;
	good = fhir_refuse(&reader, NULL, 0);
	if (json_object_get(consent, "implicitRules"))
		good = outcome_add(outcome, ERR_NOT_SUPPORTED, "Consent.implicitRules",
				   "Leave out implicitRules: what changes the meaning of a Consent is not accepted.");
	good = required(consent, "patient", "Say whose Consent it is.", outcome) && good;
	good = required(consent, "dateTime", "Say when the Consent was given.", outcome) && good;
	/* ppc-1 */
	if (!json_object_get(consent, "policy") && !json_object_get(consent, "policyRule"))
		good = outcome_add(outcome, ERR_METADATA_MISSING, "Consent.policy",
				   "Name the policy that the Consent rests on: policy or policyRule.");
	good = code_bound(consent, "Consent", &status, outcome) && good;
	return provision_check(json_object_get(consent, "provision"), "Consent.provision", true,
			       (unsigned)fhir_limits_default.depth_max, outcome) &&
	       good;
}

/* The X of Type/X or base/Type/X, a version left off; STR_NONE for anything else. */
static struct str own_id(struct str reference, struct str base, struct str type)
{
	struct str id = reference;

	if (base.size && str_starts_with(id, base) && id.size > base.size && id.data[base.size] == '/')
		id = str_from(id, base.size + 1);
	if (!str_starts_with(id, type) || id.size <= type.size || id.data[type.size] != '/')
		return STR_NONE;
	id = str_from(id, type.size + 1);
	id.size = str_find(id, '/');
	return id.size ? id : STR_NONE;
}

static void claim_identifier(struct patient_claim *claim, const json_t *identifier)
{
	struct identifier one = fhir_identifier(identifier);

	if (one.value.size && claim->identifier_count < PATIENT_IDENTIFIERS_MAX &&
	    !str_equal(fhir_string(identifier, "use"), STR("old")))
		claim->identifiers[claim->identifier_count++] = (struct patient_identifier) { one.system, one.value };
}

static void claim_contained(struct patient_claim *claim, const json_t *patient)
{
	const json_t *identifiers = json_object_get(patient, "identifier");
	size_t i;
	json_t *item;

	if (!str_equal(fhir_string(patient, "resourceType"), STR("Patient")))
		return;
	claim->resource = patient;
	json_array_foreach(identifiers, i, item)
	{
		claim_identifier(claim, item);
	}
}

bool consent_resource_patient(const json_t *consent, struct str base, struct arena *arena, struct patient_claim *claim,
			      struct outcome *outcome)
{
	const json_t *patient = json_object_get(consent, "patient");
	struct str reference = fhir_string(patient, "reference");

	*claim = (struct patient_claim) { .path = "Consent.patient" };
	claim->identifiers = arena_array(arena, PATIENT_IDENTIFIERS_MAX, sizeof(*claim->identifiers));
	if (!claim->identifiers)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	claim_identifier(claim, json_object_get(patient, "identifier"));
	claim->own_id = own_id(reference, base, STR("Patient"));
	if (reference.size && reference.data[0] == '#')
		claim_contained(claim, fhir_contained(consent, str_from(reference, 1)));
	else if (!claim->own_id.data && str_starts_with(reference, STR("http")))
		claim->url = reference;
	return claim->identifier_count || claim->own_id.data || claim->url.data ||
	       outcome_add(outcome, ERR_REFERENCE_UNRESOLVED, claim->path,
			   "Name the patient by identifier, or by the URL of a Patient that this gateway reads.");
}

bool consent_resource_is_active(const json_t *consent)
{
	return str_equal(fhir_string(consent, "status"), STR("active"));
}

struct collecting {
	json_t *consent;
	struct str base;
	struct arena *arena;
	struct consent_document *documents;
	size_t count;
	struct outcome *outcome;
};

/* A Binary of ours is the content of a document, and is meant by no other name. */
static bool document_take(struct collecting *collecting, json_t *reference, const char *prefix, size_t index)
{
	struct str literal = fhir_string(reference, "reference");
	struct str type = fhir_string(reference, "type");
	struct identifier identifier = fhir_identifier(json_object_get(reference, "identifier"));
	struct consent_document document = { .reference = reference,
					     .own_id = own_id(literal, collecting->base, STR("DocumentReference")) };
	struct str unique_id = STR_NONE;
	struct str path;

	if (!document.own_id.data && !str_equal(type, STR("DocumentReference")))
		return true;
	if (identifier.value.size && identifier_to_unique_id(&identifier, collecting->arena, &unique_id))
		document.unique_id = unique_id;
	if (str_equal(identifier.system, STR(REFERENCE_URI)) && uuid_valid(identifier.value))
		document.urn = identifier.value;
	if (collecting->count == CONSENT_DOCUMENTS_MAX)
		return outcome_add(collecting->outcome, ERR_TOO_COSTLY, prefix,
				   "Name at most %d documents in one Consent.", CONSENT_DOCUMENTS_MAX);
	path = arena_printf(collecting->arena, "%s.data[%zu].reference", prefix, index);
	document.path = path.data;
	if (!path.data || arena_failed(collecting->arena))
		return outcome_add(collecting->outcome, ERR_NO_MEMORY, "", "Try again later.");
	collecting->documents[collecting->count++] = document;
	return true;
}

static bool provision_collect(struct collecting *collecting, const json_t *provision, const char *prefix,
			      unsigned depth)
{
	const json_t *nested = json_object_get(provision, "provision");
	const json_t *data = json_object_get(provision, "data");
	char path[FHIR_PLACE_SIZE];
	size_t i;
	json_t *item;

	json_array_foreach(data, i, item)
	{
		if (!document_take(collecting, json_object_get(item, "reference"), prefix, i))
			return false;
	}
	json_array_foreach(nested, i, item)
	{
		snprintf(path, sizeof(path), "%s.provision[%zu]", prefix, i);
		if (depth > 0 && !provision_collect(collecting, item, path, depth - 1))
			return false;
	}
	return true;
}

bool consent_resource_documents(json_t *consent, struct str base, struct arena *arena,
				struct consent_document **documents, size_t *count, struct outcome *outcome)
{
	struct collecting collecting = { .consent = consent, .base = base, .arena = arena, .outcome = outcome };

	collecting.documents = arena_array(arena, CONSENT_DOCUMENTS_MAX, sizeof(*collecting.documents));
	if (!collecting.documents)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	if (!provision_collect(&collecting, json_object_get(consent, "provision"), "Consent.provision",
			       (unsigned)fhir_limits_default.depth_max))
		return false;
	*documents = collecting.documents;
	*count = collecting.count;
	return true;
}

bool consent_document_name(const struct consent_document *document, struct str urn)
{
	json_t *identifier = json_pack("{s:s, s:s%}", "system", REFERENCE_URI, "value", urn.data, urn.size);

	return identifier && json_object_set_new(document->reference, "identifier", identifier) == 0;
}

/* A copy of the outer object, in this order: resourceType, id, meta (when it is not empty), the rest as it was. */
static json_t *outer_copy(const json_t *consent, struct str id, json_t *meta)
{
	json_t *copy = json_object();
	bool good = copy && json_object_set_new(copy, "resourceType", json_string("Consent")) == 0 &&
		    json_object_set_new(copy, "id", json_stringn(id.data, id.size)) == 0;
	const char *key;
	json_t *value;

	if (good && json_object_size(meta) > 0)
		good = json_object_set(copy, "meta", meta) == 0;
	json_object_foreach((json_t *)consent, key, value)
	{
		if (good && strcmp(key, "meta") != 0 && strcmp(key, "id") != 0 && strcmp(key, "resourceType") != 0)
			good = json_object_set(copy, key, value) == 0;
	}
	if (good)
		return copy;
	json_decref(copy);
	return NULL;
}

bool consent_resource_keep(const json_t *consent, struct str id, struct buf *text, struct outcome *outcome)
{
	json_t *meta = json_copy(json_object_get(consent, "meta"));
	json_t *copy;
	bool good;

	if (meta) {
		json_object_del(meta, "versionId");
		json_object_del(meta, "_versionId");
		json_object_del(meta, "lastUpdated");
		json_object_del(meta, "_lastUpdated");
	}
	copy = outer_copy(consent, id, meta);
	good = copy ? fhir_json_write(copy, text, outcome)
		    : outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	json_decref(copy);
	json_decref(meta);
	return good;
}

bool consent_resource_show(struct str kept, const struct consent_version *version, struct arena *arena,
			   json_t **consent, struct outcome *outcome)
{
	char seconds[FHIR_INSTANT_SIZE];
	struct outcome reading;
	struct str instant;
	struct str number;
	json_t *tree;
	json_t *meta;
	json_t *shown;
	bool good;

	outcome_init(&reading);
	if (!fhir_body_read(FHIR_JSON, kept, NULL, NULL, arena, &tree, &reading))
		return outcome_add(outcome, arena_failed(arena) ? ERR_NO_MEMORY : ERR_INTERNAL, "",
				   "The consent directory holds what is no Consent; report this to the operator.");
	fhir_instant_from_unix(version->updated_ms / 1000, seconds);
	instant = arena_printf(arena, "%.19s.%03dZ", seconds, (int)(version->updated_ms % 1000));
	number = arena_printf(arena, "%llu", (unsigned long long)version->version_id);
	meta = json_object_get(tree, "meta") ? json_copy(json_object_get(tree, "meta")) : json_object();
	good = instant.data && number.data && meta &&
	       json_object_set_new(meta, "versionId", json_stringn(number.data, number.size)) == 0 &&
	       json_object_set_new(meta, "lastUpdated", json_stringn(instant.data, instant.size)) == 0;
	shown = good ? outer_copy(tree, version->id, meta) : NULL;
	json_decref(meta);
	if (!json_tree_keep(arena, shown))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	*consent = shown;
	return true;
}
