/* What one request leaves in the audit: facts gathered on its way, written as events when it is known how it ends and
 * before the first byte of its answer leaves. All functions take a NULL trail, which gathers nothing: audit is off.
 * Text that is passed is borrowed until audit_commit. Want of memory is remembered and makes audit_commit fail. */
#ifndef PASSERELLE_AUDIT_TRAIL_H
#define PASSERELLE_AUDIT_TRAIL_H

#include "gateway/audit/audit.h"
#include "gateway/south/soap_client.h"
#include "mappers/audit_event.h"
#include "mappers/consent_rule.h"

struct audit_trail;

struct audit_begin {
	enum audit_kind kind;
	struct str query;  /* what was asked, byte for byte; or empty */
	size_t query_size; /* its whole size, when query is only its beginning */
	struct str address;
	struct str request_id;
	struct str traceparent;
	struct arena *arena; /* of the request */
	struct deadline deadline;
};

/* Begins the trail of a request; *trail is NULL when audit is off. False with ERR_UNRECORDED when nothing could be
 * recorded now: then nothing may be done either. ERR_NO_MEMORY. */
bool audit_begin(struct audit *audit, const struct audit_begin *begin, struct audit_trail **trail,
		 struct outcome *outcome) MUST_CHECK;

/* Who asks: once it is known. Until then an anonymous caller from begin's address. */
void audit_caller(struct audit_trail *trail, const struct caller *caller);

/* Another kind than the route's, for instance a feed that turned out to create. */
void audit_kind_set(struct audit_trail *trail, enum audit_kind kind);

/* Whom it is about: one event is written for each patient. reference: "Patient/{id}"; or empty. The same CX again only
 * adds what is missing. */
void audit_patient(struct audit_trail *trail, struct str patient_id, struct str reference);

/* What was decided about this patient, and how many documents stayed hidden. A refusal of the whole, or of the document
 * that was asked for, becomes an event of its own (security alert), and so does a broken glass. */
void audit_decision(struct audit_trail *trail, struct str patient_id, const struct consent_decision *decision,
		    size_t hidden_count, bool was_refused);

/* Documents of this patient were seen that another hospital recorded: tenant is its name, borrowed for longer than the
 * trail. */
void audit_hospital(struct audit_trail *trail, struct str patient_id, struct str tenant);

/* What it is about. The main object (is_main) of a request is one: a second call fills in what is missing of it. */
void audit_object(struct audit_trail *trail, const struct audit_object *object);

/* A part of the trail, for calls to other systems that another thread makes: gathers them in its own arena, which must
 * live until audit_commit; they become events of the trail. Called by the trail's own thread. NULL for a NULL trail, and
 * without memory. */
struct audit_trail *audit_part(struct audit_trail *trail, struct arena *arena);

/* For struct south: each call becomes an event of the trail. NULL when audit is off. */
const struct south_recorder *audit_recorder(struct audit_trail *trail);

/* Writes the events of what has been gathered, with the outcome that the answer will have, and returns when they are
 * durable. result: what is answered; issues of severity error make a failure. Call it before the first byte leaves.
 * Called a second time it writes only when the outcome has become worse meanwhile (a stream that broke).
 * False: outcome has ERR_UNRECORDED (or ERR_NO_MEMORY), and nothing of what was asked may be answered. */
bool audit_commit(struct audit_trail *trail, const struct outcome *result, struct outcome *outcome) MUST_CHECK;

#endif
