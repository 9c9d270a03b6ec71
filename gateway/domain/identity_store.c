#include "gateway/domain/identity_store.h"

#include "mappers/fold.h"
#include "mappers/hl7v3.h"

#define PERSON_BYTES_MAX (1U << 20)

static const char *const schema[] = {
	("CREATE TABLE IF NOT EXISTS identity (id INTEGER PRIMARY KEY, authority TEXT NOT NULL, value TEXT NOT NULL,"
	 " survivor INTEGER REFERENCES identity(id), fed INTEGER NOT NULL DEFAULT 0,"
	 /* The traits as a message of ITI-44, and for searching: folded names, each after a line feed. */
	 " person BLOB, seeded INTEGER NOT NULL DEFAULT 0, family TEXT, birth TEXT,"
	 " UNIQUE(authority, value)) STRICT"),
	("CREATE TABLE IF NOT EXISTS identity_link (a INTEGER NOT NULL REFERENCES identity(id),"
	 " b INTEGER NOT NULL REFERENCES identity(id), PRIMARY KEY(a, b)) STRICT, WITHOUT ROWID"),
	"CREATE INDEX IF NOT EXISTS identity_link_b ON identity_link(b)",
	"CREATE TABLE IF NOT EXISTS identity_seed (item TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
};

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
}

static bool prepare_work(void *context, struct connection *connection, struct outcome *outcome)
{
	(void)context;
	for (size_t i = 0; i < COUNT_OF(schema); i++) {
		struct statement *statement;

		if (!statement_prepare(connection, schema[i], &statement, outcome) ||
		    !statement_run(statement, outcome))
			return false;
	}
	return true;
}

bool identity_store_prepare(struct database *database, struct outcome *outcome)
{
	return database_write(database, prepare_work, NULL, outcome);
}

bool identity_find(struct connection *connection, const struct patient_identity *identity, struct identity_row *row,
		   struct outcome *outcome)
{
	struct statement *statement;
	enum step step;

	*row = (struct identity_row) { 0 };
	if (!statement_prepare(connection, "SELECT id, survivor, fed FROM identity WHERE authority = ? AND value = ?",
			       &statement, outcome))
		return false;
	statement_bind_text(statement, 1, identity->authority);
	statement_bind_text(statement, 2, identity->value);
	step = statement_step(statement, outcome);
	if (step == STEP_ROW) {
		row->id = statement_i64(statement, 0);
		row->survivor = statement_i64(statement, 1);
		row->is_fed = statement_i64(statement, 2) != 0;
		statement_reset(statement);
	}
	return step != STEP_FAILED;
}

bool identity_enter(struct connection *connection, const struct patient_identity *identity, struct identity_row *row,
		    struct outcome *outcome)
{
	struct statement *statement;

	if (!identity_find(connection, identity, row, outcome))
		return false;
	if (row->id != 0)
		return true;
	if (!statement_prepare(connection, "INSERT INTO identity(authority, value) VALUES(?, ?)", &statement, outcome))
		return false;
	statement_bind_text(statement, 1, identity->authority);
	statement_bind_text(statement, 2, identity->value);
	if (!statement_run(statement, outcome))
		return false;
	row->id = connection_last_id(connection);
	return true;
}

/* Runs a statement with one or two numbers. */
static bool run_numbers(struct connection *connection, const char *sql, int64_t first, int64_t second,
			struct outcome *outcome)
{
	struct statement *statement;

	if (!statement_prepare(connection, sql, &statement, outcome))
		return false;
	statement_bind_i64(statement, 1, first);
	statement_bind_i64(statement, 2, second);
	return statement_run(statement, outcome);
}

bool identity_mark_fed(struct connection *connection, int64_t id, struct outcome *outcome)
{
	return run_numbers(connection, "UPDATE identity SET fed = ?2 WHERE id = ?1", id, 1, outcome);
}

bool identity_is_known(struct connection *connection, const struct patients *patients,
		       const struct patient_identity *identity, bool *is_known, struct outcome *outcome)
{
	struct identity_row row;

	if (!identity_find(connection, identity, &row, outcome))
		return false;
	*is_known =
		row.id != 0 ? row.survivor == 0 : patient_is_configured(patients, identity->value, identity->authority);
	return true;
}

bool identity_is_registered(struct connection *connection, const struct patients *patients,
			    const struct patient_identity *identity, bool *is_registered, struct outcome *outcome)
{
	struct identity_row row;

	if (!identity_find(connection, identity, &row, outcome))
		return false;
	*is_registered = str_equal(identity->authority, patients_authority(patients)) && row.survivor == 0 &&
			 (row.is_fed || patient_is_configured(patients, identity->value, identity->authority));
	return true;
}

bool identity_authority_is_known(struct connection *connection, const struct patients *patients, struct str authority,
				 bool *is_known, struct outcome *outcome)
{
	struct statement *statement;
	enum step step;

	*is_known = str_equal(authority, patients_authority(patients));
	if (*is_known)
		return true;
	if (!statement_prepare(connection, "SELECT 1 FROM identity WHERE authority = ? LIMIT 1", &statement, outcome))
		return false;
	statement_bind_text(statement, 1, authority);
	step = statement_step(statement, outcome);
	*is_known = step == STEP_ROW;
	statement_reset(statement);
	return step != STEP_FAILED;
}

bool identity_link(struct connection *connection, int64_t a, int64_t b, struct outcome *outcome)
{
	if (a == b)
		return true;
	return run_numbers(connection, "INSERT OR IGNORE INTO identity_link(a, b) VALUES(min(?1, ?2), max(?1, ?2))", a,
			   b, outcome);
}

bool identity_unlink_rows(struct connection *connection, int64_t a, int64_t b, bool *was_linked,
			  struct outcome *outcome)
{
	struct statement *statement;
	enum step step;

	if (!statement_prepare(connection, "SELECT 1 FROM identity_link WHERE a = min(?1, ?2) AND b = max(?1, ?2)",
			       &statement, outcome))
		return false;
	statement_bind_i64(statement, 1, a);
	statement_bind_i64(statement, 2, b);
	step = statement_step(statement, outcome);
	*was_linked = step == STEP_ROW;
	statement_reset(statement);
	return step != STEP_FAILED &&
	       run_numbers(connection, "DELETE FROM identity_link WHERE a = min(?1, ?2) AND b = max(?1, ?2)", a, b,
			   outcome);
}

bool identity_members(struct connection *connection, int64_t id, struct arena *arena, struct identity_members *members,
		      struct outcome *outcome)
{
	struct statement *statement;
	struct patient_identities *identities = &members->identities;
	enum step step;

	members->ids = arena_array(arena, IDENTITY_MEMBERS_MAX, sizeof *members->ids);
	*identities = (struct patient_identities) { .items = arena_array(arena, IDENTITY_MEMBERS_MAX,
									 sizeof *identities->items) };
	if (!members->ids || !identities->items)
		return no_memory(outcome);
	if (!statement_prepare(connection,
			       "WITH RECURSIVE person(id) AS (SELECT ?1 UNION"
			       " SELECT iif(l.a = p.id, l.b, l.a) FROM person p JOIN identity_link l"
			       " ON l.a = p.id OR l.b = p.id)"
			       " SELECT i.id, i.authority, i.value FROM person JOIN identity i USING(id)"
			       " WHERE i.survivor IS NULL ORDER BY i.id LIMIT ?2",
			       &statement, outcome))
		return false;
	statement_bind_i64(statement, 1, id);
	statement_bind_i64(statement, 2, IDENTITY_MEMBERS_MAX);
	while ((step = statement_step(statement, outcome)) == STEP_ROW) {
		struct patient_identity *identity = &identities->items[identities->count];

		members->ids[identities->count++] = statement_i64(statement, 0);
		identity->authority = arena_copy(arena, statement_text(statement, 1));
		identity->value = arena_copy(arena, statement_text(statement, 2));
		if (!identity->authority.data || !identity->value.data) {
			statement_reset(statement);
			return no_memory(outcome);
		}
	}
	return step == STEP_DONE;
}

bool identity_replace(struct connection *connection, int64_t survivor, int64_t subsumed, struct outcome *outcome)
{
	/* Links keep their smaller end first. */
	return run_numbers(connection,
			   "INSERT OR IGNORE INTO identity_link(a, b) SELECT min(o, ?1), max(o, ?1) FROM"
			   " (SELECT iif(a = ?2, b, a) AS o FROM identity_link WHERE a = ?2 OR b = ?2) WHERE o <> ?1",
			   survivor, subsumed, outcome) &&
	       run_numbers(connection, "DELETE FROM identity_link WHERE a = ?2 OR b = ?2", survivor, subsumed,
			   outcome) &&
	       run_numbers(connection,
			   "UPDATE identity SET survivor = ?1, person = NULL, family = NULL, birth = NULL"
			   " WHERE id = ?2",
			   survivor, subsumed, outcome);
}

/* --- persons --- */

static struct str person_text(const struct patient *patient, struct arena *arena, struct outcome *outcome)
{
	struct patient person = *patient;
	struct hl7v3_message message = { .kind = HL7V3_ADD, .query = PATIENT_QUERY_NONE };
	struct xml_writer writer;
	struct buf text;
	struct str copy = STR_NONE;

	/* The reader wants an identifier; the row is what says which. */
	person.identifiers =
		(struct patient_identities) { (struct patient_identity[]) { { STR("0.0"), STR("0") } }, 1 };
	message.patients = (struct patient_list) { .items = &person, .count = 1 };
	buf_init(&text, PERSON_BYTES_MAX);
	xml_writer_init(&writer, &text);
	hl7v3_write(&writer, &message);
	if (xml_writer_finish(&writer, outcome)) {
		copy = arena_copy(arena, buf_str(&text));
		if (!copy.data)
			no_memory(outcome);
	}
	buf_free(&text);
	return copy;
}

/* The folded family names, a line feed before each, for a quick first look. */
static struct str families_text(const struct patient *patient, struct arena *arena)
{
	struct str all = STR("");

	for (size_t i = 0; i < patient->name_count && all.data; i++) {
		struct str folded = fold(patient->names[i].family, arena);

		all = folded.data ? arena_printf(arena, "%.*s\n%.*s", STR_ARG(all), STR_ARG(folded)) : STR_NONE;
	}
	return all;
}

bool identity_person_store(struct connection *connection, int64_t id, const struct patient *patient, bool is_seed,
			   struct arena *arena, struct outcome *outcome)
{
	struct str text = person_text(patient, arena, outcome);
	struct str families = families_text(patient, arena);
	struct statement *statement;

	if (!text.data)
		return false;
	if (!families.data)
		return no_memory(outcome);
	if (!statement_prepare(connection,
			       "UPDATE identity SET person = ?2, seeded = ?3, family = ?4, birth = ?5"
			       " WHERE id = ?1 AND (?3 = 0 OR person IS NULL OR seeded = 1)",
			       &statement, outcome))
		return false;
	statement_bind_i64(statement, 1, id);
	statement_bind_blob(statement, 2, text);
	statement_bind_i64(statement, 3, is_seed ? 1 : 0);
	statement_bind_text(statement, 4, families);
	statement_bind_text(statement, 5, patient->birth_date);
	return statement_run(statement, outcome);
}

bool identity_person_read(struct connection *connection, int64_t id, struct arena *arena, struct patient *patient,
			  bool *is_there, struct outcome *outcome)
{
	struct hl7v3_message *message = arena_alloc(arena, sizeof *message);
	struct statement *statement;
	struct str text = STR_NONE;
	enum step step;

	*patient = (struct patient) { .match_percent = -1 };
	*is_there = false;
	if (!message)
		return no_memory(outcome);
	if (!statement_prepare(connection, "SELECT person FROM identity WHERE id = ? AND person IS NOT NULL",
			       &statement, outcome))
		return false;
	statement_bind_i64(statement, 1, id);
	step = statement_step(statement, outcome);
	if (step == STEP_ROW)
		text = arena_copy(arena, statement_text(statement, 0));
	statement_reset(statement);
	if (step != STEP_ROW)
		return step == STEP_DONE;
	if (!text.data)
		return no_memory(outcome);
	if (!hl7v3_read(text, arena, message, outcome))
		return false;
	*patient = message->patients.items[0];
	patient->identifiers = (struct patient_identities) { 0 };
	*is_there = true;
	return true;
}

bool identity_seed_once(struct connection *connection, struct str item, bool *was_new, struct outcome *outcome)
{
	struct statement *statement;
	enum step step;

	if (!statement_prepare(connection, "SELECT 1 FROM identity_seed WHERE item = ?", &statement, outcome))
		return false;
	statement_bind_text(statement, 1, item);
	step = statement_step(statement, outcome);
	*was_new = step == STEP_DONE;
	statement_reset(statement);
	if (step != STEP_DONE)
		return step == STEP_ROW;
	if (!statement_prepare(connection, "INSERT INTO identity_seed(item) VALUES(?)", &statement, outcome))
		return false;
	statement_bind_text(statement, 1, item);
	return statement_run(statement, outcome);
}
