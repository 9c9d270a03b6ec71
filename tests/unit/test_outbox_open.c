/* The outbox: who may open it, and that nobody else reads or swaps what is in it. */
#include "outbox_stand.h"

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
	const struct config_key second = stand->keys[1];
	const char *old = put_with(stand, "a", "hcm", "d1", NULL);

	keys_change(stand);
	assert_true(must_wait(stand, "a", NULL) && must_wait(stand, "a", "d1"));
	const char *new = put_with(stand, "a", "hcm", "d2", "d1");
	struct outbox_claim claimed = claim(stand, old);

	claim_nothing(stand);
	assert_true(str_equal(part(stand, old, 0), STR("head")));
	settle(stand, &claimed, OUTBOX_REFUSED);
	assert_true(get(stand, new).is_held);
	check(outbox_drop(stand->outbox, str_from_c(old), STR(""), STR_NONE, NULL, &stand->outcome), &stand->outcome,
	      "drop");
	deliver(stand, new);
	const char *left = put(stand, "c");

	stand->keys[0] = first;
	stand->config.state_keys.count = 1;
	reopen(stand);
	struct str bytes;
	uint8_t key;

	/* Not for good: with its key it is as it was. */
	assert_false(outbox_lacks_key(stand->outbox, 0, &key));
	assert_false(outbox_part(stand->outbox, str_from_c(left), 0, 100, stand->arena, &bytes, &stand->outcome));
	assert_int_equal(stand->outcome.issues[0].code, ERR_KEY_MISSING);
	assert_true(outbox_lacks_key(stand->outbox, 0, &key));
	assert_int_equal(key, 2);
	assert_false(outbox_lacks_key(stand->outbox, clock_monotonic_ms() + 1, &key));
	stand->keys[0] = second;
	reopen(stand);
	assert_true(str_equal(part(stand, left, 0), STR("head")));
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
	/* Who has nothing there needs no keys. */
	stand->config.state_keys.count = 0;
	check(outbox_open(&stand->config, STR("t"), STR("/tmp/passerelle-not-there"), OUTBOX_VISITOR, &none,
			  &stand->outcome),
	      &stand->outcome, "open without keys");
	assert_null(none);
	outcome_init(&stand->outcome);
	assert_false(outbox_open(&stand->config, str_from_c(stand->tenant), str_from_c(stand->directory),
				 OUTBOX_VISITOR, &none, &stand->outcome));
	assert_string_equal(stand->outcome.issues[0].path, "state_keys");
	stand->config.state_keys.count = 1;
	outcome_init(&stand->outcome);
	check(outbox_open(&stand->config, STR("t"), STR(""), OUTBOX_OWNER, &none, &stand->outcome), &stand->outcome,
	      "open");
	assert_null(none);
}

static void test_open__says_which_name_is_too_long(void **state)
{
	static const char name[OUTBOX_WORD_MAX + 2] = { [0 ... OUTBOX_WORD_MAX] = 'n' };
	struct stand *stand = *state;
	struct outbox *none;

	outcome_init(&stand->outcome);
	assert_false(outbox_open(&stand->config, str_from_c(name), str_from_c(stand->directory), OUTBOX_OWNER, &none,
				 &stand->outcome));
	assert_int_equal(stand->outcome.issues[0].code, ERR_VALUE_INVALID);
	assert_string_equal(stand->outcome.issues[0].path, "tenant");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tenants__do_not_see_each_other),         TEST(test_keys__may_be_changed_while_items_wait),
		TEST(test_keys__changed_behind_what_is_announced), TEST(test_open__one_gateway_and_visitors),
		TEST(test_open__says_which_name_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
