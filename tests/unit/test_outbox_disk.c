/* The outbox on a disk that is full or fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/state/outbox_lease.h"
#include "gateway/state/outbox_manage.h"
#include "faulty_vfs.h"

static uint64_t available = UINT64_MAX; /* on the disk, as statvfs tells; UINT64_MAX: what there is */

/* In the place of the system's. */
int statvfs(const char *path, struct statvfs *disk)
{
	struct statfs system;

	if (statfs(path, &system) != 0)
		return -1;
	*disk = (struct statvfs) { .f_frsize = 1, .f_bavail = available };
	if (available == UINT64_MAX)
		disk->f_bavail = (uint64_t)system.f_bavail * (uint64_t)system.f_bsize;
	return 0;
}

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
	available = UINT64_MAX;
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
static bool put_within(struct stand *stand, size_t size, enum outbox_bound bound)
{
	struct str parts[] = { STR("head"), { arena_alloc(stand->arena, size + 1), size } };
	struct outbox_new new = { .kind = STR("provide"),
				  .target = STR("hcm"),
				  .patient = STR("p"),
				  .bound = bound,
				  .parts = parts,
				  .part_count = 2 };
	char id[OUTBOX_ID_SIZE];

	outcome_init(&stand->outcome);
	return outbox_put(stand->outbox, &new, id, &stand->outcome);
}

static bool put(struct stand *stand, size_t size)
{
	return put_within(stand, size, OUTBOX_BOUND_HALF);
}

static void drain(struct stand *stand)
{
	struct outbox_claim claim;
	uint64_t wait_ms;

	outcome_init(&stand->outcome);
	while (outbox_claim(stand->outbox, STR("hcm"), stand->arena, &claim, &wait_ms, &stand->outcome) ==
	       OUTBOX_CLAIMED)
		assert_int_equal(outbox_settle(stand->outbox, &claim, OUTBOX_DELIVERED, false, STR(""), STR(""),
					       &stand->outcome),
				 OUTBOX_DONE);
}

static uint64_t file_size(const struct stand *stand, const char *name)
{
	struct stat file;
	char path[128];

	snprintf(path, sizeof path, "%s/%s", stand->directory, name);
	assert_int_equal(stat(path, &file), 0);
	return (uint64_t)file.st_size;
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
		atomic_store(&write_full_budget, 0);
		assert_false(outbox_takes(stand->outbox));
	}
	atomic_store(&write_full_budget, -1);
	assert_true(outbox_takes(stand->outbox));
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
	assert_false(outbox_takes(stand->outbox));
	assert_int_equal(outbox_settle(stand->outbox, &claim, OUTBOX_DELIVERED, false, STR(""), STR(""),
				       &stand->outcome),
			 OUTBOX_DONE_FAILED);
	reopen(stand);
	assert_true(outbox_takes(stand->outbox));
	assert_true(put(stand, 100));
	assert_true(waiting(stand) >= 2);
}

/* The file does not shrink: what is free in it is room as well. */
static void test_full_disk__takes_as_much_again_once_it_was_drained(void **state)
{
	struct stand *stand = *state;
	const size_t size = 5 << 20;

	for (unsigned i = 0; i < 3; i++)
		assert_true(put(stand, size));
	available = (uint64_t)18 << 20;
	assert_false(put(stand, size));
	assert_int_equal(stand->outcome.issues[0].code, ERR_STORAGE);
	drain(stand);
	assert_true(put(stand, size));
	assert_true(outbox_takes(stand->outbox));
	/* The log is not in the file, and needs room of its own. */
	available = (uint64_t)8 << 20;
	assert_false(put(stand, size));
	/* What is in must get out. */
	assert_true(put_within(stand, size, OUTBOX_BOUND_NONE));
	available = (uint64_t)4 << 20;
	assert_false(put_within(stand, size, OUTBOX_BOUND_NONE));
	available = (uint64_t)3 << 20;
	assert_false(outbox_takes(stand->outbox));
}

static void test_log__gives_back_what_a_large_one_took(void **state)
{
	struct stand *stand = *state;

	assert_true(put(stand, 12 << 20));
	assert_true(file_size(stand, "outbox.db-wal") > 12 << 20);
	for (unsigned i = 0; i < 2; i++)
		assert_true(put(stand, 100));
	assert_true(file_size(stand, "outbox.db-wal") <= 4 << 20);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, stand_open, stand_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_full_disk__refuses_and_leaves_nothing),
		TEST(test_full_disk__takes_as_much_again_once_it_was_drained),
		TEST(test_log__gives_back_what_a_large_one_took),
		TEST(test_failing_fsync__nothing_more_is_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
