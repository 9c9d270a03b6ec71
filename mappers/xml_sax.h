/* Runs libxml2's SAX2 parser over one text and nothing else of it: the guard first, no network, no DOCTYPE, no entities
 * but the five, a depth limit and a stop flag of our own (SAX knows no depth; libxml2 calls back after it was stopped).
 * The text goes in by pieces, so that long text nodes come out by pieces and cost no memory. */
#ifndef PASSERELLE_XML_SAX_H
#define PASSERELLE_XML_SAX_H

#include "mappers/xml_guard.h"

/* Makes libxml2's own global state, which it would otherwise make at its first use, in whatever threads meet there.
 * Call once, before threads are started. */
void xml_prepare(void);

/* attributes: five pointers each, as libxml2 has them: local name, prefix, namespace, value, end of value (decoded, not
 * NUL-terminated). The same name or namespace has the same address for the whole parse. A callback that returns false
 * ends the parse; it has added its own issue. */
struct xml_handler {
	bool (*begin)(void *ctx, const char *local, const char *uri, const unsigned char **attributes, size_t count);
	bool (*end)(void *ctx);
	bool (*text)(void *ctx, struct str text); /* also CDATA; in pieces */
	size_t *line;                             /* where begin finds its line; NULL: it does not ask */
};

/* False with one issue: ERR_BODY_MALFORMED with the line, ERR_TOO_LONG, ERR_NO_MEMORY, or the callback's own. */
bool xml_sax_read(struct str xml, const struct xml_limits *limits, const struct xml_handler *handler, void *ctx,
		  struct outcome *outcome) MUST_CHECK;

#endif
