#include "gateway/cli/map.h"
#include "gateway/run/clock.h"
#include "gateway/run/spool.h"
#include "mappers/base/base64.h"
#include "mappers/base/xds_time.h"
#include "mappers/document_entry.h"
#include "mappers/explain.h"
#include "mappers/fhir_validate.h"
#include "mappers/identifier.h"
#include "mappers/list_resource.h"
#include "mappers/metadata_rim.h"
#include "mappers/provide_and_register.h"
#include "mappers/provide_bundle.h"
#include "mappers/soap.h"

#define DOCUMENT_BYTES_MAX (1024u * 1024 * 1024)

/* What a Minimal Bundle may leave out, as the demo's configuration fills it in. */
static void defaults_make(struct provide_defaults *defaults)
{
	*defaults = (struct provide_defaults) {
		.class_code = { STR("11503-0"), STR("2.16.840.1.113883.6.1"), STR("Medical records") },
		.type_code = { STR("34133-9"), STR("2.16.840.1.113883.6.1"), STR("Summary of episode note") },
		.format_code = { STR("urn:ihe:iti:xds:2017:mimeTypeSufficient"), STR("1.3.6.1.4.1.19376.1.2.3"),
				 STR("mimeType Sufficient") },
		.confidentiality_code = { STR("N"), STR("2.16.840.1.113883.5.25"), STR("normal") },
		.facility_type_code = { STR("HOSP"), STR("2.16.840.1.113883.5.111"), STR("Hospital") },
		.practice_setting_code = { STR("394802001"), STR("2.16.840.1.113883.6.96"), STR("General medicine") },
		.content_type_code = { STR("11503-0"), STR("2.16.840.1.113883.6.1"), STR("Medical records") },
		.folder_code = { STR("11503-0"), STR("2.16.840.1.113883.6.1"), STR("Medical records") },
		.language_code = STR("en"),
		.folder_title = STR("Folder"),
	};
}

/* The documents of the Bundle, for their hashes and sizes. */
struct cutting {
	struct spool_limits limits;
	struct spool **documents;
	size_t count;
	struct arena *arena;
};

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Map a smaller message.");
}

static struct spool *document_new(struct cutting *cutting)
{
	struct spool *spool = spool_new(&cutting->limits, DOCUMENT_BYTES_MAX, true);

	return spool && arena_defer(cutting->arena, spool_release, spool) ? spool : NULL;
}

static bool cut_begin(void *ctx, size_t index)
{
	struct cutting *cutting = ctx;

	cutting->documents[index] = document_new(cutting);
	cutting->count = index + 1;
	return cutting->documents[index] != NULL;
}

static bool cut_data(void *ctx, const void *bytes, size_t size)
{
	struct cutting *cutting = ctx;

	return spool_write(cutting->documents[cutting->count - 1], bytes, size) == SPOOL_OK;
}

static bool cut_end(void *ctx)
{
	struct cutting *cutting = ctx;

	return spool_finish(cutting->documents[cutting->count - 1]);
}

/* Without a registry: the first identifier there is, or what --patient says. */
static bool patient_make(const struct map_options *options, const struct patient_claim *claim, struct arena *arena,
			 struct str *patient_id, struct outcome *outcome)
{
	*patient_id = options->patient;
	for (size_t i = 0; i < claim->identifier_count && !patient_id->data; i++) {
		struct identifier identifier = { claim->identifiers[i].system, claim->identifiers[i].value };

		if (!identifier_to_cx(&identifier, arena, patient_id))
			*patient_id = STR_NONE;
	}
	return patient_id->data || outcome_add(outcome, ERR_PATIENT_UNKNOWN, claim->path,
					       "Say who this is in the affinity domain: --patient 'P1^^^&1.2.3&ISO'.");
}

/* Numbers stand for what only a registry or a generator of random UUIDs could tell. */
static bool resolved_make(const struct map_options *options, const struct provide_bundle *bundle, struct arena *arena,
			  struct provide_resolved *resolved, struct outcome *outcome)
{
	struct str *patient_ids = arena_array(arena, bundle->claim_count, sizeof(struct str));
	struct str *targets = arena_array(arena, bundle->target_count, sizeof(struct str));
	struct str *uuids = arena_array(arena, bundle->uuid_count, sizeof(struct str));
	struct strs *members = arena_array(arena, bundle->folder_count, sizeof(struct strs));
	char now[XDS_TIME_SIZE];
	bool ok = true;

	if (!patient_ids || !targets || !uuids || !members)
		return no_memory(outcome);
	for (size_t i = 0; i < bundle->claim_count; i++)
		ok = patient_make(options, &bundle->claims[i], arena, &patient_ids[i], outcome) && ok;
	for (size_t i = 0; i < bundle->target_count; i++) {
		const struct provide_target *target = &bundle->targets[i];

		targets[i] = target->kind == TARGET_ENTRY_UUID ? target->value : map_uuid(0xf00 + i, arena);
		if (target->kind != TARGET_ENTRY_UUID)
			outcome_inform(outcome, ERR_REFERENCE_UNRESOLVED, target->path,
				       "A gateway asks the registry what this is; here %.*s stands for it.",
				       STR_ARG(targets[i]));
	}
	for (size_t i = 0; i < bundle->uuid_count; i++)
		uuids[i] = map_uuid(i + 1, arena);
	xds_time_from_unix(clock_wall_ms() / 1000, now);
	*resolved =
		(struct provide_resolved) { patient_ids, targets, members, uuids, arena_copy(arena, str_from_c(now)) };
	return ok;
}

static bool externals_refuse(const struct provide_bundle *bundle, struct outcome *outcome)
{
	for (size_t i = 0; i < bundle->external_count; i++)
		outcome_add(outcome, ERR_REFERENCE_UNRESOLVED, bundle->externals[i].path,
			    "A gateway reads this from the other server, which is not done here: contain it.");
	return bundle->external_count == 0;
}

/* Hash and size of each document; the bytes themselves are not part of the mapping. */
static bool documents_measure(struct cutting *cutting, const struct provide_document *documents,
			      struct metadata *metadata, struct outcome *outcome)
{
	bool ok = true;

	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		struct spool *spool = NULL;
		struct str bytes;

		if (documents[i].is_cut) {
			spool = cutting->documents[documents[i].cut_index];
		} else if (base64_decode(documents[i].inline_base64, cutting->arena, &bytes)) {
			spool = document_new(cutting);
			if (spool && (spool_write(spool, bytes.data, bytes.size) != SPOOL_OK || !spool_finish(spool)))
				spool = NULL;
		}
		if (!spool)
			ok = outcome_add(outcome, ERR_VALUE_INVALID, documents[i].path, "Give the document as base64.");
		else
			ok = provide_document_verify(&documents[i], spool_sha1(spool), spool_size(spool),
						     cutting->arena, &metadata->document_entries[i], outcome) &&
			     ok;
	}
	return ok;
}

static bool submission_write(const struct metadata *metadata, struct arena *arena, struct buf *out,
			     struct outcome *outcome)
{
	struct soap_head head = soap_request_head(STR(ACTION_PROVIDE_AND_REGISTER), map_uuid(0, arena),
						  STR("http://localhost/repository"));
	struct provided_document *documents = arena_array(arena, metadata->document_entry_count, sizeof(*documents));
	struct xml_writer writer;
	struct rim_list objects;

	if (!documents || !metadata_to_rim(metadata, arena, &objects, outcome))
		return documents ? false : no_memory(outcome);
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		documents[i].id = metadata->document_entries[i].entry_uuid;
		documents[i].content.content_id = arena_printf(arena, "document%zu@passerelle", i + 1);
	}
	xml_writer_init(&writer, out);
	soap_begin(&writer, &head);
	provide_and_register_write(&writer, &objects, documents, metadata->document_entry_count);
	soap_end(&writer);
	return xml_writer_finish(&writer, outcome);
}

/* An entry of the Bundle by its fullUrl. */
static const json_t *entry_resolve(const void *resolver, struct str reference)
{
	const struct provide_bundle *plan = resolver;

	for (size_t i = 0; i < plan->entry_count; i++) {
		if (str_equal(plan->entries[i].full_url, reference))
			return plan->entries[i].resource;
	}
	return NULL;
}

/* What the Bundle itself says of the objects in metadata, which was completed. All of it was read before without an
 * error. */
static bool said_make(const struct provide_bundle *plan, const struct metadata *metadata, struct arena *arena,
		      struct metadata *said)
{
	struct fhir_context context = { .path = "",
					.patient_id = metadata->submission_sets[0].patient_id,
					.resolve = entry_resolve,
					.resolver = plan };
	size_t folder = 0;
	struct outcome ignored;
	bool ok;

	outcome_init(&ignored);
	*said = (struct metadata) {
		.submission_sets = arena_array(arena, metadata->submission_set_count, sizeof(*said->submission_sets)),
		.document_entries = arena_array(arena, metadata->document_entry_count, sizeof(*said->document_entries)),
		.folders = arena_array(arena, metadata->folder_count, sizeof(*said->folders)),
	};
	if (!said->submission_sets || !said->document_entries || !said->folders)
		return false;
	ok = submission_set_from_fhir(plan->entries[plan->submission_set].resource, &context, arena,
				      &said->submission_sets[0], &ignored);
	for (size_t i = 0; i < plan->document_count; i++)
		ok = document_entry_from_fhir(plan->entries[plan->documents[i].entry].resource, &context, arena,
					      &said->document_entries[i], &ignored) &&
		     ok;
	for (size_t i = 0; i < plan->folder_count; i++) {
		if (!plan->folders[i].exists)
			ok = folder_from_fhir(plan->entries[plan->folders[i].entry].resource, &context, arena,
					      &said->folders[folder++], &ignored) &&
			     ok;
	}
	return ok;
}

static bool bundle_map(const struct map_options *options, json_t *bundle, struct cutting *cutting, struct buf *out,
		       struct outcome *outcome)
{
	struct provide_defaults defaults;
	struct provide_rules rules = { .accept_minimal = true,
				       .accept_comprehensive = true,
				       .accept_uncontained = true,
				       .fill_minimal = true,
				       .defaults = &defaults };
	struct arena *arena = cutting->arena;
	struct provide_bundle *plan = arena_alloc(arena, sizeof(*plan));
	struct provide_resolved resolved;
	struct provide_document *documents;
	struct metadata metadata;
	struct metadata said;

	if (!plan)
		return no_memory(outcome);
	defaults_make(&defaults);
	if (!provide_bundle_read(bundle, &rules, arena, plan, outcome) || !externals_refuse(plan, outcome) ||
	    !resolved_make(options, plan, arena, &resolved, outcome) ||
	    !provide_bundle_map(plan, &rules, &resolved, arena, &metadata, &documents, outcome) ||
	    !documents_measure(cutting, documents, &metadata, outcome))
		return false;
	if (!options->explain)
		return submission_write(&metadata, arena, out, outcome);
	metadata_explain(&metadata, said_make(plan, &metadata, arena, &said) ? &said : NULL, EXPLAIN_FROM_FHIR, out);
	return !out->failed || no_memory(outcome);
}

static bool reference_map(const struct map_options *options, const json_t *resource, struct arena *arena,
			  struct buf *out, struct outcome *outcome)
{
	struct fhir_context context = { .path = "DocumentReference", .patient_id = options->patient };
	struct document_entry entry;
	struct metadata metadata = { .document_entries = &entry, .document_entry_count = 1 };
	struct identifier subject = { 0 };
	const json_t *identifier = json_object_get(json_object_get(resource, "subject"), "identifier");
	struct xml_writer writer;
	struct rim_list objects;

	if (!context.patient_id.data && identifier) {
		subject.system = fhir_text(json_object_get(identifier, "system"));
		subject.value = fhir_text(json_object_get(identifier, "value"));
		if (!identifier_to_cx(&subject, arena, &context.patient_id))
			context.patient_id = STR_NONE;
	}
	if (!document_entry_from_fhir(resource, &context, arena, &entry, outcome))
		return false;
	if (options->explain) {
		metadata_explain(&metadata, NULL, EXPLAIN_FROM_FHIR, out);
		return !out->failed || no_memory(outcome);
	}
	if (!entry.entry_uuid.data)
		entry.entry_uuid = map_uuid(1, arena);
	if (!metadata_to_rim(&metadata, arena, &objects, outcome))
		return false;
	xml_writer_init(&writer, out);
	submit_objects_write(&writer, &objects);
	return xml_writer_finish(&writer, outcome);
}

bool map_from_fhir(const struct map_options *options, enum fhir_format format, struct str text, struct arena *arena,
		   struct buf *out, struct outcome *outcome)
{
	/* In the arena, because the spools there need their limits to the end. */
	struct cutting *cutting = arena_alloc(arena, sizeof(*cutting));
	struct cut_sink sink = { cutting, cut_begin, cut_data, cut_end };
	struct str type;
	json_t *tree;

	if (!cutting)
		return no_memory(outcome);
	cutting->arena = arena;
	cutting->limits.directory = "/tmp";
	cutting->limits.memory_bytes = 65536;
	cutting->limits.total_bytes_max = DOCUMENT_BYTES_MAX;
	cutting->documents = arena_array(arena, fhir_limits_default.cut_count_max, sizeof(struct spool *));
	if (!cutting->documents)
		return no_memory(outcome);
	if (!fhir_body_read(format, text, NULL, &sink, arena, &tree, outcome) || !fhir_validate(tree, NULL, outcome))
		return false;
	type = fhir_text(json_object_get(tree, "resourceType"));
	if (str_equal(type, STR("Bundle")))
		return bundle_map(options, tree, cutting, out, outcome);
	if (str_equal(type, STR("DocumentReference")))
		return reference_map(options, tree, arena, out, outcome);
	return outcome_add(outcome, ERR_NOT_SUPPORTED, "", "Give a Provide Bundle or a DocumentReference.");
}
