/* Inside gateway/audit only: by which names an event is found. */
#ifndef PASSERELLE_INDEX_NAMES_H
#define PASSERELLE_INDEX_NAMES_H

#include <jansson.h>

#include "gateway/audit/audit.h"

struct connection;
struct audit_index;

/* Who files names, for the callback below. */
struct index_naming {
	struct audit_index *owner;
	struct connection *connection;
	uint64_t sequence;
	struct outcome *outcome;
};

/* The word that stands for the kind in what is hashed. */
struct str audit_token_word(enum audit_token_kind kind);

/* Calls add for each name of the event: codes without their systems, identifiers as "system|value" (of agents also as
 * "value"), references as they stand. False when add says no, or without memory. */
bool audit_event_names(const json_t *event, struct arena *arena,
		       bool (*add)(void *context, enum audit_token_kind kind, struct str value),
		       void *context) MUST_CHECK;

/* `recorded`, in milliseconds since 1970; 0 when it cannot be read. */
int64_t audit_event_recorded_ms(const json_t *event);

#endif
