#include "gateway/domain/registry_rows.h"

#include "mappers/base/xds_time.h"
#include "mappers/ebrim_write.h"
#include "mappers/xds_message.h"

#define RIM_BYTES_MAX    (16U << 20) /* of one object */
#define SQL_BYTES_MAX    (1U << 20)
#define BINDS_MAX        30000       /* SQLite takes 32766 */
#define MOVE_ARENA_BYTES (64U << 20) /* one object, read and written */

static const char *const patient_schemes[] = { SCHEME_ENTRY_PATIENT_ID, SCHEME_SET_PATIENT_ID,
					       SCHEME_FOLDER_PATIENT_ID };

const char registry_schema[] =
	"CREATE TABLE object ("
	" id INTEGER PRIMARY KEY,"
	" uuid TEXT NOT NULL UNIQUE,"
	" lid TEXT NOT NULL,"
	" version INTEGER NOT NULL,"
	" kind INTEGER NOT NULL," /* enum object_kind */
	" deprecated INTEGER NOT NULL,"
	" patient TEXT," /* value^^^&oid&ISO */
	" unique_id TEXT,"
	" sha1 TEXT,"
	" size TEXT,"
	/* Times are padded to their first second, 14 digits. */
	" creation_time TEXT, service_start TEXT, service_stop TEXT, submission_time TEXT, last_update TEXT,"
	" source_id TEXT,"
	" type TEXT, source TEXT, target TEXT," /* of an association */
	" rim BLOB NOT NULL) STRICT;"
	"CREATE INDEX object_patient ON object(patient, kind);"
	"CREATE INDEX object_unique_id ON object(unique_id);"
	"CREATE INDEX object_lid ON object(lid);"
	"CREATE INDEX object_source ON object(source);"
	"CREATE INDEX object_target ON object(target);"
	"CREATE TABLE code (object INTEGER NOT NULL REFERENCES object(id), attribute TEXT NOT NULL,"
	" code TEXT NOT NULL, scheme TEXT NOT NULL) STRICT;"
	"CREATE INDEX code_object ON code(object, attribute);"
	"CREATE TABLE author (object INTEGER NOT NULL REFERENCES object(id), person TEXT NOT NULL) STRICT;"
	"CREATE INDEX author_object ON author(object);"
	"CREATE TABLE reference (object INTEGER NOT NULL REFERENCES object(id), value TEXT NOT NULL) STRICT;"
	"CREATE INDEX reference_object ON reference(object);"
	"CREATE TABLE document (unique_id TEXT PRIMARY KEY, content TEXT NOT NULL, sha1 TEXT NOT NULL,"
	" size INTEGER NOT NULL, mime_type TEXT NOT NULL) STRICT;"
	"CREATE INDEX document_content ON document(content);";

#define ROW_COLUMNS                                                                                                \
	"o.id, o.kind, o.deprecated, o.uuid, o.patient, o.unique_id, o.sha1, o.size, o.type, o.source, o.target, " \
	"o.rim, o.version, o.lid"

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later, or ask for less.");
}

void select_begin(struct select *select, struct arena *arena)
{
	*select = (struct select) { .arena = arena };
	buf_init(&select->sql, SQL_BYTES_MAX);
	select_add(select, "SELECT " ROW_COLUMNS " FROM object o WHERE 1");
}

void select_add(struct select *select, const char *sql)
{
	buf_add(&select->sql, str_from_c(sql));
}

void select_bind(struct select *select, struct str value)
{
	if (select->bind_count >= BINDS_MAX || !arena_grow(select->arena, &select->binds, select->bind_count,
							   &select->bind_capacity, sizeof *select->binds)) {
		select->failed = true;
		return;
	}
	select->binds[select->bind_count++] = value;
}

void select_bind_list(struct select *select, const struct strs *values)
{
	select_add(select, "(");
	for (size_t i = 0; i < values->count && !select->failed; i++) {
		select_add(select, i ? ",?" : "?");
		select_bind(select, values->items[i]);
	}
	select_add(select, ")");
}

void select_free(struct select *select)
{
	buf_free(&select->sql);
}

/* FNV-1a. Senders may choose UUIDs; count_max bounds what collisions could cost. */
static size_t hash_of(struct str uuid)
{
	uint64_t hash = 0xCBF29CE484222325U;

	for (size_t i = 0; i < uuid.size; i++)
		hash = (hash ^ (unsigned char)uuid.data[i]) * 0x100000001B3U;
	return (size_t)(hash ^ hash >> 32);
}

/* The slot of this UUID, or the empty one where it would go. */
static size_t *slot_of(const struct rows *rows, struct str uuid)
{
	size_t at = hash_of(uuid) % rows->slot_count;

	while (rows->slots[at] && !str_equal(rows->items[rows->slots[at] - 1].uuid, uuid))
		at = (at + 1) % rows->slot_count;
	return &rows->slots[at];
}

/* Makes the hash table at least twice as large as the list. */
static bool rows_index(struct rows *rows, struct arena *arena)
{
	size_t wanted = rows->slot_count ? rows->slot_count * 2 : 64;

	if (rows->slot_count > rows->count * 2)
		return true;
	size_t *slots = arena_array(arena, wanted, sizeof *slots);

	if (!slots)
		return false;
	rows->slots = slots;
	rows->slot_count = wanted;
	for (size_t i = 0; i < rows->count; i++)
		*slot_of(rows, rows->items[i].uuid) = i + 1;
	return true;
}

bool rows_hold(const struct rows *rows, struct str uuid)
{
	return rows->slot_count > 0 && *slot_of(rows, uuid) != 0;
}

bool rows_add(struct rows *rows, const struct row *row, struct arena *arena, struct outcome *outcome)
{
	if (rows_hold(rows, row->uuid))
		return true;
	if (rows->count_max && rows->count >= rows->count_max)
		return outcome_add(outcome, ERR_TOO_COSTLY, "", "Narrow the query: it finds more than %zu objects.",
				   rows->count_max);
	if (!rows_index(rows, arena) ||
	    !arena_grow(arena, &rows->items, rows->count, &rows->capacity, sizeof *rows->items))
		return no_memory(outcome);
	rows->items[rows->count++] = *row;
	*slot_of(rows, row->uuid) = rows->count;
	return true;
}

/* A column's text in the arena; an absent one stays absent. */
static struct str text_copy(struct statement *statement, int column, struct arena *arena, bool *failed)
{
	struct str text = statement_text(statement, column);

	if (!text.data)
		return text;
	text = arena_copy(arena, text);
	*failed = *failed || !text.data;
	return text;
}

static bool row_read(struct statement *statement, bool without_rim, struct arena *arena, struct row *row)
{
	bool failed = false;

	*row = (struct row) {
		.id = statement_i64(statement, 0),
		.kind = (enum object_kind)statement_i64(statement, 1),
		.deprecated = statement_i64(statement, 2) != 0,
		.uuid = text_copy(statement, 3, arena, &failed),
		.patient_id = text_copy(statement, 4, arena, &failed),
		.unique_id = text_copy(statement, 5, arena, &failed),
		.hash = text_copy(statement, 6, arena, &failed),
		.size = text_copy(statement, 7, arena, &failed),
		.association_type = text_copy(statement, 8, arena, &failed),
		.source = text_copy(statement, 9, arena, &failed),
		.target = text_copy(statement, 10, arena, &failed),
		.rim = without_rim ? STR_NONE : text_copy(statement, 11, arena, &failed),
		.version = statement_i64(statement, 12),
		.lid = text_copy(statement, 13, arena, &failed),
	};
	return !failed;
}

bool select_run(struct select *select, struct connection *connection, struct rows *rows, struct outcome *outcome)
{
	struct statement *statement;
	enum step step;

	select_add(select, " ORDER BY o.id");
	if (select->failed || select->sql.failed)
		return outcome_add(outcome, ERR_TOO_COSTLY, "", "Ask with fewer values.");
	if (!statement_prepare(connection, select->sql.data, &statement, outcome))
		return false;
	for (size_t i = 0; i < select->bind_count; i++)
		statement_bind_text(statement, (int)i + 1, select->binds[i]);
	while ((step = statement_step(statement, outcome)) == STEP_ROW) {
		struct row row;

		if (rows_hold(rows, statement_text(statement, 3)))
			continue;
		if (!row_read(statement, rows->without_rim, select->arena, &row))
			return outcome_add(outcome, ERR_TOO_COSTLY, "",
					   "Narrow the query: its answer does not fit into the memory of one request.");
		if (!rows_add(rows, &row, select->arena, outcome))
			return false;
	}
	return step == STEP_DONE;
}

/* The first row that sql finds with this value. */
static bool row_find(struct connection *connection, const char *sql, struct str value, struct arena *arena,
		     struct row *row, bool *found, struct outcome *outcome)
{
	struct statement *statement;

	if (!statement_prepare(connection, sql, &statement, outcome))
		return false;
	statement_bind_text(statement, 1, value);
	enum step step = statement_step(statement, outcome);

	*found = step == STEP_ROW;
	if (step == STEP_ROW && !row_read(statement, false, arena, row))
		return no_memory(outcome);
	if (step == STEP_ROW)
		statement_reset(statement);
	return step != STEP_FAILED;
}

bool row_by_uuid(struct connection *connection, struct str uuid, struct arena *arena, struct row *row, bool *found,
		 struct outcome *outcome)
{
	return row_find(connection, "SELECT " ROW_COLUMNS " FROM object o WHERE o.uuid = ?", uuid, arena, row, found,
			outcome);
}

bool row_by_lid(struct connection *connection, struct str lid, struct arena *arena, struct row *row, bool *found,
		struct outcome *outcome)
{
	return row_find(connection,
			"SELECT " ROW_COLUMNS " FROM object o WHERE o.lid = ? AND o.kind = 1"
			" ORDER BY o.version DESC LIMIT 1",
			lid, arena, row, found, outcome);
}

bool rows_by_unique_id(struct connection *connection, struct str unique_id, struct arena *arena, struct rows *rows,
		       struct outcome *outcome)
{
	struct select select;

	select_begin(&select, arena);
	select_add(&select, " AND o.unique_id = ?");
	select_bind(&select, unique_id);
	bool ok = select_run(&select, connection, rows, outcome);

	select_free(&select);
	return ok;
}

/* One object as text in the arena; data is NULL after an error. */
static struct str rim_text(const struct rim_object *rim, struct arena *arena, struct outcome *outcome)
{
	struct xml_writer writer;
	struct buf text;
	struct str copy = STR_NONE;

	buf_init(&text, RIM_BYTES_MAX);
	xml_writer_init(&writer, &text);
	ebrim_write_object(&writer, rim);
	if (xml_writer_finish(&writer, outcome)) {
		copy = arena_copy(arena, buf_str(&text));
		if (!copy.data)
			no_memory(outcome);
	}
	buf_free(&text);
	return copy;
}

/* Around the text of an object, so that the reader of messages can read it. */
#define RIM_TEXT_BEFORE                                                                        \
	"<lcm:SubmitObjectsRequest xmlns:lcm=\"urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0\" " \
	"xmlns:rim=\"urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0\"><rim:RegistryObjectList>"
#define RIM_TEXT_AFTER "</rim:RegistryObjectList></lcm:SubmitObjectsRequest>"

struct rim_object *row_rim(const struct row *row, struct arena *arena, struct outcome *outcome)
{
	struct str text = arena_printf(arena, RIM_TEXT_BEFORE "%.*s" RIM_TEXT_AFTER, STR_ARG(row->rim));
	struct xds_message *message = arena_alloc(arena, sizeof *message);

	if (!text.data || !message) {
		no_memory(outcome);
		return NULL;
	}
	if (!xds_message_read(text, NULL, arena, message, outcome))
		return NULL;
	if (message->objects.count != 1) {
		outcome_add(outcome, ERR_STORAGE, "", "Restore the data directory: an object in it cannot be read.");
		return NULL;
	}
	return &message->objects.objects[0];
}

static struct str slot_time(const struct rim_object *rim, struct str name, struct arena *arena)
{
	char low[XDS_TIME_SIZE];
	char high[XDS_TIME_SIZE];

	if (!xds_time_range(slot_value(&rim->slots, name), low, high))
		return STR_NONE;
	return arena_copy(arena, str_from_c(low));
}

static struct str source_id(const struct rim_object *rim)
{
	const struct rim_external_identifier *found = rim_external_identifier_find(rim, STR(SCHEME_SET_SOURCE_ID));

	return found ? found->value : STR_NONE;
}

static bool values_insert(struct connection *connection, const char *sql, int64_t object, const struct strs *values,
			  struct outcome *outcome)
{
	struct statement *statement;

	if (!statement_prepare(connection, sql, &statement, outcome))
		return false;
	for (size_t i = 0; i < values->count; i++) {
		statement_bind_i64(statement, 1, object);
		statement_bind_text(statement, 2, values->items[i]);
		if (!statement_run(statement, outcome))
			return false;
	}
	return true;
}

struct code_attribute {
	const char *scheme;
	const char *name;
};

static const struct code_attribute code_attributes[] = {
	{ SCHEME_ENTRY_CLASS, "classCode" },
	{ SCHEME_ENTRY_TYPE, "typeCode" },
	{ SCHEME_ENTRY_FORMAT, "formatCode" },
	{ SCHEME_ENTRY_CONFIDENTIALITY, "confidentialityCode" },
	{ SCHEME_ENTRY_EVENT, "eventCodeList" },
	{ SCHEME_ENTRY_FACILITY, "healthcareFacilityTypeCode" },
	{ SCHEME_ENTRY_PRACTICE, "practiceSettingCode" },
	{ SCHEME_SET_CONTENT_TYPE, "contentTypeCode" },
	{ SCHEME_FOLDER_CODE, "codeList" },
};

static bool code_insert(struct connection *connection, int64_t object, const char *attribute,
			const struct rim_classification *classification, struct outcome *outcome)
{
	struct statement *statement;

	if (!statement_prepare(connection, "INSERT INTO code(object, attribute, code, scheme) VALUES(?,?,?,?)",
			       &statement, outcome))
		return false;
	statement_bind_i64(statement, 1, object);
	statement_bind_text(statement, 2, str_from_c(attribute));
	statement_bind_text(statement, 3, classification->node_representation);
	statement_bind_text(statement, 4, slot_value(&classification->slots, STR("codingScheme")));
	return statement_run(statement, outcome);
}

/* The rows beside the object's own: codes, authors, reference ids. */
static bool parts_insert(struct connection *connection, int64_t object, const struct rim_object *rim,
			 struct outcome *outcome)
{
	const struct rim_slot *references = rim_slot_find(&rim->slots, STR("urn:ihe:iti:xds:2013:referenceIdList"));

	for (size_t i = 0; i < rim->classification_count; i++) {
		const struct rim_classification *classification = &rim->classifications[i];

		for (size_t k = 0; k < COUNT_OF(code_attributes); k++) {
			if (str_equal_nocase(classification->scheme, str_from_c(code_attributes[k].scheme)) &&
			    !code_insert(connection, object, code_attributes[k].name, classification, outcome))
				return false;
		}
		if (!str_equal_nocase(classification->scheme, STR(SCHEME_ENTRY_AUTHOR)) &&
		    !str_equal_nocase(classification->scheme, STR(SCHEME_SET_AUTHOR)))
			continue;
		const struct rim_slot *person = rim_slot_find(&classification->slots, STR("authorPerson"));

		if (person && !values_insert(connection, "INSERT INTO author(object, person) VALUES(?,?)", object,
					     &person->values, outcome))
			return false;
	}
	return !references || values_insert(connection, "INSERT INTO reference(object, value) VALUES(?,?)", object,
					    &references->values, outcome);
}

bool row_insert(struct connection *connection, const struct submitted *object, struct arena *arena,
		struct outcome *outcome)
{
	const struct rim_object *rim = object->rim;
	struct str text = rim_text(rim, arena, outcome);
	struct statement *statement;

	if (!text.data ||
	    !statement_prepare(
		    connection,
		    "INSERT INTO object(uuid, lid, version, kind, deprecated, patient, unique_id, sha1, size,"
		    " creation_time, service_start, service_stop, submission_time, last_update, source_id, type,"
		    " source, target, rim) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		    &statement, outcome))
		return false;
	statement_bind_text(statement, 1, rim->id);
	statement_bind_text(statement, 2, rim->lid);
	statement_bind_i64(statement, 3, object->version);
	statement_bind_i64(statement, 4, object->kind);
	statement_bind_i64(statement, 5, object->is_deprecated);
	statement_bind_text(statement, 6, object->patient_id);
	statement_bind_text(statement, 7, object->unique_id);
	statement_bind_text(statement, 8, object->hash);
	statement_bind_text(statement, 9, object->size);
	statement_bind_text(statement, 10, slot_time(rim, STR("creationTime"), arena));
	statement_bind_text(statement, 11, slot_time(rim, STR("serviceStartTime"), arena));
	statement_bind_text(statement, 12, slot_time(rim, STR("serviceStopTime"), arena));
	statement_bind_text(statement, 13, slot_time(rim, STR("submissionTime"), arena));
	statement_bind_text(statement, 14, slot_time(rim, STR("lastUpdateTime"), arena));
	statement_bind_text(statement, 15, source_id(rim));
	statement_bind_text(statement, 16, rim->association_type);
	statement_bind_text(statement, 17, rim->source_object);
	statement_bind_text(statement, 18, rim->target_object);
	statement_bind_blob(statement, 19, text);
	return statement_run(statement, outcome) &&
	       parts_insert(connection, connection_last_id(connection), rim, outcome);
}

bool row_set_status(struct connection *connection, const struct row *row, bool deprecated, struct arena *arena,
		    struct outcome *outcome)
{
	struct rim_object *rim = row_rim(row, arena, outcome);
	struct statement *statement;

	if (!rim)
		return false;
	rim->status = deprecated ? STR(STATUS_DEPRECATED) : STR(STATUS_APPROVED);
	struct str text = rim_text(rim, arena, outcome);

	if (!text.data || !statement_prepare(connection, "UPDATE object SET deprecated = ?, rim = ? WHERE id = ?",
					     &statement, outcome))
		return false;
	statement_bind_i64(statement, 1, deprecated);
	statement_bind_blob(statement, 2, text);
	statement_bind_i64(statement, 3, row->id);
	return statement_run(statement, outcome);
}

bool row_remove(struct connection *connection, const struct row *row, struct outcome *outcome)
{
	static const char *const sql[] = { "DELETE FROM code WHERE object = ?", "DELETE FROM author WHERE object = ?",
					   "DELETE FROM reference WHERE object = ?",
					   "DELETE FROM object WHERE id = ?" };

	for (size_t i = 0; i < COUNT_OF(sql); i++) {
		struct statement *statement;

		if (!statement_prepare(connection, sql[i], &statement, outcome))
			return false;
		statement_bind_i64(statement, 1, row->id);
		if (!statement_run(statement, outcome))
			return false;
	}
	return true;
}

bool row_touch(struct connection *connection, const struct row *folder, struct str now, struct arena *arena,
	       struct outcome *outcome)
{
	struct rim_object *rim = row_rim(folder, arena, outcome);
	struct statement *statement;

	if (!rim)
		return false;
	if (!slot_set(&rim->slots, STR("lastUpdateTime"), now, arena))
		return no_memory(outcome);
	struct str text = rim_text(rim, arena, outcome);

	if (!text.data || !statement_prepare(connection, "UPDATE object SET last_update = ?, rim = ? WHERE id = ?",
					     &statement, outcome))
		return false;
	statement_bind_text(statement, 1, now);
	statement_bind_blob(statement, 2, text);
	statement_bind_i64(statement, 3, folder->id);
	return statement_run(statement, outcome);
}

/* Gives the object of the statement's present row to another patient, and resets the statement. */
static bool row_move(struct connection *connection, struct statement *found, struct str to, struct arena *arena,
		     struct outcome *outcome)
{
	struct row row = { .id = statement_i64(found, 0), .rim = arena_copy(arena, statement_text(found, 1)) };
	struct statement *statement;

	statement_reset(found);
	struct rim_object *rim = row.rim.data ? row_rim(&row, arena, outcome) : NULL;

	if (!row.rim.data)
		return no_memory(outcome);
	if (!rim)
		return false;
	for (size_t i = 0; i < rim->external_identifier_count; i++) {
		struct rim_external_identifier *identifier = &rim->external_identifiers[i];

		for (size_t k = 0; k < COUNT_OF(patient_schemes); k++) {
			if (str_equal_nocase(identifier->scheme, str_from_c(patient_schemes[k])))
				identifier->value = to;
		}
	}
	struct str text = rim_text(rim, arena, outcome);

	if (!text.data ||
	    !statement_prepare(connection, "UPDATE object SET patient = ?, rim = ? WHERE id = ?", &statement, outcome))
		return false;
	statement_bind_text(statement, 1, to);
	statement_bind_blob(statement, 2, text);
	statement_bind_i64(statement, 3, row.id);
	return statement_run(statement, outcome);
}

bool rows_move_patient(struct connection *connection, struct str from, struct str to, size_t *count,
		       struct outcome *outcome)
{
	struct statement *found;

	/* One by one: a patient may have more than memory should hold at once. */
	for (*count = 0;; ++*count) {
		struct arena *arena;
		enum step step;
		bool good;

		if (!statement_prepare(connection, "SELECT id, rim FROM object WHERE patient = ? LIMIT 1", &found,
				       outcome))
			return false;
		statement_bind_text(found, 1, from);
		step = statement_step(found, outcome);
		if (step != STEP_ROW)
			return step == STEP_DONE;
		arena = arena_new(MOVE_ARENA_BYTES);
		good = arena ? row_move(connection, found, to, arena, outcome) : no_memory(outcome);
		arena_free(arena);
		if (!good) {
			statement_reset(found);
			return false;
		}
	}
}
