/* A request's way through consent: what was found out about each patient, and what each source's part of it met. */
#include "gateway/access/visit_state.h"

#include "mappers/base/hl7v2.h"
#include "mappers/metadata_rim.h"

#define STRANGERS_MAX 64 /* patients whom one source may name in one request: about each of them somebody is asked */

static struct visit *visit_make(const struct visit *from, const struct south *south)
{
	struct visit *visit = arena_alloc(south->arena, sizeof(*visit));

	if (!visit)
		return NULL;
	*visit = (struct visit) { .access = from->access,
				  .south = *south,
				  .caller = from->caller,
				  .is_bound = from->is_bound,
				  .own_patient = from->own_patient,
				  .now_s = from->now_s };
	visit->whole = visit;
	return visit;
}

struct visit *visit_begin(struct access *access, const struct south *south, const struct caller *caller, bool is_bound,
			  struct str own_patient, int64_t now_s)
{
	const struct visit whole = { .access = access,
				     .caller = caller,
				     .is_bound = is_bound || caller->kind == CALLER_PATIENT,
				     .own_patient = own_patient,
				     .now_s = now_s };

	return visit_make(&whole, south);
}

struct visit *visit_part(struct visit *visit, const struct south *south, const struct other_community *community)
{
	struct visit *part = visit_make(visit, south);

	if (!part)
		return NULL;
	part->community = community;
	part->whole = visit->whole;
	part->next = visit->whole->parts;
	visit->whole->parts = part;
	return part;
}

void visit_until(struct visit *visit, struct deadline deadline)
{
	visit->south.deadline = deadline;
}

/* Namespace names and type codes beside id and OID say nothing. TF-3 4.2.3.2.16 */
bool visit_same_patient(const struct visit *visit, struct str a, struct str b)
{
	struct hl7_cx left;
	struct hl7_cx right;

	if (str_is_empty(a) || str_is_empty(b))
		return false;
	if (str_equal(a, b))
		return true;
	return hl7_cx_parse(a, visit->south.arena, &left) && hl7_cx_parse(b, visit->south.arena, &right) &&
	       str_equal(left.id, right.id) && str_equal(left.authority.universal_id, right.authority.universal_id);
}

static bool known_add(struct visit *visit, struct str here, struct str there, struct outcome *outcome)
{
	if (!arena_grow(visit->south.arena, &visit->known, visit->known_count, &visit->known_capacity,
			sizeof(*visit->known)))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	visit->known[visit->known_count++] = (struct known) { here, there };
	return true;
}

bool visit_patient_there(struct visit *visit, struct str here, struct str *there, struct outcome *outcome)
{
	*there = here;
	if (!visit->community || str_is_empty(here))
		return true;
	for (size_t i = 0; i < visit->known_count; i++) {
		*there = visit->known[i].there;
		if (visit_same_patient(visit, visit->known[i].here, here))
			return true;
	}
	switch (community_find(visit->access, &visit->south, visit->community, here, visit->now_s, there, outcome)) {
	case COMMUNITY_FOUND:
		return known_add(visit, here, *there, outcome);
	case COMMUNITY_NOBODY:
		*there = STR_NONE;
		return true;
	case COMMUNITY_FAILED:
		break;
	}
	return false;
}

bool visit_patient_here(struct visit *visit, struct str there, struct str *here, struct outcome *outcome)
{
	*here = there;
	if (!visit->community || str_is_empty(there))
		return true;
	for (size_t i = 0; i < visit->known_count; i++) {
		*here = visit->known[i].here;
		if (visit_same_patient(visit, visit->known[i].there, there))
			return true;
	}
	if (visit->known_count >= STRANGERS_MAX)
		return outcome_add(outcome, ERR_BACKEND_ANSWER, "",
				   "The community's answers name too many patients; tell its operator.");
	switch (community_patient(visit->access, &visit->south, visit->community, there, visit->now_s, here, outcome)) {
	case COMMUNITY_FOUND:
		return known_add(visit, *here, there, outcome);
	case COMMUNITY_NOBODY:
		*here = STR_NONE;
		return known_add(visit, STR_NONE, there, outcome);
	case COMMUNITY_FAILED:
		break;
	}
	return false;
}

struct seen *visit_seen(struct visit *visit, struct str patient_id)
{
	for (size_t i = 0; i < visit->count; i++) {
		if (visit_same_patient(visit, visit->seen[i].public.patient_id, patient_id))
			return &visit->seen[i];
	}
	/* Copied, here and below: what a visit is asked about may be gone before it ends. */
	patient_id = arena_copy(visit->south.arena, patient_id);
	if (!patient_id.data ||
	    !arena_grow(visit->south.arena, &visit->seen, visit->count, &visit->capacity, sizeof(*visit->seen)))
		return NULL;
	visit->seen[visit->count] = (struct seen) { .public = { .patient_id = patient_id } };
	return &visit->seen[visit->count++];
}

/* What holds for this patient and this action; NULL: nothing is permitted. */
static const struct consent *consent_of(struct visit *visit, struct seen *seen, enum consent_action action)
{
	bool is_own = visit_same_patient(visit, visit->own_patient, seen->public.patient_id);

	if (visit->is_bound && !is_own) {
		seen->public.was_refused = true;
		seen->public.decided = (struct consent_decision) { .reason = CONSENT_NO_RELATIONSHIP };
		return NULL;
	}
	if (!seen->consents[action])
		seen->consents[action] =
			consent_ask(visit->access, &visit->south, visit->caller, action, seen->public.patient_id,
				    is_own && visit->caller->kind == CALLER_PATIENT, visit->now_s);
	return seen->consents[action];
}

enum consent_extent visit_extent(struct visit *visit, struct str patient_id, enum consent_action action)
{
	struct seen *seen = visit_seen(visit, patient_id);
	const struct consent *consent = seen ? consent_of(visit, seen, action) : NULL;
	struct consent_decision decision;
	enum consent_extent extent;

	if (!consent)
		return CONSENT_NO_DOCUMENT;
	extent = consent_extent_of(consent, &decision);
	if (extent == CONSENT_NO_DOCUMENT) {
		seen->public.was_refused = true;
		seen->public.decided = decision;
	}
	return extent;
}

bool visit_undecide(struct visit *visit, struct str patient_id)
{
	struct seen *seen = visit_seen(visit, patient_id);

	if (!seen || !seen->public.was_refused || seen->public.decided.reason != CONSENT_UNAVAILABLE)
		return false;
	seen->public.was_refused = false;
	seen->public.decided = (struct consent_decision) { 0 };
	return true;
}

/* Of many decisions about one patient one is told: that nobody knows, that the glass was broken, a denial, a permit. */
static unsigned weight(const struct consent_decision *decision)
{
	if (decision->permit)
		return decision->reason == CONSENT_BY_BREAK_GLASS ? 2 : 0;
	return decision->reason == CONSENT_UNAVAILABLE ? 3 : 1;
}

/* Takes one decision into what is told about a patient; count: of documents decided before. */
static void decision_take(struct visit_patient *patient, const struct consent_decision *decision, size_t count)
{
	if (count == 0 || weight(decision) >= weight(&patient->decided))
		patient->decided = *decision;
}

static void hospital_take(const struct visit *visit, struct visit_patient *patient, struct str name)
{
	for (size_t i = 0; i < patient->hospital_count; i++) {
		if (str_equal(patient->hospitals[i], name))
			return;
	}
	if (name.size == 0 || patient->hospital_count == VISIT_HOSPITALS_MAX)
		return;
	name = arena_copy(visit->south.arena, name);
	if (name.data)
		patient->hospitals[patient->hospital_count++] = name;
}

static void met_add(struct visit *visit, const struct met *one)
{
	if (str_is_empty(one->unique_id))
		return;
	if (!arena_grow(visit->south.arena, &visit->met, visit->met_count, &visit->met_capacity, sizeof(*visit->met))) {
		visit->is_forgetful = true;
		return;
	}
	visit->met[visit->met_count++] = *one;
}

void visit_hide(struct visit *visit, struct str unique_id, struct str patient_id)
{
	met_add(visit, &(struct met) { unique_id, patient_id, MET_HIDDEN });
}

/* What else its source has of the document is held against this. */
static void entry_meet(struct visit *visit, const struct seen *seen, const struct document_entry *entry,
		       enum consent_action action, const struct consent *consent, bool is_permitted)
{
	bool is_deprecated = status_is_deprecated(entry->availability_status);
	struct met one = { .patient_id = seen->public.patient_id, .how = MET_CURRENT };
	struct consent_decision ignored;

	if (!is_permitted)
		one.how = is_deprecated ? MET_HIDDEN_DEPRECATED : MET_HIDDEN;
	else if (is_deprecated || action != CONSENT_FIND || consent_extent_of(consent, &ignored) != CONSENT_BY_DOCUMENT)
		return;
	one.unique_id = arena_copy(visit->south.arena, entry->unique_id);
	visit->is_forgetful = visit->is_forgetful || !one.unique_id.data;
	met_add(visit, &one);
}

bool visit_permits(struct visit *visit, const struct document_entry *entry, enum consent_action action)
{
	struct seen *seen = visit_seen(visit, entry->patient_id);
	const struct consent *consent = seen ? consent_of(visit, seen, action) : NULL;
	struct consent_decision decision = { 0 };

	if (!seen)
		return false;
	if (consent) {
		consent_decide_entry(consent, entry, &decision);
		if (decision.permit && (action == CONSENT_FIND || action == CONSENT_READ))
			visit_changes_decide(visit, seen, consent, entry, &decision);
		decision_take(&seen->public, &decision, seen->public.permitted_count + seen->public.denied_count);
	}
	*(decision.permit ? &seen->public.permitted_count : &seen->public.denied_count) += 1;
	if (decision.permit)
		hospital_take(visit, &seen->public, decision.hospital);
	entry_meet(visit, seen, entry, action, consent, decision.permit);
	return decision.permit;
}

static bool has_met(const struct visit *part, int how, struct str unique_id, struct str patient_id)
{
	for (size_t i = 0; i < part->met_count; i++) {
		const struct met *met = &part->met[i];

		if ((int)met->how == how && str_equal(met->unique_id, unique_id) &&
		    visit_same_patient(part, met->patient_id, patient_id))
			return true;
	}
	return false;
}

static bool part_hides(const struct visit *part, struct str unique_id, struct str patient_id)
{
	return part->is_forgetful || has_met(part, MET_HIDDEN, unique_id, patient_id) ||
	       (has_met(part, MET_HIDDEN_DEPRECATED, unique_id, patient_id) &&
		!has_met(part, MET_CURRENT, unique_id, patient_id));
}

bool visit_hides_elsewhere(const struct visit *visit, struct str unique_id, struct str patient_id)
{
	const struct visit *whole = visit->whole;

	if (whole != visit && part_hides(whole, unique_id, patient_id))
		return true;
	for (const struct visit *part = whole->parts; part; part = part->next) {
		if (part != visit && part_hides(part, unique_id, patient_id))
			return true;
	}
	return false;
}

bool visit_hides_document(const struct visit *visit, struct str unique_id, struct str patient_id)
{
	return part_hides(visit, unique_id, patient_id) || visit_hides_elsewhere(visit, unique_id, patient_id);
}

bool visit_known(const struct visit *visit, struct outcome *outcome)
{
	for (size_t i = 0; i < visit->count; i++) {
		const struct consent_decision *decided = &visit->seen[i].public.decided;

		if (!decided->permit && decided->reason == CONSENT_UNAVAILABLE)
			return outcome_add(outcome, ERR_TRUST_UNAVAILABLE, "",
					   "It cannot be found out now what the patient consents to; try again later.");
		if (!decided->permit && decided->reason == CONSENT_NO_BREAK_GLASS)
			return outcome_add(outcome, ERR_FORBIDDEN, "",
					   "Breaking the glass is for people in a role that this organisation names, "
					   "who give a reason (X-Break-Glass-Reason).");
	}
	return true;
}

bool visit_about(const struct visit *visit, struct str patient_id, struct outcome *outcome)
{
	return !visit->is_bound || visit_same_patient(visit, visit->own_patient, patient_id) ||
	       outcome_add(outcome, ERR_FORBIDDEN, "", "Ask about the patient that your token speaks of.");
}

bool visit_consent(struct visit *visit, enum consent_action action, struct str patient_id, struct outcome *outcome)
{
	(void)visit_extent(visit, patient_id, action);
	return visit_known(visit, outcome);
}

void visit_hold(struct visit *visit, struct str holder, const struct document_entry *entry)
{
	if (!arena_grow(visit->south.arena, &visit->held, visit->held_count, &visit->held_capacity,
			sizeof(*visit->held))) {
		visit->is_forgetful = true;
		return;
	}
	visit->held[visit->held_count++] = (struct held) { holder, entry->unique_id, entry->patient_id };
}

bool visit_empties_elsewhere(const struct visit *visit, struct str holder)
{
	bool is_held = false;

	for (size_t i = 0; i < visit->held_count; i++) {
		if (!str_equal_nocase(visit->held[i].holder, holder))
			continue;
		if (!visit_hides_document(visit, visit->held[i].unique_id, visit->held[i].patient_id))
			return false;
		is_held = true;
	}
	return is_held;
}

/* Whether anything but its own documents may be open to this caller: a producer reads those whatever the patient says,
 * and learns of the patient by them, not by asking. */
static bool is_open_to_others(struct visit *visit, const struct consent *consent, struct seen *seen)
{
	struct code normal = { STR("N"), STR("2.16.840.1.113883.5.25"), STR_NONE };
	const struct document_entry ordinary = { .patient_id = seen->public.patient_id,
						 .confidentiality_codes = { &normal, 1 } };
	struct caller *anybody = arena_alloc(visit->south.arena, sizeof(*anybody));
	struct consent_decision decision;

	consent_decide_entry(consent, &ordinary, &decision);
	if (decision.permit || !anybody)
		return decision.permit;
	*anybody = *visit->caller;
	anybody->organization = STR_NONE;
	anybody->organization_id = STR_NONE;
	consent = consent_ask(visit->access, &visit->south, anybody, CONSENT_FIND, seen->public.patient_id, false,
			      visit->now_s);
	if (consent_extent_of(consent, &decision) != CONSENT_NO_DOCUMENT)
		return true;
	seen->public.was_refused = true;
	seen->public.decided = decision;
	return false;
}

bool visit_may_discover(struct visit *visit, struct str patient_id, struct outcome *outcome)
{
	enum consent_extent extent = visit_extent(visit, patient_id, CONSENT_FIND);
	struct seen *seen = visit_seen(visit, patient_id);
	bool is_open = extent == CONSENT_EVERY_DOCUMENT;

	if (extent == CONSENT_BY_DOCUMENT && seen)
		is_open = is_open_to_others(visit, consent_of(visit, seen, CONSENT_FIND), seen);
	return visit_known(visit, outcome) && is_open;
}

/* Adds what one part found out to the others' patients. */
static void patients_join(const struct visit *part, struct visit_patient *patients, size_t *count)
{
	for (size_t i = 0; i < part->count; i++) {
		const struct visit_patient *one = &part->seen[i].public;
		size_t at = 0;

		while (at < *count && !visit_same_patient(part, patients[at].patient_id, one->patient_id))
			at++;
		if (at == *count) {
			patients[(*count)++] = *one;
			continue;
		}
		/* One that was met and not decided about says nothing. */
		if (one->was_refused || one->permitted_count + one->denied_count > 0)
			decision_take(&patients[at], &one->decided,
				      patients[at].permitted_count + patients[at].denied_count);
		patients[at].permitted_count += one->permitted_count;
		patients[at].denied_count += one->denied_count;
		patients[at].was_refused = patients[at].was_refused || one->was_refused;
		for (size_t k = 0; k < one->hospital_count; k++)
			hospital_take(part, &patients[at], one->hospitals[k]);
	}
}

const struct visit_patient *visit_patients(const struct visit *visit, size_t *count)
{
	struct visit_patient *patients;
	size_t room = visit->count;

	for (const struct visit *part = visit->parts; part; part = part->next)
		room += part->count;
	patients = arena_array(visit->south.arena, room, sizeof(*patients));
	*count = 0;
	if (!patients)
		return NULL;
	patients_join(visit, patients, count);
	for (const struct visit *part = visit->parts; part; part = part->next)
		patients_join(part, patients, count);
	return patients;
}
