/* What happened, as FHIR AuditEvent with the codes of IHE. Facts in, JSON out; the codes are rows of
 * profiles/balp/audit.def. Text of strangers is cut, and characters that JSON or XML cannot carry become U+FFFD; a query
 * goes in byte for byte, as base64. Source: BALP 1.1.4 (with MHD, PDQm, PIXm), ITI-20, FHIR R4 AuditEvent. */
#ifndef PASSERELLE_AUDIT_EVENT_H
#define PASSERELLE_AUDIT_EVENT_H

#include "mappers/base/arena.h"
#include "mappers/caller.h"
#include "mappers/json_writer.h"

struct consent_decision;

enum audit_kind {
#define AUDIT(name, ...) AUDIT_##name,
#include "profiles/balp/audit.def"
	AUDIT_KIND_COUNT
};

enum audit_outcome { AUDIT_SUCCESS = 0, AUDIT_MINOR = 4, AUDIT_SERIOUS = 8, AUDIT_MAJOR = 12 };

/* A query longer than this is cut, and the record says so and how long it was. */
#define AUDIT_QUERY_BYTES_MAX (256 * 1024)
#define AUDIT_OBJECTS_MAX     100 /* further ones are counted */
#define AUDIT_ID_SIZE         37  /* a UUID without prefix, and the NUL */
#define AUDIT_INSTANT_SIZE    25  /* YYYY-MM-DDThh:mm:ss.mmmZ and the NUL */

/* A resource that was made, read or sent. */
struct audit_object {
	struct str type;      /* FHIR resource type: "DocumentReference", "List", "Binary", "Consent" ... */
	struct str reference; /* "List/abc", or a URL; or empty */
	struct str unique_id; /* XDS uniqueId or another identifier; or empty */
	struct str repository_unique_id;
	struct str home_community_id;
	bool is_main; /* the one object the transaction is about: entity of type 2 */
};

/* Facts of one event. Everything is borrowed; empty is unknown. */
struct audit_record {
	enum audit_kind kind;
	enum audit_outcome outcome;
	struct str outcome_text; /* why it failed */
	char id[AUDIT_ID_SIZE];  /* names the event for good */
	int64_t recorded_ms;     /* since 1970 */

	struct str source_id; /* name of this gateway */
	struct str base;      /* its FHIR base URL */
	struct str tenant;
	const struct caller *caller; /* never NULL */
	struct str peer_name;        /* CLIENT rows: name of the back-end */
	struct str peer_url;         /* and where it was asked */
	struct str assertion_id;     /* of the SAML assertion that was sent with the call */

	struct str patient_id;        /* CX */
	struct str patient_reference; /* "Patient/abc" */
	struct str query;             /* bytes as they came */
	size_t query_size;            /* the whole size, when query was cut already */
	const struct audit_object *objects;
	size_t object_count;
	size_t object_lost_count; /* not in objects */

	const struct consent_decision *decision; /* that decided; NULL: none was taken */
	size_t hidden_count;                     /* documents that the caller did not get to see */
	struct strs hospitals;                   /* names of other tenants whose documents the caller got to see */
	struct str request_id;
	struct str traceparent;
};

/* Writes one AuditEvent. Problems stick in the writer; arena is for what must be put together. False without memory,
 * with an issue. */
bool audit_event_write(const struct audit_record *record, struct arena *arena, struct json_writer *writer,
		       struct outcome *outcome) MUST_CHECK;

/* The row for an IHE transaction ("ITI-67"; empty: none) and a FHIR interaction ("search-type", "read", "vread",
 * "operation", "create" ...) that we serve; AUDIT_KIND_COUNT when it is not recorded (metadata). */
enum audit_kind audit_kind_of(struct str transaction, struct str interaction);

/* "AUDIT_FIND_LISTS": for people and tests. */
const char *audit_kind_name(enum audit_kind kind);

void audit_instant(int64_t ms, char instant[AUDIT_INSTANT_SIZE]);

#endif
