#include "mappers/jwt.h"

#include "mappers/base/base64url.h"
#include "mappers/json_tree.h"

#define KID_BYTES_MAX 256

static const struct jwt_algorithm_info algorithms[JWT_ALGORITHM_COUNT] = {
#define ALGORITHM(algorithm, type, curve_name, size) \
	[JWT_##algorithm] = { STR_INIT(#algorithm), STR_INIT(type), STR_INIT(curve_name), size },
#include "profiles/iua/algorithms.def"
};

const struct jwt_algorithm_info *jwt_algorithm_info(enum jwt_algorithm algorithm)
{
	return &algorithms[algorithm];
}

/* The parser recurses as deep as the text goes: brackets outside strings are counted first. */
static bool is_shallow(struct str text)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JWT_DEPTH_MAX)
				return false;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return true;
}

json_t *jwt_object_read(struct str text, struct arena *arena)
{
	json_t *tree;

	if (!text.data || !is_shallow(text))
		return NULL;
	tree = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
	if (!json_tree_keep(arena, tree))
		return NULL;
	return json_is_object(tree) ? tree : NULL;
}

struct str jwt_text(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) ? (struct str) { json_string_value(value), json_string_length(value) } : STR_NONE;
}

static bool algorithm_find(struct str name, enum jwt_algorithm *algorithm)
{
	for (size_t i = 0; i < JWT_ALGORITHM_COUNT; i++) {
		if (str_equal(name, algorithms[i].name)) {
			*algorithm = (enum jwt_algorithm)i;
			return true;
		}
	}
	return false;
}

/* A member that may be absent but must then be a string. */
static bool text_or_nothing(const json_t *object, const char *name, struct str *text)
{
	*text = jwt_text(object, name);
	return text->data || !json_object_get(object, name);
}

static bool kid_valid(struct str kid)
{
	for (size_t i = 0; i < kid.size; i++) {
		if (kid.data[i] < 0x20 || kid.data[i] > 0x7E)
			return false;
	}
	return kid.size <= KID_BYTES_MAX;
}

/* RFC 7519 5.1: the prefix "application/" is usually left out. */
static struct str type_of(struct str type)
{
	const struct str prefix = STR("application/");

	return str_starts_with_nocase(type, prefix) ? str_from(type, prefix.size) : type;
}

static bool header_read(const json_t *header, struct jwt *jwt)
{
	if (!algorithm_find(jwt_text(header, "alg"), &jwt->algorithm) || json_object_get(header, "crit") ||
	    json_object_get(header, "b64") || json_object_get(header, "zip"))
		return false;
	if (!text_or_nothing(header, "kid", &jwt->kid) || !text_or_nothing(header, "typ", &jwt->type))
		return false;
	jwt->type = type_of(jwt->type);
	return kid_valid(jwt->kid);
}

static bool signature_fits(const struct jwt *jwt)
{
	size_t size = algorithms[jwt->algorithm].signature_size;

	return size ? jwt->signature.size == size : jwt->signature.size > 0;
}

enum jwt_form jwt_read(struct str text, struct arena *arena, struct jwt *jwt)
{
	struct str rest = text;
	struct str segments[4];
	struct str decoded[3];
	size_t count = 0;
	const json_t *header;

	*jwt = (struct jwt) { .text = text };
	if (text.size > JWT_BYTES_MAX)
		return JWT_FORM_BAD;
	while (rest.data && count < COUNT_OF(segments) && str_next(&rest, '.', &segments[count]))
		count++;
	if (count == 1)
		return JWT_FORM_OTHER;
	/* Opaque tokens may hold dots, but none begins like the Base64 of a JSON object. */
	if (!str_starts_with(text, STR("ey")))
		return JWT_FORM_OTHER;
	if (count != 3)
		return JWT_FORM_BAD;
	for (size_t i = 0; i < COUNT_OF(decoded); i++) {
		if (!base64url_decode(segments[i], arena, &decoded[i]))
			return arena_failed(arena) ? JWT_FORM_NO_MEMORY : JWT_FORM_BAD;
	}
	header = jwt_object_read(decoded[0], arena);
	jwt->claims = jwt_object_read(decoded[1], arena);
	jwt->signature = decoded[2];
	if (arena_failed(arena))
		return JWT_FORM_NO_MEMORY;
	return header && jwt->claims && header_read(header, jwt) && signature_fits(jwt) ? JWT_FORM_GOOD : JWT_FORM_BAD;
}
