/* The rows of one object read from and written to ebRIM. Used by metadata_rim.c alone. ITI TF-3 4.2.3.1 */
#ifndef PASSERELLE_CODEC_RIM_H
#define PASSERELLE_CODEC_RIM_H

#include "mappers/attribute.h"

#define RIM_OBJECT_TYPE "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:"

/* Fills the struct that table describes from registry_object. False without memory. */
bool object_from_rim(const struct attribute_table *table, const struct rim_object *registry_object, struct arena *arena,
		     void *object) MUST_CHECK;

/* Fills registry_object (zeroed) from the struct. False without memory. */
bool object_to_rim(const struct attribute_table *table, const void *object, struct arena *arena,
		   struct rim_object *registry_object) MUST_CHECK;

/* A coded value of a Classification, and the other way round (id and classified_object are left to the caller). */
struct code code_from_classification(const struct rim_classification *classification);
bool code_to_classification(const struct code *code, struct str scheme, struct arena *arena,
			    struct rim_classification *classification) MUST_CHECK;

/* A slot with one value. */
bool slot_make(struct str name, struct str value, struct arena *arena, struct rim_slot *slot) MUST_CHECK;
/* The first value of a slot; STR_NONE when there is none. */
struct str slot_first(const struct rim_slots *slots, struct str name);

#endif
