/* Publications that wait for a back-end, kept durably until they are delivered or a person has decided: what outbox_put
 * has taken survives a kill and a power cut. SQLite in a directory of this gateway's own, or a PostgreSQL that gateways
 * share; behind this header nobody can tell. It stores bytes, keys and states, and knows no FHIR and no XDS.
 * Nothing that tells who a patient is lies there in clear: patients and objects are keyed hashes, the parts and the
 * result are sealed, each chunk for its place, so that none can be read, cut, moved or swapped.
 * A line is what one patient has waiting for one target: it is delivered in the order it came, one item at a time.
 * Reading the parts: outbox_reader.h. Taking turns: outbox_lease.h. Looking on and deciding: outbox_manage.h.
 * Any thread may call all. Errors: ERR_STORAGE (store away or broken, disk or outbox full), ERR_BUSY, ERR_NO_MEMORY. */
#ifndef PASSERELLE_OUTBOX_H
#define PASSERELLE_OUTBOX_H

#include "gateway/run/config.h"

struct outbox; /* one tenant's */
/* DELIVERED and WITHDRAWN ones are settled: parts and names are gone, and the row stays for outbox.keep_hours. */
enum outbox_state {
	OUTBOX_WAITING,
	OUTBOX_SENDING,
	OUTBOX_DELIVERED,
	OUTBOX_REFUSED, /* a dead letter: only a person moves it on */
	OUTBOX_WITHDRAWN,
	OUTBOX_ANNOUNCED /* put before what it follows from: its line stops there until it is released, forgotten or dropped */
};
#define OUTBOX_STATES       6
#define OUTBOX_ID_SIZE      37 /* lower-case UUID and NUL */
#define OUTBOX_WORD_MAX     64 /* bytes of a tenant, kind or target */
#define OUTBOX_NAMES_MAX    1024
#define OUTBOX_PARTS_MAX    1024
#define OUTBOX_REASON_MAX   1000                   /* bytes; longer ones are cut */
#define OUTBOX_RESULT_MAX   ((size_t)1024 * 1024)  /* bytes; a longer one is not kept */
#define OUTBOX_DELAY_MAX_MS (UINT64_C(15) * 60000) /* greatest wait between two attempts */

enum outbox_use {
	OUTBOX_OWNER,  /* the gateway: of a directory there is one at a time; leases of its earlier life are void */
	OUTBOX_VISITOR /* the command line, beside a running gateway; makes no new file */
};

/* Opens the store that the configuration names for this tenant. directory: of the tenant's state, made when missing; not
 * used with PostgreSQL. *outbox is NULL, and true is returned, where there is none: SQLite without directory (empty), or
 * nothing there for a visitor. Opening it again in the same process shares the store. config must outlive it. Close with
 * outbox_close, when no other call is running. False with an issue. A PostgreSQL is looked for when it is needed. */
bool outbox_open(const struct config *config, struct str tenant, struct str directory, enum outbox_use use,
		 struct outbox **outbox, struct outcome *outcome) MUST_CHECK;
void outbox_close(struct outbox *outbox); /* NULL is allowed */

enum outbox_bound {
	OUTBOX_BOUND_HALF, /* of outbox.bytes_max: half for each caller, and all of it for all */
	OUTBOX_BOUND_ALL,  /* all of it for all, whatever the caller has */
	OUTBOX_BOUND_NONE /* it follows from what was accepted, and is not settled, freeing its room, before this is in */
};

/* What goes in; all borrowed. kind and target are words of the caller's that are stored in clear.
 * patient, caller and the names are in clear here and hashed inside. A name stands for an object of the target's: what this item
 * brings into being (makes) or builds upon (needs). An item waits for the earlier ones of its line, and while one that
 * makes what it needs is a dead letter it is held: it stands aside, and the others of its line pass. */
struct outbox_new {
	struct str id; /* lower-case UUID; empty: a random one */
	struct str kind;
	struct str target, patient;
	struct str caller; /* whose bytes these are; empty: nobody's */
	enum outbox_bound bound;
	const struct str *makes, *needs;
	size_t make_count, need_count;
	size_t makes_max;        /* so many of this kind may wait that make the first of these names; 0: any number */
	const char *makes_full;  /* what is said (ERR_BUSY) when they do */
	bool is_unclear;         /* it was sent before, and may have reached the target */
	const struct str *parts; /* 0 the head, 1 the metadata, from 2 on documents, for instance views of spools */
	size_t part_count;
	bool is_announced;
};

/* Durable, and seen by others, when it returns true: all of it or nothing. id: of the item. When the id is there already
 * it is the same item, and nothing changes; only one that was announced, and is not now, is released. After ERR_STORAGE
 * the end is unclear only when the store died in the same moment: put it again under the same id. */
bool outbox_put(struct outbox *outbox, const struct outbox_new *item, char id[OUTBOX_ID_SIZE],
		struct outcome *outcome) MUST_CHECK;

struct outbox_item {
	char id[OUTBOX_ID_SIZE];
	int64_t seq; /* greater than of any that came before, whatever the clock says */
	struct str kind, target;
	enum outbox_state state;
	bool is_held;        /* WAITING behind a dead letter of its chain */
	bool is_unclear;     /* an attempt may have reached the target: ask it before sending again */
	unsigned attempts;   /* claims, but those that were given back, or put off as not counted */
	int64_t accepted_ms; /* wall clock, here and below */
	int64_t due_ms;      /* WAITING: not before */
	int64_t changed_ms;  /* when the state was entered */
	uint64_t bytes;      /* of all parts, as stored */
	size_t part_count;   /* 0 once they are gone */
	struct str reason;   /* of the last failure; empty: none */
	struct str owner;    /* SENDING: host and process that hold the lease */
};

/* True while something must be done before a new item of this line: earlier ones wait (not held) or are being sent, or one
 * that makes what it needs was not delivered. Then it belongs into the outbox, and must not be sent past it. */
bool outbox_must_wait(struct outbox *outbox, struct str patient, struct str target, const struct str *needs,
		      size_t need_count, bool *must_wait, struct outcome *outcome) MUST_CHECK;

#endif
