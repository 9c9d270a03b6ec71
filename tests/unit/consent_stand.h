/* Who asks, about what, under which policy and by which Consents: what the tests of consent share. */
#ifndef PASSERELLE_TESTS_CONSENT_STAND_H
#define PASSERELLE_TESTS_CONSENT_STAND_H

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

static inline struct code purpose(const char *code)
{
	return (struct code) { str_from_c(code), STR(PURPOSE_SYSTEM_OID), STR_NONE };
}

/* Callers; all but STRANGER, SYSTEM and those who break the glass take care of the patient. */
static inline struct caller caller_of(enum who who)
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

static inline struct document_entry entry_of(enum what what)
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

static inline struct consent_policy policy_of(enum policy policy)
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

static inline struct consent_request request_of(enum who who, const struct caller *caller)
{
	struct consent_request request = { .caller = caller, .action = CONSENT_READ };

	request.is_patient = who == PATIENT || who == MOTHER;
	request.has_care_relationship = who != STRANGER && who < BREAKER && who != ANONYMOUS;
	assert_true(xds_time_to_unix(STR(NOW), &request.now_s));
	return request;
}

/* JSON with single quotes. */
static inline json_t *json_of(const char *text)
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

static inline const struct consent_set *set_of(const char *consents, struct stand *stand)
{
	const struct consent_set *set = NULL;
	json_t *tree = json_of(consents);

	assert_true(consent_set_read(tree, 60, stand->arena, &set, &stand->outcome));
	json_decref(tree);
	return set;
}

static inline bool permits(const struct consent_set *set, enum who who, const struct caller *caller, enum what what,
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

#endif
