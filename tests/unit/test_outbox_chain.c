/* The outbox: what holds what, what a person decides about it, and what changes its line or its place. */
#include <pthread.h>

#include "outbox_stand.h"

/* A document, its replacement, an addendum to that, and another document, all of one patient. */
static void test_chain__a_dead_letter_holds_its_own_chain_alone(void **state)
{
	struct stand *stand = *state;
	const char *document = put_with(stand, "a", "hcm", "d1", NULL);
	const char *replacement = put_with(stand, "a", "hcm", "d2", "d1");
	const char *addendum = put_with(stand, "a", "hcm", "d3", "d2");
	const char *another = put_with(stand, "a", "hcm", "e1", NULL);

	refuse(stand, document);
	assert_true(get(stand, replacement).is_held && get(stand, addendum).is_held);
	assert_false(get(stand, another).is_held);
	assert_true(must_wait(stand, "a", NULL));
	deliver(stand, another);
	claim_nothing(stand);
	assert_false(must_wait(stand, "a", NULL));
	assert_true(must_wait(stand, "a", "d1") && must_wait(stand, "a", "d3"));
	assert_false(must_wait(stand, "b", "d1"));
	const char *late = put_with(stand, "a", "hcm", "d4", "x,d3"); /* joins what is held */

	assert_true(get(stand, late).is_held);
	const char *unrelated = put(stand, "a");

	check(outbox_retry(stand->outbox, str_from_c(document), &stand->outcome), &stand->outcome, "retry");
	assert_false(get(stand, late).is_held);
	struct outbox_claim first = claim(stand, document);

	claim_nothing(stand);
	settle(stand, &first, OUTBOX_DELIVERED);
	deliver(stand, replacement);
	deliver(stand, addendum);
	deliver(stand, late);
	deliver(stand, unrelated);
	claim_nothing(stand);
}

static void test_chain__a_retried_dead_letter_does_not_overtake_what_is_being_sent(void **state)
{
	struct stand *stand = *state;
	const char *document = put_with(stand, "a", "hcm", "d1", NULL);
	const char *another = put_with(stand, "a", "hcm", "e1", NULL);

	refuse(stand, document);
	struct outbox_claim sending = claim(stand, another);

	check(outbox_retry(stand->outbox, str_from_c(document), &stand->outcome), &stand->outcome, "retry");
	claim_nothing(stand);
	assert_int_equal(outbox_put_off(stand->outbox, &sending, 0, STR(""), false, true, &stand->outcome),
			 OUTBOX_DONE);
	deliver(stand, document);
	deliver(stand, another);
}

static void test_decide__dropping_releases_what_was_held(void **state)
{
	struct stand *stand = *state;
	const char *document = put_with(stand, "a", "hcm", "d1", NULL);
	const char *replacement = put_with(stand, "a", "hcm", "d2", "d1");
	struct str id = str_from_c(document);

	struct outbox_claim sending = claim(stand, document);

	assert_false(outbox_drop(stand->outbox, id, STR("by hand"), STR_NONE, NULL, &stand->outcome));
	assert_int_equal(stand->outcome.issues[0].code, ERR_CONFLICT);
	settle(stand, &sending, OUTBOX_REFUSED);
	claim_nothing(stand);
	check(outbox_drop(stand->outbox, id, STR("by hand"), STR_NONE, NULL, &stand->outcome), &stand->outcome, "drop");
	assert_int_equal(get(stand, document).state, OUTBOX_WITHDRAWN);
	assert_false(outbox_retry(stand->outbox, id, &stand->outcome));
	deliver(stand, replacement);
	outcome_init(&stand->outcome);
	assert_false(outbox_drop(stand->outbox, str_from_c(replacement), STR(""), STR_NONE, NULL, &stand->outcome));
	assert_false(outbox_drop(stand->outbox, STR("0b0b0b0b-0000-4000-8000-000000000000"), STR(""), STR_NONE, NULL,
				 &stand->outcome));
	assert_int_equal(stand->outcome.issues[1].code, ERR_NOT_FOUND);
	assert_int_equal(bytes_used(stand), 0);
}

static void test_decide__a_corrected_dead_letter_takes_its_old_place(void **state)
{
	struct stand *stand = *state;
	const char *document = put_with(stand, "a", "hcm", "d1", NULL);
	const char *replacement = put_with(stand, "a", "hcm", "d2", "d1");
	const struct str parts[] = { STR("another head"), STR("<better/>"), STR("document") };
	const struct str name = STR("d1");
	const struct outbox_new better = { .makes = &name, .make_count = 1, .parts = parts, .part_count = 3 };

	outcome_init(&stand->outcome);
	assert_false(outbox_correct(stand->outbox, str_from_c(document), &better, &stand->outcome));
	refuse(stand, document);
	struct outbox_reader *reader = outbox_reader_new(stand->outbox, str_from_c(document), 0, &stand->outcome);

	check(outbox_correct(stand->outbox, str_from_c(document), &better, &stand->outcome), &stand->outcome,
	      "correct");
	assert_int_equal(bytes_used(stand), get(stand, document).bytes + get(stand, replacement).bytes);
	assert_true(get(stand, document).bytes > 1024); /* its row too */
	assert_true(str_equal(part(stand, document, 1), STR("<better/>")));
	assert_true(str_equal(part(stand, document, 2), STR("document")));
	outbox_reader_free(reader);
	deliver(stand, document);
	deliver(stand, replacement);
	assert_int_equal(bytes_used(stand), 0);
}

static void test_decide__a_corrected_dead_letter_has_the_names_of_what_it_is_now(void **state)
{
	struct stand *stand = *state;
	const char *document = put_with(stand, "a", "hcm", "d1", NULL);
	const char *of_old = put_with(stand, "a", "hcm", "d2", "d1");
	const char *of_new = put_with(stand, "a", "hcm", "d4", "d3");
	const struct str parts[] = { STR("another head"), STR("<better/>") };
	const struct str name = STR("d3");
	const struct outbox_new better = { .makes = &name, .make_count = 1, .parts = parts, .part_count = 2 };

	refuse(stand, document);
	assert_true(get(stand, of_old).is_held && !get(stand, of_new).is_held);
	outcome_init(&stand->outcome);
	check(outbox_correct(stand->outbox, str_from_c(document), &better, &stand->outcome), &stand->outcome,
	      "correct");
	assert_true(must_wait(stand, "a", "d3"));
	assert_false(get(stand, of_old).is_held);
	refuse(stand, document);
	assert_true(!get(stand, of_old).is_held && get(stand, of_new).is_held);
	assert_true(must_wait(stand, "a", "d3"));
	deliver(stand, of_old);
	assert_nothing_is_due(stand);
	assert_false(must_wait(stand, "a", "d1"));
	assert_true(must_wait(stand, "a", "d3"));
}

static void test_decide__a_dead_letter_goes_to_the_line_of_its_right_patient(void **state)
{
	struct stand *stand = *state;
	const char *document = put_with(stand, "nobody", "hcm", "d1", NULL);
	const char *behind = put_with(stand, "nobody", "hcm", "d2", "d1");
	const char *others = put_with(stand, "a", "hcm", "e1", NULL);
	const struct str parts[] = { STR("another head"), STR("<better/>"), STR("document") };
	const struct str name = STR("d1");
	const struct outbox_new better = {
		.patient = STR("a"), .makes = &name, .make_count = 1, .parts = parts, .part_count = 3
	};
	struct str id = str_from_c(document);

	refuse(stand, document);
	outcome_init(&stand->outcome);
	/* What builds upon it would stay behind, in another order. */
	assert_false(outbox_correct(stand->outbox, id, &better, &stand->outcome));
	assert_int_equal(stand->outcome.issues[0].code, ERR_CONFLICT);
	assert_int_equal(get(stand, document).state, OUTBOX_REFUSED);
	check(outbox_drop(stand->outbox, str_from_c(behind), STR("by hand"), STR_NONE, NULL, &stand->outcome),
	      &stand->outcome, "drop");
	check(outbox_correct(stand->outbox, id, &better, &stand->outcome), &stand->outcome, "correct");
	assert_true(must_wait(stand, "a", "d1"));
	assert_false(must_wait(stand, "nobody", "d1"));
	/* As old as it is, it comes before what was put later; one at a time. */
	struct outbox_claim first = claim(stand, document);

	assert_nothing_is_due(stand);
	settle(stand, &first, OUTBOX_DELIVERED);
	deliver(stand, others);
	assert_int_equal(bytes_used(stand), 0);
}

static enum outbox_done rework(struct stand *stand, const struct outbox_claim *claim, const char *patient)
{
	const struct str names[] = { STR("changes of d1"), STR("d2"), STR("d1") };
	const struct str parts[] = { STR("other head"), STR("<worked-out/>"), STR("answer") };
	const struct outbox_new new = { .kind = STR("update"),
					.target = HCM,
					.patient = str_from_c(patient),
					.makes = names,
					.make_count = 2,
					.needs = names + 2,
					.need_count = 1,
					.parts = parts,
					.part_count = COUNT_OF(parts) };
	enum outbox_done done;

	outcome_init(&stand->outcome);
	done = outbox_rework(stand->outbox, claim, &new, &stand->outcome);
	check(done != OUTBOX_DONE_FAILED, &stand->outcome, "rework");
	return done;
}

/* It has its place, and what comes after it stays behind it until it is known what became of it. */
static void test_announced__keeps_its_place_until_it_is_released(void **state)
{
	struct stand *stand = *state;
	const char *first = put_as(stand, "a", "hcm", NULL, NULL, "", true);
	const char *second = put_as(stand, "a", "hcm", NULL, NULL, "", true);
	const char *third = put(stand, "a");

	assert_nothing_is_due(stand);
	deliver(stand, put(stand, "b"));
	check(outbox_release(stand->outbox, str_from_c(second), &stand->outcome), &stand->outcome, "release");
	assert_nothing_is_due(stand);
	reopen(stand);
	assert_nothing_is_due(stand);
	assert_int_equal(get(stand, first).state, OUTBOX_ANNOUNCED);
	/* Put again as what it is now, it is released; and once only. */
	assert_string_equal(put_as(stand, "a", "hcm", NULL, NULL, first, true), first);
	assert_nothing_is_due(stand);
	assert_string_equal(put_as(stand, "a", "hcm", NULL, NULL, first, false), first);
	deliver(stand, first);
	deliver(stand, second);
	deliver(stand, third);
	check(outbox_release(stand->outbox, str_from_c(first), &stand->outcome), &stand->outcome, "release");
	assert_int_equal(get(stand, first).state, OUTBOX_DELIVERED);
}

static void test_announced__nothing_passes_what_waits_behind_it(void **state)
{
	struct stand *stand = *state;
	const char *announced = put_as(stand, "a", "hcm", NULL, NULL, "", true);

	assert_false(must_wait(stand, "a", NULL));
	const char *behind = put_as(stand, "a", "hcm", NULL, NULL, "", false);

	assert_true(must_wait(stand, "a", NULL));
	check(outbox_forget(stand->outbox, str_from_c(announced), &stand->outcome), &stand->outcome, "forget");
	deliver(stand, behind);
	assert_false(must_wait(stand, "a", NULL));
}

static void test_announced__is_forgotten_without_a_trace(void **state)
{
	struct stand *stand = *state;
	struct outbox_filter filter = { .target = HCM };
	struct outbox_item *items;
	uint64_t bytes = 1;
	uint64_t callers;
	uint64_t next;
	size_t count;
	const char *first = put_as(stand, "a", "hcm", "e1", NULL, "", true);
	const char *second = put_with(stand, "a", "hcm", NULL, "e1");

	filter.states = OUTBOX_STATE_BIT(OUTBOX_ANNOUNCED);
	check(outbox_list(stand->outbox, &filter, stand->arena, &items, &count, &next, &stand->outcome),
	      &stand->outcome, "list");
	assert_int_equal(count, 1);
	assert_string_equal(items[0].id, first);
	check(outbox_forget(stand->outbox, str_from_c(first), &stand->outcome), &stand->outcome, "forget");
	check(outbox_forget(stand->outbox, str_from_c(first), &stand->outcome), &stand->outcome, "forget again");
	check(outbox_forget(stand->outbox, str_from_c(second), &stand->outcome), &stand->outcome, "forget another");
	deliver(stand, second);
	check(outbox_bytes(stand->outbox, STR_NONE, &bytes, &callers, &stand->outcome), &stand->outcome, "bytes");
	assert_int_equal(bytes, 0);
	/* Its id is free again. */
	assert_string_equal(put_as(stand, "a", "hcm", NULL, NULL, first, false), first);
	deliver(stand, first);
}

/* Nobody may ever say what became of what it follows from. */
static void test_announced__a_person_may_drop_it_and_not_send_it(void **state)
{
	struct stand *stand = *state;
	const char *first = put_as(stand, "a", "hcm", "e1", NULL, "", true);
	const char *second = put_with(stand, "a", "hcm", NULL, "e1");
	bool unclear = true;

	assert_nothing_is_due(stand);
	assert_false(outbox_retry(stand->outbox, str_from_c(first), &stand->outcome));
	assert_int_equal(stand->outcome.issues[0].code, ERR_CONFLICT);
	outcome_init(&stand->outcome);
	check(outbox_drop(stand->outbox, str_from_c(first), STR("by hand"), STR_NONE, &unclear, &stand->outcome),
	      &stand->outcome, "drop");
	assert_false(unclear);
	assert_int_equal(get(stand, first).state, OUTBOX_WITHDRAWN);
	/* Whoever had announced it changes nothing any more. */
	check(outbox_release(stand->outbox, str_from_c(first), &stand->outcome), &stand->outcome, "release");
	check(outbox_forget(stand->outbox, str_from_c(first), &stand->outcome), &stand->outcome, "forget");
	assert_int_equal(get(stand, first).state, OUTBOX_WITHDRAWN);
	deliver(stand, second);
	assert_nothing_is_due(stand);
	assert_int_equal(bytes_used(stand), 0);
}

static void test_rework__takes_its_place_in_another_line(void **state)
{
	struct stand *stand = *state;
	const char *before = put(stand, "a");
	const char *request = put_with(stand, "changes of d1", "hcm", "changes of d1", NULL);
	const char *behind = put_with(stand, "changes of d1", "hcm", "changes of d1", NULL);
	const char *later = put(stand, "a");
	struct outbox_claim first = claim(stand, before);
	struct outbox_claim working = claim(stand, request);
	struct outbox_item item;

	claim_nothing(stand);
	stand->config.outbox_bytes_max = 1; /* what is in must get out */
	assert_int_equal(outbox_extend(stand->outbox, &working, true, &stand->outcome), OUTBOX_DONE);
	assert_int_equal(rework(stand, &working, "a"), OUTBOX_DONE);
	assert_int_equal(rework(stand, &working, "a"), OUTBOX_DONE); /* as when the answer was lost */
	stand->config.outbox_bytes_max = 1 << 30;
	item = get(stand, request);
	assert_int_equal(item.state, OUTBOX_WAITING);
	assert_true(str_equal(item.kind, STR("update")));
	assert_false(item.is_unclear);
	assert_int_equal(item.attempts, 0);
	assert_int_equal(item.part_count, 3);
	assert_true(str_equal(part(stand, request, 1), STR("<worked-out/>")));
	assert_int_equal(outbox_extend(stand->outbox, &working, false, &stand->outcome), OUTBOX_STALE);
	refuse(stand, behind); /* its own line goes on */
	claim_nothing(stand);  /* that of the patient is busy */
	settle(stand, &first, OUTBOX_DELIVERED);
	const char *needs = put_with(stand, "a", "hcm", NULL, "d2");

	reopen(stand);
	working = claim(stand, request);
	assert_int_equal(rework(stand, &first, "a"), OUTBOX_STALE);
	settle(stand, &working, OUTBOX_REFUSED);
	assert_true(get(stand, needs).is_held);
	deliver(stand, later);
	check(outbox_drop(stand->outbox, str_from_c(request), STR("by hand"), STR_NONE, NULL, &stand->outcome),
	      &stand->outcome, "drop");
	deliver(stand, needs);
	check(outbox_drop(stand->outbox, str_from_c(behind), STR("by hand"), STR_NONE, NULL, &stand->outcome),
	      &stand->outcome, "drop");
	assert_int_equal(bytes_used(stand), 0);
}

static void test_rework__whose_lease_ran_out_changes_nothing(void **state)
{
	struct stand *stand = *state;
	const char *request = put(stand, "changes of d1");

	stand->config.outbox_lease_seconds = 0;
	struct outbox_claim old = claim(stand, request);

	stand->config.outbox_lease_seconds = 30;
	struct outbox_claim new = claim(stand, request);

	assert_int_equal(rework(stand, &old, "a"), OUTBOX_STALE);
	assert_true(str_equal(get(stand, request).kind, STR("provide")));
	assert_true(str_equal(part(stand, request, 0), STR("head")));
	assert_int_equal(rework(stand, &new, "a"), OUTBOX_DONE);
	assert_true(must_wait(stand, "a", NULL));
	assert_false(must_wait(stand, "changes of d1", NULL));
	deliver(stand, request);
	assert_int_equal(rework(stand, &new, "a"), OUTBOX_STALE);
	assert_int_equal(bytes_used(stand), 0);
}

static void test_list__finds_by_patient_name_and_state(void **state)
{
	struct stand *stand = *state;
	const char *a1 = put_with(stand, "a", "hcm", "d1", NULL);
	const char *a2 = put_with(stand, "a", "hcm", "d2", "d1");
	const char *b1 = put_with(stand, "b", "hcm", "e1", NULL);
	struct outbox_filter filter = { .patient = STR("a") };
	struct outbox_item *items;
	size_t count;
	uint64_t next;

	check(outbox_list(stand->outbox, &filter, stand->arena, &items, &count, &next, &stand->outcome),
	      &stand->outcome, "list");
	assert_int_equal(count, 2);
	assert_string_equal(items[0].id, a1);
	assert_string_equal(items[1].id, a2);
	assert_int_equal(next, 0);
	filter.limit = 1;
	check(outbox_list(stand->outbox, &filter, stand->arena, &items, &count, &next, &stand->outcome),
	      &stand->outcome, "list");
	assert_int_equal(count, 1);
	filter.after = next;
	check(outbox_list(stand->outbox, &filter, stand->arena, &items, &count, &next, &stand->outcome),
	      &stand->outcome, "list");
	assert_int_equal(count, 1);
	assert_string_equal(items[0].id, a2);
	assert_int_equal(next, 0);
	filter = (struct outbox_filter) { .target = HCM, .makes = STR("e1"), .states = OUTBOX_UNDELIVERED };
	check(outbox_list(stand->outbox, &filter, stand->arena, &items, &count, &next, &stand->outcome),
	      &stand->outcome, "list");
	assert_int_equal(count, 1);
	assert_string_equal(items[0].id, b1);
	deliver(stand, a1);
	filter = (struct outbox_filter) { .patient = STR("a"), .states = OUTBOX_UNDELIVERED };
	check(outbox_list(stand->outbox, &filter, stand->arena, &items, &count, &next, &stand->outcome),
	      &stand->outcome, "list");
	assert_int_equal(count, 1);
	struct outbox_count *counts;

	check(outbox_counts(stand->outbox, false, stand->arena, &counts, &count, &stand->outcome), &stand->outcome,
	      "counts");
	assert_int_equal(count, 2);
	assert_int_equal(counts[0].state, OUTBOX_WAITING);
	assert_int_equal(counts[0].count, 2);
	assert_int_equal(counts[0].oldest_ms, get(stand, a2).accepted_ms);
	assert_int_equal(counts[1].state, OUTBOX_DELIVERED);
	check(outbox_counts(stand->outbox, true, stand->arena, &counts, &count, &stand->outcome), &stand->outcome,
	      "counts");
	assert_int_equal(count, 1);
	assert_int_equal(counts[0].count, 2);
	assert_true(str_equal(counts[0].target, HCM));
	put_with(stand, "z", "other", "d9", NULL);
	check(outbox_counts(stand->outbox, false, stand->arena, &counts, &count, &stand->outcome), &stand->outcome,
	      "counts");
	assert_int_equal(count, 3);
	assert_int_equal(counts[2].state, OUTBOX_WAITING);
	assert_true(str_equal(counts[2].target, STR("other")));
}

/* More than a connection keeps statements for. */
static void test_list__asks_in_as_many_ways_as_there_are(void **state)
{
	struct stand *stand = *state;
	const char *id = put_with(stand, "a", "hcm", "d1", NULL);

	for (unsigned states = 0; states < 1 << OUTBOX_STATES; states++) {
		for (unsigned way = 0; way < 8; way++) {
			struct outbox_filter filter = { .states = states,
							.patient = way & 1 ? STR("a") : STR_NONE,
							.target = way & 6 ? HCM : STR_NONE,
							.makes = way & 4 ? STR("d1") : STR_NONE };
			struct outbox_item *items;
			size_t count;
			uint64_t next;

			check(outbox_list(stand->outbox, &filter, stand->arena, &items, &count, &next, &stand->outcome),
			      &stand->outcome, "list");
			assert_int_equal(count, states == 0 || states & 1 ? 1 : 0);
		}
	}
	deliver(stand, id);
}

/* Four changes of one object, in all. */
static bool change_put(struct outbox *outbox, const char *kind, const char *patient, struct outcome *outcome)
{
	const struct str parts[] = { STR("head"), STR("<metadata/>") };
	const struct str makes[] = { STR("d1"), STR("d2") };
	const struct outbox_new new = { .kind = str_from_c(kind),
					.target = HCM,
					.patient = str_from_c(patient),
					.makes = makes,
					.make_count = COUNT_OF(makes),
					.makes_max = 4,
					.makes_full = "Retry later: four of them wait.",
					.parts = parts,
					.part_count = COUNT_OF(parts) };
	char id[OUTBOX_ID_SIZE];

	outcome_init(outcome);
	return outbox_put(outbox, &new, id, outcome);
}

struct putter {
	struct outbox *outbox;
	pthread_t thread;
	unsigned put;
	unsigned full;
};

static void *change_put_often(void *context)
{
	struct putter *putter = context;
	struct outcome outcome;

	for (unsigned i = 0; i < 4; i++) {
		if (change_put(putter->outbox, "update", "a", &outcome))
			putter->put++;
		else if (outcome.issues[0].code == ERR_BUSY && strstr(outcome.issues[0].text, "four of them"))
			putter->full++;
	}
	return NULL;
}

static void test_makes_max__holds_whoever_comes_at_once(void **state)
{
	struct stand *stand = *state;
	struct putter putters[8] = { 0 };
	unsigned put_count = 0;
	unsigned full_count = 0;
	struct outbox_claim first;
	bool got;

	for (size_t i = 0; i < COUNT_OF(putters); i++) {
		putters[i].outbox = stand->outbox;
		assert_int_equal(pthread_create(&putters[i].thread, NULL, change_put_often, &putters[i]), 0);
	}
	for (size_t i = 0; i < COUNT_OF(putters); i++) {
		pthread_join(putters[i].thread, NULL);
		put_count += putters[i].put;
		full_count += putters[i].full;
	}
	assert_int_equal(put_count, 4);
	assert_int_equal(full_count, 4 * COUNT_OF(putters) - 4);
	/* It is of this kind; and what is refused, or delivered, leaves room. */
	put_with(stand, "a", "hcm", "d1", NULL);
	assert_true(change_put(stand->outbox, "request", "b", &stand->outcome));
	first = claim_any(stand, &got);
	assert_false(change_put(stand->outbox, "update", "a", &stand->outcome));
	settle(stand, &first, OUTBOX_REFUSED);
	assert_true(change_put(stand->outbox, "update", "a", &stand->outcome));
	assert_false(change_put(stand->outbox, "update", "a", &stand->outcome));
}

/* What takes another's place counts as well: as what it has become. */
static void test_makes_max__holds_for_what_takes_a_place(void **state)
{
	struct stand *stand = *state;
	const struct str name = STR("d1");
	const struct str parts[] = { STR("head"), STR("<metadata/>") };
	const struct outbox_new new = { .kind = STR("update"),
					.target = HCM,
					.patient = STR("a"),
					.makes = &name,
					.make_count = 1,
					.makes_max = 4,
					.makes_full = "Retry later: four of them wait.",
					.parts = parts,
					.part_count = COUNT_OF(parts) };
	const char *fourth = put_with(stand, "d1", "hcm", "d1", NULL);
	struct outbox_claim becoming_fourth = claim(stand, fourth);
	const char *fifth = put_with(stand, "another", "hcm", "d1", NULL);
	struct outbox_claim becoming_fifth = claim(stand, fifth);

	for (unsigned i = 0; i < 3; i++)
		assert_true(change_put(stand->outbox, "update", "a", &stand->outcome));
	outcome_init(&stand->outcome);
	assert_int_equal(outbox_rework(stand->outbox, &becoming_fourth, &new, &stand->outcome), OUTBOX_DONE);
	assert_false(change_put(stand->outbox, "update", "a", &stand->outcome));
	outcome_init(&stand->outcome);
	assert_int_equal(outbox_rework(stand->outbox, &becoming_fifth, &new, &stand->outcome), OUTBOX_DONE_FAILED);
	assert_int_equal(stand->outcome.issues[0].code, ERR_BUSY);
	assert_true(str_equal(get(stand, fifth).kind, STR("provide")));
	assert_int_equal(get(stand, fifth).state, OUTBOX_SENDING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_chain__a_dead_letter_holds_its_own_chain_alone),
		TEST(test_chain__a_retried_dead_letter_does_not_overtake_what_is_being_sent),
		TEST(test_decide__dropping_releases_what_was_held),
		TEST(test_decide__a_corrected_dead_letter_takes_its_old_place),
		TEST(test_decide__a_dead_letter_goes_to_the_line_of_its_right_patient),
		TEST(test_decide__a_corrected_dead_letter_has_the_names_of_what_it_is_now),
		TEST(test_announced__keeps_its_place_until_it_is_released),
		TEST(test_announced__nothing_passes_what_waits_behind_it),
		TEST(test_announced__is_forgotten_without_a_trace),
		TEST(test_announced__a_person_may_drop_it_and_not_send_it),
		TEST(test_rework__takes_its_place_in_another_line),
		TEST(test_rework__whose_lease_ran_out_changes_nothing),
		TEST(test_makes_max__holds_whoever_comes_at_once),
		TEST(test_makes_max__holds_for_what_takes_a_place),
		TEST(test_list__finds_by_patient_name_and_state),
		TEST(test_list__asks_in_as_many_ways_as_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
