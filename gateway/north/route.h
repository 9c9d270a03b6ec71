/* Which transaction a request is for: method and raw path against profiles/mhd/routes.def. No I/O, no memory. */
#ifndef PASSERELLE_ROUTE_H
#define PASSERELLE_ROUTE_H

#include "mappers/scope.h"
#include "mappers/base/error.h"

enum route_name {
#define ROUTE(name, ...) ROUTE_##name,
#include "profiles/mhd/routes.def"
#undef ROUTE
	ROUTE_COUNT
};

enum route_body { ROUTE_BODY_NONE, ROUTE_BODY_FORM, ROUTE_BODY_BUNDLE, ROUTE_BODY_RESOURCE, ROUTE_BODY_PATCH };

struct route {
	enum route_name name;
	const char *label; /* "PROVIDE_BUNDLE": for the log line */
	struct str method;
	struct str path;        /* relative to the base; "{id}" is one segment */
	struct str transaction; /* "ITI-67"; or empty */
	struct str resource;    /* FHIR type; or empty */
	struct str interaction; /* FHIR: "search-type", "read" ... */
	enum route_body body;
	const struct scope_need *need; /* of profiles/iua/scopes.def */
};

/* The base paths that are served: that of the public base, and /fhir, where a proxy maps the public one to it. */
struct route_base {
	struct str public_path; /* path of the public base without a final slash; may be empty */
};

/* Finds the route of a request.
 * method, path  as sent; the path is matched byte for byte: nothing in our paths needs a percent-escape, so one that
 *               has any names nothing here, but for the %24 that some clients write for the dollar of an operation
 * id, version   the segments that stood for {id} and {version}, inside path; STR_NONE when the route has none
 * allow         with ERR_METHOD: the methods that this path has, comma-separated, a literal
 * Returns the row, or NULL with *code ERR_NOT_FOUND or ERR_METHOD. */
const struct route *route_find(const struct route_base *base, struct str method, struct str path, struct str *id,
			       struct str *version, const char **allow, enum error_code *code);

#endif
