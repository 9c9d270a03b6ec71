/* Whether a stored query that somebody sent may be answered: which queries and parameters there are, and their form. What
 * values mean is for the registry to say. Source: ITI TF-2 3.18.4.1.2.3. */
#ifndef PASSERELLE_STORED_QUERY_CHECK_H
#define PASSERELLE_STORED_QUERY_CHECK_H

#include "mappers/stored_query.h"

/* Checks the form of every parameter: known names once (coded and reference lists may repeat and then mean AND), one
 * value where one is meant, lists in parentheses. Unknown names that begin with $ are let pass.
 * XDS errors: XDSStoredQueryParamNumber, XDSRegistryError. */
bool stored_query_check(const struct stored_query *query, struct outcome *outcome) MUST_CHECK;

/* A query of ITI-18; false for the id of another. patient: name of the Slot with the one patient whom it asks about, or
 * STR_NONE when it asks by ids of objects. */
bool stored_query_known(struct str id, struct str *patient) MUST_CHECK;

/* A parameter of ITI-18. */
bool stored_query_parameter_known(struct str name) MUST_CHECK;

#endif
