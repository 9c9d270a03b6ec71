/* A journal of the audit in a directory of its own, and short words for filling and reading it. */
#ifndef PASSERELLE_TESTS_JOURNAL_STAND_H
#define PASSERELLE_TESTS_JOURNAL_STAND_H

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/audit/journal.h"
#include "gateway/run/file.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static char directory[64];
static struct journal_options options;

static inline int directory_make(void **state)
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

static inline int directory_remove(void **state)
{
	char command[128];

	(void)state;
	file_replace(NULL);
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return WEXITSTATUS(system(command));
}

static inline struct journal *opened(void)
{
	struct journal *journal = NULL;
	struct outcome outcome;

	outcome_init(&outcome);
	if (!journal_open(&options, &journal, &outcome))
		fail_msg("%s", outcome.issues[0].text);
	return journal;
}

static inline bool append(struct journal *journal, const char *text)
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

static inline struct journal_consumer *consumer_open(struct journal *journal, uint64_t after)
{
	struct journal_consumer *consumer = NULL;
	struct outcome outcome;

	outcome_init(&outcome);
	assert_true(journal_consumer_open(journal, after, &consumer, &outcome));
	return consumer;
}

/* Everything in the journal, joined by blanks; sequences must have no hole. */
static inline void contents(struct journal *journal, char *text, size_t size)
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

static inline void assert_contents(struct journal *journal, const char *expected)
{
	static char text[65536];

	contents(journal, text, sizeof(text));
	assert_string_equal(text, expected);
}

/* The path of the newest segment. */
static inline void newest(char path[256])
{
	char pattern[128];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/*.audit", directory);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	snprintf(path, 256, "%s", found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
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

static inline int bad_fdatasync(int descriptor)
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
static inline ssize_t bad_write(int descriptor, const void *bytes, size_t size)
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

static inline int bad_close(int descriptor)
{
	if (descriptor == disk.failed_descriptor)
		disk.failed_descriptor = -1;
	return close(descriptor);
}

static inline int bad_open(const char *path, int flags, mode_t mode)
{
	if (disk.open_fails > 0 && strstr(path, ".audit")) {
		disk.open_fails--;
		errno = ENOSPC;
		return -1;
	}
	return open(path, flags, mode);
}

static inline void disk_break(void)
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

#endif
