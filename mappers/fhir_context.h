/* What the mapping of one FHIR resource needs from outside (reading), and what only the server knows of it (writing). */
#ifndef PASSERELLE_FHIR_CONTEXT_H
#define PASSERELLE_FHIR_CONTEXT_H

#include <jansson.h>

#include "mappers/metadata.h"

#define IHE_MHD_BASE        "https://profiles.ihe.net/ITI/MHD/"
#define MHD_IDENTIFIER_TYPE IHE_MHD_BASE "CodeSystem/IHE.MHD.MHDIdentifierType"
#define MHD_LIST_TYPES      IHE_MHD_BASE "CodeSystem/MHDlistTypes"

/* Extensions of ours: the second and further organizations of a role (PractitionerRole has place for one), and the
 * second and further authors of a SubmissionSet (List.source is one). */
#define FHIR_MORE_ORGANIZATION_URL "urn:passerelle:fhir:organization"
#define FHIR_MORE_ORGANIZATION     "extension[" FHIR_MORE_ORGANIZATION_URL "].valueReference"
#define FHIR_MORE_AUTHOR           "extension[urn:passerelle:fhir:author].valueReference"

struct fhir_context {
	const char *path;      /* FHIRPath of the resource, front of the paths of issues: "Bundle.entry[1].resource" */
	struct str patient_id; /* CX that subject was resolved to; STR_NONE when there is none */
	int default_offset_minutes; /* zone of a time without one, east of UTC */
	/* The resource that a reference names (in the Bundle, or fetched and frozen); NULL when it is not known. References
	 * to contained resources ("#x") are found without it. NULL: nothing else can be resolved. */
	const json_t *(*resolve)(const void *resolver, struct str reference);
	const void *resolver;
};

/* One relatesTo element. */
struct fhir_relation {
	struct str code;      /* "replaces" */
	struct str reference; /* "DocumentReference/{id}" */
	struct str unique_id; /* of a document whose id nobody can tell now, in its place */
};

struct fhir_links {
	struct str id;                         /* of the resource */
	struct str subject;                    /* "Patient/{id}"; STR_NONE: only the identifier is written */
	struct str attachment_url;             /* DocumentReference */
	struct str last_updated;               /* meta.lastUpdated, instant; STR_NONE: left out */
	struct str source;                     /* meta.source, a URI that tells where it is kept; STR_NONE: left out */
	struct code tags[4];                   /* meta.tag, schemes are URIs; those with an empty code are left out */
	const struct fhir_relation *relations; /* DocumentReference */
	size_t relation_count;
	const struct str *members; /* List.entry.item: "DocumentReference/{id}", "List/{id}" */
	size_t member_count;
};

#endif
