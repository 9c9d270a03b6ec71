/* What a Reference and a Period of a Consent mean to the rules. */
#ifndef PASSERELLE_CONSENT_REFERENCE_H
#define PASSERELLE_CONSENT_REFERENCE_H

#include "mappers/consent_set.h"

enum consent_type {
	TYPE_UNKNOWN,  /* the reference does not say */
	TYPE_PARTY,    /* somebody: Practitioner, Organization ... */
	TYPE_DOCUMENT, /* DocumentReference */
	TYPE_UNCLEAR,  /* may stand for documents or for several people: Binary, List, Group ...; or no type of R4 */
	TYPE_OTHER     /* no document: Observation, Encounter ... */
};

/* Of a resource type's name. */
enum consent_type consent_type_of(struct str name);

enum consent_reference_state {
	REFERENCE_NOBODY, /* nothing but a display or a type */
	REFERENCE_NAMED,  /* by identifiers, its own or those of a contained resource, or by a URI */
	REFERENCE_UNCLEAR /* a reference that leads to where nothing can be asked, an identifier without value ... */
};

struct consent_reference {
	enum consent_reference_state state;
	enum consent_type type;
	enum consent_party party; /* with TYPE_PARTY */
	struct consent_identifiers identifiers;
};

/* Reads a Reference of consent, where contained resources are looked up; everything is copied into the arena. False
 * without memory only. */
bool consent_reference_read(const json_t *consent, const json_t *reference, struct arena *arena,
			    struct consent_reference *read) MUST_CHECK;

/* Reads a Period; absent (NULL) is all of time. False when it is none, has neither start nor end, or ends before it
 * starts; then *period is untouched. */
bool consent_period_read(const json_t *period, int default_offset_minutes, struct consent_period *read) MUST_CHECK;

#endif
