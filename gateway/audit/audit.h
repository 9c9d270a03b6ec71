/* The audit: what must be recorded, durably, before anybody gets an answer; what is sent on to audit repositories; and
 * what patients may read of it. The store is opened once for a tenant; each of its configurations has an audit of its own
 * upon it (audit_store.h), shared by all requests.
 * The journal (journal.h) is what counts: who is answered is in it. Senders and the index follow it at their own pace. */
#ifndef PASSERELLE_AUDIT_H
#define PASSERELLE_AUDIT_H

#include "gateway/run/config.h"
#include "gateway/run/deadline.h"
#include "gateway/run/trace.h"
#include "mappers/audit_event.h"

struct audit_store;
struct audit;

/* Whether this configuration has an audit, and whether it gives what that needs: false with an issue when not. */
bool audit_config_check(const struct config *config, bool *wanted, struct outcome *outcome) MUST_CHECK;

/* The audit of one configuration; both are borrowed. *audit is NULL when the configuration switches it off. */
bool audit_open(const struct config *config, struct audit_store *store, struct audit **audit,
		struct outcome *outcome) MUST_CHECK;

/* Whether it could be opened, as far as the configuration and the certificates that it names tell; writes nothing. Every
 * fault is an issue whose path names the key. */
bool audit_check(const struct config *config, struct outcome *outcome) MUST_CHECK;

/* After the last request. NULL is allowed. */
void audit_close(struct audit *audit);

/* Somebody was turned away before anything was read of the request: 401, 403. Never blocks: what comes too fast is
 * counted, and the next event says how many there were. */
void audit_refused(struct audit *audit, enum error_code code, struct str address, const struct trace *trace);
/* The same for a transaction that was refused on its headers alone (413, 415, 503), before anybody looked for its patient. */
void audit_transaction_refused(struct audit *audit, enum audit_kind kind, enum error_code code, struct str address,
			       const struct trace *trace);
/* The same for a client certificate that was refused in the TLS handshake (DCM 110126, Node Authentication). */
void audit_node_refused(struct audit *audit, const char *why, struct str address);

/* Inside the room: this gateway's part of every record. */
void audit_source(const struct audit *audit, struct audit_record *record);
/* False with ERR_UNRECORDED while nothing can be written, or when the backlog has reached its bound. */
bool audit_ready(struct audit *audit, struct outcome *outcome) MUST_CHECK;
/* How full the journal is; false when the audit is off (NULL). */
struct audit_fill {
	uint64_t backlog_bytes;
	uint64_t bound_bytes;
	bool is_open; /* things can be recorded */
};
bool audit_fill(struct audit *audit, struct audit_fill *fill);

/* Writes events (JSON) and returns when they are durable. */
bool audit_write(struct audit *audit, const struct str *events, size_t count, struct deadline deadline,
		 struct outcome *outcome) MUST_CHECK;
/* The same without waiting: as soon as it can be done. */
void audit_post(struct audit *audit, const struct str *events, size_t count);

/* One search of the gateway's own events (ITI-81). Empty members do not filter; times are milliseconds since 1970. */
struct audit_query {
	struct str patient;               /* "system|value" of the affinity domain's identifier */
	int64_t from_ms;                  /* first */
	int64_t until_ms;                 /* first that is not meant; INT64_MAX: no end */
	const struct audit_token *tokens; /* all must match */
	size_t token_count;
	int64_t after_sequence; /* events recorded before this one (of an earlier page); INT64_MAX: from the newest */
	size_t count_max;
};

enum audit_token_kind {
	AUDIT_TOKEN_PATIENT,
	AUDIT_TOKEN_TYPE, /* code alone: no two systems that are used have one in common */
	AUDIT_TOKEN_SUBTYPE,
	AUDIT_TOKEN_OUTCOME,
	AUDIT_TOKEN_ACTION,
	AUDIT_TOKEN_AGENT,   /* "system|value" or "value" of agent.who.identifier */
	AUDIT_TOKEN_ENTITY,  /* reference, or "system|value" of entity.what.identifier */
	AUDIT_TOKEN_ADDRESS, /* of who asked */
	AUDIT_TOKEN_ID
};
struct audit_token {
	enum audit_token_kind kind;
	struct str value;
};

struct audit_found {
	int64_t sequence;
	struct str event; /* JSON */
};
struct audit_page {
	struct audit_found *items; /* newest first */
	size_t count;
	bool more;
	uint64_t total;
};

/* Finds what had been recorded when it was called (it waits a moment for the index to catch up). Everything in arena.
 * Errors: ERR_STORAGE, ERR_BUSY, ERR_NO_MEMORY. */
bool audit_search(struct audit *audit, const struct audit_query *query, struct arena *arena, struct audit_page *page,
		  struct outcome *outcome) MUST_CHECK;

#endif
