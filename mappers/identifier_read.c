#include "mappers/identifier_read.h"

#include "mappers/base/oid.h"
#include "mappers/base/uuid.h"
#include "mappers/person_read.h"

/* The code of the first coding of type; the code says it, whatever its system (several were in use). */
static struct str type_code(const json_t *identifier)
{
	return fhir_string(fhir_item(json_object_get(identifier, "type"), "coding", 0), "code");
}

static bool is_uri_system(struct str system)
{
	return system.size == 0 || str_equal(system, STR("urn:ietf:rfc:3986"));
}

/* What an item of identifier is: by its type (MHD 4.2.4), by its use (4.2.0 to 4.2.3), or by the prefix of its value. */
enum identifier_mark { MARK_OTHER, MARK_ENTRY_UUID, MARK_UNIQUE_ID };

static enum identifier_mark identifier_mark_of(const json_t *identifier)
{
	struct str type = type_code(identifier);
	struct str use = fhir_string(identifier, "use");
	struct identifier parts = fhir_identifier(identifier);
	bool is_uuid = uuid_valid(parts.value);

	if (str_equal(type, STR("entryUUID")))
		return MARK_ENTRY_UUID;
	if (str_equal(type, STR("uniqueId")))
		return MARK_UNIQUE_ID;
	/* use means something else in identifiers of other systems */
	if (type.size || !is_uri_system(parts.system))
		return MARK_OTHER;
	if (str_equal(use, STR("official")) && is_uuid)
		return MARK_ENTRY_UUID;
	if (str_equal(use, STR("usual")))
		return MARK_UNIQUE_ID;
	if (is_uuid)
		return MARK_ENTRY_UUID;
	return oid_shaped(without_oid_prefix(parts.value)) ? MARK_UNIQUE_ID : MARK_OTHER;
}

/* The one identifier with a mark; *place is where it stands. False with an issue when there are two. */
static bool find_marked(struct fhir_reader *reader, const struct attribute *row, enum identifier_mark mark,
			const json_t **found, struct fhir_place *place)
{
	struct fhir_cursor cursor;

	*found = NULL;
	fhir_cursor_init(&cursor, reader->resource, row->fhir_path);
	while (fhir_next(&cursor)) {
		if (identifier_mark_of(cursor.value) != mark)
			continue;
		if (*found && !str_equal(fhir_string(*found, "value"), fhir_string(cursor.value, "value")))
			return outcome_add(reader->outcome, ERR_METADATA_INVALID,
					   FHIR_PLACE_TEXT(reader, &cursor.place),
					   "Send one identifier that is the %.*s, and mark others by another type.",
					   STR_ARG(row->name));
		*found = cursor.value;
		*place = cursor.place;
	}
	return true;
}

bool entry_uuid_read(struct fhir_reader *reader, const struct attribute *row, void *field)
{
	struct fhir_place place;
	const json_t *found;

	if (!find_marked(reader, row, MARK_ENTRY_UUID, &found, &place))
		return false;
	if (!found)
		return true;
	*(struct str *)field = fhir_string(found, "value");
	if (uuid_valid(*(struct str *)field))
		return true;
	return outcome_add(reader->outcome, ERR_METADATA_INVALID, FHIR_PLACE_TEXT(reader, &place),
			   "Send the entryUUID as urn:uuid: and 36 characters, or leave it out.");
}

bool unique_oid_read(struct fhir_reader *reader, const struct attribute *row, void *field)
{
	struct fhir_place place;
	const json_t *found;
	struct str value;
	char oid[UUID_OID_SIZE];

	if (!find_marked(reader, row, MARK_UNIQUE_ID, &found, &place))
		return false;
	if (!found)
		return true;
	value = fhir_string(found, "value");
	*(struct str *)field = without_oid_prefix(value);
	if (oid_shaped(*(struct str *)field))
		return true;
	/* A folder may have a UUID in FHIR; XDS wants an OID, and every UUID has one. ITU-T X.667 */
	if (uuid_valid(value) && uuid_to_oid(value, oid)) {
		*(struct str *)field = arena_copy(reader->arena, str_from_c(oid));
		return ((struct str *)field)->data || fhir_no_memory(reader);
	}
	return outcome_add(reader->outcome, ERR_METADATA_INVALID, FHIR_PLACE_TEXT(reader, &place),
			   "Send the uniqueId as urn:oid: and an OID.");
}

bool other_identifiers_read(struct fhir_reader *reader, const struct attribute *row, void *field)
{
	struct fhir_cursor cursor;

	fhir_cursor_init(&cursor, reader->resource, row->fhir_path);
	while (fhir_next(&cursor)) {
		struct identifier identifier = fhir_identifier(cursor.value);
		struct str cx;

		if (identifier_mark_of(cursor.value) != MARK_OTHER || !identifier.value.size)
			continue;
		if (!identifier_to_cx(&identifier, reader->arena, &cx) || !strs_add(field, cx, reader->arena))
			return fhir_no_memory(reader);
	}
	return true;
}

/* The Identifier that a reference of context.related or context.encounter means: its own, or the one of the resource. */
static struct identifier referred_identifier(struct fhir_reader *reader, const json_t *reference)
{
	struct identifier identifier = fhir_identifier(json_object_get(reference, "identifier"));
	struct fhir_resolved resolved;

	if (identifier.value.size)
		return identifier;
	resolved = fhir_resolve(reader, reader->resource, reference);
	identifier = fhir_identifier(json_object_get(resolved.resource, "masterIdentifier"));
	return identifier.value.size ? identifier : fhir_first_identifier(resolved.resource);
}

/* CXi: id^^^authority^type. TF-3 4.2.3.2.28 */
static bool reference_id_add(struct fhir_reader *reader, const struct fhir_cursor *cursor, struct str fixed_type,
			     struct strs *list)
{
	struct identifier identifier = referred_identifier(reader, cursor->value);
	struct hl7_cx cxi = { .id = identifier.value, .authority = authority_from_system(identifier.system) };
	struct str text;

	if (!identifier.value.size) {
		outcome_warn(reader->outcome, ERR_METADATA_INVALID, FHIR_PLACE_TEXT(reader, &cursor->place),
			     "This reference was left out: XDS wants an identifier; send it as identifier of the "
			     "reference.");
		return true;
	}
	cxi.type_code = fixed_type.size ? fixed_type : type_code(json_object_get(cursor->value, "identifier"));
	if (is_uri_system(identifier.system)) {
		cxi.id = without_oid_prefix(cxi.id);
		if (!cxi.type_code.size)
			cxi.type_code = STR(REFERENCE_UNIQUE_ID);
	}
	if (!cxi.type_code.size)
		cxi.type_code = STR(REFERENCE_UNTYPED);
	text = hl7_cx_write(&cxi, reader->arena);
	return (text.data && strs_add(list, text, reader->arena)) || fhir_no_memory(reader);
}

bool reference_ids_read(struct fhir_reader *reader, const struct attribute *row, void *field)
{
	struct fhir_cursor cursor;

	fhir_cursor_init(&cursor, reader->resource, STR("context.encounter[]"));
	while (fhir_next(&cursor)) {
		if (!reference_id_add(reader, &cursor, STR(REFERENCE_ENCOUNTER), field))
			return false;
	}
	fhir_cursor_init(&cursor, reader->resource, row->fhir_path);
	while (fhir_next(&cursor)) {
		if (!reference_id_add(reader, &cursor, STR_NONE, field))
			return false;
	}
	return true;
}
