/* A FHIR Consent as it comes from clients (ITI-108), as it is kept, and as it is shown. Any valid R4 Consent is accepted,
 * not only those of the PCF profiles; what is required besides is what a decision needs.
 * Source: IHE PCF 1.1 2:3.108, FHIR R4 Consent and http. Memory belongs to the arena. */
#ifndef PASSERELLE_CONSENT_RESOURCE_H
#define PASSERELLE_CONSENT_RESOURCE_H

#include <jansson.h>

#include "mappers/base/arena.h"
#include "mappers/base/buf.h"
#include "mappers/base/error.h"
#include "mappers/patient_claim.h"

/* Base rules of R4 and the Consent's own (bindings, ppc-1, periods); patient and dateTime must be there; a
 * modifierExtension or implicitRules may turn everything round and is refused. Goes on after the first problem.
 * Errors: those of fhir_validate, ERR_METADATA_MISSING, ERR_METADATA_INVALID, ERR_NOT_SUPPORTED. */
bool consent_resource_check(const json_t *consent, struct arena *arena, struct outcome *outcome) MUST_CHECK;

/* Whose Consent it is: by identifier, contained, or by reference. base: public base URL, to know our own by. The claim
 * points into the tree. Errors: ERR_REFERENCE_UNRESOLVED, ERR_NO_MEMORY. */
bool consent_resource_patient(const json_t *consent, struct str base, struct arena *arena, struct patient_claim *claim,
			      struct outcome *outcome) MUST_CHECK;

/* True when it takes part in decisions. */
bool consent_resource_is_active(const json_t *consent);

/* A provision.data.reference that may be a document of ours. The gateway asks the registry for it, and names it by an
 * identifier that outlives ids and versions, which is all that consent_rule.h goes by. */
struct consent_document {
	json_t *reference;    /* in the tree */
	struct str own_id;    /* the X of DocumentReference/X; or empty */
	struct str urn;       /* "urn:uuid:..." of its identifier: an entryUUID, logicalID or uniqueId; or empty */
	struct str unique_id; /* the same identifier as XDS writes a uniqueId; or empty */
	const char *path;
};

/* All of them; what refers to other things is left out. Errors: ERR_TOO_COSTLY, ERR_NO_MEMORY. */
#define CONSENT_DOCUMENTS_MAX 200
bool consent_resource_documents(json_t *consent, struct str base, struct arena *arena,
				struct consent_document **documents, size_t *count, struct outcome *outcome) MUST_CHECK;

/* Adds the identifier urn:ietf:rfc:3986|urn to the reference. False without memory. */
bool consent_document_name(const struct consent_document *document, struct str urn) MUST_CHECK;

/* The text to keep: with this id, and without the version and time that only the keeper knows. Errors: ERR_TOO_LONG,
 * ERR_NO_MEMORY, ERR_INTERNAL. */
bool consent_resource_keep(const json_t *consent, struct str id, struct buf *text, struct outcome *outcome) MUST_CHECK;

struct consent_version {
	struct str id;
	uint64_t version_id;
	int64_t updated_ms; /* since 1970 */
};

/* A kept text as a tree with id, meta.versionId and meta.lastUpdated, freed with the arena. Errors: ERR_INTERNAL (the text
 * is no Consent), ERR_NO_MEMORY. */
bool consent_resource_show(struct str kept, const struct consent_version *version, struct arena *arena,
			   json_t **consent, struct outcome *outcome) MUST_CHECK;

#endif
