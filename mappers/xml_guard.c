#include "mappers/xml_guard.h"

const struct xml_limits xml_limits_default = {
	.depth_max = 64,
	.attributes_max = 256,
	.attribute_bytes_max = 64 << 10,
	.tag_bytes_max = 256 << 10,
	.elements_max = 4 << 20,
};

struct guard {
	struct str xml;
	const struct xml_limits *limits;
	struct outcome *outcome;
};

static bool malformed(struct guard *guard, const char *what)
{
	return outcome_add(guard->outcome, ERR_BODY_MALFORMED, "", "%s", what);
}

static bool too_long(struct guard *guard, const char *what)
{
	return outcome_add(guard->outcome, ERR_TOO_LONG, "", "Send an XML text with %s.", what);
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
	const char *end = memmem(guard->xml.data, guard->xml.size, "?>", 2);
	struct str text = { guard->xml.data, end ? (size_t)(end - guard->xml.data) : 0 };
	const char *name = text.size ? memmem(text.data, text.size, "encoding", 8) : NULL;

	if (!end)
		return malformed(guard, "Close the XML declaration with ?>.");
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

/* The start tag in text is longer than any harmless one: counts its attributes and looks at their length. text ends
 * where the next "<" stands, which cannot be inside a tag. */
static bool check_long_tag(struct guard *guard, struct str text)
{
	const struct xml_limits *limits = guard->limits;
	size_t attribute_count = 0;
	size_t at = 0;

	while (at < text.size && text.data[at] != '>') {
		if (text.data[at] != '"' && text.data[at] != '\'') {
			at++;
			continue;
		}
		size_t size = str_find(str_from(text, at + 1), text.data[at]);

		if (++attribute_count > limits->attributes_max)
			return too_long(guard, "fewer attributes on one element");
		if (size > limits->attribute_bytes_max)
			return too_long(guard, "shorter attribute values");
		at += size + 2;
	}
	if (at > limits->tag_bytes_max)
		return too_long(guard, "shorter start tags");
	return true;
}

/* A tag ends before the next "<", which cannot stand inside one. An attribute takes five bytes at least: what is shorter
 * than that many attributes needs no look, so that only the far distances from one "<" to the next are looked for,
 * by jumps. */
static bool check_tags(struct guard *guard)
{
	const struct xml_limits *limits = guard->limits;
	const size_t most = limits->attributes_max * 5;
	const size_t window = most < limits->attribute_bytes_max ? most : limits->attribute_bytes_max;
	struct str rest = str_from(guard->xml, str_find(guard->xml, '<') + 1);

	while (rest.size > window) {
		const char *last = memrchr(rest.data, '<', window);
		size_t next = last ? (size_t)(last - rest.data) : window + str_find(str_from(rest, window), '<');

		if (!last && !strchr("/!?", rest.data[0]) && !check_long_tag(guard, (struct str) { rest.data, next }))
			return false;
		rest = str_from(rest, next + 1);
	}
	return true;
}

/* Only comments and CDATA sections may begin with "<!". What stands in them is passed over. */
static bool check_markup(struct guard *guard)
{
	struct str rest = guard->xml;

	for (size_t at = str_find(rest, '!'); at < rest.size; at = str_find(rest, '!')) {
		bool markup = at > 0 && rest.data[at - 1] == '<';
		struct str end;

		rest = str_from(rest, at + 1);
		if (!markup)
			continue;
		if (str_starts_with(rest, STR("--"))) {
			rest = str_from(rest, 2);
			end = STR("-->");
		} else if (str_starts_with(rest, STR("[CDATA["))) {
			end = STR("]]>");
		} else {
			return malformed(guard, "Send XML without DOCTYPE and without entity declarations.");
		}
		const char *found = memmem(rest.data, rest.size, end.data, end.size);

		if (!found)
			return malformed(guard, "Close XML comments with --> and CDATA sections with ]]>.");
		rest = str_from(rest, (size_t)(found - rest.data) + end.size);
	}
	return true;
}

bool xml_guard(struct str xml, const struct xml_limits *limits, struct outcome *outcome)
{
	struct guard guard = { str_without_prefix(xml, STR("\xEF\xBB\xBF")), limits, outcome };

	if (guard.xml.size < 4)
		return malformed(&guard, "Send an XML text: there is no element in it.");
	/* libxml2 looks at the first four bytes to guess an encoding: without a NUL there it is not UTF-16 or UCS-4. */
	if (!str_is_utf8(guard.xml) || memchr(guard.xml.data, '\0', 4))
		return malformed(&guard, "Send XML in UTF-8: there are bytes that are not UTF-8.");
	if (has_declaration(guard.xml) && !check_declaration(&guard))
		return false;
	return check_markup(&guard) && check_tags(&guard);
}
