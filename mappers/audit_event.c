#include "mappers/audit_event.h"

#include <stdio.h>

#include "mappers/audit_writing.h"
#include "mappers/base/xds_time.h"
#include "mappers/consent_rule.h"

#define PROFILES "https://profiles.ihe.net/"

static const struct audit_row rows[AUDIT_KIND_COUNT] = {
#define AUDIT(row, its_side, its_type, iti, iti_name, rest, verb, client_agent, server_agent, main, with, without) \
	[AUDIT_##row] = { .name = "AUDIT_" #row,                                                                   \
			  .side = SIDE_##its_side,                                                                 \
			  .type = TYPE_##its_type,                                                                 \
			  .transaction = STR_INIT(iti),                                                            \
			  .transaction_name = STR_INIT(iti_name),                                                  \
			  .interaction = STR_INIT(rest),                                                           \
			  .action = STR_INIT(verb),                                                                \
			  .client = AGENT_##client_agent,                                                          \
			  .server = AGENT_##server_agent,                                                          \
			  .object = MAIN_##main,                                                                   \
			  .profile = STR_INIT(with),                                                               \
			  .profile_patientless = STR_INIT(without) },
#include "profiles/balp/audit.def"
};

static const struct audit_coding types[] = {
#define AUDIT_TYPE(row, its_system, its_code, its_display) \
	[TYPE_##row] = { STR_INIT(its_system), STR_INIT(its_code), STR_INIT(its_display) },
#include "profiles/balp/audit.def"
};

/* The profile is claimed by events that meet it: those of BALP are for what went well. */
static struct str profile_of(const struct audit_record *record, const struct audit_row *row, bool has_object)
{
	const struct caller *caller = record->caller;

	if (record->kind == AUDIT_AUTHZ_CONSENT)
		return audit_has_person(caller) &&
				       (!str_is_empty(caller->organization_id) ||
					!str_is_empty(caller->organization)) &&
				       record->decision && !str_is_empty(record->decision->consent_id) &&
				       audit_names_patient(record)
			       ? row->profile
			       : STR_NONE;
	if (record->outcome != AUDIT_SUCCESS || (row->object != MAIN_NONE && !has_object))
		return STR_NONE;
	/* PIXm 3.1.0: the patient by its identifier. */
	if ((record->kind == AUDIT_CROSS_REFERENCE || audit_is_feed(record->kind)) && str_is_empty(record->patient_id))
		return row->profile_patientless;
	return audit_names_patient(record) ? row->profile : row->profile_patientless;
}

/* The tag is the event's name for good: FHIR R4 gives AuditEvent no identifier, and whoever sends an event again asks by
 * it whether it is there. */
static void meta_write(struct audit_writing *writing)
{
	const struct audit_record *record = writing->record;
	struct json_writer *writer = writing->writer;
	bool has_object = writing->row->object == MAIN_QUERY && !str_is_empty(record->query);
	struct str profile;

	for (size_t i = 0; i < record->object_count && writing->row->object != MAIN_QUERY; i++)
		has_object = has_object || record->objects[i].is_main;
	profile = profile_of(record, writing->row, has_object);
	json_member_object(writer, STR("meta"));
	if (!str_is_empty(profile)) {
		json_member_array(writer, STR("profile"));
		json_text(writer, arena_printf(writing->arena, PROFILES "%.*s", STR_ARG(profile)));
		json_end_array(writer);
	}
	json_member_array(writer, STR("tag"));
	json_begin_object(writer);
	json_member(writer, STR("system"), STR("urn:ietf:rfc:3986"));
	json_member(writer, STR("code"), arena_printf(writing->arena, "urn:uuid:%s", record->id));
	json_end_object(writer);
	json_end_array(writer);
	json_end_object(writer);
}

static void subtype_write(struct audit_writing *writing)
{
	static const struct audit_coding own[AUDIT_KIND_COUNT] = {
		[AUDIT_AUTHZ_CONSENT] = { STR_INIT(BALP_SYSTEM "AuthZsubType"), STR_INIT("AuthZ-Consent"),
					  STR_INIT("Authorization Decision using Roles and Consent") },
		[AUDIT_BREAK_GLASS] = { STR_INIT(DCM), STR_INIT("110127"), STR_INIT("Emergency Override Started") },
		[AUDIT_LOGIN_FAILED] = { STR_INIT(DCM), STR_INIT("110122"), STR_INIT("Login") },
		[AUDIT_NODE_REFUSED] = { STR_INIT(DCM), STR_INIT("110126"), STR_INIT("Node Authentication") },
		[AUDIT_STARTED] = { STR_INIT(DCM), STR_INIT("110120"), STR_INIT("Application Start") },
		[AUDIT_STOPPED] = { STR_INIT(DCM), STR_INIT("110121"), STR_INIT("Application Stop") },
		[AUDIT_GAP] = { STR_INIT(DCM), STR_INIT("110133"), STR_INIT("Audit Recording Stopped") },
	};
	const struct audit_row *row = writing->row;
	struct audit_coding iti = { STR("urn:ihe:event-type-code"), row->transaction, row->transaction_name };
	struct audit_coding rest = { STR("http://hl7.org/fhir/restful-interaction"), row->interaction,
				     row->interaction };

	if (str_is_empty(row->transaction) && str_is_empty(row->interaction) &&
	    str_is_empty(own[writing->record->kind].code))
		return; /* an empty array is no FHIR */
	json_member_array(writing->writer, STR("subtype"));
	audit_coding_item(writing->writer, &iti);
	audit_coding_item(writing->writer, &rest);
	audit_coding_item(writing->writer, &own[writing->record->kind]);
	json_end_array(writing->writer);
}

/* Why it was done, where somebody had to say so. */
static void reason_write(struct audit_writing *writing)
{
	const struct caller *caller = writing->record->caller;

	if (str_is_empty(caller->reason) ||
	    (writing->record->kind != AUDIT_BREAK_GLASS && !str_equal(caller->purpose.code, STR("BTG"))))
		return;
	json_member_array(writing->writer, STR("purposeOfEvent"));
	audit_code_item(writing, &caller->purpose, caller->reason);
	json_end_array(writing->writer);
}

static void source_write(struct audit_writing *writing)
{
	static const struct audit_coding application = { STR_INIT(TERMINOLOGY "security-source-type"), STR_INIT("4"),
							 STR_INIT("Application Server") };

	json_member_object(writing->writer, STR("source"));
	audit_member(writing, STR("site"), writing->record->source_id);
	audit_own_who(writing, STR("observer"));
	json_member_array(writing->writer, STR("type"));
	audit_coding_item(writing->writer, &application);
	json_end_array(writing->writer);
	json_end_object(writing->writer);
}

void audit_instant(int64_t ms, char instant[AUDIT_INSTANT_SIZE])
{
	fhir_instant_from_unix(ms / 1000, instant);
	snprintf(instant + FHIR_INSTANT_SIZE - 2, AUDIT_INSTANT_SIZE - FHIR_INSTANT_SIZE + 2, ".%03uZ",
		 (unsigned)(ms % 1000));
}

bool audit_event_write(const struct audit_record *record, struct arena *arena, struct json_writer *writer,
		       struct outcome *outcome)
{
	struct audit_writing writing = {
		.record = record, .row = &rows[record->kind], .arena = arena, .writer = writer
	};
	char instant[AUDIT_INSTANT_SIZE];

	audit_instant(record->recorded_ms, instant);
	json_begin_object(writer);
	json_member(writer, STR("resourceType"), STR("AuditEvent"));
	json_member(writer, STR("id"), str_from_c(record->id));
	meta_write(&writing);
	audit_coding(writer, STR("type"), &types[writing.row->type]);
	subtype_write(&writing);
	json_member(writer, STR("action"), writing.row->action);
	json_member(writer, STR("recorded"), str_from_c(instant));
	json_member(writer, STR("outcome"), arena_printf(arena, "%d", record->outcome));
	audit_member(&writing, STR("outcomeDesc"), record->outcome_text);
	reason_write(&writing);
	audit_agents_write(&writing);
	source_write(&writing);
	audit_entities_write(&writing);
	json_end_object(writer);
	return !arena_failed(arena) || outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
}

/* Interactions as the router calls them, in BALP's words; data NULL: not recorded. */
static struct str interaction_word(struct str interaction)
{
	if (str_equal(interaction, STR("capabilities")))
		return STR_NONE;
	if (str_starts_with(interaction, STR("search")) || str_starts_with(interaction, STR("operation")))
		return STR("search");
	if (str_equal(interaction, STR("vread")) || str_starts_with(interaction, STR("history")))
		return STR("read");
	if (str_equal(interaction, STR("patch")))
		return STR("update");
	return str_equal(interaction, STR("transaction")) ? STR("") : interaction;
}

enum audit_kind audit_kind_of(struct str transaction, struct str interaction)
{
	struct str word = interaction_word(interaction);

	if (!word.data)
		return AUDIT_KIND_COUNT;
	for (size_t i = 0; i < AUDIT_KIND_COUNT; i++) {
		if (rows[i].side == SIDE_SERVER && str_equal(rows[i].transaction, transaction) &&
		    str_equal(rows[i].interaction, word))
			return (enum audit_kind)i;
	}
	return str_is_empty(transaction) ? AUDIT_KIND_COUNT : audit_kind_of(STR(""), interaction);
}

const char *audit_kind_name(enum audit_kind kind)
{
	return rows[kind].name;
}
