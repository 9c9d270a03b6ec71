/* How well a person fits what is asked by traits. Pure but for memory. Source: ITI TF-2 3.47.4.1.2, FHIR R4 string and
 * date search. */
#ifndef PASSERELLE_IDENTITY_MATCH_H
#define PASSERELLE_IDENTITY_MATCH_H

#include "mappers/base/arena.h"
#include "mappers/patient_query.h"

/* A query with its texts folded once. */
struct identity_wanted {
	const struct patient_query *query;
	struct str family;
	struct str given;
	struct str telecom;
	struct str mother;
	struct patient_address address;
};

/* False without memory. */
bool identity_wanted_fold(const struct patient_query *query, struct arena *arena,
			  struct identity_wanted *wanted) MUST_CHECK;

/* True when anything is asked for besides identifiers. */
bool identity_has_traits(const struct patient_query *query);

/* 0 to 100: the weight of the traits that fit, of all that are asked for; a name that only begins so counts 80 % of its
 * weight. has_identifiers: the person has every identifier asked for. -1: not all traits fit, and query->minimum_percent
 * asks for all; or the degree is below it. *failed without memory. */
int identity_match(const struct identity_wanted *wanted, const struct patient *patient, bool has_identifiers,
		   struct arena *arena, bool *failed);

#endif
