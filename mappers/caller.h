/* Who asks, as the gateway came to believe it: what a verified token or client certificate says, in one struct that the
 * access checks, the assertions sent to back-ends and the audit records all read. Nothing in it is trusted before
 * authentication has filled it. Memory belongs to the arena of the request, or to the token cache entry it came from.
 * Source: IHE IUA 3.72, SMART App Launch 2.2. */
#ifndef PASSERELLE_CALLER_H
#define PASSERELLE_CALLER_H

#include "mappers/metadata.h"

enum caller_kind {
	CALLER_ANONYMOUS, /* nobody said who they are; only where access.anonymous allows it */
	CALLER_PATIENT,   /* a person about themselves (patient/ scopes), or about whom they act for */
	CALLER_USER,      /* a professional (user/ scopes) */
	CALLER_SYSTEM     /* a machine without a person (system/ scopes, client certificate) */
};

struct caller {
	enum caller_kind kind;
	struct str tenant;    /* of the route the token was accepted for */
	struct str issuer;    /* iss; of a certificate: its issuer's name */
	struct str subject;   /* sub */
	struct str client_id; /* client_id or azp */
	struct str token_id;  /* jti; of an opaque token its last 32 characters */
	struct str name;      /* IUA subject_name: for people's eyes, never for a decision */
	struct str organization;
	struct str organization_id; /* URI, "urn:oid:..." */
	struct codes roles;         /* IUA subject_role; schemes as in struct code */
	struct code purpose;    /* the one purpose that this request is judged and sent by; code empty: none claimed */
	struct str person_id;   /* the patient that the token speaks of ("system|value", CX or Patient URL); or empty */
	struct str acting_for;  /* subject on whose behalf a representative asks; or empty */
	struct str provider_id; /* IUA national_provider_identifier */
	struct str home_community_id;
	struct str scopes;      /* as granted, separated by blanks */
	struct str reason;      /* why the glass is broken: text of the X-Break-Glass-Reason header or of the token */
	struct strs care_of;    /* patients ("system|value") the token says that the caller takes care of */
	struct str certificate; /* SHA-256 of the client certificate, hex; or empty */
	struct str address;     /* of the client */
	struct str authentication; /* acr: how the person proved who they are; or empty */
	int64_t authenticated_s;   /* auth_time or iat; 0 unknown */
	int64_t expires_s;         /* exp: nothing derived from the token may live longer; 0: does not end */
	bool is_opaque;            /* introspected, not a JWT */
	bool is_asserted;          /* by a SAML assertion; token_id is its ID */
};

/* Copies a caller with all that it points to into one block, which begins with a struct caller and is aligned for one;
 * block NULL copies nothing. Returns the bytes that it takes. */
size_t caller_pack(const struct caller *caller, void *block);

/* The program that asks, whoever uses it: what no client can multiply by itself. Never empty; the data is NULL without
 * memory. */
struct str caller_client(const struct caller *caller, struct arena *arena);

/* Purposes of use that change a decision, in v3-ActReason. */
#define PURPOSE_SYSTEM_OID "2.16.840.1.113883.5.8"
#define PURPOSE_SYSTEM_URI "http://terminology.hl7.org/CodeSystem/v3-ActReason"

#endif
