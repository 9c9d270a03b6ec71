/* What Consents permit and deny: a table of cases with the reason of each. Source: IHE PCF 1.1 53.2 and 5.8, FHIR R4
 * Consent. */
#include "consent_stand.h"

#define ANNA_SUB      \
	"{" RECIPIENT \
	",'reference':{'type':'Practitioner','identifier':{'system':'https://idp.example','value':'anna'}}}"

struct test_case {
	const char *clause;
	const char *consents;
	enum who who;
	enum what what;
	enum policy policy;
	bool permit;
	enum consent_reason reason;
};

static const struct test_case cases[] = {
#include "consent_cases.def"
};

static void check_cases(const char *from, const char *to)
{
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct test_case *c = &cases[i];
		struct stand stand;
		struct caller caller = caller_of(c->who);
		struct document_entry entry = entry_of(c->what);
		struct consent_policy policy = policy_of(c->policy);
		struct consent_request request = request_of(c->who, &caller);
		struct consent_decision decision;

		if (strcmp(c->clause, from) < 0 || strcmp(c->clause, to) >= 0)
			continue;
		stand_open(&stand);
		consent_decide(set_of(c->consents, &stand), &policy, &request, &entry, &decision);
		if (decision.permit != c->permit || decision.reason != c->reason)
			fail_msg("%s: permit %d reason %d", c->clause, decision.permit, decision.reason);
		stand_close(&stand);
	}
}

static void test_cases(void **state)
{
	(void)state;
	check_cases("A", "~");
}

/* 34: what may turn the meaning round is not ignored, it denies. */
static void test_034_modifiers_deny(void **state)
{
	(void)state;
	check_cases("034", "035");
}

/* 95: permit and deny, a meaning that nobody knows, a permit that has run out. */
static void test_095_deny_overrides(void **state)
{
	(void)state;
	check_cases("095", "096");
}

/* 96: no confidentiality, several, one of an unknown system. */
static void test_096_confidentiality(void **state)
{
	(void)state;
	check_cases("096", "097");
}

/* 97: the glass is broken by who may not, without a reason, by a machine. */
static void test_097_break_glass(void **state)
{
	(void)state;
	check_cases("097", "098");
}

/* What a request for publishing gets; reading-denials do not stand in its way. */
static void test_publishing(void **state)
{
	(void)state;
	static const struct {
		const char *consents;
		enum who who;
		enum what what;
		enum consent_action action;
		bool permit;
	} rows[] = {
		{ "", DOCTOR, LETTER, CONSENT_PUBLISH, true },
		{ "", STRANGER, LETTER, CONSENT_PUBLISH, false },
		{ "", STRANGER, OWN, CONSENT_PUBLISH, true },
		{ "", PATIENT, LETTER, CONSENT_PUBLISH, true },
		{ "", NEIGHBOUR, LETTER, CONSENT_PUBLISH, false },
		{ "", ANONYMOUS, LETTER, CONSENT_PUBLISH, false },
		{ "", BREAKER_NURSE, OWN, CONSENT_PUBLISH, false },
		{ "", BREAKER, SECRET, CONSENT_PUBLISH, true },
		{ DENY_ALL, DOCTOR, LETTER, CONSENT_PUBLISH, true },
		{ HEAD "'provision':{'type':'deny','action':[" ACTION("collect") "]}}", DOCTOR, LETTER, CONSENT_PUBLISH,
		  false },
		{ HEAD "'provision':{'type':'deny','action':[" ACTION("collect") "]}}", DOCTOR, LETTER, CONSENT_UPDATE,
		  true },
		{ HEAD "'provision':{'type':'deny','action':[" ACTION("correct") "]}}", DOCTOR, LETTER, CONSENT_UPDATE,
		  false },
		{ HEAD "'provision':{'type':'deny','action':[" ACTION("vanish") "]}}", DOCTOR, LETTER, CONSENT_PUBLISH,
		  false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stand stand;
		struct caller caller = caller_of(rows[i].who);
		struct document_entry entry = entry_of(rows[i].what);
		struct consent_policy policy = policy_of(OPT_OUT);
		struct consent_request request = request_of(rows[i].who, &caller);
		struct consent_decision decision;

		request.action = rows[i].action;
		stand_open(&stand);
		consent_decide(set_of(rows[i].consents, &stand), &policy, &request, &entry, &decision);
		if (decision.permit != rows[i].permit)
			fail_msg("row %zu: permit %d reason %d", i, decision.permit, decision.reason);
		stand_close(&stand);
	}
}

/* Who decided is named for the audit. */
static void test_the_deciding_consent_is_named(void **state)
{
	(void)state;
	struct stand stand;
	struct caller caller = caller_of(DOCTOR);
	struct document_entry entry = entry_of(LETTER);
	struct consent_policy policy = policy_of(OPT_OUT);
	struct consent_request request = request_of(DOCTOR, &caller);
	struct consent_decision decision;

	stand_open(&stand);
	consent_decide(set_of(PERMIT_ALL "," DENY_ALL, &stand), &policy, &request, &entry, &decision);
	assert_true(str_equal(decision.consent_id, STR("Consent/c1")));
	consent_decide(set_of(PERMIT_ALL, &stand), &policy, &request, &entry, &decision);
	assert_true(str_equal(decision.consent_id, STR("Consent/c2")));
	stand_close(&stand);
}

/* A permit that reaches every document, but for those of an exception that is not understood, is no permit for all. */
static void test_every_document_means_every(void **state)
{
	(void)state;
	struct stand stand;
	struct caller caller = caller_of(DOCTOR);
	struct consent_policy policy = policy_of(OPT_OUT);
	struct consent_request request = request_of(DOCTOR, &caller);
	struct consent_decision decision;
	const struct consent_set *set;

	stand_open(&stand);
	set = set_of(HEAD "'provision':{'type':'permit'," TREATMENT "}}", &stand);
	assert_int_equal(consent_extent(set, &policy, &request, &decision), CONSENT_BY_DOCUMENT);
	set = set_of(HEAD "'provision':{'type':'permit','provision':[{'type':'permit','code':[" LOINC(
			     "11502-2") "],"
					"'actor':[{" RECIPIENT ",'reference':{'reference':'Practitioner/x'}}]}]}}",
		     &stand);
	request.action = CONSENT_PUBLISH;
	assert_int_equal(consent_extent(set, &policy, &request, &decision), CONSENT_EVERY_DOCUMENT);
	set = set_of(HEAD "'provision':{'type':'permit','provision':[{'type':'permit','action':[" ACTION(
			     "collect") "],'code':[" LOINC("11502-2") "],'actor':[{" RECIPIENT
								      ",'reference':{'reference':'Practitioner/"
								      "x'}}]}]}}",
		     &stand);
	assert_int_equal(consent_extent(set, &policy, &request, &decision), CONSENT_BY_DOCUMENT);
	stand_close(&stand);
}

/* A period is that of its zone: the last day of 2024 ends in Luxembourg (UTC+1) an hour before it ends in UTC. */
static void test_periods_end_in_their_zone(void **state)
{
	(void)state;
	struct stand stand;
	struct caller caller = caller_of(DOCTOR);
	struct document_entry entry = entry_of(LETTER);
	struct consent_policy policy = policy_of(OPT_IN);
	struct consent_request request = request_of(DOCTOR, &caller);
	struct consent_decision decision;
	const struct consent_set *set;
	int64_t end_s;
	int64_t start_s;

	assert_true(xds_time_to_unix(STR("20241231230000"), &end_s));
	assert_true(xds_time_to_unix(STR("20240630220000"), &start_s));
	stand_open(&stand);
	set = set_of(HEAD
		     "'provision':{'type':'permit','period':{'end':'2024-12-31'},'provision':[{'type':'deny','period':"
		     "{'start':'2024-07-01T00:00:00+02:00'}}]}}",
		     &stand);
	consent_decide(set, &policy, &request, &entry, &decision);
	assert_true(decision.permit);
	request.now_s = start_s - 1;
	consent_decide(set, &policy, &request, &entry, &decision);
	assert_true(decision.permit);
	request.now_s = start_s;
	consent_decide(set, &policy, &request, &entry, &decision);
	assert_false(decision.permit);
	assert_int_equal(decision.reason, CONSENT_BY_CONSENT);
	request.now_s = end_s;
	consent_decide(set, &policy, &request, &entry, &decision);
	assert_int_equal(decision.reason, CONSENT_BY_DEFAULT);
	stand_close(&stand);
}

/* What is no Consent, or one whose parts have other types than FHIR gives them, denies. */
static void test_nothing_that_is_no_consent_permits(void **state)
{
	(void)state;
	static const char *const texts[] = { "null",
					     "1",
					     "'x'",
					     "[]",
					     "{}",
					     "{'resourceType':'Consent'}",
					     "{'status':'active','provision':{'type':'permit'}}",
					     HEAD "'provision':7}",
					     HEAD "'provision':{'type':'permit','provision':{'type':'permit'}}}",
					     HEAD "'provision':{'type':['permit']}}",
					     HEAD "'provision':{'type':'permit','actor':{}}}",
					     HEAD "'provision':{'type':'permit','actor':[7]}}",
					     HEAD "'provision':{'type':'permit','purpose':[7]}}",
					     HEAD "'provision':{'type':'permit','purpose':[]}}",
					     HEAD "'provision':{'type':'permit','code':[{'coding':[]}]}}",
					     HEAD "'provision':{'type':'permit','period':7}}",
					     HEAD "'provision':{'type':'permit','data':['x']}}",
					     HEAD "'provision':{'type':'permit','data':[{'meaning':'instance'}]}}" };

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct stand stand;
		struct caller caller = caller_of(DOCTOR);
		struct consent_decision decision;

		stand_open(&stand);
		if (permits(set_of(texts[i], &stand), DOCTOR, &caller, LETTER, OPT_OUT, &decision))
			fail_msg("permitted by %s", texts[i]);
		stand_close(&stand);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_034_modifiers_deny),
		cmocka_unit_test(test_095_deny_overrides),
		cmocka_unit_test(test_096_confidentiality),
		cmocka_unit_test(test_097_break_glass),
		cmocka_unit_test(test_publishing),
		cmocka_unit_test(test_the_deciding_consent_is_named),
		cmocka_unit_test(test_every_document_means_every),
		cmocka_unit_test(test_periods_end_in_their_zone),
		cmocka_unit_test(test_nothing_that_is_no_consent_permits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
