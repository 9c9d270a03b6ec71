/* The parameters of stored queries: which there are, what form they have, and what they mean in SQL.
 * Source: ITI TF-2 3.18.4.1.2.3. */
#ifndef PASSERELLE_QUERY_PARAMETERS_H
#define PASSERELLE_QUERY_PARAMETERS_H

#include "gateway/domain/registry_rows.h"
#include "mappers/stored_query.h"

/* Checks the form of every parameter: known names once (coded and reference lists may repeat and then mean AND), one
 * value where one is meant, lists in parentheses. Unknown names that begin with $ are let pass.
 * XDS errors: XDSStoredQueryParamNumber, XDSRegistryError. */
bool query_parameters_check(const struct stored_query *query, struct outcome *outcome) MUST_CHECK;

/* All values of a parameter's first Slot; count 0 when it is absent. */
struct strs query_values(const struct stored_query *query, const char *name);

/* Adds to select what each parameter of the query asks for that belongs to this kind of object ("AND ..."), patient and
 * status included. Errors: XDSStoredQueryParamNumber for a value that cannot be meant. */
bool query_conditions_add(const struct stored_query *query, enum object_kind kind, struct select *select,
			  struct outcome *outcome) MUST_CHECK;

#endif
