/* The journal of the audit: what was acknowledged is there after anything that may happen to a disk or a process. */
#include "journal_stand.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static off_t file_size(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_size;
}

/* Attack 111: wherever the last entry was torn, only it is gone, and what comes next follows. */
static void test_111_torn_tail__costs_the_tail_alone(void **state)
{
	struct journal *journal = opened();
	char path[256];
	char copy[300];
	char command[700];
	off_t whole;
	off_t good;

	(void)state;
	assert_true(append(journal, "one"));
	assert_true(append(journal, "two"));
	newest(path);
	good = file_size(path);
	assert_true(append(journal, "three"));
	whole = file_size(path);
	journal_close(journal);
	snprintf(copy, sizeof(copy), "%s.copy", path);
	snprintf(command, sizeof(command), "cp %s %s", path, copy);
	assert_int_equal(system(command), 0);
	for (off_t size = good; size < whole; size++) {
		snprintf(command, sizeof(command), "rm -f %s/*.audit && cp %s %s", directory, copy, path);
		assert_int_equal(system(command), 0);
		assert_int_equal(truncate(path, size), 0);
		journal = opened();
		assert_contents(journal, "one two");
		assert_true(append(journal, "four"));
		assert_contents(journal, "one two four");
		journal_close(journal);
		journal = opened();
		assert_contents(journal, "one two four");
		journal_close(journal);
	}
}

static void test_111_flipped_byte__in_the_tail(void **state)
{
	struct journal *journal = opened();
	char path[256];
	off_t good;
	off_t whole;
	int descriptor;

	(void)state;
	assert_true(append(journal, "one"));
	newest(path);
	good = file_size(path);
	assert_true(append(journal, "two"));
	whole = file_size(path);
	journal_close(journal);
	for (off_t at = good; at < whole; at++) {
		char byte;

		descriptor = open(path, O_RDWR);
		assert_int_equal(pread(descriptor, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(descriptor, &byte, 1, at), 1);
		journal = opened();
		assert_contents(journal, "one");
		journal_close(journal);
		byte ^= 0x10;
		assert_int_equal(pwrite(descriptor, &byte, 1, at), 1);
		close(descriptor);
	}
	journal = opened();
	assert_contents(journal, "one two");
	journal_close(journal);
}

static bool append_until_it_works(struct journal *journal, const char *text)
{
	for (int i = 0; i < 2000; i++) {
		if (append(journal, text))
			return true;
		usleep(5000);
	}
	return false;
}

/* Attack 110: after a failed fdatasync the file is left, never synced again; the entry is not in, the next is. */
static void test_110_failed_sync__leaves_the_segment(void **state)
{
	struct journal *journal;

	(void)state;
	disk_break();
	journal = opened();
	assert_true(append(journal, "one"));
	disk.sync_fails = 1;
	assert_false(append(journal, "lost"));
	assert_true(journal_state(journal).failing);
	assert_true(append_until_it_works(journal, "two"));
	assert_false(journal_state(journal).failing);
	assert_int_equal(disk.touched_after, 0);
	assert_contents(journal, "one two");
	assert_int_equal(journal_state(journal).last, 2);
	journal_close(journal);
	/* "lost" may well be on the disk: it does not count. */
	journal = opened();
	assert_contents(journal, "one two");
	journal_close(journal);
}

static void test_110_full_disk__recovers_alone(void **state)
{
	struct journal *journal;
	struct str late = STR_INIT("late");

	(void)state;
	disk_break();
	journal = opened();
	assert_true(append(journal, "one"));
	disk.write_fails = 2;
	disk.open_fails = 3;
	assert_false(append(journal, "lost"));
	/* What was posted meanwhile waits for the disk. */
	assert_true(journal_post(journal, &late, 1));
	assert_true(append_until_it_works(journal, "two"));
	journal_settle(journal, 10000);
	assert_contents(journal, "one late two");
	journal_close(journal);
	journal = opened();
	assert_contents(journal, "one late two");
	journal_close(journal);
}

/* Attack 109: killed at any moment, nothing that was acknowledged is missing. */
static void test_109_kill__loses_nothing_acknowledged(void **state)
{
	(void)state;
	for (int round = 0; round < 12; round++) {
		int acknowledged[2];
		uint32_t last = 0;
		uint32_t seen = 0;
		uint64_t sequence;
		struct str entry;
		struct journal *journal;
		struct journal_consumer *consumer;
		pid_t child;

		assert_int_equal(pipe(acknowledged), 0);
		child = fork();
		if (child == 0) {
			journal = opened();
			for (uint32_t i = 1;; i++) {
				char text[32];

				snprintf(text, sizeof(text), "%d:%u", round, i);
				if (!append(journal, text) || write(acknowledged[1], &i, sizeof(i)) != sizeof(i))
					_exit(1);
			}
		}
		close(acknowledged[1]);
		for (int i = 0; i < 5 + 7 * round; i++)
			assert_int_equal(read(acknowledged[0], &last, sizeof(last)), sizeof(last));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		while (read(acknowledged[0], &last, sizeof(last)) == sizeof(last))
			continue;
		close(acknowledged[0]);
		journal = opened();
		consumer = consumer_open(journal, 0);
		while (journal_next(consumer, &sequence, &entry) == JOURNAL_ENTRY) {
			if (strtol(entry.data, NULL, 10) == round)
				assert_int_equal(strtoul(strchr(entry.data, ':') + 1, NULL, 10), ++seen);
		}
		/* One more than acknowledged may be there: killed between disk and answer. */
		assert_in_range(seen, last, last + 1);
		journal_consumer_close(consumer);
		journal_close(journal);
	}
}

int main(void)
{
#define EACH(name) cmocka_unit_test_setup_teardown(name, directory_make, directory_remove)
	const struct CMUnitTest tests[] = {
		EACH(test_111_torn_tail__costs_the_tail_alone),  EACH(test_111_flipped_byte__in_the_tail),
		EACH(test_110_failed_sync__leaves_the_segment),  EACH(test_110_full_disk__recovers_alone),
		EACH(test_109_kill__loses_nothing_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
