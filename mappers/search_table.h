/* The rows of profiles/mhd/search.def as data. */
#ifndef PASSERELLE_SEARCH_TABLE_H
#define PASSERELLE_SEARCH_TABLE_H

#include "mappers/base/str.h"

enum search_object { SEARCH_DOCUMENT_ENTRY, SEARCH_SUBMISSION_SET, SEARCH_FOLDER, SEARCH_OBJECT_COUNT };

enum search_type { SEARCH_TOKEN, SEARCH_DATE, SEARCH_STRING, SEARCH_REFERENCE, SEARCH_URI };

/* How a parameter is compared. */
enum search_match {
	MATCH_ID,      /* resource id */
	MATCH_UPDATED, /* time of submission or last change */
	MATCH_FAMILY,  /* of an author's XCN */
	MATCH_GIVEN,
	MATCH_CODE,       /* code and scheme */
	MATCH_TIME,       /* one DTM */
	MATCH_DATE,       /* DocumentReference.date, kept in an extra Slot; otherwise the member */
	MATCH_PERIOD,     /* service start and stop */
	MATCH_IDENTIFIER, /* entryUUID or uniqueId */
	MATCH_PATIENT,    /* CX */
	MATCH_REFERENCE,  /* CXi */
	MATCH_STATUS,
	MATCH_COMMUNITY,
	MATCH_LIST_CODE, /* submissionset or folder */
	MATCH_SOURCE_ID, /* OID */
};

struct search_row {
	struct str name;
	enum search_type type;
	enum search_match match;
	bool many;
	size_t offset; /* of the member in the XDS object */
	struct str slot;
	bool repeatable; /* the registry ANDs Slots of the same name */
	struct str definition;
	struct str documentation;
};

/* All rows of an object, in the order of the file. */
const struct search_row *search_rows(enum search_object object, size_t *count);

/* The row of a parameter; NULL when the object has none. The spelling _lastupdated of the IHE CapabilityStatement is
 * taken for _lastUpdated. */
const struct search_row *search_row_find(enum search_object object, struct str name);

/* "token", "date" ... */
struct str search_type_name(enum search_type type);

#endif
