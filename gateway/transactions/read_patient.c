/* Reads the Patient that a submission was accepted for: no more than its identifier in the affinity domain, which is
 * all that an XDS domain knows for certain. Source: MHD 4.2.4 3.65.4.2 (location of a Patient entry). */
#include "gateway/transactions/identify_patient.h"
#include "mappers/base/hl7v2.h"
#include "mappers/json_writer.h"

bool read_patient(const struct transaction *t, struct str id, struct buf *answer)
{
	struct patient_claim claim = { .own_id = id, .path = "Patient.id" };
	struct json_writer writer;
	struct str patient_id;
	struct hl7_cx cx;

	if (identify_patient(t, &claim, false, &patient_id) != PATIENT_IDENTIFIED)
		return outcome_add(t->outcome, ERR_NOT_FOUND, "",
				   "There is no such Patient; use an id given out here.");
	if (!hl7_cx_parse(patient_id, t->south.arena, &cx))
		return no_memory(t);
	json_writer_init(&writer, answer);
	json_begin_object(&writer);
	json_member(&writer, STR("resourceType"), STR("Patient"));
	json_member(&writer, STR("id"), id);
	json_member_array(&writer, STR("identifier"));
	json_begin_object(&writer);
	json_member(&writer, STR("system"),
		    arena_printf(t->south.arena, "urn:oid:%.*s",
				 STR_ARG(t->gateway->config->patient_assigning_authority)));
	json_member(&writer, STR("value"), cx.id);
	json_end_object(&writer);
	json_end_array(&writer);
	json_end_object(&writer);
	return json_writer_finish(&writer, t->outcome);
}
