#include "mappers/patient_operation.h"

#include "mappers/fhir_mark.h"
#include "mappers/fhir_read.h"
#include "mappers/json_writer.h"

#define SOURCE_PARAMETER "sourceIdentifier"
#define TARGET_PARAMETER "targetSystem"

/* A question while its parameters come in. */
struct reading {
	struct pix_question question;
	size_t target_capacity;
	struct arena *arena;
	struct outcome *outcome;
};

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
}

static bool source_add(struct reading *reading, struct str system, struct str value)
{
	if (reading->question.system.data)
		return outcome_add(reading->outcome, ERR_VALUE_INVALID, SOURCE_PARAMETER,
				   "Give one sourceIdentifier, not several.");
	if (!system.size || !value.size)
		return outcome_add(reading->outcome, ERR_VALUE_INVALID, SOURCE_PARAMETER,
				   "Write sourceIdentifier as system|value, for instance urn:oid:1.2.3|4711.");
	reading->question.system = system;
	reading->question.value = value;
	return true;
}

static bool source_add_token(struct reading *reading, struct str text)
{
	struct search_token token;

	return search_token_read(text, reading->arena, &token) ? source_add(reading, token.system, token.code)
							       : no_memory(reading->outcome);
}

static bool target_add(struct reading *reading, struct str system)
{
	struct strs *targets = &reading->question.targets;

	if (!system.size)
		return outcome_add(reading->outcome, ERR_VALUE_INVALID, TARGET_PARAMETER,
				   "Write targetSystem as a URI, for instance urn:oid:1.2.3.");
	if (targets->count == PIX_TARGETS_MAX)
		return outcome_add(reading->outcome, ERR_TOO_COSTLY, TARGET_PARAMETER,
				   "Ask for at most %d target systems.", PIX_TARGETS_MAX);
	if (!arena_grow(reading->arena, &targets->items, targets->count, &reading->target_capacity, sizeof system))
		return no_memory(reading->outcome);
	targets->items[targets->count++] = system;
	return true;
}

static bool unknown(struct reading *reading)
{
	return outcome_add(reading->outcome, ERR_PARAMETER_UNKNOWN, "",
			   "Use the parameters sourceIdentifier and targetSystem.");
}

static bool finish(const struct reading *reading, struct pix_question *question)
{
	if (!reading->question.system.data)
		return outcome_add(reading->outcome, ERR_PARAMETER_MISSING, SOURCE_PARAMETER,
				   "Add sourceIdentifier=system|value.");
	*question = reading->question;
	return true;
}

static bool param_read(struct reading *reading, const struct search_param *param)
{
	bool is_source = str_equal(param->name, STR(SOURCE_PARAMETER));

	if (param->name.size && param->name.data[0] == '_')
		return true;
	if (param->modifier.data || (!is_source && !str_equal(param->name, STR(TARGET_PARAMETER))))
		return unknown(reading);
	for (size_t i = 0; i < param->values.count; i++) {
		struct str text = param->values.items[i];

		if (is_source) {
			if (!source_add_token(reading, text))
				return false;
			continue;
		}
		text = search_unescape(text, reading->arena);
		if (!text.data)
			return no_memory(reading->outcome);
		if (!target_add(reading, text))
			return false;
	}
	return true;
}

bool pix_question_from_params(const struct search_params *params, struct arena *arena, struct pix_question *question,
			      struct outcome *outcome)
{
	struct reading reading = { .arena = arena, .outcome = outcome };

	for (size_t i = 0; i < params->count; i++) {
		if (!param_read(&reading, &params->items[i]))
			return false;
	}
	return finish(&reading, question);
}

static bool is_parameters(const json_t *json, struct outcome *outcome)
{
	return str_equal(fhir_string(json, "resourceType"), STR("Parameters")) ||
	       outcome_add(outcome, ERR_BODY_MALFORMED, "", "Send a Parameters resource as the body.");
}

static struct str text_of(const json_t *parameter)
{
	struct str text = fhir_string(parameter, "valueString");

	return text.size ? text : fhir_string(parameter, "valueUri");
}

static bool parameter_read(struct reading *reading, const json_t *parameter)
{
	struct str name = fhir_string(parameter, "name");

	if (str_equal(name, STR(SOURCE_PARAMETER))) {
		const json_t *identifier = json_object_get(parameter, "valueIdentifier");

		return identifier ? source_add(reading, fhir_string(identifier, "system"),
					       fhir_string(identifier, "value"))
				  : source_add_token(reading, text_of(parameter));
	}
	if (str_equal(name, STR(TARGET_PARAMETER)))
		return target_add(reading, text_of(parameter));
	return str_equal(name, STR("_format")) || unknown(reading);
}

bool pix_question_from_fhir(const json_t *json, struct arena *arena, struct pix_question *question,
			    struct outcome *outcome)
{
	struct reading reading = { .arena = arena, .outcome = outcome };
	const json_t *parameters = json_object_get(json, "parameter");

	if (!is_parameters(json, outcome))
		return false;
	for (size_t i = 0; i < json_array_size(parameters); i++) {
		if (!parameter_read(&reading, json_array_get(parameters, i)))
			return false;
	}
	return finish(&reading, question);
}

void pix_answer_write(const struct patient_identities *identities, struct str reference, struct json_writer *writer)
{
	json_begin_object(writer);
	json_member(writer, STR("resourceType"), STR("Parameters"));
	if (reference.size || identities->count)
		json_member_array(writer, STR("parameter"));
	for (size_t i = 0; i < identities->count; i++) {
		json_begin_object(writer);
		json_member(writer, STR("name"), STR("targetIdentifier"));
		json_member_object(writer, STR("valueIdentifier"));
		patient_identity_members(writer, &identities->items[i]);
		json_end_object(writer);
		json_end_object(writer);
	}
	if (reference.size) {
		json_begin_object(writer);
		json_member(writer, STR("name"), STR("targetId"));
		json_member_object(writer, STR("valueReference"));
		json_member(writer, STR("reference"), reference);
		json_end_object(writer);
		json_end_object(writer);
	}
	if (reference.size || identities->count)
		json_end_array(writer);
	json_end_object(writer);
}

static bool match_parameter_read(const json_t *parameter, struct match_question *question, struct outcome *outcome)
{
	struct str name = fhir_string(parameter, "name");

	if (str_equal(name, STR("resource")) && !question->patient) {
		question->patient = json_object_get(parameter, "resource");
		question->path = "Parameters.parameter.where(name='resource').resource";
		return true;
	}
	if (str_equal(name, STR("onlyCertainMatches"))) {
		const json_t *value = json_object_get(parameter, "valueBoolean");

		question->only_certain = json_is_true(value);
		return json_is_boolean(value) ||
		       outcome_add(outcome, ERR_VALUE_INVALID, "onlyCertainMatches", "Write a valueBoolean here.");
	}
	if (str_equal(name, STR("count"))) {
		json_int_t count = json_integer_value(json_object_get(parameter, "valueInteger"));

		question->count = count > 0 ? (size_t)count : 0;
		return count > 0 ||
		       outcome_add(outcome, ERR_VALUE_INVALID, "count", "Write a valueInteger of 1 or more here.");
	}
	return outcome_add(outcome, ERR_PARAMETER_UNKNOWN, "",
			   "Use the parameters resource, onlyCertainMatches and count, each once.");
}

bool match_question_read(const json_t *json, struct match_question *question, struct outcome *outcome)
{
	struct match_question found = { 0 };
	const json_t *parameters = json_object_get(json, "parameter");

	if (str_equal(fhir_string(json, "resourceType"), STR("Patient"))) {
		*question = (struct match_question) { .patient = json, .path = "Patient" };
		return true;
	}
	if (!is_parameters(json, outcome))
		return false;
	for (size_t i = 0; i < json_array_size(parameters); i++) {
		if (!match_parameter_read(json_array_get(parameters, i), &found, outcome))
			return false;
	}
	if (!str_equal(fhir_string(found.patient, "resourceType"), STR("Patient")))
		return outcome_add(outcome, ERR_PARAMETER_MISSING, "resource",
				   "Add the parameter resource with a Patient.");
	*question = found;
	return true;
}

struct str match_grade(int percent)
{
	if (percent >= MATCH_CERTAIN_PERCENT)
		return STR("certain");
	if (percent >= MATCH_PROBABLE_PERCENT)
		return STR("probable");
	return percent >= MATCH_POSSIBLE_PERCENT ? STR("possible") : STR_NONE;
}

/* Two letters at least: one would be a way of listing everybody. */
static unsigned trait(struct str text)
{
	return text.size >= TRAIT_BYTES_MIN;
}

unsigned patient_traits(const struct patient *patient)
{
	unsigned traits = patient->identifiers.count > 0 ? 2 : 0;
	unsigned best = 0;

	for (size_t i = 0; i < patient->name_count; i++) {
		unsigned name = trait(patient->names[i].family) + trait(patient->names[i].given);

		best = name > best ? name : best;
	}
	traits += best;
	best = 0;
	for (size_t i = 0; i < patient->address_count; i++) {
		const struct patient_address *address = &patient->addresses[i];

		best |= trait(address->line) | trait(address->city) | trait(address->postal_code);
	}
	return traits + best + trait(patient->birth_date) + trait(patient->mothers_maiden_name) +
	       (patient->telecom_count > 0 && trait(patient->telecoms[0].value));
}
