#include "mappers/xml_writer.h"

void xml_writer_init(struct xml_writer *writer, struct buf *out)
{
	*writer = (struct xml_writer) { .out = out };
}

void xml_declaration(struct xml_writer *writer)
{
	buf_add(writer->out, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
}

/* What stands for a byte, or an empty slice when it stands for itself. Tab and line ends are written as references in
 * attributes, where a reader would turn them into blanks (XML 1.0 3.3.3), and CR everywhere (2.11). */
static struct str replacement(char c, bool attribute)
{
	switch (c) {
	case '&':
		return STR("&amp;");
	case '<':
		return STR("&lt;");
	case '>':
		return STR("&gt;");
	case '"':
		return attribute ? STR("&quot;") : STR_NONE;
	case '\t':
		return attribute ? STR("&#9;") : STR_NONE;
	case '\n':
		return attribute ? STR("&#10;") : STR_NONE;
	case '\r':
		return STR("&#13;");
	default:
		return STR_NONE;
	}
}

/* Production Char of XML 1.0 2.2. *plain is true when nothing needs a look. */
static bool characters_allowed(struct str text, bool *plain)
{
	bool high = false;

	*plain = true;
	for (size_t i = 0; i < text.size; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
			return false;
		high = high || c >= 0x80;
		if (c < 0x20 || c == '&' || c == '<' || c == '>' || c == '"')
			*plain = false;
		if (c == 0xEF && i + 2 < text.size && (unsigned char)text.data[i + 1] == 0xBF &&
		    (unsigned char)text.data[i + 2] >= 0xBE)
			return false; /* U+FFFE and U+FFFF */
	}
	return !high || str_is_utf8(text);
}

static void add_escaped(struct xml_writer *writer, struct str text, bool attribute)
{
	size_t done = 0;
	bool plain;

	if (!characters_allowed(text, &plain)) {
		writer->forbidden = true;
		return;
	}
	for (size_t i = 0; !plain && i < text.size; i++) {
		struct str instead = replacement(text.data[i], attribute);

		if (!instead.size)
			continue;
		buf_add(writer->out, (struct str) { text.data + done, i - done });
		buf_add(writer->out, instead);
		done = i + 1;
	}
	buf_add(writer->out, str_from(text, done));
}

static void close_tag(struct xml_writer *writer)
{
	if (writer->tag_open)
		buf_add_char(writer->out, '>');
	writer->tag_open = false;
}

void xml_begin(struct xml_writer *writer, struct str name)
{
	close_tag(writer);
	if (writer->depth == XML_WRITER_DEPTH_MAX) {
		writer->out->failed = true;
		return;
	}
	writer->names[writer->depth++] = name;
	buf_add_char(writer->out, '<');
	buf_add(writer->out, name);
	writer->tag_open = true;
}

void xml_attribute(struct xml_writer *writer, struct str name, struct str value)
{
	if (!value.data)
		return;
	buf_add_char(writer->out, ' ');
	buf_add(writer->out, name);
	buf_add(writer->out, STR("=\""));
	add_escaped(writer, value, true);
	buf_add_char(writer->out, '"');
}

void xml_text(struct xml_writer *writer, struct str text)
{
	close_tag(writer);
	add_escaped(writer, text, false);
}

void xml_raw(struct xml_writer *writer, struct str content)
{
	close_tag(writer);
	buf_add(writer->out, content);
}

void xml_end(struct xml_writer *writer)
{
	if (writer->depth == 0) {
		writer->out->failed = true;
		return;
	}
	struct str name = writer->names[--writer->depth];

	if (writer->tag_open) {
		writer->tag_open = false;
		buf_add(writer->out, STR("/>"));
		return;
	}
	buf_add(writer->out, STR("</"));
	buf_add(writer->out, name);
	buf_add_char(writer->out, '>');
}

void xml_element(struct xml_writer *writer, struct str name, struct str text)
{
	if (!text.data)
		return;
	xml_begin(writer, name);
	xml_text(writer, text);
	xml_end(writer);
}

bool xml_writer_finish(struct xml_writer *writer, struct outcome *outcome)
{
	if (writer->forbidden)
		return outcome_add(outcome, ERR_METADATA_INVALID, "",
				   "Remove control characters and other characters that XML cannot carry.");
	if (writer->out->failed && writer->out->size < writer->out->size_max / 2)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: the message could not be built.");
	if (writer->out->failed)
		return outcome_add(outcome, ERR_TOO_LONG, "", "Send less metadata in one message.");
	if (writer->depth)
		return outcome_add(outcome, ERR_INTERNAL, "", "Report this: an XML element was left open.");
	return true;
}
