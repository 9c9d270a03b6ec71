/* A resource and a patch of it, {"resource": {}, "operations": []} or {"resource": {}, "parameters": {}}: whatever the patch is,
 * what it makes stays within its bounds and keeps its type, and a refusal has a reason. */
#include "fuzz.h"
#include "mappers/fhir_body.h"
#include "mappers/fhir_patch.h"
#include "mappers/fhir_validate.h"
#include "mappers/json_patch.h"

static void apply(json_t *resource, const json_t *operations, const json_t *parameters)
{
	json_t *type = json_incref(json_object_get(resource, "resourceType"));
	struct outcome outcome;
	bool good;

	outcome_init(&outcome);
	good = operations ? json_patch_apply(resource, operations, &outcome)
			  : fhir_patch_apply(resource, parameters, &outcome);
	if (good == outcome.has_error)
		abort(); /* refused without a reason, or with one and not refused */
	if (good && !json_patch_bounded(resource))
		abort();
	if (good && type && !json_equal(type, json_object_get(resource, "resourceType")))
		abort();
	json_decref(type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = { (const char *)data, size };
	struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
	struct outcome outcome;
	json_t *tree;

	if (!arena)
		return 0;
	outcome_init(&outcome);
	if (fhir_body_read(FHIR_JSON, body, NULL, NULL, arena, &tree, &outcome)) {
		json_t *resource = json_object_get(tree, "resource");
		const json_t *operations = json_object_get(tree, "operations");
		const json_t *parameters = json_object_get(tree, "parameters");

		if (json_is_object(resource) && json_patch_bounded(resource) &&
		    (operations || (json_is_object(parameters) && fhir_validate(parameters, NULL, &outcome))))
			apply(resource, operations, parameters);
	}
	arena_free(arena);
	return 0;
}
