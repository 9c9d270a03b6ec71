/* A compiled set of Consents: what consent_compile.c makes, consent_set.c keeps as bytes and consent_rule.c evaluates. */
#ifndef PASSERELLE_CONSENT_SET_H
#define PASSERELLE_CONSENT_SET_H

#include "mappers/consent_rule.h"

/* An identifier: OID or URI of who gave it, and the value. An OID or another URI that stands for itself is a root
 * without extension. Empty root: nobody said whose. */
struct consent_identifier {
	struct str root;
	struct str extension;
};

struct consent_identifiers {
	struct consent_identifier *items;
	size_t count;
};

enum consent_party { PARTY_ANYBODY, PARTY_PERSON, PARTY_ORGANIZATION, PARTY_DEVICE, PARTY_COUNT };

/* Who: everybody in one of the roles (none: in any), who has all of the identifiers' identities (none: whoever). */
struct consent_actor {
	uint8_t party;
	struct codes roles;
	struct consent_identifiers identifiers; /* of one and the same */
};

struct consent_actors {
	struct consent_actor *items;
	size_t count;
};

enum consent_meaning { MEANING_DOCUMENT, MEANING_RELATED, MEANING_AUTHOR, MEANING_ELSEWHERE, MEANING_COUNT };

/* Which data. MEANING_ELSEWHERE: a resource that is no document. */
struct consent_datum {
	uint8_t meaning;
	uint8_t party; /* of an author */
	struct consent_identifiers identifiers;
};

struct consent_data {
	struct consent_datum *items;
	size_t count;
};

struct consent_period {
	int64_t from_s; /* INT64_MIN: open */
	int64_t to_s;   /* the first second after it; INT64_MAX: open */
};

enum consent_selector {
	SELECTOR_ACTOR = 1 << 0,
	SELECTOR_ACTION = 1 << 1,
	SELECTOR_PURPOSE = 1 << 2,
	SELECTOR_LABEL = 1 << 3,
	SELECTOR_CLASS = 1 << 4,
	SELECTOR_CODE = 1 << 5,
	SELECTOR_DATA_PERIOD = 1 << 6,
	SELECTOR_DATA = 1 << 7,
	SELECTOR_ALL = (1 << 8) - 1
};

/* consentaction codes of FHIR R4. */
enum {
	ACTION_ACCESS = 1 << 0,
	ACTION_COLLECT = 1 << 1,
	ACTION_USE = 1 << 2,
	ACTION_DISCLOSE = 1 << 3,
	ACTION_CORRECT = 1 << 4,
	ACTION_ALL = (1 << 5) - 1
};

enum consent_clarity {
	CLARITY_CLEAR,
	CLARITY_PARTLY, /* something beside the selectors is not understood */
	CLARITY_NONE,   /* not even the selectors can be relied on: it may match anything */
	CLARITY_COUNT
};

struct consent_provision {
	bool permit;
	uint8_t clarity;
	uint8_t present; /* selectors that are there: SELECTOR_ */
	uint8_t unclear; /* selectors of which an item is not understood */
	uint8_t actions; /* ACTION_ */
	struct consent_period period;
	struct consent_period data_period;
	int64_t zone_s; /* of dates without one: what documents have as a mere date is meant in it too */
	struct consent_actors actors;
	struct codes purposes; /* schemes of all codes as code_system_scheme gives them */
	struct codes labels;
	struct codes classes;
	struct codes codes;
	struct consent_data data;
};

/* One Consent: its root provision, and the exceptions to it. */
struct consent_rule {
	struct str consent_id; /* "Consent/{id}" or empty */
	struct consent_provision *provisions;
	size_t provision_count; /* at least 1 */
};

struct consent_set {
	struct consent_rule *rules;
	size_t count;
};

#define CLASS_SYSTEM  "http://hl7.org/fhir/resource-types"
#define MEDIA_SYSTEM  "urn:ietf:bcp:13"
#define LABEL_SYSTEM  "2.16.840.1.113883.5.25" /* v3-Confidentiality */
#define REFERENCE_URI "urn:ietf:rfc:3986"

/* True when two names (URI or OID) are of one code system. */
bool consent_scheme_is(struct str scheme, struct str system);

/* An identifier as system and value say it. */
struct consent_identifier consent_identifier_of(struct str system, struct str value);

#endif
