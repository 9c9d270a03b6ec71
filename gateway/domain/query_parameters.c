#include "gateway/domain/query_parameters.h"

#include "gateway/domain/refusal.h"
#include "mappers/base/xds_time.h"

#define PARAM_NUMBER      "XDSStoredQueryParamNumber"
#define PATTERN_BYTES_MAX 512

/* What a parameter means. KEY: the query itself looks at it. */
enum meaning { KEY, PATIENT, STATUS, CODE, TIME_FROM, TIME_TO, PERSON, REFERENCE, EQUAL, DOCUMENT_TYPE };

struct parameter {
	const char *name;
	enum object_kind kind; /* of the objects that it filters; 0 for KEY */
	enum meaning meaning;
	const char *sql; /* column, or attribute in table code */
};

#define OBJECT_NOTHING 0
static const struct parameter parameters[] = {
#define PARAMETER(its_name, filters, its_meaning, list, repeats, attribute) \
	{ its_name, (enum object_kind)OBJECT_##filters, its_meaning, attribute },
#include "profiles/xds/query_parameter.def"
#undef PARAMETER
};

static const struct parameter *parameter_find(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(parameters); i++) {
		if (str_equal(name, str_from_c(parameters[i].name)))
			return &parameters[i];
	}
	return NULL;
}

struct strs query_values(const struct stored_query *query, const char *name)
{
	const struct stored_query_param *param = stored_query_find(query, str_from_c(name), 0);

	return param ? param->values : (struct strs) { 0 };
}

static bool patient_add(const struct stored_query_param *param, struct select *select, struct outcome *outcome)
{
	struct str patient;

	if (!patient_id_normalise(param->values.items[0], select->arena, &patient, NULL, NULL))
		return refuse(outcome, PARAM_NUMBER, STR_NONE, "Write %.*s as id^^^&oid&ISO.", STR_ARG(param->name));
	select_add(select, " AND o.patient = ?");
	select_bind(select, patient);
	return true;
}

static void status_add(const struct stored_query_param *param, struct select *select)
{
	bool approved = false;
	bool deprecated = false;

	for (size_t i = 0; i < param->values.count; i++) {
		approved = approved || str_equal(param->values.items[i], STR(STATUS_APPROVED));
		deprecated = deprecated || str_equal(param->values.items[i], STR(STATUS_DEPRECATED));
	}
	if (!approved)
		select_add(select, " AND o.deprecated <> 0");
	if (!deprecated)
		select_add(select, " AND o.deprecated = 0");
}

/* code^^scheme, both ends required. ITI TF-2 3.18.4.1.2.3.4 */
static bool codes_add(const struct stored_query_param *param, const char *attribute, struct select *select,
		      struct outcome *outcome)
{
	select_add(select, " AND EXISTS (SELECT 1 FROM code c WHERE c.object = o.id AND c.attribute = ? AND (0");
	select_bind(select, str_from_c(attribute));
	for (size_t i = 0; i < param->values.count; i++) {
		struct str value = param->values.items[i];
		size_t caret = str_find(value, '^');
		struct str rest = str_from(value, caret);

		if (caret == 0 || !str_starts_with(rest, STR("^^")) || rest.size == 2)
			return refuse(outcome, PARAM_NUMBER, STR_NONE, "Write each value of %.*s as code^^scheme.",
				      STR_ARG(param->name));
		select_add(select, " OR (c.code = ? AND c.scheme = ?)");
		select_bind(select, (struct str) { value.data, caret });
		select_bind(select, str_from(rest, 2));
	}
	select_add(select, "))");
	return true;
}

/* From <= value < To, a short time being its first second; what has no such time is found all the same. ITI TF-2
 * 3.18.4.1.2.3.4 and .6 */
static bool time_add(const struct stored_query_param *param, const struct parameter *parameter, struct select *select,
		     struct outcome *outcome)
{
	char low[XDS_TIME_SIZE];
	char high[XDS_TIME_SIZE];

	if (!xds_time_range(param->values.items[0], low, high))
		return refuse(outcome, PARAM_NUMBER, STR_NONE, "Write %s as YYYY[MM[DD[hh[mm[ss]]]]].",
			      parameter->name);
	select_add(select, " AND (o.");
	select_add(select, parameter->sql);
	select_add(select, " IS NULL OR o.");
	select_add(select, parameter->sql);
	select_add(select, parameter->meaning == TIME_FROM ? " >= ?)" : " < ?)");
	select_bind(select, arena_copy(select->arena, str_from_c(low)));
	return true;
}

/* SQL LIKE (% and _) as a GLOB, which unlike LIKE tells upper from lower case. */
static struct str like_to_glob(struct str pattern, struct arena *arena)
{
	char *glob = arena_alloc(arena, pattern.size * 3 + 1);
	size_t size = 0;

	for (size_t i = 0; glob && i < pattern.size; i++) {
		char c = pattern.data[i];

		if (c == '*' || c == '?' || c == '[') {
			glob[size++] = '[';
			glob[size++] = c;
			glob[size++] = ']';
		} else {
			glob[size++] = c;
			if (c == '%')
				glob[size - 1] = '*';
			if (c == '_')
				glob[size - 1] = '?';
		}
	}
	return (struct str) { glob, size };
}

static bool patterns_add(const struct stored_query_param *param, const char *before, struct select *select,
			 struct outcome *outcome)
{
	select_add(select, before);
	for (size_t i = 0; i < param->values.count; i++) {
		struct str glob = like_to_glob(param->values.items[i], select->arena);

		if (param->values.items[i].size > PATTERN_BYTES_MAX)
			return refuse(outcome, PARAM_NUMBER, STR_NONE, "Shorten the pattern of %.*s.",
				      STR_ARG(param->name));
		if (!glob.data)
			return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
		select_add(select, " OR x.value GLOB ?");
		select_bind(select, glob);
	}
	select_add(select, "))");
	return true;
}

/* Only stable entries are ever registered here. ITI TF-2 3.18.4.1.2.3.6.2 */
static void document_type_add(const struct stored_query_param *param, struct select *select)
{
	for (size_t i = 0; i < param->values.count; i++) {
		if (str_equal_nocase(param->values.items[i], STR(OBJECT_TYPE_STABLE)))
			return;
	}
	select_add(select, " AND 0");
}

static bool condition_add(const struct stored_query_param *param, const struct parameter *parameter,
			  struct select *select, struct outcome *outcome)
{
	switch (parameter->meaning) {
	case KEY:
		return true;
	case PATIENT:
		return patient_add(param, select, outcome);
	case STATUS:
		status_add(param, select);
		return true;
	case CODE:
		return codes_add(param, parameter->sql, select, outcome);
	case TIME_FROM:
	case TIME_TO:
		return time_add(param, parameter, select, outcome);
	case PERSON:
		return patterns_add(param,
				    " AND EXISTS (SELECT 1 FROM (SELECT person AS value FROM author WHERE object = "
				    "o.id)"
				    " x WHERE (0",
				    select, outcome);
	case REFERENCE:
		return patterns_add(param,
				    " AND EXISTS (SELECT 1 FROM (SELECT value FROM reference WHERE object = o.id)"
				    " x WHERE (0",
				    select, outcome);
	case EQUAL:
		select_add(select, " AND o.");
		select_add(select, parameter->sql);
		select_add(select, " IN ");
		select_bind_list(select, &param->values);
		return true;
	case DOCUMENT_TYPE:
		document_type_add(param, select);
		return true;
	}
	return true;
}

bool query_conditions_add(const struct stored_query *query, enum object_kind kind, struct select *select,
			  struct outcome *outcome)
{
	for (size_t i = 0; i < query->param_count; i++) {
		const struct parameter *parameter = parameter_find(query->params[i].name);

		if (parameter && parameter->kind == kind &&
		    !condition_add(&query->params[i], parameter, select, outcome))
			return false;
	}
	return true;
}
