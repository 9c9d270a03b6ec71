/* Inside gateway/audit only. */
#ifndef PASSERELLE_AUDIT_STATE_H
#define PASSERELLE_AUDIT_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/audit/audit_store.h"
#include "gateway/audit/index.h"
#include "gateway/audit/sender.h"
#include "mappers/caller.h"

#define AUDIT_SENDERS_MAX 8

struct audit {
	const struct config *config;
	struct audit_store *store;
};

/* A sender, and what keeps its row where it is. */
struct audit_feed {
	struct sender *sender;
	const struct config_audit_repository *row;
	struct config_set *configs;
};

struct audit_store {
	char directory[4200];
	struct journal *journal;
	struct audit_index *index;
	/* touched by who opens, renews and closes */
	struct audit own; /* with the newest settings, for events of the store's own */
	struct config_set *configs;
	bool is_recording; /* by those settings */
	struct audit_feed feeds[AUDIT_SENDERS_MAX];
	size_t feed_count;
	_Atomic uint64_t turned_away; /* requests, since the last gap event */
	_Atomic uint64_t lost_told;   /* lost events that a gap event has told of */
	pthread_mutex_t lock;         /* guards the rest */
	uint64_t refusal_second;
	unsigned refusals;        /* told in that second */
	uint64_t refusals_untold; /* since the last that was told */
};

bool audit_is_wanted(const struct config *config);

/* An event of the gateway's own, or of a request (trace) that left no trail. */
extern const struct caller audit_nobody;
void audit_own_event(struct audit *audit, enum audit_kind kind, enum audit_outcome outcome_code,
		     const struct caller *caller, const struct trace *trace, struct str text);
/* What nobody could be recorded for is itself recorded, as soon as that can be done. */
void audit_gap_event(struct audit *audit);

#endif
