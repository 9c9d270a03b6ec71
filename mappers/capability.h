/* The CapabilityStatement, generated from profiles/mhd/routes.def and the search.def files so that it says what is served.
 * Source: FHIR R4 CapabilityStatement, MHD 4.2.4 CapabilityStatements and 3.65 (options). */
#ifndef PASSERELLE_CAPABILITY_H
#define PASSERELLE_CAPABILITY_H

#include "mappers/base/str.h"

struct json_writer;

struct capability_facts {
	struct str base;             /* public base URL */
	struct str software_version; /* of Passerelle */
	struct str release_date;     /* FHIR date of the software; STR_NONE: left out */
	struct str token_url;        /* of the token endpoint; STR_NONE without one */
	bool is_open;                /* nobody has to say who they are */
	struct str date; /* FHIR dateTime of this statement (start of the process or of the configuration) */
	bool minimal;    /* profiles that ITI-65 accepts */
	bool comprehensive;
	bool uncontained;
	bool waits;            /* publications may be answered 202 and registered later */
	bool deletes;          /* documents may be deleted */
	bool consents;         /* kept here: ITI-108 */
	bool cross_references; /* there is a PIX manager to ask */
	bool feeds;            /* ... and one that takes patients */
	bool demographics;     /* there is a demographics source */
};

/* Writes one complete CapabilityStatement. UnContained and XDS on FHIR exclude each other (MHD 4.2.4 Vol. 1 options):
 * XDS on FHIR is claimed only where UnContained is not accepted. */
void capability_write(const struct capability_facts *facts, struct json_writer *writer);

#endif
