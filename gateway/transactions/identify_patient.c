#include "gateway/transactions/identify_patient.h"

#include "gateway/south/fhir_fetch.h"
#include "mappers/base/hl7v2.h"

/* Number of the affinity domain's authority in sealed patient ids. */
#define AFFINITY_DOMAIN 0

static bool system_is_ours(const struct transaction *t, struct str system)
{
	const struct str urn = STR("urn:oid:");

	return str_starts_with_nocase(system, urn) &&
	       str_equal(str_from(system, urn.size), t->gateway->config->patient_assigning_authority);
}

static enum identified patient_id_write(const struct transaction *t, struct str value, struct str *patient_id)
{
	struct hl7_cx cx = { .id = value,
			     .authority = { .universal_id = t->gateway->config->patient_assigning_authority,
					    .universal_id_type = STR("ISO") } };

	if (str_is_empty(str_trim(value)))
		return PATIENT_NOBODY;
	*patient_id = hl7_cx_write(&cx, t->south.arena);
	if (patient_id->data)
		return PATIENT_IDENTIFIED;
	no_memory(t);
	return PATIENT_FAILED;
}

/* Takes one more value for a patient. False when it is another one than before: who has two names in the affinity domain
 * could be two people, and nobody here may choose. */
static bool value_agrees(struct str *value, struct str next)
{
	if (value->data && !str_equal(*value, next))
		return false;
	*value = next;
	return true;
}

/* The identifier of the affinity domain that a Patient resource carries; those that are no longer used do not count. */
static enum identified identify_by_resource(const struct transaction *t, const json_t *patient, struct str *patient_id)
{
	const json_t *identifiers = json_object_get(patient, "identifier");
	struct str value = STR_NONE;
	size_t i;
	json_t *identifier;

	json_array_foreach(identifiers, i, identifier)
	{
		if (i >= PATIENT_IDENTIFIERS_MAX)
			break;
		if (str_equal(fhir_text(json_object_get(identifier, "use")), STR("old")) ||
		    !system_is_ours(t, fhir_text(json_object_get(identifier, "system"))))
			continue;
		if (!value_agrees(&value, fhir_text(json_object_get(identifier, "value"))))
			return PATIENT_NOBODY;
	}
	return patient_id_write(t, value, patient_id);
}

static enum identified identify_by_url(const struct transaction *t, struct str url, const char *path,
				       struct str *patient_id)
{
	struct str base = t->gateway->config->patient_identity_base;
	struct strs bases = { &base, 1 };
	json_t *patient = NULL;

	if (str_is_empty(base) || !fhir_fetch_allowed(url, base))
		return PATIENT_NOBODY;
	switch (fhir_fetch(&t->south, url, &bases, path, &patient, t->outcome)) {
	case FHIR_FETCHED:
		return identify_by_resource(t, patient, patient_id);
	case FHIR_FETCH_NOTHING:
		return PATIENT_NOBODY;
	case FHIR_FETCH_FAILED:
		break;
	}
	return PATIENT_FAILED;
}

/* Patient/{id}: an id that this gateway gave out, otherwise one of the identity source, whose Patients it speaks of. */
static enum identified identify_by_id(const struct transaction *t, struct str id, const char *path,
				      struct str *patient_id)
{
	struct str value;
	struct str url;

	if (patient_resource_id_open(t, id, &value))
		return patient_id_write(t, value, patient_id);
	url = arena_printf(t->south.arena, "%.*s/Patient/%.*s", STR_ARG(t->gateway->config->patient_identity_base),
			   STR_ARG(id));
	if (!url.data) {
		no_memory(t);
		return PATIENT_FAILED;
	}
	return identify_by_url(t, url, path, patient_id);
}

enum identified identify_patient(const struct transaction *t, const struct patient_claim *claim, bool any_system,
				 struct str *patient_id)
{
	struct str value = STR_NONE;

	for (size_t i = 0; i < claim->identifier_count; i++) {
		const struct patient_identifier *identifier = &claim->identifiers[i];

		if (!(identifier->system.data ? system_is_ours(t, identifier->system) : any_system))
			continue;
		if (!value_agrees(&value, identifier->value))
			return PATIENT_NOBODY;
	}
	if (value.data)
		return patient_id_write(t, value, patient_id);
	if (!str_is_empty(claim->own_id))
		return identify_by_id(t, claim->own_id, claim->path, patient_id);
	return identify_by_url(t, claim->url, claim->path, patient_id);
}

struct str patient_reference(const struct transaction *t, struct str patient_id)
{
	char id[SEAL_ID_SIZE];
	struct hl7_cx cx;

	if (!hl7_cx_parse(patient_id, t->south.arena, &cx) ||
	    !str_equal(cx.authority.universal_id, t->gateway->config->patient_assigning_authority) ||
	    !seal_patient(t->gateway->seal, AFFINITY_DOMAIN, cx.id, id))
		return STR_NONE;
	return arena_printf(t->south.arena, "Patient/%s", id);
}

bool patient_resource_id_open(const struct transaction *t, struct str id, struct str *value)
{
	uint8_t authority = 0;

	return seal_patient_open(t->gateway->seal, id, t->south.arena, &authority, value) &&
	       authority == AFFINITY_DOMAIN;
}
