#include "mappers/fhir_json_write.h"

#include <inttypes.h>
#include <stdio.h>

#include "mappers/fhir_mark.h"
#include "mappers/json_writer.h"

static bool value_write(struct json_writer *writer, const json_t *value, size_t depth);

static bool string_write(struct json_writer *writer, const json_t *value)
{
	struct str lexeme;
	size_t index;

	if (fhir_cut_index(value, &index))
		return false;
	if (fhir_decimal_lexeme(value, &lexeme))
		json_raw(writer, lexeme);
	else
		json_text(writer, (struct str) { json_string_value(value), json_string_length(value) });
	return true;
}

static bool object_write(struct json_writer *writer, const json_t *object, size_t depth)
{
	const char *name;
	size_t name_size;
	json_t *item;

	json_begin_object(writer);
	json_object_keylen_foreach((json_t *)object, name, name_size, item)
	{
		json_key(writer, (struct str) { name, name_size });
		if (!value_write(writer, item, depth))
			return false;
	}
	json_end_object(writer);
	return true;
}

static bool array_write(struct json_writer *writer, const json_t *array, size_t depth)
{
	json_begin_array(writer);
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (!value_write(writer, json_array_get(array, i), depth))
			return false;
	}
	json_end_array(writer);
	return true;
}

/* depth counts down to the deepest that is allowed. */
static bool value_write(struct json_writer *writer, const json_t *value, size_t depth)
{
	char digits[24];

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return depth > 0 && object_write(writer, value, depth - 1);
	case JSON_ARRAY:
		return depth > 0 && array_write(writer, value, depth - 1);
	case JSON_STRING:
		return string_write(writer, value);
	case JSON_INTEGER:
		snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		json_raw(writer, str_from_c(digits));
		return true;
	case JSON_REAL:
		return false; /* fhir_body_read makes none: its digits would not be the sender's */
	case JSON_TRUE:
	case JSON_FALSE:
		json_bool(writer, json_is_true(value));
		return true;
	case JSON_NULL:
		json_raw(writer, STR("null"));
		return true;
	}
	return false;
}

bool fhir_json_write(const json_t *value, struct buf *out, struct outcome *outcome)
{
	struct json_writer writer;

	json_writer_init(&writer, out);
	if (!value_write(&writer, value, JSON_WRITER_DEPTH_MAX))
		return outcome_add(outcome, ERR_INTERNAL, "",
				   "Report this: a document or a number without its digits cannot be written as JSON.");
	return json_writer_finish(&writer, outcome);
}
