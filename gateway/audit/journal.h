/* The durable memory of the audit: entries in order, each encrypted, each chained to the one before by its hash, in
 * append-only segment files of a directory that one process owns. One thread writes: what many requests want recorded at
 * the same time is made durable by one fdatasync. Consumers (senders, the index) read at their own pace and acknowledge;
 * what all have acknowledged is removed after its retention, or earlier when room is needed.
 * After a failed write or fdatasync the segment is left as it is, with what was durable before, and never written again:
 * the next entry opens a new one, which says where the old one ends. Any thread may call. Errors: ERR_UNRECORDED. */
#ifndef PASSERELLE_JOURNAL_H
#define PASSERELLE_JOURNAL_H

#include "gateway/run/deadline.h"
#include "gateway/run/seal.h"
#include "mappers/base/buf.h"
#include "mappers/base/error.h"

struct journal;

#define JOURNAL_ENTRY_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define JOURNAL_KEYS_MAX        4
#define JOURNAL_FULL_PERCENT    95 /* of bytes_max: from here on nobody is served */

struct journal_options {
	const char *directory;                  /* made when missing */
	struct seal_key keys[JOURNAL_KEYS_MAX]; /* the first writes, all open */
	size_t key_count;
	uint64_t bytes_max;    /* of all segments together */
	uint64_t retention_ms; /* of what has been acknowledged */
};

/* Other bounds from now on. */
void journal_bounds_set(struct journal *journal, uint64_t bytes_max, uint64_t retention_ms);

/* Opens the directory, takes its lock, reads what is there: a torn tail is dropped, a damaged segment reported in the
 * log. *journal is closed with journal_close. Errors: ERR_STORAGE, ERR_INTERNAL (keys), ERR_NO_MEMORY. */
bool journal_open(const struct journal_options *options, struct journal **journal, struct outcome *outcome) MUST_CHECK;

/* Writes what was posted, then frees. Consumers must have been closed. NULL is allowed. */
void journal_close(struct journal *journal);

/* Appends the entries as a whole and returns when they are durable. False: ERR_UNRECORDED, none of them is in. */
bool journal_append(struct journal *journal, const struct str *entries, size_t count, struct deadline deadline,
		    struct outcome *outcome) MUST_CHECK;

/* Hands the entries over without waiting; they are written as soon as it can be done, also after trouble. False when too
 * much is waiting already: then they are lost, and counted (journal_state). */
bool journal_post(struct journal *journal, const struct str *entries, size_t count);

/* Waits until what was posted has been written, for at most ms. */
void journal_settle(struct journal *journal, uint64_t ms);

struct journal_state {
	uint64_t last; /* sequence of the last durable entry; 0: none yet */
	uint64_t bytes_max;
	uint64_t backlog_bytes; /* not yet acknowledged by the slowest consumer */
	uint64_t disk_bytes;
	uint64_t lost_count; /* posted entries that found no room */
	bool failing;        /* the last attempt to write failed */
	bool full;           /* the backlog has reached JOURNAL_FULL_PERCENT */
};
struct journal_state journal_state(struct journal *journal);

struct journal_consumer;

/* A reader that begins behind the entry `after` (0: at the oldest). Until it acknowledges more, what lies behind stays.
 * One that is opened after the first entry was written misses what has been removed before. */
bool journal_consumer_open(struct journal *journal, uint64_t after, struct journal_consumer **consumer,
			   struct outcome *outcome) MUST_CHECK;
void journal_consumer_close(struct journal_consumer *consumer);

enum journal_read {
	JOURNAL_ENTRY, /* sequence and entry are set; entry is valid until the next call */
	JOURNAL_END,   /* nothing more for now */
	JOURNAL_FAILED /* the disk or the memory says no; try again later */
};
/* The next entry. Where a damaged segment left a hole the sequence jumps: that is what sequences are for. */
enum journal_read journal_next(struct journal_consumer *consumer, uint64_t *sequence, struct str *entry);

/* Begins again behind the last acknowledged entry. */
void journal_rewind(struct journal_consumer *consumer);

/* Everything up to this sequence is dealt with. */
void journal_acknowledge(struct journal_consumer *consumer, uint64_t sequence);

/* Waits until there is something behind `after`, for at most ms, or until the consumer is woken. */
void journal_wait(struct journal_consumer *consumer, uint64_t after, uint64_t ms);
void journal_wake(struct journal *journal);

#endif
