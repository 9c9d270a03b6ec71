#include "mappers/search_read.h"

/* What is being read, for the functions of this file. */
struct reading {
	const struct search_params *params;
	const struct search_rules *rules;
	const enum search_object *objects;
	size_t object_count;
	struct arena *arena;
	struct search *search;
	struct outcome *outcome;
	struct buf honoured;
	size_t filter_capacity;
};

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
}

static const char *path_of(const struct reading *reading, struct str name)
{
	struct str copy = arena_copy(reading->arena, name);

	return copy.data ? copy.data : "";
}

/* What this parameter is for each object that is searched; false when it is none of theirs. */
static bool find_rows(const struct reading *reading, struct str name, const struct search_row **rows,
		      const struct search_row **any)
{
	*any = NULL;
	for (size_t i = 0; i < SEARCH_OBJECT_COUNT; i++)
		rows[i] = NULL;
	for (size_t i = 0; i < reading->object_count; i++) {
		const struct search_row *row = search_row_find(reading->objects[i], name);

		rows[reading->objects[i]] = row;
		*any = *any ? *any : row;
	}
	return *any;
}

static bool refused(const struct reading *reading, struct str name)
{
	if (!reading->rules->strict)
		return true;
	return outcome_add(reading->outcome, ERR_PARAMETER_UNKNOWN, path_of(reading, name),
			   "Leave out this parameter, or send Prefer: handling=lenient to have it ignored.");
}

static void honour(struct reading *reading, const struct search_param *param)
{
	search_param_write(param, &reading->honoured);
}

/* _count: at least 0; more than the configured most is that most. */
static bool read_count(struct reading *reading, const struct search_param *param)
{
	struct search_view *view = &reading->search->view;
	uint64_t count;

	if (!str_to_u64(param->value, &count))
		return outcome_add(reading->outcome, ERR_VALUE_INVALID, "_count", "Give _count a number of 0 or more.");
	if (count == 0)
		view->summary = SUMMARY_COUNT;
	else
		view->page_entries =
			count < reading->rules->page_entries_max ? (size_t)count : reading->rules->page_entries_max;
	honour(reading, param);
	return true;
}

static bool read_summary(struct reading *reading, const struct search_param *param)
{
	static const struct {
		struct str text;
		enum search_summary summary;
	} words[] = { { { "false", 5 }, SUMMARY_FALSE },
		      { { "true", 4 }, SUMMARY_TRUE },
		      { { "text", 4 }, SUMMARY_TEXT },
		      { { "data", 4 }, SUMMARY_DATA },
		      { { "count", 5 }, SUMMARY_COUNT } };

	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (!str_equal(param->value, words[i].text))
			continue;
		if (reading->search->view.summary != SUMMARY_COUNT)
			reading->search->view.summary = words[i].summary;
		honour(reading, param);
		return true;
	}
	return outcome_add(reading->outcome, ERR_VALUE_INVALID, "_summary",
			   "Give _summary one of true, text, data, count and false.");
}

/* Only times are sorted by, and only one. */
static bool read_sort(struct reading *reading, const struct search_param *param)
{
	struct str name = param->values.items[0];
	bool descending = name.size && name.data[0] == '-';
	const struct search_row *rows[SEARCH_OBJECT_COUNT];
	const struct search_row *row;

	if (descending)
		name = str_from(name, 1);
	if (param->values.count > 1 || !find_rows(reading, name, rows, &row) || row->type != SEARCH_DATE ||
	    (row->match == MATCH_UPDATED && rows[SEARCH_DOCUMENT_ENTRY])) {
		if (!reading->rules->strict)
			return true;
		return outcome_add(reading->outcome, ERR_PARAMETER_UNKNOWN, "_sort",
				   "Sort by one date parameter, for instance _sort=-date.");
	}
	reading->search->sort = row->name;
	reading->search->sort_descending = descending;
	honour(reading, param);
	return true;
}

/* application/fhir+xml is often sent without encoding its plus. */
static struct str plus_for_blank(const struct reading *reading, struct str value)
{
	char *text = arena_alloc(reading->arena, value.size + 1);

	for (size_t i = 0; text && i < value.size; i++)
		text[i] = value.data[i] == ' ' ? '+' : value.data[i];
	return (struct str) { text, text ? value.size : 0 };
}

/* Parameters about the answer. *done: it was one of these. */
static bool read_view(struct reading *reading, const struct search_param *param, bool *done)
{
	struct search_view *view = &reading->search->view;

	*done = true;
	if (param->name.size == 0 || param->name.data[0] != '_')
		return !(*done = false);
	if (str_equal(param->name, STR("_count")))
		return read_count(reading, param);
	if (str_equal(param->name, STR("_summary")))
		return read_summary(reading, param);
	if (str_equal(param->name, STR("_sort")))
		return read_sort(reading, param);
	if (str_equal(param->name, STR("_elements"))) {
		view->elements = param->values;
	} else if (str_equal(param->name, STR("_format"))) {
		view->format = plus_for_blank(reading, param->value);
		if (!view->format.data)
			return no_memory(reading->outcome);
	} else if (str_equal(param->name, STR("_pretty"))) {
		view->pretty = str_equal(param->value, STR("true"));
	} else if (!str_equal(param->name, STR("_total"))) { /* every total is exact and costs nothing more */
		*done = false;
		return true;
	}
	honour(reading, param);
	return true;
}

/* Patient/{id}, [base]/Patient/{id}, {id}, another server's URL, or Patient?identifier=system|value. */
static bool read_reference(const struct reading *reading, struct str value, struct patient_claim *claim)
{
	struct str text = search_unescape(value, reading->arena);

	if (!text.data)
		return no_memory(reading->outcome);
	return patient_claim_refer(text, reading->rules->base, claim) ||
	       outcome_add(reading->outcome, ERR_VALUE_INVALID, claim->path,
			   "Name the patient as Patient/{id}, as the URL of a Patient, or by patient.identifier.");
}

static bool read_identifier(const struct reading *reading, struct str value, struct patient_claim *claim)
{
	struct search_token token;

	claim->identifiers = arena_array(reading->arena, 1, sizeof *claim->identifiers);
	if (!claim->identifiers || !search_token_read(value, reading->arena, &token))
		return no_memory(reading->outcome);
	if (token.code.size == 0)
		return outcome_add(reading->outcome, ERR_VALUE_INVALID, claim->path,
				   "Name the patient as system|value.");
	claim->identifiers[0].system = token.has_system ? token.system : STR_NONE;
	claim->identifiers[0].value = token.code;
	claim->identifier_count = 1;
	return true;
}

static bool read_patient(struct reading *reading, const struct search_param *param, const struct search_row *row)
{
	struct search_needs *needs = &reading->search->needs;
	struct patient_claim claim = { .path = path_of(reading, param->name) };
	struct str value = param->values.items[0];
	bool by_identifier = row->type == SEARCH_TOKEN || str_equal(param->modifier, STR("identifier"));
	bool good;

	if (param->modifier.data && !(row->type == SEARCH_REFERENCE && (str_equal(param->modifier, STR("Patient")) ||
									str_equal(param->modifier, STR("identifier")))))
		return outcome_add(reading->outcome, ERR_PARAMETER_UNKNOWN, claim.path,
				   "Leave out the modifier of this parameter; it is not supported here.");
	if (param->values.count > 1)
		return outcome_add(reading->outcome, ERR_VALUE_INVALID, claim.path,
				   "Search for one patient at a time.");
	if (str_starts_with(value, STR("Patient?identifier="))) {
		value = str_from(value, sizeof "Patient?identifier=" - 1);
		by_identifier = true;
	}
	good = by_identifier ? read_identifier(reading, value, &claim) : read_reference(reading, value, &claim);
	if (!good)
		return false;
	honour(reading, param);
	for (size_t i = 0; i < needs->claim_count; i++) {
		if (patient_claim_equal(&needs->claims[i], &claim))
			return true;
	}
	if (needs->claim_count == SEARCH_CLAIMS_MAX)
		return outcome_add(reading->outcome, ERR_TOO_COSTLY, claim.path, "Name the patient once.");
	needs->claims[needs->claim_count++] = claim;
	return true;
}

static bool is_one_of(struct str text, const struct strs *texts)
{
	for (size_t i = 0; i < texts->count; i++) {
		if (str_equal(texts->items[i], text))
			return true;
	}
	return false;
}

/* Communities that are known may be named, alone or among others (MHD 4.2.4, Target Communities). */
static bool read_community(struct reading *reading, const struct search_param *param)
{
	for (size_t i = 0; i < param->values.count; i++) {
		if (is_one_of(param->values.items[i], &reading->rules->communities)) {
			honour(reading, param);
			reading->search->communities = param->values;
			return true;
		}
	}
	return outcome_add(reading->outcome, ERR_VALUE_INVALID, "targetCommunityIdList",
			   "Name a community that this gateway reaches, or leave the parameter out.");
}

/* Ids go to the gateway, which alone can open them; the filter compares with what it found. */
static bool read_ids(struct reading *reading, const struct search_param *param)
{
	struct strs *ids = &reading->search->needs.ids;

	if (ids->count)
		return outcome_add(reading->outcome, ERR_VALUE_INVALID, "_id",
				   "Give _id once, with commas between the ids.");
	if (param->values.count > SEARCH_IDS_MAX)
		return outcome_add(reading->outcome, ERR_TOO_COSTLY, "_id", "Ask for at most %d ids.", SEARCH_IDS_MAX);
	*ids = param->values;
	return true;
}

static bool read_filter(struct reading *reading, const struct search_param *param,
			const struct search_row *const rows[SEARCH_OBJECT_COUNT], const struct search_row *row)
{
	struct search *search = reading->search;
	struct search_filter filter;

	if (!search_filter_read(param, rows, reading->rules, reading->arena, &filter, reading->outcome))
		return false;
	if (row->match == MATCH_ID && filter.presence == PRESENCE_ANY && !read_ids(reading, param))
		return false;
	if (row->match == MATCH_UPDATED && rows[SEARCH_DOCUMENT_ENTRY])
		search->needs.last_updated = true;
	if (!arena_grow(reading->arena, &search->filters, search->filter_count, &reading->filter_capacity,
			sizeof filter))
		return no_memory(reading->outcome);
	search->filters[search->filter_count++] = filter;
	honour(reading, param);
	return true;
}

static bool read_param(struct reading *reading, const struct search_param *param)
{
	const struct search_row *rows[SEARCH_OBJECT_COUNT];
	const struct search_row *row;
	bool done;

	if (!read_view(reading, param, &done))
		return false;
	if (done)
		return true;
	if (!find_rows(reading, param->name, rows, &row))
		return refused(reading, param->name);
	if (row->match == MATCH_PATIENT)
		return read_patient(reading, param, row);
	if (row->match == MATCH_COMMUNITY)
		return read_community(reading, param);
	return read_filter(reading, param, rows, row);
}

const struct search_filter *search_filter_find(const struct search *search, enum search_match match)
{
	for (size_t i = 0; i < search->filter_count; i++) {
		const struct search_filter *filter = &search->filters[i];

		if (filter->match == match && filter->presence == PRESENCE_ANY && !filter->negate)
			return filter;
	}
	return NULL;
}

/* A registry finds nothing without a patient or an identifier that it can look up. */
static bool check_required(const struct reading *reading, const struct strs *required)
{
	const struct search *search = reading->search;
	const struct search_filter *identifier = search_filter_find(search, MATCH_IDENTIFIER);
	struct str ignored;
	bool good = true;

	if (search->needs.ids.count)
		return true;
	for (size_t i = 0; reading->rules->strict && !identifier && i < required->count; i++) {
		if (!search_params_find(reading->params, required->items[i]))
			good = outcome_add(reading->outcome, ERR_PARAMETER_MISSING,
					   path_of(reading, required->items[i]), "Add this parameter.");
	}
	if (search->needs.claim_count)
		return good;
	for (size_t i = 0; identifier && i < identifier->count; i++) {
		if (!search_entry_uuid(&identifier->tokens[i], &ignored) &&
		    !search_unique_id(&identifier->tokens[i], reading->arena, &ignored))
			return outcome_add(reading->outcome, ERR_PARAMETER_MISSING, "patient",
					   "Add patient or patient.identifier, or give identifier as system|value.");
	}
	if (identifier)
		return good;
	return outcome_add(reading->outcome, ERR_PARAMETER_MISSING, "patient",
			   "Add patient or patient.identifier, for instance patient.identifier=urn:oid:1.2.3|4711.");
}

bool search_read(const struct search_params *params, const struct search_rules *rules,
		 const enum search_object *objects, size_t object_count, const struct strs *required, struct str sort,
		 struct arena *arena, struct search *search, struct outcome *outcome)
{
	struct search found = { .view = { .page_entries = rules->page_entries },
				.sort = sort,
				.sort_descending = true };
	struct reading reading = { .params = params,
				   .rules = rules,
				   .objects = objects,
				   .object_count = object_count,
				   .arena = arena,
				   .search = &found,
				   .outcome = outcome };
	bool good = true;

	buf_init(&reading.honoured, (size_t)SEARCH_TEXT_MAX * 4);
	for (size_t i = 0; i < params->count; i++)
		good = read_param(&reading, &params->items[i]) && good;
	good = good && check_required(&reading, required);
	found.honoured = arena_copy(arena, buf_str(&reading.honoured));
	if (good && (reading.honoured.failed || !found.honoured.data))
		good = no_memory(outcome);
	buf_free(&reading.honoured);
	if (good)
		*search = found;
	return good;
}
