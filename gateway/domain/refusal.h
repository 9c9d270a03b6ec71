/* What the registry or repository says no to: an XDS error code, the object at fault and a sentence. Kept in an outcome,
 * turned into the RegistryErrorList of an answer. Source: ITI TF-3 4.2.4. */
#ifndef PASSERELLE_REFUSAL_H
#define PASSERELLE_REFUSAL_H

#include "mappers/base/arena.h"
#include "mappers/registry_response.h"

/* Adds an error. xds_code is a code of TF-3 table 4.2.4.1-2; object_id is the id as the sender wrote it (shown in front
 * of the text, and as location), STR_NONE when no object is at fault. No patient data in format. Returns false. */
bool refuse(struct outcome *outcome, const char *xds_code, struct str object_id, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The answer that an outcome stands for: Success, with its warnings, or Failure. An issue without an XDS code gets the
 * one of its row in errors.def. Everything is in the arena; false without memory. */
bool refusal_response(const struct outcome *outcome, struct arena *arena,
		      struct registry_response *response) MUST_CHECK;

#endif
