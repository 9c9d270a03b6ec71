/* FHIR Identifier <-> the identifiers of XDS. Source: MHD 4.2.4 2:3.65.4.1.2 (identifiers), ITI TF-3 4.2.3.1.7 (CX, HD),
 * 4.2.3.2.26 (uniqueId), FHIR R4 Identifier. */
#ifndef PASSERELLE_IDENTIFIER_H
#define PASSERELLE_IDENTIFIER_H

#include "mappers/base/hl7v2.h"

/* What FHIR says as system and value. */
struct identifier {
	struct str system; /* STR_NONE when there is none */
	struct str value;
};

/* An OID by its form, of up to 128 characters: FHIR sets no limit, and IHE's own examples have more than the 64 that XDS
 * allows (TF-3 4.2.3.1.7). Whether it is too long is the registry's say; see metadata_validate.h. */
bool oid_shaped(struct str oid);
/* text without "urn:oid:" when an OID follows. */
struct str without_oid_prefix(struct str text);

/* uniqueId of a document: urn:oid: is taken off, other URIs stay, an OID as system and a value become root^extension.
 * False without memory, or when it has no XDS form (another system, no value). */
bool identifier_to_unique_id(const struct identifier *identifier, struct arena *arena,
			     struct str *unique_id) MUST_CHECK;
bool identifier_from_unique_id(struct str unique_id, struct arena *arena, struct identifier *identifier) MUST_CHECK;

/* Assigning authority of a system: the OID, or the URI with type URI (HL7 table 0301) when it is none. Parts of system. */
struct hl7_hd authority_from_system(struct str system);
/* Back; STR_NONE when the authority is empty. data is also NULL without memory. */
struct str authority_to_system(const struct hl7_hd *authority, struct arena *arena);

/* An id and its authority, as CX, XCN and XON hold them; without an authority an OID or URI stands for itself
 * (urn:ietf:rfc:3986). False without memory or without an id. */
bool identifier_from_parts(struct str id, const struct hl7_hd *authority, struct arena *arena,
			   struct identifier *identifier) MUST_CHECK;

/* system|value <-> CX text ("P77^^^&1.2.3&ISO"). False without memory, or when there is no value. */
bool identifier_to_cx(const struct identifier *identifier, struct arena *arena, struct str *cx) MUST_CHECK;
bool identifier_from_cx(struct str cx, struct arena *arena, struct identifier *identifier) MUST_CHECK;

#endif
