#include "mappers/xml_sax.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>

#define CHUNK_BYTES (32 << 10)

struct sax {
	const struct xml_handler *handler;
	void *ctx;
	const struct xml_limits *limits;
	struct outcome *outcome;
	xmlParserCtxtPtr parser;
	size_t depth;
	size_t element_count;
	bool stopped;
};

static void stop(struct sax *sax)
{
	sax->stopped = true;
	xmlStopParser(sax->parser);
}

/* Without entity replacement libxml2 hands &amp; over as "&#38;" (and no other '&' ever), in memory of its own: put right
 * in place. */
static void ampersands_restore(const xmlChar **attribute)
{
	xmlChar *from = memchr(attribute[3], '&', (size_t)(attribute[4] - attribute[3]));
	xmlChar *to = from;

	if (!from)
		return;
	while (from < attribute[4]) {
		*to++ = *from;
		from += *from == '&' && attribute[4] - from >= 5 ? 5 : 1;
	}
	attribute[4] = to;
}

static void on_start(void *ctx, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri, int namespace_count,
		     const xmlChar **namespaces, int attribute_count, int defaulted_count, const xmlChar **attributes)
{
	struct sax *sax = ctx;

	(void)prefix;
	(void)namespace_count;
	(void)namespaces;
	(void)defaulted_count;
	if (sax->stopped)
		return;
	if (++sax->depth > sax->limits->depth_max || ++sax->element_count > sax->limits->elements_max) {
		outcome_add(sax->outcome, ERR_TOO_LONG, "",
			    "Send an XML text with fewer or less deeply nested elements.");
		stop(sax);
		return;
	}
	if (sax->handler->line)
		*sax->handler->line = (size_t)xmlSAX2GetLineNumber(sax->parser);
	for (int i = 0; i < attribute_count; i++)
		ampersands_restore(attributes + (size_t)i * 5);
	if (!sax->handler->begin(sax->ctx, (const char *)local, (const char *)uri, attributes, (size_t)attribute_count))
		stop(sax);
}

static void on_end(void *ctx, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
	struct sax *sax = ctx;

	(void)local;
	(void)prefix;
	(void)uri;
	if (sax->stopped)
		return;
	sax->depth--;
	if (!sax->handler->end(sax->ctx))
		stop(sax);
}

static void on_text(void *ctx, const xmlChar *bytes, int size)
{
	struct sax *sax = ctx;

	if (sax->stopped || size <= 0)
		return;
	if (!sax->handler->text(sax->ctx, (struct str) { (const char *)bytes, (size_t)size }))
		stop(sax);
}

/* The guard refuses DOCTYPE; this is for the day when it errs. */
static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *external_id, const xmlChar *system_id)
{
	struct sax *sax = ctx;

	(void)name;
	(void)external_id;
	(void)system_id;
	if (!sax->stopped)
		outcome_add(sax->outcome, ERR_BODY_MALFORMED, "", "Send XML without DOCTYPE.");
	stop(sax);
}

/* libxml2's words may quote the document: only the line goes out. */
static void on_error(void *ctx, xmlErrorPtr error)
{
	struct sax *sax = ctx;

	if (error->level < XML_ERR_ERROR || sax->stopped)
		return;
	if (error->code == XML_ERR_NO_MEMORY)
		outcome_add(sax->outcome, ERR_NO_MEMORY, "", "Retry later.");
	else
		outcome_add(sax->outcome, ERR_BODY_MALFORMED, "", "Fix the XML near line %d: it is not well-formed.",
			    error->line);
	stop(sax);
}

static void parse(struct sax *sax, struct str xml)
{
	while (xml.size && !sax->stopped) {
		size_t size = xml.size < CHUNK_BYTES ? xml.size : CHUNK_BYTES;

		xmlParseChunk(sax->parser, xml.data, (int)size, 0);
		xml = str_from(xml, size);
	}
	if (!sax->stopped)
		xmlParseChunk(sax->parser, NULL, 0, 1);
	if (!sax->stopped && !sax->parser->wellFormed) {
		outcome_add(sax->outcome, ERR_BODY_MALFORMED, "", "Send well-formed XML.");
		sax->stopped = true;
	}
}

void xml_prepare(void)
{
	xmlInitParser();
}

bool xml_sax_read(struct str xml, const struct xml_limits *limits, const struct xml_handler *handler, void *ctx,
		  struct outcome *outcome)
{
	struct sax sax = { .handler = handler, .ctx = ctx, .limits = limits, .outcome = outcome };
	xmlSAXHandler callbacks = { .initialized = XML_SAX2_MAGIC,
				    .startElementNs = on_start,
				    .endElementNs = on_end,
				    .characters = on_text,
				    .ignorableWhitespace = on_text,
				    .cdataBlock = on_text,
				    .internalSubset = on_doctype,
				    .serror = on_error };

	if (!xml_guard(xml, limits, outcome))
		return false;
	sax.parser = xmlCreatePushParserCtxt(&callbacks, &sax, NULL, 0, NULL);
	if (!sax.parser)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	/* The guard has made sure of UTF-8, whatever the declaration says. */
	xmlCtxtUseOptions(sax.parser, XML_PARSE_NONET | XML_PARSE_IGNORE_ENC);
	parse(&sax, xml);
	if (sax.parser->myDoc)
		xmlFreeDoc(sax.parser->myDoc);
	xmlFreeParserCtxt(sax.parser);
	return !sax.stopped;
}
