/* What is sent to change or remove registered documents, worked out whole before a byte is sent: one message after the
 * other, as text. So a plan can be sent now, kept and sent later, or sent to a second registry as well; whoever keeps it
 * keeps the patient and for each step its kind, its text and its repository, nothing else. A message may be sent again:
 * its objects have their ids (urn:uuid:) already, by which it can be asked whether it was taken.
 * Source: ITI TF-2 3.57, 3.62, 3.86. */
#ifndef PASSERELLE_UPDATE_PLAN_H
#define PASSERELLE_UPDATE_PLAN_H

#include "mappers/metadata.h"
#include "mappers/retrieve.h"

enum update_kind {
	UPDATE_METADATA,  /* ITI-57: lcm:SubmitObjectsRequest, to the registry */
	REMOVE_METADATA,  /* ITI-62: lcm:RemoveObjectsRequest, to the registry */
	REMOVE_DOCUMENTS, /* ITI-86: rmd:RemoveDocumentsRequest, to the repository */
	UPDATE_KIND_COUNT
};

struct update_step {
	enum update_kind kind;
	struct str body;                 /* what stands inside soap:Body, its namespaces declared */
	struct str repository_unique_id; /* REMOVE_DOCUMENTS: whom it is for */
};

#define UPDATE_STEPS_MAX 2

struct update_plan {
	struct str patient_id; /* CX, whom it is about */
	struct update_step steps[UPDATE_STEPS_MAX];
	size_t step_count;
};

/* A change of one document entry. */
struct update_change {
	const struct document_entry *current; /* the registered version, with its origin */
	const struct document_entry *changed; /* as it shall be, whole; NULL: only the status changes */
	struct str new_status;                /* availabilityStatus, whole URN; STR_NONE: stays as it is */
	const struct submission_set *set;     /* of the change, whole, with entry_uuid */
	struct str entry_uuid;                /* fresh, of the new version */
	struct str association_uuids[2];      /* fresh */
};

/* One ITI-57: a new version of the entry, or a new status of the present one, or both. What may not change, and what the
 * registry gives (status, version), is taken from current. Everything in the arena. Errors: ERR_METADATA_INVALID (XML
 * cannot carry a value), ERR_TOO_LONG, ERR_NO_MEMORY. */
bool update_plan_change(const struct update_change *change, struct arena *arena, struct update_plan *plan,
			struct outcome *outcome) MUST_CHECK;

/* True when changed says nothing else than current: no new version is needed. False also without memory. */
bool update_plan_is_empty(const struct document_entry *current, const struct document_entry *changed,
			  struct arena *arena);

/* ITI-62 of these objects, all or nothing, and then, unless document is NULL, ITI-86 of the bytes. Errors as above. */
bool update_plan_removal(struct str patient_id, const struct strs *object_ids, const struct document_request *document,
			 struct arena *arena, struct update_plan *plan, struct outcome *outcome) MUST_CHECK;

/* ITI-86 of the bytes alone: what was left of a removal. */
bool update_plan_bytes(struct str patient_id, const struct document_request *document, struct arena *arena,
		       struct update_plan *plan, struct outcome *outcome) MUST_CHECK;

/* The number that PreviousVersion must have for a version as a registry writes it: "2" of "2", "1" of "1.1" or nothing.
 * Points into version or is static. TF-3 4.2.3.2.32 */
struct str update_version_number(struct str version);

/* Of two versions of a document: is a the one that counts? Approved before Deprecated, then the highest number. */
bool update_version_is_newer(const struct document_entry *a, const struct document_entry *b);

#endif
