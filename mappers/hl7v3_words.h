/* Words of HL7 V3 and of FHIR for the same: genders, uses, dates, addresses of telephones. Private to hl7v3_*.c.
 * Source: HL7 V3 data types 2.0 (EN, AD, TEL, TS), FHIR R4 concept maps to V3. */
#ifndef PASSERELLE_HL7V3_WORDS_H
#define PASSERELLE_HL7V3_WORDS_H

#include "mappers/base/arena.h"
#include "mappers/hl7v3.h"

enum hl7v3_kind hl7v3_kind_of(struct str root_name);
/* "PRPA_TE201309UV02": what happened, for controlActProcess; STR_NONE for an acknowledgement. */
struct str hl7v3_trigger(enum hl7v3_kind kind);

/* FHIR's word for an AdministrativeGender, and back; unknown words are "unknown" and STR_NONE. */
struct str v3_gender(struct str code);
struct str v3_gender_code(struct str gender);

/* FHIR's word for the first use that has one, and back; STR_NONE for those without. */
struct str v3_name_use(struct str uses);
struct str v3_name_use_code(struct str use);
struct str v3_address_use(struct str uses);
struct str v3_address_use_code(struct str use);
struct str v3_telecom_use(struct str uses);
struct str v3_telecom_use_code(struct str use);

/* True when a list of words divided by blanks has this one. */
bool v3_has_word(struct str words, struct str word);

/* "tel:+352 1" is a phone "+352 1"; a web address keeps its scheme. */
struct str v3_telecom_system(struct str value);
struct str v3_telecom_value(struct str value);
/* The scheme to put before a value of this FHIR system: "tel:", "" for those that need none. */
struct str v3_telecom_scheme(struct str system);

/* A FHIR date of the first digits of a TS: day, month or year. Empty when it is none; data NULL without memory. */
struct str v3_date(struct str ts, struct arena *arena);

/* A FHIR date or dateTime as TS, in the same precision, zone kept. Writes at most 20 characters and NUL. */
#define V3_TIME_SIZE 21
void v3_time(struct str fhir, char out[V3_TIME_SIZE]);

#endif
