/* A patient as identity sources know one: identifiers and demographics, between FHIR Patient (PIXm, PDQm) and HL7 V3
 * (PIXV3, PDQV3). Memory belongs to the arena of whoever filled it; absent is STR_NONE or count 0.
 * Source: IHE PDQm (ITI-78), ITI TF-2 3.44, 3.45, 3.47. */
#ifndef PASSERELLE_PATIENT_H
#define PASSERELLE_PATIENT_H

#include "mappers/base/str.h"

struct patient_identity {
	struct str authority; /* OID of the assigning authority, without "urn:oid:" */
	struct str value;
};

struct patient_identities {
	struct patient_identity *items;
	size_t count;
};

struct patient_name {
	struct str family;
	struct str given;  /* given names, separated by blanks */
	struct str prefix; /* titles, separated by blanks */
	struct str suffix;
	struct str use; /* FHIR name use: official, usual, maiden ...; or empty */
};

struct patient_address {
	struct str line; /* street lines, separated by line feeds */
	struct str city;
	struct str district;
	struct str state;
	struct str postal_code;
	struct str country;
	struct str use; /* FHIR address use; or empty */
};

struct patient_telecom {
	struct str system; /* FHIR: phone, email, fax, url, other */
	struct str value;
	struct str use; /* FHIR: home, work, mobile ...; or empty */
};

#define PATIENT_REPEATS_MAX 32

struct patient {
	struct patient_identities identifiers;
	struct patient_name *names;
	size_t name_count;
	struct patient_address *addresses;
	size_t address_count;
	struct patient_telecom *telecoms;
	size_t telecom_count;
	struct str gender;     /* FHIR: male, female, other, unknown; or empty */
	struct str birth_date; /* FHIR date: YYYY, YYYY-MM or YYYY-MM-DD; or empty */
	struct str deceased;   /* FHIR dateTime, or "true" when only the fact is known; or empty */
	struct str mothers_maiden_name;
	bool is_inactive;
	struct patient_identity replaced_by; /* surviving identity of a merge; authority empty: none */
	int match_percent;                   /* of a query's answer, 0..100; -1 not given */
	struct str custodian;                /* of an answer: OID of who keeps the registration; for XCPD the home */
};

/* True when the patient has this identifier, as it is written. */
static inline bool patient_has(const struct patient *patient, const struct patient_identity *identity)
{
	for (size_t i = 0; i < patient->identifiers.count; i++) {
		if (str_equal(patient->identifiers.items[i].authority, identity->authority) &&
		    str_equal(patient->identifiers.items[i].value, identity->value))
			return true;
	}
	return false;
}

#endif
