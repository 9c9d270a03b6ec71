#include "gateway/transactions/identify_patient.h"

#include "gateway/access/cross_reference.h"
#include "gateway/south/fhir_fetch.h"
#include "mappers/base/hl7v2.h"
#include "mappers/submission_match.h"

#define HOPS_MAX 3 /* from a Patient that was replaced to the one that replaced it */

/* One claim on its way; value is the patient's in the affinity domain, as far as it was found out. */
struct search_for {
	const struct transaction *t;
	const char *path;
	struct str value;
	bool by_resource; /* identifiers are those of a Patient resource */
	unsigned hops;
	struct strs *named; /* CX of all that the PIX manager was to be asked about; NULL: not wanted */
	bool is_unresolved; /* and one that it could not be asked about */
};

static enum identified identify_by_url(struct search_for *search, struct str url);

static enum identified without_memory(const struct search_for *search)
{
	no_memory(search->t);
	return PATIENT_FAILED;
}

/* Takes one more value for the patient. Who has two names in the affinity domain could be two people, and nobody here
 * may choose. */
static enum identified value_add(struct search_for *search, struct str value)
{
	if (search->value.data && !str_equal(search->value, value)) {
		outcome_add(search->t->outcome, ERR_PATIENT_AMBIGUOUS, search->path,
			    "Name one patient: this could be several in the affinity domain.");
		return PATIENT_FAILED;
	}
	search->value = value;
	return PATIENT_IDENTIFIED;
}

static bool named_add(struct search_for *search, const struct patient_identity *identity)
{
	const struct hl7_cx cx = { .id = identity->value,
				   .authority = { .universal_id = identity->authority,
						  .universal_id_type = STR("ISO") } };
	struct str text = hl7_cx_write(&cx, search->t->south.arena);

	if (!text.data || search->named->count >= PATIENT_IDENTIFIERS_MAX)
		return no_memory(search->t);
	search->named->items[search->named->count++] = text;
	return true;
}

/* True when the claim can wait for the answer: nothing is wrong with the question. */
static bool may_resolve_later(struct search_for *search, const struct outcome *asking)
{
	if (!search->named || !submission_may_pass(asking))
		return false;
	search->is_unresolved = true;
	return true;
}

/* Asks the PIX manager who the identifier's person is in the affinity domain. */
static enum identified identity_ask(struct search_for *search, const struct patient_identity *identity)
{
	const struct transaction *t = search->t;
	struct outcome asking = *t->outcome;
	struct patient_identities found;
	enum identified end = PATIENT_NOBODY;
	enum identity_end asked;

	if (!cross_references_are_known(t->gateway->access))
		return PATIENT_NOBODY;
	if (search->named && !named_add(search, identity))
		return PATIENT_FAILED;
	asked = cross_reference_find(t->gateway->access, &t->south, identity, t->now_s, &found, &asking);
	if (asked == IDENTITY_FAILED && may_resolve_later(search, &asking))
		return PATIENT_NOBODY;
	*t->outcome = asking;
	switch (asked) {
	case IDENTITY_OK:
		break;
	case IDENTITY_UNKNOWN_ID:
	case IDENTITY_UNKNOWN_SOURCE:
	case IDENTITY_UNKNOWN_TARGET:
		return PATIENT_NOBODY;
	case IDENTITY_REFUSED:
	case IDENTITY_FAILED:
		return PATIENT_FAILED;
	}
	for (size_t i = 0; end != PATIENT_FAILED && i < found.count; i++) {
		if (identity_is_affinity(t, &found.items[i]))
			end = value_add(search, found.items[i].value);
	}
	return end;
}

static enum identified identity_resolve(struct search_for *search, const struct patient_identity *identity)
{
	return identity_is_affinity(search->t, identity) ? value_add(search, identity->value)
							 : identity_ask(search, identity);
}

/* The identifiers of the affinity domain among all; they decide when there are any. */
static enum identified affinity_values(struct search_for *search, const struct patient_identifier *identifiers,
				       size_t count, bool any_system)
{
	const struct transaction *t = search->t;
	struct system_names names = identity_names(t);
	enum identified end = PATIENT_NOBODY;

	if (!names.items)
		return without_memory(search);
	for (size_t i = 0; end != PATIENT_FAILED && i < count; i++) {
		struct patient_identity identity = { identifier_authority(identifiers[i].system, &names),
						     identifiers[i].value };
		bool ours = identifiers[i].system.data ? identity_is_affinity(t, &identity) : any_system;

		if (ours && str_trim(identity.value).size)
			end = value_add(search, identity.value);
	}
	return end;
}

/* An identifier of another domain. One that somebody wrote to name the patient must have its form; among the many of a
 * Patient resource, one that has not says nothing. */
static enum identified other_value(struct search_for *search, const struct patient_identifier *identifier)
{
	struct outcome before = *search->t->outcome;
	struct patient_identity identity;

	if (!identifier->system.data || !identifier->value.size)
		return PATIENT_NOBODY;
	switch (identity_read(search->t, identifier->system, identifier->value, search->path, &identity)) {
	case IDENTITY_TAKEN:
		return identity_is_affinity(search->t, &identity) ? PATIENT_NOBODY : identity_ask(search, &identity);
	case IDENTITY_STRANGE:
		return PATIENT_NOBODY;
	case IDENTITY_WRONG:
		break;
	}
	if (!search->by_resource)
		return PATIENT_FAILED;
	*search->t->outcome = before;
	return PATIENT_NOBODY;
}

/* All that somebody knows must mean the same patient. */
static enum identified other_values(struct search_for *search, const struct patient_identifier *identifiers,
				    size_t count)
{
	enum identified end = PATIENT_NOBODY;

	for (size_t i = 0; end != PATIENT_FAILED && i < count && i < PATIENT_IDENTIFIERS_MAX; i++) {
		enum identified one = other_value(search, &identifiers[i]);

		if (one != PATIENT_NOBODY)
			end = one;
	}
	return end;
}

static enum identified identify_by_identifiers(struct search_for *search, const struct patient_identifier *identifiers,
					       size_t count, bool any_system)
{
	enum identified end = affinity_values(search, identifiers, count, any_system);

	return end == PATIENT_NOBODY ? other_values(search, identifiers, count) : end;
}

/* Identifiers of a resource; those that are no longer used do not count. */
static enum identified identify_by_resource(struct search_for *search, const json_t *patient)
{
	const json_t *items = json_object_get(patient, "identifier");
	struct patient_identifier identifiers[PATIENT_IDENTIFIERS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(items) && count < COUNT_OF(identifiers); i++) {
		const json_t *item = json_array_get(items, i);
		struct str system = fhir_text(json_object_get(item, "system"));

		if (str_equal(fhir_text(json_object_get(item, "use")), STR("old")) || !system.size)
			continue;
		identifiers[count++] =
			(struct patient_identifier) { system, fhir_text(json_object_get(item, "value")) };
	}
	search->by_resource = true;
	return identify_by_identifiers(search, identifiers, count, false);
}

static const json_t *survivor_of(const json_t *patient)
{
	const json_t *links = json_object_get(patient, "link");

	for (size_t i = 0; i < json_array_size(links); i++) {
		const json_t *link = json_array_get(links, i);

		if (str_equal(fhir_text(json_object_get(link, "type")), STR("replaced-by")))
			return json_object_get(link, "other");
	}
	return NULL;
}

/* Who replaced a Patient: by identifier, or by a reference on the same server. FHIR R4 Patient.link */
static enum identified identify_survivor(struct search_for *search, const json_t *other)
{
	const json_t *json = json_object_get(other, "identifier");
	struct patient_identifier identifier = { fhir_text(json_object_get(json, "system")),
						 fhir_text(json_object_get(json, "value")) };
	struct str reference = fhir_text(json_object_get(other, "reference"));

	if (identifier.system.size && identifier.value.size)
		return identify_by_identifiers(search, &identifier, 1, false);
	if (++search->hops > HOPS_MAX || !reference.size)
		return PATIENT_NOBODY;
	if (str_starts_with(reference, STR("Patient/")))
		reference =
			arena_printf(search->t->south.arena, "%.*s/%.*s",
				     STR_ARG(search->t->gateway->config->patient_identity_base), STR_ARG(reference));
	return reference.data ? identify_by_url(search, reference) : without_memory(search);
}

/* A Patient of the identity server: nobody is identified by one that was replaced or put out of use. */
static enum identified identify_by_fetched(struct search_for *search, const json_t *patient)
{
	const json_t *survivor = survivor_of(patient);

	if (survivor)
		return identify_survivor(search, survivor);
	if (!json_is_false(json_object_get(patient, "active")))
		return identify_by_resource(search, patient);
	outcome_warn(search->t->outcome, ERR_PATIENT_UNKNOWN, search->path,
		     "Name a patient whose record is in use: this one is not active.");
	return PATIENT_NOBODY;
}

static enum identified identify_by_url(struct search_for *search, struct str url)
{
	const struct transaction *t = search->t;
	struct str base = t->gateway->config->patient_identity_base;
	struct strs bases = { &base, 1 };
	json_t *patient = NULL;

	if (str_is_empty(base) || !fhir_fetch_allowed(url, base))
		return PATIENT_NOBODY;
	switch (fhir_fetch(&t->south, url, &bases, search->path, &patient, t->outcome)) {
	case FHIR_FETCHED:
		return identify_by_fetched(search, patient);
	case FHIR_FETCH_NOTHING:
		return PATIENT_NOBODY;
	case FHIR_FETCH_FAILED:
		break;
	}
	return PATIENT_FAILED;
}

/* Patient/{id}: an id that this gateway gave out, otherwise one of the identity server, whose Patients it speaks of. */
static enum identified identify_by_id(struct search_for *search, struct str id)
{
	const struct transaction *t = search->t;
	struct patient_identity identity;
	struct str url;

	if (identity_open(t, id, &identity))
		return identity_resolve(search, &identity);
	url = arena_printf(t->south.arena, "%.*s/Patient/%.*s", STR_ARG(t->gateway->config->patient_identity_base),
			   STR_ARG(id));
	return url.data ? identify_by_url(search, url) : without_memory(search);
}

/* PIXm 3.83.4.1.2.1: system is the base of a FHIR server, value the Patient there. */
static enum identified identify_by_logical(struct search_for *search, const struct patient_claim *claim)
{
	const struct transaction *t = search->t;
	const struct str prefix = STR("Patient/");

	for (size_t i = 0; i < claim->identifier_count; i++) {
		const struct patient_identifier *identifier = &claim->identifiers[i];
		struct str id = str_from(identifier->value, prefix.size);
		struct str url;

		if (!identifier->system.size || !str_starts_with(identifier->value, prefix))
			continue;
		if (str_equal(identifier->system, t->gateway->base))
			return identify_by_id(search, id);
		if (!str_equal(identifier->system, t->gateway->config->patient_identity_base))
			continue;
		url = arena_printf(t->south.arena, "%.*s/%.*s", STR_ARG(identifier->system),
				   STR_ARG(identifier->value));
		return url.data ? identify_by_url(search, url) : without_memory(search);
	}
	return PATIENT_NOBODY;
}

static enum identified finish(const struct search_for *search, enum identified end, struct str *patient_id)
{
	if (end != PATIENT_IDENTIFIED)
		return end;
	if (str_is_empty(str_trim(search->value)))
		return PATIENT_NOBODY;
	return identity_cx(search->t, search->value, patient_id) ? PATIENT_IDENTIFIED : PATIENT_FAILED;
}

static enum identified identify(struct search_for *search, const struct patient_claim *claim, bool any_system,
				struct str *patient_id)
{
	enum identified end = identify_by_identifiers(search, claim->identifiers, claim->identifier_count, any_system);

	if (end == PATIENT_NOBODY && !search->is_unresolved)
		end = identify_by_logical(search, claim);
	if (end == PATIENT_NOBODY && !search->is_unresolved) {
		end = !str_is_empty(claim->own_id) ? identify_by_id(search, claim->own_id)
						   : identify_by_url(search, claim->url);
	}
	return finish(search, end, patient_id);
}

enum identified identify_patient(const struct transaction *t, const struct patient_claim *claim, bool any_system,
				 struct str *patient_id)
{
	struct search_for search = { .t = t, .path = claim->path, .by_resource = claim->resource != NULL };

	return identify(&search, claim, any_system, patient_id);
}

enum identified identify_patient_later(const struct transaction *t, const struct patient_claim *claim,
				       struct deadline deadline, struct strs *named, bool *unresolved,
				       struct str *patient_id)
{
	struct transaction asking = *t;
	struct search_for search = {
		.t = &asking, .path = claim->path, .by_resource = claim->resource != NULL, .named = named
	};
	enum identified end;

	asking.south.deadline = deadline;
	*named = (struct strs) { .items = arena_array(t->south.arena, PATIENT_IDENTIFIERS_MAX, sizeof(struct str)) };
	*unresolved = false;
	if (!named->items)
		return without_memory(&search);
	end = identify(&search, claim, false, patient_id);
	*unresolved = search.is_unresolved && end != PATIENT_FAILED;
	if (!*unresolved)
		return end;
	*patient_id = named->items[0];
	return PATIENT_IDENTIFIED;
}

struct str patient_reference(const struct transaction *t, struct str patient_id)
{
	struct patient_identity identity;
	struct hl7_cx cx;
	struct str id;

	if (!hl7_cx_parse(patient_id, t->south.arena, &cx))
		return STR_NONE;
	identity = (struct patient_identity) { cx.authority.universal_id, cx.id };
	id = identity_is_affinity(t, &identity) ? identity_seal(t, &identity) : STR_NONE;
	return id.data ? arena_printf(t->south.arena, "Patient/%.*s", STR_ARG(id)) : STR_NONE;
}
