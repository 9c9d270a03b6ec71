/* A FHIR body in JSON: read, validated, written as XML; what was valid must come back from XML. What can be read with the
 * documents cut out can be read with them inside, too. */
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

static bool sink_begin(void *ctx, size_t index)
{
	size_t *count = ctx;

	if (index != (*count)++)
		abort(); /* documents come in order */
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

static size_t marks_count(const json_t *value)
{
	const char *name;
	json_t *item;
	size_t count = 0;
	size_t i;

	if (fhir_cut_index(value, &i))
		return 1;
	json_array_foreach((json_t *)value, i, item) count += marks_count(item);
	json_object_foreach((json_t *)value, name, item) count += marks_count(item);
	return count;
}

/* True when it could be read so. */
static bool read_with_cuts(struct str body, struct arena *arena)
{
	size_t count = 0;
	struct cut_sink sink = { &count, sink_begin, sink_data, sink_end };
	struct fhir_limits limits = fhir_limits_default;
	struct outcome outcome;
	json_t *tree;

	limits.cut_bytes_min = 8;
	outcome_init(&outcome);
	if (!fhir_body_read(FHIR_JSON, body, &limits, &sink, arena, &tree, &outcome))
		return false;
	if (marks_count(tree) != count)
		abort(); /* a mark too many was forged, one too few is a document lost */
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = { (const char *)data, size };
	struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
	struct outcome outcome;
	struct buf json;
	json_t *tree;
	bool read;

	if (!arena)
		return 0;
	outcome_init(&outcome);
	buf_init(&json, FUZZ_TEXT_BYTES);
	read = read_with_cuts(body, arena);
	if (fhir_body_read(FHIR_JSON, body, NULL, NULL, arena, &tree, &outcome)) {
		if (fhir_validate(tree, NULL, &outcome))
			back_from_xml(tree, arena);
		if (fhir_json_write(tree, &json, &outcome) &&
		    !fhir_body_read(FHIR_JSON, buf_str(&json), NULL, NULL, arena, &tree, &outcome) &&
		    outcome.issues[outcome.count - 1].code == ERR_BODY_MALFORMED)
			abort(); /* what we wrote cannot be read */
	} else if (!outcome.has_error) {
		abort(); /* refused without a reason */
	} else if (read) {
		abort(); /* the cut made something good of it */
	}
	buf_free(&json);
	arena_free(arena);
	return 0;
}
