/* ebRIM registry objects <-> XDS objects, without loss: what the structs cannot hold stays reachable through origin and
 * extra, and comes back. Nothing is checked or normalised here: what a registry sends is taken as it is.
 * Source: ITI TF-3 4.2.1, 4.2.3, tables 4.2.3.2-1 and following. */
#ifndef PASSERELLE_METADATA_RIM_H
#define PASSERELLE_METADATA_RIM_H

#include "mappers/metadata.h"

#define STATUS_APPROVED       "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
#define STATUS_DEPRECATED     "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated"
#define OBJECT_TYPE_STABLE    "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
#define OBJECT_TYPE_ON_DEMAND "urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248"

/* Everything that list holds. Strings point into list, which must outlive metadata.
 * Errors: ERR_NO_MEMORY. Duplicate or contradicting values are no error: the first is taken, all are kept. */
bool metadata_from_rim(const struct rim_list *list, struct arena *arena, struct metadata *metadata,
		       struct outcome *outcome) MUST_CHECK;

/* The registry objects in the order of a submission: document entries, submission sets, folders, associations, others.
 * Classifications and ExternalIdentifiers get their back-pointers, objectTypes and fixed names, and no ids (the writer
 * makes them up) unless they had some. Strings point into metadata. Errors: ERR_NO_MEMORY. */
bool metadata_to_rim(const struct metadata *metadata, struct arena *arena, struct rim_list *list,
		     struct outcome *outcome) MUST_CHECK;

/* One object each; the same rules. The caller knows its kind. */
bool document_entry_from_rim(const struct rim_object *object, struct arena *arena, struct document_entry *entry);
bool submission_set_from_rim(const struct rim_object *object, struct arena *arena, struct submission_set *set);
bool folder_from_rim(const struct rim_object *object, struct arena *arena, struct folder *folder);

bool document_entry_to_rim(const struct document_entry *entry, struct arena *arena, struct rim_object *object);
bool submission_set_to_rim(const struct submission_set *set, struct arena *arena, struct rim_object *object);
bool folder_to_rim(const struct folder *folder, struct arena *arena, struct rim_object *object);

/* True for Approved or Deprecated, whatever comes before the last colon (some registries send the bare word). */
bool status_is_approved(struct str status);
bool status_is_deprecated(struct str status);

#endif
