/* A FHIR body in XML, with the documents cut out into a sink: read, validated, written as XML and JSON. */
#include "fuzz.h"
#include "mappers/fhir_body.h"
#include "mappers/fhir_json_write.h"
#include "mappers/fhir_validate.h"
#include "mappers/fhir_xml_write.h"

static bool sink_begin(void *ctx, size_t index)
{
	size_t *count = ctx;

	if (index != *count)
		abort(); /* documents come in order */
	(*count)++;
	return true;
}

static bool sink_data(void *ctx, const void *bytes, size_t size)
{
	(void)ctx;
	(void)bytes;
	(void)size;
	return true;
}

static bool sink_end(void *ctx)
{
	(void)ctx;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = { (const char *)data, size };
	struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
	size_t count = 0;
	struct cut_sink sink = { &count, sink_begin, sink_data, sink_end };
	struct fhir_limits limits = fhir_limits_default;
	struct outcome outcome;
	struct buf text;
	json_t *tree;

	if (!arena)
		return 0;
	limits.cut_bytes_min = 16;
	outcome_init(&outcome);
	buf_init(&text, FUZZ_TEXT_BYTES);
	if (fhir_body_read(FHIR_XML, body, &limits, &sink, arena, &tree, &outcome)) {
		bool valid = fhir_validate(tree, NULL, &outcome);

		if (fhir_json_write(tree, &text, &outcome) && valid && count)
			abort(); /* a document that was cut out went out again as a mark */
		buf_clear(&text);
		if (fhir_xml_write(tree, &text, &outcome) &&
		    !fhir_body_read(FHIR_XML, buf_str(&text), NULL, NULL, arena, &tree, &outcome) &&
		    outcome.issues[outcome.count - 1].code == ERR_BODY_MALFORMED)
			abort(); /* what we wrote is not well-formed */
	} else if (!outcome.has_error) {
		abort(); /* refused without a reason */
	}
	buf_free(&text);
	arena_free(arena);
	return 0;
}
