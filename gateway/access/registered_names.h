/* Which names that somebody gives objects are registered already: for who must not let one thing stand for another. As in
 * registered.h, past consent, and nothing of it is shown to anybody. home: of the back-end, or STR_NONE. All is in
 * south->arena. False with the issue when the registry does not say, or without memory. */
#ifndef PASSERELLE_ACCESS_REGISTERED_NAMES_H
#define PASSERELLE_ACCESS_REGISTERED_NAMES_H

#include "gateway/south/soap_client.h"
#include "mappers/metadata.h"

/* entryUUIDs ("urn:uuid:"), by what they are to name; a document also by its logicalID. */
struct registered_asked {
	struct strs documents;
	struct strs folders;
	struct strs sets;
};

/* found: those of them that are registered, in no order. */
bool registered_uuids(const struct south *south, struct str home, const struct registered_asked *asked,
		      struct strs *found, struct outcome *outcome) MUST_CHECK;

/* found: the uniqueIds of the submission's documents and folders that are registered. *is_other: one of them is a folder's, or
 * that of a document with other bytes; the same document may be registered again. ITI TF-3 4.2.3.2.26 */
bool registered_unique_ids(const struct south *south, struct str home, const struct metadata *submitted,
			   struct strs *found, bool *is_other, struct outcome *outcome) MUST_CHECK;

#endif
