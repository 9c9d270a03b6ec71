/* Readers of the rows whose values stand in several Identifiers: entryUUID, uniqueId, others, referenceIdList.
 * Source: MHD 4.2.4 2:3.65.4.1.2 and profiles EntryUUID.Identifier, UniqueIdIdentifier; ITI TF-3 4.2.3.2.28. */
#ifndef PASSERELLE_IDENTIFIER_READ_H
#define PASSERELLE_IDENTIFIER_READ_H

#include "mappers/fhir_read.h"

#define REFERENCE_UNIQUE_ID "urn:ihe:iti:xds:2013:uniqueId"
#define REFERENCE_ENCOUNTER "urn:ihe:iti:xds:2015:encounterId"
/* Type of a reference id whose Identifier has no type: CXi must have one. */
#define REFERENCE_UNTYPED "urn:passerelle:fhir:related"

/* Of the shape of codec_fhir_read's row readers. */
bool entry_uuid_read(struct fhir_reader *reader, const struct attribute *row, void *field) MUST_CHECK;
bool unique_oid_read(struct fhir_reader *reader, const struct attribute *row, void *field) MUST_CHECK;
bool other_identifiers_read(struct fhir_reader *reader, const struct attribute *row, void *field) MUST_CHECK;
bool reference_ids_read(struct fhir_reader *reader, const struct attribute *row, void *field) MUST_CHECK;

#endif
