/* Data types of HL7 V3 as the element that begins has them in its attributes, and the lists that they go to. Private to
 * hl7v3_*.c. Source: HL7 V3 data types, release 1.1 (II, INT). */
#ifndef PASSERELLE_HL7V3_TYPES_H
#define PASSERELLE_HL7V3_TYPES_H

#include "mappers/base/arena.h"
#include "mappers/hl7v3.h"

struct v3_reader;

/* Every function here that returns false has added its issue. */
bool v3_no_memory(struct v3_reader *reader);
bool v3_malformed(struct v3_reader *reader, const char *text);

/* An attribute of the element that begins, which stands in no namespace; STR_NONE in *value when it has none. */
bool v3_attribute(struct v3_reader *reader, const char *name, struct str *value) MUST_CHECK;

/* The element that begins as II; empty when it has a nullFlavor. */
bool v3_ii_read(struct v3_reader *reader, struct hl7v3_ii *ii) MUST_CHECK;
/* One that must not be two different things in one message. */
bool v3_ii_read_once(struct v3_reader *reader, struct hl7v3_ii *ii) MUST_CHECK;
/* The element that begins as INT, and as one from 0 to 100; what is none leaves the number as it is. */
bool v3_number_read(struct v3_reader *reader, size_t *number) MUST_CHECK;
bool v3_percent_read(struct v3_reader *reader, int *percent) MUST_CHECK;

/* Add to a list that grows in the arena; an identifier that is there already is not added again. */
bool v3_word_add(struct v3_reader *reader, struct strs *words, size_t *capacity, struct str word) MUST_CHECK;
bool v3_identity_append(struct v3_reader *reader, struct patient_identity identity,
			struct patient_identities *identities, size_t *capacity) MUST_CHECK;
/* Appends the element that begins. Without extension, or with a nullFlavor, it is no identifier. */
bool v3_identity_add(struct v3_reader *reader, struct patient_identities *identities, size_t *capacity) MUST_CHECK;

#endif
