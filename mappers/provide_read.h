/* What the parts of phase 1 of ITI-65 (provide_bundle_read) share. */
#ifndef PASSERELLE_PROVIDE_READ_H
#define PASSERELLE_PROVIDE_READ_H

#include "mappers/provide_bundle.h"

struct provide_reading {
	json_t *bundle;
	const struct provide_rules *rules;
	struct arena *arena;
	struct provide_bundle *out;
	struct outcome *outcome;
};

/* printf into the arena for a path; never NULL. */
const char *provide_path(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* resourceType, or STR_NONE. */
struct str provide_resource_type(const json_t *resource);

/* ERR_NO_MEMORY; returns false. */
bool provide_no_memory(struct outcome *outcome);

/* --- provide_slice.c: Bundle.type, profile, entries and their roles --- */

bool provide_read_profile(struct provide_reading *reading);
bool provide_read_entries(struct provide_reading *reading);

/* --- provide_reference.c: who is meant by a reference --- */

enum reference_kind {
	REFERENCE_UNKNOWN,   /* an entry that is not there, or no reference at all */
	REFERENCE_CONTAINED, /* resource */
	REFERENCE_ENTRY,     /* entry, and its resource */
	REFERENCE_OWN,       /* [base]/type/id: type and id */
	REFERENCE_URL,       /* on another server: url, type and id as far as they can be told */
};

struct provide_reference {
	enum reference_kind kind;
	json_t *resource;
	size_t entry;
	struct str url; /* absolute; also for REFERENCE_OWN */
	struct str type;
	struct str id;
};

/* Resolves Reference.reference that stands in the resource of entries[from]. Source: FHIR R4 bundle.html 2.36.4.1,
 * references.html 2.3.0.1. False without memory. */
bool provide_resolve(const struct provide_bundle *bundle, struct str base, size_t from, struct str reference,
		     struct arena *arena, struct provide_reference *found) MUST_CHECK;

/* The resource that a reference names, in the Bundle or fetched; "url#id" names one that it contains. NULL when there is
 * none, or without memory. */
json_t *provide_lookup(const struct provide_bundle *bundle, struct str base, size_t from, struct str reference,
		       struct arena *arena);

/* The registered object that a Reference object (relatesTo.target, List.entry.item) or request.url means: own id or
 * identifier; the index of it in targets, added when new. */
bool provide_target_add(struct provide_reading *reading, const struct provide_target *target, size_t *index);
/* Fills kind and value from Reference.identifier or a token of a conditional URL. False when it names no such object. */
bool provide_target_of_identifier(const json_t *identifier, struct arena *arena, struct provide_target *target);
bool provide_target_of_url(struct str base, struct str url, struct str type, struct arena *arena,
			   struct provide_target *target);

/* Adds what references in an author, recipient or patient element name outside of the Bundle to externals, and follows
 * a PractitionerRole to its Practitioner and Organization. contained_only: the profile wants "#...".
 * entry: where the reference stands; path: of the element. */
bool provide_read_person(struct provide_reading *reading, size_t entry, const json_t *reference, bool contained_only,
			 const char *path);

/* Makes the references inside a resource that is not contained (a PractitionerRole) absolute, so that they can be
 * understood away from it. url: its own. Returns false without memory. */
bool provide_absolutise(json_t *resource, struct str url, struct arena *arena);

/* --- provide_rules.c: what entries say of each other --- */

/* The patient of context.sourcePatientInfo into claims, for a Minimal Bundle in which nobody names a subject. */
bool provide_read_source_patient(struct provide_reading *reading, size_t entry);
bool provide_read_document(struct provide_reading *reading, struct provide_document_plan *document);
bool provide_read_folder(struct provide_reading *reading, struct provide_folder_plan *folder);
bool provide_read_submission_set(struct provide_reading *reading);
bool provide_check_updates(struct provide_reading *reading);

#endif
