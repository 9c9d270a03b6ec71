#include "mappers/audit_writing.h"
#include "mappers/code_system.h"

static const struct audit_coding agents[] = {
	[AGENT_SOURCE] = { STR_INIT(DCM), STR_INIT("110153"), STR_INIT("Source Role ID") },
	[AGENT_DESTINATION] = { STR_INIT(DCM), STR_INIT("110152"), STR_INIT("Destination Role ID") },
	[AGENT_APPLICATION] = { STR_INIT(DCM), STR_INIT("110150"), STR_INIT("Application") },
	[AGENT_CUSTODIAN] = { STR_INIT(TERMINOLOGY "provenance-participant-type"), STR_INIT("custodian"),
			      STR_INIT("Custodian") },
	[AGENT_AUTHORIZER] = { STR_INIT(TERMINOLOGY "extra-security-role-type"), STR_INIT("authserver"),
			       STR_INIT("authorization server") },
	[AGENT_TOKEN_SERVICE] = { STR_INIT(BALP_SYSTEM "UserAgentTypes"), STR_INIT("AuthzOauthService"),
				  STR_INIT("OAuth Authorization Server") },
	[AGENT_NOBODY] = { STR_INIT(""), STR_INIT(""), STR_INIT("") },
};

static const struct audit_coding user_agent = { STR_INIT(TERMINOLOGY "v3-ParticipationType"), STR_INIT("IRCP"),
						STR_INIT("information recipient") };
static const struct audit_coding oauth_agent = { STR_INIT(BALP_SYSTEM "UserAgentTypes"), STR_INIT("UserOauthAgent"),
						 STR_INIT("User OAuth Agent participant") };
static const struct audit_coding saml_agent = { STR_INIT(BALP_SYSTEM "UserAgentTypes"), STR_INIT("UserSamlAgent"),
						STR_INIT("User SAML Agent participant") };
static const struct audit_coding organization_agent = { STR_INIT(TERMINOLOGY "v3-RoleClass"), STR_INIT("PROV"),
							STR_INIT("healthcare provider") };
static const struct audit_coding represented_agent = { STR_INIT(TERMINOLOGY "v3-ParticipationType"), STR_INIT("BEN"),
						       STR_INIT("beneficiary") };
void audit_member(struct audit_writing *writing, struct str key, struct str text)
{
	json_member(writing->writer, key, audit_text(writing->arena, text));
}

static void audit_coding_members(struct json_writer *writer, const struct audit_coding *coding)
{
	json_member(writer, STR("system"), coding->system);
	json_member(writer, STR("code"), coding->code);
	json_member(writer, STR("display"), coding->display);
}

void audit_coding(struct json_writer *writer, struct str key, const struct audit_coding *coding)
{
	if (str_is_empty(coding->code))
		return;
	json_member_object(writer, key);
	audit_coding_members(writer, coding);
	json_end_object(writer);
}

void audit_coding_item(struct json_writer *writer, const struct audit_coding *coding)
{
	if (str_is_empty(coding->code))
		return;
	json_begin_object(writer);
	audit_coding_members(writer, coding);
	json_end_object(writer);
}

/* {"coding": [...]} of our own codes; second may be NULL. */
static void audit_concept(struct json_writer *writer, struct str key, const struct audit_coding *first,
			  const struct audit_coding *second)
{
	json_member_object(writer, key);
	json_member_array(writer, STR("coding"));
	audit_coding_item(writer, first);
	if (second)
		audit_coding_item(writer, second);
	json_end_array(writer);
	json_end_object(writer);
}

/* A code that came with a token, as CodeableConcept. */
void audit_code_item(struct audit_writing *writing, const struct code *code, struct str text)
{
	struct json_writer *writer = writing->writer;

	json_begin_object(writer);
	if (!str_is_empty(code->code)) {
		json_member_array(writer, STR("coding"));
		json_begin_object(writer);
		json_member(writer, STR("system"),
			    audit_uri(writing->arena, code_system_uri(code->scheme, writing->arena)));
		audit_member(writing, STR("code"), code->code);
		audit_member(writing, STR("display"), code->display);
		json_end_object(writer);
		json_end_array(writer);
	}
	audit_member(writing, STR("text"), text);
	json_end_object(writer);
}

void audit_identifier(struct audit_writing *writing, struct str system, struct str value)
{
	if (str_is_empty(str_trim(value)))
		return;
	json_member_object(writing->writer, STR("identifier"));
	if (is_uri(system))
		json_member(writing->writer, STR("system"), audit_uri(writing->arena, system));
	audit_member(writing, STR("value"), value);
	json_end_object(writing->writer);
}

bool audit_has_person(const struct caller *caller)
{
	return (caller->kind == CALLER_USER || caller->kind == CALLER_PATIENT) && !str_is_empty(caller->subject);
}

/* 1 name, 2 IP address, 5 URI. FHIR R4 network-type */
static void network_member(struct audit_writing *writing, struct str address, const char *type)
{
	json_member_object(writing->writer, STR("network"));
	audit_member(writing, STR("address"), str_is_empty(address) ? STR("unknown") : address);
	json_member(writing->writer, STR("type"), str_from_c(str_is_empty(address) ? "1" : type));
	json_end_object(writing->writer);
}

/* The assertion's ID, jti, or the end of an opaque token, as BALP's agent.policy. */
static void token_policy(struct audit_writing *writing)
{
	const struct caller *caller = writing->record->caller;
	struct str policy = STR_NONE;

	if (!str_is_empty(writing->record->assertion_id))
		policy = audit_uri(writing->arena, writing->record->assertion_id);
	else if (caller->is_asserted)
		policy = audit_uri(writing->arena, caller->token_id);
	else if (!str_is_empty(caller->token_id))
		policy = arena_printf(writing->arena, "%s%.*s", caller->is_opaque ? "" : "urn:ietf:params:oauth:jti:",
				      STR_ARG(audit_uri(writing->arena, caller->token_id)));
	if (str_is_empty(policy))
		return;
	json_member_array(writing->writer, STR("policy"));
	json_text(writing->writer, policy);
	json_end_array(writing->writer);
}

static void purpose_member(struct audit_writing *writing)
{
	if (str_is_empty(writing->record->caller->purpose.code))
		return;
	json_member_array(writing->writer, STR("purposeOfUse"));
	audit_code_item(writing, &writing->record->caller->purpose, STR_NONE);
	json_end_array(writing->writer);
}

/* The machine that asked us, or whom we ask. */
static void peer_agent(struct audit_writing *writing, enum audit_agent agent)
{
	const struct audit_record *record = writing->record;
	const struct caller *caller = record->caller;
	struct json_writer *writer = writing->writer;
	bool is_client = writing->row->side != SIDE_CLIENT;
	struct str name = is_client ? caller->address : record->peer_name;

	json_begin_object(writer);
	audit_concept(writer, STR("type"), &agents[agent], NULL);
	json_member_object(writer, STR("who"));
	if (is_client && !str_is_empty(caller->client_id))
		audit_identifier(writing, caller->issuer, caller->client_id);
	else if (is_client && !str_is_empty(caller->certificate))
		audit_identifier(writing, STR_NONE, caller->certificate);
	audit_member(writing, STR("display"), str_is_empty(name) ? STR("unknown") : name);
	json_end_object(writer);
	json_key(writer, STR("requestor"));
	json_bool(writer, is_client && !audit_has_person(caller));
	if (is_client && caller->kind == CALLER_SYSTEM)
		token_policy(writing);
	network_member(writing, is_client ? caller->address : record->peer_url, is_client ? "2" : "5");
	if (is_client && caller->kind == CALLER_SYSTEM)
		purpose_member(writing);
	json_end_object(writer);
}

/* This gateway; source.observer says the same, which is an invariant of BALP. */
void audit_own_who(struct audit_writing *writing, struct str key)
{
	json_member_object(writing->writer, key);
	audit_member(writing, STR("display"), writing->record->base);
	json_end_object(writing->writer);
}

static void own_agent(struct audit_writing *writing, enum audit_agent agent)
{
	struct json_writer *writer = writing->writer;

	json_begin_object(writer);
	audit_concept(writer, STR("type"), &agents[agent], NULL);
	audit_own_who(writing, STR("who"));
	json_key(writer, STR("requestor"));
	json_bool(writer, writing->row->side == SIDE_CLIENT && !audit_has_person(writing->record->caller));
	if (agent != AGENT_AUTHORIZER)
		network_member(writing, writing->record->base, "5");
	json_end_object(writer);
}

static void user_write(struct audit_writing *writing)
{
	const struct caller *caller = writing->record->caller;
	struct json_writer *writer = writing->writer;

	json_begin_object(writer);
	audit_concept(writer, STR("type"), &user_agent,
		      caller->is_asserted || !str_is_empty(writing->record->assertion_id) ? &saml_agent
		      : !str_is_empty(caller->token_id)                                   ? &oauth_agent
											  : NULL);
	if (caller->roles.count > 0) {
		json_member_array(writer, STR("role"));
		for (size_t i = 0; i < caller->roles.count; i++)
			audit_code_item(writing, &caller->roles.items[i], STR_NONE);
		json_end_array(writer);
	}
	json_member_object(writer, STR("who"));
	audit_identifier(writing, caller->issuer, caller->subject);
	audit_member(writing, STR("display"), caller->name);
	json_end_object(writer);
	json_key(writer, STR("requestor"));
	json_bool(writer, true);
	token_policy(writing);
	purpose_member(writing);
	json_end_object(writer);
}

/* An agent that is only an identifier and a name. */
static void named_agent(struct audit_writing *writing, const struct audit_coding *type, struct str system,
			struct str value, struct str name)
{
	json_begin_object(writing->writer);
	audit_concept(writing->writer, STR("type"), type, NULL);
	json_member_object(writing->writer, STR("who"));
	audit_identifier(writing, system, value);
	audit_member(writing, STR("display"), name);
	json_end_object(writing->writer);
	json_key(writing->writer, STR("requestor"));
	json_bool(writing->writer, false);
	json_end_object(writing->writer);
}

void audit_agents_write(struct audit_writing *writing)
{
	const struct caller *caller = writing->record->caller;
	const struct audit_row *row = writing->row;
	bool is_own_life = row->server == AGENT_NOBODY;

	json_member_array(writing->writer, STR("agent"));
	if (is_own_life || row->side == SIDE_CLIENT)
		own_agent(writing, row->client);
	else
		peer_agent(writing, row->client);
	if (!is_own_life) {
		if (row->side == SIDE_CLIENT)
			peer_agent(writing, row->server);
		else
			own_agent(writing, row->server);
	}
	/* A second application agent would be a second `client` in some profiles. */
	if (row->side != SIDE_SELF && row->client != AGENT_APPLICATION && !str_is_empty(caller->client_id))
		named_agent(writing, &agents[AGENT_APPLICATION], caller->issuer, caller->client_id, STR_NONE);
	if (audit_has_person(caller))
		user_write(writing);
	if (!str_is_empty(caller->organization_id) || !str_is_empty(caller->organization))
		named_agent(writing, &organization_agent,
			    is_uri(caller->organization_id) ? STR("urn:ietf:rfc:3986") : STR_NONE,
			    caller->organization_id, caller->organization);
	if (!str_is_empty(caller->acting_for))
		named_agent(writing, &represented_agent, caller->issuer, caller->acting_for, STR_NONE);
	json_end_array(writing->writer);
}
