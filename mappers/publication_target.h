/* What a publication that waits builds upon, while nobody can say under which entryUUID it is registered: a name that stands
 * in its associations in the place of an entryUUID, until it is delivered. A document that was named by its entryUUID keeps
 * that as its name. */
#ifndef PASSERELLE_PUBLICATION_TARGET_H
#define PASSERELLE_PUBLICATION_TARGET_H

#include "mappers/metadata.h"

struct publication_target {
	bool is_folder;
	struct str id; /* uniqueId, or "urn:uuid:" */
};

/* The name of a target; the data is NULL without memory. */
struct str publication_target_name(const struct publication_target *target, struct arena *arena);

/* False for what publication_target_name did not make: an entryUUID, for instance. id points into name. */
bool publication_target_read(struct str name, struct publication_target *target) MUST_CHECK;

/* True when an end of an association is this document or folder, whether by entryUUID or by such a name. */
bool publication_target_is(struct str end, bool is_folder, struct str entry_uuid, struct str unique_id);

/* A urn:uuid: for an end of an association: itself, or one that is made from the name, the same each time, which stands for
 * the object in an answer until its own is known. The data is NULL without memory. */
struct str publication_target_urn(struct str end, struct arena *arena);

#endif
