/* Inside the journal only: what journal.c (writing), journal_open.c (recovery) and journal_read.c (consumers) share. */
#ifndef PASSERELLE_JOURNAL_STATE_H
#define PASSERELLE_JOURNAL_STATE_H

#include <pthread.h>

#include "gateway/audit/segment.h"

/* One segment file, as far as it is durable. */
struct segment {
	struct segment_head head;
	uint64_t end;       /* sequence behind its last entry */
	uint64_t size;      /* durable bytes */
	uint64_t position;  /* bytes of all segments before it, in the journal's whole life in this process */
	uint64_t closed_ms; /* wall clock; 0: still being written */
};

/* What somebody wants recorded. */
struct job {
	struct job *next;
	struct buf text; /* the entries, one behind the other */
	size_t *ends;
	size_t count;
	bool is_waited_for;
	bool is_done;
	bool ok;
	bool is_abandoned; /* nobody waits any more: the writer frees it */
	pthread_cond_t wake;
};

struct journal_consumer {
	struct journal *journal;
	struct journal_consumer *next;
	uint64_t acknowledged; /* under the lock */
	/* the reader's own */
	uint64_t read;          /* sequence of the last entry read */
	struct segment segment; /* copy of the one being read; head.number 0: none */
	int descriptor;
	uint64_t offset;
	struct segment_key *key;
	struct buf entry;
	struct buf plain;
};

struct journal {
	struct journal_options options;
	char *directory;
	int lock_descriptor;
	pthread_mutex_t lock; /* guards all below but the writer's own */
	pthread_cond_t work;  /* for the writer */
	pthread_cond_t news;  /* for consumers */
	pthread_t thread;
	bool has_thread;
	bool stopping;
	bool failing;
	struct job *first;
	struct job **last_job;
	size_t posted_bytes;
	uint64_t lost_count;
	uint64_t wakes;
	struct segment *segments; /* oldest first */
	size_t segment_count;
	size_t segment_capacity;
	struct journal_consumer *consumers;
	unsigned alarm_percent; /* of the last alarm */
	/* the writer's own */
	int descriptor; /* -1: the next entry opens a segment */
	struct segment_key *key;
	struct buf out;
	unsigned char hash[SEGMENT_HASH_BYTES];
	uint64_t next;   /* sequence of the next entry */
	uint64_t number; /* of the newest segment */
	uint64_t tried_ms;
};

/* Reads what the directory holds into segments, next, number, hash. */
bool journal_recover(struct journal *journal, struct outcome *outcome) MUST_CHECK;

/* The path of a segment; false when it is too long. */
bool journal_path(const struct journal *journal, uint64_t number, char *path, size_t size) MUST_CHECK;

/* Reads size bytes at offset of a segment. False when they are not there, or the disk says no. */
bool journal_read_at(int descriptor, void *bytes, size_t size, uint64_t offset) MUST_CHECK;

/* One more segment at the end of the list; false without memory. Under the lock. */
bool journal_segment_add(struct journal *journal, const struct segment *segment) MUST_CHECK;

/* Removes what all consumers have acknowledged and is old, or in the way. Under the lock. */
void journal_trim(struct journal *journal);

/* Bytes that the slowest consumer has not acknowledged. Under the lock. */
uint64_t journal_backlog(const struct journal *journal);
uint64_t journal_disk(const struct journal *journal);

#endif
