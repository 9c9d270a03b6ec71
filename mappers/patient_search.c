#include "mappers/patient_search.h"

const struct patient_row patient_rows[PATIENT_PARAMETER_COUNT] = {
#define PATIENT_SEARCH(enumerator, name, type, definition, sentence) \
	{ STR_INIT(name), SEARCH_##type, STR_INIT(definition), STR_INIT(sentence) },
#include "profiles/pdqm/search.def"
#undef PATIENT_SEARCH
};

struct reading {
	const struct patient_search_rules *rules;
	struct arena *arena;
	struct patient_search found;
	size_t filter_capacity;
	size_t domain_capacity;
	struct buf honoured;
	struct outcome *outcome;
};

static bool no_memory(const struct reading *reading)
{
	return outcome_add(reading->outcome, ERR_NO_MEMORY, "", "Try again later.");
}

static bool value_invalid(const struct reading *reading, enum patient_parameter parameter, const char *text)
{
	return outcome_add(reading->outcome, ERR_VALUE_INVALID, patient_rows[parameter].name.data, "%s", text);
}

/* There are no wildcards in FHIR, and none may reach a back-end that has them. */
static bool read_string(struct reading *reading, struct patient_filter *filter, size_t i, struct str value)
{
	struct str text = search_unescape(value, reading->arena);

	if (!text.data)
		return no_memory(reading);
	filter->values.items[i] = text;
	return (str_trim(text).size && str_find(text, '*') == text.size && str_find(text, '%') == text.size) ||
	       value_invalid(reading, filter->parameter,
			     "Write the beginning of what is meant; there are no wildcards.");
}

static bool read_date(struct reading *reading, struct patient_filter *filter, size_t i, struct str value)
{
	filter->values.items[i] = value;
	return search_date_read(value, 0, &filter->dates[i]) ||
	       value_invalid(reading, filter->parameter, "Write a date as YYYY, YYYY-MM or YYYY-MM-DD.");
}

static bool domain_add(struct reading *reading, struct str authority)
{
	struct strs *domains = &reading->found.domains;

	for (size_t i = 0; i < domains->count; i++) {
		if (str_equal(domains->items[i], authority))
			return true;
	}
	if (!arena_grow(reading->arena, &domains->items, domains->count, &reading->domain_capacity, sizeof authority))
		return no_memory(reading);
	domains->items[domains->count++] = authority;
	return true;
}

static bool read_identifier(struct reading *reading, struct patient_filter *filter, size_t i,
			    const struct search_token *token)
{
	struct patient_identity *identity = &filter->identities[i];

	*identity = (struct patient_identity) { reading->rules->authority, token->code };
	if (token->has_system)
		identity->authority = identifier_authority(token->system, reading->rules->names);
	if (!token->code.size && !token->system.size)
		return value_invalid(reading, filter->parameter, "Write an identifier as system|value.");
	/* PDQm 3.78.4.1.2.3: a system alone says which identifiers are wanted. */
	return token->code.size || domain_add(reading, identity->authority.size ? identity->authority : STR(""));
}

static bool is_one_of(struct str text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equal(text, str_from_c(words[i])))
			return true;
	}
	return false;
}

static bool read_token(struct reading *reading, struct patient_filter *filter, size_t i, struct str value)
{
	static const char *const genders[] = { "male", "female", "other", "unknown" };
	static const char *const booleans[] = { "true", "false" };
	struct search_token token;

	if (!search_token_read(value, reading->arena, &token))
		return no_memory(reading);
	filter->values.items[i] = token.code;
	switch (filter->parameter) {
	case PATIENT_PARAMETER_IDENTIFIER:
		return read_identifier(reading, filter, i, &token);
	case PATIENT_PARAMETER_GENDER:
		return is_one_of(token.code, genders, COUNT_OF(genders)) ||
		       value_invalid(reading, filter->parameter, "Write male, female, other or unknown.");
	case PATIENT_PARAMETER_ACTIVE:
		return is_one_of(token.code, booleans, COUNT_OF(booleans)) ||
		       value_invalid(reading, filter->parameter, "Write true or false.");
	default:
		return token.code.size || value_invalid(reading, filter->parameter, "Write a value.");
	}
}

static bool read_value(struct reading *reading, struct patient_filter *filter, size_t i, struct str value)
{
	switch (patient_rows[filter->parameter].type) {
	case SEARCH_STRING:
		return read_string(reading, filter, i, value);
	case SEARCH_DATE:
		return read_date(reading, filter, i, value);
	case SEARCH_TOKEN:
	case SEARCH_REFERENCE:
	case SEARCH_URI:
		break;
	}
	return read_token(reading, filter, i, value);
}

static bool filter_room(struct reading *reading, size_t count, struct patient_filter *filter)
{
	filter->values.items = arena_array(reading->arena, count, sizeof *filter->values.items);
	filter->values.count = count;
	filter->identities = arena_array(reading->arena, count, sizeof *filter->identities);
	filter->dates = arena_array(reading->arena, count, sizeof *filter->dates);
	return (filter->values.items && filter->identities && filter->dates &&
		arena_grow(reading->arena, &reading->found.filters, reading->found.filter_count,
			   &reading->filter_capacity, sizeof *filter)) ||
	       no_memory(reading);
}

static bool read_filter(struct reading *reading, const struct search_param *param, enum patient_parameter parameter)
{
	struct patient_filter filter = { .parameter = parameter };
	struct patient_search *found = &reading->found;

	filter.exact = str_equal(param->modifier, STR("exact")) && patient_rows[parameter].type == SEARCH_STRING;
	if (param->modifier.data && !filter.exact)
		return outcome_add(reading->outcome, ERR_PARAMETER_UNKNOWN, patient_rows[parameter].name.data,
				   "Leave out the modifier of this parameter; only :exact is supported, on strings.");
	if (param->values.count > PATIENT_ALTERNATIVES_MAX)
		return outcome_add(reading->outcome, ERR_TOO_COSTLY, patient_rows[parameter].name.data,
				   "Give at most %d alternatives.", PATIENT_ALTERNATIVES_MAX);
	if (parameter == PATIENT_PARAMETER_ID && found->ids.count)
		return value_invalid(reading, parameter, "Give _id once, with commas between the ids.");
	if (!filter_room(reading, param->values.count, &filter))
		return false;
	for (size_t i = 0; i < param->values.count; i++) {
		if (!read_value(reading, &filter, i, param->values.items[i]))
			return false;
	}
	if (parameter == PATIENT_PARAMETER_ID)
		found->ids = filter.values;
	found->filters[found->filter_count++] = filter;
	search_param_write(param, &reading->honoured);
	return true;
}

static bool read_param(struct reading *reading, const struct search_param *param)
{
	bool done;

	if (!search_page_param_take(param, PATIENT_PAGE_MAX, &reading->found.page_entries, &reading->found.counting,
				    &reading->honoured, &done, reading->outcome))
		return false;
	if (done)
		return true;
	for (unsigned i = 0; i < PATIENT_PARAMETER_COUNT; i++) {
		if (str_equal(patient_rows[i].name, param->name))
			return read_filter(reading, param, (enum patient_parameter)i);
	}
	return search_param_ignore(reading->rules->strict, reading->outcome);
}

bool patient_search_read(const struct search_params *params, const struct patient_search_rules *rules,
			 struct arena *arena, struct patient_search *search, struct outcome *outcome)
{
	struct reading reading = {
		.rules = rules, .arena = arena, .found.page_entries = PATIENT_PAGE_MAX, .outcome = outcome
	};
	bool good = true;

	buf_init(&reading.honoured, (size_t)SEARCH_TEXT_MAX * 4);
	for (size_t i = 0; good && i < params->count; i++)
		good = read_param(&reading, &params->items[i]);
	reading.found.honoured = arena_copy(arena, buf_str(&reading.honoured));
	if (good && (reading.honoured.failed || !reading.found.honoured.data))
		good = no_memory(&reading);
	buf_free(&reading.honoured);
	if (good)
		*search = reading.found;
	return good;
}

/* Every value says as much: the least of them counts. */
static bool says_something(const struct patient_filter *filter, size_t bytes_min)
{
	for (size_t i = 0; i < filter->values.count; i++) {
		if (str_trim(filter->values.items[i]).size < bytes_min)
			return false;
	}
	return true;
}

static unsigned filter_traits(const struct patient_filter *filter)
{
	switch (filter->parameter) {
	case PATIENT_PARAMETER_ID:
		return 2;
	case PATIENT_PARAMETER_IDENTIFIER:
		return says_something(filter, 1) ? 2 : 0;
	case PATIENT_PARAMETER_FAMILY:
	case PATIENT_PARAMETER_GIVEN:
	case PATIENT_PARAMETER_MOTHERS_MAIDEN_NAME:
	case PATIENT_PARAMETER_TELECOM:
	case PATIENT_PARAMETER_ADDRESS:
	case PATIENT_PARAMETER_ADDRESS_CITY:
	case PATIENT_PARAMETER_ADDRESS_POSTAL_CODE:
		return says_something(filter, 2);
	case PATIENT_PARAMETER_BIRTH_DATE:
		for (size_t i = 0; i < filter->values.count; i++) {
			if (filter->dates[i].prefix != DATE_EQ)
				return 0;
		}
		return 1;
	case PATIENT_PARAMETER_ACTIVE:
	case PATIENT_PARAMETER_ADDRESS_COUNTRY:
	case PATIENT_PARAMETER_ADDRESS_STATE:
	case PATIENT_PARAMETER_GENDER:
	case PATIENT_PARAMETER_COUNT:
		break;
	}
	return 0;
}

unsigned patient_search_traits(const struct patient_search *search)
{
	unsigned traits = 0;
	unsigned seen = 0;

	for (size_t i = 0; i < search->filter_count; i++) {
		unsigned bit = 1u << search->filters[i].parameter;

		traits += seen & bit ? 0 : filter_traits(&search->filters[i]);
		if (filter_traits(&search->filters[i]))
			seen |= bit;
	}
	return traits;
}
