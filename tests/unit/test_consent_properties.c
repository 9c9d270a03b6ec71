/* What holds for every set of Consents: properties over random ones, and the set as bytes. */
#include "consent_stand.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_properties_of_random_sets),
		cmocka_unit_test(test_bytes_are_read_strictly),
		cmocka_unit_test(test_every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
