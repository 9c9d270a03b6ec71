/* Prints one AuditEvent for each row of profiles/balp/audit.def, made from plausible facts, as JSON lines; with the
 * argument `dicom` each as a DICOM AuditMessage, on one line. For tests that have them judged by others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mappers/audit_event.h"
#include "mappers/audit_message.h"
#include "mappers/consent_rule.h"

static struct code roles[] = { { STR_INIT("309343006"), STR_INIT("2.16.840.1.113883.6.96"), STR_INIT("Physician") } };

static const struct caller doctor = {
	.kind = CALLER_USER,
	.tenant = STR_INIT("default"),
	.issuer = STR_INIT("https://idp.example"),
	.subject = STR_INIT("dr-test"),
	.client_id = STR_INIT("test-app"),
	.token_id = STR_INIT("C187CC480FAC40A0936902D8BC324F5F"),
	.name = STR_INIT("Dr. Test"),
	.organization = STR_INIT("Test Hospital"),
	.organization_id = STR_INIT("urn:oid:2.999.20.100"),
	.roles = { roles, 1 },
	.purpose = { STR_INIT("BTG"), STR_INIT(PURPOSE_SYSTEM_OID), STR_INIT("break the glass") },
	.reason = STR_INIT("The patient is unconscious."),
	.address = STR_INIT("2001:db8::7334"),
};
static const struct audit_object objects[] = {
	{ .type = STR_INIT("List"),
	  .reference = STR_INIT("List/abc"),
	  .unique_id = STR_INIT("2.999.20.7.1"),
	  .is_main = true },
	{ .type = STR_INIT("DocumentReference"),
	  .reference = STR_INIT("DocumentReference/def"),
	  .unique_id = STR_INIT("2.999.20.1.1"),
	  .repository_unique_id = STR_INIT("2.999.20.10"),
	  .home_community_id = STR_INIT("urn:oid:2.999.20.70") },
};
static const struct consent_decision decision = { .permit = false,
						  .reason = CONSENT_BY_CONSENT,
						  .consent_id = STR_INIT("Consent/ghi") };

static void record_fill(enum audit_kind kind, struct audit_record *record)
{
	bool is_denial = kind == AUDIT_AUTHZ_CONSENT;

	*record = (struct audit_record) {
		.kind = kind,
		.outcome = is_denial ? AUDIT_SERIOUS : AUDIT_SUCCESS,
		.outcome_text = is_denial ? STR("The patient's consent does not permit this access.") : STR_NONE,
		.recorded_ms = INT64_C(1714555800123),
		.source_id = STR("gateway-1"),
		.base = STR("https://fhir.hospital.example/fhir"),
		.tenant = STR("default"),
		.caller = &doctor,
		.peer_name = STR("hcm"),
		.peer_url = STR("https://hcm.example/registry"),
		.assertion_id = strstr(audit_kind_name(kind), "STORED_QUERY") ? STR("_a1b2c3") : STR_NONE,
		.patient_id = STR("IHEBLUE-1001^^^&1.3.6.1.4.1.21367.13.20.3000&ISO"),
		.patient_reference = STR("Patient/jkl"),
		.query = STR("GET /fhir/DocumentReference?patient.identifier=urn:oid:1.2|P1&status=current"),
		.objects = objects,
		.object_count = COUNT_OF(objects),
		.decision = is_denial || kind == AUDIT_BREAK_GLASS ? &decision : NULL,
		.hidden_count = is_denial ? 1 : 0,
		.request_id = STR("95a0ce269fdeb0e9"),
		.traceparent = STR("00-cfd5a493aa75b26a537d36f923d725a0-95a0ce269fdeb0e9-01"),
	};
	snprintf(record->id, sizeof(record->id), "00000000-0000-4000-8000-%012d", (int)kind);
}

static bool dicom_print(struct str event, struct arena *arena)
{
	json_t *tree = json_loadb(event.data, event.size, 0, NULL);
	struct xml_writer writer;
	struct outcome outcome;
	struct buf xml;
	bool ok;

	outcome_init(&outcome);
	buf_init(&xml, 1 << 20);
	xml_writer_init(&writer, &xml);
	ok = audit_message_write(tree, arena, &writer, &outcome) && xml_writer_finish(&writer, &outcome);
	for (size_t i = 0; i < xml.size; i++)
		putchar(xml.data[i] == '\n' ? ' ' : xml.data[i]);
	putchar('\n');
	buf_free(&xml);
	json_decref(tree);
	return ok;
}

int main(int argc, char **argv)
{
	bool ok = true;

	for (int kind = 0; kind < AUDIT_KIND_COUNT && ok; kind++) {
		struct arena *arena = arena_new(1 << 20);
		struct audit_record record;
		struct json_writer writer;
		struct outcome outcome;
		struct buf json;

		outcome_init(&outcome);
		buf_init(&json, 1 << 20);
		json_writer_init(&writer, &json);
		record_fill((enum audit_kind)kind, &record);
		ok = audit_event_write(&record, arena, &writer, &outcome) && json_writer_finish(&writer, &outcome);
		if (ok && argc > 1 && strcmp(argv[1], "dicom") == 0)
			ok = dicom_print(buf_str(&json), arena);
		else
			printf("%s\n", json.data);
		buf_free(&json);
		arena_free(arena);
	}
	return ok ? 0 : 1;
}
