/* The outbox: what waits for a back-end, whose turn it is, and that none of it can be lost. */
#include "outbox_stand.h"

#include <pthread.h>
#include <stdatomic.h>

#define MINUTE_MS  INT64_C(60000)
#define PIECE_SIZE ((size_t)256 * 1024)

static void test_put__is_read_back_as_it_was(void **state)
{
	struct stand *stand = *state;
	size_t sizes[] = { 4, 0, 1, PIECE_SIZE - 1, PIECE_SIZE, PIECE_SIZE + 1, 5 * PIECE_SIZE + 17 };
	struct str parts[COUNT_OF(sizes)];
	struct outbox_new new = {
		.kind = STR("update"),
		.target = HCM,
		.patient = STR("p"),
		.parts = parts,
		.part_count = COUNT_OF(parts),
	};
	char id[OUTBOX_ID_SIZE];

	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		char *bytes = arena_alloc(stand->arena, sizes[i] + 1);

		random_bytes(bytes, sizes[i]);
		parts[i] = (struct str) { bytes, sizes[i] };
	}
	check(outbox_put(stand->outbox, &new, id, &stand->outcome), &stand->outcome, "put");
	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < COUNT_OF(sizes); i++)
			assert_true(str_equal(part(stand, id, i), parts[i]));
		reopen(stand);
	}
	struct outbox_item item = get(stand, id);

	assert_int_equal(item.state, OUTBOX_WAITING);
	assert_true(str_equal(item.kind, STR("update")) && str_equal(item.target, HCM));
	assert_int_equal(item.part_count, COUNT_OF(sizes));
	assert_int_equal(item.attempts, 0);
	assert_true(item.bytes > 8 * PIECE_SIZE);
	struct str bytes;

	assert_false(
		outbox_part(stand->outbox, str_from_c(id), COUNT_OF(sizes), 10, stand->arena, &bytes, &stand->outcome));
	assert_int_equal(stand->outcome.issues[0].code, ERR_NOT_FOUND);
	outcome_init(&stand->outcome);
	assert_false(outbox_part(stand->outbox, str_from_c(id), 4, 1000, stand->arena, &bytes, &stand->outcome));
	assert_int_equal(stand->outcome.issues[0].code, ERR_TOO_LONG);
}

static void test_put__twice_under_one_id_is_one_item(void **state)
{
	struct stand *stand = *state;
	struct str head = STR("one");
	struct outbox_new new = { .id = STR("6f2d9a1e-0000-4000-8000-0123456789ab"),
				  .kind = STR("provide"),
				  .target = HCM,
				  .patient = STR("p"),
				  .parts = &head,
				  .part_count = 1 };
	char id[OUTBOX_ID_SIZE];

	check(outbox_put(stand->outbox, &new, id, &stand->outcome), &stand->outcome, "put");
	uint64_t bytes = bytes_used(stand);

	head = STR("two");
	check(outbox_put(stand->outbox, &new, id, &stand->outcome), &stand->outcome, "put");
	assert_true(str_equal(part(stand, id, 0), STR("one")));
	assert_int_equal(bytes_used(stand), bytes);
	deliver(stand, id);
	claim_nothing(stand);
}

static void test_put__nothing_goes_in_past_the_bound(void **state)
{
	struct stand *stand = *state;
	char *bytes = arena_alloc(stand->arena, 1 << 20);
	struct str head = { bytes, 1 << 20 };
	struct outbox_new new = {
		.kind = STR("provide"), .target = HCM, .patient = STR("p"), .parts = &head, .part_count = 1
	};
	char id[OUTBOX_ID_SIZE];
	unsigned count = 0;

	stand->config.outbox_bytes_max = (uint64_t)7 << 19; /* 3.5 MiB */
	while (outbox_put(stand->outbox, &new, id, &stand->outcome))
		count++;
	assert_int_equal(count, 3);
	assert_int_equal(stand->outcome.issues[0].code, ERR_STORAGE);
	assert_int_equal(outcome_http_status(&stand->outcome), 503);
	new.bound = OUTBOX_BOUND_ALL;
	outcome_init(&stand->outcome);
	assert_false(outbox_put(stand->outbox, &new, id, &stand->outcome));
	/* What is in could else never get out. */
	new.bound = OUTBOX_BOUND_NONE;
	outcome_init(&stand->outcome);
	check(outbox_put(stand->outbox, &new, id, &stand->outcome), &stand->outcome, "put what is owed");
	new.bound = OUTBOX_BOUND_HALF;
	bool got;
	struct outbox_claim claimed = claim_any(stand, &got);

	settle(stand, &claimed, OUTBOX_DELIVERED);
	claimed = claim_any(stand, &got);
	settle(stand, &claimed, OUTBOX_DELIVERED);
	outcome_init(&stand->outcome);
	assert_true(outbox_put(stand->outbox, &new, id, &stand->outcome));
	for (unsigned i = 0; i < 3; i++) {
		claimed = claim_any(stand, &got);
		settle(stand, &claimed, OUTBOX_DELIVERED);
	}
	assert_int_equal(bytes_used(stand), 0);
}

/* Puts a piece of this size for a caller; NULL when there is no room. */
static const char *put_sized(struct stand *stand, const char *caller, size_t size, enum outbox_bound bound)
{
	struct str head = { arena_alloc(stand->arena, size), size };
	struct outbox_new new = { .kind = STR("provide"),
				  .target = HCM,
				  .patient = STR("p"),
				  .caller = str_from_c(caller),
				  .bound = bound,
				  .parts = &head,
				  .part_count = 1 };
	char *id = arena_alloc(stand->arena, OUTBOX_ID_SIZE);

	outcome_init(&stand->outcome);
	return outbox_put(stand->outbox, &new, id, &stand->outcome) ? id : NULL;
}

static uint64_t bytes_of(struct stand *stand, const char *caller)
{
	uint64_t bytes;
	uint64_t callers = 1;

	outcome_init(&stand->outcome);
	check(outbox_bytes(stand->outbox, str_from_c(caller), &bytes, &callers, &stand->outcome), &stand->outcome,
	      "bytes");
	return callers;
}

static void test_put__one_caller_leaves_half_to_the_others(void **state)
{
	struct stand *stand = *state;
	const char *ids[3];
	const struct str less = { arena_alloc(stand->arena, 1 << 19), 1 << 19 };
	const struct outbox_new lesser = { .parts = &less, .part_count = 1 };
	bool got;

	stand->config.outbox_bytes_max = (uint64_t)7 << 20; /* 3.5 MiB for each */
	for (size_t i = 0; i < COUNT_OF(ids); i++)
		assert_non_null(ids[i] = put_sized(stand, "greedy", 1 << 20, OUTBOX_BOUND_HALF));
	uint64_t full = bytes_of(stand, "greedy");

	assert_null(put_sized(stand, "greedy", 1 << 20, OUTBOX_BOUND_HALF));
	assert_int_equal(stand->outcome.issues[0].code, ERR_STORAGE);
	assert_int_equal(outcome_http_status(&stand->outcome), 503);
	assert_non_null(strstr(stand->outcome.issues[0].text, "one client"));
	assert_int_equal(bytes_of(stand, "greedy"), full);
	const char *modest = put_sized(stand, "modest", 1 << 20, OUTBOX_BOUND_HALF);
	const char *owed = put_sized(stand, "greedy", 1 << 20, OUTBOX_BOUND_ALL);

	assert_non_null(modest);
	assert_non_null(owed);
	assert_non_null(put_sized(stand, "", 1 << 20, OUTBOX_BOUND_HALF));
	assert_int_equal(bytes_of(stand, "greedy"), full / 3 * 4);
	assert_int_equal(bytes_of(stand, ""), 0);
	/* Delivered, refused and corrected, withdrawn: what it took is given back, and no more. */
	struct outbox_claim claimed = claim(stand, ids[0]);

	settle(stand, &claimed, OUTBOX_DELIVERED);
	refuse(stand, ids[1]);
	assert_int_equal(bytes_of(stand, "greedy"), full);
	check(outbox_correct(stand->outbox, str_from_c(ids[1]), &lesser, &stand->outcome), &stand->outcome, "correct");
	assert_true(bytes_of(stand, "greedy") < full - (1 << 19));
	assert_null(put_sized(stand, "greedy", 1 << 20, OUTBOX_BOUND_HALF));
	check(outbox_drop(stand->outbox, str_from_c(ids[2]), STR("by hand"), STR_NONE, NULL, &stand->outcome),
	      &stand->outcome, "drop");
	assert_non_null(put_sized(stand, "greedy", 1 << 20, OUTBOX_BOUND_HALF));
	assert_int_equal(bytes_of(stand, "modest"), full / 3);
	for (unsigned i = 0; i < 5; i++) {
		claimed = claim_any(stand, &got);
		assert_true(got);
		settle(stand, &claimed, OUTBOX_DELIVERED);
	}
	assert_int_equal(bytes_of(stand, "greedy"), 0);
	assert_int_equal(bytes_of(stand, "modest"), 0);
	assert_int_equal(bytes_used(stand), 0);
}

static void test_claim__keeps_the_order_of_a_patient_and_no_other(void **state)
{
	struct stand *stand = *state;
	const char *a1 = put(stand, "a");
	const char *a2 = put(stand, "a");
	const char *b1 = put(stand, "b");
	const char *other = put_with(stand, "a", "dsp", NULL, NULL);
	struct outbox_claim first = claim(stand, a1);
	struct outbox_claim second = claim(stand, b1);

	claim_nothing(stand);
	assert_true(must_wait(stand, "a", NULL) && must_wait(stand, "b", NULL));
	assert_false(must_wait(stand, "c", NULL));
	settle(stand, &second, OUTBOX_DELIVERED);
	assert_false(must_wait(stand, "b", NULL));
	assert_int_equal(outbox_put_off(stand->outbox, &first, 60000, STR("not now"), true, true, &stand->outcome),
			 OUTBOX_DONE);
	uint64_t wait_ms = claim_nothing(stand);

	assert_true(wait_ms > 50000 && wait_ms <= 60000);
	assert_true(get(stand, a1).is_unclear);
	assert_true(str_equal(get(stand, a1).reason, STR("not now")));
	clock_shift_ms += 60000;
	if (is_postgresql()) /* its clock is not ours */
		check(outbox_retry(stand->outbox, str_from_c(a1), &stand->outcome), &stand->outcome, "retry");
	deliver(stand, a1);
	deliver(stand, a2);
	assert_int_equal(get(stand, a1).state, OUTBOX_DELIVERED);
	assert_int_equal(get(stand, other).state, OUTBOX_WAITING);
}

static void test_claim__a_patient_with_many_items_does_not_hold_up_others(void **state)
{
	struct stand *stand = *state;
	const char *many[20];

	for (unsigned i = 0; i < COUNT_OF(many); i++)
		many[i] = put(stand, "many");
	const char *one = put(stand, "one");

	clock_shift_ms += 5;
	usleep(5000); /* for the clock of a server; turns are given in milliseconds */
	deliver(stand, many[0]);
	deliver(stand, one);
	deliver(stand, many[1]);
}

static void test_lease__a_stale_one_is_refused(void **state)
{
	struct stand *stand = *state;
	const char *id = put(stand, "a");

	stand->config.outbox_lease_seconds = 0;
	struct outbox_claim old = claim(stand, id);

	stand->config.outbox_lease_seconds = 30;
	struct outbox_claim new = claim(stand, id);

	assert_true(new.fence > old.fence);
	assert_true(new.item.is_unclear);
	assert_int_equal(new.item.attempts, 2);
	assert_int_equal(outbox_extend(stand->outbox, &old, true, &stand->outcome), OUTBOX_STALE);
	assert_int_equal(outbox_put_off(stand->outbox, &old, 1, STR("x"), false, true, &stand->outcome), OUTBOX_STALE);
	assert_int_equal(outbox_give_back(stand->outbox, &old, &stand->outcome), OUTBOX_STALE);
	assert_int_equal(outbox_settle(stand->outbox, &old, OUTBOX_DELIVERED, false, STR(""), STR(""), &stand->outcome),
			 OUTBOX_STALE);
	assert_int_equal(outbox_extend(stand->outbox, &new, false, &stand->outcome), OUTBOX_DONE);
	claim_nothing(stand);
	settle(stand, &new, OUTBOX_DELIVERED);
	settle(stand, &new, OUTBOX_DELIVERED); /* as when the answer was lost */
	assert_int_equal(outbox_settle(stand->outbox, &new, OUTBOX_REFUSED, false, STR(""), STR(""), &stand->outcome),
			 OUTBOX_STALE);
	assert_int_equal(outbox_extend(stand->outbox, &new, false, &stand->outcome), OUTBOX_STALE);
}

static void test_lease__what_is_given_back_is_as_it_was(void **state)
{
	struct stand *stand = *state;
	const char *id = put(stand, "a");
	struct outbox_claim claimed = claim(stand, id);

	assert_int_equal(outbox_give_back(stand->outbox, &claimed, &stand->outcome), OUTBOX_DONE);
	assert_int_equal(get(stand, id).attempts, 0);
	assert_false(get(stand, id).is_unclear);
	claimed = claim(stand, id);
	assert_int_equal(outbox_extend(stand->outbox, &claimed, true, &stand->outcome), OUTBOX_DONE);
	assert_true(get(stand, id).is_unclear);
	assert_int_equal(outbox_give_back(stand->outbox, &claimed, &stand->outcome), OUTBOX_DONE);
	assert_true(get(stand, id).is_unclear);
	claimed = claim(stand, id);
	assert_int_equal(outbox_put_off(stand->outbox, &claimed, 0, STR("away"), true, false, &stand->outcome),
			 OUTBOX_DONE);
	assert_int_equal(get(stand, id).attempts, 0);
	deliver(stand, id);
}

static void test_lease__of_an_earlier_life_is_void(void **state)
{
	struct stand *stand = *state;

	if (is_postgresql())
		return;
	const char *id = put(stand, "a");
	struct outbox_claim old = claim(stand, id);

	reopen(stand);
	struct outbox_claim new = claim(stand, id);

	assert_true(new.item.is_unclear);
	assert_int_equal(outbox_extend(stand->outbox, &old, false, &stand->outcome), OUTBOX_STALE);
	settle(stand, &new, OUTBOX_DELIVERED);
}

static void test_settle__the_result_stays_and_the_bytes_go(void **state)
{
	struct stand *stand = *state;
	const char *id = put(stand, "a");
	struct str result;
	struct str bytes;
	struct outbox_item item;
	bool more = true;

	deliver(stand, id);
	check(outbox_get(stand->outbox, str_from_c(id), stand->arena, &item, &result, &stand->outcome), &stand->outcome,
	      "get");
	assert_true(str_equal(result, STR("result")));
	assert_true(str_equal(item.reason, STR("why")));
	assert_int_equal(item.part_count, 0);
	assert_false(outbox_part(stand->outbox, str_from_c(id), 0, 100, stand->arena, &bytes, &stand->outcome));
	assert_int_equal(bytes_used(stand), 0);
	check(outbox_purge(stand->outbox, &more, &stand->outcome), &stand->outcome, "purge");
	assert_false(more);
	get(stand, id);
	stand->config.outbox_keep_hours = 0;
	usleep(2000);
	check(outbox_purge(stand->outbox, &more, &stand->outcome), &stand->outcome, "purge");
	assert_false(outbox_get(stand->outbox, str_from_c(id), stand->arena, &item, NULL, &stand->outcome));
	assert_int_equal(stand->outcome.issues[0].code, ERR_NOT_FOUND);
}

static void test_settle__a_refused_one_goes_on_being_unclear(void **state)
{
	struct stand *stand = *state;
	const char *id = put(stand, "a");
	struct outbox_claim claimed = claim(stand, id);

	assert_int_equal(outbox_settle(stand->outbox, &claimed, OUTBOX_REFUSED, true, STR(""), STR(""),
				       &stand->outcome),
			 OUTBOX_DONE);
	assert_true(get(stand, id).is_unclear);
	check(outbox_retry(stand->outbox, str_from_c(id), &stand->outcome), &stand->outcome, "retry");
	claimed = claim(stand, id);
	assert_true(claimed.item.is_unclear);
	settle(stand, &claimed, OUTBOX_DELIVERED);
	assert_false(get(stand, id).is_unclear);
}

static void test_clock__a_jump_loses_and_sticks_nothing(void **state)
{
	struct stand *stand = *state;

	if (is_postgresql())
		return; /* its clock is the server's: see test_outbox_stores.py */
	const char *a = put(stand, "a");

	clock_shift_ms -= 24 * 60 * MINUTE_MS; /* put tomorrow, as it were */
	struct outbox_claim claimed = claim(stand, a);

	clock_shift_ms += 48 * 60 * MINUTE_MS;
	claim_nothing(stand); /* the lease is measured by another clock */
	assert_int_equal(outbox_put_off(stand->outbox, &claimed, 60000, STR(""), false, true, &stand->outcome),
			 OUTBOX_DONE);
	claim_nothing(stand);
	clock_shift_ms -= 24 * 60 * MINUTE_MS;
	deliver(stand, a);
	const char *b = put(stand, "b");

	clock_shift_ms -= 10 * MINUTE_MS; /* a small jump back is waited for, and no longer */
	assert_true(claim_nothing(stand) <= 10 * MINUTE_MS);
	clock_shift_ms += 10 * MINUTE_MS;
	deliver(stand, b);
}

struct crowd {
	struct stand *stand;
	atomic_uint claimed;
	atomic_uint wrong;
	atomic_int waiting;
};

static void *claim_all(void *context)
{
	struct crowd *crowd = context;
	struct arena *arena = arena_new((size_t)64 << 20);
	struct outcome outcome;
	struct outbox *outbox = crowd->stand->outbox;

	outcome_init(&outcome);
	while (atomic_load(&crowd->waiting) > 0) {
		struct outbox_claim claim;
		uint64_t wait_ms;
		enum outbox_claimed got = outbox_claim(outbox, HCM, arena, &claim, &wait_ms, &outcome);

		if (got == OUTBOX_CLAIM_FAILED) {
			atomic_fetch_add(&crowd->wrong, 1);
			atomic_store(&crowd->waiting, 0);
		}
		if (got != OUTBOX_CLAIMED)
			continue;
		atomic_fetch_add(&crowd->claimed, 1);
		atomic_fetch_sub(&crowd->waiting, 1);
		if (claim.fence != 1 ||
		    outbox_settle(outbox, &claim, OUTBOX_DELIVERED, false, STR(""), STR(""), &outcome) != OUTBOX_DONE)
			atomic_fetch_add(&crowd->wrong, 1);
	}
	arena_free(arena);
	return NULL;
}

static void test_claim__each_item_once_whoever_asks(void **state)
{
	struct stand *stand = *state;
	struct crowd crowd = { .stand = stand };
	pthread_t threads[8];
	char patient[16];

	for (unsigned i = 0; i < 300; i++) {
		snprintf(patient, sizeof patient, "p%u", i % 40);
		put(stand, patient);
	}
	atomic_store(&crowd.waiting, 300);
	for (unsigned i = 0; i < COUNT_OF(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, claim_all, &crowd), 0);
	for (unsigned i = 0; i < COUNT_OF(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&crowd.wrong), 0);
	assert_int_equal(atomic_load(&crowd.claimed), 300);
	claim_nothing(stand);
	assert_int_equal(bytes_used(stand), 0);
}

static void *wait_for_put(void *context)
{
	uint64_t *seen = ((void **)context)[1];

	outbox_wait(((void **)context)[0], seen, 600000);
	return NULL;
}

static void test_wait__ends_with_a_put_also_one_before_it(void **state)
{
	struct stand *stand = *state;
	uint64_t seen = 0;
	void *context[] = { stand->outbox, &seen };
	pthread_t thread;

	outbox_wait(stand->outbox, &seen, 0);
	put(stand, "a");
	outbox_wait(stand->outbox, &seen, 600000);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_put, context), 0);
	put(stand, "b");
	pthread_join(thread, NULL);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_put, context), 0);
	outbox_wake(stand->outbox);
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_put__is_read_back_as_it_was),
		TEST(test_put__twice_under_one_id_is_one_item),
		TEST(test_put__nothing_goes_in_past_the_bound),
		TEST(test_put__one_caller_leaves_half_to_the_others),
		TEST(test_claim__keeps_the_order_of_a_patient_and_no_other),
		TEST(test_claim__a_patient_with_many_items_does_not_hold_up_others),
		TEST(test_lease__a_stale_one_is_refused),
		TEST(test_lease__what_is_given_back_is_as_it_was),
		TEST(test_lease__of_an_earlier_life_is_void),
		TEST(test_settle__the_result_stays_and_the_bytes_go),
		TEST(test_settle__a_refused_one_goes_on_being_unclear),
		TEST(test_clock__a_jump_loses_and_sticks_nothing),
		TEST(test_claim__each_item_once_whoever_asks),
		TEST(test_wait__ends_with_a_put_also_one_before_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
