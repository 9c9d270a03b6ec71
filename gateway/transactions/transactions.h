/* The use cases, each a straight-line function that reads like its sequence diagram: facts in, back-ends asked, FHIR
 * JSON out. They know no HTTP message. All return true with the answer written, or false with an error in
 * t->outcome, which may carry warnings in either case. */
#ifndef PASSERELLE_TRANSACTIONS_H
#define PASSERELLE_TRANSACTIONS_H

#include <jansson.h>

#include "gateway/access/visible.h"
#include "gateway/audit/trail.h"
#include "gateway/south/xds_client.h"
#include "gateway/transactions/gateway.h"
#include "mappers/fhir_body.h"

struct legs;

/* One request on its way through a transaction. */
struct transaction {
	const struct gateway *gateway;
	struct source *source; /* whom south asks; ids are read and made as this source's */
	struct south south;    /* arena and deadline of the request are in here */
	const struct caller *caller;
	struct visit *visit;       /* what the caller may see; all that is read of a back-end passes through it */
	struct audit_trail *audit; /* what is recorded of this request; NULL: audit is off */
	struct legs *legs;         /* the search that this is a leg of (legs.h); NULL: none */
	bool is_inward;            /* another community asks: no community is asked for it */
	int64_t now_s;             /* seconds since 1970 */
	struct outcome *outcome;
};

/* False, with the issue for want of memory. */
bool no_memory(const struct transaction *t);

/* ITI-67, ITI-66: parameters of the URL and of a form, as they came (STR_NONE when absent). */
struct search_request {
	struct str query;
	struct str form;
	bool strict; /* Prefer: handling=strict */
};
bool find_document_references(const struct transaction *t, const struct search_request *request,
			      struct buf *answer) MUST_CHECK;
bool find_document_lists(const struct transaction *t, const struct search_request *request,
			 struct buf *answer) MUST_CHECK;

/* Reads by sealed id. etag gets the text between the quotes of a weak ETag, in the arena. */
bool read_document_reference(const struct transaction *t, struct str id, struct buf *answer,
			     struct str *etag) MUST_CHECK;
bool read_list(const struct transaction *t, struct str id, struct buf *answer, struct str *etag) MUST_CHECK;
bool read_patient(const struct transaction *t, struct str id, struct buf *answer) MUST_CHECK;

/* ITI-83, by query (body NULL) or Parameters. */
bool corresponding_identifiers(const struct transaction *t, const struct search_request *request, const json_t *body,
			       struct buf *answer) MUST_CHECK;

/* ITI-78 and ITI-119. */
bool find_patients(const struct transaction *t, const struct search_request *request, struct buf *answer) MUST_CHECK;
bool match_patient(const struct transaction *t, const json_t *body, struct buf *answer) MUST_CHECK;

/* ITI-104: the Patient that the query names, as it is now. */
struct written {
	bool is_new;
	struct str location; /* "Patient/{id}", in the arena; STR_NONE when it has no id here */
};
bool feed_patient(const struct transaction *t, const struct search_request *request, const json_t *body,
		  struct written *written, struct buf *answer) MUST_CHECK;

/* ITI-81, and one event by its id: what the gateway has recorded itself. */
bool find_audit_events(const struct transaction *t, const struct search_request *request,
		       struct buf *answer) MUST_CHECK;
bool read_audit_event(const struct transaction *t, struct str id, struct buf *answer) MUST_CHECK;

/* ITI-68. Who takes the document: head once, then bytes until the function returns. */
struct document_head {
	struct str media_type;
	uint64_t size;
	struct str etag; /* between the quotes of a strong ETag: the SHA-1 in hex; empty for an on-demand document */
};
struct document_receiver {
	void *ctx;
	/* The media type of the document: does the client want it? False: 406. */
	bool (*accepts)(void *ctx, struct str media_type);
	/* True: the client has these bytes already (If-None-Match), the answer ends here. */
	bool (*has)(void *ctx, struct str etag);
	/* A document that was read and verified as a whole; it is taken over. */
	bool (*whole)(void *ctx, const struct document_head *head, struct spool *document);
	/* A large document, verified while it passes: begin, write, end. What ends before `end` was not good, and the
	 * client must notice. False from any of them: the client is gone. */
	bool (*begin)(void *ctx, const struct document_head *head);
	bool (*write)(void *ctx, const void *bytes, size_t size);
	bool (*end)(void *ctx);
	bool whole_only; /* documents of every size are taken whole: they wait on disk */
	bool head_only;  /* HEAD: answered by `described` from the metadata, the repository is not asked */
	bool (*described)(void *ctx, const struct document_head *head);
};
bool retrieve_document(const struct transaction *t, struct str id, const struct document_receiver *receiver) MUST_CHECK;

/* ITI-108. A Consent as it is now: written into resource, which the caller keeps. */
struct consent_answer {
	struct buf *resource;
	struct str etag;     /* text between the quotes of a weak ETag */
	struct str location; /* of a version that was written: "Consent/{id}/_history/{version}" */
};
bool consent_create(const struct transaction *t, json_t *consent, struct consent_answer *answer) MUST_CHECK;
/* version: STR_NONE for the newest. */
bool consent_read(const struct transaction *t, struct str id, struct str version,
		  struct consent_answer *answer) MUST_CHECK;
/* if_match: the header, STR_NONE without one. */
bool consent_update(const struct transaction *t, struct str id, struct str if_match, json_t *consent,
		    struct consent_answer *answer) MUST_CHECK;
bool consent_delete(const struct transaction *t, struct str id, struct str if_match) MUST_CHECK;
bool find_consents(const struct transaction *t, const struct search_request *request, struct buf *answer) MUST_CHECK;

/* The CapabilityStatement. */
bool capability(const struct transaction *t, struct buf *answer) MUST_CHECK;

#endif
