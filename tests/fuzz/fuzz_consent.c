/* A Consent as FHIR JSON, and a compiled set as bytes of a cache: whatever comes is a set that decides the same when it is
 * written and opened again, and whose answer for all documents covers the answer for one. */
#include "fuzz.h"
#include "mappers/consent_resource.h"
#include "mappers/consent_rule.h"
#include "mappers/fhir_body.h"

static struct code physician = { STR_INIT("309343006"), STR_INIT("2.16.840.1.113883.6.96"), { NULL, 0 } };
static struct code normal = { STR_INIT("N"), STR_INIT("2.16.840.1.113883.5.25"), { NULL, 0 } };
static struct str institution[] = { STR_INIT("Clinic^^^^^&1.2.3.20&ISO^^^^7") };
static struct author author = { .person = STR_INIT("900007^Bob^^^^^^^&1.2.3.900&ISO"),
				.institutions = { institution, 1 } };

static struct consent_decision decide(const struct consent_set *set, const struct caller *caller)
{
	const struct consent_policy policy = { .default_permit = true, .provider_system = STR("1.2.3.900") };
	const struct consent_request request = { .caller = caller, .action = CONSENT_READ, .now_s = 1718000000 };
	const struct document_entry entry = { .entry_uuid = STR("urn:uuid:11111111-1111-4111-8111-111111111111"),
					      .unique_id = STR("1.2.3^x"),
					      .type_code = { STR("34133-9"), STR("2.16.840.1.113883.6.1"), STR_NONE },
					      .creation_time = STR("202403"),
					      .confidentiality_codes = { &normal, 1 },
					      .authors = { &author, 1 } };
	struct consent_decision decision;
	struct consent_decision whole;
	enum consent_extent extent = consent_extent(set, &policy, &request, &whole);

	consent_decide(set, &policy, &request, &entry, &decision);
	if ((extent == CONSENT_NO_DOCUMENT && decision.permit) ||
	    (extent == CONSENT_EVERY_DOCUMENT && !decision.permit))
		abort();
	return decision;
}

static void check(const struct consent_set *set, struct arena *arena)
{
	const struct caller caller = { .kind = CALLER_USER,
				       .subject = STR("anna"),
				       .issuer = STR("https://idp.example"),
				       .provider_id = STR("900001"),
				       .organization_id = STR("urn:oid:1.2.3.10"),
				       .roles = { &physician, 1 },
				       .purpose = { STR("TREAT"), STR(PURPOSE_SYSTEM_OID), STR_NONE } };
	const struct consent_set *again;
	struct consent_decision first = decide(set, &caller);
	struct consent_decision second;
	struct buf bytes;

	buf_init(&bytes, FUZZ_TEXT_BYTES);
	consent_set_write(set, &bytes);
	if (bytes.failed || !consent_set_open(buf_str(&bytes), arena, &again))
		abort();
	second = decide(again, &caller);
	if (first.permit != second.permit || first.reason != second.reason ||
	    !str_equal(first.consent_id, second.consent_id))
		abort();
	buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
	const struct consent_set *set;
	struct outcome outcome;
	json_t *tree;

	outcome_init(&outcome);
	if (arena && consent_set_open(text, arena, &set))
		check(set, arena);
	if (arena && fhir_body_read(FHIR_JSON, text, NULL, NULL, arena, &tree, &outcome)) {
		if (!consent_resource_check(tree, arena, &outcome) && !outcome.has_error)
			abort();
		if (consent_set_read(tree, 60, arena, &set, &outcome))
			check(set, arena);
	}
	arena_free(arena);
	return 0;
}
