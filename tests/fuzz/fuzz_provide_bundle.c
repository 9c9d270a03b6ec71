/* A Provide Document Bundle: checked, mapped to XDS with made-up answers for what only I/O can settle, and written. What
 * goes out must be readable. */
#include <stdio.h>

#include "fuzz.h"
#include "mappers/ebrim_write.h"
#include "mappers/fhir_body.h"
#include "mappers/fhir_validate.h"
#include "mappers/metadata_rim.h"
#include "mappers/provide_bundle.h"

static const struct provide_defaults defaults = {
	.class_code = { .code = STR("11503-0"),
			.scheme = STR("2.16.840.1.113883.6.1"),
			.display = STR("Medical records") },
	.language_code = STR("en"),
};

static void fill(struct str *items, size_t count, struct arena *arena)
{
	for (size_t i = 0; i < count; i++)
		items[i] = arena_printf(arena, "urn:uuid:00000000-0000-4000-8000-%012zx", i);
}

static void map(const struct provide_bundle *bundle, const struct provide_rules *rules, struct arena *arena,
		struct outcome *outcome)
{
	struct str *patients = arena_array(arena, bundle->claim_count, sizeof(*patients));
	struct str *targets = arena_array(arena, bundle->target_count, sizeof(*targets));
	struct str *uuids = arena_array(arena, bundle->uuid_count, sizeof(*uuids));
	struct strs *members = arena_array(arena, bundle->folder_count, sizeof(*members));
	struct provide_resolved resolved = { patients, targets, members, uuids, STR("20261124103000") };
	struct provide_document *documents;
	struct metadata metadata;
	struct xml_writer writer;
	struct rim_list list;
	struct buf xml;

	if (!patients || !targets || !uuids || !members)
		return;
	for (size_t i = 0; i < bundle->claim_count; i++)
		patients[i] = STR("IHEBLUE-1001^^^&1.3.6.1.4.1.21367.13.20.3000&ISO");
	fill(targets, bundle->target_count, arena);
	fill(uuids, bundle->uuid_count, arena);
	if (!provide_bundle_map(bundle, rules, &resolved, arena, &metadata, &documents, outcome) ||
	    !metadata_to_rim(&metadata, arena, &list, outcome))
		return;
	buf_init(&xml, FUZZ_TEXT_BYTES);
	xml_writer_init(&writer, &xml);
	xml_begin(&writer, STR("rim:RegistryObjectList"));
	ebrim_write_objects(&writer, &list);
	xml_end(&writer);
	(void)!xml_writer_finish(&writer, outcome);
	buf_free(&xml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = { (const char *)data, size };
	struct provide_rules rules = {
		.accept_minimal = true,
		.accept_comprehensive = true,
		.accept_uncontained = true,
		.fill_minimal = true,
		.defaults = &defaults,
		.base = STR("https://gateway.example/fhir"),
	};
	struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
	struct provide_bundle bundle;
	struct outcome outcome;
	json_t *tree;

	if (!arena)
		return 0;
	outcome_init(&outcome);
	if (fhir_body_read(FHIR_JSON, body, NULL, NULL, arena, &tree, &outcome)) {
		if (provide_bundle_read(tree, &rules, arena, &bundle, &outcome))
			map(&bundle, &rules, arena, &outcome);
		else if (!outcome.has_error)
			abort(); /* refused without a reason */
	}
	arena_free(arena);
	return 0;
}
