/* Reads the parameters of ITI-66 and ITI-67 into a search: what both have in common. */
#ifndef PASSERELLE_SEARCH_READ_H
#define PASSERELLE_SEARCH_READ_H

#include "mappers/search_filter.h"

/* objects: what is searched, count of them; their rows of search.def are the parameters. required: parameters beside
 * the patient that MHD wants a client to send; their absence is refused when rules->strict.
 * sort: the parameter that is sorted by when the client names none. Errors: see document_search_read. */
bool search_read(const struct search_params *params, const struct search_rules *rules,
		 const enum search_object *objects, size_t object_count, const struct strs *required, struct str sort,
		 struct arena *arena, struct search *search, struct outcome *outcome) MUST_CHECK;

/* The first filter of this kind that compares values (no :missing, no :not); NULL when there is none. */
const struct search_filter *search_filter_find(const struct search *search, enum search_match match);

#endif
