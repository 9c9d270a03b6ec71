/* What phase 1 of Provide Document Bundle [ITI-65] makes of a Bundle: its entries by role, who refers to whom, and what
 * only I/O can settle. Source: MHD 4.2.4 3.65.4.1. Memory belongs to the arena of phase 1. */
#ifndef PASSERELLE_PROVIDE_PLAN_H
#define PASSERELLE_PROVIDE_PLAN_H

#include "mappers/metadata.h"
#include "mappers/patient_claim.h"

#define PROVIDE_ENTRIES_MAX   2000
#define PROVIDE_CLAIMS_MAX    8
#define PROVIDE_EXTERNALS_MAX 64
#define PROVIDE_TARGETS_MAX   200

enum provide_profile { PROVIDE_MINIMAL, PROVIDE_COMPREHENSIVE, PROVIDE_UNCONTAINED };

enum provide_role {
	ROLE_SUBMISSION_SET,
	ROLE_DOCUMENT_REFERENCE,
	ROLE_STATUS_UPDATE, /* PATCH of the document that is replaced */
	ROLE_BINARY,
	ROLE_FOLDER,
	ROLE_FOLDER_UPDATE, /* PUT: members are added */
	ROLE_PATIENT,
	ROLE_FROZEN, /* Practitioner, Organization ...: lives on inside the metadata */
};

struct provide_entry {
	enum provide_role role;
	json_t *resource; /* NULL only for a GET */
	struct str full_url;
	struct str method;
	struct str url;   /* request.url */
	size_t object;    /* which of documents or folders; for ROLE_BINARY the first document that uses it */
	size_t target;    /* ROLE_STATUS_UPDATE, ROLE_FOLDER_UPDATE: which of targets */
	const char *path; /* "Bundle.entry[2]" */
};

/* A registered object that the Bundle speaks of and only the registry can name. */
enum provide_target_kind { TARGET_ENTRY_UUID, TARGET_UNIQUE_ID, TARGET_OWN_ID };

struct provide_target {
	enum provide_target_kind kind;
	struct str value;              /* urn:uuid:..., an XDS uniqueId, or an id that this gateway gave out */
	bool is_folder, is_superseded; /* superseded: a document of the Bundle takes its place */
	const char *path;              /* for issues */
};

struct provide_relation {
	enum association_type type;
	bool in_bundle;
	size_t index; /* of documents when in_bundle, otherwise of targets */
};

struct provide_document_plan {
	size_t entry;  /* the DocumentReference */
	size_t binary; /* the Binary: entry index */
	struct provide_relation *relations;
	size_t relation_count;
};

struct provide_members {
	size_t *documents; /* of documents */
	size_t document_count;
	size_t *targets; /* of targets */
	size_t target_count;
};

struct provide_folder_plan {
	size_t entry;
	bool exists; /* ROLE_FOLDER_UPDATE */
	size_t target;
	struct provide_members members;
};

struct provide_external {
	struct str url;   /* absolute; what the gateway may fetch is its own allow-list */
	json_t *resource; /* set by provide_bundle_fetched */
	const char *path;
};

struct provide_bundle {
	enum provide_profile profile;
	struct provide_entry *entries; /* in the order of the request */
	size_t entry_count;
	size_t submission_set; /* entry index */
	struct provide_document_plan *documents;
	size_t document_count;
	struct provide_folder_plan *folders; /* the new ones first, as in the metadata */
	size_t folder_count;
	struct provide_members references; /* existing documents that the SubmissionSet lists (targets only) */
	/* what only I/O can settle: */
	struct patient_claim claims[PROVIDE_CLAIMS_MAX]; /* different ones; all must be the same patient */
	size_t claim_count;
	struct provide_external externals[PROVIDE_EXTERNALS_MAX];
	size_t external_count;
	struct provide_target targets[PROVIDE_TARGETS_MAX];
	size_t target_count;
	size_t uuid_count; /* fresh UUIDs that phase 2 may use */
};

#endif
