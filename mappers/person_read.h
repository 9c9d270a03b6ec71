/* FHIR persons, organizations and patients to the texts of XDS: XCN, XON, XTN and PID lines. Source: ITI TF-3
 * 4.2.3.1.7, 4.2.3.2.1, 4.2.3.2.14, 4.2.3.2.23, 4.2.3.3.7; HL7 2.5 tables 0200, 0201, 0202, 0190.
 * Functions return false without memory or after an issue was added; a text that does not come about is STR_NONE. */
#ifndef PASSERELLE_PERSON_READ_H
#define PASSERELLE_PERSON_READ_H

#include "mappers/fhir_read.h"

/* The author that a Reference names: Practitioner, PractitionerRole, Organization, Device, Patient, RelatedPerson, or
 * only identifier and display. */
bool author_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
		 struct author *author) MUST_CHECK;

/* The same as legalAuthenticator (XCN): STR_NONE and a warning when it names no person with a name or an id. */
bool authenticator_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
			struct str *xcn) MUST_CHECK;

/* The same as intendedRecipient: XON|XCN|XTN. */
bool recipient_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
		    struct str *recipient) MUST_CHECK;

/* The Organization that a Reference names, as XON. STR_NONE and a warning when there is none to be had. */
bool organization_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
		       struct str *xon) MUST_CHECK;

/* sourcePatientId and sourcePatientInfo of the Patient that a Reference names. */
bool source_patient_id_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
			    struct str *cx) MUST_CHECK;
bool source_patient_info_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
			      struct strs *lines) MUST_CHECK;

/* A HumanName in the parts that XCN and XPN have; without family and given its text is the family. */
struct human_name {
	struct str family, given, second, suffix, prefix;
};

bool human_name_read(const json_t *name, struct arena *arena, struct human_name *parts) MUST_CHECK;

/* A ContactPoint as XTN; STR_NONE for one that has no place there (url, other). */
bool xtn_read(const json_t *contact, struct arena *arena, struct str *xtn) MUST_CHECK;

/* The strings of an array, beginning with one, joined by blanks. */
bool strings_join(const json_t *array, size_t from, struct arena *arena, struct str *out) MUST_CHECK;

/* Adds value to a list that grows in the arena; false without memory. Equal values are added once. */
bool strs_add(struct strs *list, struct str value, struct arena *arena) MUST_CHECK;

#endif
