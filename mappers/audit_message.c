#include "mappers/audit_message.h"

#include "mappers/base/base64.h"
#include "mappers/fhir_body.h"
#include "mappers/identifier.h"

#define DCM_SYSTEM "http://dicom.nema.org/resources/ontology/DCM"

struct message {
	const json_t *event;
	struct arena *arena;
	struct xml_writer *writer;
	bool failed;
};

static struct str member(const json_t *object, const char *key)
{
	return fhir_text(json_object_get(object, key));
}

/* Names of code systems as ATNA repositories know them; others go by their URI. */
static struct str system_name(struct str system)
{
	if (str_equal(system, STR(DCM_SYSTEM)))
		return STR("DCM");
	if (str_equal(system, STR("urn:ihe:event-type-code")))
		return STR("IHE Transactions");
	return system;
}

/* An attribute that the schema wants is never empty. */
static struct str or_unknown(struct str text)
{
	return str_is_empty(text) ? STR("unknown") : text;
}

static void code_write(struct message *message, struct str element, struct str code, struct str system, struct str text)
{
	xml_begin(message->writer, element);
	xml_attribute(message->writer, STR("csd-code"), or_unknown(code));
	xml_attribute(message->writer, STR("codeSystemName"), or_unknown(system_name(system)));
	xml_attribute(message->writer, STR("originalText"), str_is_empty(text) ? or_unknown(code) : text);
	xml_end(message->writer);
}

static void coding_write(struct message *message, struct str element, const json_t *coding)
{
	code_write(message, element, member(coding, "code"), member(coding, "system"), member(coding, "display"));
}

/* Each coding of a CodeableConcept. */
static void concept_write(struct message *message, struct str element, const json_t *concept)
{
	const json_t *codings = json_object_get(concept, "coding");
	size_t i;
	json_t *coding;

	json_array_foreach(codings, i, coding) coding_write(message, element, coding);
}

static void event_write(struct message *message)
{
	const json_t *subtypes = json_object_get(message->event, "subtype");
	const json_t *purposes = json_object_get(message->event, "purposeOfEvent");
	size_t i;
	json_t *one;

	xml_begin(message->writer, STR("EventIdentification"));
	xml_attribute(message->writer, STR("EventActionCode"), member(message->event, "action"));
	xml_attribute(message->writer, STR("EventDateTime"), member(message->event, "recorded"));
	xml_attribute(message->writer, STR("EventOutcomeIndicator"), member(message->event, "outcome"));
	coding_write(message, STR("EventID"), json_object_get(message->event, "type"));
	json_array_foreach(subtypes, i, one) coding_write(message, STR("EventTypeCode"), one);
	xml_element(message->writer, STR("EventOutcomeDescription"), member(message->event, "outcomeDesc"));
	json_array_foreach(purposes, i, one) concept_write(message, STR("PurposeOfUse"), one);
	xml_end(message->writer);
}

/* name<user@issuer>, as ATNA wants the user of a token. ITI TF-2 3.40.4.2, IUA 3.72 */
static struct str user_name(struct message *message, const json_t *who)
{
	const json_t *identifier = json_object_get(who, "identifier");
	struct str value = member(identifier, "value");
	struct str text;

	if (str_is_empty(value))
		return member(who, "display");
	text = arena_printf(message->arena, "%.*s<%.*s@%.*s>", STR_ARG(member(who, "display")), STR_ARG(value),
			    STR_ARG(member(identifier, "system")));
	message->failed = message->failed || !text.data;
	return text;
}

static void participant_write(struct message *message, const json_t *agent)
{
	const json_t *who = json_object_get(agent, "who");
	const json_t *network = json_object_get(agent, "network");
	const json_t *roles = json_object_get(agent, "role");
	struct str user = member(json_object_get(who, "identifier"), "value");
	size_t i;
	json_t *role;

	xml_begin(message->writer, STR("ActiveParticipant"));
	xml_attribute(message->writer, STR("UserID"), or_unknown(str_is_empty(user) ? member(who, "display") : user));
	/* The token or the assertion: what else tells the user. */
	xml_attribute(message->writer, STR("AlternativeUserID"),
		      fhir_text(json_array_get(json_object_get(agent, "policy"), 0)));
	if (!str_is_empty(user_name(message, who)))
		xml_attribute(message->writer, STR("UserName"), user_name(message, who));
	xml_attribute(message->writer, STR("UserIsRequestor"),
		      json_is_true(json_object_get(agent, "requestor")) ? STR("true") : STR("false"));
	if (network) {
		xml_attribute(message->writer, STR("NetworkAccessPointID"), member(network, "address"));
		xml_attribute(message->writer, STR("NetworkAccessPointTypeCode"), member(network, "type"));
	}
	concept_write(message, STR("RoleIDCode"), json_object_get(agent, "type"));
	json_array_foreach(roles, i, role) concept_write(message, STR("RoleIDCode"), role);
	xml_end(message->writer);
}

static void source_write(struct message *message)
{
	const json_t *source = json_object_get(message->event, "source");

	xml_begin(message->writer, STR("AuditSourceIdentification"));
	xml_attribute(message->writer, STR("AuditEnterpriseSiteID"),
		      member(json_object_get(source, "observer"), "display"));
	xml_attribute(message->writer, STR("AuditSourceID"), or_unknown(member(source, "site")));
	xml_begin(message->writer, STR("AuditSourceTypeCode"));
	xml_attribute(message->writer, STR("csd-code"), STR("4"));
	xml_end(message->writer);
	xml_end(message->writer);
}

/* What the object is named by, and by what kind of name. */
struct naming {
	struct str id;
	struct str code;
	struct str system;
	struct str text;
};

static struct naming naming_of(struct message *message, const json_t *entity)
{
	const json_t *what = json_object_get(entity, "what");
	const json_t *identifier = json_object_get(what, "identifier");
	struct identifier parts = { member(identifier, "system"), member(identifier, "value") };
	struct str type = member(json_object_get(entity, "type"), "code");
	struct str role = member(json_object_get(entity, "role"), "code");
	struct str reference = member(what, "reference");
	struct str id = str_is_empty(parts.value) ? reference : parts.value;

	if (str_equal(type, STR("1"))) {
		if (!str_is_empty(parts.value) && !identifier_to_cx(&parts, message->arena, &id))
			message->failed = true;
		return (struct naming) { id, STR("2"), STR("RFC-3881"), STR("Patient Number") };
	}
	if (str_equal(role, STR("24"))) {
		const json_t *subtype = json_array_get(json_object_get(message->event, "subtype"), 0);

		return (struct naming) { member(subtype, "code"), member(subtype, "code"), member(subtype, "system"),
					 member(subtype, "display") };
	}
	if (str_equal(role, STR("20")))
		return (struct naming) { id, STR("urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"),
					 STR("IHE XDS Metadata"), STR("submission set classificationNode") };
	if (str_equal(role, STR("3")))
		return (struct naming) { id, STR("9"), STR("RFC-3881"), STR("Report Number") };
	if (str_equal(type, STR("XrequestId")))
		return (struct naming) { id, type, member(json_object_get(entity, "type"), "system"), type };
	return (struct naming) { id, STR("12"), STR("RFC-3881"), STR("URI") };
}

static void detail_write(struct message *message, struct str type, struct str value)
{
	char *text = arena_alloc(message->arena, 4 * (value.size / 3 + 1) + 1);

	if (!text) {
		message->failed = true;
		return;
	}
	xml_begin(message->writer, STR("ParticipantObjectDetail"));
	xml_attribute(message->writer, STR("type"), type);
	xml_attribute(message->writer, STR("value"),
		      (struct str) { text, base64_encode(value.data, value.size, text) });
	xml_end(message->writer);
}

/* Person 1 and System Object 2 are DICOM's own; what FHIR types otherwise is an object of the system, or other. */
static struct str type_code(const json_t *entity)
{
	struct str type = member(json_object_get(entity, "type"), "code");

	if (type.size == 1)
		return type;
	return str_equal(type, STR("XrequestId")) ? STR("4") : STR("2");
}

static void object_write(struct message *message, const json_t *entity)
{
	const json_t *details = json_object_get(entity, "detail");
	struct naming naming = naming_of(message, entity);
	struct str reference = member(json_object_get(entity, "what"), "reference");
	size_t i;
	json_t *one;

	xml_begin(message->writer, STR("ParticipantObjectIdentification"));
	xml_attribute(message->writer, STR("ParticipantObjectID"), or_unknown(naming.id));
	xml_attribute(message->writer, STR("ParticipantObjectTypeCode"), type_code(entity));
	xml_attribute(message->writer, STR("ParticipantObjectTypeCodeRole"),
		      member(json_object_get(entity, "role"), "code"));
	code_write(message, STR("ParticipantObjectIDTypeCode"), naming.code, naming.system, naming.text);
	xml_element(message->writer, STR("ParticipantObjectQuery"), member(entity, "query"));
	if (!str_is_empty(reference) && !str_equal(reference, naming.id))
		detail_write(message, STR("reference"), reference);
	json_array_foreach(details, i, one) detail_write(message, member(one, "type"), member(one, "valueString"));
	xml_element(message->writer, STR("ParticipantObjectDescription"), member(entity, "description"));
	xml_end(message->writer);
}

bool audit_message_write(const json_t *event, struct arena *arena, struct xml_writer *writer, struct outcome *outcome)
{
	struct message message = { event, arena, writer, false };
	const json_t *agents = json_object_get(event, "agent");
	const json_t *entities = json_object_get(event, "entity");
	size_t i;
	json_t *one;

	xml_declaration(writer);
	xml_begin(writer, STR("AuditMessage"));
	event_write(&message);
	json_array_foreach(agents, i, one) participant_write(&message, one);
	source_write(&message);
	json_array_foreach(entities, i, one) object_write(&message, one);
	xml_end(writer);
	return !message.failed || outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
}
