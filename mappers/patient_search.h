/* A search for Patients [ITI-78]: what is asked, what an identity manager is asked in its stead (ITI-47), and which of
 * the patients that it names are the answer, exactly as FHIR defines the parameters. Rows: profiles/pdqm/search.def.
 * (1) read, (2) the gateway opens the ids, (3) queries, (4) the gateway asks, (5) matches for each patient found.
 * Memory belongs to the arena. Source: PDQm 3.78.4.1.2, FHIR R4 search. */
#ifndef PASSERELLE_PATIENT_SEARCH_H
#define PASSERELLE_PATIENT_SEARCH_H

#include "mappers/identifier_system.h"
#include "mappers/patient_query.h"
#include "mappers/search_date.h"
#include "mappers/search_params.h"
#include "mappers/search_table.h"

#define PATIENT_PAGE_MAX         50 /* patients on one page */
#define PATIENT_ALTERNATIVES_MAX 20 /* questions that one search may become */

enum patient_parameter {
#define PATIENT_SEARCH(enumerator, ...) PATIENT_PARAMETER_##enumerator,
#include "profiles/pdqm/search.def"
#undef PATIENT_SEARCH
	PATIENT_PARAMETER_COUNT
};

struct patient_row {
	struct str name;
	enum search_type type;
	struct str definition;
	struct str documentation;
};
/* By enum patient_parameter. */
extern const struct patient_row patient_rows[PATIENT_PARAMETER_COUNT];

struct patient_search_rules {
	const struct system_names *names;
	struct str authority; /* OID that an identifier without a system is of */
	bool strict;          /* Prefer: handling=strict */
};

/* One parameter: any of its values. */
struct patient_filter {
	enum patient_parameter parameter;
	bool exact;         /* :exact */
	struct strs values; /* unescaped; of tokens the code */
	struct patient_identity
		*identities;       /* IDENTIFIER, parallel to values: value empty: any of that domain; authority
						empty: of a system that is not known. ID: see has_opened */
	struct search_date *dates; /* BIRTH_DATE, parallel to values */
};

struct patient_search {
	struct patient_filter *filters; /* ANDed */
	size_t filter_count;
	struct strs domains; /* OIDs whose identifiers are wanted; none: all; one may be empty: not known */
	struct strs ids;     /* of _id */
	struct patient_identities opened; /* by the gateway: whom the ids mean, those that could be opened */
	size_t page_entries;
	bool counting;       /* nothing but the total is wanted */
	struct str honoured; /* the parameters that were understood, encoded for a self link */
};

/* Errors: ERR_VALUE_INVALID, ERR_PARAMETER_UNKNOWN (a modifier; with strict also a parameter), ERR_TOO_COSTLY,
 * ERR_NO_MEMORY. */
bool patient_search_read(const struct search_params *params, const struct patient_search_rules *rules,
			 struct arena *arena, struct patient_search *search, struct outcome *outcome) MUST_CHECK;

/* How much it says about a person: as patient_traits. */
unsigned patient_search_traits(const struct patient_search *search);

/* The questions whose answers together hold every patient of the search, and more. count 0: nobody can be meant.
 * Errors: ERR_RULE (nothing that an identity manager can be asked by), ERR_TOO_COSTLY, ERR_NO_MEMORY. */
bool patient_search_queries(const struct patient_search *search, size_t count_max, struct arena *arena,
			    struct patient_query **queries, size_t *count, struct outcome *outcome) MUST_CHECK;

/* True when the patient is of the answer. arena is for scratch; without memory nobody matches. */
bool patient_search_matches(const struct patient_search *search, const struct patient *patient,
			    struct arena *arena) MUST_CHECK;

#endif
