/* The writer of HL7 V3 messages, in two files: hl7v3_write.c knows messages and queries, hl7v3_person_write.c knows
 * patients. Private to them. */
#ifndef PASSERELLE_HL7V3_WRITE_H
#define PASSERELLE_HL7V3_WRITE_H

#include "mappers/hl7v3.h"

/* An instance identifier; nullFlavor NI when root is empty. */
void v3_ii_write(struct xml_writer *writer, struct str name, struct str root, struct str extension);
/* <name code="..."/>, <name value="..."/>, and an INT where the schema leaves the type open. */
void v3_coded_write(struct xml_writer *writer, struct str name, struct str code);
void v3_value_write(struct xml_writer *writer, struct str name, struct str value);
void v3_integer_write(struct xml_writer *writer, struct str name, struct str value);

/* An element for each word of a list with this separator. */
void v3_words_write(struct xml_writer *writer, struct str name, struct str words, char separator);
void v3_gender_write(struct xml_writer *writer, struct str name, struct str gender);
bool v3_address_is_set(const struct patient_address *address);
void v3_address_write(struct xml_writer *writer, struct str name, const struct patient_address *address);

/* The patient element as the kind of the message has it: the answer of PIX has no traits, the answer of PDQ a degree of
 * match; in answers all identifiers are patient/id, in feeds only the first. */
void v3_patient_write(struct xml_writer *writer, const struct hl7v3_message *message, const struct patient *patient);

#endif
