/* The patient as a role: its identifiers, those of other authorities, whether it is in force. */
#include "mappers/hl7v3_read.h"

static bool patient_begin(struct v3_reader *reader)
{
	struct hl7v3_message *message = reader->message;
	struct patient_list *patients = &message->patients;

	if (patients->count == 1 && message->kind != HL7V3_PDQ_ANSWER)
		return v3_malformed(reader, "Send a message that speaks of one patient.");
	if (patients->count == PATIENT_QUERY_MATCHES_MAX)
		return outcome_add(reader->outcome, ERR_TOO_LONG, "", "Send at most %d patients in one answer.",
				   PATIENT_QUERY_MATCHES_MAX);
	if (!arena_grow(reader->arena, &patients->items, patients->count, &reader->patient_capacity,
			sizeof *patients->items))
		return v3_no_memory(reader);
	patients->items[patients->count] = (struct patient) { .match_percent = -1 };
	v3_person_begin(reader, &patients->items[patients->count++]);
	reader->event_patient = true;
	return true;
}

/* The role of asOtherIDs is over: its identifiers are no longer this patient's. */
static bool other_status_begin(struct v3_reader *reader)
{
	struct str code;

	if (!v3_attribute(reader, "code", &code))
		return false;
	reader->others_ended = str_equal(code, STR("terminated")) || str_equal(code, STR("cancelled")) ||
			       str_equal(code, STR("nullified"));
	return true;
}

static bool other_ids_end(struct v3_reader *reader)
{
	for (size_t i = 0; i < reader->others.count; i++) {
		struct patient_identity identity = reader->others.items[i];
		bool good = reader->others_ended ? v3_identity_append(reader, identity, &reader->message->unlinked,
								      &reader->unlinked_capacity)
						 : v3_identity_append(reader, identity, &reader->patient->identifiers,
								      &reader->identifier_capacity);

		if (!good)
			return false;
	}
	return true;
}

bool v3_patient_part(struct v3_reader *reader, enum v3_element element)
{
	struct patient *patient = reader->patient;
	struct patient_identities *prior = &reader->prior;
	struct str value;

	switch ((int)element) {
	case V3_PATIENT:
		return patient_begin(reader);
	case V3_PATIENT_ID:
		return v3_identity_add(reader, &patient->identifiers, &reader->identifier_capacity);
	case V3_OTHER_IDS:
		reader->others.count = 0;
		reader->others_ended = false;
		return true;
	case V3_OTHER_ID:
		return v3_identity_add(reader, &reader->others, &reader->others_capacity);
	case V3_OTHER_STATUS:
		return other_status_begin(reader);
	case V3_PRIOR_ID:
		return v3_identity_add(reader, prior, &reader->prior_capacity);
	case V3_PATIENT_STATUS:
		if (!v3_attribute(reader, "code", &value))
			return false;
		patient->is_inactive =
			value.size > 0 && !str_equal(value, STR("active")) && !str_equal(value, STR("normal"));
		return true;
	case V3_MATCH_VALUE:
		return v3_percent_read(reader, &patient->match_percent);
	default:
		return true;
	}
}

bool v3_patient_end(struct v3_reader *reader, enum v3_element element)
{
	return element != V3_OTHER_IDS || other_ids_end(reader);
}
