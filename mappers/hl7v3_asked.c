/* What is asked: the parameters of a query, which its answer repeats. */
#include "mappers/hl7v3_read.h"
#include "mappers/hl7v3_words.h"

static bool domain_add(struct v3_reader *reader)
{
	struct strs *domains = &reader->message->query.domains;
	struct hl7v3_ii ii;

	if (!v3_ii_read(reader, &ii))
		return false;
	if (ii.root.size == 0)
		return true;
	if (domains->count == HL7V3_IDENTIFIERS_MAX)
		return outcome_add(reader->outcome, ERR_TOO_LONG, "", "Name at most %d domains.",
				   HL7V3_IDENTIFIERS_MAX);
	return v3_word_add(reader, domains, &reader->domain_capacity, ii.root);
}

/* A parameter given twice means one or the other, which this code cannot ask for. */
static void asked_twice(struct v3_reader *reader, bool is_set)
{
	if (is_set)
		reader->message->query.has_unknown = true;
}

static bool birth_begin(struct v3_reader *reader, enum v3_element element)
{
	struct patient_query *query = &reader->message->query;
	struct str value;

	if (element == V3_ASKED_BIRTH)
		asked_twice(reader, query->birth_from.data || query->birth_to.data);
	if (!v3_attribute(reader, "value", &value))
		return false;
	if (value.size == 0)
		return true;
	value = v3_date(value, reader->arena);
	if (!value.data)
		return v3_no_memory(reader);
	if (element != V3_ASKED_BIRTH_HIGH)
		query->birth_from = value;
	if (element != V3_ASKED_BIRTH_LOW)
		query->birth_to = value;
	return true;
}

bool v3_asked_part(struct v3_reader *reader, enum v3_element element)
{
	struct patient_query *query = &reader->message->query;
	struct str value;

	switch ((int)element) {
	case V3_QUANTITY:
		return v3_number_read(reader, &query->count_max);
	case V3_MINIMUM_VALUE:
		return v3_percent_read(reader, &query->minimum_percent);
	case V3_ASKED_DOMAIN:
		return domain_add(reader);
	case V3_ASKED_ID:
		return v3_identity_add(reader, &query->identifiers, &reader->asked_capacity);
	case V3_ASKED_GENDER:
		asked_twice(reader, query->gender.data);
		if (!v3_attribute(reader, "code", &value))
			return false;
		query->gender = v3_gender(value);
		return true;
	case V3_ASKED_BIRTH:
	case V3_ASKED_BIRTH_LOW:
	case V3_ASKED_BIRTH_HIGH:
		return birth_begin(reader, element);
	case V3_ASKED_TELECOM:
		asked_twice(reader, query->telecom.data);
		if (!v3_attribute(reader, "value", &value))
			return false;
		query->telecom = v3_telecom_value(value);
		return true;
	case V3_ASKED_NAME:
		asked_twice(reader, query->family.data || query->given.data);
		if (!v3_attribute(reader, "use", &value))
			return false;
		query->name_is_exact = !v3_has_word(value, STR("SRCH"));
		v3_name_begin(reader);
		return true;
	case V3_ASKED_MOTHER:
		asked_twice(reader, query->mothers_maiden_name.data);
		v3_name_begin(reader);
		return true;
	case V3_ASKED_ADDRESS:
		asked_twice(reader, reader->has_asked_address);
		reader->has_asked_address = true;
		reader->address = &query->address;
		return true;
	default:
		return true;
	}
}

void v3_asked_end(struct v3_reader *reader, enum v3_element element)
{
	struct patient_query *query = &reader->message->query;

	if (element == V3_ASKED_NAME) {
		query->family = reader->name.family;
		query->given = reader->name.given;
	} else if (element == V3_ASKED_MOTHER) {
		query->mothers_maiden_name = reader->name.family;
	}
}
