/* The forms in which attributes stand in FHIR: one reader and one writer each, picked by the row. The loops over the
 * rows of an object are here too. Source: MHD 4.2.4 profiles, ITI TF-3 4.2.3. */
#ifndef PASSERELLE_CODEC_FHIR_H
#define PASSERELLE_CODEC_FHIR_H

#include "mappers/fhir_emit.h"
#include "mappers/fhir_read.h"

/* Element that a profile forbids, or allows once. */
struct fhir_refusal {
	const char *name;
	size_t count_max; /* 0: not at all */
};

/* Fills the struct that table describes from reader->resource. Goes on after a problem; false when there was one. */
bool object_from_fhir(const struct attribute_table *table, struct fhir_reader *reader, void *object) MUST_CHECK;

/* Elements that may not be there: those of the table, implicitRules, and modifierExtension anywhere, since what
 * changes the meaning of the rest and is not understood must not be ignored (FHIR R4 2.4.1). */
bool fhir_refuse(const struct fhir_reader *reader, const struct fhir_refusal *refusals, size_t count) MUST_CHECK;

/* Writes the contained resources of the object, then the elements of its rows. */
void object_to_fhir(struct fhir_emitter *emitter);

#endif
