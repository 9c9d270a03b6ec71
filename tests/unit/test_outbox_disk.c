/* The outbox on a disk that is full or fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/state/outbox_lease.h"
#include "gateway/state/outbox_manage.h"
#include "faulty_vfs.h"

struct stand {
	char directory[64];
	struct config config;
	struct config_key key;
	struct outbox *outbox;
	struct arena *arena;
	struct outcome outcome;
};

static void reopen(struct stand *stand)
{
	outbox_close(stand->outbox);
	outcome_init(&stand->outcome);
	assert_true(outbox_open(&stand->config, STR("t"), str_from_c(stand->directory), OUTBOX_OWNER, &stand->outbox,
				&stand->outcome));
}

static int stand_open(void **state)
{
	struct stand *stand = calloc(1, sizeof *stand);

	faulty_vfs_use(true);
	snprintf(stand->directory, sizeof stand->directory, "/tmp/passerelle-outbox-disk-%ld", (long)getpid());
	stand->key = (struct config_key) { .id = 1, .secret = STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") };
	stand->config = (struct config) { .state_keys = { &stand->key, 1 },
					  .outbox_bytes_max = 1 << 30,
					  .outbox_keep_hours = 1,
					  .outbox_lease_seconds = 30 };
	stand->arena = arena_new((size_t)64 << 20);
	reopen(stand);
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

/* Whether an item of this size went in. */
static bool put(struct stand *stand, size_t size)
{
	struct str parts[] = { STR("head"), { arena_alloc(stand->arena, size + 1), size } };
	struct outbox_new new = {
		.kind = STR("provide"), .target = STR("hcm"), .patient = STR("p"), .parts = parts, .part_count = 2
	};
	char id[OUTBOX_ID_SIZE];

	outcome_init(&stand->outcome);
	return outbox_put(stand->outbox, &new, id, &stand->outcome);
}

static size_t waiting(struct stand *stand)
{
	struct outbox_filter filter = { 0 };
	struct outbox_item *items;
	size_t count;
	uint64_t next;

	outcome_init(&stand->outcome);
	assert_true(outbox_list(stand->outbox, &filter, stand->arena, &items, &count, &next, &stand->outcome));
	return count;
}

static void test_full_disk__refuses_and_leaves_nothing(void **state)
{
	struct stand *stand = *state;
	uint64_t before;
	uint64_t after;
	uint64_t callers;

	assert_true(put(stand, 100));
	assert_true(outbox_bytes(stand->outbox, STR_NONE, &before, &callers, &stand->outcome));
	/* At every write that a put makes. */
	for (int writes = 0; writes < 200; writes += 7) {
		atomic_store(&write_full_budget, writes);
		if (put(stand, 300000)) {
			assert_true(writes > 0);
			break;
		}
		assert_int_equal(stand->outcome.issues[0].code, ERR_STORAGE);
		assert_int_equal(waiting(stand), 1);
		assert_true(outbox_bytes(stand->outbox, STR_NONE, &after, &callers, &stand->outcome));
		assert_int_equal(after, before);
	}
	atomic_store(&write_full_budget, -1);
	assert_true(put(stand, 300000));
	reopen(stand);
	assert_true(waiting(stand) >= 2);
}

static void test_failing_fsync__nothing_more_is_acknowledged(void **state)
{
	struct stand *stand = *state;
	struct outbox_claim claim;
	uint64_t wait_ms;

	assert_true(put(stand, 100));
	assert_int_equal(outbox_claim(stand->outbox, STR("hcm"), stand->arena, &claim, &wait_ms, &stand->outcome),
			 OUTBOX_CLAIMED);
	atomic_store(&sync_failures, 1);
	assert_false(put(stand, 100));
	assert_int_equal(stand->outcome.issues[0].code, ERR_STORAGE);
	/* The disk says it is well again: it is not believed. */
	assert_false(put(stand, 100));
	assert_int_equal(outbox_settle(stand->outbox, &claim, OUTBOX_DELIVERED, false, STR(""), STR(""),
				       &stand->outcome),
			 OUTBOX_DONE_FAILED);
	reopen(stand);
	assert_true(put(stand, 100));
	assert_true(waiting(stand) >= 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, stand_open, stand_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_full_disk__refuses_and_leaves_nothing),
		TEST(test_failing_fsync__nothing_more_is_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
