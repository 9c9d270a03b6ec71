/* Names, addresses and the other traits of a person, as they come. */
#include "mappers/base/xds_time.h"
#include "mappers/hl7v3_read.h"
#include "mappers/hl7v3_words.h"

void v3_person_begin(struct v3_reader *reader, struct patient *patient)
{
	reader->patient = patient;
	reader->identifier_capacity = 0;
	reader->name_capacity = 0;
	reader->address_capacity = 0;
	reader->telecom_capacity = 0;
}

void v3_name_begin(struct v3_reader *reader)
{
	reader->name = (struct v3_name) { 0 };
}

static bool name_begin(struct v3_reader *reader)
{
	struct str uses;

	v3_name_begin(reader);
	if (!v3_attribute(reader, "use", &uses))
		return false;
	reader->name.use = v3_name_use(uses);
	return true;
}

static bool name_add(struct v3_reader *reader, const struct patient_name *name)
{
	struct patient *patient = reader->patient;

	if (name->family.size + name->given.size + name->prefix.size + name->suffix.size == 0 ||
	    patient->name_count == PATIENT_REPEATS_MAX)
		return true;
	if (!arena_grow(reader->arena, &patient->names, patient->name_count, &reader->name_capacity, sizeof *name))
		return v3_no_memory(reader);
	patient->names[patient->name_count++] = *name;
	return true;
}

static bool name_end(struct v3_reader *reader)
{
	struct v3_name *read = &reader->name;
	struct patient_name name = { .family = read->family,
				     .given = read->given,
				     .prefix = read->prefix,
				     .suffix = read->suffix,
				     .use = read->use };
	struct patient_name maiden = { .family = read->maiden, .given = read->given, .use = STR("maiden") };

	if (read->maiden.size == 0)
		return name_add(reader, &name);
	return (name.family.size == 0 || name_add(reader, &name)) && name_add(reader, &maiden);
}

/* Two parts of the same kind become one, divided by a blank. */
static bool part_add(struct v3_reader *reader, struct str *part, struct str text, const char *between)
{
	if (text.size == 0)
		return true;
	*part = part->size == 0 ? text
				: arena_printf(reader->arena, "%.*s%s%.*s", STR_ARG(*part), between, STR_ARG(text));
	return part->data || v3_no_memory(reader);
}

static bool address_begin(struct v3_reader *reader)
{
	struct patient *patient = reader->patient;
	struct patient_address address = { 0 };
	struct str uses;

	reader->address = NULL;
	if (patient->address_count == PATIENT_REPEATS_MAX)
		return true;
	if (!v3_attribute(reader, "use", &uses))
		return false;
	address.use = v3_address_use(uses);
	if (!arena_grow(reader->arena, &patient->addresses, patient->address_count, &reader->address_capacity,
			sizeof address))
		return v3_no_memory(reader);
	reader->address = &patient->addresses[patient->address_count++];
	*reader->address = address;
	return true;
}

/* An address of which nothing was said is none. */
static void address_end(struct v3_reader *reader)
{
	const struct patient_address *address = reader->address;

	if (address && address->line.size + address->city.size + address->district.size + address->state.size +
				       address->postal_code.size + address->country.size ==
			       0)
		reader->patient->address_count--;
	reader->address = NULL;
}

static bool telecom_add(struct v3_reader *reader)
{
	struct patient *patient = reader->patient;
	struct patient_telecom telecom;
	struct str value;
	struct str uses;

	if (!v3_attribute(reader, "value", &value) || !v3_attribute(reader, "use", &uses))
		return false;
	telecom = (struct patient_telecom) { .system = v3_telecom_system(value),
					     .value = v3_telecom_value(value),
					     .use = v3_telecom_use(uses) };
	if (telecom.value.size == 0 || patient->telecom_count == PATIENT_REPEATS_MAX)
		return true;
	if (!arena_grow(reader->arena, &patient->telecoms, patient->telecom_count, &reader->telecom_capacity,
			sizeof telecom))
		return v3_no_memory(reader);
	patient->telecoms[patient->telecom_count++] = telecom;
	return true;
}

static bool gender_read(struct v3_reader *reader)
{
	struct str code;
	struct str null_flavor;

	if (!v3_attribute(reader, "code", &code) || !v3_attribute(reader, "nullFlavor", &null_flavor))
		return false;
	if (code.size + null_flavor.size > 0)
		reader->patient->gender = v3_gender(code);
	return true;
}

static bool birth_read(struct v3_reader *reader)
{
	struct str value;

	if (!v3_attribute(reader, "value", &value))
		return false;
	reader->patient->birth_date = v3_date(value, reader->arena);
	return reader->patient->birth_date.data || v3_no_memory(reader);
}

static bool deceased_read(struct v3_reader *reader, bool is_time)
{
	struct patient *patient = reader->patient;
	struct str value;

	if (!v3_attribute(reader, "value", &value))
		return false;
	if (!is_time) {
		if (str_equal(value, STR("true")) && !patient->deceased.data)
			patient->deceased = STR("true");
		return true;
	}
	if (value.size == 0 || xds_time_to_fhir(value, reader->arena, &patient->deceased))
		return true;
	patient->deceased = STR("true"); /* dead at a time that is no time */
	return !arena_failed(reader->arena) || v3_no_memory(reader);
}

bool v3_person_part(struct v3_reader *reader, enum v3_element element)
{
	struct str code;

	switch ((int)element) {
	case V3_NAME:
	case V3_HOLDER_NAME:
		return name_begin(reader);
	case V3_FAMILY:
		if (!v3_attribute(reader, "qualifier", &code))
			return false;
		reader->name.part_is_maiden = v3_has_word(code, STR("BR"));
		return true;
	case V3_ADDRESS:
		return address_begin(reader);
	case V3_TELECOM:
		return telecom_add(reader);
	case V3_GENDER:
		return gender_read(reader);
	case V3_BIRTH_TIME:
		return birth_read(reader);
	case V3_DECEASED:
	case V3_DECEASED_TIME:
		return deceased_read(reader, element == V3_DECEASED_TIME);
	case V3_RELATION_CODE:
		if (!v3_attribute(reader, "code", &code))
			return false;
		reader->relation_is_mother = str_equal(code, STR("MTH"));
		return true;
	case V3_RELATION:
		reader->relation_is_mother = false;
		return true;
	default:
		return true;
	}
}

static bool name_text(struct v3_reader *reader, enum v3_element element, struct str text)
{
	struct v3_name *name = &reader->name;

	switch ((int)element) {
	case V3_FAMILY:
		return part_add(reader, name->part_is_maiden ? &name->maiden : &name->family, text, " ");
	case V3_GIVEN:
		return part_add(reader, &name->given, text, " ");
	case V3_PREFIX:
		return part_add(reader, &name->prefix, text, " ");
	case V3_SUFFIX:
		return part_add(reader, &name->suffix, text, " ");
	default:
		return true;
	}
}

bool v3_person_text(struct v3_reader *reader, enum v3_element element, struct str text)
{
	struct patient_address *address = reader->address;

	if (!address)
		return name_text(reader, element, text);
	switch ((int)element) {
	case V3_LINE:
	case V3_STREET:
		return part_add(reader, &address->line, text, "\n");
	case V3_HOUSE:
		return part_add(reader, &address->line, text, " ");
	case V3_CITY:
		return part_add(reader, &address->city, text, " ");
	case V3_COUNTY:
		return part_add(reader, &address->district, text, " ");
	case V3_STATE:
		return part_add(reader, &address->state, text, " ");
	case V3_POSTAL_CODE:
		return part_add(reader, &address->postal_code, text, " ");
	case V3_COUNTRY:
		return part_add(reader, &address->country, text, " ");
	default:
		return true;
	}
}

bool v3_person_end(struct v3_reader *reader, enum v3_element element)
{
	switch ((int)element) {
	case V3_NAME:
		return name_end(reader);
	case V3_HOLDER_NAME:
		if (reader->relation_is_mother)
			reader->patient->mothers_maiden_name =
				reader->name.maiden.size > 0 ? reader->name.maiden : reader->name.family;
		return true;
	case V3_ADDRESS:
		address_end(reader);
		return true;
	case V3_ASKED_ADDRESS:
		reader->address = NULL;
		return true;
	default:
		return true;
	}
}
