/* The data types of XDS attributes, checked as a registry does: what is wrong is said, nothing is repaired.
 * Source: ITI TF-3 4.2.3.1.7 and the clauses of the attributes. */
#ifndef PASSERELLE_DATATYPE_RULES_H
#define PASSERELLE_DATATYPE_RULES_H

#include "mappers/base/arena.h"

/* The types of the rows in profiles/xds, and those of author slots. */
enum datatype {
	DATATYPE_STRING,
	DATATYPE_TIME,
	DATATYPE_CX,
	DATATYPE_XCN,
	DATATYPE_XON,
	DATATYPE_XTN,
	DATATYPE_OID,
	DATATYPE_UUID,
	DATATYPE_HASH,
	DATATYPE_SIZE,
	DATATYPE_STATUS,
	DATATYPE_CODE,
	DATATYPE_AUTHOR,
	DATATYPE_PID,
	DATATYPE_CXI,
	DATATYPE_RECIPIENT
};

/* NULL when value is of the type, otherwise a sentence that says how it must look. The arena is for scratch. */
const char *datatype_check(enum datatype type, struct str value, struct arena *arena);

/* The same for type/subtype (parameters are not looked at) and for urn:oid: and an OID. */
const char *datatype_check_media_type(struct str value);
const char *datatype_check_home(struct str value);
/* And for an RFC 5646 language tag, by its shape. */
const char *datatype_check_language(struct str value);

#endif
