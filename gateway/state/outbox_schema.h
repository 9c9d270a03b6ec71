/* Inside gateway/state only: the tables, for both stores. seq: how rows are numbered; blob, number: the names of types.
 * state and role are numbers that stand in SQL as well: see enum outbox_state; role 0: makes, 1: needs.
 * turn is 1 for the item of a line that may be sent next or is being sent: at most one, which the store itself sees to.
 * held is 1 for a waiting item behind a dead letter of its chain; it has no turn. Nor has an announced one (state 5).
 * slot: the row of outbox_usage in which the item's bytes are summed (outbox_usage.h). */
#ifndef PASSERELLE_OUTBOX_SCHEMA_H
#define PASSERELLE_OUTBOX_SCHEMA_H

#define OUTBOX_SCHEMA_VERSION 2

#define OUTBOX_SCHEMA(seq, blob, number, strict)                                                                     \
	"CREATE TABLE outbox_item (seq " seq ", tenant TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,"         \
	" target TEXT NOT NULL, patient " blob " NOT NULL, state " number " NOT NULL, held " number " NOT NULL,"     \
	" turn " number " NOT NULL, unclear " number " NOT NULL, attempts " number " NOT NULL,"                      \
	" fence " number " NOT NULL, owner TEXT, accepted_ms " number " NOT NULL, due_ms " number " NOT NULL,"       \
	" lease_ms " number " NOT NULL, changed_ms " number " NOT NULL, revision " number " NOT NULL,"               \
	" part_count " number " NOT NULL, bytes " number " NOT NULL, reason " blob ", result " blob ", slot " number \
	" NOT NULL DEFAULT 0, UNIQUE (tenant, id)) " strict ";"                                                      \
	"CREATE INDEX outbox_item_line ON outbox_item (tenant, patient, target, state, held, seq)"                   \
	" WHERE state IN (0, 1, 3);"                                                                                 \
	"CREATE UNIQUE INDEX outbox_item_turn ON outbox_item (tenant, patient, target) WHERE turn = 1;"              \
	"CREATE INDEX outbox_item_due ON outbox_item (tenant, target, state, due_ms, seq) WHERE turn = 1;"           \
	"CREATE INDEX outbox_item_count ON outbox_item (tenant, target, state, accepted_ms);"                        \
	"CREATE INDEX outbox_item_settled ON outbox_item (tenant, changed_ms) WHERE state IN (2, 4);"                \
	"CREATE TABLE outbox_chunk (item " number " NOT NULL, part " number " NOT NULL, n " number " NOT NULL,"      \
	" last " number " NOT NULL, bytes " blob " NOT NULL, PRIMARY KEY (item, part, n)) " strict ";"               \
	"CREATE TABLE outbox_name (item " number " NOT NULL, role " number " NOT NULL, tenant TEXT NOT NULL,"        \
	" hash " blob " NOT NULL, PRIMARY KEY (item, role, hash)) " strict ";"                                       \
	"CREATE INDEX outbox_name_hash ON outbox_name (tenant, hash, role, item);"                                   \
	"CREATE TABLE outbox_usage (tenant TEXT NOT NULL, slot " number " NOT NULL, bytes " number " NOT NULL,"      \
	" PRIMARY KEY (tenant, slot)) " strict ";"

/* What makes each version the next one, from version 1 on. Stop all gateways and commands of an earlier version first: one
 * that still runs would neither sum up what its items take, nor let what is announced have its place. One that is started
 * finds the later version, and says that it is too old. */
#define OUTBOX_UPGRADES(number)                                                         \
	{                                                                               \
		"ALTER TABLE outbox_item ADD COLUMN slot " number " NOT NULL DEFAULT 0" \
	}

#endif
