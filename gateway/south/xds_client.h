/* Publishing, as a client of XDS: envelope, one exchange, and what the answer says. What reads (ITI-18, ITI-43) is in
 * unchecked.h. Source: ITI TF-2 3.41. */
#ifndef PASSERELLE_XDS_CLIENT_H
#define PASSERELLE_XDS_CLIENT_H

#include "gateway/south/soap_client.h"

struct xds_document {
	struct str entry_uuid; /* id of its ExtrinsicObject */
	struct str media_type;
	const struct spool *spool;
};

/* ITI-41, sent once. SOAP_ANSWERED: the repository answered Success, perhaps with warnings in outcome. SOAP_FAILED: it
 * has refused (its errors are in outcome) or was not reached. SOAP_UNCLEAR: ask the registry. */
enum soap_end xds_provide(const struct south *south, const struct rim_list *objects,
			  const struct xds_document *documents, size_t count, struct outcome *outcome) MUST_CHECK;

/* ITI-42, sent once: metadata alone, of documents that are in a repository. Ends as xds_provide's. */
enum soap_end xds_register(const struct south *south, const struct rim_list *objects,
			   struct outcome *outcome) MUST_CHECK;

#endif
