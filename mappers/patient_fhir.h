/* FHIR R4 Patient <-> struct patient. Source: IHE PDQm Patient profile (3.78.4.2.2.1), PIXm 3.104.4.1.2.1. */
#ifndef PASSERELLE_PATIENT_FHIR_H
#define PASSERELLE_PATIENT_FHIR_H

#include <jansson.h>

#include "mappers/base/arena.h"
#include "mappers/base/error.h"
#include "mappers/identifier_system.h"
#include "mappers/patient.h"

struct json_writer;

#define MOTHERS_MAIDEN_NAME "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"

/* Reads a Patient that is R4-valid (fhir_validate).
 * path     FHIRPath of the resource, for issues: "Patient", "Parameters.parameter[0].resource"
 * names    systems that are no urn:oid: but mean one; identifiers of other systems, those without a value and those no
 *          longer used (use old) are left out
 * patient  filled on success; texts point into json, which must outlive it. replaced_by is the identifier that a link
 *          of type replaced-by names; match_percent is -1
 * replaced_by_reference  what such a link refers to where it names no identifier ("Patient/{id}"); otherwise STR_NONE
 * Errors: ERR_TOO_COSTLY (more than PATIENT_REPEATS_MAX of something), ERR_METADATA_INVALID (two links replaced-by, or
 * one that names nobody), ERR_NO_MEMORY. */
bool patient_from_fhir(const json_t *json, const char *path, const struct system_names *names, struct arena *arena,
		       struct patient *patient, struct str *replaced_by_reference, struct outcome *outcome) MUST_CHECK;

/* Writes a Patient as one JSON value; systems are urn:oid:.
 * id           logical id; STR_NONE: left out
 * replaced_by  reference to the surviving Patient ("Patient/{id}"); STR_NONE: none
 * Errors stick in the writer. */
void patient_to_fhir(const struct patient *patient, struct str id, struct str replaced_by, struct json_writer *writer);

/* Writes system and value of an identity as members of an Identifier that is open. */
void patient_identity_members(struct json_writer *writer, const struct patient_identity *identity);

#endif
