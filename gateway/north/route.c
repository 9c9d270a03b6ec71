#include "gateway/north/route.h"

#define FHIR_ID_SIZE_MAX 64

/* A route that no row names is left all empty: nothing opens it. */
static const struct scope_need needs[ROUTE_COUNT] = {
#define OPEN(route_name) [ROUTE_##route_name] = { .is_open = true },
#define SCOPE(route_name, ihe_scopes, smart_scopes) \
	[ROUTE_##route_name] = { .ihe = STR_INIT(ihe_scopes), .smart = STR_INIT(smart_scopes) },
#include "profiles/iua/scopes.def"
};

static const struct route routes[ROUTE_COUNT] = {
#define ROUTE(route_name, verb, route_path, iti, type, rest, route_body, purpose) \
	{ .name = ROUTE_##route_name,                                             \
	  .label = #route_name,                                                   \
	  .method = { #verb, sizeof(#verb) - 1 },                                 \
	  .path = { route_path, sizeof(route_path) - 1 },                         \
	  .transaction = STR_INIT(iti),                                           \
	  .resource = STR_INIT(type),                                             \
	  .interaction = STR_INIT(rest),                                          \
	  .body = ROUTE_BODY_##route_body,                                        \
	  .need = &needs[ROUTE_##route_name] },
#include "profiles/mhd/routes.def"
#undef ROUTE
};

/* FHIR R4 id: [A-Za-z0-9\-\.]{1,64} */
static bool id_valid(struct str id)
{
	for (size_t i = 0; i < id.size; i++) {
		char c = id.data[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
		      c == '.'))
			return false;
	}
	return id.size >= 1 && id.size <= FHIR_ID_SIZE_MAX;
}

/* The dollar of an operation ("Patient/$match") is the one character that clients escape though they need not. */
static bool literal_matches(struct str pattern, struct str path)
{
	const struct str escaped = STR("%24");
	size_t dollar = str_find(pattern, '$');

	if (str_equal(pattern, path))
		return true;
	return dollar < pattern.size && path.size > dollar && memcmp(path.data, pattern.data, dollar) == 0 &&
	       str_starts_with(str_from(path, dollar), escaped) &&
	       str_equal(str_from(path, dollar + escaped.size), str_from(pattern, dollar + 1));
}

/* Takes what stands for marker off the front of path: up to the next slash, or to the end. */
static bool segment_take(struct str *path, struct str *segment)
{
	*segment = (struct str) { path->data, str_find(*path, '/') };
	*path = str_from(*path, segment->size);
	return id_valid(*segment);
}

static bool path_matches(struct str pattern, struct str path, struct str *id, struct str *version)
{
	const struct str id_marker = STR("{id}");
	const struct str version_marker = STR("{version}");
	size_t brace = str_find(pattern, '{');
	struct str literal = { pattern.data, brace };

	*id = STR_NONE;
	*version = STR_NONE;
	if (brace == pattern.size)
		return literal_matches(pattern, path);
	if (!str_starts_with(path, literal))
		return false;
	path = str_from(path, literal.size);
	pattern = str_from(pattern, literal.size + id_marker.size);
	if (!segment_take(&path, id))
		return false;
	if (!str_ends_with(pattern, version_marker))
		return str_equal(pattern, path);
	pattern.size -= version_marker.size;
	if (!str_starts_with(path, pattern))
		return false;
	path = str_from(path, pattern.size);
	return segment_take(&path, version) && path.size == 0;
}

/* The path below the base; false when it is not below it. [base] itself may be asked with a slash at its end. */
static bool path_below(struct str base, struct str path, struct str *below)
{
	if (!str_starts_with(path, base))
		return false;
	*below = str_from(path, base.size);
	if (below->size == 0)
		return true;
	if (below->data[0] != '/')
		return false;
	*below = str_from(*below, 1);
	return true;
}

/* path as a path at the root of the host: as it is, or with a base behind it. */
static bool root_matches(const struct route_base *base, struct str pattern, struct str path)
{
	struct str rest = str_from(path, pattern.size);

	return str_starts_with(path, pattern) &&
	       (str_is_empty(rest) || str_equal(rest, base->public_path) || str_equal(rest, STR("/fhir")));
}

/* below: what follows the base; data NULL when path is elsewhere. */
static bool route_matches(const struct route *route, const struct route_base *base, struct str path, struct str below,
			  struct str *id, struct str *version)
{
	*id = STR_NONE;
	*version = STR_NONE;
	if (str_starts_with(route->path, STR("/")))
		return root_matches(base, route->path, path);
	return below.data && path_matches(route->path, below, id, version);
}

/* What an Allow header may list; bit k of its index stands for methods[k]. */
static const struct str methods[] = { STR_INIT("GET"), STR_INIT("POST"), STR_INIT("PUT"), STR_INIT("DELETE"),
				      STR_INIT("PATCH") };
static const char *const allowed[1 << COUNT_OF(methods)] = {
	"",
	"GET, HEAD",
	"POST",
	"GET, HEAD, POST",
	"PUT",
	"GET, HEAD, PUT",
	"POST, PUT",
	"GET, HEAD, POST, PUT",
	"DELETE",
	"GET, HEAD, DELETE",
	"POST, DELETE",
	"GET, HEAD, POST, DELETE",
	"PUT, DELETE",
	"GET, HEAD, PUT, DELETE",
	"POST, PUT, DELETE",
	"GET, HEAD, POST, PUT, DELETE",
	"PATCH",
	"GET, HEAD, PATCH",
	"POST, PATCH",
	"GET, HEAD, POST, PATCH",
	"PUT, PATCH",
	"GET, HEAD, PUT, PATCH",
	"POST, PUT, PATCH",
	"GET, HEAD, POST, PUT, PATCH",
	"DELETE, PATCH",
	"GET, HEAD, DELETE, PATCH",
	"POST, DELETE, PATCH",
	"GET, HEAD, POST, DELETE, PATCH",
	"PUT, DELETE, PATCH",
	"GET, HEAD, PUT, DELETE, PATCH",
	"POST, PUT, DELETE, PATCH",
	"GET, HEAD, POST, PUT, DELETE, PATCH",
};

static unsigned method_bit(struct str method)
{
	for (unsigned i = 0; i < COUNT_OF(methods); i++) {
		if (str_equal(methods[i], method))
			return 1u << i;
	}
	return 0;
}

const struct route *route_find(const struct route_base *base, struct str method, struct str path, struct str *id,
			       struct str *version, const char **allow, enum error_code *code)
{
	/* HEAD is GET without the body: the server leaves it out. */
	struct str wanted = str_equal(method, STR("HEAD")) ? STR("GET") : method;
	struct str below;
	unsigned found = 0;

	*code = ERR_NOT_FOUND;
	if (!path_below(base->public_path, path, &below) && !path_below(STR("/fhir"), path, &below))
		below = STR_NONE;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		if (!route_matches(&routes[i], base, path, below, id, version))
			continue;
		if (str_equal(routes[i].method, wanted))
			return &routes[i];
		found |= method_bit(routes[i].method);
	}
	if (!found)
		return NULL;
	*code = ERR_METHOD;
	*allow = allowed[found];
	return NULL;
}
