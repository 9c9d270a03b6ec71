/* Checks XDS objects by their table: what must be there, and how each value is built. Source: MHD 4.2.4 profiles,
 * ITI TF-3 4.3.1 (XDS Document Source), 4.2.3.1.7 (datatypes). */
#ifndef PASSERELLE_METADATA_VALIDATE_H
#define PASSERELLE_METADATA_VALIDATE_H

#include "mappers/attribute.h"

enum metadata_level {
	LEVEL_MINIMAL,       /* MHD Minimal */
	LEVEL_COMPREHENSIVE, /* MHD Comprehensive */
	LEVEL_UNCONTAINED,   /* MHD UnContained Comprehensive: as Comprehensive, but sourcePatientInfo may be missing */
	LEVEL_XDS            /* what an XDS Document Source must send */
};

/* object is the struct that table describes. path as in document_entry_validate. */
bool metadata_object_validate(const struct attribute_table *table, const void *object, enum metadata_level level,
			      const char *path, struct outcome *outcome);

#define METADATA_PATH_SIZE 160

/* Where an attribute stands, for issues: "Bundle.entry[1].resource.content.format",
 * "...extension('https://...ihe-sourceId').valueIdentifier"; without a front, or where FHIR has no place,
 * "XDSDocumentEntry.formatCode". Returns out. */
const char *metadata_path(const struct attribute_table *table, const struct attribute *row, const char *front,
			  char out[METADATA_PATH_SIZE]);

/* True when nothing that the level requires is missing; values are not looked at. */
bool metadata_object_meets(const struct attribute_table *table, const void *object, enum metadata_level level);

#endif
