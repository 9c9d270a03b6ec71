/* What is known of a system of patient identifiers: which OID it is, and which form its values have. Rows:
 * profiles/identifiers.def. */
#ifndef PASSERELLE_IDENTIFIER_SYSTEM_H
#define PASSERELLE_IDENTIFIER_SYSTEM_H

#include "mappers/base/str.h"

#define PATIENT_VALUE_BYTES_MAX 128 /* of a patient identifier's value, in any system */

/* A FHIR system and the OID that means the same. */
struct system_name {
	struct str system;
	struct str oid;
};

struct system_names {
	const struct system_name *items;
	size_t count;
};

/* The assigning authority (OID) of a FHIR system: what follows urn:oid:, otherwise the OID of the system in names;
 * STR_NONE for a system that has none. Part of system or names. */
struct str identifier_authority(struct str system, const struct system_names *names);

enum identifier_check {
	IDENTIFIER_GOOD,
	IDENTIFIER_DOUBTFUL, /* the form is right, the check digits are not */
	IDENTIFIER_MALFORMED /* no value of that authority: empty, too long, unprintable, or of another form */
};

enum identifier_check identifier_check(struct str authority, struct str value);

/* What to call the authority in a sentence; STR_NONE for one that is not in the table. */
struct str identifier_authority_name(struct str authority);

#endif
