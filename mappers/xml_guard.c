#include "mappers/xml_guard.h"

const struct xml_limits xml_limits_default = {
	.depth_max = 64,
	.attributes_max = 256,
	.attribute_bytes_max = 64 << 10,
	.tag_bytes_max = 256 << 10,
	.elements_max = 4 << 20,
};

struct guard {
	struct str rest;
	const struct xml_limits *limits;
	struct outcome *outcome;
	size_t depth;
	size_t element_count;
};

static bool malformed(struct guard *guard, const char *what)
{
	return outcome_add(guard->outcome, ERR_BODY_MALFORMED, "", "%s", what);
}

static bool too_long(struct guard *guard, const char *what)
{
	return outcome_add(guard->outcome, ERR_TOO_LONG, "", "Send an XML text with %s.", what);
}

/* Skips the opening characters, then to behind the next occurrence of a short mark. */
static bool skip_behind(struct guard *guard, size_t opening, struct str mark, const char *what)
{
	guard->rest = str_from(guard->rest, opening);
	const char *found = memmem(guard->rest.data, guard->rest.size, mark.data, mark.size);

	if (!found)
		return malformed(guard, what);
	guard->rest = str_from(guard->rest, (size_t)(found - guard->rest.data) + mark.size);
	return true;
}

static bool has_declaration(struct str xml)
{
	return str_starts_with(xml, STR("<?xml")) && xml.size > 5 && strchr(" \t\r\n", xml.data[5]);
}

/* The encoding that <?xml ...?> names must be the one that was checked. */
static bool check_declaration(struct guard *guard)
{
	static const struct str good[] = { STR_INIT("utf-8"), STR_INIT("utf8"), STR_INIT("us-ascii"),
					   STR_INIT("ascii") };
	const char *end = memmem(guard->rest.data, guard->rest.size, "?>", 2);
	struct str text = { guard->rest.data, end ? (size_t)(end - guard->rest.data) : 0 };
	const char *name = text.size ? memmem(text.data, text.size, "encoding", 8) : NULL;

	if (!end)
		return malformed(guard, "Close the XML declaration with ?>.");
	guard->rest = str_from(guard->rest, text.size + 2);
	if (!name)
		return true;
	struct str value = str_trim(str_from(text, (size_t)(name - text.data) + 8));

	if (value.size && value.data[0] == '=')
		value = str_trim(str_from(value, 1));
	char quote = value.size ? value.data[0] : '\0';

	value = str_from(value, 1);
	value.size = str_find(value, quote);
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		if (str_equal_nocase(value, good[i]))
			return true;
	}
	return malformed(guard, "Send XML in UTF-8 and say so in the XML declaration, or leave the encoding out.");
}

/* rest begins behind "<!". */
static bool skip_markup(struct guard *guard)
{
	if (str_starts_with(guard->rest, STR("--")))
		return skip_behind(guard, 2, STR("-->"), "Close the XML comment with -->.");
	if (str_starts_with(guard->rest, STR("[CDATA[")))
		return skip_behind(guard, 7, STR("]]>"), "Close the CDATA section with ]]>.");
	return malformed(guard, "Send XML without DOCTYPE and without entity declarations.");
}

/* rest begins behind "<" of a start tag; reads to behind its ">". */
static bool skip_start_tag(struct guard *guard)
{
	const struct xml_limits *limits = guard->limits;
	const char *from = guard->rest.data;
	const char *end = from + guard->rest.size;
	const char *at = from;
	size_t attribute_count = 0;

	while (at < end && *at != '>') {
		if (*at != '"' && *at != '\'') {
			at++;
			continue;
		}
		const char *close = memchr(at + 1, *at, (size_t)(end - at) - 1);

		if (!close)
			return malformed(guard, "Close every attribute value with its quote.");
		if (++attribute_count > limits->attributes_max)
			return too_long(guard, "fewer attributes on one element");
		if ((size_t)(close - at) - 1 > limits->attribute_bytes_max)
			return too_long(guard, "shorter attribute values");
		at = close + 1;
	}
	if (at == end)
		return malformed(guard, "Close every XML tag with >.");
	if ((size_t)(at - from) > limits->tag_bytes_max)
		return too_long(guard, "shorter start tags");
	if (++guard->element_count > limits->elements_max)
		return too_long(guard, "fewer elements");
	if ((at == from || at[-1] != '/') && ++guard->depth > limits->depth_max)
		return too_long(guard, "less deeply nested elements");
	guard->rest = str_from(guard->rest, (size_t)(at - from) + 1);
	return true;
}

static bool skip_end_tag(struct guard *guard)
{
	size_t end = str_find(guard->rest, '>');

	if (end == guard->rest.size || guard->depth == 0)
		return malformed(guard, "Match every XML end tag with a start tag.");
	if (end > guard->limits->tag_bytes_max)
		return too_long(guard, "shorter end tags");
	guard->depth--;
	guard->rest = str_from(guard->rest, end + 1);
	return true;
}

/* rest begins behind a "<". */
static bool skip_tag(struct guard *guard)
{
	char first = guard->rest.size ? guard->rest.data[0] : '\0';

	if (first == '/')
		return skip_end_tag(guard);
	if (first == '!') {
		guard->rest = str_from(guard->rest, 1);
		return skip_markup(guard);
	}
	if (first == '?')
		return skip_behind(guard, 1, STR("?>"), "Close every processing instruction with ?>.");
	return skip_start_tag(guard);
}

bool xml_guard(struct str xml, const struct xml_limits *limits, struct outcome *outcome)
{
	struct guard guard = { .rest = xml, .limits = limits, .outcome = outcome };

	if (str_starts_with(guard.rest, STR("\xEF\xBB\xBF")))
		guard.rest = str_from(guard.rest, 3);
	if (!str_is_utf8(guard.rest) || (guard.rest.size && memchr(guard.rest.data, '\0', guard.rest.size)))
		return malformed(&guard, "Send XML in UTF-8: there are bytes that are not UTF-8.");
	if (has_declaration(guard.rest) && !check_declaration(&guard))
		return false;
	while (true) {
		size_t at = str_find(guard.rest, '<');

		if (at == guard.rest.size)
			break;
		guard.rest = str_from(guard.rest, at + 1);
		if (!skip_tag(&guard))
			return false;
	}
	if (guard.element_count == 0)
		return malformed(&guard, "Send an XML text: there is no element in it.");
	if (guard.depth)
		return malformed(&guard, "Send the whole XML text: it ends before its last end tag.");
	return true;
}
