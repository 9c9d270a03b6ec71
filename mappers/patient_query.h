/* What is asked of an identity manager: by traits and identifiers (ITI-78, ITI-119, ITI-47), or by one identifier
 * (ITI-83, ITI-45). Memory belongs to the arena of whoever filled it; absent is STR_NONE or count 0.
 * Source: ITI TF-2 3.45.4.1.2, 3.47.4.1.2, IHE PDQm 3.78. */
#ifndef PASSERELLE_PATIENT_QUERY_H
#define PASSERELLE_PATIENT_QUERY_H

#include "mappers/metadata.h"
#include "mappers/patient.h"

#define PATIENT_QUERY_MATCHES_MAX 1000 /* patients in one answer */

/* Every trait that is given must be the patient's. */
struct patient_query {
	struct patient_identities identifiers; /* of one person; ITI-45 has exactly one */
	struct strs domains;                   /* OIDs: answer with identifiers of these only; none: of all */
	struct str family;
	struct str given;
	bool name_is_exact;    /* otherwise a name that begins so is meant; case and accents never count */
	struct str gender;     /* FHIR: male, female, other, unknown */
	struct str birth_from; /* FHIR dates, both included; the same twice for one date, one empty for an open end. */
	struct str birth_to;   /* 1984 to 1984 is the whole year. */
	struct patient_address address; /* line, city, state, postal_code and country count */
	struct str telecom;             /* number or address without its scheme ("tel:") */
	struct str mothers_maiden_name;
	int minimum_percent; /* 0..100: traits are weighed, and patients of at least this degree are wanted; -1: all
			      * traits must match */
	size_t count_max;    /* no more patients than this; 0: all */
	bool has_unknown;    /* reading only: a parameter that this code does not know was among them */
};

#define PATIENT_QUERY_NONE ((struct patient_query) { .minimum_percent = -1 })

struct patient_list {
	struct patient *items;
	size_t count;
	size_t remaining; /* that matched and are not in items */
};

#endif
