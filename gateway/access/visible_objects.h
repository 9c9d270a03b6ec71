/* What goes to another community: whole objects, and documents by their ids. The same consent as in visible.h, and
 * nothing that leads past it. */
#ifndef PASSERELLE_VISIBLE_OBJECTS_H
#define PASSERELLE_VISIBLE_OBJECTS_H

#include "gateway/access/visible.h"

/* Drops from what was found what copies in other sources hide. False with an issue. */
struct visible_elsewhere {
	const void *ctx;
	bool (*drop)(const void *ctx, struct metadata *found);
};

/* visible_query for an answer that is passed on object by object: associations stay only when nothing at either end is
 * hidden, ObjectRefs and what is no object of XDS go. query must not ask for ObjectRefs. */
bool visible_objects(struct visit *visit, enum consent_action action, const struct south *south,
		     const struct stored_query *query, const struct visible_elsewhere *elsewhere,
		     struct metadata *metadata, struct outcome *outcome) MUST_CHECK;

/* The entry of the document with these ids, as it is now. *entry is NULL when there is none that may be found and read:
 * of several, the Approved ones, otherwise all, must be permitted, so that no older version opens what a newer one
 * closes. home: of the back-end, in queries; or empty. */
bool visible_document(struct visit *visit, const struct south *south, struct str home,
		      const struct document_request *wanted, const struct document_entry **entry,
		      struct outcome *outcome) MUST_CHECK;

#endif
