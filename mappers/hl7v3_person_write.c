/* Patients as HL7 V3 writes them, in the order of the schema (PRPA_MT201301, 201302, 201303, 201304, 201310). */
#include <stdio.h>

#include "mappers/hl7v3_words.h"
#include "mappers/hl7v3_write.h"

#define GENDERS       "2.16.840.1.113883.5.1"
#define RELATIONS     "2.16.840.1.113883.5.111"
#define TELECOM_BYTES 512

static void class_write(struct xml_writer *writer, struct str class)
{
	xml_attribute(writer, STR("classCode"), class);
	xml_attribute(writer, STR("determinerCode"), STR("INSTANCE"));
}

void v3_integer_write(struct xml_writer *writer, struct str name, struct str value)
{
	xml_begin(writer, name);
	xml_attribute(writer, STR("xsi:type"), STR("INT"));
	xml_attribute(writer, STR("value"), value);
	xml_end(writer);
}

void v3_words_write(struct xml_writer *writer, struct str name, struct str words, char separator)
{
	struct str part;

	while (words.data && str_next(&words, separator, &part)) {
		if (part.size > 0)
			xml_element(writer, name, part);
	}
}

void v3_gender_write(struct xml_writer *writer, struct str name, struct str gender)
{
	struct str code = v3_gender_code(gender);

	xml_begin(writer, name);
	if (code.data) {
		xml_attribute(writer, STR("code"), code);
		xml_attribute(writer, STR("codeSystem"), STR(GENDERS));
	} else {
		xml_attribute(writer, STR("nullFlavor"), STR("UNK"));
	}
	xml_end(writer);
}

static void part_write(struct xml_writer *writer, struct str name, struct str text)
{
	if (text.size > 0)
		xml_element(writer, name, text);
}

bool v3_address_is_set(const struct patient_address *address)
{
	return address->line.size + address->city.size + address->district.size + address->state.size +
		       address->postal_code.size + address->country.size >
	       0;
}

void v3_address_write(struct xml_writer *writer, struct str name, const struct patient_address *address)
{
	xml_begin(writer, name);
	xml_attribute(writer, STR("use"), v3_address_use_code(address->use));
	v3_words_write(writer, STR("streetAddressLine"), address->line, '\n');
	part_write(writer, STR("city"), address->city);
	part_write(writer, STR("county"), address->district);
	part_write(writer, STR("state"), address->state);
	part_write(writer, STR("postalCode"), address->postal_code);
	part_write(writer, STR("country"), address->country);
	xml_end(writer);
}

static void name_write(struct xml_writer *writer, const struct patient_name *name)
{
	xml_begin(writer, STR("name"));
	xml_attribute(writer, STR("use"), v3_name_use_code(name->use));
	v3_words_write(writer, STR("prefix"), name->prefix, ' ');
	v3_words_write(writer, STR("given"), name->given, ' ');
	if (name->family.size > 0) {
		xml_begin(writer, STR("family"));
		if (str_equal(name->use, STR("maiden")))
			xml_attribute(writer, STR("qualifier"), STR("BR"));
		xml_text(writer, name->family);
		xml_end(writer);
	}
	v3_words_write(writer, STR("suffix"), name->suffix, ' ');
	xml_end(writer);
}

/* The schema wants a name. */
static void names_write(struct xml_writer *writer, const struct patient *patient)
{
	for (size_t i = 0; i < patient->name_count; i++)
		name_write(writer, &patient->names[i]);
	if (patient->name_count > 0)
		return;
	xml_begin(writer, STR("name"));
	xml_attribute(writer, STR("nullFlavor"), STR("NA"));
	xml_end(writer);
}

static void telecom_write(struct xml_writer *writer, const struct patient_telecom *telecom)
{
	char text[TELECOM_BYTES];
	int size =
		snprintf(text, sizeof text, "%s%.*s", v3_telecom_scheme(telecom->system).data, STR_ARG(telecom->value));

	if (size < 0 || (size_t)size >= sizeof text)
		return; /* no telephone is that long: cut it would be another one */
	xml_begin(writer, STR("telecom"));
	xml_attribute(writer, STR("use"), v3_telecom_use_code(telecom->use));
	xml_attribute(writer, STR("value"), str_from_c(text));
	xml_end(writer);
}

static void times_write(struct xml_writer *writer, const struct patient *patient)
{
	char time[V3_TIME_SIZE];

	if (patient->birth_date.size > 0) {
		v3_time(patient->birth_date, time);
		v3_value_write(writer, STR("birthTime"), str_from_c(time));
	}
	if (patient->deceased.size == 0)
		return;
	v3_value_write(writer, STR("deceasedInd"), STR("true"));
	if (!str_equal(patient->deceased, STR("true"))) {
		v3_time(patient->deceased, time);
		v3_value_write(writer, STR("deceasedTime"), str_from_c(time));
	}
}

static void other_id_write(struct xml_writer *writer, const struct patient_identity *identity, bool has_ended)
{
	xml_begin(writer, STR("asOtherIDs"));
	xml_attribute(writer, STR("classCode"), STR("PAT"));
	v3_ii_write(writer, STR("id"), identity->authority, identity->value);
	if (has_ended)
		v3_coded_write(writer, STR("statusCode"), STR("terminated"));
	xml_begin(writer, STR("scopingOrganization"));
	class_write(writer, STR("ORG"));
	v3_ii_write(writer, STR("id"), identity->authority, STR_NONE);
	xml_end(writer);
	xml_end(writer);
}

static void mother_write(struct xml_writer *writer, struct str name)
{
	xml_begin(writer, STR("personalRelationship"));
	xml_attribute(writer, STR("classCode"), STR("PRS"));
	xml_begin(writer, STR("code"));
	xml_attribute(writer, STR("code"), STR("MTH"));
	xml_attribute(writer, STR("codeSystem"), STR(RELATIONS));
	xml_end(writer);
	xml_begin(writer, STR("relationshipHolder1"));
	class_write(writer, STR("PSN"));
	xml_begin(writer, STR("name"));
	xml_element(writer, STR("family"), name);
	xml_end(writer);
	xml_end(writer);
	xml_end(writer);
}

static bool is_answer(enum hl7v3_kind kind)
{
	return kind == HL7V3_PIX_ANSWER || kind == HL7V3_PDQ_ANSWER;
}

static void person_write(struct xml_writer *writer, const struct hl7v3_message *message, const struct patient *patient)
{

	xml_begin(writer, STR("patientPerson"));
	class_write(writer, STR("PSN"));
	names_write(writer, patient);
	if (message->kind != HL7V3_PIX_ANSWER) {
		for (size_t i = 0; i < patient->telecom_count; i++)
			telecom_write(writer, &patient->telecoms[i]);
		if (patient->gender.size > 0)
			v3_gender_write(writer, STR("administrativeGenderCode"), patient->gender);
		times_write(writer, patient);
		for (size_t i = 0; i < patient->address_count; i++)
			v3_address_write(writer, STR("addr"), &patient->addresses[i]);
		for (size_t i = 1; i < patient->identifiers.count && !is_answer(message->kind); i++)
			other_id_write(writer, &patient->identifiers.items[i], false);
		for (size_t i = 0; i < message->unlinked.count; i++)
			other_id_write(writer, &message->unlinked.items[i], true);
		if (patient->mothers_maiden_name.size > 0)
			mother_write(writer, patient->mothers_maiden_name);
	}
	xml_end(writer);
}

/* Who gave the identifier; the schema wants somebody to turn to. */
static void provider_write(struct xml_writer *writer, struct str authority)
{
	xml_begin(writer, STR("providerOrganization"));
	class_write(writer, STR("ORG"));
	v3_ii_write(writer, STR("id"), authority, STR_NONE);
	xml_begin(writer, STR("contactParty"));
	xml_attribute(writer, STR("classCode"), STR("CON"));
	xml_begin(writer, STR("telecom"));
	xml_attribute(writer, STR("nullFlavor"), STR("NI"));
	xml_end(writer);
	xml_end(writer);
	xml_end(writer);
}

static void match_write(struct xml_writer *writer, int percent)
{
	char text[16];

	snprintf(text, sizeof text, "%d", percent < 0 ? 100 : percent);
	xml_begin(writer, STR("subjectOf1"));
	xml_begin(writer, STR("queryMatchObservation"));
	xml_attribute(writer, STR("classCode"), STR("COND"));
	xml_attribute(writer, STR("moodCode"), STR("EVN"));
	v3_coded_write(writer, STR("code"), STR("IHE_PDQ"));
	v3_integer_write(writer, STR("value"), str_from_c(text));
	xml_end(writer);
	xml_end(writer);
}

void v3_patient_write(struct xml_writer *writer, const struct hl7v3_message *message, const struct patient *patient)
{
	const struct patient_identities *ids = &patient->identifiers;

	xml_begin(writer, STR("patient"));
	xml_attribute(writer, STR("classCode"), STR("PAT"));
	for (size_t i = 0; i < ids->count && (is_answer(message->kind) || i == 0); i++)
		v3_ii_write(writer, STR("id"), ids->items[i].authority, ids->items[i].value);
	if (ids->count == 0)
		v3_ii_write(writer, STR("id"), STR_NONE, STR_NONE);
	v3_coded_write(writer, STR("statusCode"), patient->is_inactive ? STR("terminated") : STR("active"));
	person_write(writer, message, patient);
	if (message->kind != HL7V3_PIX_ANSWER && ids->count > 0)
		provider_write(writer, ids->items[0].authority);
	if (message->kind == HL7V3_PDQ_ANSWER)
		match_write(writer, patient->match_percent);
	xml_end(writer);
}
