/* A publication as it is kept until it can be delivered, in parts: its head (who sent it, what could not be looked up)
 * as JSON, its metadata as ebRIM, the answer that it will have, then its documents in the order of their entries. And
 * what remains of it when it is settled. */
#ifndef PASSERELLE_PUBLICATION_PARTS_H
#define PASSERELLE_PUBLICATION_PARTS_H

#include "mappers/caller.h"
#include "mappers/publication_kind.h"
#include "mappers/base/buf.h"

enum { PUBLICATION_HEAD, PUBLICATION_METADATA, PUBLICATION_ANSWER, PUBLICATION_DOCUMENTS };

/* Kinds of items (publication_kind.h). The metadata of a change are the submission set of the change and the document's one
 * entry, as it shall be. A request has in their place what was sent (JSON, empty for a deletion), and no answer. */
#define PUBLICATION_HEAD_BYTES_MAX     ((size_t)1024 * 1024)
#define PUBLICATION_METADATA_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* What a change does to the document of its entry. */
struct publication_change {
	bool is_removal;       /* of all versions, and of the bytes where that is offered */
	bool is_new_version;   /* the entry is one, under its own entryUUID */
	struct str new_status; /* availabilityStatus, whole URN; STR_NONE: it stays */
	struct str base; /* entryUUID of the version that was changed; STR_NONE: whichever there is, if there is one */
};

/* It goes where the document was shared, and not where it is, as the one that was asked for: that has a base. */
bool publication_change_is_passed_on(const struct publication_change *change);

/* What a request asks for. */
enum publication_wish { WISH_NONE, WISH_PUT, WISH_JSON_PATCH, WISH_FHIRPATH_PATCH, WISH_DELETE };
#define PUBLICATION_WISHES 5
struct publication_request {
	enum publication_wish wish;
	struct str id;       /* of the resource, as it was asked by */
	struct str urn;      /* logicalID of the document; or by its uniqueId and hash: publication_target_name */
	struct str hash;     /* then: SHA-1 of its bytes */
	struct str if_match; /* the header; data NULL: none came */
};

struct publication_head {
	struct caller caller;
	struct publication_change change;   /* of a change */
	struct publication_request request; /* of a request */
	/* Ends that nobody could look up when it was accepted: urn:uuid: of documents, names of publication_target.h. */
	struct strs unverified;
	/* CX by which its patient was named, while nobody can say who that is here; the first stands in the metadata. */
	struct strs unresolved;
	struct strs chosen; /* in pairs: the entryUUID that its sender chose for an object, and the one it has */
	struct strs places; /* in pairs: the id of an object, and the FHIRPath of what it was sent as */
	bool is_unclear;    /* it was sent once, and may be registered */
};

void publication_head_write(const struct publication_head *head, struct buf *text);
/* False for what publication_head_write did not make, or without memory. */
bool publication_head_read(struct str text, struct arena *arena, struct publication_head *head) MUST_CHECK;

/* rs:SubmitObjectsRequest and back. Errors: ERR_INTERNAL for anything else, ERR_NO_MEMORY. */
bool publication_metadata_write(const struct metadata *metadata, struct arena *arena, struct buf *text,
				struct outcome *outcome) MUST_CHECK;
bool publication_metadata_read(struct str text, struct arena *arena, struct metadata *metadata,
			       struct outcome *outcome) MUST_CHECK;

#define PUBLICATION_GIVEN_UP 404
/* What a settled publication is asked by and answered with. */
struct publication_result {
	struct caller caller;  /* who sent it */
	struct str patient_id; /* CX */
	int status; /* HTTP: 200, or of what refused it; PUBLICATION_GIVEN_UP of one whose sender deleted its status URL */
	struct str body; /* transaction-response or OperationOutcome, JSON */
};
void publication_result_write(const struct publication_result *result, struct buf *text); /* reading: body is in text */
bool publication_result_read(struct str text, struct arena *arena, struct publication_result *result) MUST_CHECK;

/* What a publication brings into being (set, documents and folders, each by its id and its uniqueId), and what it builds
 * upon beyond that: names that an order can be kept by. False without memory. */
bool publication_names(const struct metadata *metadata, struct arena *arena, struct strs *makes,
		       struct strs *needs) MUST_CHECK;

/* Adds the names under which head.chosen is found: by who sent it, and by nobody else. False without memory. */
bool publication_chosen_names(const struct publication_head *head, struct arena *arena, struct strs *makes) MUST_CHECK;

/* For the entryUUID that this caller chose, and for what the caller wants of a document, undecided; NULL data without memory. */
struct str publication_chosen_name(const struct caller *caller, struct str urn, struct arena *arena);
struct str publication_wishes_name(const struct caller *caller, struct str urn, struct arena *arena);

/* The patient of a registered document as the outbox is given them: each has one line for a target, that of their
 * publications, however a registry spells them. NULL data without memory. */
struct str publication_line(struct str patient_id, struct arena *arena);

/* The name under which what changes the document with this logicalID is found; NULL data without memory. */
struct str publication_changes_name(struct str urn, struct arena *arena);

/* A transaction-response that also says this, at the entry of the SubmissionSet. An outcome with an error adds nothing.
 * False without memory. */
bool publication_answer_inform(struct str *answer, const struct outcome *outcome, struct arena *arena) MUST_CHECK;

/* answer with to for from, as often as that stands in it: registered under other ids than planned. False without memory. */
bool publication_answer_rename(struct str *answer, struct str from, struct str to, struct arena *arena) MUST_CHECK;

#endif
