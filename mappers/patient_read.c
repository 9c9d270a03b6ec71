#include "mappers/person_read.h"

#include "mappers/base/xds_time.h"
#include "mappers/fhir_mark.h"

#define LINE_SIZE_MAX 256 /* TF-3 4.2.3.1.5: a slot value */

/* Use of names, HL7 table 0200. A former name is not carried: XPN cannot say that it is one. */
static const struct {
	struct str use, code;
} name_uses[] = {
	{ STR_INIT("official"), STR_INIT("L") },  { STR_INIT("usual"), STR_INIT("D") },
	{ STR_INIT("nickname"), STR_INIT("N") },  { STR_INIT("maiden"), STR_INIT("M") },
	{ STR_INIT("anonymous"), STR_INIT("S") },
};

static const struct {
	struct str use, code;
} address_uses[] = { { STR_INIT("home"), STR_INIT("H") },
		     { STR_INIT("work"), STR_INIT("B") },
		     { STR_INIT("temp"), STR_INIT("C") } };

static const struct {
	struct str gender, code;
} genders[] = { { STR_INIT("male"), STR_INIT("M") },
		{ STR_INIT("female"), STR_INIT("F") },
		{ STR_INIT("other"), STR_INIT("O") },
		{ STR_INIT("unknown"), STR_INIT("U") } };

/* PID lines in the making. */
struct lines {
	struct fhir_reader *reader;
	const struct fhir_place *place;
	struct strs *out;
};

/* Adds "PID-5|value"; a line that is too long for a slot is left out with a warning. TF-3 4.2.3.2.23 */
static bool line_add(struct lines *lines, const char *field, struct str value)
{
	struct str line;

	if (!value.size)
		return true;
	if (value.size + 8 > LINE_SIZE_MAX) {
		outcome_warn(lines->reader->outcome, ERR_METADATA_INVALID, FHIR_PLACE_TEXT(lines->reader, lines->place),
			     "%s of the patient was left out: it is longer than 256 characters.", field);
		return true;
	}
	line = arena_printf(lines->reader->arena, "%s|%.*s", field, STR_ARG(value));
	return line.data && strs_add(lines->out, line, lines->reader->arena);
}

/* Escapes the parts and joins them; a part that is absent stays empty. */
static bool line_add_parts(struct lines *lines, const char *field, struct str *parts, size_t count)
{
	struct arena *arena = lines->reader->arena;
	struct str joined;

	for (size_t i = 0; i < count; i++) {
		bool there = parts[i].data;

		parts[i] = hl7_escape(parts[i], arena);
		if (there && !parts[i].data)
			return false;
	}
	joined = hl7_join(parts, count, '^', arena);
	return joined.data && line_add(lines, field, joined);
}

/* XPN: family^given^second^suffix^prefix^degree^type */
static bool name_line(struct lines *lines, const json_t *name)
{
	struct str use = fhir_string(name, "use");
	struct human_name human;

	if (!human_name_read(name, lines->reader->arena, &human))
		return false;
	struct str parts[7] = { human.family, human.given, human.second, human.suffix, human.prefix };

	if (str_equal(use, STR("old")) || (!human.family.size && !human.given.size))
		return true;
	for (size_t i = 0; i < COUNT_OF(name_uses); i++) {
		if (str_equal(use, name_uses[i].use))
			parts[6] = name_uses[i].code;
	}
	return line_add_parts(lines, "PID-5", parts, COUNT_OF(parts));
}

/* XAD: street^other^city^state^zip^country^type^^county */
static bool address_line(struct lines *lines, const json_t *address)
{
	struct str use = fhir_string(address, "use");
	struct str parts[9] = {
		[0] = fhir_text(fhir_item(address, "line", 0)),
		[2] = fhir_string(address, "city"),
		[3] = fhir_string(address, "state"),
		[4] = fhir_string(address, "postalCode"),
		[5] = fhir_string(address, "country"),
		[8] = fhir_string(address, "district"),
	};
	bool empty = true;

	if (!strings_join(json_object_get(address, "line"), 1, lines->reader->arena, &parts[1]))
		return false;
	if (str_equal(use, STR("old")))
		return true;
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		empty = empty && !parts[i].size;
	if (empty)
		parts[0] = fhir_string(address, "text");
	if (!parts[0].size && empty)
		return true;
	for (size_t i = 0; i < COUNT_OF(address_uses); i++) {
		if (str_equal(use, address_uses[i].use))
			parts[6] = address_uses[i].code;
	}
	return line_add_parts(lines, "PID-11", parts, COUNT_OF(parts));
}

static bool each(struct lines *lines, const json_t *array, bool (*line)(struct lines *lines, const json_t *item))
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (!line(lines, json_array_get(array, i)))
			return false;
	}
	return true;
}

static bool identifier_line(struct lines *lines, const json_t *item)
{
	struct identifier identifier = fhir_identifier(item);
	struct str cx;

	if (!identifier.value.size)
		return true;
	return identifier_to_cx(&identifier, lines->reader->arena, &cx) && line_add(lines, "PID-3", cx);
}

static bool telecom_line(struct lines *lines, const json_t *contact)
{
	bool work = str_equal(fhir_string(contact, "use"), STR("work"));
	struct str xtn;

	return xtn_read(contact, lines->reader->arena, &xtn) && line_add(lines, work ? "PID-14" : "PID-13", xtn);
}

static bool demographics(struct lines *lines, const json_t *patient)
{
	struct str birth = fhir_string(patient, "birthDate");
	struct str gender = fhir_string(patient, "gender");
	struct str dtm = STR_NONE;

	if (birth.size && xds_time_from_fhir(birth, 0, lines->reader->arena, &dtm) && !line_add(lines, "PID-7", dtm))
		return false;
	for (size_t i = 0; i < COUNT_OF(genders); i++) {
		if (str_equal(gender, genders[i].gender) && !line_add(lines, "PID-8", genders[i].code))
			return false;
	}
	return true;
}

static bool patient_of(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
		       const json_t **patient)
{
	struct fhir_resolved resolved = fhir_resolve(reader, reader->resource, reference);

	*patient = resolved.resource;
	if (!resolved.resource)
		return !fhir_has_reference(reference) ||
		       outcome_add(reader->outcome, ERR_REFERENCE_UNRESOLVED, FHIR_PLACE_TEXT(reader, place),
				   "The Patient that this reference names was not found; contain it in the resource.");
	if (str_equal(fhir_string(resolved.resource, "resourceType"), STR("Patient")))
		return true;
	return outcome_add(reader->outcome, ERR_METADATA_INVALID, FHIR_PLACE_TEXT(reader, place),
			   "Refer to a Patient here.");
}

bool source_patient_info_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
			      struct strs *out)
{
	struct lines lines = { .reader = reader, .place = place, .out = out };
	const json_t *patient;

	*out = (struct strs) { 0 };
	if (!patient_of(reader, place, reference, &patient))
		return false;
	if (!patient)
		return true;
	return (each(&lines, json_object_get(patient, "identifier"), identifier_line) &&
		each(&lines, json_object_get(patient, "name"), name_line) && demographics(&lines, patient) &&
		each(&lines, json_object_get(patient, "address"), address_line) &&
		each(&lines, json_object_get(patient, "telecom"), telecom_line)) ||
	       fhir_no_memory(reader);
}

/* The identifier that the source itself uses before any other. */
static struct identifier source_identifier(const json_t *patient)
{
	static const char *const uses[] = { "usual", "official" };
	const json_t *identifiers = json_object_get(patient, "identifier");

	for (size_t k = 0; k < COUNT_OF(uses); k++) {
		for (size_t i = 0; i < json_array_size(identifiers); i++) {
			const json_t *item = json_array_get(identifiers, i);

			if (str_equal(fhir_string(item, "use"), str_from_c(uses[k])) && fhir_string(item, "value").size)
				return fhir_identifier(item);
		}
	}
	return fhir_first_identifier(patient);
}

bool source_patient_id_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
			    struct str *cx)
{
	struct identifier identifier;
	const json_t *patient;

	*cx = STR_NONE;
	/* the same trouble is reported once, by source_patient_info_read */
	struct outcome quiet;
	struct fhir_reader silent = { reader->context, reader->resource, reader->arena, &quiet };

	outcome_init(&quiet);
	if (!patient_of(&silent, place, reference, &patient))
		return true;
	identifier = patient ? source_identifier(patient) : fhir_identifier(json_object_get(reference, "identifier"));
	if (identifier.value.size)
		return identifier_to_cx(&identifier, reader->arena, cx) || fhir_no_memory(reader);
	/* A Patient without identifier: the source knows the patient by the id of the affinity domain. */
	*cx = reader->context->patient_id;
	return true;
}
