#include "gateway/north/route.h"

#define FHIR_ID_SIZE_MAX 64

static const struct route routes[ROUTE_COUNT] = {
#define ROUTE(route_name, verb, route_path, transaction, resource, interaction, route_body, purpose) \
	{ .name = ROUTE_##route_name,                                                                \
	  .label = #route_name,                                                                      \
	  .method = { #verb, sizeof(#verb) - 1 },                                                    \
	  .path = { route_path, sizeof(route_path) - 1 },                                            \
	  .body = ROUTE_BODY_##route_body },
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

static bool path_matches(struct str pattern, struct str path, struct str *id)
{
	const struct str marker = STR("{id}");

	*id = STR_NONE;
	if (!str_ends_with(pattern, marker))
		return str_equal(pattern, path);
	pattern.size -= marker.size;
	if (!str_starts_with(path, pattern))
		return false;
	*id = str_from(path, pattern.size);
	return id_valid(*id);
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

static const char *methods_allowed(bool get, bool post)
{
	if (get && post)
		return "GET, HEAD, POST";
	return get ? "GET, HEAD" : "POST";
}

const struct route *route_find(const struct route_base *base, struct str method, struct str path, struct str *id,
			       const char **allow, enum error_code *code)
{
	/* HEAD is GET without the body: the server leaves it out. */
	struct str wanted = str_equal(method, STR("HEAD")) ? STR("GET") : method;
	struct str below;
	bool get = false;
	bool post = false;

	*code = ERR_NOT_FOUND;
	if (!path_below(base->public_path, path, &below) && !path_below(STR("/fhir"), path, &below))
		return NULL;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		if (!path_matches(routes[i].path, below, id))
			continue;
		if (str_equal(routes[i].method, wanted))
			return &routes[i];
		get = get || str_equal(routes[i].method, STR("GET"));
		post = post || str_equal(routes[i].method, STR("POST"));
	}
	if (!get && !post)
		return NULL;
	*code = ERR_METHOD;
	*allow = methods_allowed(get, post);
	return NULL;
}
