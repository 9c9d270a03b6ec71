/* Writes XML into a buf: escapes by construction, knows the nesting, never half an element. Problems stick and are
 * asked for once, at the end. UTF-8 is expected; characters that XML 1.0 cannot carry are refused. */
#ifndef PASSERELLE_XML_WRITER_H
#define PASSERELLE_XML_WRITER_H

#include "mappers/base/buf.h"
#include "mappers/base/error.h"

#define XML_WRITER_DEPTH_MAX 112

struct xml_writer {
	struct buf *out;
	struct str names[XML_WRITER_DEPTH_MAX];
	size_t depth;
	bool tag_open;  /* the start tag still takes attributes */
	bool forbidden; /* a character below U+0020, U+FFFE, U+FFFF or bytes that are no UTF-8 */
};

/* Writes to the end of out, which the caller keeps. */
void xml_writer_init(struct xml_writer *writer, struct buf *out);

/* <?xml version="1.0" encoding="UTF-8"?> */
void xml_declaration(struct xml_writer *writer);

/* A start tag. name ("rim:Slot") must live until xml_end: literals. */
void xml_begin(struct xml_writer *writer, struct str name);
/* Only right after xml_begin. A value that is absent (data NULL) writes nothing, an empty one writes name="". */
void xml_attribute(struct xml_writer *writer, struct str name, struct str value);
void xml_text(struct xml_writer *writer, struct str text);
/* Well-formed content that this writer made at another time, as it stands; its prefixes must be declared here. */
void xml_raw(struct xml_writer *writer, struct str content);
void xml_end(struct xml_writer *writer);

/* An element with only text; nothing when text is absent. */
void xml_element(struct xml_writer *writer, struct str name, struct str text);

/* True when all elements are closed and everything fitted. Otherwise adds one issue: ERR_METADATA_INVALID for a
 * forbidden character, ERR_TOO_LONG or ERR_NO_MEMORY. */
bool xml_writer_finish(struct xml_writer *writer, struct outcome *outcome) MUST_CHECK;

#endif
