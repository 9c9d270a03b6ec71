/* What a back-end answers before anybody has asked whether it may be seen: ITI-18 and ITI-43 as a client makes them, or
 * ITI-38 and ITI-39 of another community (BACKEND_XCA), whose home goes with every question; every object of the answer
 * then has that home, and an answer with another one is ERR_BACKEND_ANSWER.
 * Only gateway/access reads this header (a test holds that); everybody else gets what gateway/access/visible.h lets
 * through. Answers are in south->arena. Source: ITI TF-2 3.18, 3.38, 3.39, 3.43. */
#ifndef PASSERELLE_UNCHECKED_H
#define PASSERELLE_UNCHECKED_H

#include "gateway/south/soap_client.h"

/* ITI-18 or ITI-38. True for Success and PartialSuccess (whose errors are warnings in outcome); list gets the objects and refs
 * the ids of an ObjectRef answer. */
bool xds_query(const struct south *south, const struct stored_query *query, struct rim_list *list, struct strs *refs,
	       struct outcome *outcome) MUST_CHECK;

/* Takes the one document of a retrieve. */
struct retrieve_sink {
	void *ctx;
	/* The DocumentResponse that answers the request; the bytes follow. */
	bool (*begin)(void *ctx, const struct document_response *response);
	bool (*data)(void *ctx, const void *bytes, size_t size);
};

/* ITI-43 or ITI-39 of one document; bytes_expected (0: not known) gives it time. True when the repository answered Success
 * with exactly this document and all its bytes went to sink. Errors: the repository's own; ERR_NOT_FOUND for a repository
 * that the configuration does not name; ERR_BACKEND_ANSWER. A sink that returns false has added its own issue. */
bool xds_retrieve(const struct south *south, const struct document_request *request, uint64_t bytes_expected,
		  const struct retrieve_sink *sink, struct outcome *outcome) MUST_CHECK;

#endif
