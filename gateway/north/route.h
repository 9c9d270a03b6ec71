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

/* Whose paths are served: those below the path of the public base, and below /fhir, where a proxy maps the public one to
 * it. With names, a segment behind the base is a tenant's only when it is one of them. */
struct route_map {
	struct str public_path;  /* of the public base without a final slash; may be empty */
	const struct str *names; /* of tenants, in the order of their indices; NULL: there is one, without a name */
	size_t count;            /* of tenants; at least 1 */
	size_t bare_index;       /* whose the base without a name is; count: nobody's */
};

struct route_found {
	const struct route *route; /* NULL: there is none, and code says why */
	enum error_code code;      /* ERR_NOT_FOUND or ERR_METHOD */
	const char *allow;         /* with ERR_METHOD: the methods that this path has, comma-separated, a literal */
	size_t tenant;             /* whose path it is, as far as that can be told; count: nobody's */
	bool is_bare;              /* it came without a name, though others have one */
	struct str id;             /* the segments that stood for {id} and {version}, inside path; or STR_NONE */
	struct str version;
};

/* Finds the route of a request. method, path: as sent; the path is matched byte for byte: nothing in our paths needs a
 * percent-escape, so one that has any names nothing here, but for the %24 that some clients write for the dollar of an
 * operation. False when there is none. */
bool route_find(const struct route_map *map, struct str method, struct str path, struct route_found *found) MUST_CHECK;

#endif
