/* A document as a registry holds it, for who changes or removes it there: as in registered.h, nothing of it is shown to
 * anybody. home: of the back-end, or STR_NONE. All is in south->arena. Errors everywhere: those of the registry,
 * ERR_NO_MEMORY. */
#ifndef PASSERELLE_ACCESS_REGISTERED_DOCUMENT_H
#define PASSERELLE_ACCESS_REGISTERED_DOCUMENT_H

#include "gateway/south/soap_client.h"
#include "mappers/update_plan.h"

/* The version that counts of the document with this urn: the entryUUID of any version, or its logicalID. *entry is NULL when
 * there is none. */
bool registered_document(const struct south *south, struct str home, struct str urn,
			 const struct document_entry **entry, struct outcome *outcome) MUST_CHECK;

/* The same by its uniqueId, which may be a urn:uuid: as well, and is no entryUUID then. */
bool registered_document_by_unique_id(const struct south *south, struct str home, struct str unique_id,
				      const struct document_entry **entry, struct outcome *outcome) MUST_CHECK;

/* Whoever changes this version is no source of documents: the set of the change takes over what the one said in which it
 * came, where there is one. */
bool registered_set_complete(const struct south *south, struct str home, const struct document_entry *entry,
			     struct submission_set *set, struct outcome *outcome) MUST_CHECK;

/* Whether a submission set with this entryUUID is there: then everything that came with it was done. */
bool registered_set(const struct south *south, struct str home, struct str entry_uuid, bool *is_there,
		    struct outcome *outcome) MUST_CHECK;

/* What must be sent so that nothing is left of the document of this entry: ITI-62 of all its versions, of what leads to
 * them and of submission sets that then hold nothing; and ITI-86 of the bytes, where that is offered and no other entry
 * has them. Errors besides: ERR_TOO_COSTLY. TF-2 3.62.4.1.3 */
bool registered_removal(const struct south *south, struct str home, const struct document_entry *entry,
			struct update_plan *plan, struct outcome *outcome) MUST_CHECK;

#endif
