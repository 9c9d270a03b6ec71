/* One condition of a search, and whether an XDS object meets it. */
#ifndef PASSERELLE_SEARCH_FILTER_H
#define PASSERELLE_SEARCH_FILTER_H

#include "mappers/search_plan.h"
#include "mappers/search_table.h"

enum search_presence { PRESENCE_ANY, PRESENCE_THERE, PRESENCE_MISSING };
enum search_text_mode { TEXT_PREFIX, TEXT_EXACT, TEXT_CONTAINS };

struct search_filter {
	const struct search_row *rows[SEARCH_OBJECT_COUNT]; /* NULL where the object has no such parameter */
	enum search_match match;
	enum search_presence presence;   /* :missing; then the rest is not used */
	bool negate;                     /* :not */
	enum search_text_mode text_mode; /* :exact, :contains */
	size_t count;                    /* alternatives, in the one of these that the type of the parameter needs: */
	struct search_token *tokens;
	struct search_date *dates;
	struct str *texts; /* folded unless text_mode is TEXT_EXACT */
};

/* Reads a parameter into a filter. rows: the row per object, at least one not NULL; all have the same type and match.
 * Errors: ERR_PARAMETER_UNKNOWN (modifier), ERR_VALUE_INVALID, ERR_NO_MEMORY. */
bool search_filter_read(const struct search_param *param, const struct search_row *const rows[SEARCH_OBJECT_COUNT],
			const struct search_rules *rules, struct arena *arena, struct search_filter *filter,
			struct outcome *outcome) MUST_CHECK;

/* A system URI as XDS writes coding schemes and assigning authorities: its OID where one is known, without urn:oid:. */
struct str search_scheme(struct str system);

/* urn:oid:X and rfc3986|urn:oid:X give X; system urn:oid:R and code V give R^V; other URIs stay. False when no XDS
 * uniqueId can be meant. Source: MHD 4.2.4 3.67.4.1.3 (identifier). */
bool search_unique_id(const struct search_token *token, struct arena *arena, struct str *unique_id);

/* urn:uuid:X, with or without the system urn:ietf:rfc:3986. */
bool search_entry_uuid(const struct search_token *token, struct str *entry_uuid);

#endif
