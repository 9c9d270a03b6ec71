/* Inside gateway/audit only. */
#ifndef PASSERELLE_AUDIT_STATE_H
#define PASSERELLE_AUDIT_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/audit/audit.h"
#include "gateway/audit/index.h"
#include "gateway/audit/sender.h"

#define AUDIT_SENDERS_MAX 8

struct audit {
	const struct config *config;
	struct str base;
	char directory[4200];
	struct journal *journal;
	struct audit_index *index;
	struct sender *senders[AUDIT_SENDERS_MAX];
	size_t sender_count;
	_Atomic uint64_t turned_away; /* requests, since the last gap event */
	_Atomic uint64_t lost_told;   /* lost events that a gap event has told of */
	pthread_mutex_t lock;         /* guards the rest */
	uint64_t refusal_second;
	unsigned refusals;        /* told in that second */
	uint64_t refusals_untold; /* since the last that was told */
};

#endif
