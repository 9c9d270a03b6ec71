#include "mappers/fhir_body.h"

#include "mappers/body_cut.h"
#include "mappers/fhir_xml_read.h"
#include "mappers/json_tree.h"

const struct fhir_limits fhir_limits_default = {
	.depth_max = 64,
	.values_max = 200000,
	.members_max = 500,
	.string_bytes_max = 1024 * 1024,
	.cut_bytes_min = 512,
	.cut_count_max = 1000,
};

/* jansson's own texts quote the body: only its code is used. */
static const char *syntax_text(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_premature_end_of_input:
		return "Send the whole body: the JSON ends too early.";
	case json_error_end_of_input_expected:
		return "Send one JSON object and nothing after it.";
	case json_error_duplicate_key:
		return "Give each member of an object once: this name came before.";
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return "Remove U+0000.";
	case json_error_stack_overflow:
		return "Nest objects and arrays less deeply.";
	default:
		return "Correct the JSON at or just before this place: often a comma too many or missing, a comment, "
		       "or a "
		       "name or text without double quotes.";
	}
}

static bool json_read(struct str body, const struct cut_text *text, struct arena *arena, json_t **tree,
		      struct outcome *outcome)
{
	json_error_t error;
	json_t *root = json_loadb(text->text.data, text->text.size, JSON_REJECT_DUPLICATES, &error);

	if (!root && json_error_code(&error) == json_error_out_of_memory)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	if (!root) {
		size_t offset = error.position > 0 ? (size_t)error.position - 1 : 0;

		return body_refuse(outcome, ERR_BODY_MALFORMED, body, body_cut_origin(text, offset),
				   syntax_text(&error));
	}
	if (!json_tree_keep(arena, root))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	if (!json_is_object(root))
		return outcome_add(outcome, ERR_BODY_MALFORMED, "", "Send one FHIR resource: a JSON object.");
	*tree = root;
	return true;
}

bool fhir_body_read(enum fhir_format format, struct str body, const struct fhir_limits *limits,
		    const struct cut_sink *sink, struct arena *arena, json_t **tree, struct outcome *outcome)
{
	struct cut_text text;
	bool good;

	if (!limits)
		limits = &fhir_limits_default;
	body = str_without_prefix(body, STR("\xEF\xBB\xBF"));
	if (str_is_empty(str_trim(body)))
		return outcome_add(outcome, ERR_BODY_MALFORMED, "", "Send a FHIR resource in the body: it is empty.");
	if (!str_is_utf8(body))
		return outcome_add(outcome, ERR_BODY_MALFORMED, "", "Send the body as UTF-8.");
	if (format == FHIR_JSON) {
		good = body_cut_json(body, limits, sink, arena, &text, outcome) &&
		       json_read(body, &text, arena, tree, outcome);
	} else {
		good = body_cut_xml(body, limits, sink, &text, outcome) &&
		       fhir_xml_read(buf_str(&text.text), limits, text.cut_count, arena, tree, outcome);
	}
	body_cut_free(&text);
	return good;
}
