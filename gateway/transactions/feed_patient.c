/* Patient Identity Feed FHIR [ITI-104] over Patient Identity Feed HL7 V3 [ITI-44]: add, revise, and resolve duplicate.
 * What gateways remember is forgotten before the feed goes out, and again before it is acknowledged.
 * Source: PIXm 3.104, FHIR R4 http conditional update. */
#include "gateway/access/cross_reference.h"
#include "gateway/access/identity_source.h"
#include "gateway/transactions/demographics.h"
#include "mappers/base/hl7v2.h"
#include "mappers/fhir_validate.h"
#include "mappers/json_writer.h"
#include "mappers/patient_fhir.h"
#include "mappers/search_params.h"

#define TOUCHED_MAX 64

/* A feed on its way. */
struct feeding {
	struct patient_identity identity; /* of the query: what the feed is about */
	struct patient patient;           /* identifiers[0] is identity */
	enum identity_feed kind;
	struct patient_identity touched[TOUCHED_MAX]; /* whose cross-references may change */
	size_t touched_count;
};

static void touch(struct feeding *feeding, const struct patient_identity *identity)
{
	if (feeding->touched_count < TOUCHED_MAX)
		feeding->touched[feeding->touched_count++] = *identity;
}

/* A source speaks for its own domain. PIXm 3.104.4.1.3, 3.104.5: one source per domain. */
static bool may_feed(const struct transaction *t, struct str authority)
{
	const struct config_authority *row = identity_authority_row(t, authority);

	if (!row || !row->source.size || t->caller->kind == CALLER_PATIENT)
		return false;
	return str_equal(row->source, STR("*")) || str_equal(row->source, t->caller->client_id) ||
	       str_equal(row->source, t->caller->subject);
}

/* The one identifier parameter. */
static bool condition_read(const struct transaction *t, struct str query, struct feeding *feeding)
{
	struct search_params params;
	const struct search_param *condition = NULL;
	struct search_token token;

	if (!search_params_read(query, STR_NONE, t->south.arena, &params, t->outcome))
		return false;
	for (size_t i = 0; i < params.count; i++) {
		const struct search_param *param = &params.items[i];

		if (param->name.size && param->name.data[0] == '_')
			continue;
		if (condition || !str_equal(param->name, STR("identifier")) || param->modifier.data ||
		    param->values.count != 1)
			return outcome_add(t->outcome, ERR_VALUE_INVALID, "identifier",
					   "Say which Patient is meant by one identifier=system|value, and nothing "
					   "else.");
		condition = param;
	}
	if (!condition)
		return outcome_add(t->outcome, ERR_PARAMETER_MISSING, "identifier",
				   "Add identifier=system|value behind Patient?.");
	if (!search_token_read(condition->values.items[0], t->south.arena, &token))
		return no_memory(t);
	switch (identity_read(t, token.system, token.code, "identifier", &feeding->identity)) {
	case IDENTITY_TAKEN:
		break;
	case IDENTITY_STRANGE:
		feeding->identity = (struct patient_identity) { 0 };
		break;
	case IDENTITY_WRONG:
		return false;
	}
	/* A domain of somebody else's and one that nobody knows look the same. */
	return may_feed(t, feeding->identity.authority) ||
	       outcome_add(t->outcome, ERR_FORBIDDEN, "identifier",
			   "Feed the domain whose identity source you are: this is another one.");
}

static bool is_same(const struct patient_identity *a, const struct patient_identity *b)
{
	return str_equal(a->authority, b->authority) && str_equal(a->value, b->value);
}

/* The identifier of the feed first; behind it those of known domains, for which this source must be allowed to speak
 * unless they have no source at all (national numbers). */
static bool identifiers_order(const struct transaction *t, struct feeding *feeding)
{
	struct patient_identities *given = &feeding->patient.identifiers;
	struct patient_identities ordered = { .items = arena_array(t->south.arena, given->count + 1,
								   sizeof *ordered.items) };
	bool found = false;

	if (!ordered.items)
		return no_memory(t);
	ordered.items[ordered.count++] = feeding->identity;
	for (size_t i = 0; i < given->count; i++) {
		const struct patient_identity *identity = &given->items[i];
		const struct config_authority *row = identity_authority_row(t, identity->authority);

		if (is_same(identity, &feeding->identity)) {
			found = true;
			continue;
		}
		if (!identity_authority_known(t, identity->authority))
			continue;
		if ((!row || row->source.size) && !may_feed(t, identity->authority))
			return outcome_add(t->outcome, ERR_FORBIDDEN, "Patient.identifier",
					   "Send identifiers of your own domain: one of these is of a domain that has "
					   "another identity source.");
		if (!identity_check(t, identity, "Patient.identifier"))
			return false;
		ordered.items[ordered.count++] = *identity;
	}
	*given = ordered;
	return found || outcome_add(t->outcome, ERR_RULE, "Patient.identifier",
				    "Send the identifier of the query in the Patient, too.");
}

/* Who survives, when the link names a Patient of ours. */
static bool survivor_open(const struct transaction *t, struct str reference, struct feeding *feeding)
{
	struct str base = t->gateway->base;

	if (!reference.size)
		return true;
	if (str_starts_with(reference, base) && reference.size > base.size)
		reference = str_from(reference, base.size + 1);
	return (str_starts_with(reference, STR("Patient/")) &&
		identity_open(t, str_from(reference, sizeof("Patient/") - 1), &feeding->patient.replaced_by)) ||
	       outcome_add(t->outcome, ERR_REFERENCE_UNRESOLVED, "Patient.link.other",
			   "Name the surviving Patient by an identifier of its domain, or by an id given out here.");
}

/* PIXm 3.104.4.2.2 */
static bool merge_check(const struct transaction *t, const struct feeding *feeding)
{
	const struct patient_identity *survivor = &feeding->patient.replaced_by;

	if (!survivor->authority.size)
		return true;
	if (!feeding->patient.is_inactive)
		return outcome_add(t->outcome, ERR_RULE, "Patient.active",
				   "Set active to false: the Patient is replaced.");
	if (!str_equal(survivor->authority, feeding->identity.authority))
		return outcome_add(t->outcome, ERR_RULE, "Patient.link.other",
				   "Let a Patient of the same domain be the surviving one.");
	return !is_same(survivor, &feeding->identity) ||
	       outcome_add(t->outcome, ERR_CONFLICT, "Patient.link.other", "Let another Patient be the surviving one.");
}

static bool patient_read(const struct transaction *t, const json_t *body, struct feeding *feeding)
{
	struct system_names names = identity_names(t);
	struct str reference;

	if (!names.items)
		return no_memory(t);
	if (!str_equal(fhir_text(json_object_get(body, "resourceType")), STR("Patient")))
		return outcome_add(t->outcome, ERR_BODY_MALFORMED, "", "Send a Patient as the body.");
	return fhir_validate(body, NULL, t->outcome) &&
	       patient_from_fhir(body, "Patient", &names, t->south.arena, &feeding->patient, &reference, t->outcome) &&
	       identifiers_order(t, feeding) && survivor_open(t, reference, feeding) && merge_check(t, feeding);
}

static bool source_down(const struct transaction *t)
{
	return outcome_add(t->outcome, ERR_BACKEND_REFUSED, "",
			   "The PIX manager does not know this domain; ask its "
			   "operator to add it.");
}

/* Is the patient there already? The manager itself is asked, not what is remembered. */
static bool kind_find(const struct transaction *t, struct feeding *feeding)
{
	struct patient_identities linked = { 0 };

	touch(feeding, &feeding->identity);
	switch (identity_source_pix(t->gateway->access, &t->south, &feeding->identity, &linked, t->outcome)) {
	case IDENTITY_OK:
		feeding->kind = IDENTITY_REVISE;
		break;
	case IDENTITY_UNKNOWN_ID:
		feeding->kind = IDENTITY_ADD;
		break;
	case IDENTITY_UNKNOWN_SOURCE:
	case IDENTITY_UNKNOWN_TARGET:
		return source_down(t);
	case IDENTITY_REFUSED:
	case IDENTITY_FAILED:
		return false;
	}
	if (feeding->patient.replaced_by.authority.size) {
		feeding->kind = IDENTITY_MERGE;
		touch(feeding, &feeding->patient.replaced_by);
	}
	for (size_t i = 0; i < linked.count; i++)
		touch(feeding, &linked.items[i]);
	for (size_t i = 1; i < feeding->patient.identifiers.count; i++)
		touch(feeding, &feeding->patient.identifiers.items[i]);
	return true;
}

static bool end_is_good(const struct transaction *t, enum identity_end end)
{
	switch (end) {
	case IDENTITY_OK:
		return true;
	case IDENTITY_UNKNOWN_ID:
		return outcome_add(t->outcome, ERR_PATIENT_UNKNOWN, "Patient.link.other",
				   "Feed both Patients before one replaces the other.");
	case IDENTITY_UNKNOWN_SOURCE:
	case IDENTITY_UNKNOWN_TARGET:
		return source_down(t);
	case IDENTITY_REFUSED:
	case IDENTITY_FAILED:
		break;
	}
	return false;
}

/* The feed between the two moments at which everything remembered becomes unreachable: what another gateway reads from
 * the manager in between is older than the second. A feed that failed may have been done all the same. */
static bool feed(const struct transaction *t, struct feeding *feeding)
{
	struct access *access = t->gateway->access;
	const struct patient survivor = { .identifiers = { &feeding->patient.replaced_by, 1 } };
	bool is_merge = feeding->kind == IDENTITY_MERGE;
	enum identity_end end;
	bool forgotten;

	if (!cross_references_forget(access, feeding->touched, feeding->touched_count, t->outcome))
		return false;
	end = identity_source_feed(access, &t->south, feeding->kind, is_merge ? &survivor : &feeding->patient,
				   is_merge ? &feeding->identity : NULL, t->outcome);
	forgotten = cross_references_forget(access, feeding->touched, feeding->touched_count, t->outcome);
	return end_is_good(t, end) && forgotten;
}

/* Whom the record is about: the patients of the affinity domain whose identifiers these are, so that they can read it;
 * otherwise the identifier that was fed. */
static void feed_record(const struct transaction *t, const struct feeding *feeding)
{
	const struct patient_identity *own = &feeding->identity;
	struct str value = hl7_escape(own->value, t->south.arena);
	bool is_known = false;

	for (size_t i = 0; i < feeding->touched_count; i++)
		is_known = is_known || identity_is_affinity(t, &feeding->touched[i]);
	demographics_record(t, &(struct patient_identities) { (struct patient_identity *)feeding->touched,
							      feeding->touched_count });
	if (!is_known && own->authority.size && value.data)
		audit_patient(t->audit,
			      arena_printf(t->south.arena, "%.*s^^^&%.*s&ISO", STR_ARG(value), STR_ARG(own->authority)),
			      STR_NONE);
}

bool feed_patient(const struct transaction *t, const struct search_request *request, const json_t *body,
		  struct written *written, struct buf *answer)
{
	struct feeding feeding = { 0 };
	struct json_writer writer;
	struct str id;
	bool fed;

	if (str_is_empty(t->gateway->config->identity_feed_url) || !cross_references_are_known(t->gateway->access))
		return outcome_add(t->outcome, ERR_NOT_SUPPORTED, "", "No patients are taken here.");
	fed = condition_read(t, request->query, &feeding) && patient_read(t, body, &feeding) &&
	      kind_find(t, &feeding) && feed(t, &feeding);
	feed_record(t, &feeding);
	if (!fed)
		return false;
	id = identity_seal(t, &feeding.identity);
	written->is_new = feeding.kind == IDENTITY_ADD;
	if (written->is_new)
		audit_kind_set(t->audit, AUDIT_FEED_CREATE);
	written->location = id.data ? arena_printf(t->south.arena, "Patient/%.*s", STR_ARG(id)) : STR_NONE;
	json_writer_init(&writer, answer);
	demographics_write(t, &feeding.patient, id, &writer);
	return json_writer_finish(&writer, t->outcome);
}
