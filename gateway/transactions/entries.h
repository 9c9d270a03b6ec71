/* Reading registered objects by what a sealed id holds, and the ids of what was read. Ids carry the logicalID, so that
 * they survive a metadata update, which gives the new version another entryUUID. Source: ITI TF-2 3.57, 3.18. */
#ifndef PASSERELLE_ENTRIES_H
#define PASSERELLE_ENTRIES_H

#include "gateway/transactions/transactions.h"
#include "mappers/metadata.h"

/* Sends a stored query to the back-end and reads those objects of the answer that the caller may see. */
bool registry_ask(const struct transaction *t, const struct stored_query *query, struct metadata *metadata) MUST_CHECK;

/* The home that queries must carry: "urn:oid:..." or STR_NONE. */
struct str registry_home(const struct transaction *t);

/* meta.source: what t's source is to clients, its home or a place under the base that tells its name; NULL data without
 * memory. */
struct str source_uri(const struct transaction *t);

/* The id of a resource for the object with these ids (logical_id wins when it is there); the data is NULL when the
 * object has no UUID, or without memory. */
struct str resource_id(const struct transaction *t, enum seal_kind kind, struct str logical_id, struct str entry_uuid);

/* "List/{id}": the same id behind the type of its resource, relative to the base. */
struct str resource_reference(const struct transaction *t, enum seal_kind kind, struct str logical_id,
			      struct str entry_uuid);

/* The source and the "urn:uuid:" text in an id that this deployment made; false for every other id, and for one of a source
 * that the configuration no longer names. */
bool resource_id_find(const struct transaction *t, enum seal_kind kind, struct str id, struct source **source,
		      struct str *urn) MUST_CHECK;

/* The same version of it, where the patient hides no copy of it anywhere else; otherwise *entry is NULL. For what is shown
 * by its id. */
bool document_entry_shown(const struct transaction *t, struct str urn, const struct document_entry **entry) MUST_CHECK;

/* The current version of the document entry with this logicalID (or entryUUID); *entry is NULL when there is none. */
bool document_entry_current(const struct transaction *t, struct str urn,
			    const struct document_entry **entry) MUST_CHECK;

/* True when two CX name the same patient: namespace names and type codes beside id and OID say nothing. TF-3 4.2.3.2.16 */
bool patient_same(const struct transaction *t, struct str a, struct str b);

#endif
