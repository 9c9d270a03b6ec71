/* A search for Consents [ITI-108]: what is asked, and which Consents of a patient are the answer, exactly as FHIR defines
 * the parameters. Rows: profiles/pcf/search.def. Memory belongs to the arena.
 * Source: PCF 1.1 2:3.108.4.1, FHIR R4 search. */
#ifndef PASSERELLE_CONSENT_SEARCH_H
#define PASSERELLE_CONSENT_SEARCH_H

#include <jansson.h>

#include "mappers/patient_claim.h"
#include "mappers/search_date.h"
#include "mappers/search_params.h"
#include "mappers/search_table.h"

#define CONSENT_CLAIMS_MAX       4
#define CONSENT_ALTERNATIVES_MAX 50

enum consent_parameter {
#define CONSENT_SEARCH(enumerator, ...) CONSENT_PARAMETER_##enumerator,
#include "profiles/pcf/search.def"
#undef CONSENT_SEARCH
	CONSENT_PARAMETER_COUNT
};

struct consent_row {
	struct str name;
	enum search_type type;
	struct str definition;
	struct str documentation;
};
/* By enum consent_parameter. */
extern const struct consent_row consent_rows[CONSENT_PARAMETER_COUNT];

struct consent_search_rules {
	struct str base;            /* public base URL */
	int default_offset_minutes; /* zone of a date without one */
	size_t page_entries;        /* _count when the client names none */
	size_t page_entries_max;
	bool strict; /* Prefer: handling=strict */
};

/* One parameter: any of its values. */
struct consent_filter {
	enum consent_parameter parameter;
	bool negate;                 /* :not */
	bool by_identifier;          /* actor:identifier */
	struct str type;             /* actor:Practitioner; or empty */
	size_t count;                /* of the one of these that the parameter needs: */
	struct search_token *tokens; /* tokens, and actors */
	struct search_date *dates;
};

struct consent_search {
	struct consent_filter *filters; /* ANDed */
	size_t filter_count;
	struct patient_claim claims[CONSENT_CLAIMS_MAX]; /* all must be the same patient */
	size_t claim_count;
	bool has_status;
	size_t page_entries;
	bool counting;       /* nothing but the total is wanted */
	struct str honoured; /* the parameters that were understood, encoded for a self link */
	struct str base;
	int default_offset_minutes;
};

/* Errors: ERR_VALUE_INVALID, ERR_PARAMETER_UNKNOWN (a modifier; with strict also a parameter), ERR_TOO_COSTLY,
 * ERR_NO_MEMORY; with strict ERR_PARAMETER_MISSING without status, which PCF wants clients to send. */
bool consent_search_read(const struct search_params *params, const struct consent_search_rules *rules,
			 struct arena *arena, struct consent_search *search, struct outcome *outcome) MUST_CHECK;

/* True when the Consent (as consent_resource_show gives it) is of the answer; whose it is, is not looked at. */
bool consent_search_matches(const struct consent_search *search, const json_t *consent) MUST_CHECK;

#endif
