/* DocumentEntry <-> DocumentReference. Source: MHD 4.2.4 3.65.4.1.2, profiles Minimal/Comprehensive/UnContained
 * DocumentReference, ITI TF-3 4.2.3.2. The rows are in profiles/xds/document_entry.def. */
#ifndef PASSERELLE_DOCUMENT_ENTRY_H
#define PASSERELLE_DOCUMENT_ENTRY_H

#include "mappers/fhir_context.h"
#include "mappers/metadata.h"
#include "mappers/metadata_validate.h"

struct json_writer;

/* Fills entry from a DocumentReference. Goes on after the first problem, so that a sender sees them all.
 * resource  strings of entry point into it and into what context->resolve gives; both must outlive entry
 * entry     zeroed first. entry_uuid is the client's claim (or STR_NONE): assign your own before registering.
 *           object_type is that of a stable entry; hash, size: what the client claims; uri, repository_unique_id: none.
 * Not read: attachment.url and data, relatesTo (they are settled between resources), text, meta.
 * Missing elements are no error here, see document_entry_validate.
 * Errors: ERR_METADATA_INVALID, ERR_NOT_SUPPORTED (modifierExtension, implicitRules, docStatus), ERR_RULE (status),
 * ERR_REFERENCE_UNRESOLVED, ERR_NO_MEMORY. Warnings for what XDS cannot hold. */
bool document_entry_from_fhir(const json_t *resource, const struct fhir_context *context, struct arena *arena,
			      struct document_entry *entry, struct outcome *outcome) MUST_CHECK;

/* Writes one complete DocumentReference object: whatever the entry holds, thin or odd, as valid R4. meta.profile is
 * there only when the resource meets the profile. Want of memory sticks in the writer (json_writer_finish). */
void document_entry_to_fhir(const struct document_entry *entry, const struct fhir_links *links, struct arena *arena,
			    struct json_writer *writer);

/* Required attributes of the level, and the form of every value. path: front of the paths of issues; with a FHIR path
 * (any path) the issues name FHIR elements, with NULL they name XDS attributes ("DocumentEntry.classCode").
 * Errors: ERR_METADATA_MISSING, ERR_METADATA_INVALID. */
bool document_entry_validate(const struct document_entry *entry, enum metadata_level level, const char *path,
			     struct outcome *outcome);

#endif
