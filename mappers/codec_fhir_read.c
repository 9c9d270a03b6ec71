#include "mappers/codec_fhir.h"

#include "mappers/base/base64.h"
#include "mappers/base/hex.h"
#include "mappers/base/hl7v2.h"
#include "mappers/base/oid.h"
#include "mappers/base/uuid.h"
#include "mappers/base/xds_time.h"
#include "mappers/code_system.h"
#include "mappers/fhir_mark.h"
#include "mappers/identifier_read.h"
#include "mappers/metadata_rim.h"
#include "mappers/person_read.h"

#define TREE_DEPTH_MAX 64

static bool wrong(struct fhir_reader *reader, const struct fhir_place *place, const char *what)
{
	return outcome_add(reader->outcome, ERR_METADATA_INVALID, FHIR_PLACE_TEXT(reader, place), "%s", what);
}

static bool text_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *value, struct str *out)
{
	*out = fhir_text(value);
	return out->size || wrong(reader, place, "Send a string that is not empty.");
}

static bool oid_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *value, struct str *out)
{
	*out = fhir_text(value);
	return oid_urn_valid(*out) || wrong(reader, place, "Send an OID as urn:oid: and at most 64 digits and dots.");
}

static bool time_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *value, struct str *out)
{
	return xds_time_from_fhir(fhir_text(value), reader->context->default_offset_minutes, reader->arena, out) ||
	       wrong(reader, place, "Send a date as YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with its zone.");
}

/* Kept as FHIR says it: XDS has no attribute that would want another form. */
static bool instant_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *value,
			 struct str *out)
{
	struct str text = fhir_text(value);
	struct str dtm;

	if (str_find(text, 'T') == text.size ||
	    !xds_time_from_fhir(text, reader->context->default_offset_minutes, reader->arena, &dtm))
		return wrong(reader, place, "Send an instant as YYYY-MM-DDThh:mm:ss with its zone.");
	*out = text;
	return true;
}

/* MHD ConceptMap FhirStatusVsStatusCode; a List says retired where a DocumentReference says superseded. */
static bool status_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *value,
			struct str *out)
{
	struct str status = fhir_text(value);

	if (str_equal(status, STR("current")))
		*out = STR(STATUS_APPROVED);
	else if (str_equal(status, STR("superseded")) || str_equal(status, STR("retired")))
		*out = STR(STATUS_DEPRECATED);
	else
		return outcome_add(reader->outcome, ERR_RULE, FHIR_PLACE_TEXT(reader, place),
				   "Send the status current: XDS has no status that means the same as this one.");
	return true;
}

static bool is_hex(struct str text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (hex_value(text.data[i]) < 0)
			return false;
	}
	return text.size > 0;
}

/* Base64 of the 20 bytes of SHA-1 becomes 40 hexadecimal digits. TF-3 4.2.3.2.10 */
static bool hash_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *value, struct str *out)
{
	struct str text = fhir_text(value);
	struct str bytes = STR_NONE;
	char *hex;

	if (text.size == 40 && is_hex(text))
		return wrong(reader, place,
			     "Send the base64 of the 20 bytes of the SHA-1, not its hexadecimal digits.");
	if (!text.size || !base64_decode(text, reader->arena, &bytes))
		return wrong(reader, place, "Send the SHA-1 as base64.");
	if (bytes.size == 40 && is_hex(bytes))
		return wrong(reader, place,
			     "Send the base64 of the 20 bytes of the SHA-1; this is the base64 of its hexadecimal "
			     "text");
	if (bytes.size != 20)
		return wrong(reader, place, "Send a SHA-1: 20 bytes, 28 characters of base64.");
	hex = arena_alloc(reader->arena, 40);
	if (!hex)
		return fhir_no_memory(reader);
	hex_write((const unsigned char *)bytes.data, bytes.size, hex);
	*out = (struct str) { hex, 40 };
	return true;
}

static bool size_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *value, struct str *out)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > INT32_MAX)
		return wrong(reader, place, "Send the size in bytes as a whole number from 0 to 2147483647.");
	*out = arena_printf(reader->arena, "%lld", (long long)json_integer_value(value));
	return out->data || fhir_no_memory(reader);
}

static bool source_oid_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *value,
			    struct str *out)
{
	struct str text = without_oid_prefix(fhir_string(value, "value"));

	if (!oid_shaped(text))
		return wrong(reader, place, "Send an OID as value: urn:oid: and digits with dots.");
	*out = text;
	return true;
}

static bool unique_id_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *value,
			   struct str *out)
{
	struct identifier identifier = fhir_identifier(value);

	return identifier_to_unique_id(&identifier, reader->arena, out) ||
	       wrong(reader, place,
		     "Send a value with the system urn:ietf:rfc:3986 (urn:oid:... or urn:uuid:...), or with an OID as "
		     "system.");
}

/* The patient was resolved before; here the element is only seen to be there. */
static bool subject_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *value,
			 struct str *out)
{
	(void)place;
	(void)value;
	*out = reader->context->patient_id;
	return true;
}

static bool source_id_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *value,
			   struct str *out)
{
	return source_patient_id_read(reader, place, value, out);
}

static bool custodian_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *value,
			   struct str *out)
{
	return organization_read(reader, place, value, out);
}

static bool authenticator_form_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *value,
				    struct str *out)
{
	return authenticator_read(reader, place, value, out);
}

static bool (*const string_readers[FORM_COUNT])(struct fhir_reader *reader, const struct fhir_place *place,
						const json_t *value, struct str *out) = {
	[FORM_TEXT] = text_read,
	[FORM_CODE] = text_read,
	[FORM_OID] = oid_read,
	[FORM_TIME] = time_read,
	[FORM_INSTANT] = instant_read,
	[FORM_STATUS] = status_read,
	[FORM_HASH] = hash_read,
	[FORM_SIZE] = size_read,
	[FORM_IDENTIFIER] = source_oid_read,
	[FORM_UNIQUE_ID] = unique_id_read,
	[FORM_SUBJECT] = subject_read,
	[FORM_SOURCE_ID] = source_id_read,
	[FORM_AUTHENTICATOR] = authenticator_form_read,
	[FORM_CUSTODIAN] = custodian_read,
};

static bool coding_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *coding,
			struct code *code)
{
	struct fhir_place at_system = { .up = place, .step = STR("system") };
	struct fhir_place at_code = { .up = place, .step = STR("code") };
	struct str system = fhir_string(coding, "system");

	*code = (struct code) {
		.code = fhir_string(coding, "code"),
		.scheme = code_system_scheme(system),
		.display = fhir_string(coding, "display"),
	};
	if (!code->code.size)
		return wrong(reader, &at_code, "Send a code: XDS holds no text without one.");
	return system.size || wrong(reader, &at_system, "Send the system of the code: XDS wants its code system.");
}

/* Of several codings, which say the same, the first is taken. */
static bool concept_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *concept,
			 struct code *code)
{
	struct fhir_place at = { .up = place, .step = STR("coding[]") };

	if (!coding_read(reader, &at, fhir_item(concept, "coding", 0), code))
		return false;
	if (!code->display.size)
		code->display = fhir_string(concept, "text");
	return true;
}

static bool (*const code_readers[FORM_COUNT])(struct fhir_reader *reader, const struct fhir_place *place,
					      const json_t *value, struct code *code) = {
	[FORM_CONCEPT] = concept_read,
	[FORM_CODING] = coding_read,
};

static bool twice(struct fhir_reader *reader, const struct fhir_place *place)
{
	return wrong(reader, place, "Send this once: XDS has one value for it.");
}

static bool string_row_read(struct fhir_reader *reader, const struct attribute *row, struct str *field)
{
	struct fhir_cursor cursor;

	fhir_cursor_init(&cursor, reader->resource, row->fhir_path);
	if (fhir_next(&cursor) && !string_readers[row->form](reader, &cursor.place, cursor.value, field))
		return false;
	return !fhir_next(&cursor) || twice(reader, &cursor.place);
}

static bool code_row_read(struct fhir_reader *reader, const struct attribute *row, struct code *field)
{
	struct fhir_cursor cursor;

	fhir_cursor_init(&cursor, reader->resource, row->fhir_path);
	if (fhir_next(&cursor) && !code_readers[row->form](reader, &cursor.place, cursor.value, field))
		return false;
	return !fhir_next(&cursor) || twice(reader, &cursor.place);
}

static bool codes_row_read(struct fhir_reader *reader, const struct attribute *row, struct codes *field)
{
	struct fhir_cursor cursor;
	size_t capacity = 0;
	bool ok = true;

	fhir_cursor_init(&cursor, reader->resource, row->fhir_path);
	while (fhir_next(&cursor)) {
		struct code code;

		if (!code_readers[row->form](reader, &cursor.place, cursor.value, &code)) {
			ok = false;
			continue;
		}
		if (!arena_grow(reader->arena, &field->items, field->count, &capacity, sizeof code))
			return fhir_no_memory(reader);
		field->items[field->count++] = code;
	}
	return ok;
}

static bool author_add(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
		       struct authors *authors, size_t *capacity)
{
	struct author author;

	if (!author_read(reader, place, reference, &author))
		return false;
	if (!arena_grow(reader->arena, &authors->items, authors->count, capacity, sizeof author))
		return fhir_no_memory(reader);
	authors->items[authors->count++] = author;
	return true;
}

static bool author_row_read(struct fhir_reader *reader, const struct attribute *row, void *field)
{
	struct fhir_cursor cursor;
	size_t capacity = 0;
	bool ok = true;

	fhir_cursor_init(&cursor, reader->resource, row->fhir_path);
	while (fhir_next(&cursor))
		ok = author_add(reader, &cursor.place, cursor.value, field, &capacity) && ok;
	return ok;
}

/* source and its extension authorOrg make one author. MHD SubmissionSet.source */
static bool source_read(struct fhir_reader *reader, const json_t *source, struct authors *authors, size_t *capacity)
{
	struct fhir_place place = { .step = STR("source") };
	struct fhir_cursor organization;
	struct author author = { 0 };
	bool plain = fhir_has_reference(source) || json_object_get(source, "identifier") ||
		     json_object_get(source, "display");

	if (plain && !author_read(reader, &place, source, &author))
		return false;
	fhir_cursor_init(&organization, source, STR("extension[ihe-authorOrg].valueReference"));
	organization.place.up = &place;
	while (fhir_next(&organization)) {
		struct str xon;

		if (!organization_read(reader, &organization.place, organization.value, &xon))
			return false;
		if (xon.size && !strs_add(&author.institutions, xon, reader->arena))
			return fhir_no_memory(reader);
	}
	if (!plain && !author.institutions.count)
		return true;
	if (!arena_grow(reader->arena, &authors->items, authors->count, capacity, sizeof author))
		return fhir_no_memory(reader);
	authors->items[authors->count++] = author;
	return true;
}

static bool sender_row_read(struct fhir_reader *reader, const struct attribute *row, void *field)
{
	const json_t *source = json_object_get(reader->resource, "source");
	struct fhir_cursor more;
	size_t capacity = 0;
	bool ok = true;

	(void)row;
	if (source)
		ok = source_read(reader, source, field, &capacity);
	fhir_cursor_init(&more, reader->resource, STR(FHIR_MORE_AUTHOR));
	while (fhir_next(&more))
		ok = author_add(reader, &more.place, more.value, field, &capacity) && ok;
	return ok;
}

static bool recipient_row_read(struct fhir_reader *reader, const struct attribute *row, void *field)
{
	struct fhir_cursor cursor;
	bool ok = true;

	fhir_cursor_init(&cursor, reader->resource, row->fhir_path);
	while (fhir_next(&cursor)) {
		struct str recipient;

		if (!recipient_read(reader, &cursor.place, cursor.value, &recipient))
			ok = false;
		else if (!strs_add(field, recipient, reader->arena))
			return fhir_no_memory(reader);
	}
	return ok;
}

static bool source_info_row_read(struct fhir_reader *reader, const struct attribute *row, void *field)
{
	struct fhir_cursor cursor;

	fhir_cursor_init(&cursor, reader->resource, row->fhir_path);
	return !fhir_next(&cursor) || source_patient_info_read(reader, &cursor.place, cursor.value, field);
}

/* Forms that look at more than one value of one path. */
static bool (*const row_readers[FORM_COUNT])(struct fhir_reader *reader, const struct attribute *row, void *field) = {
	[FORM_ENTRY_UUID] = entry_uuid_read,
	[FORM_UNIQUE_OID] = unique_oid_read,
	[FORM_OTHER_IDENTIFIER] = other_identifiers_read,
	[FORM_SOURCE_INFO] = source_info_row_read,
	[FORM_AUTHOR] = author_row_read,
	[FORM_SENDER] = sender_row_read,
	[FORM_RELATED] = reference_ids_read,
	[FORM_RECIPIENT] = recipient_row_read,
};

bool object_from_fhir(const struct attribute_table *table, struct fhir_reader *reader, void *object)
{
	bool ok = true;

	for (size_t i = 0; i < table->count; i++) {
		const struct attribute *row = &table->rows[i];
		void *field = (char *)object + row->offset;

		if (row_readers[row->form])
			ok = row_readers[row->form](reader, row, field) && ok;
		else if (row->shape == SHAPE_CODES)
			ok = codes_row_read(reader, row, field) && ok;
		else if (row->shape == SHAPE_CODE)
			ok = code_row_read(reader, row, field) && ok;
		else if (string_readers[row->form])
			ok = string_row_read(reader, row, field) && ok;
	}
	return !arena_failed(reader->arena) ? ok : fhir_no_memory(reader);
}

/* Looks for modifierExtension in the whole tree; depth is bounded by the reader of the body, too. */
static bool modifiers_refuse(const struct fhir_reader *reader, const struct fhir_place *place, const json_t *value,
			     size_t depth)
{
	struct fhir_place at = { .up = place };
	const char *name;
	json_t *member;
	bool ok = true;

	if (depth > TREE_DEPTH_MAX)
		return false;
	if (json_object_get(value, "modifierExtension")) {
		at.step = STR("modifierExtension");
		ok = outcome_add(reader->outcome, ERR_NOT_SUPPORTED, FHIR_PLACE_TEXT(reader, &at),
				 "Send this without modifierExtension: it could change the meaning, and none is known "
				 "here.");
	}
	json_object_foreach((json_t *)value, name, member)
	{
		at.step = str_from_c(name);
		at.is_item = json_is_array(member);
		if (at.is_item) {
			for (at.index = 0; at.index < json_array_size(member); at.index++)
				ok = modifiers_refuse(reader, &at, json_array_get(member, at.index), depth + 1) && ok;
		} else if (json_is_object(member)) {
			ok = modifiers_refuse(reader, &at, member, depth + 1) && ok;
		}
	}
	return ok;
}

bool fhir_refuse(const struct fhir_reader *reader, const struct fhir_refusal *refusals, size_t count)
{
	bool ok = true;

	for (size_t i = 0; i < count; i++) {
		const json_t *member = json_object_get(reader->resource, refusals[i].name);
		struct fhir_place place = { .step = str_from_c(refusals[i].name) };

		if (!member)
			continue;
		if (refusals[i].count_max == 0)
			ok = outcome_add(reader->outcome, ERR_NOT_SUPPORTED, FHIR_PLACE_TEXT(reader, &place),
					 "Leave out %s: the MHD profile does not allow it.", refusals[i].name);
		else if (json_array_size(member) > refusals[i].count_max)
			ok = outcome_add(reader->outcome, ERR_METADATA_INVALID, FHIR_PLACE_TEXT(reader, &place),
					 "Send %s once: the MHD profile does not allow more.", refusals[i].name);
	}
	return modifiers_refuse(reader, NULL, reader->resource, 0) && ok;
}
