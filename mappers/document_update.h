/* What a DocumentReference that a client sends back changes in the registered document. Attributes that say the same in FHIR as
 * before stay as they are registered, byte for byte, with all that FHIR has no place for.
 * Source: FHIR R4 http update and patch, ITI TF-2 3.57.4.1.3.3.1 (what may change). */
#ifndef PASSERELLE_DOCUMENT_UPDATE_H
#define PASSERELLE_DOCUMENT_UPDATE_H

#include "mappers/code_sets.h"
#include "mappers/document_entry.h"
#include "mappers/patient_claim.h"

struct document_update {
	struct document_entry changed; /* whole, as it shall be registered */
	bool is_new_version;           /* changed says something else than what is registered */
	bool moves_consent;            /* of that, something by which Consents tell documents apart (consent_match.h) */
	struct str new_status;         /* availabilityStatus; STR_NONE: it stays */
};

/* current  the registered entry
 * shown    the resource as the client would read it now
 * sent     the resource as it shall be, R4-valid; the elements status and docStatus in it are settled here
 * code_sets  what its new codes must be of; NULL: every code is taken
 * Nothing is said of what was wrong with the document before. Goes on after the first problem.
 * Errors: ERR_RULE with the FHIRPath of what may not change (what says which document of which patient this is:
 * identifiers, subject, content, relatesTo), those of document_entry_from_fhir and document_entry_validate,
 * ERR_CODE_NOT_ALLOWED, ERR_NO_MEMORY. */
bool document_update_read(const struct document_entry *current, const json_t *shown, json_t *sent,
			  int default_offset_minutes, const struct code_sets *code_sets, struct arena *arena,
			  struct document_update *update, struct outcome *outcome) MUST_CHECK;

/* Whom the subject of a DocumentReference names: by identifier, reference, or a contained Patient. claim->path is NULL
 * when it names nobody. False without memory. */
bool document_update_subject(const json_t *resource, struct str base, struct arena *arena,
			     struct patient_claim *claim) MUST_CHECK;

#endif
