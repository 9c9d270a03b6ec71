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

/* What stands behind a base: the rest of the path and whose it is. */
struct place {
	size_t tenant; /* count: nobody's */
	bool is_bare;
	struct str below; /* what follows the base; data NULL: the path is elsewhere */
};

/* below: what follows the base, of which a tenant's name is taken off. */
static void place_take_name(const struct route_map *map, struct place *place)
{
	struct str name = { place->below.data, str_find(place->below, '/') };

	place->tenant = map->bare_index;
	place->is_bare = map->names != NULL;
	for (size_t i = 0; map->names && i < map->count; i++) {
		if (!str_equal(map->names[i], name))
			continue;
		place->tenant = i;
		place->is_bare = false;
		place->below = str_from(place->below, name.size < place->below.size ? name.size + 1 : name.size);
	}
	if (place->tenant == map->count)
		place->below = STR_NONE;
}

static void place_find(const struct route_map *map, struct str path, struct place *place)
{
	*place = (struct place) { .tenant = map->count };
	if (path_below(map->public_path, path, &place->below) || path_below(STR("/fhir"), path, &place->below))
		place_take_name(map, place);
	else
		place->below = STR_NONE;
}

/* A path at the root of the host: as it is, or with a base behind it, which says whose it is. What is not about tokens is
 * the whole gateway's. */
static bool root_matches(const struct route_map *map, struct str pattern, struct str path, struct place *place)
{
	struct str rest = str_from(path, pattern.size);

	if (!str_starts_with(path, pattern))
		return false;
	if (!str_starts_with(pattern, STR("/.well-known/"))) {
		*place = (struct place) { .tenant = map->bare_index < map->count ? map->bare_index : 0 };
		return str_is_empty(rest);
	}
	if (str_is_empty(rest))
		*place = (struct place) { .tenant = map->bare_index, .is_bare = map->names != NULL, .below = rest };
	else
		place_find(map, rest, place);
	return place->tenant < map->count && str_is_empty(place->below) && place->below.data &&
	       !str_ends_with(rest, STR("/"));
}

/* place: of the path; that of a path at the root is found here. */
static bool route_matches(const struct route_map *map, const struct route *route, struct str path, struct place *place,
			  struct route_found *found)
{
	found->id = STR_NONE;
	found->version = STR_NONE;
	if (str_starts_with(route->path, STR("/")))
		return root_matches(map, route->path, path, place);
	return place->below.data && path_matches(route->path, place->below, &found->id, &found->version);
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

bool route_find(const struct route_map *map, struct str method, struct str path, struct route_found *found)
{
	/* HEAD is GET without the body: the server leaves it out. */
	struct str wanted = str_equal(method, STR("HEAD")) ? STR("GET") : method;
	struct place below;
	unsigned bits = 0;

	*found = (struct route_found) { .code = ERR_NOT_FOUND };
	place_find(map, path, &below);
	found->tenant = below.tenant;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		struct place place = below;

		if (!route_matches(map, &routes[i], path, &place, found))
			continue;
		found->tenant = place.tenant;
		found->is_bare = place.is_bare;
		if (str_equal(routes[i].method, wanted)) {
			found->route = &routes[i];
			return true;
		}
		bits |= method_bit(routes[i].method);
	}
	if (bits) {
		found->code = ERR_METHOD;
		found->allow = allowed[bits];
	}
	return false;
}
