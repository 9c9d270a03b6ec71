#include "mappers/search_filter.h"

#include "mappers/code_system.h"

#include "mappers/base/oid.h"
#include "mappers/base/uuid.h"
#include "mappers/code_system.h"
#include "mappers/fold.h"

#include <assert.h>

#define URI_SYSTEM "urn:ietf:rfc:3986"

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
}

/* The name for an issue, as a C string in the arena. */
static const char *name_of(const struct search_param *param, struct arena *arena)
{
	struct str name = arena_copy(arena, param->name);

	return name.data ? name.data : "";
}

static bool modifier_refused(const struct search_param *param, struct arena *arena, struct outcome *outcome)
{
	return outcome_add(outcome, ERR_PARAMETER_UNKNOWN, name_of(param, arena),
			   "Leave out the modifier of this parameter; it is not supported here.");
}

static bool read_modifier(const struct search_param *param, enum search_type type, struct arena *arena,
			  struct search_filter *filter, struct outcome *outcome)
{
	struct str modifier = param->modifier;

	if (!modifier.data)
		return true;
	if (str_equal(modifier, STR("missing"))) {
		if (!str_equal(param->value, STR("true")) && !str_equal(param->value, STR("false")))
			return outcome_add(outcome, ERR_VALUE_INVALID, name_of(param, arena),
					   "Give :missing the value true or false.");
		filter->presence = str_equal(param->value, STR("true")) ? PRESENCE_MISSING : PRESENCE_THERE;
		return true;
	}
	if (type == SEARCH_TOKEN && str_equal(modifier, STR("not")) && filter->match != MATCH_ID) {
		filter->negate = true;
		return true;
	}
	if (type == SEARCH_STRING && str_equal(modifier, STR("exact"))) {
		filter->text_mode = TEXT_EXACT;
		return true;
	}
	if (type == SEARCH_STRING && str_equal(modifier, STR("contains"))) {
		filter->text_mode = TEXT_CONTAINS;
		return true;
	}
	if (filter->match == MATCH_REFERENCE && str_equal(modifier, STR("identifier")))
		return true;
	return modifier_refused(param, arena, outcome);
}

static bool read_dates(const struct search_param *param, const struct search_rules *rules, struct arena *arena,
		       struct search_filter *filter, struct outcome *outcome)
{
	filter->dates = arena_array(arena, param->values.count, sizeof *filter->dates);
	if (!filter->dates)
		return no_memory(outcome);
	for (size_t i = 0; i < param->values.count; i++) {
		if (!search_date_read(param->values.items[i], rules->default_offset_minutes, &filter->dates[i]))
			return outcome_add(outcome, ERR_VALUE_INVALID, name_of(param, arena),
					   "Write a date as YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ, if need be behind one "
					   "of eq ne gt lt ge le sa eb ap.");
	}
	return true;
}

static bool read_texts(const struct search_param *param, struct arena *arena, struct search_filter *filter,
		       struct outcome *outcome)
{
	filter->texts = arena_array(arena, param->values.count, sizeof *filter->texts);
	if (!filter->texts)
		return no_memory(outcome);
	for (size_t i = 0; i < param->values.count; i++) {
		struct str text = search_unescape(param->values.items[i], arena);

		filter->texts[i] = !text.data || filter->text_mode == TEXT_EXACT ? text : fold(text, arena);
		if (!filter->texts[i].data)
			return no_memory(outcome);
	}
	return true;
}

static bool read_tokens(const struct search_param *param, struct arena *arena, struct search_filter *filter,
			struct outcome *outcome)
{
	filter->tokens = arena_array(arena, param->values.count, sizeof *filter->tokens);
	if (!filter->tokens)
		return no_memory(outcome);
	for (size_t i = 0; i < param->values.count; i++) {
		if (!search_token_read(param->values.items[i], arena, &filter->tokens[i]))
			return no_memory(outcome);
	}
	return true;
}

bool search_filter_read(const struct search_param *param, const struct search_row *const rows[SEARCH_OBJECT_COUNT],
			const struct search_rules *rules, struct arena *arena, struct search_filter *filter,
			struct outcome *outcome)
{
	const struct search_row *row = NULL;
	struct search_filter found = { .count = param->values.count };

	for (size_t i = 0; i < SEARCH_OBJECT_COUNT; i++) {
		found.rows[i] = rows[i];
		row = row ? row : rows[i];
	}
	assert(row);
	found.match = row->match;
	if (!read_modifier(param, row->type, arena, &found, outcome))
		return false;
	if (found.presence == PRESENCE_ANY) {
		if (row->type == SEARCH_DATE && !read_dates(param, rules, arena, &found, outcome))
			return false;
		if (row->type == SEARCH_STRING && !read_texts(param, arena, &found, outcome))
			return false;
		if ((row->type == SEARCH_TOKEN || row->type == SEARCH_REFERENCE || row->type == SEARCH_URI) &&
		    !read_tokens(param, arena, &found, outcome))
			return false;
	}
	*filter = found;
	return true;
}

struct str search_scheme(struct str system)
{
	return code_system_scheme(system);
}

static bool is_uri_token(const struct search_token *token)
{
	return !token->has_system || str_equal(token->system, STR(URI_SYSTEM));
}

bool search_entry_uuid(const struct search_token *token, struct str *entry_uuid)
{
	if (!is_uri_token(token) || !uuid_valid(token->code))
		return false;
	*entry_uuid = token->code;
	return true;
}

bool search_unique_id(const struct search_token *token, struct arena *arena, struct str *unique_id)
{
	if (token->code.size == 0)
		return false;
	if (is_uri_token(token)) {
		*unique_id = str_without_prefix(token->code, STR("urn:oid:"));
		return true;
	}
	if (!oid_urn_valid(token->system))
		return false;
	*unique_id = arena_printf(arena, "%.*s^%.*s", STR_ARG(search_scheme(token->system)), STR_ARG(token->code));
	return unique_id->data;
}
