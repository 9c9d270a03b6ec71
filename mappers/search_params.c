#include "mappers/search_params.h"

#include "mappers/base/hex.h"

#define CHAIN_PARTS_MAX 8

struct reader {
	struct arena *arena;
	struct outcome *outcome;
	struct search_params params;
	size_t capacity;
};

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
}

/* Form decoding: %XX and '+'. The result must be text without control characters. */
static bool decode(struct reader *reader, struct str text, struct str *decoded)
{
	char *out = arena_alloc(reader->arena, text.size + 1);
	size_t size = 0;

	if (!out)
		return no_memory(reader->outcome);
	for (size_t i = 0; i < text.size; i++) {
		int c = (unsigned char)text.data[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int high = -1;

			if (text.size - i > 2) {
				high = hex_value(text.data[i + 1]);
				c = hex_value(text.data[i + 2]);
			}
			if (high < 0 || c < 0)
				return outcome_add(reader->outcome, ERR_VALUE_INVALID, "",
						   "Write each %% in the query as %%25, or follow it by two "
						   "hexadecimal digits.");
			c += high * 16;
			i += 2;
		}
		if (c < 0x20 || c == 0x7F)
			return outcome_add(reader->outcome, ERR_VALUE_INVALID, "",
					   "Leave control characters out of the query.");
		out[size++] = (char)c;
	}
	*decoded = (struct str) { out, size };
	if (!str_is_utf8(*decoded))
		return outcome_add(reader->outcome, ERR_VALUE_INVALID, "", "Write the query in UTF-8.");
	return true;
}

/* patient:Patient.identifier -> patient.identifier; author.family:exact -> author.family and exact. */
static bool read_name(struct reader *reader, struct str text, struct search_param *param)
{
	char *name = arena_alloc(reader->arena, text.size + 1);
	struct str rest = text;
	struct str part;
	size_t size = 0;
	size_t parts = 0;

	if (!name)
		return no_memory(reader->outcome);
	while (str_next(&rest, '.', &part)) {
		size_t colon = str_find(part, ':');

		if (++parts > CHAIN_PARTS_MAX)
			return outcome_add(reader->outcome, ERR_TOO_COSTLY, "", "Chain fewer parameters.");
		param->modifier = colon < part.size ? str_from(part, colon + 1) : STR_NONE;
		if (parts > 1)
			name[size++] = '.';
		if (colon > 0)
			memcpy(name + size, part.data, colon);
		size += colon;
	}
	param->name = (struct str) { name, size };
	return true;
}

/* Splits at commas that no backslash stands before. */
static bool read_values(struct reader *reader, struct search_param *param)
{
	size_t capacity = 0;
	size_t begin = 0;

	for (size_t i = 0; i <= param->value.size; i++) {
		if (i < param->value.size && param->value.data[i] == '\\') {
			i += i + 1 < param->value.size ? 1 : 0;
			continue;
		}
		if (i < param->value.size && param->value.data[i] != ',')
			continue;
		if (param->values.count == SEARCH_VALUES_MAX)
			return outcome_add(reader->outcome, ERR_TOO_COSTLY, "", "Give a parameter at most %d values.",
					   SEARCH_VALUES_MAX);
		if (!arena_grow(reader->arena, &param->values.items, param->values.count, &capacity,
				sizeof *param->values.items))
			return no_memory(reader->outcome);
		param->values.items[param->values.count++] = (struct str) { param->value.data + begin, i - begin };
		begin = i + 1;
	}
	return true;
}

static bool read_text(struct reader *reader, struct str text)
{
	struct str rest = text.data ? text : STR("");
	struct str part;

	while (str_next(&rest, '&', &part)) {
		size_t equal = str_find(part, '=');
		struct search_param param = { 0 };
		struct str name = STR_NONE;

		if (equal + 1 >= part.size)
			continue; /* FHIR R4 3.1.1.4: a parameter without content is ignored */
		if (!decode(reader, (struct str) { part.data, equal }, &name) ||
		    !decode(reader, str_from(part, equal + 1), &param.value) || !read_name(reader, name, &param) ||
		    !read_values(reader, &param))
			return false;
		if (reader->params.count == SEARCH_PARAMETERS_MAX)
			return outcome_add(reader->outcome, ERR_TOO_COSTLY, "", "Send at most %d parameters.",
					   SEARCH_PARAMETERS_MAX);
		if (!arena_grow(reader->arena, &reader->params.items, reader->params.count, &reader->capacity,
				sizeof param))
			return no_memory(reader->outcome);
		reader->params.items[reader->params.count++] = param;
	}
	return true;
}

bool search_params_read(struct str query, struct str form, struct arena *arena, struct search_params *params,
			struct outcome *outcome)
{
	struct reader reader = { .arena = arena, .outcome = outcome };

	if (query.size > SEARCH_TEXT_MAX || form.size > SEARCH_TEXT_MAX - query.size)
		return outcome_add(outcome, ERR_TOO_COSTLY, "", "Send a search of at most %d bytes.", SEARCH_TEXT_MAX);
	if (!read_text(&reader, query) || !read_text(&reader, form))
		return false;
	*params = reader.params;
	return true;
}

const struct search_param *search_params_find(const struct search_params *params, struct str name)
{
	for (size_t i = 0; i < params->count; i++) {
		if (str_equal(params->items[i].name, name))
			return &params->items[i];
	}
	return NULL;
}

struct str search_unescape(struct str value, struct arena *arena)
{
	char *out = arena_alloc(arena, value.size + 1);
	size_t size = 0;

	if (!out)
		return STR_NONE;
	for (size_t i = 0; i < value.size; i++) {
		bool escape = value.data[i] == '\\' && i + 1 < value.size && strchr(",|$\\", value.data[i + 1]);

		out[size++] = value.data[escape ? ++i : i];
	}
	return (struct str) { out, size };
}

bool search_token_read(struct str value, struct arena *arena, struct search_token *token)
{
	size_t bar = 0;

	while (bar < value.size && value.data[bar] != '|')
		bar += value.data[bar] == '\\' && bar + 1 < value.size ? 2 : 1;
	token->has_system = bar < value.size;
	token->system = search_unescape((struct str) { value.data, token->has_system ? bar : 0 }, arena);
	token->code = search_unescape(token->has_system ? str_from(value, bar + 1) : value, arena);
	return token->system.data && token->code.data;
}

/* Percent-encodes everything but unreserved characters and what is plain in a query. RFC 3986 3.4 */
static void percent_encode(struct str value, struct buf *text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < value.size; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    (c && strchr("-._~:/,@", c))) {
			buf_add_char(text, (char)c);
			continue;
		}
		buf_add_char(text, '%');
		buf_add_char(text, digits[c >> 4]);
		buf_add_char(text, digits[c & 15]);
	}
}

void search_param_write(const struct search_param *param, struct buf *text)
{
	if (text->size)
		buf_add_char(text, '&');
	percent_encode(param->name, text);
	if (param->modifier.data) {
		buf_add_char(text, ':');
		percent_encode(param->modifier, text);
	}
	buf_add_char(text, '=');
	percent_encode(param->value, text);
}

bool search_page_param_take(const struct search_param *param, size_t entries_max, size_t *entries, bool *counting,
			    struct buf *honoured, bool *done, struct outcome *outcome)
{
	uint64_t count;

	*done = true;
	if (str_equal(param->name, STR("_count"))) {
		if (!str_to_u64(param->value, &count))
			return outcome_add(outcome, ERR_VALUE_INVALID, "_count", "Give _count a number of 0 or more.");
		*counting = *counting || count == 0;
		if (count > 0)
			*entries = count < entries_max ? (size_t)count : entries_max;
	} else if (str_equal(param->name, STR("_summary")) && str_equal(param->value, STR("count"))) {
		*counting = true;
	} else {
		*done = str_equal(param->name, STR("_format")) || str_equal(param->name, STR("_pretty")) ||
			str_equal(param->name, STR("_total"));
	}
	if (*done)
		search_param_write(param, honoured);
	return true;
}

bool search_param_ignore(bool strict, struct outcome *outcome)
{
	return !strict || outcome_add(outcome, ERR_PARAMETER_UNKNOWN, "",
				      "Leave out the parameters that are not in the CapabilityStatement, or send "
				      "Prefer: handling=lenient to have them ignored.");
}
