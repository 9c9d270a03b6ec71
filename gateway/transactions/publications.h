/* Publishing, and what comes of it: ITI-65, and the publications that are registered later than they are answered. As in
 * transactions.h: true with the answer written, or false with an error in t->outcome. */
#ifndef PASSERELLE_PUBLICATIONS_H
#define PASSERELLE_PUBLICATIONS_H

#include "gateway/transactions/transactions.h"

/* ITI-65: the Bundle, and the documents that were cut out of it, in the order of their marks. */
struct provide_request {
	json_t *bundle;
	enum fhir_format format;
	struct spool **documents; /* finished, with SHA-1 */
	size_t document_count;
	bool respond_async; /* Prefer: respond-async */
	struct str task;    /* {id} of the Task of a dead letter, which this corrects; STR_NONE: it is a new one */
};

/* A publication that is not registered yet and will be: status_url says where its end can be asked, and the answer is an
 * OperationOutcome. Otherwise the data of status_url is NULL, and the answer the transaction-response. */
struct provided {
	struct str status_url;
};
bool provide_bundle(const struct transaction *t, const struct provide_request *request, struct provided *provided,
		    struct buf *answer) MUST_CHECK;

/* What became of a publication that was accepted, by the id in its status_url: for who sent it, and who may read of its
 * patient. Others are told that there is none. */
struct publication_state {
	bool is_open; /* not settled: there is no answer yet */
	int status;   /* settled: HTTP status, 200 with the transaction-response, otherwise with an OperationOutcome */
	const char *progress; /* of an open one: a few words */
};
bool publication_status(const struct transaction *t, struct str id, struct publication_state *state,
			struct buf *answer) MUST_CHECK;

/* Takes it back, for who sent it or an operator: ERR_CONFLICT when it is being sent or settled. gives_up: by its status
 * URL, which is gone then for who sent it; otherwise it says from now on that it was withdrawn. answer stays empty, or is
 * an OperationOutcome that says that it may be registered all the same. */
bool publication_withdraw(const struct transaction *t, struct str id, bool gives_up, struct buf *answer) MUST_CHECK;

/* The same as Tasks. A search finds the caller's own, or all for an operator (publication.operators). An update may set
 * status to cancelled (withdraw) or requested (retry). */
bool find_tasks(const struct transaction *t, const struct search_request *request, struct buf *answer) MUST_CHECK;
bool read_task(const struct transaction *t, struct str id, struct buf *answer) MUST_CHECK;
bool update_task(const struct transaction *t, struct str id, const json_t *task, struct buf *answer) MUST_CHECK;
bool retry_task(const struct transaction *t, struct str id, struct buf *answer) MUST_CHECK;

#endif
