/* What the parameters of stored queries mean in SQL. Source: ITI TF-2 3.18.4.1.2.3. */
#ifndef PASSERELLE_QUERY_PARAMETERS_H
#define PASSERELLE_QUERY_PARAMETERS_H

#include "gateway/domain/registry_rows.h"
#include "mappers/stored_query.h"

/* All values of a parameter's first Slot; count 0 when it is absent. */
struct strs query_values(const struct stored_query *query, const char *name);

/* Adds to select what each parameter of the query asks for that belongs to this kind of object ("AND ..."), patient and
 * status included. Errors: XDSStoredQueryParamNumber for a value that cannot be meant. */
bool query_conditions_add(const struct stored_query *query, enum object_kind kind, struct select *select,
			  struct outcome *outcome) MUST_CHECK;

#endif
