#include "mappers/code_system.h"
#include "mappers/consent_match.h"

/* What the Consents of a set say together. */
struct findings {
	const struct consent_rule *denied; /* one that denies; one that is understood before one that is not */
	bool denial_understood;
	bool denial_names_requester;
	bool forbids_break_glass;
	const struct consent_rule *permitted;
	bool permit_names_requester;
	int reach; /* of the permits, by label; RANK_NONE */
};

static bool matches_deny(enum match match)
{
	return match != MATCH_NO;
}

static void deny(struct findings *findings, const struct consent_rule *rule, size_t index,
		 const struct consent_matched *matched)
{
	const struct consent_provision *provision = &rule->provisions[index];
	bool understood = !provision->permit && matched->match != MATCH_UNCLEAR;

	if (!findings->denied || (understood && !findings->denial_understood)) {
		findings->denied = rule;
		findings->denial_understood = understood;
	}
	if (!provision->permit) {
		findings->denial_names_requester = findings->denial_names_requester || matched->names_requester;
		findings->forbids_break_glass =
			findings->forbids_break_glass || consent_provision_names_break_glass(provision);
	}
}

static void permit(struct findings *findings, const struct consent_rule *rule, const struct consent_matched *matched)
{
	findings->permitted = findings->permitted ? findings->permitted : rule;
	findings->permit_names_requester = findings->permit_names_requester || matched->names_requester;
	if (matched->reach > findings->reach)
		findings->reach = matched->reach;
}

/* One provision: a permit that is not understood denies. True when it says anything. */
static bool provision_judge(const struct consent_rule *rule, size_t index, const struct consent_facts *facts,
			    bool *denies, struct consent_matched *matched)
{
	*matched = consent_provision_match(rule, index, facts);
	*denies = !rule->provisions[index].permit || matched->match == MATCH_UNCLEAR;
	return *denies ? matches_deny(matched->match) : matched->match == MATCH_YES;
}

/* Exceptions first: one that matches stands in the place of the root, deny before permit; what a denied root says more
 * (that it names somebody, or forbids break-glass) stays. */
static void rule_judge(const struct consent_rule *rule, const struct consent_facts *facts, struct findings *findings)
{
	struct findings exceptions = { .reach = RANK_NONE };
	struct consent_matched matched;
	bool excepted_deny = false;
	bool denies;

	if (!consent_rule_is_current(rule, facts->request->now_s))
		return;
	for (size_t i = 1; i < rule->provision_count; i++) {
		if (!provision_judge(rule, i, facts, &denies, &matched))
			continue;
		if (denies)
			deny(findings, rule, i, &matched);
		else
			permit(&exceptions, rule, &matched);
		excepted_deny = excepted_deny || denies;
	}
	if (exceptions.permitted && !excepted_deny) {
		matched = (struct consent_matched) { .names_requester = exceptions.permit_names_requester,
						     .reach = exceptions.reach };
		permit(findings, rule, &matched);
		/* The best of documents may be one that the exceptions are not about. */
		if (facts->outlook != OUTLOOK_BEST)
			return;
	}
	if (!provision_judge(rule, 0, facts, &denies, &matched))
		return;
	if (denies && (excepted_deny || !exceptions.permitted))
		deny(findings, rule, 0, &matched);
	else if (!denies && !excepted_deny)
		permit(findings, rule, &matched);
}

bool consent_breaks_glass(const struct caller *caller)
{
	return str_equal(caller->purpose.code, STR("BTG")) &&
	       str_equal(code_system_scheme(caller->purpose.scheme), STR(PURPOSE_SYSTEM_OID));
}

bool consent_has_role(const struct caller *caller, struct str role)
{
	size_t bar = str_find(role, '|');
	struct str code = bar < role.size ? str_from(role, bar + 1) : role;

	for (size_t i = 0; i < caller->roles.count; i++) {
		const struct code *has = &caller->roles.items[i];

		if (str_equal(has->code, code) &&
		    (bar == role.size || consent_scheme_is(has->scheme, (struct str) { role.data, bar })))
			return true;
	}
	return false;
}

bool consent_may_break_glass(const struct consent_policy *policy, const struct caller *caller)
{
	if (caller->kind != CALLER_USER || str_is_empty(str_trim(caller->reason)))
		return false;
	for (size_t i = 0; i < policy->break_glass_roles.count; i++) {
		if (consent_has_role(caller, policy->break_glass_roles.items[i]))
			return true;
	}
	return false;
}

static void decide(struct consent_decision *decision, bool permits, enum consent_reason reason,
		   const struct consent_rule *rule)
{
	*decision = (struct consent_decision) { .permit = permits,
						.reason = reason,
						.consent_id = rule ? rule->consent_id : STR_NONE };
}

static enum consent_reason denial_reason(const struct findings *findings)
{
	return findings->denial_understood ? CONSENT_BY_CONSENT : CONSENT_NOT_UNDERSTOOD;
}

static void decide_patient(const struct consent_facts *facts, const struct findings *findings,
			   struct consent_decision *decision)
{
	bool represented = !str_is_empty(facts->request->caller->acting_for);

	if (represented && findings->denied && findings->denial_names_requester)
		decide(decision, false, CONSENT_BY_CONSENT, findings->denied);
	else
		decide(decision, true, CONSENT_BY_PATIENT, NULL);
}

/* It reaches R where the policy lets it or a permit says so, V only where a permit says so. */
static void decide_break_glass(const struct consent_facts *facts, const struct findings *findings,
			       struct consent_decision *decision)
{
	int reach = facts->policy->break_glass_restricted ? RANK_R : RANK_N;

	if (findings->forbids_break_glass)
		decide(decision, false, CONSENT_BY_CONSENT, findings->denied);
	else if (consent_document_rank(facts) > reach && consent_document_rank(facts) > findings->reach)
		decide(decision, false, CONSENT_BY_DEFAULT, findings->denied);
	else
		decide(decision, true, CONSENT_BY_BREAK_GLASS,
		       findings->denied ? findings->denied : findings->permitted);
}

static bool is_related(const struct consent_facts *facts, const struct findings *findings)
{
	return !facts->policy->require_care_relationship || facts->request->has_care_relationship ||
	       findings->permit_names_requester || consent_breaks_glass(facts->request->caller);
}

/* What another hospital has recorded is read when the patient says so, not because nobody says anything. */
static bool is_anothers(const struct consent_facts *facts)
{
	const struct consent_hospitals *hospitals = &facts->policy->hospitals;

	if (!facts->policy->others_explicit || facts->outlook == OUTLOOK_BEST)
		return false;
	return facts->outlook == OUTLOOK_WORST ? consent_hospitals_elsewhere(hospitals)
					       : consent_hospital_of(hospitals, facts->entry).size > 0;
}

/* So is what anybody could have recorded. */
static bool needs_permit(const struct consent_facts *facts)
{
	return is_anothers(facts) || (facts->policy->others_explicit && facts->outlook == OUTLOOK_DOCUMENT &&
				      consent_hospital_is_unknown(&facts->policy->hospitals, facts->entry));
}

/* The producer corrects what it published, so it sees that, whoever else may not. */
static bool reads_as_producer(const struct consent_facts *facts, const struct findings *findings)
{
	return facts->policy->producer_reads_own && !is_anothers(facts) &&
	       facts->request->caller->kind != CALLER_PATIENT &&
	       consent_purpose_within(&facts->request->caller->purpose, STR("TREAT")) &&
	       !(findings->denied && findings->denial_names_requester) && consent_is_producer(facts);
}

static void decide_reading(const struct consent_facts *facts, const struct findings *findings,
			   struct consent_decision *decision)
{
	int reach = facts->policy->normal_only_by_default ? RANK_N : RANK_R;
	int rank = consent_document_rank(facts);

	if (reads_as_producer(facts, findings))
		decide(decision, true, CONSENT_BY_PRODUCER, NULL);
	else if (findings->denied)
		decide(decision, false, denial_reason(findings), findings->denied);
	else if (!is_related(facts, findings))
		decide(decision, false, CONSENT_NO_RELATIONSHIP, NULL);
	else if (rank > reach && rank > findings->reach)
		decide(decision, false, CONSENT_BY_DEFAULT, NULL);
	else if (findings->permitted)
		decide(decision, true, CONSENT_BY_CONSENT, findings->permitted);
	else
		decide(decision,
		       facts->policy->default_permit && !needs_permit(facts) &&
			       consent_purpose_within(&facts->request->caller->purpose, STR("TREAT")),
		       CONSENT_BY_DEFAULT, NULL);
}

/* Who makes documents must be able to record them: only a Consent that speaks of collecting or correcting stands in the
 * way, and somebody who has nothing to do with the patient. */
static void decide_writing(const struct consent_facts *facts, const struct findings *findings,
			   struct consent_decision *decision)
{
	if (findings->denied)
		decide(decision, false, denial_reason(findings), findings->denied);
	else if (facts->request->action == CONSENT_UPDATE && !findings->permitted && needs_permit(facts) &&
		 (is_anothers(facts) || !consent_is_producer(facts)))
		decide(decision, false, CONSENT_BY_DEFAULT, NULL);
	else if (facts->request->caller->kind != CALLER_PATIENT && consent_is_producer(facts))
		decide(decision, true, CONSENT_BY_PRODUCER, NULL);
	else if (is_related(facts, findings))
		decide(decision, true, findings->permitted ? CONSENT_BY_CONSENT : CONSENT_BY_DEFAULT,
		       findings->permitted);
	else
		decide(decision, false, CONSENT_NO_RELATIONSHIP, NULL);
}

static void decide_by(const struct consent_set *set, const struct consent_facts *facts,
		      struct consent_decision *decision)
{
	const struct consent_request *request = facts->request;
	struct findings findings = { .reach = RANK_NONE };
	bool breaks_glass = consent_breaks_glass(request->caller);

	for (size_t i = 0; i < set->count; i++)
		rule_judge(&set->rules[i], facts, &findings);
	if (request->is_patient)
		decide_patient(facts, &findings, decision);
	else if (request->caller->kind == CALLER_PATIENT)
		decide(decision, false, CONSENT_NO_RELATIONSHIP, NULL);
	else if (breaks_glass && !consent_may_break_glass(facts->policy, request->caller))
		decide(decision, false, CONSENT_NO_BREAK_GLASS, NULL);
	else if (request->action == CONSENT_PUBLISH || request->action == CONSENT_UPDATE)
		decide_writing(facts, &findings, decision);
	else if (breaks_glass)
		decide_break_glass(facts, &findings, decision);
	else
		decide_reading(facts, &findings, decision);
}

void consent_decide(const struct consent_set *set, const struct consent_policy *policy,
		    const struct consent_request *request, const struct document_entry *entry,
		    struct consent_decision *decision)
{
	struct consent_facts facts = { policy, request, entry, OUTLOOK_DOCUMENT };

	decide_by(set, &facts, decision);
}

/* Everything lies between what the best document would get and the worst. */
enum consent_extent consent_extent(const struct consent_set *set, const struct consent_policy *policy,
				   const struct consent_request *request, struct consent_decision *decision)
{
	struct consent_facts facts = { policy, request, NULL, OUTLOOK_BEST };

	decide_by(set, &facts, decision);
	if (!decision->permit)
		return CONSENT_NO_DOCUMENT;
	facts.outlook = OUTLOOK_WORST;
	decide_by(set, &facts, decision);
	return decision->permit ? CONSENT_EVERY_DOCUMENT : CONSENT_BY_DOCUMENT;
}
