/* What a journal finds when it opens: segments in the order of their numbers, each read from its head to the first entry
 * that is not what was written. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/audit/journal_state.h"
#include "gateway/run/file.h"
#include "gateway/run/log.h"

static bool storage_wrong(struct outcome *outcome, const char *what)
{
	return outcome_add(outcome, ERR_STORAGE, "state_directory", "Check the directory of the audit journal: %s.",
			   what);
}

bool journal_path(const struct journal *journal, uint64_t number, char *path, size_t size)
{
	char name[SEGMENT_NAME_SIZE];
	int written;

	segment_name(number, name);
	written = snprintf(path, size, "%s/%s", journal->directory, name);
	return written > 0 && (size_t)written < size;
}

bool journal_segment_add(struct journal *journal, const struct segment *segment)
{
	if (journal->segment_count == journal->segment_capacity) {
		size_t capacity = journal->segment_capacity ? 2 * journal->segment_capacity : 16;
		struct segment *grown = reallocarray(journal->segments, capacity, sizeof(*grown));

		if (!grown)
			return false;
		journal->segments = grown;
		journal->segment_capacity = capacity;
	}
	journal->segments[journal->segment_count++] = *segment;
	return true;
}

static int number_order(const void *a, const void *b)
{
	uint64_t left;
	uint64_t right;

	memcpy(&left, a, sizeof(left));
	memcpy(&right, b, sizeof(right));
	return left < right ? -1 : left > right;
}

/* The numbers of all segment files, in order. */
static bool numbers_read(const struct journal *journal, uint64_t **numbers, size_t *count, struct outcome *outcome)
{
	DIR *directory = opendir(journal->directory);
	struct dirent *entry;
	size_t capacity = 0;
	bool ok = true;

	*numbers = NULL;
	*count = 0;
	if (!directory)
		return storage_wrong(outcome, "it cannot be read");
	while (ok && (entry = readdir(directory)) != NULL) {
		uint64_t number;

		if (!segment_number(str_from_c(entry->d_name), &number))
			continue;
		if (*count == capacity) {
			uint64_t *grown = reallocarray(*numbers, capacity ? 2 * capacity : 64, sizeof(**numbers));

			ok = grown != NULL;
			*numbers = grown ? grown : *numbers;
			capacity = capacity ? 2 * capacity : 64;
		}
		if (ok)
			(*numbers)[(*count)++] = number;
	}
	closedir(directory);
	if (!ok)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	if (*count > 0)
		qsort(*numbers, *count, sizeof(**numbers), number_order);
	return true;
}

/* Reads the entries before sequence `until`: sets end, size and the hash of the last one. */
static bool entries_scan(int descriptor, struct segment *segment, uint64_t until,
			 unsigned char hash[SEGMENT_HASH_BYTES])
{
	struct buf entry;
	bool memory = true;

	memcpy(hash, segment->head.before, SEGMENT_HASH_BYTES);
	segment->end = segment->head.first;
	segment->size = SEGMENT_HEAD_BYTES;
	buf_init(&entry, ENTRY_HEAD_BYTES + JOURNAL_ENTRY_BYTES_MAX + SEGMENT_TAG_BYTES + 1);
	while (segment->end < until) {
		unsigned char head[ENTRY_HEAD_BYTES];
		unsigned char *whole;
		size_t sealed;
		uint64_t sequence;

		if (!journal_read_at(descriptor, head, sizeof(head), segment->size) ||
		    !segment_entry_peek(head, &sealed, &sequence) || sequence != segment->end)
			break;
		buf_clear(&entry);
		whole = (unsigned char *)buf_reserve(&entry, sizeof(head) + sealed);
		memory = whole != NULL;
		if (!whole || !journal_read_at(descriptor, whole, sizeof(head) + sealed, segment->size) ||
		    !segment_entry_check(whole, sealed, hash))
			break;
		segment->end++;
		segment->size += sizeof(head) + sealed;
	}
	buf_free(&entry);
	return memory;
}

static void damage_log(const char *what, uint64_t number, uint64_t amount)
{
	LOG(ERROR, LOG_AUDIT_DAMAGED, NULL, LOG_C("what", what), LOG_NUMBER("segment", number),
	    LOG_NUMBER("amount", amount));
}

/* A file that holds nothing is in nobody's way, but the next life should not meet it again. */
static void segment_drop(const struct journal *journal, uint64_t number)
{
	char path[4200];

	if (journal_path(journal, number, path, sizeof(path)))
		file_calls_now()->unlink(path);
}

/* Opens a segment file and reads its head. -1: it is none. */
static int segment_open(const struct journal *journal, uint64_t number, struct segment *segment, struct stat *status)
{
	unsigned char head[SEGMENT_HEAD_BYTES];
	char path[4200];
	int descriptor;

	*segment = (struct segment) { 0 };
	if (!journal_path(journal, number, path, sizeof(path)))
		return -1;
	descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (descriptor < 0)
		return -1;
	if (fstat(descriptor, status) == 0 && journal_read_at(descriptor, head, sizeof(head), 0) &&
	    segment_head_read(head, &segment->head) && segment->head.number == number)
		return descriptor;
	close(descriptor);
	return -1;
}

/* Sequence at which the segment behind numbers[i] begins; UINT64_MAX when there is none. */
static uint64_t next_first(const struct journal *journal, const uint64_t *numbers, size_t count, size_t i)
{
	for (size_t k = i + 1; k < count; k++) {
		struct segment next;
		struct stat status;
		int descriptor = segment_open(journal, numbers[k], &next, &status);

		if (descriptor < 0)
			continue;
		close(descriptor);
		return next.head.first;
	}
	return UINT64_MAX;
}

/* What is behind the last good entry: of the newest segment the torn rest of a crash, of an older one either void (the
 * segment was given up after an error) or damage. */
static void rest_judge(const struct segment *segment, uint64_t until, uint64_t file_bytes)
{
	if (until == UINT64_MAX && file_bytes > segment->size)
		LOG(WARN, LOG_AUDIT_DAMAGED, NULL, LOG_C("what", "a torn tail was dropped"),
		    LOG_NUMBER("segment", segment->head.number), LOG_NUMBER("bytes", file_bytes - segment->size));
	if (until != UINT64_MAX && segment->end < until)
		damage_log("entries are missing", segment->head.number, until - segment->end);
}

static bool segment_recover(struct journal *journal, uint64_t number, uint64_t until, struct outcome *outcome)
{
	struct segment segment;
	struct stat status;
	int descriptor = segment_open(journal, number, &segment, &status);
	unsigned char before[SEGMENT_HASH_BYTES];
	bool ok;

	if (descriptor < 0) {
		damage_log("a file without a head was dropped", number, 0);
		segment_drop(journal, number);
		return true;
	}
	if (journal->segment_count > 0 && journal->next == segment.head.first &&
	    memcmp(journal->hash, segment.head.before, SEGMENT_HASH_BYTES) != 0)
		damage_log("the chain of hashes is broken", number, 0);
	memcpy(before, segment.head.before, sizeof(before));
	ok = entries_scan(descriptor, &segment, until, before);
	close(descriptor);
	if (!ok)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	rest_judge(&segment, until, (uint64_t)status.st_size);
	memcpy(journal->hash, before, sizeof(before));
	journal->next = segment.end;
	if (segment.end == segment.head.first) {
		segment_drop(journal, number);
		return true;
	}
	segment.closed_ms = (uint64_t)status.st_mtime * 1000;
	if (journal->segment_count > 0) {
		const struct segment *last = &journal->segments[journal->segment_count - 1];

		segment.position = last->position + last->size;
	}
	return journal_segment_add(journal, &segment) ||
	       outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

bool journal_recover(struct journal *journal, struct outcome *outcome)
{
	uint64_t *numbers;
	size_t count;
	bool ok = numbers_read(journal, &numbers, &count, outcome);

	journal->next = 1;
	for (size_t i = 0; ok && i < count; i++) {
		journal->number = numbers[i];
		ok = segment_recover(journal, numbers[i], next_first(journal, numbers, count, i), outcome);
	}
	free(numbers);
	return ok;
}
