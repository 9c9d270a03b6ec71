/* Assigning authorities that are URIs and no OIDs. FHIR identifies systems by any URI, XDS by OIDs alone (&oid&ISO, ITI
 * TF-3 4.2.3.1.7), and registries refuse the rest. So a URI is registered as the OID of its name-based UUID (2.25.x,
 * RFC 9562 version 5 in the namespace of URLs, ITU-T X.667), which is the same everywhere and for ever, and the URI
 * itself travels in an extra Slot, so that it comes back where the registry keeps those. */
#ifndef PASSERELLE_URI_AUTHORITY_H
#define PASSERELLE_URI_AUTHORITY_H

#include "mappers/attribute.h"
#include "mappers/base/uuid.h"

#define URI_AUTHORITY_SLOT "urn:passerelle:fhir:system"

/* The OID of a URI. */
void uri_authority_oid(struct str uri, char oid[UUID_OID_SIZE]);

/* Puts OIDs in the place of URIs in all identifiers of an object that is to be registered, and adds the Slot.
 * object: the struct that table describes; its arrays are changed in place. False without memory. */
bool uri_authority_hide(const struct attribute_table *table, void *object, struct arena *arena) MUST_CHECK;

/* The reverse, for an object whose struct the caller has copied; what it points to is copied where it changes. Without
 * the Slot nothing changes. False without memory. */
bool uri_authority_show(const struct attribute_table *table, void *object, struct arena *arena) MUST_CHECK;

#endif
