/* Inside gateway/audit only: what the kinds of repositories share. */
#ifndef PASSERELLE_SENDER_STATE_H
#define PASSERELLE_SENDER_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/audit/sender.h"
#include "mappers/base/arena.h"

struct sender {
	struct journal *journal;
	struct journal_consumer *consumer;
	const struct config_audit_repository *repository;
	char note_path[4300];
	uint64_t noted;   /* sequence of the last entry that the repository has */
	uint64_t written; /* the same, as the file says */
	uint64_t noted_ms;
	pthread_t thread;
	bool has_thread;
	_Atomic bool stopping;
	_Atomic uint64_t stop_at_ms; /* monotonic; from then on even what is unsent stays unsent */
	uint64_t pause_ms;           /* before the next attempt; 0: all is well */
	uint64_t last;               /* sequence of the last entry read */
};

enum delivered {
	DELIVERED_NOT, /* try again, in order */
	DELIVERED,
	DELIVERED_REFUSED /* the repository said that it will never take this one */
};

struct delivery {
	uint64_t sequence;
	struct str event; /* JSON */
	enum delivered state;
	unsigned refusals;
};

/* Sends what is not DELIVERED yet and notes how it went. why: a literal or static text, for the log. */
void fhir_deliver(const struct config_audit_repository *repository, struct delivery *items, size_t count,
		  struct arena *arena, const char **why);
void file_deliver(const struct config_audit_repository *repository, struct delivery *items, size_t count,
		  const char **why);

/* The loop of a syslog repository, until the sender stops. */
void syslog_feed(struct sender *sender);

/* True once the sender shall end: at once, or when nothing is left to send and it was asked to. */
bool sender_must_end(const struct sender *sender);
/* Everything up to here has been taken. */
void sender_acknowledge(struct sender *sender, uint64_t sequence);
/* Writes the note when it is due. */
void sender_note(struct sender *sender);
/* Trouble: one line in the log when it begins, and longer and longer pauses. */
void sender_trouble(struct sender *sender, const char *why);
/* It works (again). */
void sender_fine(struct sender *sender);

/* "urn:uuid:..." of the event: its meta.tag; STR_NONE when it has none. Points into event. */
struct str event_tag(struct str event);

#endif
