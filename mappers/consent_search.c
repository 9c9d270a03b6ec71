#include "mappers/consent_search.h"

#include "mappers/code_system.h"
#include "mappers/fhir_read.h"

const struct consent_row consent_rows[CONSENT_PARAMETER_COUNT] = {
#define CONSENT_SEARCH(enumerator, name, type, definition, sentence) \
	{ STR_INIT(name), SEARCH_##type, STR_INIT(definition), STR_INIT(sentence) },
#include "profiles/pcf/search.def"
#undef CONSENT_SEARCH
};

struct reading {
	const struct consent_search_rules *rules;
	struct arena *arena;
	struct consent_search found;
	size_t capacity;
	struct buf honoured;
	struct outcome *outcome;
};

static bool no_memory(const struct reading *reading)
{
	return outcome_add(reading->outcome, ERR_NO_MEMORY, "", "Try again later.");
}

static bool invalid(const struct reading *reading, enum consent_parameter parameter, const char *text)
{
	return outcome_add(reading->outcome, ERR_VALUE_INVALID, consent_rows[parameter].name.data, "%s", text);
}

static struct str without_base(struct str text, struct str base)
{
	bool below = base.size && str_starts_with(text, base) && text.size > base.size && text.data[base.size] == '/';

	return below ? str_from(text, base.size + 1) : text;
}

static bool read_patient(struct reading *reading, const struct search_param *param, enum consent_parameter parameter)
{
	struct consent_search *found = &reading->found;
	struct patient_claim claim = { .path = consent_rows[parameter].name.data };
	bool by_identifier =
		parameter == CONSENT_PARAMETER_PATIENT_IDENTIFIER || str_equal(param->modifier, STR("identifier"));
	struct search_token token;
	struct str text;

	if (param->values.count > 1 || found->claim_count == CONSENT_CLAIMS_MAX)
		return invalid(reading, parameter, "Search for one patient at a time.");
	claim.identifiers = arena_array(reading->arena, 1, sizeof(*claim.identifiers));
	if (!claim.identifiers || !search_token_read(param->values.items[0], reading->arena, &token))
		return no_memory(reading);
	if (by_identifier) {
		if (token.code.size == 0)
			return invalid(reading, parameter, "Name the patient as system|value.");
		claim.identifiers[claim.identifier_count++] =
			(struct patient_identifier) { token.has_system ? token.system : STR_NONE, token.code };
	} else {
		text = search_unescape(param->values.items[0], reading->arena);
		if (!text.data)
			return no_memory(reading);
		if (!patient_claim_refer(text, reading->rules->base, &claim))
			return invalid(reading, parameter,
				       "Name the patient as Patient/{id}, as a URL, or by patient.identifier.");
	}
	found->claims[found->claim_count++] = claim;
	return true;
}

static bool read_values(struct reading *reading, const struct search_param *param, struct consent_filter *filter)
{
	bool is_date = consent_rows[filter->parameter].type == SEARCH_DATE;

	filter->count = param->values.count;
	filter->tokens = arena_array(reading->arena, filter->count, sizeof(*filter->tokens));
	filter->dates = arena_array(reading->arena, filter->count, sizeof(*filter->dates));
	if (!filter->tokens || !filter->dates)
		return no_memory(reading);
	for (size_t i = 0; i < filter->count; i++) {
		struct str value = param->values.items[i];

		if (is_date) {
			if (!search_date_read(value, reading->rules->default_offset_minutes, &filter->dates[i]))
				return invalid(reading, filter->parameter,
					       "Write a date as YYYY-MM-DD or with a time, with a prefix like ge.");
			continue;
		}
		if (!search_token_read(value, reading->arena, &filter->tokens[i]))
			return no_memory(reading);
		if (!filter->tokens[i].code.size && !filter->tokens[i].system.size)
			return invalid(reading, filter->parameter, "Write a value.");
	}
	return true;
}

/* :not of tokens; :identifier and a type for the actor. */
static bool read_modifier(struct reading *reading, struct str modifier, struct consent_filter *filter)
{
	enum search_type type = consent_rows[filter->parameter].type;

	if (!modifier.data)
		return true;
	filter->negate = type == SEARCH_TOKEN && str_equal(modifier, STR("not"));
	filter->by_identifier = type == SEARCH_REFERENCE && str_equal(modifier, STR("identifier"));
	if (filter->negate || filter->by_identifier)
		return true;
	if (type == SEARCH_REFERENCE && modifier.data[0] >= 'A' && modifier.data[0] <= 'Z') {
		filter->type = modifier;
		return true;
	}
	return outcome_add(reading->outcome, ERR_PARAMETER_UNKNOWN, consent_rows[filter->parameter].name.data,
			   "Leave out the modifier of this parameter; it is not supported here.");
}

static bool read_filter(struct reading *reading, const struct search_param *param, enum consent_parameter parameter)
{
	struct consent_filter filter = { .parameter = parameter };
	struct consent_search *found = &reading->found;
	bool is_patient = parameter == CONSENT_PARAMETER_PATIENT || parameter == CONSENT_PARAMETER_PATIENT_IDENTIFIER;

	search_param_write(param, &reading->honoured);
	if (is_patient && (!param->modifier.data ||
			   (parameter == CONSENT_PARAMETER_PATIENT && (str_equal(param->modifier, STR("Patient")) ||
								       str_equal(param->modifier, STR("identifier"))))))
		return read_patient(reading, param, parameter);
	if (is_patient)
		return outcome_add(reading->outcome, ERR_PARAMETER_UNKNOWN, consent_rows[parameter].name.data,
				   "Leave out the modifier of this parameter; it is not supported here.");
	if (param->values.count > CONSENT_ALTERNATIVES_MAX)
		return outcome_add(reading->outcome, ERR_TOO_COSTLY, consent_rows[parameter].name.data,
				   "Give at most %d alternatives.", CONSENT_ALTERNATIVES_MAX);
	if (!read_modifier(reading, param->modifier, &filter) || !read_values(reading, param, &filter))
		return false;
	if (!arena_grow(reading->arena, &found->filters, found->filter_count, &reading->capacity, sizeof(filter)))
		return no_memory(reading);
	found->filters[found->filter_count++] = filter;
	found->has_status = found->has_status || parameter == CONSENT_PARAMETER_STATUS;
	return true;
}

static bool read_param(struct reading *reading, const struct search_param *param)
{
	bool done;

	if (!search_page_param_take(param, reading->rules->page_entries_max, &reading->found.page_entries,
				    &reading->found.counting, &reading->honoured, &done, reading->outcome))
		return false;
	if (done)
		return true;
	for (unsigned i = 0; i < CONSENT_PARAMETER_COUNT; i++) {
		if (str_equal(consent_rows[i].name, param->name))
			return read_filter(reading, param, (enum consent_parameter)i);
	}
	return search_param_ignore(reading->rules->strict, reading->outcome);
}

bool consent_search_read(const struct search_params *params, const struct consent_search_rules *rules,
			 struct arena *arena, struct consent_search *search, struct outcome *outcome)
{
	struct reading reading = { .rules = rules, .arena = arena, .outcome = outcome };
	bool good = true;

	reading.found.page_entries = rules->page_entries;
	reading.found.base = rules->base;
	reading.found.default_offset_minutes = rules->default_offset_minutes;
	buf_init(&reading.honoured, (size_t)SEARCH_TEXT_MAX * 4);
	for (size_t i = 0; good && i < params->count; i++)
		good = read_param(&reading, &params->items[i]);
	if (good && rules->strict && !reading.found.has_status)
		good = outcome_add(outcome, ERR_PARAMETER_MISSING, "status",
				   "Say which status the Consents shall have.");
	reading.found.honoured = arena_copy(arena, buf_str(&reading.honoured));
	if (good && (reading.honoured.failed || !reading.found.honoured.data))
		good = no_memory(&reading);
	buf_free(&reading.honoured);
	if (good)
		*search = reading.found;
	return good;
}

/* "code" any system, "system|code", "|code" no system, "system|" any code. */
static bool token_matches(const struct search_token *token, struct str system, struct str code)
{
	if (token->code.size && !str_equal(token->code, code))
		return false;
	if (!token->has_system)
		return true;
	return str_equal(code_system_scheme(token->system), code_system_scheme(system));
}

static bool concept_matches(const struct search_token *token, const json_t *concept)
{
	const json_t *codings = json_object_get(concept, "coding");
	size_t i;
	json_t *coding;

	json_array_foreach(codings, i, coding)
	{
		if (token_matches(token, fhir_string(coding, "system"), fhir_string(coding, "code")))
			return true;
	}
	return false;
}

static bool identifiers_match(const struct search_token *token, const json_t *object)
{
	const json_t *identifier = json_object_get(object, "identifier");
	size_t i;
	json_t *item;

	if (json_is_object(identifier))
		return token_matches(token, fhir_string(identifier, "system"), fhir_string(identifier, "value"));
	json_array_foreach(identifier, i, item)
	{
		if (token_matches(token, fhir_string(item, "system"), fhir_string(item, "value")))
			return true;
	}
	return false;
}

/* Type/id as the reference says it, or the id alone, of the type that the modifier names. */
static bool literal_matches(const struct consent_search *search, const struct consent_filter *filter, struct str wanted,
			    struct str literal)
{
	struct str text = without_base(literal, search->base);
	size_t slash = str_find(text, '/');

	wanted = without_base(wanted, search->base);
	if (str_equal(wanted, text))
		return filter->type.size == 0 || str_starts_with(text, filter->type);
	if (str_find(wanted, '/') < wanted.size || slash == text.size || is_uri(text))
		return false;
	return str_equal(str_from(text, slash + 1), wanted) &&
	       (filter->type.size == 0 || str_equal((struct str) { text.data, slash }, filter->type));
}

static bool actor_matches(const struct consent_search *search, const struct consent_filter *filter,
			  const struct search_token *token, const json_t *consent, const json_t *reference)
{
	struct str literal = fhir_string(reference, "reference");

	if (filter->by_identifier || token->has_system) {
		return identifiers_match(token, reference) ||
		       (literal.size && literal.data[0] == '#' &&
			identifiers_match(token, fhir_contained(consent, str_from(literal, 1))));
	}
	return literal.size && literal_matches(search, filter, token->code, literal);
}

static bool provision_names(const struct consent_search *search, const struct consent_filter *filter,
			    const struct search_token *token, const json_t *consent, const json_t *provision)
{
	const json_t *actors = json_object_get(provision, "actor");
	size_t i;
	json_t *actor;

	json_array_foreach(actors, i, actor)
	{
		if (actor_matches(search, filter, token, consent, json_object_get(actor, "reference")))
			return true;
	}
	return false;
}

/* "Explicitly identify an actor for which there is a provision" (PCF): nested ones too. */
static bool any_provision_names(const struct consent_search *search, const struct consent_filter *filter,
				const struct search_token *token, const json_t *consent)
{
	const json_t *root = json_object_get(consent, "provision");
	const json_t *nested = json_object_get(root, "provision");
	size_t i;
	json_t *provision;

	if (provision_names(search, filter, token, consent, root))
		return true;
	json_array_foreach(nested, i, provision)
	{
		if (provision_names(search, filter, token, consent, provision))
			return true;
	}
	return false;
}

static bool date_matches(const struct consent_search *search, const struct search_date *date, struct str from,
			 struct str to)
{
	struct interval stored = interval_always();
	struct search_date low;
	struct search_date high;

	if (str_is_empty(from) && str_is_empty(to))
		return false;
	if (from.size) {
		if (!search_date_read(from, search->default_offset_minutes, &low))
			return false;
		stored.from = low.interval.from;
	}
	if (to.size) {
		if (!search_date_read(to, search->default_offset_minutes, &high))
			return false;
		stored.to = high.interval.to;
	}
	return search_date_matches(date, &stored);
}

static bool categories_match(const struct search_token *token, const json_t *consent)
{
	const json_t *categories = json_object_get(consent, "category");
	size_t i;
	json_t *category;

	json_array_foreach(categories, i, category)
	{
		if (concept_matches(token, category))
			return true;
	}
	return false;
}

static bool value_matches(const struct consent_search *search, const struct consent_filter *filter, size_t i,
			  const json_t *consent)
{
	const struct search_token *token = &filter->tokens[i];
	const json_t *period = json_object_get(json_object_get(consent, "provision"), "period");
	struct str updated = fhir_string(json_object_get(consent, "meta"), "lastUpdated");
	struct str given = fhir_string(consent, "dateTime");

	switch (filter->parameter) {
	case CONSENT_PARAMETER_ID:
		return str_equal(fhir_string(consent, "id"), token->code);
	case CONSENT_PARAMETER_LAST_UPDATED:
		return date_matches(search, &filter->dates[i], updated, updated);
	case CONSENT_PARAMETER_ACTOR:
		return any_provision_names(search, filter, token, consent);
	case CONSENT_PARAMETER_CATEGORY:
		return categories_match(token, consent);
	case CONSENT_PARAMETER_DATE:
		return date_matches(search, &filter->dates[i], given, given);
	case CONSENT_PARAMETER_PERIOD:
		return date_matches(search, &filter->dates[i], fhir_string(period, "start"),
				    fhir_string(period, "end"));
	case CONSENT_PARAMETER_SCOPE:
		return concept_matches(token, json_object_get(consent, "scope"));
	case CONSENT_PARAMETER_STATUS:
		return token_matches(token, STR("http://hl7.org/fhir/consent-state-codes"),
				     fhir_string(consent, "status"));
	case CONSENT_PARAMETER_PATIENT:
	case CONSENT_PARAMETER_PATIENT_IDENTIFIER:
	case CONSENT_PARAMETER_COUNT:
		break;
	}
	return true;
}

bool consent_search_matches(const struct consent_search *search, const json_t *consent)
{
	for (size_t i = 0; i < search->filter_count; i++) {
		const struct consent_filter *filter = &search->filters[i];
		bool matches = false;

		for (size_t k = 0; k < filter->count && !matches; k++)
			matches = value_matches(search, filter, k, consent);
		if (matches == filter->negate)
			return false;
	}
	return true;
}
