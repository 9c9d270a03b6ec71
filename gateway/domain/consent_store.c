#include "gateway/domain/consent_store.h"

#include <stdlib.h>

#include "gateway/run/clock.h"
#include "gateway/run/random.h"
#include "gateway/state/database.h"

#define SCHEMA_VERSION 1
#define READERS_MAX    16

/* A patient's version begins anywhere and grows by random steps, so that a restored or a new database does not give a
 * number again that a cache may still know. Up to 2^53, which is exact in every JSON reader: 8 billion writes. */
#define VERSION_START_MAX (1U << 31)
#define VERSION_STEP_MAX  (1U << 20)

static const char schema[] = "CREATE TABLE consent ("
			     " key INTEGER PRIMARY KEY,"
			     " id TEXT NOT NULL,"
			     " version INTEGER NOT NULL,"
			     " patient TEXT NOT NULL," /* value^^^&oid&ISO */
			     " newest INTEGER NOT NULL,"
			     " active INTEGER NOT NULL,"
			     " updated_ms INTEGER NOT NULL,"
			     " resource TEXT," /* NULL: deleted */
			     " UNIQUE (id, version)) STRICT;"
			     "CREATE INDEX consent_patient ON consent(patient, newest);"
			     "CREATE TABLE patient (patient TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT;";

/* Who was merged into whom: each subsumed patient with its last survivor, without steps between. */
static const char merge_schema[] = "CREATE TABLE IF NOT EXISTS merge (subsumed TEXT NOT NULL, survivor TEXT NOT NULL,"
				   " PRIMARY KEY (survivor, subsumed)) STRICT, WITHOUT ROWID";

/* A patient's Consents are those of everybody who was merged into them too. */
#define OF_PATIENT "(patient = ?1 OR patient IN (SELECT subsumed FROM merge WHERE survivor = ?1))"

#define COLUMNS "id, version, patient, active, updated_ms, resource"

static bool prepare_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct statement *statement;

	(void)context;
	return statement_prepare(connection, merge_schema, &statement, outcome) && statement_run(statement, outcome);
}

struct consent_store {
	struct database *database;
};

bool consent_store_open(const char *path, struct consent_store **store, struct outcome *outcome)
{
	struct consent_store *opened = calloc(1, sizeof(*opened));
	const struct database_options options = {
		.path = path, .schema = schema, .version = SCHEMA_VERSION, .readers_max = READERS_MAX
	};

	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	if (!database_open(&options, &opened->database, outcome) ||
	    !database_write(opened->database, prepare_work, NULL, outcome)) {
		consent_store_close(opened);
		return false;
	}
	*store = opened;
	return true;
}

void consent_store_close(struct consent_store *store)
{
	if (!store)
		return;
	database_close(store->database);
	free(store);
}

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
}

static struct str text_copy(struct statement *statement, int column, struct arena *arena)
{
	struct str text = statement_text(statement, column);

	return text.data ? arena_copy(arena, text) : STR_NONE;
}

/* The present row of a SELECT of COLUMNS. */
static void row_read(struct statement *statement, struct arena *arena, struct consent_version *row)
{
	*row = (struct consent_version) { .id = text_copy(statement, 0, arena),
					  .version_id = statement_i64(statement, 1),
					  .patient_id = text_copy(statement, 2, arena),
					  .is_active = statement_i64(statement, 3) != 0,
					  .updated_ms = statement_i64(statement, 4),
					  .resource = text_copy(statement, 5, arena) };
}

/* Runs a statement that gives at most one row with one number; other when there is none. */
static bool number_find(struct statement *statement, int64_t other, int64_t *number, struct outcome *outcome)
{
	enum step step = statement_step(statement, outcome);

	*number = step == STEP_ROW ? statement_i64(statement, 0) : other;
	if (step == STEP_ROW)
		statement_reset(statement);
	return step != STEP_FAILED;
}

static bool patient_version(struct connection *connection, struct str patient_id, int64_t *version,
			    struct outcome *outcome)
{
	struct statement *statement;

	if (!statement_prepare(connection, "SELECT version FROM patient WHERE patient = ?", &statement, outcome))
		return false;
	statement_bind_text(statement, 1, patient_id);
	return number_find(statement, 0, version, outcome);
}

struct writing {
	struct consent_version *new;
	int64_t expected;
	int64_t version;
};

/* What is there now, against what the writer expects. */
static bool present_check(struct connection *connection, const struct writing *writing, int64_t *present,
			  struct outcome *outcome)
{
	struct statement *statement;
	bool same_patient = true;
	bool was_deleted = false;
	enum step step;

	if (!statement_prepare(connection,
			       "SELECT version, " OF_PATIENT
			       ", resource IS NULL FROM consent WHERE id = ?2 AND newest = 1",
			       &statement, outcome))
		return false;
	statement_bind_text(statement, 1, writing->new->patient_id);
	statement_bind_text(statement, 2, writing->new->id);
	step = statement_step(statement, outcome);
	*present = 0;
	if (step == STEP_FAILED)
		return false;
	if (step == STEP_ROW) {
		*present = statement_i64(statement, 0);
		same_patient = statement_i64(statement, 1) != 0;
		was_deleted = statement_i64(statement, 2) != 0;
		statement_reset(statement);
	}
	/* A Consent that changed hands would be two patients' write at once. */
	if (!same_patient)
		return outcome_add(outcome, ERR_RULE, "Consent.patient",
				   "Leave the patient as it is: a Consent cannot become another patient's.");
	if (!writing->new->resource.data && (*present == 0 || was_deleted))
		return outcome_add(outcome, ERR_NOT_FOUND, "", "There is no such Consent.");
	return writing->expected == CONSENT_ANY_VERSION || writing->expected == *present ||
	       outcome_add(outcome, ERR_VERSION, "",
			   "The Consent has been changed by somebody else: read it again and repeat the change.");
}

static bool row_write(struct connection *connection, const struct consent_version *new, struct outcome *outcome)
{
	struct statement *statement;

	if (!statement_prepare(connection, "UPDATE consent SET newest = 0 WHERE id = ? AND newest = 1", &statement,
			       outcome))
		return false;
	statement_bind_text(statement, 1, new->id);
	if (!statement_run(statement, outcome) ||
	    !statement_prepare(connection, "INSERT INTO consent(" COLUMNS ", newest) VALUES (?, ?, ?, ?, ?, ?, 1)",
			       &statement, outcome))
		return false;
	statement_bind_text(statement, 1, new->id);
	statement_bind_i64(statement, 2, new->version_id);
	statement_bind_text(statement, 3, new->patient_id);
	statement_bind_i64(statement, 4, new->is_active);
	statement_bind_i64(statement, 5, new->updated_ms);
	statement_bind_text(statement, 6, new->resource);
	return statement_run(statement, outcome);
}

/* Decisions read all of a patient's Consents: there must not be too many. */
static bool bounds_check(struct connection *connection, struct str patient_id, struct outcome *outcome)
{
	struct statement *statement;
	bool fits;

	if (!statement_prepare(connection,
			       "SELECT count(*), total(length(resource)) FROM consent WHERE " OF_PATIENT
			       " AND newest = 1"
			       " AND resource IS NOT NULL",
			       &statement, outcome))
		return false;
	statement_bind_text(statement, 1, patient_id);
	if (statement_step(statement, outcome) != STEP_ROW)
		return false;
	fits = statement_i64(statement, 0) <= CONSENTS_PER_PATIENT_MAX &&
	       statement_i64(statement, 1) <= CONSENTS_BYTES_MAX;
	statement_reset(statement);
	return fits || outcome_add(outcome, ERR_TOO_COSTLY, "",
				   "Delete Consents of this patient that are not needed any more: there are too many.");
}

/* Gives the patient a new version. */
static bool patient_advance(struct connection *connection, struct str patient_id, int64_t *version,
			    struct outcome *outcome)
{
	struct statement *statement;
	int64_t before;

	if (!patient_version(connection, patient_id, &before, outcome))
		return false;
	*version = before ? before + 1 + random_below(VERSION_STEP_MAX)
			  : 1 + (int64_t)VERSION_STEP_MAX + random_below(VERSION_START_MAX);
	if (!statement_prepare(connection, "INSERT OR REPLACE INTO patient(patient, version) VALUES (?, ?)", &statement,
			       outcome))
		return false;
	statement_bind_text(statement, 1, patient_id);
	statement_bind_i64(statement, 2, *version);
	return statement_run(statement, outcome);
}

static bool write_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct writing *writing = context;
	struct consent_version *new = writing->new;
	int64_t present;

	if (!present_check(connection, writing, &present, outcome))
		return false;
	new->version_id = present + 1;
	new->updated_ms = clock_wall_ms();
	return row_write(connection, new, outcome) && bounds_check(connection, new->patient_id, outcome) &&
	       patient_advance(connection, new->patient_id, &writing->version, outcome);
}

bool consent_store_write(struct consent_store *store, struct consent_version *new, int64_t expected, int64_t *version,
			 struct outcome *outcome)
{
	struct writing writing = { .new = new, .expected = expected };

	if (new->resource.size > CONSENT_BYTES_MAX)
		return outcome_add(outcome, ERR_TOO_LONG, "", "Send a Consent of at most %d bytes.", CONSENT_BYTES_MAX);
	if (!database_write(store->database, write_work, &writing, outcome))
		return false;
	*version = writing.version;
	return true;
}

struct merging {
	struct str survivor;
	struct str subsumed;
	int64_t version;
};

static bool merge_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct merging *merging = context;
	struct statement *statement;

	if (!statement_prepare(connection,
			       "INSERT OR IGNORE INTO merge(survivor, subsumed) SELECT ?1, ?2"
			       " UNION SELECT ?1, subsumed FROM merge WHERE survivor = ?2",
			       &statement, outcome))
		return false;
	statement_bind_text(statement, 1, merging->survivor);
	statement_bind_text(statement, 2, merging->subsumed);
	return statement_run(statement, outcome) &&
	       patient_advance(connection, merging->survivor, &merging->version, outcome);
}

bool consent_store_merge(struct consent_store *store, struct str survivor, struct str subsumed, int64_t *version,
			 struct outcome *outcome)
{
	struct merging merging = { survivor, subsumed, 0 };

	if (!database_write(store->database, merge_work, &merging, outcome))
		return false;
	*version = merging.version;
	return true;
}

struct reading {
	struct str key; /* patient or id */
	int64_t known;
	bool content;
	int64_t version;
	struct arena *arena;
	struct consent_versions *found;
};

/* The rows of a SELECT of COLUMNS with one parameter. */
static bool rows_read(struct connection *connection, const char *sql, const struct reading *reading,
		      struct outcome *outcome)
{
	struct consent_versions *found = reading->found;
	struct statement *statement;
	size_t capacity = 0;
	enum step step;

	*found = (struct consent_versions) { 0 };
	if (!statement_prepare(connection, sql, &statement, outcome))
		return false;
	statement_bind_text(statement, 1, reading->key);
	for (step = statement_step(statement, outcome); step == STEP_ROW; step = statement_step(statement, outcome)) {
		if (!arena_grow(reading->arena, &found->items, found->count, &capacity, sizeof(*found->items))) {
			statement_reset(statement);
			return no_memory(outcome);
		}
		row_read(statement, reading->arena, &found->items[found->count++]);
	}
	return step == STEP_DONE && (!arena_failed(reading->arena) || no_memory(outcome));
}

static bool state_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct reading *reading = context;

	if (!patient_version(connection, reading->key, &reading->version, outcome))
		return false;
	if (!reading->content || reading->version == reading->known)
		return true;
	return rows_read(connection,
			 "SELECT " COLUMNS " FROM consent WHERE " OF_PATIENT " AND newest = 1 AND active = 1"
			 " AND resource IS NOT NULL ORDER BY key",
			 reading, outcome);
}

bool consent_store_state(struct consent_store *store, struct str patient_id, int64_t known, bool content,
			 struct arena *arena, int64_t *version, struct consent_versions *active,
			 struct outcome *outcome)
{
	struct reading reading = {
		.key = patient_id, .known = known, .content = content, .arena = arena, .found = active
	};

	*active = (struct consent_versions) { 0 };
	if (!database_read(store->database, state_work, &reading, outcome))
		return false;
	*version = reading.version;
	return true;
}

static bool read_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct reading *reading = context;
	struct statement *statement;
	enum step step;

	if (!statement_prepare(connection,
			       "SELECT " COLUMNS " FROM consent WHERE id = ?1"
			       " AND CASE WHEN ?2 = 0 THEN newest = 1 ELSE version = ?2 END",
			       &statement, outcome))
		return false;
	statement_bind_text(statement, 1, reading->key);
	statement_bind_i64(statement, 2, reading->version);
	step = statement_step(statement, outcome);
	if (step == STEP_DONE)
		return outcome_add(outcome, ERR_NOT_FOUND, "", "There is no such Consent.");
	if (step == STEP_FAILED)
		return false;
	row_read(statement, reading->arena, reading->found->items);
	statement_reset(statement);
	return true;
}

bool consent_store_read(struct consent_store *store, struct str id, int64_t version_id, struct arena *arena,
			struct consent_version *found, struct outcome *outcome)
{
	struct consent_versions one = { found, 1 };
	struct reading reading = { .key = id, .version = version_id, .arena = arena, .found = &one };

	if (!database_read(store->database, read_work, &reading, outcome))
		return false;
	if (arena_failed(arena))
		return no_memory(outcome);
	return found->resource.data || outcome_add(outcome, ERR_GONE, "", "This Consent has been deleted.");
}

static bool list_work(void *context, struct connection *connection, struct outcome *outcome)
{
	return rows_read(connection,
			 "SELECT " COLUMNS " FROM consent WHERE " OF_PATIENT " AND newest = 1 AND resource IS NOT NULL"
			 " ORDER BY key",
			 context, outcome);
}

bool consent_store_list(struct consent_store *store, struct str patient_id, struct arena *arena,
			struct consent_versions *found, struct outcome *outcome)
{
	struct reading reading = { .key = patient_id, .arena = arena, .found = found };

	return database_read(store->database, list_work, &reading, outcome);
}
