#include "mappers/provide_fill.h"

#include "mappers/base/hl7v2.h"
#include "mappers/base/oid.h"
#include "mappers/base/xds_time.h"

static void warn(struct outcome *outcome, const char *path, const char *element)
{
	outcome_warn(outcome, ERR_METADATA_MISSING, path,
		     "%s is missing and filled in by a default; send it to have your own.", element);
}

static bool fill_code(const struct code *value, const char *element, const char *path, struct code *code,
		      struct outcome *outcome)
{
	if (code->code.size || value->code.size == 0)
		return false;
	*code = *value;
	warn(outcome, path, element);
	return true;
}

static bool fill_codes(const struct code *value, const char *element, const char *path, struct arena *arena,
		       struct codes *codes, struct outcome *outcome)
{
	struct code one = { 0 };

	if (codes->count || !fill_code(value, element, path, &one, outcome))
		return true;
	codes->items = arena_array(arena, 1, sizeof *codes->items);
	if (!codes->items)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	codes->items[0] = one;
	codes->count = 1;
	return true;
}

bool provide_fill_document(const struct provide_defaults *defaults, struct str now, const char *path,
			   struct arena *arena, struct document_entry *entry, struct outcome *outcome)
{
	const struct {
		const struct code *value;
		const char *element;
		struct code *code;
	} codes[] = { { &defaults->class_code, "category", &entry->class_code },
		      { &defaults->type_code, "type", &entry->type_code },
		      { &defaults->format_code, "content.format", &entry->format_code },
		      { &defaults->facility_type_code, "context.facilityType", &entry->facility_type_code },
		      { &defaults->practice_setting_code, "context.practiceSetting", &entry->practice_setting_code } };

	for (size_t i = 0; i < COUNT_OF(codes); i++)
		fill_code(codes[i].value, codes[i].element, path, codes[i].code, outcome);
	if (entry->language_code.size == 0 && defaults->language_code.size) {
		entry->language_code = defaults->language_code;
		warn(outcome, path, "content.attachment.language");
	}
	if (entry->creation_time.size == 0) {
		if (entry->fhir_date.size == 0 ||
		    !xds_time_from_fhir(entry->fhir_date, 0, arena, &entry->creation_time))
			entry->creation_time = now;
		outcome_warn(outcome, ERR_METADATA_MISSING, path,
			     "content.attachment.creation was missing and the time of the %s was registered; send it "
			     "to have your own.",
			     entry->fhir_date.size ? "DocumentReference" : "submission");
	}
	return fill_codes(&defaults->confidentiality_code, "securityLabel", path, arena, &entry->confidentiality_codes,
			  outcome);
}

bool provide_institution(struct str organization, struct str name, struct arena *arena, struct str *xon)
{
	size_t bar = str_find(organization, '|');
	struct str oid = str_without_prefix((struct str) { organization.data, bar }, STR("urn:oid:"));
	struct hl7_xon written = { .name = name, .id = oid };

	*xon = STR_NONE;
	if (!oid_valid(oid))
		return true;
	if (bar < organization.size) {
		written.authority = (struct hl7_hd) { .universal_id = oid, .universal_id_type = STR("ISO") };
		written.id = str_from(organization, bar + 1);
	}
	*xon = hl7_xon_write(&written, arena);
	return xon->data;
}

bool provide_fill_institution(const struct provide_rules *rules, const char *path, struct arena *arena,
			      struct document_entry *entry, struct outcome *outcome)
{
	struct authors all = { .count = entry->authors.count + 1 };
	struct str *institution;

	for (size_t i = 0; i < entry->authors.count; i++) {
		if (entry->authors.items[i].institutions.count)
			return true;
	}
	if (!rules->defaults->institution.size)
		return true;
	if (!rules->fill_minimal)
		return outcome_add(outcome, ERR_METADATA_MISSING, path,
				   "Name an Organization among the authors: nobody could tell whose the document is.");
	all.items = arena_array(arena, all.count, sizeof *all.items);
	institution = arena_array(arena, 1, sizeof *institution);
	if (!all.items || !institution)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	for (size_t i = 0; i < entry->authors.count; i++)
		all.items[i] = entry->authors.items[i];
	*institution = rules->defaults->institution;
	all.items[all.count - 1] = (struct author) { .institutions = { institution, 1 } };
	entry->authors = all;
	warn(outcome, path, "author (an Organization)");
	return true;
}

void provide_fill_submission_set(const struct provide_defaults *defaults, const char *path, struct submission_set *set,
				 struct outcome *outcome)
{
	fill_code(&defaults->content_type_code, "extension ihe-designationType", path, &set->content_type_code,
		  outcome);
}

bool provide_fill_folder(const struct provide_defaults *defaults, const char *path, struct arena *arena,
			 struct folder *folder, struct outcome *outcome)
{
	if (folder->title.size == 0 && defaults->folder_title.size) {
		folder->title = defaults->folder_title;
		warn(outcome, path, "title");
	}
	return fill_codes(&defaults->folder_code, "extension ihe-designationType", path, arena, &folder->code_list,
			  outcome);
}

static bool has_oid(struct str cx, struct arena *arena, bool *no_memory)
{
	struct hl7_cx parsed;

	if (!hl7_cx_parse(cx, arena, &parsed)) {
		*no_memory = true;
		return false;
	}
	return parsed.id.size && oid_valid(parsed.authority.universal_id);
}

/* The first PID-3 whose authority is an OID; STR_NONE when there is none. */
static struct str other_identifier(const struct document_entry *entry, struct arena *arena, bool *no_memory)
{
	for (size_t i = 0; i < entry->source_patient_info.count; i++) {
		struct str rest = entry->source_patient_info.items[i];
		struct str cx;

		if (!str_starts_with(rest, STR("PID-3|")))
			continue;
		rest = str_from(rest, 6);
		while (str_next(&rest, '~', &cx)) {
			if (has_oid(cx, arena, no_memory))
				return cx;
		}
	}
	return STR_NONE;
}

bool provide_fill_source_patient(const char *path, struct arena *arena, struct document_entry *entry,
				 struct outcome *outcome)
{
	bool no_memory = false;
	struct str other;

	if (has_oid(entry->source_patient_id, arena, &no_memory) || entry->patient_id.size == 0)
		return true;
	other = other_identifier(entry, arena, &no_memory);
	if (no_memory)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	entry->source_patient_id = other.size ? other : entry->patient_id;
	if (other.size)
		return true;
	return outcome_warn(outcome, ERR_METADATA_MISSING, path,
			    "context.sourcePatientInfo has no identifier whose system is an OID (urn:oid:) and the "
			    "patient's id "
			    "in the affinity domain was registered as sourcePatientId; send one to have your own.");
}

/* True when a CX is of the patient's domain and names somebody else. */
static bool is_another(struct str cx, const struct hl7_cx *patient, struct arena *arena)
{
	struct hl7_cx source;

	return cx.size && hl7_cx_parse(cx, arena, &source) &&
	       str_equal(source.authority.universal_id, patient->authority.universal_id) &&
	       source.authority.universal_id.size && !str_equal(source.id, patient->id);
}

bool provide_check_source_patient(const struct document_entry *entry, const char *path, struct arena *arena,
				  struct outcome *outcome)
{
	struct hl7_cx patient;
	bool another;

	if (!hl7_cx_parse(entry->patient_id, arena, &patient))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	another = is_another(entry->source_patient_id, &patient, arena);
	for (size_t i = 0; i < entry->source_patient_info.count; i++) {
		struct str rest = entry->source_patient_info.items[i];
		struct str cx;

		if (!str_starts_with(rest, STR("PID-3|")))
			continue;
		rest = str_from(rest, 6);
		while (str_next(&rest, '~', &cx))
			another = another || is_another(cx, &patient, arena);
	}
	return !another ||
	       outcome_add(outcome, ERR_RULE, path, "Make context.sourcePatientInfo and subject the same patient.");
}
