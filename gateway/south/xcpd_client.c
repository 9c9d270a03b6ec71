#include "gateway/south/xcpd_client.h"

#include "gateway/south/hl7v3_exchange.h"

/* homeCommunityIds are URNs in XCA and bare OIDs in HL7 V3. */
static struct str home_oid(struct str home)
{
	return str_without_prefix(home, STR("urn:oid:"));
}

/* The name that the patient is officially known by, or else the first one with a family name. */
static const struct patient_name *name_choose(const struct patient *patient)
{
	const struct patient_name *chosen = NULL;

	for (size_t i = 0; i < patient->name_count; i++) {
		const struct patient_name *name = &patient->names[i];

		if (name->family.size > 0 &&
		    (!chosen || (str_equal(name->use, STR("official")) && !str_equal(chosen->use, STR("official")))))
			chosen = name;
	}
	return chosen;
}

/* What is asked at first. False when too little is known to ask: demographics are of no use without name and birth date
 * (ITI TF-2 3.55.4.1.2.1), and then an identifier alone may do. */
static bool query_make(const struct patient *patient, struct patient_query *query)
{
	const struct patient_name *name = name_choose(patient);

	*query = PATIENT_QUERY_NONE;
	query->identifiers = patient->identifiers;
	if (!name || patient->birth_date.size == 0)
		return patient->identifiers.count > 0;
	query->family = name->family;
	query->given = name->given;
	query->name_is_exact = true;
	query->gender = patient->gender;
	query->birth_from = patient->birth_date;
	query->birth_to = patient->birth_date;
	return true;
}

/* Adds the traits that the community wants and that are known. False when there is none of them. */
static bool query_add(const struct strs *requests, const struct patient *patient, struct patient_query *query)
{
	bool is_more = false;

	for (size_t i = 0; i < requests->count; i++) {
		struct str request = requests->items[i];

		if (str_equal(request, STR(HL7V3_ADDRESS_REQUESTED)) && patient->address_count > 0) {
			query->address = patient->addresses[0];
			is_more = true;
		}
		if (str_equal(request, STR(HL7V3_TELECOM_REQUESTED)) && patient->telecom_count > 0) {
			query->telecom = patient->telecoms[0].value;
			is_more = true;
		}
		if (str_equal(request, STR(HL7V3_MOTHER_REQUESTED)) && patient->mothers_maiden_name.size > 0) {
			query->mothers_maiden_name = patient->mothers_maiden_name;
			is_more = true;
		}
	}
	return is_more;
}

static enum xcpd_end answer_wrong(struct outcome *outcome, const char *why)
{
	outcome_add(outcome, ERR_BACKEND_ANSWER, "",
		    "The community's answer about a patient %s; report it to its operator.", why);
	return XCPD_FAILED;
}

static enum xcpd_end answer_refused(const struct south *south, const struct hl7v3_message *answer,
				    struct outcome *outcome)
{
	hl7v3_refusal_log(south, answer);
	if (str_equal(answer->problem, STR("ResponderBusy")))
		outcome_add(outcome, ERR_BACKEND_DOWN, "",
			    "The community is too busy to look for a patient; try again later.");
	else
		outcome_add(outcome, ERR_BACKEND_REFUSED, "",
			    "The community did not say whether it knows the patient; give its operator the id of this "
			    "request.");
	return XCPD_FAILED;
}

/* True when what is known on both sides cannot be of one person. A date may be less precise than the other. */
static bool is_other(const struct patient *patient, const struct patient *answered)
{
	struct str a = patient->birth_date;
	struct str b = answered->birth_date;

	return !str_starts_with(a, b) && !str_starts_with(b, a);
}

/* The identifiers of the one patient whom the answer speaks of. */
static enum xcpd_end identifiers_take(const struct south *south, const struct xcpd_service *service,
				      const struct patient *answered, struct patient_identities *found,
				      struct outcome *outcome)
{
	found->items = arena_array(south->arena, answered->identifiers.count, sizeof *found->items);
	if (!found->items) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
		return XCPD_FAILED;
	}
	for (size_t i = 0; i < answered->identifiers.count; i++) {
		if (str_equal(answered->identifiers.items[i].authority, service->authority))
			found->items[found->count++] = answered->identifiers.items[i];
	}
	return found->count > 0 ? XCPD_FOUND : answer_wrong(outcome, "has no identifier of its assigning authority");
}

/* What an answer without problems says. A gateway may speak for several communities: the others are not looked at here. */
static enum xcpd_end answer_take(const struct south *south, const struct xcpd_service *service,
				 const struct patient *patient, const struct hl7v3_message *answer,
				 struct patient_identities *found, struct outcome *outcome)
{
	const struct patient *own = NULL;

	if (str_equal(answer->query_code, STR("NF")))
		return XCPD_NOBODY;
	if (answer->patients.count == 0)
		return answer->requests.count > 0 ? XCPD_AMBIGUOUS : XCPD_NOBODY;
	for (size_t i = 0; i < answer->patients.count; i++) {
		const struct patient *one = &answer->patients.items[i];

		if (!str_equal(one->custodian, home_oid(south->backend->home)))
			continue;
		if (own)
			return XCPD_AMBIGUOUS;
		own = one;
	}
	if (!own)
		return answer_wrong(outcome, "is another community's");
	if (answer->patients.remaining > 0)
		return XCPD_AMBIGUOUS;
	if (is_other(patient, own))
		return answer_wrong(outcome, "speaks of somebody with another birth date");
	return identifiers_take(south, service, own, found, outcome);
}

enum xcpd_end xcpd_discover(const struct south *south, const struct xcpd_service *service,
			    const struct patient *patient, struct patient_identities *found, struct outcome *outcome)
{
	const struct hl7v3_peer peer = { service->url, STR_NONE, service->sender, HL7V3_DISCOVERY_SUFFIX };
	struct patient_query query;
	enum xcpd_end end = XCPD_AMBIGUOUS;
	bool is_more = query_make(patient, &query);

	*found = (struct patient_identities) { 0 };
	for (int round = 0; round < 2 && is_more && end == XCPD_AMBIGUOUS; round++) {
		struct hl7v3_message question;
		struct hl7v3_message answer = { .kind = HL7V3_OTHER };

		if (!hl7v3_question_begin(&question, HL7V3_PDQ_QUERY, south, &peer, outcome))
			return XCPD_FAILED;
		question.sender_home = home_oid(service->own_home);
		question.receiver_home = home_oid(south->backend->home);
		question.query = query;
		if (!hl7v3_ask(south, &peer, &question, HL7V3_PDQ_ANSWER, &answer, outcome))
			return XCPD_FAILED;
		if (!hl7v3_is_accepted(answer.ack_code) ||
		    !(str_equal(answer.query_code, STR("OK")) || str_equal(answer.query_code, STR("NF"))))
			return answer_refused(south, &answer, outcome);
		end = answer_take(south, service, patient, &answer, found, outcome);
		is_more = answer.patients.count == 0 && query_add(&answer.requests, patient, &query);
	}
	return end;
}
