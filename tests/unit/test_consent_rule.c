/* What Consents permit and deny: a table of cases with the reason of each, properties over random sets, and the set as
 * bytes. Source: IHE PCF 1.1 53.2 and 5.8, FHIR R4 Consent. */
#include "fhir_support.h"

#include "mappers/base/xds_time.h"
#include "mappers/consent_rule.h"

#define RFC3986 "'system':'urn:ietf:rfc:3986','value':"
#define SCOPE                                                                  \
	"'scope':{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/" \
	"consentscope','code':'patient-privacy'}]}"
#define HEAD         "{'resourceType':'Consent','id':'c1','status':'active'," SCOPE ","
#define HEAD2        "{'resourceType':'Consent','id':'c2','status':'active'," SCOPE ","
#define REASON(code) "{'system':'http://terminology.hl7.org/CodeSystem/v3-ActReason','code':'" code "'}"
#define LABEL(code)  "{'system':'http://terminology.hl7.org/CodeSystem/v3-Confidentiality','code':'" code "'}"
#define PSYCHIATRY   "{'system':'http://terminology.hl7.org/CodeSystem/v3-ActCode','code':'PSY'}"
#define LOINC(code)  "{'coding':[{'system':'http://loinc.org','code':'" code "'}]}"
#define RECIPIENT \
	"'role':{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/v3-ParticipationType','code':'IRCP'}]}"
#define TREATMENT "'purpose':[" REASON("TREAT") "," REASON("HPAYMT") "," REASON("HOPERAT") "]"
#define ANNA          \
	"{" RECIPIENT \
	",'reference':{'type':'Practitioner','identifier':{'system':'urn:oid:1.2.3.900','value':'900001'}}}"
#define ANNA_SUB      \
	"{" RECIPIENT \
	",'reference':{'type':'Practitioner','identifier':{'system':'https://idp.example','value':'anna'}}}"
#define CLINIC       "{" RECIPIENT ",'reference':{'type':'Organization','identifier':{" RFC3986 "'urn:oid:1.2.3.10'}}}"
#define OTHER_CLINIC "{" RECIPIENT ",'reference':{'type':'Organization','identifier':{" RFC3986 "'urn:oid:1.2.3.11'}}}"
#define NURSES                                                                                                         \
	"{'role':{'coding':[{'system':'urn:oid:2.16.840.1.113883.6.96','code':'106292003'}]},'reference':{'display':'" \
	"nurses'}}"
#define PHYSICIANS                                          \
	"{'role':{'coding':[{'system':'http://snomed.info/" \
	"sct','code':'309343006'}]},'reference':{'display':'physicians'}}"
#define ACTION(code) "{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/consentaction','code':'" code "'}]}"
#define INSTANCE(urn) \
	"{'meaning':'instance','reference':{'reference':'DocumentReference/x','identifier':{" RFC3986 "'" urn "'}}}"
#define DENY_ALL   HEAD "'provision':{'type':'deny'}}"
#define PERMIT_ALL HEAD2 "'provision':{'type':'permit'}}"

enum who {
	DOCTOR,
	STRANGER,
	NURSE,
	SYSTEM,
	PATIENT,
	MOTHER,
	NEIGHBOUR,
	NAMELESS,
	ANONYMOUS,
	RESEARCHER,
	PURPOSELESS,
	EMERGENCY,
	BREAKER,
	BREAKER_NURSE,
	BREAKER_SILENT,
	BREAKER_SYSTEM,
	WHO_COUNT
};
enum what {
	LETTER,
	RESTRICTED,
	SECRET,
	PSY,
	UNLABELLED,
	MIXED,
	FOREIGN,
	OWN,
	REPORT,
	UNTYPED,
	STAY,
	ELSEWHERE,
	JOINT,
	WHAT_COUNT
};
enum policy { OPT_OUT, OPT_IN, WIDE, HOSPITALS, HOSPITALS_OPEN, POLICY_COUNT };

static struct code physician = { STR_INIT("309343006"), STR_INIT("2.16.840.1.113883.6.96"), { NULL, 0 } };
static struct code nurse = { STR_INIT("106292003"), STR_INIT("http://snomed.info/sct"), { NULL, 0 } };
static struct str break_glass_roles[] = { STR_INIT("http://snomed.info/sct|309343006") };

static struct code purpose(const char *code)
{
	return (struct code) { str_from_c(code), STR(PURPOSE_SYSTEM_OID), STR_NONE };
}

/* Callers; all but STRANGER, SYSTEM and those who break the glass take care of the patient. */
static struct caller caller_of(enum who who)
{
	struct caller anna = { .kind = CALLER_USER,
			       .issuer = STR("https://idp.example"),
			       .subject = STR("anna"),
			       .provider_id = STR("900001"),
			       .organization_id = STR("urn:oid:1.2.3.10"),
			       .roles = { &physician, 1 },
			       .purpose = purpose("TREAT"),
			       .client_id = STR("app") };
	struct caller caller = anna;

	switch (who) {
	case DOCTOR:
	case STRANGER:
		break;
	case NURSE:
	case BREAKER_NURSE:
		caller.roles.items = &nurse;
		caller.subject = STR("nora");
		caller.provider_id = STR("900002");
		break;
	case SYSTEM:
	case BREAKER_SYSTEM:
		caller.kind = CALLER_SYSTEM;
		caller.subject = STR("app");
		caller.provider_id = STR_NONE;
		break;
	case PATIENT:
		caller = (struct caller) { .kind = CALLER_PATIENT, .subject = STR("pat"), .person_id = STR("s|P1") };
		break;
	case MOTHER:
	case NEIGHBOUR:
		caller = (struct caller) { .kind = CALLER_PATIENT,
					   .issuer = STR("https://idp.example"),
					   .subject = STR("mother"),
					   .person_id = STR("s|P1"),
					   .acting_for = STR("pat") };
		break;
	case NAMELESS:
		caller.roles.count = 0;
		caller.provider_id = STR_NONE;
		caller.subject = STR_NONE;
		caller.organization_id = STR_NONE;
		break;
	case ANONYMOUS:
		caller = (struct caller) { .kind = CALLER_ANONYMOUS };
		break;
	case RESEARCHER:
		caller.purpose = purpose("HRESCH");
		break;
	case PURPOSELESS:
		caller.purpose = (struct code) { 0 };
		break;
	case EMERGENCY:
		caller.purpose = purpose("ETREAT");
		break;
	case BREAKER:
	case BREAKER_SILENT:
	case WHO_COUNT:
		break;
	}
	if (who >= BREAKER) {
		caller.purpose = purpose("BTG");
		caller.reason = who == BREAKER_SILENT ? STR("  ") : STR("unconscious");
	}
	return caller;
}

static struct code normal = { STR_INIT("N"), STR_INIT("2.16.840.1.113883.5.25"), { NULL, 0 } };
static struct code restricted = { STR_INIT("R"), STR_INIT("2.16.840.1.113883.5.25"), { NULL, 0 } };
static struct code secret = { STR_INIT("V"), STR_INIT("2.16.840.1.113883.5.25"), { NULL, 0 } };
static struct code mixed[] = { { STR_INIT("N"), STR_INIT("2.16.840.1.113883.5.25"), { NULL, 0 } },
			       { STR_INIT("V"), STR_INIT("2.16.840.1.113883.5.25"), { NULL, 0 } },
			       { STR_INIT("L"), STR_INIT("2.16.840.1.113883.5.25"), { NULL, 0 } } };
static struct code psychiatric[] = { { STR_INIT("R"), STR_INIT("2.16.840.1.113883.5.25"), { NULL, 0 } },
				     { STR_INIT("PSY"), STR_INIT("2.16.840.1.113883.5.4"), { NULL, 0 } } };
static struct code foreign = { STR_INIT("N"), STR_INIT("1.2.3.4.5"), { NULL, 0 } };
static struct str clinic[] = { STR_INIT("Clinic^^^^^^^^^1.2.3.10") };
static struct str practice[] = { STR_INIT("Practice^^^^^&1.2.3.20&ISO^^^^7") };
static struct author by_clinic = { .institutions = { clinic, 1 } };
static struct author by_bob = { .person = STR_INIT("900007^Bob^^^^^^^&1.2.3.900&ISO"),
				.institutions = { practice, 1 } };
static struct str sud[] = { STR_INIT("Sud^^^^^&1.2.3.30&ISO^^^^5") };
static struct author by_sud[] = { { .institutions = { sud, 1 } }, { .institutions = { practice, 1 } } };
static struct str of_nord[] = { STR_INIT("urn:oid:1.2.3.10"), STR_INIT("urn:oid:1.2.3.20|7") };
static struct str of_sud[] = { STR_INIT("urn:oid:1.2.3.31"), STR_INIT("urn:oid:1.2.3.30|5") };
static const struct consent_hospital hospitals[] = { { STR_INIT("nord"), { of_nord, 2 }, true },
						     { STR_INIT("sud"), { of_sud, 2 }, false },
						     { STR_INIT("est"), { NULL, 0 }, false } };
static struct str stay[] = { STR_INIT("E7^^^&1.2.3.40&ISO^urn:ihe:iti:xds:2015:encounterId") };

static struct document_entry entry_of(enum what what)
{
	struct document_entry entry = {
		.entry_uuid = STR("urn:uuid:11111111-1111-4111-8111-11111111111A"),
		.logical_id = STR("urn:uuid:22222222-2222-4222-8222-222222222222"),
		.unique_id = STR("1.2.3.77.1"),
		.type_code = { STR("34133-9"), STR("2.16.840.1.113883.6.1"), STR_NONE },
		.class_code = { STR("11503-0"), STR("2.16.840.1.113883.6.1"), STR_NONE },
		.creation_time = STR("20230315101500"),
		.mime_type = STR("application/pdf"),
		.confidentiality_codes = { &normal, 1 },
		.authors = { &by_bob, 1 },
	};

	switch (what) {
	case RESTRICTED:
		entry.confidentiality_codes.items = &restricted;
		break;
	case SECRET:
		entry.confidentiality_codes.items = &secret;
		break;
	case PSY:
		entry.confidentiality_codes = (struct codes) { psychiatric, 2 };
		break;
	case UNLABELLED:
		entry.confidentiality_codes.count = 0;
		break;
	case MIXED:
		entry.confidentiality_codes = (struct codes) { mixed, 3 };
		break;
	case FOREIGN:
		entry.confidentiality_codes.items = &foreign;
		break;
	case OWN:
		entry.authors.items = &by_clinic;
		entry.unique_id = STR("1.2.3^own");
		break;
	case REPORT:
		entry.type_code.code = STR("11502-2");
		entry.entry_uuid = STR("urn:uuid:33333333-3333-4333-8333-333333333333");
		entry.logical_id = entry.entry_uuid;
		entry.unique_id = STR("1.2.3.77.2");
		entry.creation_time = STR("2022");
		break;
	case UNTYPED:
		entry.type_code = (struct code) { 0 };
		entry.creation_time = STR_NONE;
		entry.authors.count = 0;
		break;
	case ELSEWHERE:
		entry.authors.items = by_sud;
		break;
	case JOINT:
		entry.authors = (struct authors) { by_sud, 2 };
		break;
	case STAY:
		entry.reference_ids = (struct strs) { stay, 1 };
		break;
	case LETTER:
	case WHAT_COUNT:
		break;
	}
	return entry;
}

static struct consent_policy policy_of(enum policy policy)
{
	struct consent_policy made = { .default_permit = true,
				       .require_care_relationship = true,
				       .normal_only_by_default = true,
				       .break_glass_roles = { break_glass_roles, 1 },
				       .producer_reads_own = true,
				       .provider_system = STR("urn:oid:1.2.3.900") };

	if (policy == OPT_IN)
		made.default_permit = false;
	if (policy == HOSPITALS || policy == HOSPITALS_OPEN) {
		made.hospitals = (struct consent_hospitals) { hospitals, COUNT_OF(hospitals), { 0 } };
		made.others_explicit = policy == HOSPITALS;
	}
	if (policy == WIDE) {
		made.normal_only_by_default = false;
		made.break_glass_restricted = true;
		made.producer_reads_own = false;
	}
	return made;
}

#define NOW "20240615120000"

static struct consent_request request_of(enum who who, const struct caller *caller)
{
	struct consent_request request = { .caller = caller, .action = CONSENT_READ };

	request.is_patient = who == PATIENT || who == MOTHER;
	request.has_care_relationship = who != STRANGER && who < BREAKER && who != ANONYMOUS;
	assert_true(xds_time_to_unix(STR(NOW), &request.now_s));
	return request;
}

/* JSON with single quotes. */
static json_t *json_of(const char *text)
{
	size_t size = strlen(text);
	char *copy = malloc(size + 3);
	json_error_t error;
	json_t *tree;

	copy[0] = '[';
	for (size_t i = 0; i < size; i++)
		copy[i + 1] = text[i] == '\'' ? '"' : text[i];
	copy[size + 1] = ']';
	copy[size + 2] = '\0';
	tree = json_loads(copy, JSON_REJECT_DUPLICATES, &error);
	if (!tree)
		fail_msg("%s near %s", error.text, copy + error.position);
	free(copy);
	return tree;
}

static const struct consent_set *set_of(const char *consents, struct stand *stand)
{
	const struct consent_set *set = NULL;
	json_t *tree = json_of(consents);

	assert_true(consent_set_read(tree, 60, stand->arena, &set, &stand->outcome));
	json_decref(tree);
	return set;
}

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

/* Provisions that random Consents are made of. */
static const char *const pool[] = {
	"'type':'permit','securityLabel':[" PSYCHIATRY "],'actor':[{" RECIPIENT
	",'reference':{'reference':'Practitioner/x'}}]",
	"'type':'permit','code':[" LOINC("34133-9") "],'data':[{'meaning':'whatever','reference':{'reference':'"
						    "DocumentReference/1'}}," INSTANCE("urn:oid:1.2.3.77.1") "]",
	"'type':'permit'",
	"'type':'deny'",
	"'type':'permit'," TREATMENT,
	"'type':'deny'," TREATMENT,
	"'type':'permit','securityLabel':[" LABEL("R") "]",
	"'type':'deny','securityLabel':[" LABEL("R") "]",
	"'type':'permit','securityLabel':[" LABEL("V") "," PSYCHIATRY "]",
	"'type':'permit','securityLabel':[" PSYCHIATRY "]",
	"'type':'deny','actor':[" ANNA "]",
	"'type':'permit','actor':[" ANNA "]",
	"'type':'deny','actor':[" NURSES "]",
	"'type':'permit','actor':[" PHYSICIANS "," CLINIC "]",
	"'type':'deny','actor':[" OTHER_CLINIC "]",
	"'type':'deny','code':[" LOINC("11502-2") "]",
	"'type':'permit','code':[" LOINC("34133-9") "]",
	"'type':'deny','data':[" INSTANCE("urn:uuid:11111111-1111-4111-8111-11111111111a") "]",
	"'type':'permit','dataPeriod':{'start':'2023'}",
	"'type':'deny','dataPeriod':{'end':'2022-06-30'}",
	"'type':'deny','purpose':[" REASON("BTG") "]",
	"'type':'permit','purpose':[" REASON("BTG") "]",
	"'type':'permit','period':{'end':'2023'}",
	"'type':'deny','period':{'start':'2025'}",
	"'type':'permit','data':[{'meaning':'whatever','reference':{'reference':'DocumentReference/1'}}]",
	"'type':'deny','action':[" ACTION("collect") "]",
	"'type':'permit','modifierExtension':[{'url':'urn:x','valueBoolean':true}]",
	"'type':'deny','class':[{'system':'http://hl7.org/fhir/resource-types','code':'Observation'}]",
	"'type':'deny','data':[{'meaning':'authoredby','reference':{'type':'Practitioner','identifier':{'value':'"
	"900007'}}}]",
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void consent_random(uint32_t *seed, struct buf *text)
{
	uint32_t nested = next_random(seed) % 3;

	buf_printf(text, HEAD "'provision':{%s", pool[next_random(seed) % COUNT_OF(pool)]);
	for (uint32_t i = 0; i < nested; i++)
		buf_printf(text, "%s{%s}", i ? "," : ",'provision':[", pool[next_random(seed) % COUNT_OF(pool)]);
	buf_printf(text, "%s}}", nested ? "]" : "");
}

static bool permits(const struct consent_set *set, enum who who, const struct caller *caller, enum what what,
		    enum policy which, struct consent_decision *decision)
{
	struct document_entry entry = entry_of(what);
	struct consent_policy policy = policy_of(which);
	struct consent_request request = request_of(who, caller);
	struct consent_decision whole;

	consent_decide(set, &policy, &request, &entry, decision);
	switch (consent_extent(set, &policy, &request, &whole)) {
	case CONSENT_EVERY_DOCUMENT:
		assert_true(decision->permit && whole.permit);
		break;
	case CONSENT_NO_DOCUMENT:
		assert_true(!decision->permit && !whole.permit);
		break;
	case CONSENT_BY_DOCUMENT:
		break;
	}
	return decision->permit;
}

/* Of two sets, the second with more Consents: more of them never undo a denial. */
static void properties_hold(const struct consent_set *one, const struct consent_set *copy,
			    const struct consent_set *more, const struct consent_set *turned,
			    const struct consent_set *none)
{
	for (int who = 0; who < WHO_COUNT; who++) {
		for (int what = 0; what < WHAT_COUNT; what++) {
			struct caller caller = caller_of((enum who)who);
			struct caller unknown = caller;
			struct consent_decision first;
			struct consent_decision second;
			enum policy policy = (enum policy)((who + what) % POLICY_COUNT);
			bool permit = permits(one, (enum who)who, &caller, (enum what)what, policy, &first);

			assert_true(permits(copy, (enum who)who, &caller, (enum what)what, policy, &second) == permit);
			assert_int_equal(first.reason, second.reason);
			assert_true(str_equal(first.consent_id, second.consent_id));
			if (!permit && (first.reason == CONSENT_BY_CONSENT || first.reason == CONSENT_NOT_UNDERSTOOD))
				assert_false(permits(more, (enum who)who, &caller, (enum what)what, policy, &second));
			permit = permits(more, (enum who)who, &caller, (enum what)what, policy, &second);
			assert_true(permits(turned, (enum who)who, &caller, (enum what)what, policy, &second) ==
				    permit);
			permit = permits(none, (enum who)who, &caller, (enum what)what, policy, &second);
			assert_true(!permit || first.reason == CONSENT_BY_PATIENT ||
				    first.reason == CONSENT_BY_PRODUCER || first.reason == CONSENT_BY_BREAK_GLASS ||
				    second.reason == CONSENT_BY_PATIENT || second.reason == CONSENT_BY_PRODUCER ||
				    second.reason == CONSENT_BY_BREAK_GLASS);
			/* Who says less about themselves sees no more. */
			unknown.roles.count = 0;
			unknown.provider_id = STR_NONE;
			unknown.organization_id = STR_NONE;
			unknown.purpose = caller.purpose.code.size && !str_equal(caller.purpose.code, STR("BTG"))
						  ? (struct code) { 0 }
						  : caller.purpose;
			if (caller.kind != CALLER_PATIENT &&
			    !permits(one, (enum who)who, &caller, (enum what)what, policy, &first))
				assert_false(permits(one, (enum who)who, &unknown, (enum what)what, policy, &second));
		}
	}
}

static void test_properties_of_random_sets(void **state)
{
	(void)state;
	uint32_t seed = 20240615;

	for (size_t round = 0; round < 400; round++) {
		const struct consent_set *copy = NULL;
		const struct consent_set *one;
		struct stand stand;
		struct buf first;
		struct buf second;
		struct buf both;

		stand_open(&stand);
		buf_init(&first, TEST_BYTES_MAX);
		buf_init(&second, TEST_BYTES_MAX);
		buf_init(&both, TEST_BYTES_MAX);
		consent_random(&seed, &first);
		consent_random(&seed, &second);
		one = set_of(first.data, &stand);
		consent_set_write(one, &stand.text);
		assert_true(consent_set_open(buf_str(&stand.text), stand.arena, &copy));
		buf_printf(&both, "%s,%s", first.data, second.data);
		buf_printf(&stand.documents, "%s,%s", second.data, first.data);
		properties_hold(one, copy, set_of(both.data, &stand), set_of(stand.documents.data, &stand),
				set_of(DENY_ALL, &stand));
		buf_free(&first);
		buf_free(&second);
		buf_free(&both);
		stand_close(&stand);
	}
}

static const char rich[] =
	HEAD "'contained':[{'resourceType':'Practitioner','id':'p','identifier':[{'system':'urn:oid:1.2.3.900','"
	     "value':"
	     "'900001'},{'value':'x'}]}],'provision':{'type':'permit'," TREATMENT ",'securityLabel':[" LABEL(
		     "R") "],'period':{'start':'2020','end':'2030-01-01T10:00:00Z'},'provision':[{'type':'deny','"
			  "actor':["
			  "{" RECIPIENT ",'reference':{'reference':'#p'}}," NURSES "],'code':[" LOINC(
				  "11502-2") "],'class':[{'system':'urn:ietf:bcp:13','code':'application/"
					     "pdf'}],'action':[" ACTION("access") "],'dataPeriod':{'start':'2022-"
										  "01-01'}},{'type':'deny','data':"
										  "[" INSTANCE("urn:oid:1.2.3.77."
											       "2") "]}]}}"
												    "," PERMIT_ALL;

/* Bytes of a cache are as they were written, or are not opened. */
static void test_bytes_are_read_strictly(void **state)
{
	(void)state;
	struct stand stand;
	const struct consent_set *set;
	const struct consent_set *opened = NULL;
	char *bytes;

	stand_open(&stand);
	set = set_of(rich, &stand);
	consent_set_write(set, &stand.text);
	assert_false(stand.text.failed);
	for (size_t size = 0; size < stand.text.size; size++) {
		bytes = malloc(size + 1); /* so that reading past the end is seen */
		memcpy(bytes, stand.text.data, size);
		assert_false(consent_set_open((struct str) { bytes, size }, stand.arena, &opened));
		free(bytes);
	}
	buf_add_char(&stand.text, 'x');
	assert_false(consent_set_open(buf_str(&stand.text), stand.arena, &opened));
	bytes = malloc(stand.text.size - 1);
	for (size_t i = 0; i + 1 < stand.text.size; i++) {
		struct arena *arena = arena_new(TEST_BYTES_MAX);
		struct caller caller = caller_of(DOCTOR);
		struct consent_decision decision;

		memcpy(bytes, stand.text.data, stand.text.size - 1);
		bytes[i] = (char)(bytes[i] ^ 0xff);
		if (consent_set_open((struct str) { bytes, stand.text.size - 1 }, arena, &opened))
			permits(opened, DOCTOR, &caller, LETTER, OPT_OUT, &decision);
		arena_free(arena);
	}
	free(bytes);
	stand_close(&stand);
}

static void test_every_allocation_may_fail(void **state)
{
	(void)state;
	json_t *tree = json_of(rich);
	bool done = false;

	for (size_t n = 0; !done; n++) {
		struct arena *arena = arena_new(TEST_BYTES_MAX);
		const struct consent_set *set = NULL;
		const struct consent_set *opened = NULL;
		struct outcome outcome;
		struct buf bytes;

		outcome_init(&outcome);
		buf_init(&bytes, TEST_BYTES_MAX);
		arena_fail_at(arena, n);
		done = consent_set_read(tree, 0, arena, &set, &outcome);
		assert_true(done == (set != NULL));
		if (done) {
			consent_set_write(set, &bytes);
			done = consent_set_open(buf_str(&bytes), arena, &opened);
			assert_true(done == (opened != NULL));
		} else {
			assert_int_equal(outcome.issues[0].code, ERR_NO_MEMORY);
		}
		buf_free(&bytes);
		arena_free(arena);
		assert_in_range(n, 0, 10000);
	}
	json_decref(tree);
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
		cmocka_unit_test(test_properties_of_random_sets),
		cmocka_unit_test(test_bytes_are_read_strictly),
		cmocka_unit_test(test_every_allocation_may_fail),
		cmocka_unit_test(test_nothing_that_is_no_consent_permits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
