/* The registry's table: one row per registered object, its ebRIM kept whole as text, and beside it what rules and
 * queries look at. */
#ifndef PASSERELLE_REGISTRY_ROWS_H
#define PASSERELLE_REGISTRY_ROWS_H

#include "gateway/domain/submission.h"
#include "gateway/state/database.h"
#include "mappers/base/buf.h"

#define REGISTRY_SCHEMA_VERSION 1

/* SQL that makes an empty registry and repository. */
extern const char registry_schema[];

struct row {
	int64_t id; /* grows in the order of registration */
	enum object_kind kind;
	bool deprecated;
	int64_t version; /* the highest of its logical id is the current one */
	struct str uuid;
	struct str lid;
	struct str patient_id; /* STR_NONE for an association */
	struct str unique_id;
	struct str hash;
	struct str size;
	struct str association_type;
	struct str source;
	struct str target;
	struct str rim; /* one ebRIM element with the prefix rim, not declared */
};

/* A list without doubles, in the order of finding. Begin with zeros. */
struct rows {
	struct row *items;
	size_t count;
	size_t capacity;
	size_t *slots; /* hash table by UUID: positions + 1 */
	size_t slot_count;
	size_t count_max; /* more rows are ERR_TOO_COSTLY; 0: no limit */
	bool without_rim; /* set it to leave rim of the rows out */
};

/* SQL text under construction, and what its question marks stand for. */
struct select {
	struct buf sql;
	struct str *binds;
	size_t bind_count;
	size_t bind_capacity;
	struct arena *arena;
	bool failed;
};

/* Begins "SELECT columns FROM object o WHERE 1"; go on with " AND ...". End with select_free. */
void select_begin(struct select *select, struct arena *arena);
void select_add(struct select *select, const char *sql);
void select_bind(struct select *select, struct str value);
/* Adds "(?,?,?)" for the values. */
void select_bind_list(struct select *select, const struct strs *values);
void select_free(struct select *select);

/* Runs it, ordered by id, and adds what it finds to rows, copied into the arena. */
bool select_run(struct select *select, struct connection *connection, struct rows *rows,
		struct outcome *outcome) MUST_CHECK;

bool rows_hold(const struct rows *rows, struct str uuid);

/* Adds one row, unless it is there; its text is shared. Errors: ERR_TOO_COSTLY, ERR_NO_MEMORY. */
bool rows_add(struct rows *rows, const struct row *row, struct arena *arena, struct outcome *outcome) MUST_CHECK;

/* The row with this UUID (lower case) or with this uniqueId; *found is false when there is none. */
bool row_by_uuid(struct connection *connection, struct str uuid, struct arena *arena, struct row *row, bool *found,
		 struct outcome *outcome) MUST_CHECK;
bool rows_by_unique_id(struct connection *connection, struct str unique_id, struct arena *arena, struct rows *rows,
		       struct outcome *outcome) MUST_CHECK;

/* The current version of the document entry with this logical id (lower case). */
bool row_by_lid(struct connection *connection, struct str lid, struct arena *arena, struct row *row, bool *found,
		struct outcome *outcome) MUST_CHECK;

/* The object of a row, read back from its text; NULL after an error. */
struct rim_object *row_rim(const struct row *row, struct arena *arena, struct outcome *outcome) MUST_CHECK;

/* Writing; only inside database_write. */
bool row_insert(struct connection *connection, const struct submitted *object, struct arena *arena,
		struct outcome *outcome) MUST_CHECK;
bool row_set_status(struct connection *connection, const struct row *row, bool deprecated, struct arena *arena,
		    struct outcome *outcome) MUST_CHECK;
bool row_remove(struct connection *connection, const struct row *row, struct outcome *outcome) MUST_CHECK;
/* Sets lastUpdateTime of a folder. */
bool row_touch(struct connection *connection, const struct row *folder, struct str now, struct arena *arena,
	       struct outcome *outcome) MUST_CHECK;
/* Every object of one patient becomes another's: patientId as queries see it and as it is answered. Both ids are
 * normalised (patients.h). *count: how many there were. */
bool rows_move_patient(struct connection *connection, struct str from, struct str to, size_t *count,
		       struct outcome *outcome) MUST_CHECK;

#endif
