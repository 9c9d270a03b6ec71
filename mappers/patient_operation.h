/* What goes into and comes out of the operations on patients: $ihe-pix (PIXm 3.83) and $match (PDQm 3.119, FHIR R4
 * Patient/$match), as query strings and as Parameters. Memory belongs to the arena. */
#ifndef PASSERELLE_PATIENT_OPERATION_H
#define PASSERELLE_PATIENT_OPERATION_H

#include <jansson.h>

#include "mappers/patient_fhir.h"
#include "mappers/search_params.h"

#define PIX_TARGETS_MAX 64

/* Whose identifiers are wanted, and of which domains. */
struct pix_question {
	struct str system;   /* of sourceIdentifier; never empty */
	struct str value;    /* an identifier, or "Patient/{id}" on the server that system names */
	struct strs targets; /* systems; none: all domains */
};

/* GET: exactly one sourceIdentifier, any number of targetSystem; other parameters whose names do not begin with an
 * underscore are refused, for a misspelt one would widen the question. Errors: ERR_PARAMETER_MISSING,
 * ERR_PARAMETER_UNKNOWN, ERR_VALUE_INVALID, ERR_TOO_COSTLY, ERR_NO_MEMORY. */
bool pix_question_from_params(const struct search_params *params, struct arena *arena, struct pix_question *question,
			      struct outcome *outcome) MUST_CHECK;

/* POST: a Parameters resource that is R4-valid, with the same parameters as strings, URIs or an Identifier. */
bool pix_question_from_fhir(const json_t *json, struct arena *arena, struct pix_question *question,
			    struct outcome *outcome) MUST_CHECK;

/* The answer: one targetIdentifier for each identity; reference as targetId, STR_NONE: none. */
void pix_answer_write(const struct patient_identities *identities, struct str reference, struct json_writer *writer);

struct match_question {
	const json_t *patient; /* part of the body */
	const char *path;      /* its FHIRPath */
	bool only_certain;
	size_t count; /* most patients wanted; 0: not said */
};

/* A Parameters resource, or the Patient alone, R4-valid. Errors: ERR_BODY_MALFORMED (another resource),
 * ERR_PARAMETER_MISSING, ERR_PARAMETER_UNKNOWN, ERR_VALUE_INVALID. */
bool match_question_read(const json_t *json, struct match_question *question, struct outcome *outcome) MUST_CHECK;

/* FHIR's grade of a match of 0 to 100 percent; STR_NONE below the least that is shown at all. */
#define MATCH_CERTAIN_PERCENT  95
#define MATCH_PROBABLE_PERCENT 75
#define MATCH_POSSIBLE_PERCENT 50
struct str match_grade(int percent);

/* Traits that tell people apart: family name, given name, date of birth, address, telecom and mother's maiden name count
 * one each when they have two letters or more; gender and country count nothing. An identifier is worth two. */
#define TRAIT_BYTES_MIN 2
unsigned patient_traits(const struct patient *patient);

#endif
