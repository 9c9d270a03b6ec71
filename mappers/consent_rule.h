/* What a patient's Consents say about one access: pure decision, no I/O. Consents are compiled once into a set; a set
 * answers for a requester as a whole (all, none, or it depends on the document) and for one document.
 * Source: IHE PCF 1.1 (ITI-108, 53.4), FHIR R4 Consent.
 *
 * Within one Consent a nested provision is an exception to its root: a nested permit holds the selectors of the root
 * beside its own, a nested deny stands as it is written, and deny wins between nested ones. Between Consents deny
 * overrides. A selector whose fact is unknown matches for a deny and not for a permit; what is not understood (a
 * modifierExtension, another meaning, deeper nesting, a reference without identifier ...) denies whatever it may match.
 * Consents that are not active, not about privacy (scope research, treatment, adr) or not within the period of their root
 * say nothing. A root without type takes it from policyRule OPTIN or OPTOUT, otherwise it is not understood.
 *
 * No Consent that applies: the policy's default, for treatment (TREAT, ETREAT, ERTREAT, COC) by who takes care of the
 * patient; a permit that names the requester stands for that relationship. Confidentiality is U < L < M < N < R < V, the
 * highest of several; none, or one that is unknown, is R. A securityLabel permits up to its level and denies from it on;
 * V is reached only by a permit labelled V. Patients see everything of theirs; who acts for them, unless a deny names
 * who acts. A producer reads its own, unless a deny names it.
 *
 * Break-glass (purpose BTG) is the policy's: roles, a reason, a person. It overrides the patient's denies, except those
 * whose provision of type deny has purpose BTG itself: so does a patient forbid even that. It never reaches V. */
#ifndef PASSERELLE_CONSENT_RULE_H
#define PASSERELLE_CONSENT_RULE_H

#include <jansson.h>

#include "mappers/base/arena.h"
#include "mappers/base/buf.h"
#include "mappers/base/error.h"
#include "mappers/caller.h"
#include "mappers/consent_hospital.h"

enum consent_action { CONSENT_FIND, CONSENT_READ, CONSENT_PUBLISH, CONSENT_UPDATE };

/* What the tenant lays down; made from the configuration, borrowed. */
struct consent_policy {
	bool default_permit;            /* no Consent applies: permit to who takes care of the patient, or deny */
	bool require_care_relationship; /* professionals need one, except when they break the glass */
	bool normal_only_by_default;    /* without an explicit permit, R and V documents are denied (default policy) */
	struct strs break_glass_roles;  /* "system|code" or code of roles that may break the glass; none: nobody may */
	bool break_glass_restricted;    /* whether it reaches documents of confidentiality R (never V) */
	bool producer_reads_own;        /* an author organisation may read what it published */
	struct str provider_system;     /* URI or OID of the identifiers in caller.provider_id; empty: not known */
	bool others_explicit;           /* other hospitals' documents need an explicit permit, or a broken glass */
	struct consent_hospitals hospitals;
};

/* One access. Borrowed. */
struct consent_request {
	const struct caller *caller;
	enum consent_action action;
	struct str patient_id; /* CX of the affinity domain */
	bool is_patient;       /* the caller is, or acts for, this very patient, after identity resolution */
	bool has_care_relationship;
	int64_t now_s;
};

enum consent_extent { CONSENT_EVERY_DOCUMENT, CONSENT_NO_DOCUMENT, CONSENT_BY_DOCUMENT };

enum consent_reason {
	CONSENT_BY_DEFAULT, /* the tenant's policy */
	CONSENT_BY_CONSENT, /* what the patient laid down; consent_id says which */
	CONSENT_BY_PATIENT, /* the patient asks */
	CONSENT_BY_PRODUCER,
	CONSENT_BY_BREAK_GLASS,
	CONSENT_NO_RELATIONSHIP,
	CONSENT_NO_BREAK_GLASS, /* purpose BTG by who may not break the glass: to be refused as a whole and told to people */
	CONSENT_NOT_UNDERSTOOD,
	CONSENT_UNAVAILABLE /* no source could say: deny */
};

struct consent_decision {
	bool permit;
	enum consent_reason reason;
	struct str consent_id; /* "Consent/{id}" that decided (or was overridden), for the audit; or STR_NONE */
	struct str hospital;   /* the other one, whose document was decided about; set by who knows the document */
};

struct consent_set;

/* Compiles Consent resources of one patient (an array of trees; inactive ones are skipped). Documents in data.reference
 * are known by identifier (urn:ietf:rfc:3986 and the urn of entryUUID, logicalID or uniqueId), which the gateway adds
 * when it takes a Consent; see consent_resource.h. Never fails for what is in a Consent: one that cannot be understood
 * becomes a rule that denies. default_offset_minutes: zone of dates without one, east of UTC. The set is in the arena
 * and borrows nothing from the trees. Errors: ERR_NO_MEMORY. */
bool consent_set_read(const json_t *consents, int default_offset_minutes, struct arena *arena,
		      const struct consent_set **set, struct outcome *outcome) MUST_CHECK;

/* A set as bytes and back, for caches. open is strict: false for bytes that consent_set_write did not make, or without
 * memory; the set borrows bytes. */
void consent_set_write(const struct consent_set *set, struct buf *bytes);
bool consent_set_open(struct str bytes, struct arena *arena, const struct consent_set **set) MUST_CHECK;

/* What the set says without looking at a document; decision is filled for EVERY and NO. */
enum consent_extent consent_extent(const struct consent_set *set, const struct consent_policy *policy,
				   const struct consent_request *request, struct consent_decision *decision);

/* What it says about one document. */
void consent_decide(const struct consent_set *set, const struct consent_policy *policy,
		    const struct consent_request *request, const struct document_entry *entry,
		    struct consent_decision *decision);

/* True when the caller has a role that is written as "system|code" or code. */
bool consent_has_role(const struct caller *caller, struct str role);

/* True when the caller claims purpose BTG. */
bool consent_breaks_glass(const struct caller *caller);

/* True when the policy lets this caller break the glass: a person, in one of the roles, with a reason. */
bool consent_may_break_glass(const struct consent_policy *policy, const struct caller *caller);

#endif
