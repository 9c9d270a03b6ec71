/* The XDS transactions as a client makes them: envelope, one exchange, and what the answer says. Answers are in
 * south->arena. Source: ITI TF-2 3.18, 3.41, 3.43. */
#ifndef PASSERELLE_XDS_CLIENT_H
#define PASSERELLE_XDS_CLIENT_H

#include "gateway/south/soap_client.h"

/* ITI-18. True for Success and PartialSuccess (whose errors are warnings in outcome); list gets the objects and refs
 * the ids of an ObjectRef answer. */
bool xds_query(const struct south *south, const struct stored_query *query, struct rim_list *list, struct strs *refs,
	       struct outcome *outcome) MUST_CHECK;

struct xds_document {
	struct str entry_uuid; /* id of its ExtrinsicObject */
	struct str media_type;
	const struct spool *spool;
};

/* ITI-41, sent once. SOAP_ANSWERED: the repository answered Success, perhaps with warnings in outcome. SOAP_FAILED: it
 * has refused (its errors are in outcome) or was not reached. SOAP_UNCLEAR: ask the registry. */
enum soap_end xds_provide(const struct south *south, const struct rim_list *objects,
			  const struct xds_document *documents, size_t count, struct outcome *outcome) MUST_CHECK;

/* Takes the one document of a retrieve. */
struct retrieve_sink {
	void *ctx;
	/* The DocumentResponse that answers the request; the bytes follow. */
	bool (*begin)(void *ctx, const struct document_response *response);
	bool (*data)(void *ctx, const void *bytes, size_t size);
};

/* ITI-43 of one document; bytes_expected (0: not known) gives it time. True when the repository answered Success with exactly this document and all its bytes went
 * to sink. Errors: the repository's own; ERR_NOT_FOUND for a repository that the configuration does not name;
 * ERR_BACKEND_ANSWER. A sink that returns false has added its own issue. */
bool xds_retrieve(const struct south *south, const struct document_request *request, uint64_t bytes_expected,
		  const struct retrieve_sink *sink, struct outcome *outcome) MUST_CHECK;

#endif
