#include "gateway/audit/sender.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/audit/sender_state.h"
#include "gateway/run/clock.h"
#include "gateway/run/deadline.h"
#include "gateway/run/file.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "gateway/run/thread.h"

#define BATCH_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define BATCH_ARENA_MAX ((size_t)64 * 1024 * 1024)
#define FILE_BATCH      200
#define SINGLE_BATCH    16
#define PAUSE_MIN_MS    200
#define PAUSE_MAX_MS    30000
#define NOTE_EVERY_MS   1000
#define IDLE_MS         1000
#define REFUSALS_MAX    3
#define NOTE_SIZE       32

bool sender_must_end(const struct sender *sender)
{
	return atomic_load(&sender->stopping) && clock_monotonic_ms() >= atomic_load(&sender->stop_at_ms);
}

/* The note is replaced as a whole; one that cannot be written means that entries are sent again after a restart. */
static void note_write(struct sender *sender)
{
	const struct file_calls *calls = file_calls_now();
	char text[NOTE_SIZE];
	char path[4310];
	int size = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)sender->noted);
	int descriptor;
	bool ok;

	snprintf(path, sizeof(path), "%s.new", sender->note_path);
	descriptor = calls->open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ok = descriptor >= 0 && file_write_all(descriptor, text, (size_t)size) && calls->fdatasync(descriptor) == 0;
	if (descriptor >= 0)
		calls->close(descriptor);
	if (!ok || calls->rename(path, sender->note_path) != 0)
		LOG(ERROR, LOG_STORAGE_ERROR, NULL, LOG_C("audit", "the place of a repository cannot be noted"),
		    LOG_TEXT("repository", sender->repository->name), LOG_NUMBER("errno", errno));
	sender->noted_ms = clock_monotonic_ms();
	sender->written = sender->noted;
}

void sender_note(struct sender *sender)
{
	if (sender->noted != sender->written && clock_monotonic_ms() - sender->noted_ms >= NOTE_EVERY_MS)
		note_write(sender);
}

static uint64_t note_read(const struct sender *sender)
{
	char text[NOTE_SIZE];
	int descriptor = open(sender->note_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t size = descriptor >= 0 ? read(descriptor, text, sizeof(text)) : -1;
	uint64_t sequence = 0;

	if (descriptor >= 0)
		close(descriptor);
	return size > 0 && str_to_u64(str_trim((struct str) { text, (size_t)size }), &sequence) ? sequence : 0;
}

void sender_acknowledge(struct sender *sender, uint64_t sequence)
{
	if (sequence <= sender->noted)
		return;
	journal_acknowledge(sender->consumer, sequence);
	sender->noted = sequence;
	sender_note(sender);
}

void sender_trouble(struct sender *sender, const char *why)
{
	struct deadline until;

	if (sender->pause_ms == 0)
		LOG(ERROR, LOG_AUDIT_SENDER, NULL, LOG_TEXT("repository", sender->repository->name),
		    LOG_C("state", "takes no events"), LOG_C("why", why));
	sender->pause_ms = sender->pause_ms ? 2 * sender->pause_ms : PAUSE_MIN_MS;
	if (sender->pause_ms > PAUSE_MAX_MS)
		sender->pause_ms = PAUSE_MAX_MS;
	/* Several gateways do not knock all at once. */
	until = deadline_in(sender->pause_ms / 2 + random_below((uint32_t)sender->pause_ms / 2 + 1));
	do
		journal_wait(sender->consumer, UINT64_MAX - 1,
			     deadline_left_ms(until) < IDLE_MS ? deadline_left_ms(until) : IDLE_MS);
	while (!atomic_load(&sender->stopping) && !deadline_passed(until));
}

void sender_fine(struct sender *sender)
{
	if (sender->pause_ms > 0)
		LOG(INFO, LOG_AUDIT_SENDER, NULL, LOG_TEXT("repository", sender->repository->name),
		    LOG_C("state", "takes events again"));
	sender->pause_ms = 0;
}

struct str event_tag(struct str event)
{
	static const char before[] = "\"code\":\"urn:uuid:";
	const char *at = memmem(event.data, event.size, before, sizeof(before) - 1);
	struct str tag;

	if (!at)
		return STR_NONE;
	tag = (struct str) { at + sizeof("\"code\":\"") - 1,
			     (size_t)(event.data + event.size - at) - (sizeof("\"code\":\"") - 1) };
	tag.size = str_find(tag, '"');
	return tag;
}

/* What is being sent. */
struct batch {
	struct delivery *items;
	size_t most;
	size_t count;
	size_t first; /* what is before it has been taken */
	size_t bytes;
	struct arena *arena;
};

/* Reads further entries of the journal while there is room. JOURNAL_END: there are no more for now. */
static enum journal_read batch_fill(struct sender *sender, struct batch *batch)
{
	enum journal_read found = JOURNAL_ENTRY;

	while (batch->count < batch->most && batch->bytes < BATCH_BYTES_MAX) {
		struct delivery *item = &batch->items[batch->count];
		struct str entry;

		found = journal_next(sender->consumer, &item->sequence, &entry);
		if (found != JOURNAL_ENTRY)
			break;
		*item = (struct delivery) { .sequence = item->sequence, .event = arena_copy(batch->arena, entry) };
		if (!item->event.data)
			return JOURNAL_FAILED;
		sender->last = item->sequence;
		batch->bytes += entry.size;
		batch->count++;
	}
	return found;
}

/* An event that is refused for good while others are taken would stop all that come after it for ever: it is left out,
 * loudly. It stays in the journal for its retention, and in the gateway's own index. */
static void refused_skip(const struct sender *sender, struct delivery *items, size_t count)
{
	bool others = false;

	for (size_t i = 0; i < count; i++)
		others = others || items[i].state == DELIVERED;
	for (size_t i = 0; i < count; i++) {
		if (items[i].state != DELIVERED_REFUSED)
			continue;
		items[i].state = DELIVERED_NOT;
		if (!others || ++items[i].refusals < REFUSALS_MAX)
			continue;
		items[i].state = DELIVERED;
		LOG(ERROR, LOG_AUDIT_SENDER, NULL, LOG_TEXT("repository", sender->repository->name),
		    LOG_C("state", "refused an event for good"), LOG_TEXT("event", event_tag(items[i].event)),
		    LOG_NUMBER("sequence", items[i].sequence));
	}
}

static void batch_try(struct sender *sender, struct batch *batch, const char **why)
{
	struct delivery *items = batch->items + batch->first;
	size_t count = batch->count - batch->first;

	if (sender->repository->kind == CONFIG_AUDIT_FHIR)
		fhir_deliver(sender->repository, items, count, batch->arena, why);
	else
		file_deliver(sender->repository, items, count, why);
	refused_skip(sender, batch->items, batch->count);
	while (batch->first < batch->count && batch->items[batch->first].state == DELIVERED)
		sender_acknowledge(sender, batch->items[batch->first++].sequence);
}

/* Sends the batch until all of it has been taken, or the sender ends. Later entries join one that is stuck: whether they
 * are taken tells an event that is refused from a repository that refuses. */
static enum journal_read batch_send(struct sender *sender, struct batch *batch)
{
	while (batch->first < batch->count && !sender_must_end(sender)) {
		const char *why = "it refuses events";
		size_t before = batch->first;

		batch_try(sender, batch, &why);
		if (batch->first == batch->count)
			break;
		if (batch->first > before)
			sender->pause_ms = sender->pause_ms ? PAUSE_MIN_MS : 0;
		sender_trouble(sender, why);
		if (batch_fill(sender, batch) == JOURNAL_FAILED)
			return JOURNAL_FAILED;
	}
	if (batch->first == batch->count)
		sender_fine(sender);
	return JOURNAL_ENTRY;
}

static enum journal_read batch_feed(struct sender *sender, struct batch *batch)
{
	enum journal_read found;

	batch->count = 0;
	batch->first = 0;
	batch->bytes = 0;
	batch->arena = arena_new(BATCH_ARENA_MAX);
	found = batch->arena ? batch_fill(sender, batch) : JOURNAL_FAILED;
	if (found != JOURNAL_FAILED && batch->count > 0)
		found = batch_send(sender, batch);
	arena_free(batch->arena);
	return found;
}

static size_t batch_most(const struct config_audit_repository *repository)
{
	if (repository->kind == CONFIG_AUDIT_FILE)
		return FILE_BATCH;
	return repository->batch > 1 ? (size_t)repository->batch : SINGLE_BATCH;
}

static void batches_feed(struct sender *sender)
{
	struct batch batch = { .most = batch_most(sender->repository) };

	batch.items = calloc(batch.most, sizeof(*batch.items));
	while (batch.items && !sender_must_end(sender)) {
		enum journal_read found = batch_feed(sender, &batch);

		if (found == JOURNAL_FAILED) {
			journal_rewind(sender->consumer);
			sender->last = sender->noted;
			sender_trouble(sender, "the journal cannot be read");
		}
		if (found != JOURNAL_END)
			continue;
		if (atomic_load(&sender->stopping))
			break;
		sender_note(sender);
		journal_wait(sender->consumer, sender->last, IDLE_MS);
	}
	free(batch.items);
}

static void *feed(void *context)
{
	struct sender *sender = context;

	if (sender->repository->kind == CONFIG_AUDIT_SYSLOG)
		syslog_feed(sender);
	else
		batches_feed(sender);
	note_write(sender);
	return NULL;
}

bool sender_open(struct journal *journal, const char *directory, const struct config_audit_repository *repository,
		 struct sender **sender, struct outcome *outcome)
{
	struct sender *opened = calloc(1, sizeof(*opened));

	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	opened->journal = journal;
	opened->repository = repository;
	snprintf(opened->note_path, sizeof(opened->note_path), "%s/%.*s.sent", directory, STR_ARG(repository->name));
	opened->noted = note_read(opened);
	opened->written = opened->noted;
	if (!journal_consumer_open(journal, opened->noted, &opened->consumer, outcome)) {
		free(opened);
		return false;
	}
	opened->last = opened->noted;
	opened->has_thread = thread_start(&opened->thread, feed, opened);
	if (!opened->has_thread) {
		journal_consumer_close(opened->consumer);
		free(opened);
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Allow the process more threads.");
	}
	*sender = opened;
	return true;
}

static void thread_end(struct sender *sender, uint64_t grace_ms)
{
	atomic_store(&sender->stop_at_ms, clock_monotonic_ms() + grace_ms);
	atomic_store(&sender->stopping, true);
	journal_wake(sender->journal);
	if (sender->has_thread)
		pthread_join(sender->thread, NULL);
	sender->has_thread = false;
}

bool sender_renew(struct sender *sender, const struct config_audit_repository *repository)
{
	thread_end(sender, 0);
	sender->repository = repository;
	journal_rewind(sender->consumer);
	sender->last = sender->noted;
	sender->pause_ms = 0;
	atomic_store(&sender->stopping, false);
	sender->has_thread = thread_start(&sender->thread, feed, sender);
	return sender->has_thread;
}

bool sender_works(const struct sender *sender)
{
	return sender->has_thread;
}

void sender_close(struct sender *sender, uint64_t grace_ms)
{
	if (!sender)
		return;
	thread_end(sender, grace_ms);
	journal_consumer_close(sender->consumer);
	free(sender);
}
