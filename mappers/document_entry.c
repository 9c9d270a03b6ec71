#include "mappers/document_entry.h"

#include "mappers/base/xds_time.h"
#include "mappers/codec_fhir.h"
#include "mappers/identifier.h"
#include "mappers/metadata_rim.h"
#include "mappers/uri_authority.h"

#define PROFILE IHE_MHD_BASE "StructureDefinition/IHE.MHD."

/* MHD Minimal.DocumentReference: what it closes. implicitRules changes the meaning of everything. */
static const struct fhir_refusal refusals[] = {
	{ "docStatus", 0 },
	{ "implicitRules", 0 },
	{ "content", 1 },
};

bool document_entry_from_fhir(const json_t *resource, const struct fhir_context *context, struct arena *arena,
			      struct document_entry *entry, struct outcome *outcome)
{
	struct fhir_reader reader = {
		.context = context,
		.resource = resource,
		.arena = arena,
		.outcome = outcome,
	};
	bool ok;

	*entry = (struct document_entry) { .object_type = STR(OBJECT_TYPE_STABLE) };
	ok = fhir_refuse(&reader, refusals, COUNT_OF(refusals));
	return object_from_fhir(&document_entry_table, &reader, entry) && ok;
}

/* By what it is called, where nobody can tell its id. FHIR R4 references 2.3.0.2 */
static void logical_target_write(struct fhir_emitter *emitter, struct str unique_id)
{
	struct json_writer *writer = emitter->writer;
	struct identifier identifier;

	if (!identifier_from_unique_id(unique_id, emitter->arena, &identifier)) {
		emit_fail(emitter);
		return;
	}
	json_member_object(writer, STR("identifier"));
	json_member(writer, STR("system"), identifier.system);
	json_member(writer, STR("value"), identifier.value);
	json_end_object(writer);
}

/* relatesTo */
static void relations_write(struct fhir_emitter *emitter)
{
	struct json_writer *writer = emitter->writer;

	for (size_t i = 0; i < emitter->links->relation_count; i++) {
		const struct fhir_relation *relation = &emitter->links->relations[i];

		emit_at(emitter, STR("relatesTo[]"));
		json_begin_object(writer);
		json_member(writer, STR("code"), relation->code);
		json_member_object(writer, STR("target"));
		if (relation->reference.size)
			json_member(writer, STR("reference"), relation->reference);
		else
			logical_target_write(emitter, relation->unique_id);
		json_end_object(writer);
		json_end_object(writer);
	}
	emit_close(emitter);
}

/* The best profile that the resource truly meets; empty when none. */
static struct str profile_of(const struct document_entry *entry, const struct fhir_links *links)
{
	if (!links->attachment_url.size)
		return STR_NONE;
	if (metadata_object_meets(&document_entry_table, entry, LEVEL_COMPREHENSIVE) && entry->source_patient_id.size)
		return STR(PROFILE "Comprehensive.DocumentReference");
	if (metadata_object_meets(&document_entry_table, entry, LEVEL_MINIMAL))
		return STR(PROFILE "Minimal.DocumentReference");
	return STR_NONE;
}

void document_entry_to_fhir(const struct document_entry *entry, const struct fhir_links *links, struct arena *arena,
			    struct json_writer *writer)
{
	struct document_entry shown = *entry;
	struct fhir_emitter emitter = {
		.writer = writer,
		.arena = arena,
		.links = links,
		.table = &document_entry_table,
		.object = &shown,
	};

	if (!uri_authority_show(&document_entry_table, &shown, arena))
		writer->out->failed = true;
	json_begin_object(writer);
	json_member(writer, STR("resourceType"), STR("DocumentReference"));
	fhir_head_write(writer, links, profile_of(entry, links));
	object_to_fhir(&emitter);
	relations_write(&emitter);
	json_end_object(writer);
}

/* serviceStartTime is not after serviceStopTime, the start taken as early and the stop as late as its precision
 * allows. TF-3 4.2.3.2.20 */
static bool service_times_check(const struct document_entry *entry, const char *path, struct outcome *outcome)
{
	char start_low[XDS_TIME_SIZE], start_high[XDS_TIME_SIZE], stop_low[XDS_TIME_SIZE], stop_high[XDS_TIME_SIZE];

	if (!xds_time_range(entry->service_start_time, start_low, start_high) ||
	    !xds_time_range(entry->service_stop_time, stop_low, stop_high) || strcmp(start_low, stop_high) < 0)
		return true;
	return outcome_add(outcome, ERR_METADATA_INVALID, path ? path : "XDSDocumentEntry.serviceStopTime",
			   "Send a context.period whose end is not before its start.");
}

bool document_entry_validate(const struct document_entry *entry, enum metadata_level level, const char *path,
			     struct outcome *outcome)
{
	bool ok = metadata_object_validate(&document_entry_table, entry, level, path, outcome);

	return service_times_check(entry, path, outcome) && ok;
}
