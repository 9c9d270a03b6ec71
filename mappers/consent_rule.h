/* What a patient's Consents say about one access: pure decision, no I/O. Consents are compiled once into a set; a set
 * answers for a requester as a whole (all, none, or it depends on the document) and for one document.
 * Rules: within one Consent a nested provision is an exception to its root; between Consents deny overrides; what is not
 * understood denies whatever it may match; no applicable Consent: the policy's default. Break-glass overrides only what
 * the policy marks as overridable. Source: IHE PCF 1.1 (ITI-108, 53.4), FHIR R4 Consent. */
#ifndef PASSERELLE_CONSENT_RULE_H
#define PASSERELLE_CONSENT_RULE_H

#include <jansson.h>

#include "mappers/base/arena.h"
#include "mappers/base/error.h"
#include "mappers/caller.h"

enum consent_action { CONSENT_FIND, CONSENT_READ, CONSENT_PUBLISH, CONSENT_UPDATE };

/* What the tenant lays down; made from the configuration, borrowed. */
struct consent_policy {
	bool default_permit;            /* no Consent applies: permit to who takes care of the patient, or deny */
	bool require_care_relationship; /* professionals need one, except when they break the glass */
	bool normal_only_by_default;    /* without an explicit permit, R and V documents are denied (default policy) */
	struct strs break_glass_roles;  /* "system|code" or code of roles that may break the glass; none: nobody may */
	bool break_glass_restricted;    /* whether it reaches documents of confidentiality R (never V) */
	bool producer_reads_own;        /* an author organisation may read what it published */
	struct str version;             /* changes with the policy: part of cache keys */
};

/* One access. Borrowed. */
struct consent_request {
	const struct caller *caller;
	enum consent_action action;
	struct str patient_id; /* CX of the affinity domain */
	bool is_patient;       /* the caller is this very patient, after identity resolution */
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
	CONSENT_NOT_UNDERSTOOD,
	CONSENT_UNAVAILABLE /* no source could say: deny */
};

struct consent_decision {
	bool permit;
	enum consent_reason reason;
	struct str consent_id; /* "Consent/{id}" that decided, for the audit; or STR_NONE */
};

struct consent_set;

/* Compiles Consent resources of one patient (an array of trees, each already known to be R4-valid and of this patient;
 * inactive ones are skipped). One that cannot be understood becomes a rule that denies. The set is in the arena and
 * borrows nothing from the trees. */
bool consent_set_read(const json_t *consents, struct arena *arena, const struct consent_set **set,
		      struct outcome *outcome) MUST_CHECK;

/* What the set says without looking at a document; decision is filled for EVERY and NO. */
enum consent_extent consent_extent(const struct consent_set *set, const struct consent_policy *policy,
				   const struct consent_request *request, struct consent_decision *decision);

/* What it says about one document. */
void consent_decide(const struct consent_set *set, const struct consent_policy *policy,
		    const struct consent_request *request, const struct document_entry *entry,
		    struct consent_decision *decision);

/* The time (seconds since 1970) at which the answers above may change by themselves, because a period begins or ends;
 * INT64_MAX: never. */
int64_t consent_set_changes_at(const struct consent_set *set, int64_t now_s);

#endif
