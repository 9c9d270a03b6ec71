/* FHIR system URI <-> XDS codingScheme. Rows: profiles/code_systems.def. Source: HL7 UTG, MHD 4.2.4 appendix Z,
 * ITI TF-3 4.2.3.1.2. */
#ifndef PASSERELLE_CODE_SYSTEM_H
#define PASSERELLE_CODE_SYSTEM_H

#include "mappers/base/arena.h"

/* codingScheme for a system: the OID of the table, what follows urn:oid:, or the URI itself. Static or part of system. */
struct str code_system_scheme(struct str system);

/* The URI of a codingScheme from the table, also for an alias; STR_NONE when the table has none. Static text. */
struct str code_system_known_uri(struct str scheme);

/* system for a codingScheme: from the table, "urn:oid:" and an OID, a URI as it is; STR_NONE for free text, which FHIR
 * has no place for. data is also NULL without memory. */
struct str code_system_uri(struct str scheme, struct arena *arena);

/* "urn:oid:" and an OID, in the arena; data is NULL without memory. */
struct str oid_urn(struct str oid, struct arena *arena);

/* True when text begins with a URI scheme ("http:", "urn:"). */
bool is_uri(struct str text);

#endif
