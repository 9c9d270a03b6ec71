/* Provide Document Bundle [ITI-65], FHIR to XDS in two phases with the gateway's I/O between them.
 * Source: MHD 4.2.4 3.65.4.1, ProvideBundle profiles, ITI TF-3 4.2. */
#ifndef PASSERELLE_PROVIDE_BUNDLE_H
#define PASSERELLE_PROVIDE_BUNDLE_H

#include "mappers/code_sets.h"
#include "mappers/provide_plan.h"

/* Values for what a Minimal Bundle may leave out and XDS requires; a code with empty code text: no default. */
struct provide_defaults {
	struct code class_code, type_code, format_code, confidentiality_code, facility_type_code, practice_setting_code;
	struct code content_type_code, folder_code;
	struct str language_code, folder_title;
	struct str institution; /* XON of who recorded a document of whose authors none names an institution */
};

struct provide_rules {
	bool accept_minimal, accept_comprehensive, accept_uncontained;
	bool fill_minimal; /* complete a Minimal Bundle by defaults, with a warning each; false: refuse it (422) */
	bool limited_metadata; /* the back-end takes Minimal as it is, marked as limited metadata; fill_minimal is not used */
	const struct provide_defaults *defaults;
	const struct code_sets *code_sets; /* what the codes must be of; NULL: every code is taken */
	int default_offset_minutes;        /* zone of a time without one */
	struct str base;                   /* public base URL without a slash at its end */
	bool own_uuids; /* the entryUUIDs that the client chose are not taken: nobody can tell whether they are free */
};

/* Phase 1: slices, profile, references, one patient. Goes on after the first problem, so that a client sees them all.
 * bundle   the parsed Bundle (fhir_body_read), borrowed; must outlive out
 * Errors: ERR_METADATA_MISSING, ERR_METADATA_INVALID, ERR_RULE, ERR_NOT_SUPPORTED (FHIRDocumentNotSupported),
 * ERR_DUPLICATE_IN_BODY, ERR_REFERENCE_UNRESOLVED, ERR_DOCUMENT_MISSING, ERR_TOO_COSTLY, ERR_NO_MEMORY. */
bool provide_bundle_read(json_t *bundle, const struct provide_rules *rules, struct arena *arena,
			 struct provide_bundle *out, struct outcome *outcome) MUST_CHECK;

/* Hands in the resource of externals[index]; may append externals that it refers to (a PractitionerRole's Practitioner
 * and Organization), so call it in a loop up to the growing external_count. resource must outlive bundle. */
bool provide_bundle_fetched(struct provide_bundle *bundle, size_t index, json_t *resource, struct arena *arena,
			    struct outcome *outcome) MUST_CHECK;

struct provide_resolved {
	const struct str *patient_ids;     /* CX in the affinity domain, parallel to claims */
	const struct str *target_uuids;    /* urn:uuid:..., or names of publication_target.h; parallel to targets */
	const struct strs *folder_members; /* parallel to folders: urn:uuid: of what an existing folder holds */
	const struct str *uuids;           /* uuid_count fresh ones, urn:uuid:... */
	struct str now;                    /* DTM to the second */
};

/* Where the bytes of a document are, and what was claimed about them. Parallel to metadata->document_entries. */
struct provide_document {
	bool is_cut;
	size_t cut_index; /* of fhir_body's cut sink, when is_cut */
	struct str inline_base64;
	struct str content_type;
	struct str claimed_hash; /* 40 hex digits or STR_NONE */
	struct str claimed_size; /* digits or STR_NONE */
	const char *path;        /* of the attachment, for issues */
};

/* Phase 2: the submission as it goes to ITI-41, with real ids for all objects and associations, Minimal completed.
 * Warnings (defaults used, folder attributes not changed) are added to outcome with a path of their entry.
 * Errors: as document_entry_from_fhir and document_entry_validate; ERR_RULE (two patients), ERR_METADATA_MISSING,
 * ERR_CODE_NOT_ALLOWED. */
bool provide_bundle_map(const struct provide_bundle *bundle, const struct provide_rules *rules,
			const struct provide_resolved *resolved, struct arena *arena, struct metadata *metadata,
			struct provide_document **documents, struct outcome *outcome) MUST_CHECK;

/* Holds the claims against the decoded bytes and writes hash and size into the entry.
 * Errors: ERR_METADATA_INVALID (mismatch), ERR_DOCUMENT_MISSING (no bytes), ERR_NO_MEMORY. TF-3 4.2.3.2.10, .21. */
bool provide_document_verify(const struct provide_document *document, const unsigned char sha1[20], uint64_t size,
			     struct arena *arena, struct document_entry *entry, struct outcome *outcome) MUST_CHECK;

/* A SubmissionSet that the client did not name, and new folders, are named by what was sent instead of by chance: who
 * sends the same Bundle again means the same submission, and it is recognized. Made of tenant, patient, sourceId,
 * submission time, and the documents' uniqueIds and hashes, so call it after provide_document_verify of each. Without
 * documents the fresh name stays. Error: ERR_NO_MEMORY. MHD leaves the missing uniqueId to the recipient; TF-3 4.2.3.3.12 */
bool provide_name(const struct provide_bundle *bundle, const struct provide_resolved *resolved, struct str tenant,
		  struct arena *arena, struct metadata *metadata, struct outcome *outcome) MUST_CHECK;

/* Where the objects of the submission came from: in pairs, the id of each and the FHIRPath of its resource. False without
 * memory. */
bool provide_places(const struct provide_bundle *bundle, const struct metadata *metadata, struct arena *arena,
		    struct strs *places) MUST_CHECK;

/* Lets issues of a registry, which name objects of the submission by UUID, point to the entries they are about: their
 * path becomes that of the entry, "Object urn:uuid:...: " is taken off their text. */
void provide_outcome_place(const struct strs *places, struct outcome *outcome);

#endif
