/* Object identifiers in dotted form. Source: ITI TF-3 4.2.3.1.7 "OID", ITU-T X.660. */
#ifndef PASSERELLE_OID_H
#define PASSERELLE_OID_H

#include "mappers/base/str.h"

/* Digits in arcs, dots between, no arc with a leading zero, first arc 0 to 2, at least two arcs, second below 40 under
 * 0 and 1, at most 64 characters. Without "urn:oid:". */
bool oid_valid(struct str oid) MUST_CHECK;

/* True for "urn:oid:" and a valid OID; the prefix may have any case. */
bool oid_urn_valid(struct str urn) MUST_CHECK;

#endif
