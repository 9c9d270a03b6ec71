/* Reads the Patient that a submission was accepted for: no more than its identifier in the affinity domain, which is
 * all that an XDS domain knows for certain. Source: MHD 4.2.4 3.65.4.2 (location of a Patient entry). */
#include "gateway/transactions/identify_patient.h"
#include "mappers/json_writer.h"

bool read_patient(const struct transaction *t, struct str id, struct buf *answer)
{
	struct json_writer writer;
	struct str value;

	if (!patient_resource_id_open(t, id, &value))
		return outcome_add(t->outcome, ERR_NOT_FOUND, "",
				   "There is no such Patient; use an id given out here.");
	json_writer_init(&writer, answer);
	json_begin_object(&writer);
	json_member(&writer, STR("resourceType"), STR("Patient"));
	json_member(&writer, STR("id"), id);
	json_member_array(&writer, STR("identifier"));
	json_begin_object(&writer);
	json_member(&writer, STR("system"),
		    arena_printf(t->south.arena, "urn:oid:%.*s",
				 STR_ARG(t->gateway->config->patient_assigning_authority)));
	json_member(&writer, STR("value"), value);
	json_end_object(&writer);
	json_end_array(&writer);
	json_end_object(&writer);
	return json_writer_finish(&writer, t->outcome);
}
