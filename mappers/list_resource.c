#include "mappers/list_resource.h"

#include "mappers/codec_fhir.h"
#include "mappers/fhir_mark.h"
#include "mappers/uri_authority.h"

#define PROFILE IHE_MHD_BASE "StructureDefinition/IHE.MHD."

/* MHD Minimal.SubmissionSet and Minimal.Folder: what they close. */
static const struct fhir_refusal set_refusals[] = {
	{ "implicitRules", 0 }, { "encounter", 0 }, { "orderedBy", 0 }, { "emptyReason", 0 }, { "note", 1 },
};

static const struct fhir_refusal folder_refusals[] = {
	{ "implicitRules", 0 }, { "encounter", 0 }, { "orderedBy", 0 },
	{ "emptyReason", 0 },   { "source", 0 },    { "note", 1 },
};

enum list_kind list_kind_of(const json_t *list)
{
	const json_t *codings = json_object_get(json_object_get(list, "code"), "coding");

	for (size_t i = 0; i < json_array_size(codings); i++) {
		const json_t *coding = json_array_get(codings, i);
		struct str system = fhir_string(coding, "system");
		struct str code = fhir_string(coding, "code");

		if (system.size && !str_ends_with(system, STR("/CodeSystem/MHDlistTypes")))
			continue;
		if (str_equal(code, STR("submissionset")))
			return LIST_SUBMISSION_SET;
		if (str_equal(code, STR("folder")))
			return LIST_FOLDER;
	}
	return LIST_OTHER;
}

/* entry.flag, deleted and date: an XDS member is there or is not. */
static bool entries_check(const struct fhir_reader *reader)
{
	static const char *const names[] = { "flag", "deleted", "date" };
	const json_t *entries = json_object_get(reader->resource, "entry");
	bool ok = true;

	for (size_t i = 0; i < json_array_size(entries); i++) {
		struct fhir_place place = { .step = STR("entry"), .index = i, .is_item = true };

		for (size_t k = 0; k < COUNT_OF(names); k++) {
			if (json_object_get(json_array_get(entries, i), names[k]))
				ok = outcome_add(reader->outcome, ERR_NOT_SUPPORTED, FHIR_PLACE_TEXT(reader, &place),
						 "Leave out %s: the MHD profile does not allow it.", names[k]);
		}
	}
	return ok;
}

/* mode is working, in both profiles. */
static bool mode_check(const struct fhir_reader *reader)
{
	struct fhir_place place = { .step = STR("mode") };
	struct str mode = fhir_string(reader->resource, "mode");

	return !mode.size || str_equal(mode, STR("working")) ||
	       outcome_add(reader->outcome, ERR_METADATA_INVALID, FHIR_PLACE_TEXT(reader, &place),
			   "Send the mode working: the MHD profile allows no other.");
}

static bool list_from_fhir(const struct attribute_table *table, struct fhir_reader *reader,
			   const struct fhir_refusal *refusals, size_t count, void *object)
{
	bool ok = fhir_refuse(reader, refusals, count);

	ok = entries_check(reader) && ok;
	ok = mode_check(reader) && ok;
	return object_from_fhir(table, reader, object) && ok;
}

bool submission_set_from_fhir(const json_t *list, const struct fhir_context *context, struct arena *arena,
			      struct submission_set *set, struct outcome *outcome)
{
	struct fhir_reader reader = { .context = context, .resource = list, .arena = arena, .outcome = outcome };

	*set = (struct submission_set) { 0 };
	return list_from_fhir(&submission_set_table, &reader, set_refusals, COUNT_OF(set_refusals), set);
}

bool folder_from_fhir(const json_t *list, const struct fhir_context *context, struct arena *arena,
		      struct folder *folder, struct outcome *outcome)
{
	struct fhir_reader reader = { .context = context, .resource = list, .arena = arena, .outcome = outcome };

	*folder = (struct folder) { 0 };
	return list_from_fhir(&folder_table, &reader, folder_refusals, COUNT_OF(folder_refusals), folder);
}

static void code_write(struct json_writer *writer, struct str code)
{
	json_member_object(writer, STR("code"));
	json_member_array(writer, STR("coding"));
	json_begin_object(writer);
	json_member(writer, STR("system"), STR(MHD_LIST_TYPES));
	json_member(writer, STR("code"), code);
	json_end_object(writer);
	json_end_array(writer);
	json_end_object(writer);
}

static void members_write(struct json_writer *writer, const struct fhir_links *links)
{
	if (!links->member_count)
		return;
	json_member_array(writer, STR("entry"));
	for (size_t i = 0; i < links->member_count; i++) {
		json_begin_object(writer);
		json_member_object(writer, STR("item"));
		json_member(writer, STR("reference"), links->members[i]);
		json_end_object(writer);
		json_end_object(writer);
	}
	json_end_array(writer);
}

static void list_to_fhir(struct fhir_emitter *emitter, struct str code, struct str profile)
{
	struct json_writer *writer = emitter->writer;

	json_begin_object(writer);
	json_member(writer, STR("resourceType"), STR("List"));
	fhir_head_write(writer, emitter->links, profile);
	json_member(writer, STR("mode"), STR("working"));
	code_write(writer, code);
	object_to_fhir(emitter);
	members_write(writer, emitter->links);
	json_end_object(writer);
}

static bool meets(const struct fhir_emitter *emitter, enum metadata_level level)
{
	return metadata_object_meets(emitter->table, emitter->object, level);
}

void submission_set_to_fhir(const struct submission_set *set, const struct fhir_links *links, struct arena *arena,
			    struct json_writer *writer)
{
	struct submission_set shown = *set;
	struct fhir_emitter emitter = {
		.writer = writer, .arena = arena, .links = links, .table = &submission_set_table, .object = &shown
	};

	if (!uri_authority_show(&submission_set_table, &shown, arena))
		writer->out->failed = true;
	list_to_fhir(&emitter, STR("submissionset"),
		     meets(&emitter, LEVEL_COMPREHENSIVE) ? STR(PROFILE "Comprehensive.SubmissionSet")
		     : meets(&emitter, LEVEL_MINIMAL)     ? STR(PROFILE "Minimal.SubmissionSet")
							  : STR_NONE);
}

void folder_to_fhir(const struct folder *folder, const struct fhir_links *links, struct arena *arena,
		    struct json_writer *writer)
{
	struct fhir_emitter emitter = {
		.writer = writer, .arena = arena, .links = links, .table = &folder_table, .object = folder
	};

	list_to_fhir(&emitter, STR("folder"),
		     meets(&emitter, LEVEL_COMPREHENSIVE) ? STR(PROFILE "Comprehensive.Folder")
							  : STR(PROFILE "Minimal.Folder"));
}

bool submission_set_validate(const struct submission_set *set, enum metadata_level level, const char *path,
			     struct outcome *outcome)
{
	return metadata_object_validate(&submission_set_table, set, level, path, outcome);
}

bool folder_validate(const struct folder *folder, enum metadata_level level, const char *path, struct outcome *outcome)
{
	return metadata_object_validate(&folder_table, folder, level, path, outcome);
}
