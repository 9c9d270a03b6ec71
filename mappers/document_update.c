#include "mappers/document_update.h"

#include <stdio.h>

#include "mappers/fhir_mark.h"
#include "mappers/fhir_read.h"
#include "mappers/metadata_rim.h"
#include "mappers/provide_fill.h"
#include "mappers/update_plan.h"
#include "mappers/uri_authority.h"

#define RESOURCE       "DocumentReference"
#define PATH_BYTES_MAX 160

struct updating {
	const struct document_entry *current;
	struct document_entry before; /* what FHIR says of it */
	struct document_entry after;  /* what the client says */
	int default_offset_minutes;
	struct arena *arena;
	struct outcome *outcome;
};

static bool no_memory(const struct updating *updating)
{
	return outcome_add(updating->outcome, ERR_NO_MEMORY, "", "Try again later.");
}

static bool unchangeable(const struct updating *updating, const char *path, const char *text)
{
	return outcome_add(updating->outcome, ERR_RULE, path, "%s", text);
}

/* --- issues that are new --- */

static bool issue_is_known(const struct outcome *known, const struct issue *issue)
{
	for (size_t i = 0; i < known->count; i++) {
		if (known->issues[i].code == issue->code && strcmp(known->issues[i].path, issue->path) == 0)
			return true;
	}
	return false;
}

/* Adds the errors of found that known has not; true when there was none. */
static bool errors_take(const struct updating *updating, const struct outcome *known, const struct outcome *found)
{
	bool ok = found->lost_count == 0 || known->lost_count > 0;

	for (size_t i = 0; i < found->count; i++) {
		const struct issue *issue = &found->issues[i];

		if (issue->severity == SEVERITY_ERROR && !issue_is_known(known, issue))
			ok = outcome_add(updating->outcome, issue->code, issue->path, "%s", issue->text);
	}
	return ok ||
	       (updating->outcome->has_error ? false
					     : unchangeable(updating, RESOURCE, "Send a resource with fewer faults."));
}

/* --- status --- */

/* Takes status and docStatus out of the way: what is left is current. A document that was never right is deprecated: XDS
 * has no stronger word. */
static bool status_take(const struct updating *updating, json_t *sent, struct str *new_status)
{
	struct str status = fhir_string(sent, "status");
	bool is_error = str_equal(status, STR("entered-in-error")) ||
			str_equal(fhir_string(sent, "docStatus"), STR("entered-in-error"));
	bool deprecated = is_error || str_equal(status, STR("superseded"));

	if (!deprecated && !str_equal(status, STR("current")))
		return outcome_add(updating->outcome, ERR_RULE, RESOURCE ".status",
				   "Send the status current, superseded or entered-in-error.");
	*new_status = STR_NONE;
	if (deprecated != status_is_deprecated(updating->current->availability_status))
		*new_status = deprecated ? STR(STATUS_DEPRECATED) : STR(STATUS_APPROVED);
	if (is_error)
		json_object_del(sent, "docStatus");
	return json_object_set_new(sent, "status", json_string("current")) == 0 || no_memory(updating);
}

/* --- what may not change --- */

/* "content[].attachment.hash" becomes "DocumentReference.content[0].attachment.hash", "identifier[]" loses its brackets. */
static const char *path_of(const struct attribute *row, char path[PATH_BYTES_MAX])
{
	struct str name = row->fhir_path;
	size_t brackets = str_find(name, '[');
	struct str rest = str_from(name, brackets + 2);

	if (brackets == name.size)
		snprintf(path, PATH_BYTES_MAX, RESOURCE ".%.*s", STR_ARG(name));
	else
		snprintf(path, PATH_BYTES_MAX, RESOURCE ".%.*s%s%.*s", (int)brackets, name.data,
			 str_is_empty(rest) ? "" : "[0]", STR_ARG(rest));
	return path;
}

/* Elements that are settled between resources, and bytes: compared as they stand. */
static bool elements_check(const struct updating *updating, const json_t *shown, const json_t *sent)
{
	const json_t *attachment = json_object_get(fhir_item(sent, "content", 0), "attachment");
	const json_t *relations[] = { json_object_get(shown, "relatesTo"), json_object_get(sent, "relatesTo") };
	bool ok = true;

	if (relations[0] != relations[1] && !json_equal(relations[0], relations[1]))
		ok = unchangeable(updating, RESOURCE ".relatesTo",
				  "Leave relatesTo as it was read: relations come with the documents that they "
				  "relate.");
	if (json_object_get(attachment, "data"))
		ok = unchangeable(updating, RESOURCE ".content[0].attachment.data",
				  "Publish new content as a document that replaces this one.");
	return ok;
}

enum rule { RULE_FREE, RULE_FIXED, RULE_FIXED_IF_SENT };

static enum rule rule_of(const struct attribute *row)
{
	switch (row->form) {
	case FORM_UNIQUE_ID:
	case FORM_OTHER_IDENTIFIER:
		return RULE_FIXED;
	case FORM_HASH:
	case FORM_SIZE:
	case FORM_ENTRY_UUID:
		return RULE_FIXED_IF_SENT;
	default:
		break;
	}
	if (row->offset == offsetof(struct document_entry, mime_type))
		return RULE_FIXED;
	return row->offset == offsetof(struct document_entry, home_community_id) ? RULE_FIXED_IF_SENT : RULE_FREE;
}

/* The one row that has more than one good value: an older read may know the entry by its logicalID. */
static bool is_own_uuid(const struct updating *updating, const struct attribute *row)
{
	return row->form == FORM_ENTRY_UUID &&
	       str_equal_nocase(updating->after.entry_uuid, updating->current->logical_id);
}

static bool fixed_check(const struct updating *updating)
{
	bool ok = true;

	for (size_t i = 0; i < document_entry_table.count; i++) {
		const struct attribute *row = &document_entry_table.rows[i];
		enum rule rule = rule_of(row);
		char path[PATH_BYTES_MAX];

		if (rule == RULE_FREE || attribute_equal(row, &updating->before, &updating->after) ||
		    (rule == RULE_FIXED_IF_SENT && attribute_is_empty(row, &updating->after)) ||
		    is_own_uuid(updating, row))
			continue;
		ok = unchangeable(updating, path_of(row, path),
				  "Leave this as it was read: it says which document this is.");
	}
	return ok;
}

/* --- the rest --- */

static bool entry_read(const struct updating *updating, const json_t *resource, struct document_entry *entry,
		       struct outcome *outcome)
{
	const struct fhir_context context = { .path = RESOURCE,
					      .patient_id = updating->current->patient_id,
					      .default_offset_minutes = updating->default_offset_minutes };

	outcome_init(outcome);
	if (document_entry_from_fhir(resource, &context, updating->arena, entry, outcome))
		return true;
	return !arena_failed(updating->arena);
}

/* What Consents tell documents apart by. */
static bool is_of_consent(const struct attribute *row)
{
	static const size_t offsets[] = {
		offsetof(struct document_entry, authors),
		offsetof(struct document_entry, confidentiality_codes),
		offsetof(struct document_entry, class_code),
		offsetof(struct document_entry, type_code),
		offsetof(struct document_entry, format_code),
		offsetof(struct document_entry, practice_setting_code),
		offsetof(struct document_entry, event_codes),
		offsetof(struct document_entry, creation_time),
		offsetof(struct document_entry, service_start_time),
		offsetof(struct document_entry, service_stop_time),
		offsetof(struct document_entry, reference_ids),
	};

	for (size_t i = 0; i < COUNT_OF(offsets); i++) {
		if (row->offset == offsets[i])
			return true;
	}
	return false;
}

static size_t member_size(const struct attribute *row)
{
	switch (row->shape) {
	case SHAPE_STRING:
		return sizeof(struct str);
	case SHAPE_STRINGS:
		return sizeof(struct strs);
	case SHAPE_CODE:
		return sizeof(struct code);
	case SHAPE_CODES:
		return sizeof(struct codes);
	case SHAPE_AUTHORS:
		return sizeof(struct authors);
	}
	return 0;
}

/* The registered entry with what the client has changed, its authorities shown as they are in FHIR and then hidden
 * again, all of them. */
static bool merge(const struct updating *updating, struct document_entry *changed, bool *moves_consent)
{
	struct rim_slot *extra = arena_array(updating->arena, updating->current->extra.count, sizeof *extra);
	size_t count = 0;

	*changed = *updating->current;
	if (!extra || !uri_authority_show(&document_entry_table, changed, updating->arena))
		return no_memory(updating);
	for (size_t i = 0; i < document_entry_table.count; i++) {
		const struct attribute *row = &document_entry_table.rows[i];

		if (rule_of(row) == RULE_FREE && row->form != FORM_NONE && row->form != FORM_URL &&
		    row->form != FORM_STATUS && row->form != FORM_SUBJECT &&
		    !attribute_equal(row, &updating->before, &updating->after)) {
			memcpy((char *)changed + row->offset, (const char *)&updating->after + row->offset,
			       member_size(row));
			*moves_consent = *moves_consent || is_of_consent(row);
		}
	}
	for (size_t i = 0; i < updating->current->extra.count; i++) {
		if (!str_equal(updating->current->extra.items[i].name, STR(URI_AUTHORITY_SLOT)))
			extra[count++] = updating->current->extra.items[i];
	}
	changed->extra = (struct rim_slots) { extra, count };
	return uri_authority_hide(&document_entry_table, changed, updating->arena) || no_memory(updating);
}

/* The result against what a registry wants; what was missing before may be missing still. */
static bool changed_validate(const struct updating *updating, const struct document_entry *changed)
{
	struct outcome before;
	struct outcome after;

	outcome_init(&before);
	outcome_init(&after);
	if (changed->limited_metadata)
		return true;
	(void)document_entry_validate(updating->current, LEVEL_XDS, RESOURCE, &before);
	(void)document_entry_validate(changed, LEVEL_XDS, RESOURCE, &after);
	if (!provide_check_source_patient(updating->current, RESOURCE ".context.sourcePatientInfo", updating->arena,
					  &before))
		before.has_error = true;
	if (!provide_check_source_patient(changed, RESOURCE ".context.sourcePatientInfo", updating->arena, &after))
		after.has_error = true;
	return errors_take(updating, &before, &after);
}

bool document_update_read(const struct document_entry *current, const json_t *shown, json_t *sent,
			  int default_offset_minutes, const struct code_sets *code_sets, struct arena *arena,
			  struct document_update *update, struct outcome *outcome)
{
	struct updating updating = {
		.current = current, .default_offset_minutes = default_offset_minutes, .arena = arena, .outcome = outcome
	};
	struct outcome known;
	struct outcome found;
	bool ok;

	*update = (struct document_update) { .new_status = STR_NONE };
	ok = status_take(&updating, sent, &update->new_status);
	ok = elements_check(&updating, shown, sent) && ok;
	if (!entry_read(&updating, shown, &updating.before, &known) ||
	    !entry_read(&updating, sent, &updating.after, &found))
		return no_memory(&updating);
	ok = errors_take(&updating, &known, &found) && ok;
	ok = fixed_check(&updating) && ok;
	if (!ok || !merge(&updating, &update->changed, &update->moves_consent) ||
	    !changed_validate(&updating, &update->changed) ||
	    !code_sets_check(code_sets, &document_entry_table, &update->changed, current, RESOURCE, outcome))
		return false;
	update->is_new_version = !update_plan_is_empty(current, &update->changed, arena);
	return true;
}

static void claim_add(struct patient_claim *claim, const json_t *identifier)
{
	struct identifier found = fhir_identifier(identifier);

	if (found.value.size && claim->identifier_count < PATIENT_IDENTIFIERS_MAX)
		claim->identifiers[claim->identifier_count++] =
			(struct patient_identifier) { found.system, found.value };
}

bool document_update_subject(const json_t *resource, struct str base, struct arena *arena, struct patient_claim *claim)
{
	const json_t *subject = json_object_get(resource, "subject");
	struct str reference = fhir_string(subject, "reference");

	*claim = (struct patient_claim) { .path = NULL };
	claim->identifiers = arena_array(arena, PATIENT_IDENTIFIERS_MAX, sizeof(*claim->identifiers));
	if (!claim->identifiers)
		return false;
	claim_add(claim, json_object_get(subject, "identifier"));
	if (str_starts_with(reference, STR("#"))) {
		const json_t *patient = fhir_contained(resource, str_from(reference, 1));
		const json_t *identifiers = json_object_get(patient, "identifier");

		for (size_t i = 0; i < json_array_size(identifiers); i++)
			claim_add(claim, json_array_get(identifiers, i));
	} else if (reference.size && !patient_claim_refer(reference, base, claim)) {
		claim->own_id = STR_NONE;
	}
	if (claim->identifier_count || claim->own_id.data || claim->url.data)
		claim->path = RESOURCE ".subject";
	return true;
}
