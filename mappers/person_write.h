/* The texts of XDS (XCN, XON, XTN, PID lines) to contained FHIR resources. All are flat beside each other, each with an
 * id of its own, each referred to. Want of memory sticks in the emitter. Source: as person_read.h. */
#ifndef PASSERELLE_PERSON_WRITE_H
#define PASSERELLE_PERSON_WRITE_H

#include "mappers/fhir_emit.h"
#include "mappers/identifier.h"

/* Ids of contained resources are a name, a number from 1 on (0: none), and what part of the person it is:
 * "author2-organization1". A role stands for the whole, its parts follow. */
struct contained_id {
	struct str name;
	size_t number;
};

/* What an author needs in FHIR. A SubmissionSet's source cannot be an Organization: for it, one institution alone is
 * no resource of its own but only the part that authorOrg refers to. */
enum author_form { AUTHOR_NOBODY, AUTHOR_PERSON, AUTHOR_ORGANIZATION, AUTHOR_ROLE };

enum author_form author_form_of(const struct author *author, bool is_source);

/* Adds the contained resources of an author ("contained[]" of the emitter). */
void author_contain(struct fhir_emitter *emitter, struct contained_id id, const struct author *author, bool is_source);

/* {"reference":"#author1"}; part: "-organization1" or empty. */
void contained_reference(struct fhir_emitter *emitter, struct contained_id id, struct str part);

/* An intendedRecipient (XON|XCN|XTN) as an author. */
bool recipient_parse(struct str recipient, struct arena *arena, struct author *author);

/* The Patient of sourcePatientId and sourcePatientInfo. */
void patient_contain(struct fhir_emitter *emitter, struct contained_id id, struct str source_patient_id,
		     const struct strs *lines);

/* {"system":"urn:oid:1.2","value":"x"} */
void identifier_members(struct json_writer *writer, const struct identifier *identifier);

/* Opens a contained resource with its type and id; close it with json_end_object. */
void contained_begin(struct fhir_emitter *emitter, const char *type, struct contained_id id, struct str part);

/* "name":["a","b"] of a text with blanks between its parts; nothing when it is empty. */
void words_member(struct json_writer *writer, struct str name, struct str text);

/* "given" of the first given name, which may have blanks in it, and of the further ones, parted by blanks. */
void given_member(struct json_writer *writer, struct str given, struct str second);

/* The n-th component, escaped, up to its first subcomponent. */
struct str first_subcomponent(struct str text, char separator, size_t n);
/* True when the text has a component that a ContactPoint is made of. */
bool contact_says_something(struct str xtn);
/* One ContactPoint in an open array, with use unless the text has another; nothing when the text says nothing. */
void contact_write(struct fhir_emitter *emitter, struct str xtn, struct str use);

#endif
