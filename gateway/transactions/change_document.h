/* The use cases that change what was published. As in transactions.h, which holds the others. */
#ifndef PASSERELLE_CHANGE_DOCUMENT_H
#define PASSERELLE_CHANGE_DOCUMENT_H

#include "gateway/transactions/publications.h"

/* Update and patch of a DocumentReference (ITI-57): exactly one of the three is there. */
struct document_change {
	json_t *resource;         /* whole; it is changed */
	const json_t *operations; /* a JSON Patch */
	const json_t *parameters; /* a FHIRPath Patch, R4-valid */
};
/* if_match: the header, STR_NONE without one. answer and etag are those of the new version, or answer says that the change
 * waits, and provided where it can be asked after. respond_async: it shall wait. */
struct document_wish {
	struct str if_match;
	bool respond_async;
};
bool update_document_reference(const struct transaction *t, struct str id, const struct document_wish *wish,
			       const struct document_change *change, struct provided *provided, struct buf *answer,
			       struct str *etag) MUST_CHECK;
/* What the configuration lets a deletion do; it must not be refuse. answer stays empty but for one that waits. */
bool delete_document_reference(const struct transaction *t, struct str id, const struct document_wish *wish,
			       struct provided *provided, struct buf *answer) MUST_CHECK;

#endif
