/* Consumers of the journal: each has its own descriptor and place, and sees only what is durable. */
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "gateway/audit/journal_state.h"
#include "gateway/run/log.h"

static void segment_shut(struct journal_consumer *consumer)
{
	if (consumer->descriptor >= 0)
		close(consumer->descriptor);
	consumer->descriptor = -1;
	segment_key_free(consumer->key);
	consumer->key = NULL;
	consumer->segment = (struct segment) { 0 };
}

bool journal_consumer_open(struct journal *journal, uint64_t after, struct journal_consumer **consumer,
			   struct outcome *outcome)
{
	struct journal_consumer *opened = calloc(1, sizeof(*opened));
	const struct segment *last;

	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	opened->journal = journal;
	opened->descriptor = -1;
	buf_init(&opened->entry, ENTRY_HEAD_BYTES + JOURNAL_ENTRY_BYTES_MAX + SEGMENT_TAG_BYTES + 1);
	buf_init(&opened->plain, JOURNAL_ENTRY_BYTES_MAX + SEGMENT_TAG_BYTES + 1);
	pthread_mutex_lock(&journal->lock);
	last = journal->segment_count ? &journal->segments[journal->segment_count - 1] : NULL;
	/* A journal that was lost begins at 1 again: what a consumer remembers of the old one means nothing. */
	if (!last || after >= last->end)
		after = last ? last->end - 1 : 0;
	opened->acknowledged = after;
	opened->read = after;
	opened->next = journal->consumers;
	journal->consumers = opened;
	pthread_mutex_unlock(&journal->lock);
	*consumer = opened;
	return true;
}

void journal_consumer_close(struct journal_consumer *consumer)
{
	struct journal *journal;
	struct journal_consumer **at;

	if (!consumer)
		return;
	journal = consumer->journal;
	pthread_mutex_lock(&journal->lock);
	for (at = &journal->consumers; *at && *at != consumer; at = &(*at)->next)
		continue;
	if (*at)
		*at = consumer->next;
	pthread_mutex_unlock(&journal->lock);
	segment_shut(consumer);
	buf_free(&consumer->entry);
	buf_free(&consumer->plain);
	free(consumer);
}

/* Looks again how far the present segment goes. When it is used up: the next one that holds more. */
static enum journal_read segment_choose(struct journal_consumer *consumer)
{
	struct journal *journal = consumer->journal;
	struct segment chosen = { 0 };

	pthread_mutex_lock(&journal->lock);
	for (size_t i = 0; i < journal->segment_count; i++) {
		const struct segment *segment = &journal->segments[i];

		if (segment->head.number == consumer->segment.head.number)
			consumer->segment = *segment;
		if (segment->end > consumer->read + 1 && chosen.head.number == 0)
			chosen = *segment;
	}
	pthread_mutex_unlock(&journal->lock);
	if (chosen.head.number == 0)
		return JOURNAL_END;
	if (chosen.head.number == consumer->segment.head.number)
		return JOURNAL_ENTRY;
	segment_shut(consumer);
	consumer->segment = chosen;
	consumer->offset = SEGMENT_HEAD_BYTES;
	return JOURNAL_ENTRY;
}

static bool segment_open(struct journal_consumer *consumer)
{
	const struct journal *journal = consumer->journal;
	char path[4200];

	if (consumer->descriptor >= 0)
		return true;
	consumer->key = segment_key_new(&consumer->segment.head, journal->options.keys, journal->options.key_count);
	if (consumer->key && journal_path(journal, consumer->segment.head.number, path, sizeof(path)))
		consumer->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (consumer->descriptor >= 0)
		return true;
	LOG(ERROR, LOG_STORAGE_ERROR, NULL,
	    LOG_C("audit", consumer->key ? "a journal segment cannot be read"
					 : "no state key opens a journal segment: add the old key"),
	    LOG_NUMBER("segment", consumer->segment.head.number));
	segment_shut(consumer);
	return false;
}

bool journal_read_at(int descriptor, void *bytes, size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = pread(descriptor, (char *)bytes + done, size - done, (off_t)(offset + done));

		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

/* Reads the entry at offset: its checks were made when it was written or found; the tag of its cipher is checked now. */
static bool entry_read(struct journal_consumer *consumer, uint64_t *sequence)
{
	unsigned char head[ENTRY_HEAD_BYTES];
	unsigned char *whole;
	size_t sealed;
	size_t size;
	char *plain;

	if (!journal_read_at(consumer->descriptor, head, sizeof(head), consumer->offset) ||
	    !segment_entry_peek(head, &sealed, sequence))
		return false;
	buf_clear(&consumer->entry);
	buf_clear(&consumer->plain);
	whole = (unsigned char *)buf_reserve(&consumer->entry, sizeof(head) + sealed);
	plain = buf_reserve(&consumer->plain, sealed);
	if (!whole || !plain ||
	    !journal_read_at(consumer->descriptor, whole, sizeof(head) + sealed, consumer->offset) ||
	    !segment_entry_open(consumer->key, whole, sealed, plain, &size))
		return false;
	buf_advance(&consumer->plain, size);
	consumer->offset += sizeof(head) + sealed;
	return true;
}

enum journal_read journal_next(struct journal_consumer *consumer, uint64_t *sequence, struct str *entry)
{
	enum journal_read found;

	do {
		found = segment_choose(consumer);
		if (found != JOURNAL_ENTRY)
			return found;
		if (!segment_open(consumer))
			return JOURNAL_FAILED;
		if (!entry_read(consumer, sequence)) {
			segment_shut(consumer);
			return JOURNAL_FAILED;
		}
	} while (*sequence <= consumer->read);
	consumer->read = *sequence;
	*entry = buf_str(&consumer->plain);
	return JOURNAL_ENTRY;
}

void journal_rewind(struct journal_consumer *consumer)
{
	segment_shut(consumer);
	consumer->read = consumer->acknowledged;
}

void journal_acknowledge(struct journal_consumer *consumer, uint64_t sequence)
{
	struct journal *journal = consumer->journal;

	pthread_mutex_lock(&journal->lock);
	if (sequence > consumer->acknowledged)
		consumer->acknowledged = sequence;
	pthread_mutex_unlock(&journal->lock);
}

void journal_wait(struct journal_consumer *consumer, uint64_t after, uint64_t ms)
{
	struct journal *journal = consumer->journal;
	struct timespec until;
	uint64_t wakes;
	int waited = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&journal->lock);
	wakes = journal->wakes;
	while (waited == 0 && wakes == journal->wakes &&
	       (journal->segment_count == 0 || journal->segments[journal->segment_count - 1].end <= after + 1))
		waited = pthread_cond_timedwait(&journal->news, &journal->lock, &until);
	pthread_mutex_unlock(&journal->lock);
}

void journal_wake(struct journal *journal)
{
	pthread_mutex_lock(&journal->lock);
	journal->wakes++;
	pthread_cond_broadcast(&journal->news);
	pthread_mutex_unlock(&journal->lock);
}
