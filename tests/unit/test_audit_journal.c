/* The journal of the audit: what was acknowledged is there after anything that may happen to a disk or a process. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/audit/journal.h"
#include "gateway/audit/segment.h"
#include "gateway/run/file.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static char directory[64];
static struct journal_options options;

static int directory_make(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/passerelle-journal-XXXXXX");
	assert_non_null(mkdtemp(directory));
	options = (struct journal_options) { .directory = directory,
					     .keys = { { 1, STR_INIT(SECRET) } },
					     .key_count = 1,
					     .bytes_max = (uint64_t)64 * 1024 * 1024,
					     .retention_ms = 1000 };
	return 0;
}

static int directory_remove(void **state)
{
	char command[128];

	(void)state;
	file_replace(NULL);
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return WEXITSTATUS(system(command));
}

static struct journal *opened(void)
{
	struct journal *journal = NULL;
	struct outcome outcome;

	outcome_init(&outcome);
	if (!journal_open(&options, &journal, &outcome))
		fail_msg("%s", outcome.issues[0].text);
	return journal;
}

static bool append(struct journal *journal, const char *text)
{
	struct str entry = str_from_c(text);
	struct outcome outcome;
	bool ok;

	outcome_init(&outcome);
	ok = journal_append(journal, &entry, 1, deadline_in(10000), &outcome);
	if (!ok)
		assert_int_equal(outcome.issues[0].code, ERR_UNRECORDED);
	return ok;
}

static struct journal_consumer *consumer_open(struct journal *journal, uint64_t after)
{
	struct journal_consumer *consumer = NULL;
	struct outcome outcome;

	outcome_init(&outcome);
	assert_true(journal_consumer_open(journal, after, &consumer, &outcome));
	return consumer;
}

/* Everything in the journal, joined by blanks; sequences must have no hole. */
static void contents(struct journal *journal, char *text, size_t size)
{
	struct journal_consumer *consumer = consumer_open(journal, 0);
	uint64_t before = 0;
	uint64_t sequence;
	struct str entry;
	size_t used = 0;

	text[0] = '\0';
	while (journal_next(consumer, &sequence, &entry) == JOURNAL_ENTRY) {
		if (before)
			assert_int_equal(sequence, before + 1);
		before = sequence;
		used += (size_t)snprintf(text + used, size - used, "%s%.*s", used ? " " : "", STR_ARG(entry));
	}
	assert_true(used < size);
	journal_consumer_close(consumer);
}

static void assert_contents(struct journal *journal, const char *expected)
{
	static char text[65536];

	contents(journal, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void test_append__is_there_after_a_restart(void **state)
{
	struct journal *journal = opened();

	(void)state;
	assert_true(append(journal, "one"));
	assert_true(append(journal, "two"));
	assert_contents(journal, "one two");
	journal_close(journal);
	journal = opened();
	assert_contents(journal, "one two");
	assert_true(append(journal, "three"));
	assert_contents(journal, "one two three");
	journal_close(journal);
	journal = opened();
	assert_contents(journal, "one two three");
	assert_int_equal(journal_state(journal).last, 3);
	journal_close(journal);
}

/* The path of the newest segment. */
static void newest(char path[256])
{
	char pattern[128];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/*.audit", directory);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	snprintf(path, 256, "%s", found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
}

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

static void test_entries__are_encrypted(void **state)
{
	struct journal *journal = opened();
	char path[256];
	char command[600];

	(void)state;
	assert_true(append(journal, "IHEBLUE-1001 looked at"));
	journal_close(journal);
	newest(path);
	snprintf(command, sizeof(command), "grep -q IHEBLUE %s", path);
	assert_int_not_equal(system(command), 0);
	/* A journal whose key is not there is not read as if it were empty. */
	options.keys[0] = (struct seal_key) { 2, STR_INIT(SECRET "x") };
	journal = opened();
	struct journal_consumer *consumer = consumer_open(journal, 0);
	uint64_t sequence;
	struct str entry;

	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_FAILED);
	journal_consumer_close(consumer);
	journal_close(journal);
	options.keys[1] = (struct seal_key) { 1, STR_INIT(SECRET) };
	options.key_count = 2;
	journal = opened();
	assert_contents(journal, "IHEBLUE-1001 looked at");
	assert_true(append(journal, "by the new key"));
	assert_contents(journal, "IHEBLUE-1001 looked at by the new key");
	journal_close(journal);
}

/* Faults of a disk. */
static struct {
	_Atomic int sync_fails; /* so many times */
	_Atomic int write_fails;
	_Atomic int open_fails;
	_Atomic int syncs;
	_Atomic int failed_descriptor;
	_Atomic int touched_after; /* a write or sync on the failed descriptor */
} disk;

static int bad_fdatasync(int descriptor)
{
	disk.syncs++;
	if (descriptor == disk.failed_descriptor)
		disk.touched_after++;
	if (disk.sync_fails > 0) {
		disk.sync_fails--;
		disk.failed_descriptor = descriptor;
		errno = EIO;
		return -1;
	}
	return fdatasync(descriptor);
}

/* A full disk takes the beginning of what is written. */
static ssize_t bad_write(int descriptor, const void *bytes, size_t size)
{
	if (descriptor == disk.failed_descriptor)
		disk.touched_after++;
	if (disk.write_fails > 0) {
		disk.write_fails--;
		if (disk.write_fails > 0)
			return write(descriptor, bytes, size / 2 + 1);
		errno = ENOSPC;
		return -1;
	}
	return write(descriptor, bytes, size);
}

static int bad_close(int descriptor)
{
	if (descriptor == disk.failed_descriptor)
		disk.failed_descriptor = -1;
	return close(descriptor);
}

static int bad_open(const char *path, int flags, mode_t mode)
{
	if (disk.open_fails > 0 && strstr(path, ".audit")) {
		disk.open_fails--;
		errno = ENOSPC;
		return -1;
	}
	return open(path, flags, mode);
}

static void disk_break(void)
{
	static struct file_calls calls;

	calls = *file_system_calls();
	calls.fdatasync = bad_fdatasync;
	calls.write = bad_write;
	calls.open = bad_open;
	calls.close = bad_close;
	memset(&disk, 0, sizeof(disk));
	disk.failed_descriptor = -1;
	file_replace(&calls);
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

struct many {
	struct journal *journal;
	int thread;
};

#define THREADS        16
#define ENTRIES_OF_ONE 50

static void *append_many(void *context)
{
	struct many *many = context;
	char text[32];

	for (int i = 0; i < ENTRIES_OF_ONE; i++) {
		snprintf(text, sizeof(text), "t%d-%d", many->thread, i);
		assert_true(append(many->journal, text));
	}
	return NULL;
}

/* Many who wait share a sync; each finds its entries in its order. */
static void test_group__shares_a_sync(void **state)
{
	struct many many[THREADS];
	pthread_t threads[THREADS];
	int next[THREADS] = { 0 };
	struct journal *journal;
	struct journal_consumer *consumer;
	uint64_t sequence;
	struct str entry;
	int count = 0;

	(void)state;
	disk_break();
	journal = opened();
	for (int i = 0; i < THREADS; i++) {
		many[i] = (struct many) { journal, i };
		assert_int_equal(pthread_create(&threads[i], NULL, append_many, &many[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	consumer = consumer_open(journal, 0);
	while (journal_next(consumer, &sequence, &entry) == JOURNAL_ENTRY) {
		int thread = (int)strtol(entry.data + 1, NULL, 10);
		int number = (int)strtol(strchr(entry.data, '-') + 1, NULL, 10);

		assert_int_equal(number, next[thread]++);
		count++;
	}
	assert_int_equal(count, THREADS * ENTRIES_OF_ONE);
	print_message("%d entries by %d threads in %d syncs\n", count, THREADS, (int)disk.syncs);
	assert_true(disk.syncs <= count);
	journal_consumer_close(consumer);
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

/* Attack 122: what nobody has taken is kept up to the bound; then nothing is promised any more, until it is taken. */
static void test_122_bound__refuses_and_recovers(void **state)
{
	static char big[4000];
	struct journal *journal;
	struct journal_consumer *consumer;
	uint64_t sequence = 0;
	uint64_t before = 0;
	struct str entry;
	int count = 0;
	int more = 0;

	(void)state;
	options.bytes_max = 256 * 1024;
	options.retention_ms = 0;
	memset(big, 'x', sizeof(big) - 1);
	journal = opened();
	consumer = consumer_open(journal, 0);
	while (!journal_state(journal).full) {
		assert_true(append(journal, big));
		count++;
	}
	assert_true(journal_state(journal).backlog_bytes >= options.bytes_max / 100 * 94);
	/* What is under way finds the last percents. */
	while (append(journal, big) && more < 100)
		more++;
	assert_in_range(more, 1, 10);
	print_message("full after %d, closed after %d entries of 4 KB in 256 KiB\n", count, count + more);
	while (journal_next(consumer, &sequence, &entry) == JOURNAL_ENTRY) {
		assert_int_equal(sequence, ++before);
		journal_acknowledge(consumer, sequence);
	}
	assert_int_equal(before, count + more);
	assert_false(journal_state(journal).full);
	for (int i = 0; i < 200; i++) {
		assert_true(append(journal, big));
		assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_ENTRY);
		assert_int_equal(sequence, ++before);
		journal_acknowledge(consumer, sequence);
	}
	assert_true(journal_state(journal).disk_bytes < options.bytes_max);
	journal_consumer_close(consumer);
	journal_close(journal);
}

static void test_consumer__goes_on_where_it_was(void **state)
{
	struct journal *journal = opened();
	struct journal_consumer *consumer = consumer_open(journal, 0);
	uint64_t sequence;
	struct str entry;

	(void)state;
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_END);
	assert_true(append(journal, "one"));
	assert_true(append(journal, "two"));
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_ENTRY);
	journal_acknowledge(consumer, sequence);
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_ENTRY);
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_END);
	journal_rewind(consumer);
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_ENTRY);
	assert_int_equal(sequence, 2);
	journal_consumer_close(consumer);
	journal_close(journal);
	journal = opened();
	consumer = consumer_open(journal, 1);
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_ENTRY);
	assert_int_equal(sequence, 2);
	journal_consumer_close(consumer);
	/* A place that this journal never reached is that of another one. */
	consumer = consumer_open(journal, 77);
	assert_true(append(journal, "three"));
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_ENTRY);
	assert_int_equal(sequence, 3);
	journal_consumer_close(consumer);
	journal_close(journal);
}

static void test_directory__has_one_owner(void **state)
{
	struct journal *journal = opened();
	struct journal *second = NULL;
	struct outcome outcome;

	(void)state;
	outcome_init(&outcome);
	assert_false(journal_open(&options, &second, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_STORAGE);
	journal_close(journal);
}

static void test_crc32c__knows_its_examples(void **state)
{
	unsigned char bytes[32] = { 0 };

	(void)state;
	assert_int_equal(crc32c("123456789", 9), 0xE3069283);
	assert_int_equal(crc32c(bytes, sizeof(bytes)), 0x8A9136AA); /* RFC 3720 B.4 */
}

int main(void)
{
#define EACH(name) cmocka_unit_test_setup_teardown(name, directory_make, directory_remove)
	const struct CMUnitTest tests[] = {
		EACH(test_append__is_there_after_a_restart),
		EACH(test_111_torn_tail__costs_the_tail_alone),
		EACH(test_111_flipped_byte__in_the_tail),
		EACH(test_entries__are_encrypted),
		EACH(test_110_failed_sync__leaves_the_segment),
		EACH(test_110_full_disk__recovers_alone),
		EACH(test_group__shares_a_sync),
		EACH(test_109_kill__loses_nothing_acknowledged),
		EACH(test_122_bound__refuses_and_recovers),
		EACH(test_consumer__goes_on_where_it_was),
		EACH(test_directory__has_one_owner),
		EACH(test_crc32c__knows_its_examples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
