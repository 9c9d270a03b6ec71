/* A FHIR body in JSON: read, validated, written as XML; what was valid must come back from XML. */
#include "fuzz.h"
#include "mappers/fhir_body.h"
#include "mappers/fhir_json_write.h"
#include "mappers/fhir_validate.h"
#include "mappers/fhir_xml_write.h"

static void back_from_xml(const json_t *tree, struct arena *arena)
{
	struct outcome outcome;
	struct buf xml;
	json_t *again;

	outcome_init(&outcome);
	buf_init(&xml, FUZZ_TEXT_BYTES);
	if (fhir_xml_write(tree, &xml, &outcome) &&
	    !fhir_body_read(FHIR_XML, buf_str(&xml), NULL, NULL, arena, &again, &outcome) &&
	    outcome.issues[0].code == ERR_BODY_MALFORMED)
		abort(); /* what we wrote is not well-formed */
	buf_free(&xml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = { (const char *)data, size };
	struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
	struct outcome outcome;
	struct buf json;
	json_t *tree;

	if (!arena)
		return 0;
	outcome_init(&outcome);
	buf_init(&json, FUZZ_TEXT_BYTES);
	if (fhir_body_read(FHIR_JSON, body, NULL, NULL, arena, &tree, &outcome)) {
		if (fhir_validate(tree, NULL, &outcome))
			back_from_xml(tree, arena);
		if (fhir_json_write(tree, &json, &outcome) &&
		    !fhir_body_read(FHIR_JSON, buf_str(&json), NULL, NULL, arena, &tree, &outcome) &&
		    outcome.issues[outcome.count - 1].code == ERR_BODY_MALFORMED)
			abort(); /* what we wrote cannot be read */
	} else if (!outcome.has_error) {
		abort(); /* refused without a reason */
	}
	buf_free(&json);
	arena_free(arena);
	return 0;
}
