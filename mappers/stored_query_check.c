#include "mappers/stored_query_check.h"

#include <stdio.h>

#define PARAM_NUMBER "XDSStoredQueryParamNumber"

/* The meanings that the form depends on. */
enum meaning { KEY, PATIENT, STATUS, CODE, TIME_FROM, TIME_TO, PERSON, REFERENCE, EQUAL, DOCUMENT_TYPE };

struct parameter {
	struct str name;
	enum meaning meaning;
	bool list;    /* several values, in parentheses */
	bool repeats; /* several Slots mean AND */
};

static const struct parameter parameters[] = {
#define PARAMETER(its_name, filters, its_meaning, is_list, may_repeat, attribute) \
	{ STR_INIT(its_name), its_meaning, is_list, may_repeat },
#include "profiles/xds/query_parameter.def"
#undef PARAMETER
};

static const struct {
	struct str id;
	struct str patient;
} queries[] = {
	{ STR_INIT("urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"), STR_INIT("$XDSDocumentEntryPatientId") },
	{ STR_INIT("urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492"), STR_INIT("$XDSDocumentEntryPatientId") },
	{ STR_INIT("urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9"), STR_INIT("$XDSSubmissionSetPatientId") },
	{ STR_INIT("urn:uuid:958f3006-baad-4929-a4de-ff1114824431"), STR_INIT("$XDSFolderPatientId") },
	{ STR_INIT("urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3"), STR_INIT("$patientId") },
	{ STR_INIT("urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"), STR_INIT("") },
	{ STR_INIT("urn:uuid:5737b14c-8a1a-4539-b659-e03a34a5e1e4"), STR_INIT("") },
	{ STR_INIT("urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155"), STR_INIT("") },
	{ STR_INIT("urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a"), STR_INIT("") },
	{ STR_INIT("urn:uuid:51224314-5390-4169-9b91-b1980040715a"), STR_INIT("") },
	{ STR_INIT("urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83"), STR_INIT("") },
	{ STR_INIT("urn:uuid:b909a503-523d-4517-8acf-8e5834dfc4c7"), STR_INIT("") },
	{ STR_INIT("urn:uuid:10cae35a-c7f9-4cf5-b61e-fc3278ffb578"), STR_INIT("") },
	{ STR_INIT("urn:uuid:d90e5407-b356-4d91-a89f-873917b4b0e6"), STR_INIT("") },
};

bool stored_query_known(struct str id, struct str *patient)
{
	for (size_t i = 0; i < COUNT_OF(queries); i++) {
		if (!str_equal_nocase(id, queries[i].id))
			continue;
		*patient = queries[i].patient.size ? queries[i].patient : STR_NONE;
		return true;
	}
	return false;
}

static const struct parameter *parameter_find(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(parameters); i++) {
		if (str_equal(name, parameters[i].name))
			return &parameters[i];
	}
	return NULL;
}

bool stored_query_parameter_known(struct str name)
{
	return parameter_find(name) != NULL;
}

/* GetFolderAndContents, GetFoldersForDocument and GetRelatedDocuments take one id, which then is no list.
 * TF-2 3.18.4.1.2.3.7.11 to .14 */
static bool asks_for_one(const struct stored_query *query, const struct parameter *parameter)
{
	static const char *const ids[] = { "urn:uuid:b909a503-523d-4517-8acf-8e5834dfc4c7",
					   "urn:uuid:10cae35a-c7f9-4cf5-b61e-fc3278ffb578",
					   "urn:uuid:d90e5407-b356-4d91-a89f-873917b4b0e6" };

	if (!str_ends_with(parameter->name, STR("EntryUUID")) && !str_ends_with(parameter->name, STR("UniqueId")))
		return false;
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		if (str_equal(query->id, str_from_c(ids[i])))
			return true;
	}
	return false;
}

/* "Give $uuid one value." around the name of the parameter. */
static bool refuse(struct outcome *outcome, const char *before, struct str name, const char *after)
{
	char text[160];

	snprintf(text, sizeof(text), "%s %.*s %s", before, STR_ARG(name), after);
	outcome_add_xds(outcome, SEVERITY_ERROR, STR(PARAM_NUMBER), str_from_c(text), STR_NONE);
	return false;
}

static bool parameter_check(const struct stored_query *query, const struct stored_query_param *param,
			    struct outcome *outcome)
{
	const struct parameter *parameter = parameter_find(param->name);

	if (!parameter && !str_starts_with(param->name, STR("$"))) {
		outcome_add_xds(outcome, SEVERITY_ERROR, STR("XDSRegistryError"),
				STR("Begin the name of every query parameter with $."), STR_NONE);
		return false;
	}
	if (!parameter)
		return true;
	if (param->malformed)
		return refuse(outcome, "Write the value of", parameter->name, "as 'text', number or ('a','b').");
	/* Times may stand bare, CP-ITI-1260. */
	if (param->number && parameter->meaning != TIME_FROM && parameter->meaning != TIME_TO &&
	    !str_equal(param->name, STR("$MetadataLevel")))
		return refuse(outcome, "Put the values of", parameter->name, "in quotes.");
	if (param->values.count == 0)
		return refuse(outcome, "Give", parameter->name, "a value.");
	if (param->and_group > 0 && !parameter->repeats)
		return refuse(outcome, "Send the Slot", parameter->name, "once.");
	if ((!parameter->list || asks_for_one(query, parameter)) && param->values.count > 1)
		return refuse(outcome, "Give", parameter->name, "one value.");
	if (parameter->list && !param->list && !asks_for_one(query, parameter))
		return refuse(outcome, "Write the values of", parameter->name, "in parentheses.");
	return true;
}

bool stored_query_check(const struct stored_query *query, struct outcome *outcome)
{
	bool ok = true;

	for (size_t i = 0; i < query->param_count; i++)
		ok = parameter_check(query, &query->params[i], outcome) && ok;
	return ok;
}
