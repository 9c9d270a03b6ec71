#include "mappers/content_type.h"

#include "mappers/base/hex.h"

/* RFC 2046 5.1.1. */
#define BOUNDARY_SIZE_MAX 70
#define PARAMETERS_MAX    32
/* RFC 6838 4.2 */
#define RESTRICTED_NAME_MAX 127

static bool refuse(struct outcome *outcome, const char *text)
{
	return outcome_add(outcome, ERR_MEDIA_TYPE, "Content-Type", "%s", text);
}

/* A quoted value, its backslashes undone, off the front of *rest. */
static bool take_quoted(struct str *rest, struct arena *arena, struct str *value)
{
	char *text = arena_alloc(arena, rest->size);
	size_t size = 0;

	for (size_t i = 1; text && i < rest->size; i++) {
		if (rest->data[i] == '"') {
			*value = (struct str) { text, size };
			*rest = str_from(*rest, i + 1);
			return true;
		}
		if (rest->data[i] == '\\' && i + 1 < rest->size)
			i++;
		text[size++] = rest->data[i];
	}
	return false;
}

/* name=value off the front of *rest, up to the next semicolon. Bare values may hold what tokens may not: boundaries
 * with colons and the like are common. */
static bool take_parameter(struct str *rest, struct arena *arena, struct str *name, struct str *value)
{
	size_t equals = str_find(*rest, '=');

	if (equals == rest->size)
		return false;
	*name = str_trim((struct str) { rest->data, equals });
	*rest = str_trim(str_from(*rest, equals + 1));
	if (rest->size && rest->data[0] == '"') {
		if (!take_quoted(rest, arena, value))
			return false;
		*rest = str_trim(*rest);
		return rest->size == 0 || rest->data[0] == ';';
	}
	size_t end = str_find(*rest, ';');

	*value = str_trim((struct str) { rest->data, end });
	*rest = str_from(*rest, end);
	return true;
}

static struct str without_brackets(struct str id)
{
	id = str_trim(id);
	if (id.size >= 2 && id.data[0] == '<' && id.data[id.size - 1] == '>')
		return (struct str) { id.data + 1, id.size - 2 };
	return id;
}

static bool boundary_is_legal(struct str boundary)
{
	if (boundary.size == 0 || boundary.size > BOUNDARY_SIZE_MAX || boundary.data[boundary.size - 1] == ' ')
		return false;
	for (size_t i = 0; i < boundary.size; i++) {
		if (boundary.data[i] < ' ' || boundary.data[i] > '~')
			return false;
	}
	return true;
}

/* start-info="application/soap+xml; action=\"...\"" hides the action one level deeper. */
static struct str action_inside(struct str start_info, struct arena *arena)
{
	size_t semicolon = str_find(start_info, ';');
	struct str rest = str_from(start_info, semicolon + 1);
	struct str name;
	struct str value;

	for (size_t i = 0; i < PARAMETERS_MAX && rest.size; i++) {
		if (!take_parameter(&rest, arena, &name, &value))
			break;
		if (str_equal_nocase(name, STR("action")))
			return value;
		rest = str_trim(str_from(rest, 1));
	}
	return STR_NONE;
}

static bool keep_parameter(struct content_type *type, struct str name, struct str value, struct arena *arena,
			   struct outcome *outcome)
{
	if (str_equal_nocase(name, STR("boundary"))) {
		if (type->boundary.data)
			return refuse(outcome, "Name one boundary, not two.");
		if (!boundary_is_legal(value))
			return refuse(outcome, "Use a boundary of 1 to 70 printable characters.");
		type->boundary = value;
	} else if (str_equal_nocase(name, STR("start"))) {
		type->start = without_brackets(value);
	} else if (str_equal_nocase(name, STR("type"))) {
		type->type = value;
	} else if (str_equal_nocase(name, STR("charset"))) {
		type->charset = value;
	} else if (str_equal_nocase(name, STR("action"))) {
		type->action = value;
	} else if (str_equal_nocase(name, STR("start-info")) && !type->action.data) {
		type->action = action_inside(value, arena);
	}
	return true;
}

static bool copy_lower(struct str text, struct arena *arena, struct str *out)
{
	char *copy = arena_alloc(arena, text.size + 1);

	if (!copy)
		return false;
	for (size_t i = 0; i < text.size; i++)
		copy[i] = (char)(text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] - 'A' + 'a' : text.data[i]);
	*out = (struct str) { copy, text.size };
	return true;
}

bool content_type_parse(struct str header, struct arena *arena, struct content_type *type, struct outcome *outcome)
{
	/* Everything points into this copy, or is one of its own. */
	struct str rest = arena_copy(arena, str_trim(header));
	size_t end = str_find(rest, ';');
	struct str media_type = str_trim((struct str) { rest.data, end });
	struct content_type parsed = { 0 };

	if (!rest.data || !copy_lower(media_type, arena, &parsed.media_type))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	if (str_find(media_type, '/') == media_type.size)
		return refuse(outcome, "Send a Content-Type such as application/soap+xml.");
	rest = str_from(rest, end);
	for (size_t i = 0; rest.size; i++) {
		struct str name;
		struct str value;

		rest = str_trim(str_from(rest, 1));
		if (rest.size == 0)
			break;
		if (rest.data[0] == ';')
			continue;
		if (i == PARAMETERS_MAX || !take_parameter(&rest, arena, &name, &value))
			return refuse(outcome, "Write the parameters of Content-Type as name=\"value\".");
		if (!keep_parameter(&parsed, name, value, arena, outcome))
			return false;
	}
	if (str_starts_with(parsed.media_type, STR("multipart/")) && !parsed.boundary.data)
		return refuse(outcome, "Name the boundary of the multipart body.");
	*type = parsed;
	return true;
}

static bool is_alphanumeric(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* restricted-name of RFC 6838 4.2 */
static bool is_restricted_name(struct str name)
{
	if (name.size == 0 || name.size > RESTRICTED_NAME_MAX || !is_alphanumeric(name.data[0]))
		return false;
	for (size_t i = 1; i < name.size; i++) {
		if (!is_alphanumeric(name.data[i]) && !memchr("!#$&-^_.+", name.data[i], 9))
			return false;
	}
	return true;
}

bool media_type_valid(struct str media_type)
{
	struct str essence = str_trim((struct str) { media_type.data, str_find(media_type, ';') });
	size_t slash = str_find(essence, '/');

	for (size_t i = 0; i < media_type.size; i++) {
		if (media_type.data[i] < ' ' || media_type.data[i] > '~')
			return false;
	}
	return is_restricted_name((struct str) { essence.data, slash }) &&
	       is_restricted_name(str_from(essence, slash + 1));
}

/* The next byte of s, its percent-escape undone when asked. */
static unsigned char take_byte(struct str *s, bool decode)
{
	unsigned char byte = (unsigned char)s->data[0];
	size_t size = 1;

	if (decode && byte == '%' && s->size >= 3 && hex_value(s->data[1]) >= 0 && hex_value(s->data[2]) >= 0) {
		byte = (unsigned char)(hex_value(s->data[1]) * 16 + hex_value(s->data[2]));
		size = 3;
	}
	*s = str_from(*s, size);
	return byte;
}

static bool same_decoded(struct str a, bool decode_a, struct str b, bool decode_b)
{
	while (a.size && b.size) {
		if (take_byte(&a, decode_a) != take_byte(&b, decode_b))
			return false;
	}
	return a.size == 0 && b.size == 0;
}

bool content_id_matches(struct str href_id, struct str content_id)
{
	return same_decoded(href_id, true, content_id, false) || str_equal(href_id, content_id) ||
	       same_decoded(href_id, true, content_id, true);
}
