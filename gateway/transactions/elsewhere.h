/* What is done at one source because an id names it, and what other sources have to say about it. */
#ifndef PASSERELLE_ELSEWHERE_H
#define PASSERELLE_ELSEWHERE_H

#include "gateway/transactions/transactions.h"

/* A transaction's way to the source of an id and back. */
struct errand {
	struct transaction t; /* at the source */
	size_t issue_count;   /* of its outcome, which is the one of the transaction that went, at the beginning */
};

/* Goes there. False with ERR_NO_MEMORY in t's outcome. */
bool errand_begin(const struct transaction *t, struct source *source, struct errand *errand) MUST_CHECK;

/* Comes back: where there are several sources, issues that this one is to blame for get its name. Returns ok. */
bool errand_end(const struct errand *errand, bool ok);

/* Issues that a source is to blame for, as opposed to the request and this gateway. */
bool issue_is_of_source(const struct issue *issue);

/* Takes over issues of one source; those that it is to blame for get its name. */
void issues_take(struct outcome *outcome, const struct outcome *from, const struct source *source);

/* One registry may have several entries of a document (TF-3 4.2.4, XDSNonIdenticalHash): asks t's source for all entries of
 * the documents that were found there, where patients hide documents one by one. What hidden_elsewhere_drop is given then
 * loses the documents of which one may not be seen. Errors as of a query. */
bool hidden_here_ask(const struct transaction *t, const struct metadata *found) MUST_CHECK;

/* What a patient hides in one source is hidden in all: drops from what was found at t's source the documents of which
 * an entry or another source's copy may not be seen. Asks the other sources, where patients hide documents one by one; what a
 * source that does not answer would have said is not known. Of a leg's search, those that have been asked for everything of
 * the patient, or have not answered, are not asked again. ERR_BACKEND_TIMEOUT when the request's time is over before they can
 * answer, ERR_NO_MEMORY. */
bool hidden_elsewhere_drop(const struct transaction *t, struct metadata *found) MUST_CHECK;

/* The same of one document: *entry becomes NULL. */
bool hidden_elsewhere_entry(const struct transaction *t, const struct document_entry **entry) MUST_CHECK;

#endif
