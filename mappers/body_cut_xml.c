#include "mappers/body_cut.h"

#define FRAMES_MAX 128

struct scan {
	struct str body;
	size_t at;
	size_t copied; /* the body before this is in the shorter text */
	size_t depth;
	size_t tag_count; /* and comments */
	const struct fhir_limits *limits;
	const struct cut_sink *sink;
	struct cut_text *text;
	struct outcome *outcome;
	struct str names[FRAMES_MAX]; /* of the open elements, without prefix */
};

static bool refuse(struct scan *scan, enum error_code code, size_t offset, const char *text)
{
	return body_refuse(scan->outcome, code, scan->body, offset, text);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct scan *scan)
{
	while (scan->at < scan->body.size && is_blank(scan->body.data[scan->at]))
		scan->at++;
}

/* Up to a blank or one of / > = */
static struct str name_take(struct scan *scan)
{
	size_t start = scan->at;

	while (scan->at < scan->body.size && !is_blank(scan->body.data[scan->at]) &&
	       !memchr("/>=", scan->body.data[scan->at], 3))
		scan->at++;
	return (struct str) { scan->body.data + start, scan->at - start };
}

/* Goes behind the next mark; refuses when there is none. */
static bool skip_past(struct scan *scan, size_t start, struct str mark)
{
	struct str rest = str_from(scan->body, scan->at);
	const char *found = memmem(rest.data, rest.size, mark.data, mark.size);

	if (!found)
		return refuse(scan, ERR_BODY_MALFORMED, start, "Close the tag or comment that begins here.");
	scan->at = (size_t)(found - scan->body.data) + mark.size;
	return true;
}

static bool is_base64_place(const struct scan *scan, struct str element, struct str attribute)
{
	return str_equal(attribute, STR("value")) && str_equal(element, STR("data")) &&
	       !(scan->depth && str_ends_with(scan->names[scan->depth - 1], STR("SampledData")));
}

/* A long base64 value becomes an empty one; its line ends go before the attribute, so that lines keep their number. */
static bool cut_value(struct scan *scan, size_t attribute, struct str value)
{
	size_t start = (size_t)(value.data - scan->body.data);
	struct buf *text = &scan->text->text;

	if (scan->text->cut_count == scan->limits->cut_count_max)
		return refuse(scan, ERR_TOO_COSTLY, start, "Send fewer documents in one request.");
	if (!body_cut_decode(FHIR_XML, scan->body, value, scan->sink, scan->text->cut_count, scan->outcome))
		return false;
	scan->text->cut_count++;
	buf_add(text, (struct str) { scan->body.data + scan->copied, attribute - scan->copied });
	for (size_t at = str_find(value, '\n'); at < value.size; at += 1 + str_find(str_from(value, at + 1), '\n'))
		buf_add_char(text, '\n');
	buf_add(text, (struct str) { scan->body.data + attribute, start - attribute });
	scan->copied = start + value.size;
	return true;
}

static bool value_check(struct scan *scan, struct str element, struct str attribute, struct str value)
{
	size_t start = (size_t)(attribute.data - scan->body.data);

	if (str_equal(element, STR("data")) && str_equal(attribute, STR("value")) && str_is_empty(value))
		return refuse(scan, ERR_BODY_MALFORMED, start, "Leave out an empty value.");
	if (scan->sink && value.size > scan->limits->cut_bytes_min && is_base64_place(scan, element, attribute))
		return cut_value(scan, start, value);
	if (value.size > scan->limits->string_bytes_max)
		return refuse(scan, ERR_TOO_LONG, start,
			      "Shorten this value, or send what it holds as a document (Binary.data).");
	return true;
}

static bool attribute_scan(struct scan *scan, struct str element)
{
	size_t start = scan->at;
	struct str name = name_take(scan);
	char quote;

	skip_blanks(scan);
	if (!name.size || scan->at >= scan->body.size || scan->body.data[scan->at] != '=')
		return refuse(scan, ERR_BODY_MALFORMED, start, "Write attributes as name=\"value\".");
	scan->at++;
	skip_blanks(scan);
	quote = scan->at < scan->body.size ? scan->body.data[scan->at] : '\0';
	if (quote != '"' && quote != '\'')
		return refuse(scan, ERR_BODY_MALFORMED, start, "Write attributes as name=\"value\".");
	scan->at++;
	struct str rest = str_from(scan->body, scan->at);
	struct str value = { rest.data, str_find(rest, quote) };

	if (value.size == rest.size)
		return refuse(scan, ERR_BODY_MALFORMED, start, "Close the value of this attribute.");
	scan->at += value.size + 1;
	return value_check(scan, element, name, value);
}

static bool start_tag_scan(struct scan *scan, size_t start)
{
	struct str name = name_take(scan);
	size_t colon = str_find(name, ':');

	if (colon < name.size)
		name = str_from(name, colon + 1);
	for (;;) {
		skip_blanks(scan);
		if (scan->at >= scan->body.size)
			return refuse(scan, ERR_BODY_MALFORMED, start, "Close the tag or comment that begins here.");
		if (scan->body.data[scan->at] == '>')
			break;
		if (scan->body.data[scan->at] == '/') {
			scan->at++;
			return skip_past(scan, start, STR(">"));
		}
		if (!attribute_scan(scan, name))
			return false;
	}
	scan->at++;
	if (scan->depth == BODY_XML_DEPTH_MAX(scan->limits) || scan->depth == FRAMES_MAX)
		return refuse(scan, ERR_BODY_MALFORMED, start, "Nest elements less deeply.");
	scan->names[scan->depth++] = name;
	return true;
}

/* At a '<'. */
static bool markup_scan(struct scan *scan)
{
	size_t start = scan->at++;
	struct str rest = str_from(scan->body, scan->at);

	/* End tags count as well. */
	if (++scan->tag_count / 2 > scan->limits->values_max)
		return refuse(scan, ERR_TOO_COSTLY, start, "Send fewer values in one request.");
	if (str_starts_with(rest, STR("!--"))) {
		scan->at += 3;
		return skip_past(scan, start, STR("-->"));
	}
	if (str_starts_with(rest, STR("![CDATA["))) {
		scan->at += 8;
		return skip_past(scan, start, STR("]]>"));
	}
	if (str_starts_with(rest, STR("!")))
		return refuse(scan, ERR_BODY_MALFORMED, start, "Remove the DOCTYPE: FHIR takes none.");
	if (str_starts_with(rest, STR("?"))) {
		scan->at++;
		return skip_past(scan, start, STR("?>"));
	}
	if (str_starts_with(rest, STR("/"))) {
		scan->depth -= scan->depth > 0;
		return skip_past(scan, start, STR(">"));
	}
	return start_tag_scan(scan, start);
}

bool body_cut_xml(struct str body, const struct fhir_limits *limits, const struct cut_sink *sink, struct cut_text *text,
		  struct outcome *outcome)
{
	struct scan scan = { .body = body, .limits = limits, .sink = sink, .text = text, .outcome = outcome };

	*text = (struct cut_text) { .cut_count = 0 };
	buf_init(&text->text, body.size);
	for (;;) {
		scan.at += str_find(str_from(body, scan.at), '<');
		if (scan.at >= body.size)
			break;
		if (!markup_scan(&scan))
			return false;
	}
	buf_add(&text->text, str_from(body, scan.copied));
	if (text->text.failed)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	return true;
}
