/* Whether an XDS object meets the conditions of a search, exactly as FHIR defines them. */
#ifndef PASSERELLE_SEARCH_MATCH_H
#define PASSERELLE_SEARCH_MATCH_H

#include "mappers/search_filter.h"

/* True when item (a struct of that object) meets all filters, belongs to the resolved patient, and one author meets all
 * filters about authors. last_updated: DTM, used for document entries and _lastUpdated. */
bool search_filters_match(const struct search *search, const struct search_resolved *resolved,
			  enum search_object object, const void *item, struct str last_updated, struct arena *arena);

/* The one condition alone, as search_filters_match sees it; not for FAMILY and GIVEN. */
bool search_filter_matches(const struct search_filter *filter, const struct search_resolved *resolved,
			   enum search_object object, const void *item, struct str last_updated, struct arena *arena);

/* The condition of a status filter for an object that has this status. */
bool search_status_matches(const struct search_filter *filter, enum search_object object, struct str status);

/* DocumentReference.date as DTM where the publisher gave one, otherwise the creation time. data is NULL when there is
 * neither, or without memory. */
struct str search_document_date(const struct document_entry *entry, struct arena *arena);

#endif
