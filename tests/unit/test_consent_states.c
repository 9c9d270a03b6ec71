/* What a gateway knows of patients' consents: who asks, who waits, what is forgotten; and who takes care of whom. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/access/care.h"
#include "gateway/access/consent_states.h"
#include "gateway/run/clock.h"

#define ARENA_BYTES ((size_t)16 * 1024 * 1024)
#define CROWD       1000

static const struct str patient = STR_INIT("P-001^^^&2.999.1&ISO");

/* A source whose answers the test lays down. */
struct source {
	uint64_t version;
	uint64_t lease_us;
	bool fails;
	atomic_uint asked;
	unsigned kept;
	struct str set;
	pthread_mutex_t gate; /* an answer waits here */
};

static bool source_ask(void *ctx, struct str patient_id, const struct consent_known *known, struct consent_told *told)
{
	struct source *source = ctx;

	(void)patient_id;
	atomic_fetch_add(&source->asked, 1);
	pthread_mutex_lock(&source->gate);
	pthread_mutex_unlock(&source->gate);
	*told = (struct consent_told) { .asked_us = clock_monotonic_us(),
					.version = source->version,
					.lease_us = source->lease_us };
	if (!known->set.data || known->version != source->version)
		told->set = source->set;
	return !source->fails;
}

static void source_keep(void *ctx, struct str patient_id, struct str set)
{
	struct source *source = ctx;

	(void)patient_id;
	assert_true(str_equal(set, source->set));
	source->kept++;
}

static struct source source_make(void)
{
	return (struct source) {
		.version = 7, .lease_us = 600000000, .set = STR("set"), .gate = PTHREAD_MUTEX_INITIALIZER
	};
}

static enum consent_got get(struct consent_states *states, struct source *source, struct str patient_id,
			    struct arena *arena, struct consent_known *known)
{
	const struct consent_asker asker = {
		.ctx = source, .ask = source_ask, .keep = source_keep, .keep_us = UINT64_MAX
	};

	return consent_states_get(states, patient_id, deadline_in(60000), &asker, arena, known);
}

static void test_consent_states__asks_once_while_the_lease_lasts(void **state)
{
	struct consent_states *states = consent_states_new(10, 1000);
	struct arena *arena = arena_new(ARENA_BYTES);
	struct source source = source_make();
	struct consent_known known;

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(get(states, &source, patient, arena, &known), CONSENT_GOT);
		assert_true(known.version == 7 && str_equal(known.set, STR("set")));
	}
	assert_int_equal(atomic_load(&source.asked), 1);
	assert_int_equal(source.kept, 1);
	consent_states_outdate(states, patient, 7); /* it is 7 already */
	assert_int_equal(get(states, &source, patient, arena, &known), CONSENT_GOT);
	assert_int_equal(atomic_load(&source.asked), 1);
	consent_states_outdate(states, patient, 9);
	source.version = 9;
	source.set = STR("new");
	assert_int_equal(get(states, &source, patient, arena, &known), CONSENT_GOT);
	assert_true(known.version == 9 && str_equal(known.set, STR("new")));
	assert_int_equal(atomic_load(&source.asked), 2);
	assert_int_equal(source.kept, 2);
	consent_states_free(states);
	arena_free(arena);
}

static void test_consent_states__never_keeps_what_is_outdated(void **state)
{
	struct consent_states *states = consent_states_new(10, 1000);
	struct arena *arena = arena_new(ARENA_BYTES);
	struct source source = source_make();
	struct consent_known known;

	(void)state;
	source.lease_us = 0;
	assert_int_equal(get(states, &source, patient, arena, &known), CONSENT_GOT);
	consent_states_outdate(states, patient, 9);
	/* An answer of before: its asker may use it, nobody else, and it is not written down. */
	source.lease_us = 600000000;
	assert_int_equal(get(states, &source, patient, arena, &known), CONSENT_GOT);
	assert_int_equal(get(states, &source, patient, arena, &known), CONSENT_GOT);
	assert_int_equal(atomic_load(&source.asked), 3);
	assert_int_equal(source.kept, 1);
	source.fails = true;
	assert_int_equal(get(states, &source, patient, arena, &known), CONSENT_GOT_NOTHING);
	consent_states_free(states);
	arena_free(arena);
}

static void test_consent_states__says_how_old_the_last_answer_is(void **state)
{
	struct consent_states *states = consent_states_new(10, 1000);
	struct arena *arena = arena_new(ARENA_BYTES);
	struct source source = source_make();
	struct consent_known known;

	(void)state;
	source.lease_us = 0;
	source.fails = true;
	assert_int_equal(get(states, &source, patient, arena, &known), CONSENT_GOT_NOTHING);
	source.fails = false;
	assert_int_equal(get(states, &source, patient, arena, &known), CONSENT_GOT);
	source.fails = true;
	assert_int_equal(get(states, &source, patient, arena, &known), CONSENT_GOT_OLD);
	assert_true(known.version == 7 && str_equal(known.set, STR("set")));
	consent_states_outdate(states, patient, 0);
	assert_int_equal(get(states, &source, patient, arena, &known), CONSENT_GOT_NOTHING);
	consent_states_free(states);
	arena_free(arena);
}

static void test_consent_states__forgets_the_patient_not_asked_for_longest(void **state)
{
	struct consent_states *states = consent_states_new(3, 20);
	struct arena *arena = arena_new(ARENA_BYTES);
	struct source source = source_make();
	struct consent_known known;
	const struct str patients[] = {
		STR("1"), STR("2"), STR("3"), STR("1"), STR("4"), STR("1"), STR("3"), STR("2")
	};
	const unsigned asked[] = { 1, 2, 3, 3, 4, 4, 4, 5 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(patients); i++) {
		assert_int_equal(get(states, &source, patients[i], arena, &known), CONSENT_GOT);
		assert_int_equal(atomic_load(&source.asked), asked[i]);
	}
	source.set = STR("a set of eighteen.");
	assert_int_equal(get(states, &source, STR("9"), arena, &known), CONSENT_GOT); /* 18 and 3 bytes are too many */
	assert_int_equal(get(states, &source, STR("9"), arena, &known), CONSENT_GOT);
	assert_int_equal(atomic_load(&source.asked), 6);
	assert_int_equal(get(states, &source, STR("2"), arena, &known), CONSENT_GOT);
	assert_int_equal(atomic_load(&source.asked), 7);
	consent_states_free(states);
	arena_free(arena);
}

struct crowd {
	struct consent_states *states;
	struct source *source;
	atomic_uint begun;
	atomic_uint got[CONSENT_GOT_NOTHING + 1];
};

static void *crowd_run(void *ctx)
{
	struct crowd *crowd = ctx;
	struct arena *arena = arena_new(1024 * 1024);
	struct consent_known known;

	atomic_fetch_add(&crowd->begun, 1);
	atomic_fetch_add(&crowd->got[get(crowd->states, crowd->source, patient, arena, &known)], 1);
	arena_free(arena);
	return NULL;
}

/* A thousand at once; the answer comes only when all have begun. */
static void crowd_play(struct crowd *crowd)
{
	static pthread_t threads[CROWD];
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 * 1024);
	pthread_mutex_lock(&crowd->source->gate);
	for (size_t i = 0; i < CROWD; i++)
		assert_int_equal(pthread_create(&threads[i], &attributes, crowd_run, crowd), 0);
	while (atomic_load(&crowd->begun) < CROWD || atomic_load(&crowd->source->asked) == 0)
		;
	pthread_mutex_unlock(&crowd->source->gate);
	for (size_t i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	pthread_attr_destroy(&attributes);
}

static void test_121_a_thousand_clients_ask_once(void **state)
{
	struct source source = source_make();
	struct crowd crowd = { .states = consent_states_new(10, 1000), .source = &source };

	(void)state;
	crowd_play(&crowd);
	assert_int_equal(atomic_load(&crowd.got[CONSENT_GOT]), CROWD);
	assert_true(atomic_load(&source.asked) <= 2);
	consent_states_free(crowd.states);
}

static void test_121_a_thousand_clients_share_a_failure(void **state)
{
	struct source source = source_make();
	struct crowd crowd = { .states = consent_states_new(10, 1000), .source = &source };

	(void)state;
	source.fails = true;
	crowd_play(&crowd);
	assert_int_equal(atomic_load(&crowd.got[CONSENT_GOT_NOTHING]), CROWD);
	print_message("asked %u times\n", atomic_load(&source.asked));
	consent_states_free(crowd.states);
}

static void test_care__by_token_and_by_table(void **state)
{
	struct str configured[] = { STR_INIT("urn:oid:2.999.10|urn:oid:2.999.1|P-001"), STR_INIT("nurse-7|any"),
				    STR_INIT("http://roles.example|doctor|2.999.1|P-002") };
	const struct config_strs items = { configured, COUNT_OF(configured) };
	struct code doctor = { STR("doctor"), STR("http://roles.example"), STR_NONE };
	struct code other = { STR("doctor"), STR("http://elsewhere.example"), STR_NONE };
	struct str one[] = { STR_INIT("urn:oid:2.999.1|P-003") };
	struct str cx[] = { STR_INIT("P-003^^^&2.999.1&ISO") };
	const struct {
		struct caller caller;
		const char *patient;
		bool holds;
	} rows[] = {
		{ { .kind = CALLER_USER, .organization_id = STR("urn:oid:2.999.10") }, "P-001^^^&2.999.1&ISO", true },
		{ { .kind = CALLER_SYSTEM, .organization_id = STR("urn:oid:2.999.10") }, "P-001^^^&2.999.1&ISO", true },
		{ { .kind = CALLER_PATIENT, .organization_id = STR("urn:oid:2.999.10") },
		  "P-001^^^&2.999.1&ISO",
		  false },
		{ { .kind = CALLER_ANONYMOUS, .subject = STR("nurse-7") }, "P-001^^^&2.999.1&ISO", false },
		{ { .kind = CALLER_USER, .organization_id = STR("urn:oid:2.999.10") }, "P-001^^^&2.999.2&ISO", false },
		{ { .kind = CALLER_USER, .organization_id = STR("urn:oid:2.999.11") }, "P-001^^^&2.999.1&ISO", false },
		{ { .kind = CALLER_USER, .subject = STR("nurse-7") }, "P-009^^^&2.999.1&ISO", true },
		{ { .kind = CALLER_USER, .subject = STR("nurse-8") }, "P-009^^^&2.999.1&ISO", false },
		{ { .kind = CALLER_USER, .roles = { &doctor, 1 } }, "P-002^^^&2.999.1&ISO", true },
		{ { .kind = CALLER_USER, .roles = { &other, 1 } }, "P-002^^^&2.999.1&ISO", false },
		{ { .kind = CALLER_USER, .roles = { &doctor, 1 } }, "P-001^^^&2.999.1&ISO", false },
		{ { .kind = CALLER_USER, .care_of = { one, 1 } }, "P-003^^^&2.999.1&ISO", true },
		{ { .kind = CALLER_USER, .care_of = { cx, 1 } }, "P-003^^^&2.999.1&ISO", true },
		{ { .kind = CALLER_USER, .care_of = { one, 1 } }, "P-003^^^&2.999.2&ISO", false },
	};
	struct arena *arena = arena_new(ARENA_BYTES);
	struct outcome outcome;
	const struct care *care;

	(void)state;
	outcome_init(&outcome);
	assert_true(care_read(&items, arena, &care, &outcome));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (care_holds(care, &rows[i].caller, str_from_c(rows[i].patient), arena) != rows[i].holds)
			fail_msg("row %zu", i);
	}
	arena_free(arena);
}

static void test_care__any_is_for_professionals(void **state)
{
	struct str configured[] = { STR_INIT("any") };
	const struct config_strs items = { configured, 1 };
	struct arena *arena = arena_new(ARENA_BYTES);
	struct outcome outcome;
	const struct care *care;

	(void)state;
	outcome_init(&outcome);
	assert_true(care_read(&items, arena, &care, &outcome));
	for (enum caller_kind kind = CALLER_ANONYMOUS; kind <= CALLER_SYSTEM; kind++) {
		const struct caller caller = { .kind = kind, .subject = STR("any") };

		assert_int_equal(care_holds(care, &caller, patient, arena), kind == CALLER_USER);
	}
	arena_free(arena);
}

static void test_care__refuses_what_is_no_relationship(void **state)
{
	static const struct str wrong[] = { STR_INIT(""),      STR_INIT("|any"),     STR_INIT("nurse"),
					    STR_INIT("a|b"),   STR_INIT("a||P-001"), STR_INIT("a|2.999.1|"),
					    STR_INIT("|2.9|P") };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct str item = wrong[i];
		const struct config_strs items = { &item, 1 };
		struct outcome outcome;
		const struct care *care;

		outcome_init(&outcome);
		if (care_read(&items, arena, &care, &outcome))
			fail_msg("accepted: %s", wrong[i].data);
		assert_int_equal(outcome.issues[0].code, ERR_VALUE_INVALID);
		arena_free(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_consent_states__asks_once_while_the_lease_lasts),
		cmocka_unit_test(test_consent_states__never_keeps_what_is_outdated),
		cmocka_unit_test(test_consent_states__says_how_old_the_last_answer_is),
		cmocka_unit_test(test_consent_states__forgets_the_patient_not_asked_for_longest),
		cmocka_unit_test(test_121_a_thousand_clients_ask_once),
		cmocka_unit_test(test_121_a_thousand_clients_share_a_failure),
		cmocka_unit_test(test_care__by_token_and_by_table),
		cmocka_unit_test(test_care__any_is_for_professionals),
		cmocka_unit_test(test_care__refuses_what_is_no_relationship),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
