/* The outbox: what waits for a back-end, whose turn it is, and that none of it can be lost, read or swapped. The same
 * cases run on SQLite, and on the PostgreSQL that PASSERELLE_TEST_POSTGRESQL says how to reach, when it is set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/run/clock.h"
#include "gateway/run/random.h"
#include "gateway/state/database.h"
#include "gateway/state/outbox_lease.h"
#include "gateway/state/outbox_manage.h"
#include "gateway/state/outbox_reader.h"

#define HCM        STR("hcm")
#define MINUTE_MS  INT64_C(60000)
#define PIECE_SIZE ((size_t)256 * 1024)

struct stand {
	char directory[64];
	char tenant[32];
	struct config config;
	struct config_key keys[2];
	struct outbox *outbox;
	struct arena *arena;
	struct outcome outcome;
};

static int64_t clock_shift_ms;

static uint64_t shifted_monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int64_t shifted_wall(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + clock_shift_ms;
}

static const struct clock_source shifted = { shifted_monotonic, shifted_wall };

static bool is_postgresql(void)
{
	return getenv("PASSERELLE_TEST_POSTGRESQL") != NULL;
}

static void check(bool ok, const struct outcome *outcome, const char *what)
{
	if (!ok)
		fail_msg("%s: %s", what, outcome->count ? outcome->issues[0].text : "no issue");
}

static struct outbox *open_as(struct stand *stand, enum outbox_use use)
{
	struct outbox *outbox = NULL;

	outcome_init(&stand->outcome);
	check(outbox_open(&stand->config, str_from_c(stand->tenant), str_from_c(stand->directory), use, &outbox,
			  &stand->outcome),
	      &stand->outcome, "open");
	return outbox;
}

static void reopen(struct stand *stand)
{
	outbox_close(stand->outbox);
	stand->outbox = open_as(stand, OUTBOX_OWNER);
}

static int stand_open(void **state)
{
	static unsigned number;
	struct stand *stand = calloc(1, sizeof *stand);
	uint32_t random;

	random_bytes(&random, sizeof random);
	snprintf(stand->directory, sizeof stand->directory, "/tmp/passerelle-outbox-%ld", (long)getpid());
	snprintf(stand->tenant, sizeof stand->tenant, "t%u-%x", number++, random); /* a PostgreSQL is shared */
	stand->keys[0] = (struct config_key) { .id = 1, .secret = STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") };
	stand->keys[1] = (struct config_key) { .id = 2, .secret = STR("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb") };
	stand->config.state_keys.items = stand->keys;
	stand->config.state_keys.count = 1;
	stand->config.outbox_bytes_max = 1 << 30;
	stand->config.outbox_keep_hours = 72;
	stand->config.outbox_lease_seconds = 30;
	if (is_postgresql()) {
		stand->config.outbox_store = CONFIG_OUTBOX_POSTGRESQL;
		stand->config.outbox_connection = str_from_c(getenv("PASSERELLE_TEST_POSTGRESQL"));
	}
	stand->arena = arena_new((size_t)256 << 20);
	clock_shift_ms = 0;
	clock_replace(&shifted);
	stand->outbox = open_as(stand, OUTBOX_OWNER);
	*state = stand;
	return 0;
}

static int stand_close(void **state)
{
	static const char *const files[] = { "outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.lock" };
	struct stand *stand = *state;
	char path[128];

	outbox_close(stand->outbox);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		snprintf(path, sizeof path, "%s/%s", stand->directory, files[i]);
		unlink(path);
	}
	rmdir(stand->directory);
	arena_free(stand->arena);
	free(stand);
	return 0;
}

/* "a,b" as names. */
static size_t names_read(const char *list, struct str names[8])
{
	struct str rest = str_from_c(list);
	size_t count = 0;

	while (list && count < 8 && str_next(&rest, ',', &names[count]))
		count++;
	return count;
}

static const char *put_as(struct stand *stand, const char *patient, const char *target, const char *makes,
			  const char *needs, const char *as, bool is_announced)
{
	struct str made[8];
	struct str needed[8];
	struct str parts[] = { STR("head"), STR("<metadata/>") };
	struct outbox_new new = {
		.id = str_from_c(as),
		.is_announced = is_announced,
		.kind = STR("provide"),
		.target = str_from_c(target),
		.patient = str_from_c(patient),
		.makes = made,
		.make_count = names_read(makes, made),
		.needs = needed,
		.need_count = names_read(needs, needed),
		.parts = parts,
		.part_count = COUNT_OF(parts),
	};
	char *id = arena_alloc(stand->arena, OUTBOX_ID_SIZE);

	outcome_init(&stand->outcome);
	check(outbox_put(stand->outbox, &new, id, &stand->outcome), &stand->outcome, "put");
	return id;
}

static const char *put_with(struct stand *stand, const char *patient, const char *target, const char *makes,
			    const char *needs)
{
	return put_as(stand, patient, target, makes, needs, "", false);
}

static const char *put(struct stand *stand, const char *patient)
{
	return put_with(stand, patient, "hcm", NULL, NULL);
}

static struct outbox_claim claim_any(struct stand *stand, bool *got)
{
	struct outbox_claim claim = { 0 };
	uint64_t wait_ms;
	enum outbox_claimed claimed;

	outcome_init(&stand->outcome);
	claimed = outbox_claim(stand->outbox, HCM, stand->arena, &claim, &wait_ms, &stand->outcome);
	check(claimed != OUTBOX_CLAIM_FAILED, &stand->outcome, "claim");
	*got = claimed == OUTBOX_CLAIMED;
	return claim;
}

static struct outbox_claim claim(struct stand *stand, const char *id)
{
	bool got;
	struct outbox_claim claim = claim_any(stand, &got);

	assert_true(got);
	assert_string_equal(claim.item.id, id);
	assert_int_equal(claim.item.state, OUTBOX_SENDING);
	return claim;
}

/* How long until the next one is due. */
static uint64_t claim_nothing(struct stand *stand)
{
	struct outbox_claim claim;
	uint64_t wait_ms = 0;

	outcome_init(&stand->outcome);
	assert_int_equal(outbox_claim(stand->outbox, HCM, stand->arena, &claim, &wait_ms, &stand->outcome),
			 OUTBOX_NOTHING);
	return wait_ms;
}

static void settle(struct stand *stand, const struct outbox_claim *claim, enum outbox_state state)
{
	outcome_init(&stand->outcome);
	assert_int_equal(outbox_settle(stand->outbox, claim, state, false, STR("why"), STR("result"), &stand->outcome),
			 OUTBOX_DONE);
}

static void deliver(struct stand *stand, const char *id)
{
	struct outbox_claim claimed = claim(stand, id);

	settle(stand, &claimed, OUTBOX_DELIVERED);
}

static void refuse(struct stand *stand, const char *id)
{
	struct outbox_claim claimed = claim(stand, id);

	settle(stand, &claimed, OUTBOX_REFUSED);
}

static struct outbox_item get(struct stand *stand, const char *id)
{
	struct outbox_item item;

	outcome_init(&stand->outcome);
	check(outbox_get(stand->outbox, str_from_c(id), stand->arena, &item, NULL, &stand->outcome), &stand->outcome,
	      "get");
	return item;
}

static struct str part(struct stand *stand, const char *id, size_t n)
{
	struct str bytes = STR_NONE;

	outcome_init(&stand->outcome);
	check(outbox_part(stand->outbox, str_from_c(id), n, 64 << 20, stand->arena, &bytes, &stand->outcome),
	      &stand->outcome, "part");
	return bytes;
}

static bool must_wait(struct stand *stand, const char *patient, const char *needs)
{
	struct str needed[8];
	bool must = false;

	outcome_init(&stand->outcome);
	check(outbox_must_wait(stand->outbox, str_from_c(patient), HCM, needed, names_read(needs, needed), &must,
			       &stand->outcome),
	      &stand->outcome, "must wait");
	return must;
}

static uint64_t bytes_used(struct stand *stand)
{
	uint64_t bytes = 1;
	uint64_t callers;

	outcome_init(&stand->outcome);
	check(outbox_bytes(stand->outbox, STR_NONE, &bytes, &callers, &stand->outcome), &stand->outcome, "bytes");
	return bytes;
}

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
	bool got;
	struct outbox_claim claimed = claim_any(stand, &got);

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
static const char *put_sized(struct stand *stand, const char *caller, size_t size, bool is_owed)
{
	struct str head = { arena_alloc(stand->arena, size), size };
	struct outbox_new new = { .kind = STR("provide"),
				  .target = HCM,
				  .patient = STR("p"),
				  .caller = str_from_c(caller),
				  .is_owed = is_owed,
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
	bool got;

	stand->config.outbox_bytes_max = (uint64_t)7 << 20; /* 3.5 MiB for each */
	for (size_t i = 0; i < COUNT_OF(ids); i++)
		assert_non_null(ids[i] = put_sized(stand, "greedy", 1 << 20, false));
	uint64_t full = bytes_of(stand, "greedy");

	assert_null(put_sized(stand, "greedy", 1 << 20, false));
	assert_int_equal(stand->outcome.issues[0].code, ERR_STORAGE);
	assert_int_equal(outcome_http_status(&stand->outcome), 503);
	assert_non_null(strstr(stand->outcome.issues[0].text, "one client"));
	assert_int_equal(bytes_of(stand, "greedy"), full);
	const char *modest = put_sized(stand, "modest", 1 << 20, false);
	const char *owed = put_sized(stand, "greedy", 1 << 20, true);

	assert_non_null(modest);
	assert_non_null(owed);
	assert_non_null(put_sized(stand, "", 1 << 20, false));
	assert_int_equal(bytes_of(stand, "greedy"), full / 3 * 4);
	assert_int_equal(bytes_of(stand, ""), 0);
	/* Delivered, refused and corrected, withdrawn: what it took is given back, and no more. */
	struct outbox_claim claimed = claim(stand, ids[0]);

	settle(stand, &claimed, OUTBOX_DELIVERED);
	refuse(stand, ids[1]);
	assert_int_equal(bytes_of(stand, "greedy"), full);
	check(outbox_correct(stand->outbox, str_from_c(ids[1]), &less, 1, &stand->outcome), &stand->outcome, "correct");
	assert_true(bytes_of(stand, "greedy") < full - (1 << 19));
	assert_null(put_sized(stand, "greedy", 1 << 20, false));
	check(outbox_drop(stand->outbox, str_from_c(ids[2]), STR("by hand"), NULL, &stand->outcome), &stand->outcome,
	      "drop");
	assert_non_null(put_sized(stand, "greedy", 1 << 20, false));
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

	assert_false(outbox_drop(stand->outbox, id, STR("by hand"), NULL, &stand->outcome));
	assert_int_equal(stand->outcome.issues[0].code, ERR_CONFLICT);
	settle(stand, &sending, OUTBOX_REFUSED);
	claim_nothing(stand);
	check(outbox_drop(stand->outbox, id, STR("by hand"), NULL, &stand->outcome), &stand->outcome, "drop");
	assert_int_equal(get(stand, document).state, OUTBOX_WITHDRAWN);
	assert_false(outbox_retry(stand->outbox, id, &stand->outcome));
	deliver(stand, replacement);
	outcome_init(&stand->outcome);
	assert_false(outbox_drop(stand->outbox, str_from_c(replacement), STR(""), NULL, &stand->outcome));
	assert_false(outbox_drop(stand->outbox, STR("0b0b0b0b-0000-4000-8000-000000000000"), STR(""), NULL,
				 &stand->outcome));
	assert_int_equal(stand->outcome.issues[1].code, ERR_NOT_FOUND);
	assert_int_equal(bytes_used(stand), 0);
}

static void test_decide__a_corrected_dead_letter_takes_its_old_place(void **state)
{
	struct stand *stand = *state;
	const char *document = put_with(stand, "a", "hcm", "d1", NULL);
	const char *replacement = put_with(stand, "a", "hcm", "d2", "d1");
	struct str parts[] = { STR("another head"), STR("<better/>"), STR("document") };

	outcome_init(&stand->outcome);
	assert_false(outbox_correct(stand->outbox, str_from_c(document), parts, 3, &stand->outcome));
	refuse(stand, document);
	struct outbox_reader *reader = outbox_reader_new(stand->outbox, str_from_c(document), 0, &stand->outcome);

	check(outbox_correct(stand->outbox, str_from_c(document), parts, 3, &stand->outcome), &stand->outcome,
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

/* What was put under the name of a document is of a patient when it is worked out, and as old as it was. */
static void assert_nothing_is_due(struct stand *stand)
{
	bool got;

	claim_any(stand, &got);
	assert_false(got);
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
	check(outbox_drop(stand->outbox, str_from_c(first), STR("by hand"), &unclear, &stand->outcome), &stand->outcome,
	      "drop");
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
	check(outbox_drop(stand->outbox, str_from_c(request), STR("by hand"), NULL, &stand->outcome), &stand->outcome,
	      "drop");
	deliver(stand, needs);
	check(outbox_drop(stand->outbox, str_from_c(behind), STR("by hand"), NULL, &stand->outcome), &stand->outcome,
	      "drop");
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

static void test_tenants__do_not_see_each_other(void **state)
{
	struct stand *stand = *state;
	struct stand other = *stand;
	struct outbox_item item;
	const char *id = put(stand, "a");

	snprintf(other.tenant, sizeof other.tenant, "%s-b", stand->tenant);
	other.outbox = open_as(&other, OUTBOX_OWNER);
	claim_nothing(&other);
	assert_false(must_wait(&other, "a", NULL));
	assert_false(outbox_get(other.outbox, str_from_c(id), other.arena, &item, NULL, &other.outcome));
	assert_int_equal(bytes_used(&other), 0);
	outbox_close(other.outbox);
	deliver(stand, id);
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

static void keys_change(struct stand *stand)
{
	const struct config_key first = stand->keys[0];

	stand->keys[0] = stand->keys[1];
	stand->keys[1] = first;
	stand->config.state_keys.count = 2;
	reopen(stand);
}

static void test_keys__may_be_changed_while_items_wait(void **state)
{
	struct stand *stand = *state;
	const struct config_key first = stand->keys[0];
	const char *old = put_with(stand, "a", "hcm", "d1", NULL);

	keys_change(stand);
	assert_true(must_wait(stand, "a", NULL) && must_wait(stand, "a", "d1"));
	const char *new = put_with(stand, "a", "hcm", "d2", "d1");
	struct outbox_claim claimed = claim(stand, old);

	claim_nothing(stand);
	assert_true(str_equal(part(stand, old, 0), STR("head")));
	settle(stand, &claimed, OUTBOX_REFUSED);
	assert_true(get(stand, new).is_held);
	check(outbox_drop(stand->outbox, str_from_c(old), STR(""), NULL, &stand->outcome), &stand->outcome, "drop");
	deliver(stand, new);
	const char *left = put(stand, "c");

	stand->keys[0] = first;
	stand->config.state_keys.count = 1;
	reopen(stand);
	struct str bytes;

	assert_false(outbox_part(stand->outbox, str_from_c(left), 0, 100, stand->arena, &bytes, &stand->outcome));
	assert_int_equal(stand->outcome.issues[0].code, ERR_DOCUMENT_CORRUPT);
}

static void test_keys__changed_behind_what_is_announced(void **state)
{
	struct stand *stand = *state;
	const char *announced = put_as(stand, "a", "hcm", NULL, NULL, "", true);

	keys_change(stand);
	const char *behind = put(stand, "a");

	assert_nothing_is_due(stand);
	check(outbox_release(stand->outbox, str_from_c(announced), &stand->outcome), &stand->outcome, "release");
	deliver(stand, announced);
	deliver(stand, behind);
}

static void test_open__one_gateway_and_visitors(void **state)
{
	struct stand *stand = *state;
	const char *id = put(stand, "a");
	struct outbox *own = stand->outbox;
	struct outbox_claim claimed = claim(stand, id);

	stand->outbox = open_as(stand, OUTBOX_VISITOR);
	assert_int_equal(get(stand, id).state, OUTBOX_SENDING);
	outbox_close(stand->outbox);
	stand->outbox = open_as(stand, OUTBOX_OWNER); /* the same store, and leases stay */
	assert_int_equal(get(stand, id).state, OUTBOX_SENDING);
	outbox_close(stand->outbox);
	stand->outbox = own;
	settle(stand, &claimed, OUTBOX_DELIVERED);
	if (is_postgresql())
		return;
	struct outbox *none;

	check(outbox_open(&stand->config, STR("t"), STR("/tmp/passerelle-not-there"), OUTBOX_VISITOR, &none,
			  &stand->outcome),
	      &stand->outcome, "open");
	assert_null(none);
	check(outbox_open(&stand->config, STR("t"), STR(""), OUTBOX_OWNER, &none, &stand->outcome), &stand->outcome,
	      "open");
	assert_null(none);
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

#define TEST(function) cmocka_unit_test_setup_teardown(function, stand_open, stand_close)

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
		TEST(test_chain__a_dead_letter_holds_its_own_chain_alone),
		TEST(test_chain__a_retried_dead_letter_does_not_overtake_what_is_being_sent),
		TEST(test_decide__dropping_releases_what_was_held),
		TEST(test_decide__a_corrected_dead_letter_takes_its_old_place),
		TEST(test_announced__keeps_its_place_until_it_is_released),
		TEST(test_announced__is_forgotten_without_a_trace),
		TEST(test_announced__a_person_may_drop_it_and_not_send_it),
		TEST(test_rework__takes_its_place_in_another_line),
		TEST(test_rework__whose_lease_ran_out_changes_nothing),
		TEST(test_list__finds_by_patient_name_and_state),
		TEST(test_list__asks_in_as_many_ways_as_there_are),
		TEST(test_tenants__do_not_see_each_other),
		TEST(test_clock__a_jump_loses_and_sticks_nothing),
		TEST(test_keys__may_be_changed_while_items_wait),
		TEST(test_keys__changed_behind_what_is_announced),
		TEST(test_open__one_gateway_and_visitors),
		TEST(test_claim__each_item_once_whoever_asks),
		TEST(test_wait__ends_with_a_put_also_one_before_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
