#include "mappers/codec_fhir.h"

#include "mappers/base/base64.h"
#include "mappers/base/hex.h"
#include "mappers/base/oid.h"
#include "mappers/base/uuid.h"
#include "mappers/base/xds_time.h"
#include "mappers/code_system.h"
#include "mappers/identifier_read.h"
#include "mappers/metadata_rim.h"
#include "mappers/person_write.h"

/* One value of a row is written; field is the member. */
static void text_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	emit_text(emitter, row->fhir_path, *(const struct str *)field);
}

static void code_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	struct str code = *(const struct str *)field;

	if (is_code(code))
		emit_text(emitter, row->fhir_path, code);
	/* ebRIM: an object without mimeType is application/octet-stream; and an attachment must not be empty. */
	else if (str_equal(row->key, STR("mimeType")))
		emit_text(emitter, row->fhir_path, STR("application/octet-stream"));
}

/* homeCommunityId has its prefix on both sides; an OID without it is what some registries send. */
static void oid_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	struct str oid = *(const struct str *)field;

	if (!oid_urn_valid(oid) && !oid_valid(oid))
		return;
	emit_at(emitter, row->fhir_path);
	json_begin_text(emitter->writer);
	if (oid_valid(oid))
		json_text_part(emitter->writer, STR("urn:oid:"));
	json_text_part(emitter->writer, oid);
	json_end_text(emitter->writer);
}

static void url_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	(void)field;
	emit_text(emitter, row->fhir_path, emitter->links->attachment_url);
}

/* What is no time is left out: FHIR would not take it. */
static void time_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	struct str dtm = *(const struct str *)field;
	struct str fhir;

	if (dtm.size && xds_time_to_fhir(dtm, emitter->arena, &fhir))
		emit_text(emitter, row->fhir_path, fhir);
}

static void instant_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	struct str text = *(const struct str *)field;
	struct str dtm;

	if (text.size && str_find(text, 'T') < text.size && xds_time_from_fhir(text, 0, emitter->arena, &dtm))
		emit_text(emitter, row->fhir_path, text);
}

/* A status that is neither is not shown as current. Absent: a registry that keeps none has no deprecated objects. */
static void status_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	struct str status = *(const struct str *)field;
	bool current = !status.size || status_is_approved(status) || str_ends_with(status, STR(":Submitted"));

	emit_text(emitter, row->fhir_path,
		  current                                        ? STR("current")
		  : emitter->table->kind == RIM_REGISTRY_PACKAGE ? STR("retired")
								 : STR("superseded"));
}

static void hash_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	struct str hex = *(const struct str *)field;
	unsigned char bytes[20];
	char text[28];

	if (hex_read(hex, bytes, sizeof bytes))
		emit_text(emitter, row->fhir_path, (struct str) { text, base64_encode(bytes, sizeof bytes, text) });
}

/* unsignedInt of FHIR ends at 2147483647; a larger document has no size there. */
static void size_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	uint64_t size;

	if (!str_to_u64(*(const struct str *)field, &size) || size > INT32_MAX)
		return;
	emit_at(emitter, row->fhir_path);
	json_u64(emitter->writer, size);
}

/* use says it to readers of MHD 4.2.0 to 4.2.3, type to those of 4.2.4. */
static void marked_identifier(struct fhir_emitter *emitter, struct str path, const char *mark, struct str use,
			      const struct identifier *identifier)
{
	struct json_writer *writer = emitter->writer;

	emit_at(emitter, path);
	json_begin_object(writer);
	json_member(writer, STR("use"), use);
	json_member_object(writer, STR("type"));
	json_member_array(writer, STR("coding"));
	json_begin_object(writer);
	json_member(writer, STR("system"), STR(MHD_IDENTIFIER_TYPE));
	json_member(writer, STR("code"), str_from_c(mark));
	json_end_object(writer);
	json_end_array(writer);
	json_end_object(writer);
	identifier_members(writer, identifier);
	json_end_object(writer);
}

static void entry_uuid_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	struct identifier identifier = { STR("urn:ietf:rfc:3986"), *(const struct str *)field };

	/* a symbolic id means nothing outside of its submission */
	if (uuid_valid(identifier.value))
		marked_identifier(emitter, row->fhir_path, "entryUUID", STR("official"), &identifier);
}

/* The uniqueId of a document: as masterIdentifier, and again among the identifiers. */
static void unique_id_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	struct str unique_id = *(const struct str *)field;
	struct identifier identifier;

	if (!unique_id.size)
		return;
	if (!identifier_from_unique_id(unique_id, emitter->arena, &identifier)) {
		emit_fail(emitter);
		return;
	}
	marked_identifier(emitter, row->fhir_path, "uniqueId", STR("usual"), &identifier);
	marked_identifier(emitter, STR("identifier[]"), "uniqueId", STR("usual"), &identifier);
}

static void unique_oid_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	struct str unique_id = *(const struct str *)field;
	struct identifier identifier;

	if (!unique_id.size)
		return;
	if (identifier_from_unique_id(unique_id, emitter->arena, &identifier))
		marked_identifier(emitter, row->fhir_path, "uniqueId", STR("usual"), &identifier);
	else
		emit_fail(emitter);
}

static void other_identifiers_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	const struct strs *list = field;

	for (size_t i = 0; i < list->count; i++) {
		struct identifier identifier;

		if (!identifier_from_cx(list->items[i], emitter->arena, &identifier))
			continue;
		emit_at(emitter, row->fhir_path);
		json_begin_object(emitter->writer);
		identifier_members(emitter->writer, &identifier);
		json_end_object(emitter->writer);
	}
}

/* An OID as Identifier: sourceId. */
static void source_oid_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	struct str oid = *(const struct str *)field;
	struct identifier identifier;

	if (!oid.size)
		return;
	if (!identifier_from_unique_id(oid, emitter->arena, &identifier)) {
		emit_fail(emitter);
		return;
	}
	emit_at(emitter, row->fhir_path);
	json_begin_object(emitter->writer);
	identifier_members(emitter->writer, &identifier);
	json_end_object(emitter->writer);
}

/* False when nothing would be left of the code in FHIR. */
static bool code_says_something(const struct code *code)
{
	return code->code.size || code->display.size;
}

/* A display that only repeats the code was put there because XDS wants a name; a text that can be no code is one. */
static void coding_members(struct fhir_emitter *emitter, const struct code *code)
{
	struct str uri = code_system_known_uri(code->scheme);
	bool coded = is_code(code->code);

	if (uri.size) {
		json_member(emitter->writer, STR("system"), uri);
	} else if (oid_valid(code->scheme)) {
		json_key(emitter->writer, STR("system"));
		json_begin_text(emitter->writer);
		json_text_part(emitter->writer, STR("urn:oid:"));
		json_text_part(emitter->writer, code->scheme);
		json_end_text(emitter->writer);
	} else if (is_uri(code->scheme)) {
		json_member(emitter->writer, STR("system"), code->scheme);
	}
	if (coded)
		json_member(emitter->writer, STR("code"), code->code);
	if (!coded && !code->display.size)
		json_member(emitter->writer, STR("display"), code->code);
	else if (!coded || !str_equal(code->display, code->code))
		json_member(emitter->writer, STR("display"), code->display);
}

static void concept_write_one(struct fhir_emitter *emitter, const struct attribute *row, const struct code *code)
{
	struct json_writer *writer = emitter->writer;

	if (!code_says_something(code))
		return;
	emit_at(emitter, row->fhir_path);
	json_begin_object(writer);
	json_member_array(writer, STR("coding"));
	json_begin_object(writer);
	coding_members(emitter, code);
	json_end_object(writer);
	json_end_array(writer);
	json_end_object(writer);
}

static void concept_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	const struct codes *codes = field;

	if (row->shape == SHAPE_CODE) {
		concept_write_one(emitter, row, field);
		return;
	}
	for (size_t i = 0; i < codes->count; i++)
		concept_write_one(emitter, row, &codes->items[i]);
}

static void coding_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	const struct code *code = field;

	if (!code_says_something(code))
		return;
	emit_at(emitter, row->fhir_path);
	json_begin_object(emitter->writer);
	coding_members(emitter, code);
	json_end_object(emitter->writer);
}

static void subject_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	struct str cx = *(const struct str *)field;
	struct identifier identifier = { STR_NONE, STR_NONE };

	if (cx.size && !identifier_from_cx(cx, emitter->arena, &identifier))
		identifier = (struct identifier) { STR_NONE, STR_NONE };
	if (!emitter->links->subject.size && !identifier.value.size)
		return;
	emit_at(emitter, row->fhir_path);
	json_begin_object(emitter->writer);
	json_member(emitter->writer, STR("reference"), emitter->links->subject);
	json_member(emitter->writer, STR("type"), STR("Patient"));
	if (identifier.value.size) {
		json_member_object(emitter->writer, STR("identifier"));
		identifier_members(emitter->writer, &identifier);
		json_end_object(emitter->writer);
	}
	json_end_object(emitter->writer);
}

#define AUTHOR_ID(n)     ((struct contained_id) { STR("author"), (n) })
#define RECIPIENT_ID(n)  ((struct contained_id) { STR("recipient"), (n) })
#define PATIENT_ID       ((struct contained_id) { STR("patient"), 0 })
#define AUTHENTICATOR_ID ((struct contained_id) { STR("authenticator"), 0 })
#define CUSTODIAN_ID     ((struct contained_id) { STR("custodian"), 0 })

static bool has_source_patient(const struct document_entry *entry)
{
	return entry->source_patient_id.size || entry->source_patient_info.count;
}

static void source_info_contain(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	const struct document_entry *entry = emitter->object;

	(void)row;
	if (has_source_patient(entry))
		patient_contain(emitter, PATIENT_ID, entry->source_patient_id, field);
}

static void source_info_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	(void)field;
	if (!has_source_patient(emitter->object))
		return;
	emit_at(emitter, row->fhir_path);
	contained_reference(emitter, PATIENT_ID, STR_NONE);
}

static void author_contain_all(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	const struct authors *authors = field;

	for (size_t i = 0; i < authors->count; i++)
		author_contain(emitter, AUTHOR_ID(i + 1), &authors->items[i], row->form == FORM_SENDER && i == 0);
}

static void author_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	const struct authors *authors = field;

	for (size_t i = 0; i < authors->count; i++) {
		if (author_form_of(&authors->items[i], false) == AUTHOR_NOBODY)
			continue;
		emit_at(emitter, row->fhir_path);
		contained_reference(emitter, AUTHOR_ID(i + 1), STR_NONE);
	}
}

/* The first author is source, with its organization as authorOrg; the others stand in an extension of ours. */
static void sender_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	const struct authors *authors = field;
	struct json_writer *writer = emitter->writer;
	enum author_form form;

	for (size_t i = 1; i < authors->count; i++) {
		if (author_form_of(&authors->items[i], false) == AUTHOR_NOBODY)
			continue;
		emit_at(emitter, STR(FHIR_MORE_AUTHOR));
		contained_reference(emitter, AUTHOR_ID(i + 1), STR_NONE);
	}
	form = authors->count ? author_form_of(&authors->items[0], true) : AUTHOR_NOBODY;
	if (form == AUTHOR_NOBODY)
		return;
	emit_at(emitter, row->fhir_path);
	json_begin_object(writer);
	if (authors->items[0].institutions.count) {
		json_member_array(writer, STR("extension"));
		json_begin_object(writer);
		json_member(writer, STR("url"), STR(IHE_MHD_BASE "StructureDefinition/ihe-authorOrg"));
		json_key(writer, STR("valueReference"));
		contained_reference(emitter, AUTHOR_ID(1), STR("-organization1"));
		json_end_object(writer);
		json_end_array(writer);
	}
	if (form != AUTHOR_ORGANIZATION)
		json_member(writer, STR("reference"), STR("#author1"));
	json_end_object(writer);
}

static void authenticator_contain(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	struct author author = { .person = *(const struct str *)field };

	(void)row;
	if (author.person.size)
		author_contain(emitter, AUTHENTICATOR_ID, &author, false);
}

static void authenticator_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	if (!((const struct str *)field)->size)
		return;
	emit_at(emitter, row->fhir_path);
	contained_reference(emitter, AUTHENTICATOR_ID, STR_NONE);
}

static void custodian_contain(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	struct author author = { .institutions = { (struct str *)field, 1 } };

	(void)row;
	if (author.institutions.items[0].size)
		author_contain(emitter, CUSTODIAN_ID, &author, false);
}

static void custodian_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	if (!((const struct str *)field)->size)
		return;
	emit_at(emitter, row->fhir_path);
	contained_reference(emitter, CUSTODIAN_ID, STR_NONE);
}

static void recipients_each(struct fhir_emitter *emitter, const struct attribute *row, const struct strs *list,
			    bool contain)
{
	for (size_t i = 0; i < list->count; i++) {
		struct author author;

		if (!recipient_parse(list->items[i], emitter->arena, &author)) {
			emit_fail(emitter);
			return;
		}
		if (author_form_of(&author, false) == AUTHOR_NOBODY)
			continue;
		if (contain) {
			author_contain(emitter, RECIPIENT_ID(i + 1), &author, false);
			continue;
		}
		emit_at(emitter, row->fhir_path);
		contained_reference(emitter, RECIPIENT_ID(i + 1), STR_NONE);
	}
}

static void recipient_contain(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	recipients_each(emitter, row, field, true);
}

static void recipient_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	recipients_each(emitter, row, field, false);
}

/* {"identifier":{"type":..,"system":..,"value":..}} of a CXi */
static void reference_id_write(struct fhir_emitter *emitter, struct str path, const struct hl7_cx *cxi)
{
	struct json_writer *writer = emitter->writer;
	struct identifier identifier;

	if (!identifier_from_parts(cxi->id, &cxi->authority, emitter->arena, &identifier)) {
		emit_fail(emitter);
		return;
	}
	emit_at(emitter, path);
	json_begin_object(writer);
	json_member_object(writer, STR("identifier"));
	if (cxi->type_code.size && !str_equal(cxi->type_code, STR(REFERENCE_UNTYPED)) &&
	    !str_equal(cxi->type_code, STR(REFERENCE_ENCOUNTER))) {
		json_member_object(writer, STR("type"));
		json_member_array(writer, STR("coding"));
		json_begin_object(writer);
		json_member(writer, STR("system"), is_uri(cxi->type_code) ? STR("urn:ietf:rfc:3986") : STR_NONE);
		json_member(writer, STR("code"), cxi->type_code);
		json_end_object(writer);
		json_end_array(writer);
		json_end_object(writer);
	}
	identifier_members(writer, &identifier);
	json_end_object(writer);
	json_end_object(writer);
}

/* Encounters first, then the others: each is an element of its own. */
static void related_write(struct fhir_emitter *emitter, const struct attribute *row, const void *field)
{
	const struct strs *list = field;

	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < list->count; i++) {
			struct hl7_cx cxi;

			if (!hl7_cx_parse(list->items[i], emitter->arena, &cxi)) {
				emit_fail(emitter);
				return;
			}
			bool encounter = str_equal(cxi.type_code, STR(REFERENCE_ENCOUNTER));

			if (cxi.id.size && encounter == (pass == 0))
				reference_id_write(emitter, encounter ? STR("context.encounter[]") : row->fhir_path,
						   &cxi);
		}
	}
}

typedef void form_writer(struct fhir_emitter *emitter, const struct attribute *row, const void *field);

static form_writer *const writers[FORM_COUNT] = {
	[FORM_TEXT] = text_write,
	[FORM_CODE] = code_write,
	[FORM_OID] = oid_write,
	[FORM_URL] = url_write,
	[FORM_TIME] = time_write,
	[FORM_INSTANT] = instant_write,
	[FORM_STATUS] = status_write,
	[FORM_HASH] = hash_write,
	[FORM_SIZE] = size_write,
	[FORM_ENTRY_UUID] = entry_uuid_write,
	[FORM_UNIQUE_ID] = unique_id_write,
	[FORM_UNIQUE_OID] = unique_oid_write,
	[FORM_OTHER_IDENTIFIER] = other_identifiers_write,
	[FORM_IDENTIFIER] = source_oid_write,
	[FORM_CONCEPT] = concept_write,
	[FORM_CODING] = coding_write,
	[FORM_SUBJECT] = subject_write,
	[FORM_SOURCE_INFO] = source_info_write,
	[FORM_AUTHOR] = author_write,
	[FORM_SENDER] = sender_write,
	[FORM_AUTHENTICATOR] = authenticator_write,
	[FORM_CUSTODIAN] = custodian_write,
	[FORM_RELATED] = related_write,
	[FORM_RECIPIENT] = recipient_write,
};

static form_writer *const containers[FORM_COUNT] = {
	[FORM_SOURCE_INFO] = source_info_contain, [FORM_AUTHOR] = author_contain_all,
	[FORM_SENDER] = author_contain_all,       [FORM_AUTHENTICATOR] = authenticator_contain,
	[FORM_CUSTODIAN] = custodian_contain,     [FORM_RECIPIENT] = recipient_contain,
};

static void rows_walk(struct fhir_emitter *emitter, form_writer *const forms[FORM_COUNT])
{
	for (size_t i = 0; i < emitter->table->count; i++) {
		const struct attribute *row = &emitter->table->rows[i];

		if (forms[row->form])
			forms[row->form](emitter, row, (const char *)emitter->object + row->offset);
	}
	emit_close(emitter);
}

void object_to_fhir(struct fhir_emitter *emitter)
{
	rows_walk(emitter, containers);
	rows_walk(emitter, writers);
	/* A value that could not be built for want of memory must not look like one that is not there. */
	if (arena_failed(emitter->arena))
		emit_fail(emitter);
}
