#include <stdio.h>

#include "mappers/audit_writing.h"
#include "mappers/base/base64.h"
#include "mappers/consent_rule.h"
#include "mappers/identifier.h"

static const struct audit_coding object_roles[] = {
	[MAIN_NONE] = { STR_INIT(""), STR_INIT(""), STR_INIT("") },
	[MAIN_QUERY] = { STR_INIT(TERMINOLOGY "object-role"), STR_INIT("24"), STR_INIT("Query") },
	[MAIN_JOB] = { STR_INIT(TERMINOLOGY "object-role"), STR_INIT("20"), STR_INIT("Job") },
	[MAIN_REPORT] = { STR_INIT(TERMINOLOGY "object-role"), STR_INIT("3"), STR_INIT("Report") },
	[MAIN_RESOURCE] = { STR_INIT(TERMINOLOGY "object-role"), STR_INIT("4"), STR_INIT("Domain Resource") },
	[MAIN_LOG] = { STR_INIT(TERMINOLOGY "object-role"), STR_INIT("13"), STR_INIT("Security Resource") },
};

static const struct audit_coding person = { STR_INIT(TERMINOLOGY "audit-entity-type"), STR_INIT("1"),
					    STR_INIT("Person") };
static const struct audit_coding patient_role = { STR_INIT(TERMINOLOGY "object-role"), STR_INIT("1"),
						  STR_INIT("Patient") };
static const struct audit_coding system_object = { STR_INIT(TERMINOLOGY "audit-entity-type"), STR_INIT("2"),
						   STR_INIT("System Object") };
static const struct audit_coding request_type = {
	STR_INIT(BALP_SYSTEM "BasicAuditEntityType"), STR_INIT("XrequestId"),
	STR_INIT("transport specific unique identifier where http X-Request-Id is "
		 "used")
};

static void entity_begin(struct audit_writing *writing)
{
	if (!writing->in_entities)
		json_member_array(writing->writer, STR("entity"));
	writing->in_entities = true;
	json_begin_object(writing->writer);
}

static void entity_end(struct audit_writing *writing)
{
	if (writing->in_details)
		json_end_array(writing->writer);
	writing->in_details = false;
	json_end_object(writing->writer);
}

/* Details are the last that an entity gets. */
static void detail(struct audit_writing *writing, struct str type, struct str value)
{
	if (str_is_empty(str_trim(value)))
		return;
	if (!writing->in_details)
		json_member_array(writing->writer, STR("detail"));
	writing->in_details = true;
	json_begin_object(writing->writer);
	json_member(writing->writer, STR("type"), type);
	audit_member(writing, STR("valueString"), value);
	json_end_object(writing->writer);
}

static void request_details(struct audit_writing *writing)
{
	detail(writing, STR("traceparent"), writing->record->traceparent);
	detail(writing, STR("tenant"), writing->record->tenant);
}

bool audit_names_patient(const struct audit_record *record)
{
	return !str_is_empty(record->patient_id) || !str_is_empty(record->patient_reference);
}

bool audit_is_feed(enum audit_kind kind)
{
	return kind == AUDIT_FEED_CREATE || kind == AUDIT_FEED_UPDATE || kind == AUDIT_FEED_DELETE;
}

static void patient_entity(struct audit_writing *writing)
{
	const struct audit_record *record = writing->record;
	struct json_writer *writer = writing->writer;
	struct identifier identifier;

	if (!audit_names_patient(record))
		return;
	entity_begin(writing);
	json_member_object(writer, STR("what"));
	/* PIXm 3.1.0: of a feed the patient is known by its identifier alone. */
	if (!audit_is_feed(record->kind))
		json_member(writer, STR("reference"), audit_uri(writing->arena, record->patient_reference));
	if (audit_is_feed(record->kind) || str_is_empty(record->patient_reference))
		json_member(writer, STR("type"), STR("Patient"));
	if (!str_is_empty(record->patient_id) && identifier_from_cx(record->patient_id, writing->arena, &identifier))
		audit_identifier(writing, identifier.system, identifier.value);
	json_end_object(writer);
	audit_coding(writer, STR("type"), &person);
	audit_coding(writer, STR("role"), &patient_role);
	entity_end(writing);
}

/* The query byte for byte; when it had to be cut, the description says so. */
static void query_members(struct audit_writing *writing)
{
	const struct audit_record *record = writing->record;
	struct str query = record->query;
	size_t whole = record->query_size > query.size ? record->query_size : query.size;
	char *text;

	if (query.size > AUDIT_QUERY_BYTES_MAX)
		query.size = AUDIT_QUERY_BYTES_MAX;
	if (whole > query.size)
		json_member(writing->writer, STR("description"),
			    arena_printf(writing->arena, "cut: the first %zu of %zu bytes of the query", query.size,
					 whole));
	text = arena_alloc(writing->arena, 4 * (query.size / 3 + 1) + 1);
	if (text)
		json_member(writing->writer, STR("query"),
			    (struct str) { text, base64_encode(query.data, query.size, text) });
}

static void object_members(struct audit_writing *writing, const struct audit_object *object)
{
	struct json_writer *writer = writing->writer;
	struct identifier identifier = { .value = object->unique_id };

	json_member_object(writer, STR("what"));
	json_member(writer, STR("reference"), audit_uri(writing->arena, object->reference));
	/* A reference of ours says the type by itself. */
	if (str_is_empty(object->reference))
		json_member(writer, STR("type"), object->type);
	if (!str_is_empty(object->unique_id) &&
	    !identifier_from_unique_id(object->unique_id, writing->arena, &identifier))
		identifier = (struct identifier) { .value = object->unique_id };
	audit_identifier(writing, identifier.system, identifier.value);
	json_end_object(writer);
}

static void object_details(struct audit_writing *writing, const struct audit_object *object)
{
	detail(writing, STR("Repository Unique Id"), object->repository_unique_id);
	detail(writing, STR("ihe:homeCommunityID"), object->home_community_id);
}

/* The one entity of type 2 that the transaction is about. */
static void main_entity(struct audit_writing *writing, const struct audit_object *object)
{
	struct json_writer *writer = writing->writer;
	enum audit_main role = writing->row->object;

	if (role == MAIN_NONE || (role == MAIN_QUERY && str_is_empty(writing->record->query)) ||
	    (role != MAIN_QUERY && role != MAIN_LOG && !object))
		return;
	entity_begin(writing);
	if (object && role != MAIN_QUERY)
		object_members(writing, object);
	audit_coding(writer, STR("type"), &system_object);
	audit_coding(writer, STR("role"), &object_roles[role]);
	if (role == MAIN_LOG)
		json_member(writer, STR("description"), STR("Security Audit Log"));
	if (role == MAIN_QUERY || (role == MAIN_LOG && !str_is_empty(writing->record->query)))
		query_members(writing);
	if (object && role != MAIN_QUERY)
		object_details(writing, object);
	entity_end(writing);
}

/* Further objects are typed by their resource: BALP's slices leave one place for type 2. */
static void object_entity(struct audit_writing *writing, const struct audit_object *object)
{
	struct audit_coding type = { STR("http://hl7.org/fhir/resource-types"), object->type, STR_NONE };

	entity_begin(writing);
	object_members(writing, object);
	audit_coding(writing->writer, STR("type"), &type);
	audit_coding(writing->writer, STR("role"),
		     &object_roles[str_equal(object->type, STR("DocumentReference")) ? MAIN_REPORT : MAIN_RESOURCE]);
	object_details(writing, object);
	entity_end(writing);
}

static const char *decision_text(const struct consent_decision *decision)
{
	static const char *const words[] = {
		[CONSENT_BY_DEFAULT] = "by the default policy",
		[CONSENT_BY_CONSENT] = "by the patient's consent",
		[CONSENT_BY_PATIENT] = "the patient asks",
		[CONSENT_BY_PRODUCER] = "the producer asks",
		[CONSENT_BY_BREAK_GLASS] = "the glass was broken",
		[CONSENT_NO_RELATIONSHIP] = "no care relationship",
		[CONSENT_NO_BREAK_GLASS] = "not by who may break the glass",
		[CONSENT_NOT_UNDERSTOOD] = "a consent was not understood",
		[CONSENT_UNAVAILABLE] = "no consent source could be asked",
	};

	return words[decision->reason];
}

/* What decided: the Consent, or the policy in its stead. */
static void consent_entity(struct audit_writing *writing, bool is_closed)
{
	const struct audit_coding type = { STR("http://hl7.org/fhir/resource-types"), STR("Consent"), STR_NONE };
	const struct audit_record *record = writing->record;
	const struct consent_decision *decision = record->decision;
	struct json_writer *writer = writing->writer;

	if (!decision)
		return;
	entity_begin(writing);
	if (!str_is_empty(decision->consent_id)) {
		json_member_object(writer, STR("what"));
		json_member(writer, STR("reference"), audit_uri(writing->arena, decision->consent_id));
		json_end_object(writer);
	}
	audit_coding(writer, STR("type"), &type);
	detail(writing, STR("decision"),
	       arena_printf(writing->arena, "%s: %s", decision->permit ? "permit" : "deny", decision_text(decision)));
	if (record->hidden_count > 0)
		detail(writing, STR("hidden"), arena_printf(writing->arena, "%zu", record->hidden_count));
	for (size_t i = 0; i < record->hospitals.count; i++)
		detail(writing, STR("documents of"), record->hospitals.items[i]);
	if (!decision->permit && decision->hospital.size)
		detail(writing, STR("document of"), decision->hospital);
	if (is_closed) {
		detail(writing, STR("X-Request-Id"), record->request_id);
		request_details(writing);
	}
	entity_end(writing);
}

static void request_entity(struct audit_writing *writing)
{
	struct json_writer *writer = writing->writer;

	if (str_is_empty(writing->record->request_id))
		return;
	entity_begin(writing);
	json_member_object(writer, STR("what"));
	audit_identifier(writing, STR_NONE, writing->record->request_id);
	json_end_object(writer);
	audit_coding(writer, STR("type"), &request_type);
	request_details(writing);
	if (writing->record->object_lost_count > 0)
		detail(writing, STR("objects not listed"),
		       arena_printf(writing->arena, "%zu", writing->record->object_lost_count));
	entity_end(writing);
}

void audit_entities_write(struct audit_writing *writing)
{
	const struct audit_record *record = writing->record;
	struct json_writer *writer = writing->writer;
	const struct audit_object *main = NULL;
	/* BALP AuthZconsent: patient, consents and token, nothing else. */
	bool is_closed = record->kind == AUDIT_AUTHZ_CONSENT && record->decision;

	for (size_t i = 0; i < record->object_count && !main; i++)
		main = record->objects[i].is_main ? &record->objects[i] : NULL;
	main_entity(writing, main);
	patient_entity(writing);
	consent_entity(writing, is_closed);
	for (size_t i = 0; i < record->object_count && i < AUDIT_OBJECTS_MAX && !is_closed; i++) {
		if (&record->objects[i] != main)
			object_entity(writing, &record->objects[i]);
	}
	if (!is_closed)
		request_entity(writing);
	if (writing->in_entities)
		json_end_array(writer);
}
