#include "gateway/transactions/own_patient.h"

#include "gateway/transactions/identify_patient.h"
#include "mappers/base/hl7v2.h"

/* A claim from the forms in which tokens name a patient. */
static bool claim_make(const struct transaction *t, struct str text, struct patient_identifier *identifier,
		       struct patient_claim *claim)
{
	size_t bar = str_find(text, '|');
	struct hl7_cx cx;

	*claim = (struct patient_claim) { .path = "person_id" };
	if (bar < text.size) {
		*identifier = (struct patient_identifier) { { text.data, bar }, str_from(text, bar + 1) };
	} else if (str_find(text, '^') < text.size) {
		if (!hl7_cx_parse(text, t->south.arena, &cx))
			return no_memory(t);
		*identifier = (struct patient_identifier) {
			arena_printf(t->south.arena, "urn:oid:%.*s", STR_ARG(cx.authority.universal_id)), cx.id
		};
		if (!identifier->system.data)
			return no_memory(t);
	} else {
		if (!patient_claim_refer(text, t->gateway->base, claim))
			claim->own_id = STR_NONE; /* nobody */
		return true;
	}
	claim->identifiers = identifier;
	claim->identifier_count = 1;
	return true;
}

bool own_patient_resolve(struct transaction *t)
{
	struct patient_identifier identifier;
	struct patient_claim claim;
	struct str patient_id = STR_NONE;
	bool is_bound = !str_is_empty(t->caller->person_id);

	if (is_bound && !claim_make(t, t->caller->person_id, &identifier, &claim))
		return false;
	if (is_bound && identify_patient(t, &claim, false, &patient_id) == PATIENT_FAILED)
		return false;
	t->visit = visit_begin(t->gateway->access, &t->south, t->caller, is_bound, patient_id, t->now_s);
	return t->visit || no_memory(t);
}
