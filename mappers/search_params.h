/* The parameters of a search, as they came: decoded, split, nothing interpreted.
 * Source: FHIR R4 search 3.1.1.4 and 3.1.1.5 (modifiers, escapes), HTML form encoding. Memory belongs to the arena. */
#ifndef PASSERELLE_SEARCH_PARAMS_H
#define PASSERELLE_SEARCH_PARAMS_H

#include "mappers/base/buf.h"
#include "mappers/rim.h"

#define SEARCH_PARAMETERS_MAX 100
#define SEARCH_VALUES_MAX     200   /* comma-separated alternatives of one parameter */
#define SEARCH_TEXT_MAX       65536 /* bytes of query string and form together */

struct search_param {
	struct str name;     /* "patient.identifier"; a type in the chain (patient:Patient.identifier) is cut out */
	struct str modifier; /* "exact" of given:exact; STR_NONE when there is none */
	struct str value;    /* percent-decoded, commas and FHIR escapes still inside */
	struct strs values;  /* value split at commas; each still FHIR-escaped; at least one */
};

struct search_params {
	struct search_param *items; /* in the order they came, query string first */
	size_t count;
};

/* Reads a query string (without the question mark) and the body of a form POST; either may be STR_NONE.
 * '+' is a blank, as forms write it. A parameter without a value (a=) is dropped, as FHIR asks.
 * Errors: ERR_VALUE_INVALID (percent-encoding, UTF-8, control characters), ERR_TOO_COSTLY (a bound above),
 * ERR_NO_MEMORY. params is untouched on failure. */
bool search_params_read(struct str query, struct str form, struct arena *arena, struct search_params *params,
			struct outcome *outcome) MUST_CHECK;

/* The first parameter of this name with any modifier; NULL when there is none. */
const struct search_param *search_params_find(const struct search_params *params, struct str name);

/* Undoes \, \| \$ \\. data is NULL when there was no memory. */
struct str search_unescape(struct str value, struct arena *arena);

struct search_token {
	bool has_system;   /* a bar was written: "|code" has an empty system */
	struct str system; /* unescaped */
	struct str code;   /* unescaped; empty in "system|" */
};

/* Splits one alternative at its first bar that is not escaped. False without memory. */
bool search_token_read(struct str value, struct arena *arena, struct search_token *token) MUST_CHECK;

/* What a search that has no view of its own says about its answer: _count and _summary=count, and _format, _pretty and
 * _total, which change nothing here. They are honoured, and written there; *done is false for any other parameter. entries
 * and counting keep what they were before a parameter that says otherwise. Errors: ERR_VALUE_INVALID. */
bool search_page_param_take(const struct search_param *param, size_t entries_max, size_t *entries, bool *counting,
			    struct buf *honoured, bool *done, struct outcome *outcome) MUST_CHECK;

/* A parameter that is none of a search's is ignored, or refused where handling=strict asks for that. */
bool search_param_ignore(bool strict, struct outcome *outcome) MUST_CHECK;

/* name[:modifier]=value percent-encoded for a link, with an ampersand before it unless text is empty. */
void search_param_write(const struct search_param *param, struct buf *text);

#endif
