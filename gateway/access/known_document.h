/* Document entries as they were when they were last read by their id here, or were given to other networks: for who changes
 * one while its registry cannot be asked. They say who the patient is, and so what consent decides about, and upon which
 * version the change builds; the registry has the last word when it is back. Kept encrypted among the last known answers,
 * for a day. */
#ifndef PASSERELLE_KNOWN_DOCUMENT_H
#define PASSERELLE_KNOWN_DOCUMENT_H

#include "gateway/access/visible.h"

/* source: the name of the back-end. Writing waits for nothing. */
void known_document_keep(struct access *access, struct str source, const struct document_entry *entry, int64_t now_s,
			 struct arena *arena);
void known_document_drop(struct access *access, struct str source, const struct document_entry *entry);

/* What has just been registered as this publication says, but for what is known already. */
void known_documents_keep_new(struct access *access, struct str source, const struct metadata *metadata, int64_t now_s,
			      struct arena *arena);

/* The document with this urn ("urn:uuid:", logicalID), in the arena, if the caller may find it; NULL when it is not
 * known. */
const struct document_entry *known_document_find(struct access *access, struct visit *visit, struct str source,
						 struct str urn, int64_t now_s, struct arena *arena);

/* The same by its uniqueId, which may be a urn:uuid: as well, and then is the urn of no document, or of another. */
const struct document_entry *known_document_find_by_unique_id(struct access *access, struct visit *visit,
							      struct str source, struct str unique_id, int64_t now_s,
							      struct arena *arena);

/* Whether this is known to be the urn of a document of the source's, whoever may find it. */
bool known_document_is_there(struct access *access, struct str source, struct str urn, int64_t now_s,
			     struct arena *arena);

#endif
