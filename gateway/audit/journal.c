#include "gateway/audit/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "gateway/audit/journal_state.h"
#include "gateway/run/clock.h"
#include "gateway/run/file.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "gateway/run/thread.h"

#define GROUP_BYTES_MAX   ((size_t)8 * 1024 * 1024)
#define POSTED_BYTES_MAX  ((size_t)8 * 1024 * 1024)
#define SEGMENT_BYTES_MAX ((uint64_t)16 * 1024 * 1024)
#define SEGMENTS_PER_DISK 16
#define RETRY_MS          500
#define TRIM_MS           60000

static bool unrecorded(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_UNRECORDED, "",
			   "Nothing is done that cannot be recorded, and the audit cannot be written now; try again "
			   "later, and tell the operator.");
}

static void job_free(struct job *job)
{
	pthread_cond_destroy(&job->wake);
	buf_free(&job->text);
	free(job->ends);
	free(job);
}

static void condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void wait_ms(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)(ms / 1000);
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(condition, lock, &at);
}

static struct job *job_new(const struct str *entries, size_t count, bool is_waited_for)
{
	struct job *job = calloc(1, sizeof(*job));
	size_t size = 0;

	if (!job)
		return NULL;
	condition_init(&job->wake);
	job->is_waited_for = is_waited_for;
	for (size_t i = 0; i < count; i++)
		size += entries[i].size;
	buf_init(&job->text, size + 1);
	job->ends = reallocarray(NULL, count + 1, sizeof(*job->ends));
	for (size_t i = 0; i < count && job->ends; i++) {
		buf_add(&job->text, entries[i]);
		job->ends[i] = job->text.size;
	}
	job->count = count;
	if (job->ends && !job->text.failed)
		return job;
	job_free(job);
	return NULL;
}

uint64_t journal_disk(const struct journal *journal)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < journal->segment_count; i++)
		bytes += journal->segments[i].size;
	return bytes;
}

/* Where the entry behind this sequence begins; within a segment in proportion. */
static uint64_t position_of(const struct journal *journal, uint64_t sequence)
{
	uint64_t position = 0;

	for (size_t i = 0; i < journal->segment_count; i++) {
		const struct segment *segment = &journal->segments[i];
		uint64_t count = segment->end - segment->head.first;

		if (sequence + 1 >= segment->end)
			position = segment->position + segment->size;
		else if (sequence >= segment->head.first && count > 0)
			return segment->position + segment->size / count * (sequence - segment->head.first + 1);
		else
			return i == 0 ? segment->position : position;
	}
	return position;
}

uint64_t journal_backlog(const struct journal *journal)
{
	const struct segment *last = journal->segment_count ? &journal->segments[journal->segment_count - 1] : NULL;
	uint64_t most = 0;

	for (const struct journal_consumer *consumer = journal->consumers; last && consumer;
	     consumer = consumer->next) {
		uint64_t left = last->position + last->size - position_of(journal, consumer->acknowledged);

		most = left > most ? left : most;
	}
	return most;
}

void journal_trim(struct journal *journal)
{
	/* The last one stays: it says which sequence comes next. */
	while (journal->segment_count > 1) {
		const struct segment *oldest = &journal->segments[0];
		uint64_t age = (uint64_t)clock_wall_ms() - oldest->closed_ms;
		bool wanted = oldest->closed_ms == 0;
		char path[4200];

		for (const struct journal_consumer *consumer = journal->consumers; consumer; consumer = consumer->next)
			wanted = wanted || consumer->acknowledged + 1 < oldest->end;
		if (wanted ||
		    (age < journal->options.retention_ms && journal_disk(journal) <= journal->options.bytes_max / 2))
			return;
		if (!journal_path(journal, oldest->head.number, path, sizeof(path)) ||
		    file_calls_now()->unlink(path) != 0)
			return;
		memmove(journal->segments, journal->segments + 1,
			(journal->segment_count - 1) * sizeof(*journal->segments));
		journal->segment_count--;
	}
}

static unsigned percent_of(const struct journal *journal)
{
	return (unsigned)(journal_backlog(journal) * 100 / journal->options.bytes_max);
}

/* One line when a mark is passed, up or down. */
static void alarm_check(struct journal *journal)
{
	static const unsigned marks[] = { JOURNAL_FULL_PERCENT, 80, 50 };
	unsigned percent = percent_of(journal);
	unsigned mark = 0;

	for (size_t i = 0; i < COUNT_OF(marks) && mark == 0; i++)
		mark = percent >= marks[i] ? marks[i] : 0;
	if (mark == journal->alarm_percent)
		return;
	if (mark > journal->alarm_percent)
		LOG(ERROR, LOG_AUDIT_BACKLOG, NULL, LOG_NUMBER("percent", mark),
		    LOG_C("do", "see why an audit repository does not take the events"));
	else
		LOG(INFO, LOG_AUDIT_BACKLOG, NULL, LOG_NUMBER("percent", mark));
	journal->alarm_percent = mark;
}

/* The segment is given up as it is: what the system says of it after an error is not to be trusted. */
static void segment_leave(struct journal *journal)
{
	if (journal->descriptor >= 0)
		file_calls_now()->close(journal->descriptor);
	journal->descriptor = -1;
	segment_key_free(journal->key);
	journal->key = NULL;
	pthread_mutex_lock(&journal->lock);
	if (journal->segment_count > 0)
		journal->segments[journal->segment_count - 1].closed_ms = (uint64_t)clock_wall_ms();
	pthread_mutex_unlock(&journal->lock);
}

static bool directory_sync(const struct journal *journal)
{
	int descriptor = file_calls_now()->open(journal->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	bool ok = descriptor >= 0 && file_calls_now()->fsync(descriptor) == 0;

	if (descriptor >= 0)
		file_calls_now()->close(descriptor);
	return ok;
}

static bool segment_begin(struct journal *journal)
{
	const struct file_calls *calls = file_calls_now();
	struct segment segment = { .head = { .number = journal->number + 1,
					     .first = journal->next,
					     .key_id = journal->options.keys[0].id },
				   .end = journal->next,
				   .size = SEGMENT_HEAD_BYTES };
	unsigned char head[SEGMENT_HEAD_BYTES];
	char path[4200];
	bool ok;

	random_bytes(segment.head.salt, sizeof(segment.head.salt));
	memcpy(segment.head.before, journal->hash, sizeof(journal->hash));
	segment_head_write(&segment.head, head);
	if (!journal_path(journal, segment.head.number, path, sizeof(path)))
		return false;
	journal->key = segment_key_new(&segment.head, journal->options.keys, journal->options.key_count);
	journal->descriptor = calls->open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	ok = journal->key && journal->descriptor >= 0 && file_write_all(journal->descriptor, head, sizeof(head)) &&
	     calls->fsync(journal->descriptor) == 0 && directory_sync(journal);
	if (ok) {
		pthread_mutex_lock(&journal->lock);
		if (journal->segment_count > 0) {
			const struct segment *last = &journal->segments[journal->segment_count - 1];

			segment.position = last->position + last->size;
		}
		ok = journal_segment_add(journal, &segment);
		pthread_mutex_unlock(&journal->lock);
	}
	/* The number is used up either way: a file of that name may be there. */
	journal->number++;
	if (ok)
		return true;
	LOG(ERROR, LOG_STORAGE_ERROR, NULL, LOG_C("audit", "a journal segment cannot be begun"),
	    LOG_NUMBER("errno", errno));
	if (journal->descriptor >= 0) {
		calls->close(journal->descriptor);
		calls->unlink(path);
	}
	journal->descriptor = -1;
	segment_key_free(journal->key);
	journal->key = NULL;
	return false;
}

/* Writes the group's entries and makes them durable. On failure nothing of it counts. */
static bool group_write(struct journal *journal, const struct job *group)
{
	unsigned char hash[SEGMENT_HASH_BYTES];
	uint64_t next = journal->next;
	struct segment *current;
	bool ok = true;

	if (journal->descriptor < 0 && !segment_begin(journal))
		return false;
	memcpy(hash, journal->hash, sizeof(hash));
	buf_clear(&journal->out);
	for (const struct job *job = group; job && ok; job = job->next) {
		size_t begin = 0;

		for (size_t i = 0; i < job->count && ok; i++) {
			struct str entry = { job->text.data + begin, job->ends[i] - begin };

			ok = segment_entry_add(journal->key, next++, entry, hash, &journal->out);
			begin = job->ends[i];
		}
	}
	ok = ok && file_write_all(journal->descriptor, journal->out.data, journal->out.size) &&
	     file_calls_now()->fdatasync(journal->descriptor) == 0;
	if (!ok) {
		LOG(ERROR, LOG_STORAGE_ERROR, NULL, LOG_C("audit", "the journal cannot be written"),
		    LOG_NUMBER("errno", errno));
		segment_leave(journal);
		return false;
	}
	memcpy(journal->hash, hash, sizeof(hash));
	journal->next = next;
	pthread_mutex_lock(&journal->lock);
	current = &journal->segments[journal->segment_count - 1];
	current->end = next;
	current->size += journal->out.size;
	pthread_mutex_unlock(&journal->lock);
	return true;
}

static size_t group_entries(const struct job *job)
{
	return job->text.size + job->count * (ENTRY_HEAD_BYTES + SEGMENT_TAG_BYTES);
}

/* Takes what waits, as much as one write should have. Under the lock. */
static struct job *group_take(struct journal *journal)
{
	struct job *group = journal->first;
	struct job **end = &journal->first;
	size_t size = 0;

	while (*end && (size == 0 || size + group_entries(*end) <= GROUP_BYTES_MAX)) {
		size += group_entries(*end);
		end = &(*end)->next;
	}
	journal->first = *end;
	*end = NULL;
	if (!journal->first)
		journal->last_job = &journal->first;
	return group;
}

/* Tells who waits; what was posted and failed waits on, in front. Under the lock. */
static void group_end(struct journal *journal, struct job *group, bool ok)
{
	struct job *again = NULL;
	struct job **again_end = &again;

	while (group) {
		struct job *job = group;

		group = job->next;
		job->next = NULL;
		if (!job->is_waited_for && !ok) {
			*again_end = job;
			again_end = &job->next;
			continue;
		}
		if (!job->is_waited_for)
			journal->posted_bytes -= job->text.size;
		job->is_done = true;
		job->ok = ok;
		if (job->is_waited_for && !job->is_abandoned)
			pthread_cond_signal(&job->wake);
		else
			job_free(job);
	}
	if (!again)
		return;
	*again_end = journal->first;
	if (!journal->first)
		journal->last_job = again_end;
	journal->first = again;
}

static bool waited_for(const struct job *job)
{
	while (job && !job->is_waited_for)
		job = job->next;
	return job != NULL;
}

/* While the disk says no it is asked twice a second, and whoever waits is told so at once. */
static bool group_try(struct journal *journal, const struct job *group)
{
	bool due = !journal->failing || clock_monotonic_ms() - journal->tried_ms >= RETRY_MS;
	bool ok = due && group_write(journal, group);

	if (due)
		journal->tried_ms = clock_monotonic_ms();
	return ok;
}

static void rotate(struct journal *journal)
{
	uint64_t most;
	uint64_t size;

	pthread_mutex_lock(&journal->lock);
	most = journal->options.bytes_max / SEGMENTS_PER_DISK;
	size = journal->segment_count ? journal->segments[journal->segment_count - 1].size : 0;
	pthread_mutex_unlock(&journal->lock);
	if (journal->descriptor >= 0 && size >= (most < SEGMENT_BYTES_MAX ? most : SEGMENT_BYTES_MAX))
		segment_leave(journal);
}

static void *writer(void *context)
{
	struct journal *journal = context;

	pthread_mutex_lock(&journal->lock);
	for (;;) {
		struct job *group;
		bool ok;

		if (journal->failing && !waited_for(journal->first) && !journal->stopping)
			wait_ms(&journal->work, &journal->lock, RETRY_MS);
		else if (!journal->first && !journal->stopping)
			wait_ms(&journal->work, &journal->lock, TRIM_MS);
		if (journal->stopping && (!journal->first || journal->failing))
			break;
		journal_trim(journal);
		if (!journal->first && !journal->failing)
			continue;
		group = group_take(journal);
		pthread_mutex_unlock(&journal->lock);
		/* Without anything to write a failing journal tries to begin a segment: that is how it recovers. */
		ok = group ? group_try(journal, group) : segment_begin(journal);
		rotate(journal);
		pthread_mutex_lock(&journal->lock);
		journal->failing = !ok;
		group_end(journal, group, ok);
		alarm_check(journal);
		pthread_cond_broadcast(&journal->news);
	}
	pthread_mutex_unlock(&journal->lock);
	return NULL;
}

static bool lock_take(struct journal *journal, struct outcome *outcome)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/lock", journal->directory);
	return file_lock(path, &journal->lock_descriptor, outcome);
}

static void journal_free(struct journal *journal)
{
	while (journal->first) {
		struct job *job = journal->first;

		journal->first = job->next;
		job_free(job);
	}
	if (journal->descriptor >= 0)
		file_calls_now()->close(journal->descriptor);
	if (journal->lock_descriptor >= 0)
		close(journal->lock_descriptor);
	segment_key_free(journal->key);
	buf_free(&journal->out);
	free(journal->segments);
	free(journal->directory);
	pthread_cond_destroy(&journal->work);
	pthread_cond_destroy(&journal->news);
	pthread_mutex_destroy(&journal->lock);
	free(journal);
}

bool journal_open(const struct journal_options *options, struct journal **journal, struct outcome *outcome)
{
	struct journal *opened = calloc(1, sizeof(*opened));

	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	opened->options = *options;
	opened->descriptor = -1;
	opened->lock_descriptor = -1;
	opened->last_job = &opened->first;
	pthread_mutex_init(&opened->lock, NULL);
	condition_init(&opened->work);
	condition_init(&opened->news);
	buf_init(&opened->out, 2 * GROUP_BYTES_MAX);
	opened->directory = strdup(options->directory);
	if (!opened->directory || !file_make_directory(options->directory, outcome) || !lock_take(opened, outcome) ||
	    !journal_recover(opened, outcome)) {
		journal_free(opened);
		return false;
	}
	opened->has_thread = thread_start(&opened->thread, writer, opened);
	if (!opened->has_thread) {
		journal_free(opened);
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Allow the process more threads.");
	}
	*journal = opened;
	return true;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	pthread_mutex_lock(&journal->lock);
	journal->stopping = true;
	pthread_cond_signal(&journal->work);
	pthread_mutex_unlock(&journal->lock);
	pthread_join(journal->thread, NULL);
	journal_free(journal);
}

/* Under the lock. */
static void enqueue(struct journal *journal, struct job *job)
{
	*journal->last_job = job;
	journal->last_job = &job->next;
	pthread_cond_signal(&journal->work);
}

bool journal_append(struct journal *journal, const struct str *entries, size_t count, struct deadline deadline,
		    struct outcome *outcome)
{
	struct job *job = job_new(entries, count, true);
	bool ok;

	if (!job)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	pthread_mutex_lock(&journal->lock);
	if (percent_of(journal) >= 100) {
		pthread_mutex_unlock(&journal->lock);
		job_free(job);
		return unrecorded(outcome);
	}
	enqueue(journal, job);
	while (!job->is_done && !deadline_passed(deadline))
		wait_ms(&job->wake, &journal->lock, deadline_left_ms(deadline) + 1);
	ok = job->is_done && job->ok;
	job->is_abandoned = !job->is_done;
	if (job->is_done)
		job_free(job);
	pthread_mutex_unlock(&journal->lock);
	return ok || unrecorded(outcome);
}

bool journal_post(struct journal *journal, const struct str *entries, size_t count)
{
	struct job *job = job_new(entries, count, false);
	bool room;

	pthread_mutex_lock(&journal->lock);
	room = job && journal->posted_bytes + job->text.size <= POSTED_BYTES_MAX && percent_of(journal) < 100;
	if (room) {
		journal->posted_bytes += job->text.size;
		enqueue(journal, job);
	} else {
		journal->lost_count += count;
	}
	pthread_mutex_unlock(&journal->lock);
	if (job && !room)
		job_free(job);
	return room;
}

void journal_settle(struct journal *journal, uint64_t ms)
{
	struct deadline deadline = deadline_in(ms);

	pthread_mutex_lock(&journal->lock);
	while (journal->posted_bytes > 0 && !deadline_passed(deadline))
		wait_ms(&journal->news, &journal->lock, deadline_left_ms(deadline) + 1);
	pthread_mutex_unlock(&journal->lock);
}

void journal_bounds_set(struct journal *journal, uint64_t bytes_max, uint64_t retention_ms)
{
	pthread_mutex_lock(&journal->lock);
	journal->options.bytes_max = bytes_max;
	journal->options.retention_ms = retention_ms;
	alarm_check(journal);
	pthread_mutex_unlock(&journal->lock);
}

struct journal_state journal_state(struct journal *journal)
{
	struct journal_state state;

	pthread_mutex_lock(&journal->lock);
	state = (struct journal_state) {
		.last = journal->segment_count ? journal->segments[journal->segment_count - 1].end - 1 : 0,
		.bytes_max = journal->options.bytes_max,
		.backlog_bytes = journal_backlog(journal),
		.disk_bytes = journal_disk(journal),
		.lost_count = journal->lost_count,
		.failing = journal->failing,
		.full = percent_of(journal) >= JOURNAL_FULL_PERCENT,
	};
	pthread_mutex_unlock(&journal->lock);
	return state;
}
