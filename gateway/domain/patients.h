/* The patients that the affinity domain knows from its configuration: values under one assigning authority. Others come
 * by the identity feed (ITI-44): identity_store.h. */
#ifndef PASSERELLE_PATIENTS_H
#define PASSERELLE_PATIENTS_H

#include "mappers/base/arena.h"
#include "mappers/base/error.h"
#include "mappers/rim.h"

struct patients;

/* authority  OID of the assigning authority
 * values     each a value ("IHEBLUE-1001") or a range of the same width ("IHEBLUE-1001..IHEBLUE-1010")
 * Borrowed: authority and values must outlive patients, which belongs to the arena.
 * Errors: ERR_VALUE_INVALID for a range that is none, ERR_NO_MEMORY. */
bool patients_read(struct str authority, const struct strs *values, struct arena *arena, struct patients **patients,
		   struct outcome *outcome) MUST_CHECK;

/* True when this value under this authority is configured as a patient of the domain, whatever was fed since. Value and
 * OID are compared as they stand. */
bool patient_is_configured(const struct patients *patients, struct str value, struct str authority);

/* OID of the affinity domain's assigning authority. */
struct str patients_authority(const struct patients *patients);

/* A patient id CX taken to the form it is compared and stored in: "value^^^&oid&ISO". The namespace component and
 * empty trailing parts are dropped. False when it is no patient id in the form of TF-3 4.2.3.1.7 or without memory;
 * value and authority may be NULL. */
bool patient_id_normalise(struct str cx, struct arena *arena, struct str *normalised, struct str *value,
			  struct str *authority) MUST_CHECK;

#endif
