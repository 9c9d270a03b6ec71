/* The reader of HL7 V3 messages. hl7v3_read.c walks and knows the frame of a message, hl7v3_asked.c what is asked,
 * hl7v3_patient.c patients, hl7v3_person.c the traits of a person; hl7v3_types.h reads data types for them. Private to
 * them. */
#ifndef PASSERELLE_HL7V3_READ_H
#define PASSERELLE_HL7V3_READ_H

#include "mappers/base/arena.h"
#include "mappers/hl7v3_types.h"

enum v3_element {
	V3_NOTHING, /* no parent: the start of the document */
#define V3(name, ...) V3_##name,
#include "profiles/hl7v3/message.def"
#undef V3
	V3_COUNT,
	V3_ROOT = V3_COUNT,
	V3_ENVELOPE,
	V3_BODY,
	V3_OTHER
};

/* Parents of a row of message.def, at most four, as numbers. */
#define V3_PARENTS(...)                         V3_PARENTS_PICK(__VA_ARGS__, 4, 3, 2, 1)(__VA_ARGS__)
#define V3_PARENTS_PICK(a, b, c, d, count, ...) V3_PARENTS_##count
#define V3_PARENTS_1(a)                         V3_##a
#define V3_PARENTS_2(a, b)                      V3_##a, V3_##b
#define V3_PARENTS_3(a, b, c)                   V3_##a, V3_##b, V3_##c
#define V3_PARENTS_4(a, b, c, d)                V3_##a, V3_##b, V3_##c, V3_##d

/* Names that may be two in one: <family qualifier="BR"> beside another family is the maiden name. */
struct v3_name {
	struct str family;
	struct str maiden;
	struct str given;
	struct str prefix;
	struct str suffix;
	struct str use;
	bool part_is_maiden; /* of the open family */
};

struct v3_reader {
	struct arena *arena;
	struct hl7v3_message *message;
	struct outcome *outcome;
	enum v3_element stack[64];
	size_t depth;
	size_t skipped; /* depth of the element that is skipped, counted from 1; 0 while nothing is */
	bool has_root;
	struct buf text;
	const unsigned char **attributes; /* of the element that begins, as in xml_sax.h */
	size_t attribute_count;
	bool has_query_ack_id;
	bool has_asked_address;
	size_t detail_capacity;
	size_t request_capacity;
	size_t domain_capacity;
	size_t asked_capacity;
	struct patient_identities prior;
	size_t prior_capacity;
	size_t patient_capacity;
	struct patient *patient; /* the open one */
	bool event_patient;      /* it is of the open registration */
	size_t identifier_capacity;
	struct patient_identities others; /* of the open asOtherIDs */
	size_t others_capacity;
	bool others_ended;
	size_t unlinked_capacity;
	size_t name_capacity;
	size_t address_capacity;
	size_t telecom_capacity;
	struct v3_name name;             /* the open one */
	struct patient_address *address; /* the open one; NULL: one too many, not kept */
	bool relation_is_mother;
};

/* Elements of what is asked begin and end. Others do nothing, here and below; a function that
 * returns false has added its issue. */
bool v3_asked_part(struct v3_reader *reader, enum v3_element element) MUST_CHECK;
void v3_asked_end(struct v3_reader *reader, enum v3_element element);

/* Elements of a patient begin and end. */
bool v3_patient_part(struct v3_reader *reader, enum v3_element element) MUST_CHECK;
bool v3_patient_end(struct v3_reader *reader, enum v3_element element) MUST_CHECK;

void v3_person_begin(struct v3_reader *reader, struct patient *patient);
void v3_name_begin(struct v3_reader *reader);

/* Elements of a person begin, end with their text, and end. */
bool v3_person_part(struct v3_reader *reader, enum v3_element element) MUST_CHECK;
bool v3_person_text(struct v3_reader *reader, enum v3_element element, struct str text) MUST_CHECK;
bool v3_person_end(struct v3_reader *reader, enum v3_element element) MUST_CHECK;

#endif
