/* Inside the audit mapper only: what audit_event.c, audit_agents.c and audit_entities.c share. */
#ifndef PASSERELLE_AUDIT_WRITING_H
#define PASSERELLE_AUDIT_WRITING_H

#include "mappers/audit_event.h"
#include "mappers/audit_text.h"

#define DCM         "http://dicom.nema.org/resources/ontology/DCM"
#define TERMINOLOGY "http://terminology.hl7.org/CodeSystem/"
#define BALP_SYSTEM "https://profiles.ihe.net/ITI/BALP/CodeSystem/"

enum audit_side { SIDE_SERVER, SIDE_CLIENT, SIDE_SELF };
enum audit_type {
#define AUDIT_TYPE(name, ...) TYPE_##name,
#include "profiles/balp/audit.def"
};
enum audit_agent {
	AGENT_SOURCE,
	AGENT_DESTINATION,
	AGENT_APPLICATION,
	AGENT_CUSTODIAN,
	AGENT_AUTHORIZER,
	AGENT_TOKEN_SERVICE,
	AGENT_NOBODY
};
enum audit_main { MAIN_NONE, MAIN_QUERY, MAIN_JOB, MAIN_REPORT, MAIN_RESOURCE, MAIN_LOG };

struct audit_coding {
	struct str system;
	struct str code;
	struct str display;
};

struct audit_row {
	const char *name;
	enum audit_side side;
	enum audit_type type;
	struct str transaction;
	struct str transaction_name;
	struct str interaction;
	struct str action;
	enum audit_agent client;
	enum audit_agent server;
	enum audit_main object;
	struct str profile; /* behind PROFILES */
	struct str profile_patientless;
};

/* What one event is written from. */
struct audit_writing {
	const struct audit_record *record;
	const struct audit_row *row;
	struct arena *arena;
	struct json_writer *writer;
	bool in_entities; /* FHIR knows no empty arrays: they begin with their first item */
	bool in_details;
};

/* A member with a stranger's text. */
void audit_member(struct audit_writing *writing, struct str key, struct str text);
/* A Coding of ours as member or in an array; nothing when it has no code. */
void audit_coding(struct json_writer *writer, struct str key, const struct audit_coding *coding);
void audit_coding_item(struct json_writer *writer, const struct audit_coding *coding);
/* A CodeableConcept in an array: a code that came with a token, and text. */
void audit_code_item(struct audit_writing *writing, const struct code *code, struct str text);
/* "identifier"; nothing without value, no system unless it is a URI. */
void audit_identifier(struct audit_writing *writing, struct str system, struct str value);

/* True when a person stands behind the request. */
bool audit_has_person(const struct caller *caller);
bool audit_names_patient(const struct audit_record *record);
/* ITI-104. */
bool audit_is_feed(enum audit_kind kind);

/* This gateway; source.observer and the server agent say the same, which is an invariant of BALP. */
void audit_own_who(struct audit_writing *writing, struct str key);
void audit_agents_write(struct audit_writing *writing);
void audit_entities_write(struct audit_writing *writing);

#endif
